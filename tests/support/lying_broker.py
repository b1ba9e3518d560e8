"""A broker that lies as a test tells it to: a real HTTPS server on loopback.

`lying_broker` tells the truth until `lies` has something else for an endpoint: the bytes to send,
or a function that gets the connection. What certificate it shows is the test's choice too.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import inspect
import ipaddress
import socket
import ssl
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Lie = bytes | Callable[[socket.socket], None]
Wrap = Callable[[socket.socket], socket.socket]

TICKET = "AQIC5wM2LY4Sfcxs+uFGd2c/3Z+8rhVJxOWlYvH0vM0mQdE=@AAJTSQACMDE=#"
CHALLENGE = base64.b64encode(bytes(range(48))).decode()
ROLE = 'LEEDS TRUST, "Clinical":"Clinical Provision":"Nurse Access Role"'
DAY = datetime.timedelta(days=1)


def http(body: bytes | str, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer."""
    content = body if isinstance(body, bytes) else body.encode()
    fields = {"Content-Type": "text/xml", "Content-Length": str(len(content))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def gp(inside: str, doctype: str = "") -> str:
    return f"{doctype}<gpOBJECT>{inside}</gpOBJECT>"


def parameter(name: str, value: str, attributes: str = "") -> str:
    return f'<gpPARAM {attributes} name="{name}">{value}</gpPARAM>'


def activation(**changed: str | None) -> bytes:
    """A good answer to authactivate, but for these parameters; None leaves one out."""
    return http(gp(parameters({"challenge": CHALLENGE, "signature": "c2ln"} | changed)))


def validation(extra: str = "", **changed: str | None) -> bytes:
    """A good answer to authvalidate with one role, but for these parameters."""
    values = {
        "cn": "Alex Example",
        "sso_ticket": TICKET,
        "sso_max_session_time": "600",
        "sso_session_time": "300",
        "sso_logout_url": "https://127.0.0.1/elsewhere",
    }
    role = parameter("nhsjobrole0", ROLE, 'id="100"')
    return http(gp(parameters(values | changed) + (extra or role)))


def parameters(values: dict[str, str | None]) -> str:
    return "".join(parameter(name, value) for name, value in values.items() if value is not None)


OK = http("<HTML><STATUS>OK</STATUS></HTML>")


class Authority:
    """A CA for one test run; `context` is TLS with a certificate that it has signed."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own CA")])
        uses = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False) | {
            "key_cert_sign": True,
            "crl_sign": True,
        }
        self.certificate = self._signed(
            self.name,
            self.key,
            3650 * DAY,
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.KeyUsage(**uses), True),
        )

    def write(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def context(self, host: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """TLS as a server that names itself `host`, with a certificate that ends in `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a lying broker")])
        names = (x509.SubjectAlternativeName([general_name(host)]), False)
        certificate = self._signed(name, key, days * DAY, names)
        encoding = serialization.Encoding.PEM
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(private + certificate.public_bytes(encoding))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        lasts: datetime.timedelta,
        *extensions: tuple[x509.ExtensionType, bool],
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + lasts)
            .add_extension(issuer, False)
            .add_extension(subject, False)
        )
        for extension in extensions:
            builder = builder.add_extension(*extension)
        return builder.sign(self.key, hashes.SHA256())


def general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@functools.cache
def authority() -> Authority:
    return Authority()


def tls_1_1(context: ssl.SSLContext) -> ssl.SSLContext:
    """TLS no newer than 1.1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


class LyingBroker:
    """Answers each request with the lie for its endpoint, or else with the truth."""

    def __init__(self) -> None:
        self.lies: dict[str, Lie] = {}
        self.requests: list[bytes] = []
        self.wrap: Wrap = functools.partial(authority().context().wrap_socket, server_side=True)
        self._truth: dict[str, Lie] = {
            "authactivate": activation(),
            "authvalidate": validation(),
            "RoleSelectionGP.jsp": OK,
            "authlogout": OK,
        }
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "https://127.0.0.1:{1}".format(*self._listener.getsockname())
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def asked(self, endpoint: str) -> list[bytes]:
        """The requests that came for this endpoint."""
        return [request for request in self.requests if endpoint.encode() in request]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), self.wrap(connection) as secure:
            self._open.add(secure)
            while request := read_request(secure):
                self.requests.append(request)
                endpoint = request.split(b"?")[0].split()[1].rpartition(b"/")[2].decode()
                answer = self.lies.get(endpoint) or self._truth[endpoint]
                if not isinstance(answer, bytes):
                    answer(secure)
                    return
                secure.sendall(answer)


def read_request(connection: socket.socket) -> bytes:
    """One HTTP request, head and body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def lying_broker() -> Iterator[LyingBroker]:
    """A broker that tells the truth, until a test gives it a lie."""
    broker = LyingBroker()
    yield broker
    broker.close()


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    """The CA that the lying broker's certificate is from."""
    return authority().write(tmp_path / "lying-ca.pem")
