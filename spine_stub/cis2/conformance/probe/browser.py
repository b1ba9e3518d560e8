"""A browser without a screen: one person's cookies, and redirects that are followed where the probe may go."""

from __future__ import annotations

import ssl
import time
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from http.cookiejar import DefaultCookiePolicy, LoadError, MozillaCookieJar
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from ....config import is_loopback

SECONDS = 10.0
"""How long a page may take."""
_MOST_BYTES = 2_000_000
_PIECE = 64 * 1024


class ProbeError(Exception):
    """A probe that cannot be made; the text is a sentence."""


@dataclass(frozen=True)
class Page:
    """What the last address answered."""

    url: str
    status: int
    text: str
    location: str = ""
    """Where a redirect leads that was not followed."""


class Places:
    """Where a probe may go: this machine, and hosts that are named and say that they agree."""

    def __init__(self, hosts: Collection[str] = (), authorities: Collection[Path] = ()) -> None:
        """`authorities` are PEM files of certificates that are believed beside the system's; raises ProbeError."""
        self._hosts = {host.lower() for host in hosts}
        self.trust = ssl.create_default_context()
        for path in authorities:
            try:
                self.trust.load_verify_locations(path)
            except (OSError, ssl.SSLError) as exc:
                raise ProbeError(f"{path} holds no certificates: {exc}") from exc

    def check(self, url: str) -> None:
        """Raises ProbeError for an address that the probe must not ask."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError as exc:
            raise ProbeError(f"{url!r} is no address") from exc
        if parts.scheme not in ("http", "https") or not host:
            raise ProbeError(f"{url!r} is no http or https address")
        if not is_loopback(host) and host not in self._hosts:
            raise ProbeError(f"{host} is not this machine, and --allow-host does not name it")


class Browser:
    """One person's browser."""

    def __init__(self, places: Places) -> None:
        self._places = places
        # Applications in development have Secure cookies on http://localhost, and browsers send them there.
        policy = DefaultCookiePolicy(secure_protocols=("https", "http"))
        self.cookies = MozillaCookieJar(policy=policy)

    def get(self, url: str, *, leave: bool = True, stop: str = "") -> Page:
        """Open an address as a browser does; raises ProbeError.

        Without `leave` no redirect to another site is followed, and with `stop` none to an address that begins so.
        """
        self._places.check(url)
        opener = self._opener(_Redirects(self._places, "" if leave else _origin(url), stop))
        try:
            request = Request(url, headers={"Accept": "text/html,*/*"})  # noqa: S310 - check() let it pass
            with opener.open(request, timeout=SECONDS) as reply:
                return Page(reply.url, reply.status, _body(reply))
        except HTTPError as error:
            with error:
                return Page(error.url or url, error.code, _body(error), error.headers.get("Location") or "")
        except (OSError, HTTPException, ValueError) as exc:
            raise ProbeError(f"{url} does not answer: {getattr(exc, 'reason', None) or exc}") from exc

    def load(self, path: Path) -> None:
        """Take the cookies that another program left in a file, as curl writes it; raises ProbeError."""
        if not path.exists() or not path.stat().st_size:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # http.cookiejar warns of lines that it raises LoadError for
                self.cookies.load(str(path), ignore_discard=True, ignore_expires=True)
        except (OSError, LoadError, ValueError) as exc:
            raise ProbeError(f"the cookie file that COMMAND left cannot be read: {exc}") from exc
        for cookie in list(self.cookies):
            # curl writes 0 for the end of a session's cookie, and http.cookiejar calls a host without dots X.local.
            cookie.expires = cookie.expires or None
            if "." not in cookie.domain and ":" not in cookie.domain:
                self.cookies.clear(cookie.domain, cookie.path, cookie.name)
                cookie.domain = f"{cookie.domain}.local"
                self.cookies.set_cookie(cookie)

    def _opener(self, redirects: HTTPRedirectHandler) -> OpenerDirector:
        trust = HTTPSHandler(context=self._places.trust)
        return build_opener(ProxyHandler({}), trust, HTTPCookieProcessor(self.cookies), redirects)


class _Redirects(HTTPRedirectHandler):
    """Follows redirects where the probe may go; with an origin, only within it."""

    def __init__(self, places: Places, origin: str, stop: str) -> None:
        self._places, self._origin, self._stop = places, origin, stop

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """None leaves the redirect as the answer."""
        if (self._origin and _origin(newurl) != self._origin) or (self._stop and newurl.startswith(self._stop)):
            return None
        self._places.check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _body(reply: IO[bytes]) -> str:
    """The text of a reply, as much as comes within the time and the size that a page may have."""
    ends, content = time.monotonic() + SECONDS, b""
    while time.monotonic() < ends and len(content) < _MOST_BYTES:
        try:
            piece = reply.read1(_PIECE) if hasattr(reply, "read1") else reply.read(_PIECE)
        except (OSError, HTTPException):
            break
        if not piece:
            break
        content += piece
    return content.decode("utf-8", "replace")
