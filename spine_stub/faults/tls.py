"""TLS certificates that a client must not accept."""

from __future__ import annotations

import ssl
import tempfile
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from ..config import LOOPBACK, system_clock
from ..folder import ROOT, ROOT_KEY
from ..pki import authority

_OTHER_HOSTS = ("another-broker.example",)


@lru_cache(maxsize=8)
def wrong_context(data: Path, defect: str) -> ssl.SSLContext:
    """TLS with a certificate that is wrong: `unknown-ca`, `wrong-name` or `expired`."""
    key = authority.ec_key()
    now = system_clock()
    root = authority.Issuer.load(data / ROOT, data / ROOT_KEY)
    if defect == "unknown-ca":  # of the same name, as somebody in between would have it
        root = authority.make_root(authority.rsa_key(), now)
    if defect == "expired":
        now -= timedelta(days=1000)
    hosts = _OTHER_HOSTS if defect == "wrong-name" else LOOPBACK
    certificate = authority.make_tls_certificate(root, key, hosts, now)
    return context_of(authority.key_pem(key) + authority.certificate_pem(certificate))


def context_of(key_and_certificate: bytes) -> ssl.SSLContext:
    """A server's TLS, 1.2 or better, with a key and a certificate in one PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # ssl reads files only
        file.write(key_and_certificate)
        file.flush()
        context.load_cert_chain(file.name)
    return context
