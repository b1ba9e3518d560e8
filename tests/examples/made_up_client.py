"""A client of the broker as somebody might have written it: the program under test in the examples."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder


class SignInFailed(Exception):
    """What a person is told."""


class MadeUpClient:
    """Signs in with the key of a card, kept in files."""

    def __init__(self, url: str, ca_file: Path, timeout: float = 5.0) -> None:
        self.url = url
        self.timeout = timeout
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = str(ca_file)
        self.http.headers["User-Agent"] = "MadeUpClient/1.0"

    def sign_in(self, uid: str, card: Path) -> str:
        """Return the ticket; raises SignInFailed."""
        first = self._post("authactivate", service="ACTIVATION")
        challenge = self._field(first, "challenge")
        cms = self._sign(base64.b64decode(challenge), card)
        second = self._post(
            "authvalidate", service="AUTHENTICATION", uid=uid, challenge=challenge,
            signature=self._field(first, "signature"), response=base64.b64encode(cms).decode(), mobility="0",
        )  # fmt: skip
        return self._field(second, "sso_ticket")

    def _sign(self, challenge: bytes, card: Path) -> bytes:
        certificate = x509.load_pem_x509_certificate((card / "9A.cert.pem").read_bytes())
        key = load_pem_private_key((card / "9A.key.pem").read_bytes(), None)
        builder = PKCS7SignatureBuilder().set_data(challenge).add_signer(certificate, key, SHA256())
        return builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoAttributes])

    def _post(self, endpoint: str, **parameters: str) -> str:
        lines = "".join(f'<gpPARAM name="{name}">{value}</gpPARAM>' for name, value in parameters.items())
        body = f"<gpOBJECT>{lines}</gpOBJECT>"
        try:
            reply = self.http.post(f"{self.url}/login/{endpoint}", data=body, timeout=self.timeout)
            reply.raise_for_status()
        except requests.RequestException as exc:
            raise SignInFailed("The sign-in service does not answer. Try again in a minute.") from exc
        return reply.text

    def _field(self, reply: str, name: str) -> str:
        found = re.search(rf'name="{name}">([^<]+)<', reply)
        if not found:
            raise SignInFailed("The sign-in service did not accept the card.")
        return found[1]
