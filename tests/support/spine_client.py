"""An honest client of the broker that can be told to be dishonest: cards, CMS, requests.

`Card` signs as a program that holds a card's key; `sign_cms` makes the answer in all the variants
that clients send, and tests then spoil the parts they like.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import requests
from asn1crypto import algos, cms, core
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from spine_stub.folder import ISSUING, ISSUING_KEY
from spine_stub.pki.authority import Extension, Issuer, PrivateKey, Validity, name
from spine_stub.pki.demo_cards import Slot

MIME_HEADER = (
    "MIME-Version: 1.0\r\n"
    'Content-Disposition: attachment; filename="smime.p7m"\r\n'
    'Content-Type: application/x-pkcs7-mime; name="smime.p7m"\r\n'
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
)


@functools.cache
def read_key(pem: bytes) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """The key in a PEM file, read once for a test run: python-cryptography checks RSA keys for longer than it signs."""
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


@dataclass(frozen=True)
class Card:
    """One slot of a card folder, as a program that holds its key sees it."""

    uid: str
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, data: Path, card: str, slot: str = "9A") -> Card:
        folder = data / "cards" / card
        certificate = x509.load_pem_x509_certificate((folder / f"{slot}.cert.pem").read_bytes())
        key = read_key((folder / f"{slot}.key.pem").read_bytes())
        common_name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0]
        return cls(str(common_name.value), certificate, key)

    @property
    def as_asn1(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.certificate.public_bytes(Encoding.DER))

    def raw_signature(self, covered: bytes, digest: str) -> bytes:
        algorithm = getattr(hashes, digest.upper())()
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(covered, padding.PKCS1v15(), algorithm)
        return self.key.sign(covered, ec.ECDSA(algorithm))


def make_card(
    data: Path,
    uid: str,
    key: PrivateKey,
    *,
    subject: x509.Name | None = None,
    issuer: Issuer | None = None,
    lifetime: tuple[float, float] = (-1, 1),
    extensions: list[Extension] | None = None,
) -> Card:
    """A card that is not in DIR/cards; `lifetime` is in days from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = (now + timedelta(days=days) for days in lifetime)
    issuer = issuer or Issuer.load(data / ISSUING, data / ISSUING_KEY)
    certificate = issuer.issue(
        subject or name("people", uid),
        key.public_key(),
        Validity(start, end),
        Slot.AUTHENTICATION.extensions if extensions is None else extensions,
    )
    return Card(uid, certificate, key)


def reissue(
    certificate: x509.Certificate, issuer_key: rsa.RSAPrivateKey, *, public_key: bytes = b"", digest: str = "sha256"
) -> x509.Certificate:
    """A certificate as its CA might have made it: for another key (SubjectPublicKeyInfo), or with another digest."""
    made = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    if public_key:
        made["tbs_certificate"]["subject_public_key_info"] = asn1_keys.PublicKeyInfo.load(public_key)
    made["tbs_certificate"]["signature"] = made["signature_algorithm"] = {"algorithm": f"{digest}_rsa"}
    covered = made["tbs_certificate"].dump(force=True)
    made["signature_value"] = issuer_key.sign(covered, padding.PKCS1v15(), getattr(hashes, digest.upper())())
    return x509.load_der_x509_certificate(made.dump(force=True))


@dataclass(frozen=True)
class KeylessCard(Card):
    """A card whose RSA key has the public exponent 1: what is signed is its own signature, and anybody can make it."""

    MODULUS = (1 << 2047) + 1
    PUBLIC_KEY = asn1_keys.PublicKeyInfo.wrap(
        asn1_keys.RSAPublicKey({"modulus": MODULUS, "public_exponent": 1}), "rsa"
    ).dump()

    def raw_signature(self, covered: bytes, digest: str) -> bytes:
        info = algos.DigestInfo({"digest_algorithm": {"algorithm": digest}, "digest": _digest(digest, covered)}).dump()
        return b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info


def sign_cms(card: Card, challenge: bytes, *, digest: str = "sha256", attributes: bool = False) -> cms.ContentInfo:
    """A SignedData over the challenge, as RFC 5652 wants it; tests then spoil parts of it."""
    certificate = card.as_asn1
    is_rsa = isinstance(card.key, rsa.RSAPrivateKey)
    signer_info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number", {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
            ),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": digest}),
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15" if is_rsa else f"{digest}_ecdsa"},
            "signature": b"",
        }
    )
    signed_data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": digest})],
            "encap_content_info": {"content_type": "data", "content": challenge},
            "certificates": [certificate],
            "signer_infos": [signer_info],
        }
    )
    info = cms.ContentInfo({"content_type": "signed_data", "content": signed_data})
    if attributes:
        set_attributes(info, content_type="data", message_digest=_digest(digest, challenge))
    resign(info, card)
    return info


