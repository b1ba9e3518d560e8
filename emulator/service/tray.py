"""The tray: a page on which cards lie, go into a reader and are pulled, and which shows what is said.

    GET  /            the page, with /tray.css and /tray.js beside it: nothing comes from elsewhere
    GET  /events      server-sent events: `overview` (readers and cards), `said` (see journal.py)
    POST /api/NAME    what the control socket does with {"command": NAME, ...}, with the same answers

Only programs of the user who runs the emulator are answered, and only the page itself presses its
buttons: every request must name this server as its Host (a rebound DNS name does not), and what changes
something must come from a page of this server, which browsers say in Origin. Scripts use the control
socket or the command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any

from aiohttp import web

from .control import Answer, Handler, answer
from .journal import Conversation, Said
from .peers import is_own_tcp

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_FILES = {
    "/": ("tray.html", "text/html"),
    "/tray.css": ("tray.css", "text/css"),
    "/tray.js": ("tray.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_COALESCE_SECONDS = 0.05
_RETRY = b"retry: 1000\n\n"
"""A page that has lost the emulator asks for it every second."""
_LONGEST_REQUEST = 4096
_MOST_WAITING = 2000
"""Events that a page may be behind; then it is cut off, and comes back for the last of them."""


class Tray:
    """A small web server in the emulator's event loop."""

    def __init__(
        self, commands: Mapping[str, Handler], overview: Callable[[], Awaitable[Answer]], conversation: Conversation
    ) -> None:
        self._commands = commands
        self._overview = overview
        self._conversation = conversation
        self._pages: set[_Page] = set()
        self._due: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""
        """Where it is, when it is there."""

    async def start(self, port: int) -> None:
        """Serve on loopback; raise OSError when the port is taken."""
        app = web.Application(middlewares=[self._guard], client_max_size=_LONGEST_REQUEST)
        app.router.add_get("/events", self._events)
        app.router.add_post("/api/{command}", self._command)
        for path in _FILES:
            app.router.add_get(path, _file)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        """Hang up on all pages."""
        if self._due:
            self._due.cancel()
        for page in list(self._pages):
            page.send(None)
        if self._runner:
            await self._runner.cleanup()

    def changed(self) -> None:
        """Tell the pages, in a moment, which card is where and how it is."""
        if self._pages and self._due is None:
            self._due = asyncio.get_running_loop().call_later(_COALESCE_SECONDS, self._look)

    def _look(self) -> None:
        self._due = None
        self._looking = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        event = _event("overview", await self._overview())
        for page in list(self._pages):
            page.send(event)

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse what does not come from this PC's own page; give every answer the same headers."""
        refusal = self._refusal(request)
        response = web.json_response({"ok": False, "error": refusal}, status=403) if refusal else await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refusal(self, request: web.Request) -> str:
        here, there = (request.transport and request.transport.get_extra_info(end) for end in ("sockname", "peername"))
        if not here or not there or not is_own_tcp(here, there):
            return "Only the user who runs the emulator may use this page."
        port = self.url.rstrip("/").rpartition(":")[2]
        if request.host not in (f"{HOST}:{port}", f"localhost:{port}"):
            return "This is not the name of this server."
        own = f"http://{request.host}"
        if request.headers.get("Origin", own) != own or request.headers.get("Sec-Fetch-Site") in (
            "cross-site",
            "same-site",
        ):
            return "Another page must not use this one."
        if request.method == "POST" and ("Origin" not in request.headers or request.content_type != "application/json"):
            return "Only the page itself presses its buttons. Scripts: python3 -m emulator --help"
        return ""

    async def _command(self, request: web.Request) -> web.Response:
        handler = self._commands.get(request.match_info["command"])
        try:
            fields = json.loads(await request.read())
        except (ValueError, RecursionError):
            fields = None
        if handler is None or not isinstance(fields, dict):
            return web.json_response({"ok": False, "error": "There is no such button."}, status=404)
        said = await answer(handler, fields)
        return web.json_response(said, status=200 if said["ok"] else 409)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Tell a page everything until it goes; one that comes back is told what it has missed."""
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        page = _Page()
        self._pages.add(page)
        self._conversation.listen(page.say)
        try:
            page.send(_RETRY + _event("overview", await self._overview()))
            for said in self._conversation.since(_number(request.headers.get("Last-Event-ID"))):
                page.say(said)
            with contextlib.suppress(ConnectionError):
                while event := await page.events.get():
                    await response.write(event)
        finally:
            self._conversation.leave(page.say)
            self._pages.discard(page)
        return response


class _Page:
    """What one page has not been told yet; None at the end."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, said: Said) -> None:
        self.send(_event("said", said.as_json(), said.number))

    def send(self, event: bytes | None) -> None:
        """Tell an event, or, to a page that is too far behind, that it must come again."""
        if self.events.qsize() <= _MOST_WAITING:
            self.events.put_nowait(event if self.events.qsize() < _MOST_WAITING else None)


async def _file(request: web.Request) -> web.Response:
    name, kind = _FILES[request.path]
    text = resources.files(__package__).joinpath("static", name).read_text("utf-8")
    return web.Response(text=text, content_type=kind, charset="utf-8")


def _event(kind: str, value: Mapping[str, Any], number: int | None = None) -> bytes:
    """Return one server-sent event (WHATWG HTML, section 9.2)."""
    identity = "" if number is None else f"id: {number}\n"
    return f"{identity}event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
