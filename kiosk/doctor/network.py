"""The way to the sign-in service: name, port, TLS, clock and challenge, each told apart from the others."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from asn1crypto import x509

from agent import CONNECT_SECONDS, AgentError, Broker, check_spine, clean

from .findings import Finding, Findings, Stop, Trouble
from .surroundings import Surroundings

SUBJECT = "sign-in service"
DOUBTFUL_SECONDS, WRONG_SECONDS = 30, 240  # the broker takes a challenge for 5 minutes
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

# X509_verify_cert_error_string(3) of OpenSSL
_NOT_YET_VALID, _EXPIRED = 9, 10
_TRUST = {_NOT_YET_VALID: Trouble.TLS_EXPIRED, _EXPIRED: Trouble.TLS_EXPIRED}
_TRUST |= dict.fromkeys((2, 18, 19, 20, 21), Trouble.TLS_UNKNOWN_CA) | dict.fromkeys((62, 64), Trouble.TLS_WRONG_NAME)
_OLD_PROTOCOL = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "VERSION_TOO_LOW", "NO_PROTOCOLS", "LEGACY_SIGALG")
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "WRONG_SSL")
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


def look_at_network(around: Surroundings) -> Findings:
    """Yield how far the way to the sign-in service goes; what is behind a break is not looked at."""
    settings = around.settings
    try:
        check_spine(settings)
    except AgentError:
        return
    parts = urlsplit(settings.spine)
    host, port = parts.hostname or "", parts.port or 443
    if proxy := next((around.environment[name] for name in _PROXIES if around.environment.get(name)), ""):
        yield Finding("proxy", f"This session names a proxy, {_without_user(proxy)}.", Trouble.PROXY_IGNORED)
    yield _look_up(host, port)
    yield _knock(host, port)
    with contextlib.closing(_greet(host, port, around)) as link:
        yield Finding("TLS", f"{link.version()}, with a certificate that is trusted, of {_issuer(link)}.")
    yield _compare_clocks(host, port, around)
    yield _ask(around)


def _without_user(proxy: str) -> str:
    return clean(proxy.rpartition("@")[2], 80)


def _look_up(host: str, port: int) -> Finding:
    """Raises Stop where the name has no address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise Stop(Finding("name", f"{host} can be no name.", Trouble.NAME_UNKNOWN)) from None
    except socket.gaierror as error:
        silent = error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM)
        trouble = Trouble.NO_NAME_SERVICE if silent else Trouble.NAME_UNKNOWN
        raise Stop(Finding("name", f"{host} has no address: {error.strerror}.", trouble)) from None
    addresses = sorted({str(address[0]) for *_, address in found})
    return Finding("name", f"{host} is {', '.join(addresses)}.")


def _knock(host: str, port: int) -> Finding:
    """Raises Stop where nobody opens."""
    where = f"{host}, port {port}"
    try:
        _connect(host, port).close()
    except TimeoutError:
        raise Stop(Finding("port", f"{where} does not answer.", Trouble.PORT_SILENT)) from None
    except OSError as error:
        trouble = Trouble.NO_ROUTE if error.errno in _UNREACHABLE else Trouble.PORT_CLOSED
        raise Stop(Finding("port", f"{where} cannot be reached: {error.strerror}.", trouble)) from None
    return Finding("port", f"{where} is open.")


def _connect(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), CONNECT_SECONDS)


def _context(around: Surroundings) -> ssl.SSLContext:
    """Return what the agent asks of the other side: its settings' CA file, or else the system's CAs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if around.settings.ca_file:
        context.load_verify_locations(around.settings.ca_file)
    else:
        context.load_default_certs()
    return context


def _greet(host: str, port: int, around: Surroundings) -> ssl.SSLSocket:
    """Return a connection over TLS. Raises Stop where that is not trusted, or is none."""
    try:
        return _context(around).wrap_socket(_connect(host, port), server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        says = f"Its certificate is not trusted: {error.verify_message}. {_who_issued(host, port)}"
        trouble = _TRUST.get(error.verify_code, Trouble.TLS_REFUSED)
        raise Stop(Finding("TLS", says.strip(), trouble)) from None
    except ssl.SSLError as error:
        raise Stop(Finding("TLS", f"There is no TLS connection: {error.reason or error}.", _kind(error))) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Stop(Finding("TLS", f"It ends the connection at once: {why}.", Trouble.TLS_REFUSED)) from None


def _kind(error: ssl.SSLError) -> Trouble:
    reason = f"{error.reason} {error}".upper().replace(" ", "_")  # not every reason has a name of its own
    if any(word in reason for word in _OLD_PROTOCOL):
        return Trouble.TLS_TOO_OLD
    return Trouble.NOT_TLS if any(word in reason for word in _NO_TLS) else Trouble.TLS_REFUSED


def _who_issued(host: str, port: int) -> str:
    """Return a sentence on a certificate that is not trusted. Nothing is sent over this connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with context.wrap_socket(_connect(host, port), server_hostname=host) as link:
            return f"It is of {_issuer(link)}."
    except (OSError, ValueError):
        return ""


def _issuer(link: ssl.SSLSocket) -> str:
    """Return the name of whoever issued the other side's certificate, and its last day."""
    certificate = x509.Certificate.load(link.getpeercert(binary_form=True) or b"")
    try:
        return f"{clean(certificate.issuer.human_friendly, 120)}, until {certificate.not_valid_after:%-d %B %Y}"
    except ValueError:
        return "nobody who can be read"


def _compare_clocks(host: str, port: int, around: Surroundings) -> Finding:
    """By the Date header of whatever reply there is (RFC 9110, 6.6.1), which counts whole seconds."""
    connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=_context(around))
    try:
        connection.request("HEAD", "/")
        date = parsedate_to_datetime(connection.getresponse().headers.get("Date", ""))
    except (OSError, ValueError, http.client.HTTPException):
        return Finding("clock", "The sign-in service does not say what time it is there.")
    finally:
        connection.close()
    theirs = date if date.tzinfo else date.replace(tzinfo=UTC)
    return _clock(around.now(), theirs)


def _clock(ours: datetime, theirs: datetime) -> Finding:
    off = (ours - theirs).total_seconds()
    says = f"This PC's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the sign-in service's."
    if abs(off) > WRONG_SECONDS:
        return Finding("clock", says, Trouble.CLOCK_WRONG)
    return Finding("clock", says, Trouble.CLOCK_OFF if abs(off) > DOUBTFUL_SECONDS else None)


def _ask(around: Surroundings) -> Finding:
    """A sign-in's first request, which opens no session."""
    try:
        with contextlib.closing(Broker(around.settings.spine, around.settings.ca_file)) as broker:
            broker.activate()
    except AgentError as error:
        return Finding(SUBJECT, f"{error.says} ({error.technical})", Trouble.BROKER_FAILS)
    return Finding(SUBJECT, "It gives a challenge to sign, as at the beginning of a sign-in.")