def signer(info: cms.ContentInfo) -> Any:
    """The only SignerInfo."""
    return info["content"]["signer_infos"][0]


def set_attributes(info: cms.ContentInfo, **values: Any) -> None:
    """Give the signer exactly these signed attributes; a list gives an attribute several values."""
    attributes = [
        {"type": name, "values": value if isinstance(value, list) else [value]} for name, value in values.items()
    ]
    signer(info)["signed_attrs"] = cms.CMSAttributes(attributes)


def resign(info: cms.ContentInfo, card: Card) -> None:
    """Sign again what a test has changed."""
    attributes = signer(info)["signed_attrs"]
    if isinstance(attributes, cms.CMSAttributes):
        covered = attributes.untag().dump(force=True)
    else:
        covered = bytes(info["content"]["encap_content_info"]["content"])
    digest = signer(info)["digest_algorithm"]["algorithm"].native
    signer(info)["signature"] = core.OctetString(card.raw_signature(covered, digest))


def _digest(name: str, content: bytes) -> bytes:
    digest = hashes.Hash(getattr(hashes, name.upper())())
    digest.update(content)
    return digest.finalize()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def smime(der: bytes, indent: str = "", wrap: bool = True) -> bytes:
    """S/MIME text; `indent` is put before every line, the blank one too, as one old client does."""
    body = base64.encodebytes(der).decode("ascii") if wrap else b64(der)
    text = MIME_HEADER + body
    if indent:
        text = "".join(f"{indent}{line}\n" for line in text.splitlines())
    return text.encode("ascii")


def gp_object(**parameters: str) -> bytes:
    """A request as agents send it."""
    lines = [f"<gpPARAM name={quoteattr(k)}>{escape(v)}</gpPARAM>" for k, v in parameters.items()]
    doctype = '<!DOCTYPE USER SYSTEM "gpOBJECT.DTD">'
    return f"{doctype}<gpOBJECT>{''.join(lines)}</gpOBJECT>".encode()


def field_of(reply: str, name: str) -> str:
    """A parameter of a reply, cut out as old clients do it: `name` last before the bracket."""
    start = f'name="{name}">'
    assert start in reply, f"no {name} in {reply}"
    return reply.partition(start)[2].partition("<")[0]


@dataclass
class Client:
    """An agent without card and window: one connection kept open, as ours has."""

    url: str
    ca_file: Path
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.verify = str(self.ca_file)
        self.http.trust_env = False

    def post(self, path: str, body: bytes, **more: Any) -> requests.Response:
        return self.http.post(self.url + path, data=body, timeout=10, **more)

    def get(self, path: str, **parameters: str) -> requests.Response:
        return self.http.get(self.url + path, params=parameters, timeout=10)

    def activate(self) -> tuple[str, str]:
        """A challenge and its server signature, both base64."""
        body = gp_object(service="ACTIVATION", log_session_id="0123456789", auth_method="3")
        reply = self.post("/login/authactivate", body).text
        return field_of(reply, "challenge"), field_of(reply, "signature")

    def answer(self, card: Card, response: bytes, challenge: str, signature: str) -> bytes:
        """The body of an authvalidate request."""
        return gp_object(
            service="AUTHENTICATION", log_session_id="0123456789", uid=card.uid, auth_method="3",
            challenge=challenge, signature=signature, response=b64(response), mobility="0",
        )  # fmt: skip

    def validate(self, card: Card, **signing: Any) -> requests.Response:
        challenge, signature = self.activate()
        der = sign_cms(card, base64.b64decode(challenge), **signing).dump()
        body = self.answer(card, smime(der), challenge, signature)
        return self.post("/login/authvalidate", body)

    def sign_in(self, card: Card, **signing: Any) -> str:
        """The ticket of a sign-in that must succeed."""
        reply = self.validate(card, **signing)
        assert reason(reply) is None, f"refused: {reason(reply)}"
        return field_of(reply.text, "sso_ticket")


def reason(reply: requests.Response) -> str | None:
    """Why the broker refused, from the header for developers."""
    return reply.headers.get("X-Spine-Stub-Reason")


def message(uid: str, info: cms.ContentInfo | bytes, echo: dict[str, str]) -> dict[str, str]:
    der = info if isinstance(info, bytes) else info.dump(force=True)
    return {"service": "AUTHENTICATION", "uid": uid, "response": b64(der), **echo}
