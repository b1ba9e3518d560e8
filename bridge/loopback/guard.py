"""Which requests are answered: from pages of configured origins, to this server by its own name, as nothing but fetch.

The origin comes from the browser (Fetch Standard, "Origin header"), never from the page. A request without one is a
program's or a form's, and gets no ticket. CORS is answered for exact origins; Chromium's older header for requests to
this PC (Access-Control-Request-Private-Network) as well. Its Local Network Access asks for nothing of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

from ..errors import BridgeError, TicketCode
from ..settings import Settings

NAMES = ("127.0.0.1", "localhost", "[::1]")
HEADER = "X-Lanyard"
"""No form can send it, and no page of another origin without a preflight."""
_JSON = "application/json"
_PREFLIGHT_SECONDS = "600"

HEADERS: Mapping[str, str] = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Origin",
    "Server": "lanyard-bridge",
}
"""What holds of every reply."""


class Forbidden(BridgeError):
    """A request that is not answered; the sentence is for whoever develops the page that sent it."""

    code = TicketCode.METHOD_NOT_SUPPORTED
    exit_code = 13


@dataclass(frozen=True)
class Guard:
    """Says who may ask at one port; `with_credentials` lets pages send the cookies that we neither set nor read."""

    settings: Settings
    port: int
    methods: Iterable[str] = ("GET", "POST")
    headers: Iterable[str] = ("content-type", HEADER.lower())
    with_credentials: bool = False

    def check_place(self, request: web.BaseRequest) -> None:
        """Refuse a name that is not this server's (DNS rebinding), a frame, and a visit; raises Forbidden."""
        if request.headers.getall("Host", []) not in [[f"{name}:{self.port}"] for name in NAMES]:
            raise Forbidden("This server has another name.")
        if request.headers.get("Sec-Fetch-Mode") in ("navigate", "nested-navigate", "websocket"):
            raise Forbidden("This is not a page.")

    def origin(self, request: web.BaseRequest) -> str:
        """Return the origin that asks; raises Forbidden unless it is configured."""
        origins = request.headers.getall("Origin", [])
        if len(origins) != 1 or not self.settings.allows(origins[0]):
            raise Forbidden("The page that asks is not on this PC's list: see origins in bridge.toml.")
        return origins[0]

    def check_is_fetch(self, request: web.BaseRequest) -> None:
        """Refuse what a form, an image or a script tag could send; raises Forbidden."""
        if request.content_type != _JSON:
            raise Forbidden(f"The content must be {_JSON}.")
        if HEADER not in request.headers:
            raise Forbidden(f"The header {HEADER} is missing.")
        if request.headers.get("Sec-Fetch-Dest", "empty") != "empty":
            raise Forbidden("Only fetch may ask.")

    def preflight(self, request: web.BaseRequest) -> web.Response:
        """Answer the browser's question before a request (Fetch Standard, "CORS-preflight fetch"); raises Forbidden."""
        origin = self.origin(request)
        wanted = request.headers.get("Access-Control-Request-Method", "")
        asked = request.headers.get("Access-Control-Request-Headers", "").lower()
        names = {name.strip() for name in asked.split(",")} - {""}
        if wanted not in self.methods or not names <= set(self.headers):
            raise Forbidden("No page may ask so.")
        reply = web.Response(status=204, headers=self.cors(origin))
        reply.headers["Access-Control-Allow-Methods"] = ", ".join(self.methods)
        reply.headers["Access-Control-Allow-Headers"] = ", ".join(self.headers)
        reply.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        if request.headers.get("Access-Control-Request-Private-Network") == "true":
            reply.headers["Access-Control-Allow-Private-Network"] = "true"
        return reply

    def cors(self, origin: str) -> dict[str, str]:
        """The headers by which a browser lets a page of this origin read a reply."""
        headers = {"Access-Control-Allow-Origin": origin}
        if self.with_credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers
