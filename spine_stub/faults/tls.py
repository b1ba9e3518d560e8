"""TLS certificates that a client must not accept, for one handshake each or for as long as wanted."""

from __future__ import annotations

import ssl
import tempfile
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from ..config import LOOPBACK, system_clock
from ..explain.record import Exchange
from ..folder import ROOT, ROOT_KEY
from ..pki import authority
from ..stub import Stub
from . import TLS, Traits
from .kinds import TlsFault

_OTHER_HOSTS = ("another-broker.example",)


def context_for(stub: Stub, address: str) -> ssl.SSLContext | None:
    """Return what a new connection is to be greeted with, when a fault is set for it."""
    setting = stub.faults.take(TLS, lambda: Traits([address]))
    if setting is None or not isinstance(setting.fault, TlsFault):
        return None
    stub.record.add(_exchange(stub, address, setting.name))
    return _context(stub.broker.config.data, setting.fault.defect)


@lru_cache(maxsize=8)
def _context(data: Path, defect: str) -> ssl.SSLContext:
    key = authority.ec_key()
    now = system_clock()
    root = authority.Issuer.load(data / ROOT, data / ROOT_KEY)
    if defect == "unknown-ca":  # of the same name, as somebody in between would have it
        root = authority.make_root(authority.rsa_key(), now)
    if defect == "expired":
        now -= timedelta(days=1000)
    hosts = _OTHER_HOSTS if defect == "wrong-name" else LOOPBACK
    certificate = authority.make_tls_certificate(root, key, hosts, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile() as file:  # OpenSSL reads keys from files only
        file.write(authority.key_pem(key) + authority.certificate_pem(certificate))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _exchange(stub: Stub, address: str, fault: str) -> Exchange:
    return Exchange(
        number=stub.record.next_number(),
        time=stub.broker.clock(),
        endpoint=TLS,
        method="TLS",
        path="handshake",
        query="",
        client=address,
        headers={},
        body=b"",
        message={},
        status=0,
        reply_type="",
        reply=b"",
        reply_size=0,
        milliseconds=0.0,
        fault=fault,
    )
