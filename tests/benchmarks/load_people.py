"""Hundreds of virtual people for load tests, and one complete sign-in of any of them.

No card, no reader: the answer is put together and signed here, so that the broker is what is
measured. People share a few RSA keys, since making hundreds would take longer than the test; each
has a certificate of their own.
"""

from __future__ import annotations

import base64
import secrets
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: E402
from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: E402
from support.spine_client import Card, field_of, gp_object, sign_cms, smime  # noqa: E402

from spine_stub.config import system_clock  # noqa: E402
from spine_stub.folder import ISSUING, ISSUING_KEY, PEOPLE  # noqa: E402
from spine_stub.people.directory import Person, Role  # noqa: E402
from spine_stub.people.toml import with_person  # noqa: E402
from spine_stub.pki import authority, first_start  # noqa: E402
from spine_stub.pki.authority import Issuer, Validity, key_pem  # noqa: E402
from spine_stub.pki.demo_cards import Slot  # noqa: E402
from spine_stub.web.tls import make_tls  # noqa: E402

KEYS = 8
FIRST_UID = 555900000001
_PLACE = b"\0challenge-goes-here-" + bytes(range(27))
"""48 bytes that stand in a made answer where the challenge will be."""

Send = Callable[[str, str, bytes], str]
"""Sends method, path and body; returns the reply's body, and raises for what is no success."""


class LoadFailed(Exception):
    """The broker did not do what it must."""


@dataclass(frozen=True)
class VirtualPerson:
    """Somebody who can sign in: the answer with gaps for challenge and signature."""

    uid: str
    role: str
    template: bytes
    key: rsa.RSAPrivateKey

    def answer(self, challenge: bytes) -> bytes:
        """The CMS over a challenge: of fixed sizes, so it can be put together from a template."""
        signature = self.key.sign(challenge, padding.PKCS1v15(), hashes.SHA256())
        return self.template.replace(_PLACE, challenge)[: -len(signature)] + signature


def make_people(data: Path, count: int) -> None:
    """Fill DIR, and write people.toml and load/ with this many people."""
    first_start.fill(data, system_clock(), secrets.token_bytes)
    issuing = Issuer.load(data / ISSUING, data / ISSUING_KEY)
    keys = [authority.rsa_key() for _ in range(KEYS)]
    folder = data / "load"
    folder.mkdir()
    (folder / "tls.pem").write_bytes(make_tls(data, ("127.0.0.1",), system_clock()))
    for number, key in enumerate(keys):
        (folder / f"{number}.key.pem").write_bytes(key_pem(key))
    now = system_clock().replace(microsecond=0)
    validity = Validity(now - timedelta(days=1), now + timedelta(days=1))
    entries = []
    for number in range(count):
        uid = str(FIRST_UID + number)
        subject = authority.name("people", uid)
        public_key = keys[number % KEYS].public_key()
        certificate = issuing.issue(subject, public_key, validity, Slot.AUTHENTICATION.extensions)
        info = sign_cms(Card(uid, certificate, keys[number % KEYS]), _PLACE)
        (folder / f"{uid}.cms").write_bytes(info.dump())
        role = Role(f"5559{number:08d}", "LAN001", "THE LANYARD SURGERY", "Clinical", "Clinical Provision", "Nurse")
        entries.append(with_person("", Person(uid, f"Person {number}", (role,))))
    with (data / PEOPLE).open("a") as file:
        file.write("\n" + "\n".join(entries))


def load_people(data: Path) -> list[VirtualPerson]:
    """Read back what make_people wrote."""
    folder = data / "load"
    keys = []
    for number in range(KEYS):
        key = load_pem_private_key((folder / f"{number}.key.pem").read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        keys.append(key)
    people = []
    for number, path in enumerate(sorted(folder.glob("*.cms"))):
        people.append(VirtualPerson(path.stem, f"5559{number:08d}", path.read_bytes(), keys[number % KEYS]))
    return people


def sign_in(send: Send, person: VirtualPerson, check: bool = True) -> str:
    """Activate, sign, validate, select the role, assert it, log out; returns the ticket."""
    body = gp_object(service="ACTIVATION", log_session_id="0123456789", auth_method="3")
    reply = send("POST", "/login/authactivate", body)
    challenge, signature = field_of(reply, "challenge"), field_of(reply, "signature")
    cms_text = smime(person.answer(base64.b64decode(challenge)))
    body = gp_object(
        service="AUTHENTICATION", log_session_id="0123456789", uid=person.uid, auth_method="3",
        challenge=challenge, signature=signature, response=base64.b64encode(cms_text).decode("ascii"), mobility="0",
    )  # fmt: skip
    ticket = field_of(send("POST", "/login/authvalidate", body), "sso_ticket")
    token = quote(ticket, safe="")
    selected = send("GET", f"/saml/RoleSelectionGP.jsp?token={token}&selectedRoleUid={person.role}", b"")
    assertion = send("GET", f"/saml/RoleAssertion?token={token}", b"")
    ended = send("POST", "/login/authlogout", gp_object(service="LOGOUT", sso_ticket=ticket, uid=person.uid))
    if check:
        role = '"ssbSessionRoleUid" AttributeNamespace="http://www.syntegra.com">\n<saml:AttributeValue>' + person.role
        for words, said in (("OK", selected), (f"uid={person.uid},", assertion), (role, assertion), ("OK", ended)):
            if words not in said:
                raise LoadFailed(f"{words!r} is not in {said[:500]!r}")
    return ticket


class Connection:
    """One kept-alive connection over TLS; just enough of HTTP/1.1 to cost next to nothing."""

    def __init__(self, url: str, ca_file: Path) -> None:
        import socket

        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=str(ca_file))
        plain = socket.create_connection((parts.hostname, parts.port), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = parts.netloc
        self._socket = context.wrap_socket(plain, server_hostname=parts.hostname)
        self._file = self._socket.makefile("rb")

    def send(self, method: str, path: str, body: bytes) -> str:
        """See Send."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode("ascii") + body)
        status = self._file.readline()
        length, refusal = 0, ""
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                length = int(value)
            elif name.lower() == "x-spine-stub-reason":
                refusal = value.strip()
        reply = self._file.read(length).decode("utf-8")
        if b" 200 " not in status or refusal:
            raise LoadFailed(f"{method} {path.partition('?')[0]}: {status!r} {refusal}")
        return reply

    def close(self) -> None:
        self._file.close()
        self._socket.close()


assert len(_PLACE) == 48
