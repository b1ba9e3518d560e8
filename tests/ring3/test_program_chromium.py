"""A real Chromium shows the card's certificate to a web server that asks for one.

In a window on a virtual screen, so that its own passcode prompt and its choice of certificates are
met as a person meets them: typed and pressed with the keyboard.
"""

from __future__ import annotations

import contextlib
import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from support.browser import QUIET
from support.emulator import PASSCODE, UID
from support.machine import TIED_TO_THE_RUN, need, program, stop, wait_until
from support.programs import CardDesk, run
from support.screen import Display

# The server's certificate is made here.
ARGUMENTS = (*QUIET, "--password-store=basic", "--ignore-certificate-errors")
PASSCODE_WINDOW, PAGE = "Unlock Security Device", "127.0.0.1_/"


class Shown(http.server.BaseHTTPRequestHandler):
    """Keeps the certificates it was shown."""

    certificates: list[bytes]

    def do_GET(self) -> None:
        connection = self.connection
        assert isinstance(connection, ssl.SSLSocket)
        self.certificates.append(connection.getpeercert(binary_form=True) or b"")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Welcome")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class QuietServer(http.server.ThreadingHTTPServer):
    """Lets Chromium hang up during a handshake, as it does to ask the person."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def server_that_asks(trusted: Path, folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Run an HTTPS server that lets in who shows a certificate of `trusted`; yield address and certificates."""
    key, certificate = folder / "server.key", folder / "server.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    shown: list[bytes] = []
    handler = type("Handler", (Shown,), {"certificates": shown})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}/", shown
        server.shutdown()


@contextlib.contextmanager
def chromium_window(url: str, home: Path, display: Display) -> Iterator[None]:
    """Open a page in a Chromium whose certificates are those of `home`."""
    command = [str(program("chromium")), *ARGUMENTS, f"--user-data-dir={home}/profile", f"--app={url}"]
    process = subprocess.Popen(
        [*TIED_TO_THE_RUN, *command], env={**display.environment, "HOME": str(home)}, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        stop(process)


@pytest.fixture
def home(tmp_path: Path, opensc_pkcs11: str) -> Path:
    """Make a home folder whose certificate database knows OpenSC's library."""
    need("certutil", "modutil")
    database = tmp_path / "home" / ".pki" / "nssdb"
    database.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{database}", "--empty-password")
    run("modutil", "-dbdir", f"sql:{database}", "-add", "card", "-libfile", opensc_pkcs11, "-force")
    return tmp_path / "home"


def only_authentication(folder: Path) -> None:
    """Leave a card with the certificate of 9A alone: there is nothing to choose wrongly."""
    for slot in ("9C", "9D", "9E"):
        (folder / f"{slot}.cert.pem").unlink()


def test_chromium_shows_the_cards_certificate(
    card_desk: CardDesk, home: Path, display: Display, tmp_path: Path
) -> None:
    need("chromium", "openssl")
    folder = card_desk.new_card(only_authentication)
    with server_that_asks(folder / "9A.cert.pem", tmp_path) as (url, shown), chromium_window(url, home, display):
        wait_until(lambda: shown or answer_chromium(display), 50, "the certificate")
    certificate = x509.load_der_x509_certificate(shown[0])
    assert certificate == x509.load_pem_x509_certificate((folder / "9A.cert.pem").read_bytes())
    assert UID in certificate.subject.rfc4514_string()


def answer_chromium(display: Display) -> None:
    """Answer what Chromium asks now: on Debian 12 it asks for the passcode first, on 13 for the certificate.

    Each key goes to a window by its number. Whichever has the keyboard could be the passcode's, just opened, and
    Return there would be an empty passcode, after which Chromium asks no more.
    """
    if asking := windows(display, PASSCODE_WINDOW):
        xdotool(display, "type", "--window", asking[0], PASSCODE)
        wait_until(lambda: gone_after_return(display, asking[0]), what="the end of the passcode's window")
    elif page := windows(display, PAGE):
        xdotool(display, "key", "--window", page[0], "Return")  # the one certificate is chosen already


def gone_after_return(display: Display, number: str) -> bool:
    xdotool(display, "key", "--window", number, "Return")
    return number not in windows(display, PASSCODE_WINDOW)


def windows(display: Display, name: str) -> list[str]:
    """Return the numbers of the visible windows with this name."""
    return xdotool(display, "search", "--onlyvisible", "--name", name).split()


def xdotool(display: Display, *command: str) -> str:
    """Run xdotool, return what it said; a window may be gone before a key reaches it, which is no error."""
    done = subprocess.run(
        ["xdotool", *command], env=display.environment, capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout
