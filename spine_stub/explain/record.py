"""What clients asked and what they were told: the last requests, and the sign-ins they belong to.

A sign-in begins with authactivate. Its authvalidate is known by the challenge that it echoes, and
what follows by the session. The oldest requests are forgotten when there are too many or when they
take too much memory, and a sign-in with its last request. What is kept of each, redact.py says.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from xml.sax.saxutils import unescape

from ..login.checks import Result
from ..login.gpobject import Message
from .hints import HINTS

KEPT_REQUESTS = 1000
KEPT_BYTES = 16 * 1024 * 1024
KEPT_REPLY = 32 * 1024
"""How many bytes of a reply are kept."""
_OVERHEAD = 2000
"""About what a request takes in memory beside its texts."""
_NONE: Message = MappingProxyType({})
_NAME = re.compile(r'name="cn"[^>]*>([^<]*)<')
_ISSUED_CHALLENGE = re.compile(r'name="challenge"[^>]*>\s*([A-Za-z0-9+/=]+)')


class Exchange(NamedTuple):
    """One request with its reply."""

    number: int
    time: datetime
    endpoint: str
    """The last part of the path, such as "authvalidate"."""
    method: str
    path: str
    client: str
    """The address it came from."""
    query: Message = _NONE
    """The parameters of the address."""
    headers: Mapping[str, str] = _NONE
    message: Message = _NONE
    """The parameters of the gpOBJECT or, for a GET without one, of the address."""
    body_size: int = 0
    status: int = 0
    reply_type: str = ""
    reply: bytes = b""
    """The beginning of the reply's body."""
    reply_size: int | None = 0
    """None when it is not known: the body was a stream."""
    milliseconds: float = 0.0
    uid: str = ""
    session: str = ""
    """The first characters of the session's key, as in the log."""
    reason: str = ""
    detail: str = ""
    fault: str = ""
    checks: tuple[Result, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.line}>"

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        kept = (self.query, self.headers, self.message)
        texts = sum(len("".join(fields)) + len("".join(fields.values())) for fields in kept)
        return _OVERHEAD + len(self.reply) + texts

    @property
    def issued_challenge(self) -> str:
        """The challenge that an authactivate gave, base64; nothing when it gave none."""
        found = _ISSUED_CHALLENGE.search(self.reply.decode("utf-8", "replace"))
        return found[1] if found else ""

    @property
    def outcome(self) -> str:
        """One word: ok, refused or failed; or fault, when the reply was a fault's work."""
        if self.fault:
            return "fault"
        if self.reason:
            return "refused"
        return "ok" if self.status < 400 else "failed"

    @property
    def line(self) -> str:
        """One line for lists and for failing tests."""
        why = (self.fault and f"fault {self.fault}") or self.reason or self.outcome
        return f"#{self.number} {self.method} {self.path} {self.status} {why} uid={self.uid or '-'}"


@dataclass
class SignIn:
    """The requests of one sign-in, from activation to logout, in the order they came."""

    number: int
    exchanges: list[Exchange] = field(default_factory=list)

    def copy(self) -> SignIn:
        """The sign-in as it is now; the record's own goes on."""
        return SignIn(self.number, list(self.exchanges))

    def _last(self, endpoint: str) -> Exchange | None:
        return next((e for e in reversed(self.exchanges) if e.endpoint == endpoint), None)

    @property
    def _bad(self) -> Exchange | None:
        """The last thing that went wrong and that the client did not do right later."""
        latest = {e.endpoint: e for e in self.exchanges}.values()
        return max((e for e in latest if e.outcome != "ok"), key=lambda e: e.number, default=None)

    @property
    def validation(self) -> Exchange | None:
        """The last authvalidate, if it came to one."""
        return self._last("authvalidate")

    @property
    def activation(self) -> Exchange | None:
        """The authactivate that it began with, if it did."""
        return self._last("authactivate")

    @property
    def uid(self) -> str:
        """Whose sign-in it is, or claims to be."""
        return next((e.uid for e in reversed(self.exchanges) if e.uid), "")

    @property
    def cn(self) -> str:
        """The person's name, as the client was told it."""
        reply = self.validation.reply.decode("utf-8", "replace") if self.validation else ""
        found = _NAME.search(reply)
        return unescape(found[1]) if found else ""

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]

    @property
    def outcome(self) -> str:
        """One word for the whole: begun, signed-in, logged-out, refused, failed or fault."""
        bad = self._bad
        if self.validation is None or bad:
            return bad.outcome if bad else "begun"
        out = self._last("authlogout")
        return "logged-out" if out else "signed-in"

    @property
    def trouble(self) -> str:
        """The last thing that went wrong, in a sentence; nothing when nothing did."""
        bad = self._bad
        if bad is None:
            return ""
        if bad.fault:
            return f"A fault was set: {bad.fault}"
        return HINTS.get(bad.reason, bad.reason) or f"HTTP {bad.status}"

    @property
    def begun(self) -> datetime:
        return self.exchanges[0].time


Listener = Callable[[int], None]
"""Is told the number of a sign-in that has begun or gone on."""


class Record:
    """The last requests and sign-ins. All methods can be called from any thread."""

    def __init__(self, requests: int = KEPT_REQUESTS, size: int = KEPT_BYTES) -> None:
        self._most_requests, self._most_bytes = requests, size
        self._exchanges: deque[Exchange] = deque()
        self._sizes: deque[int] = deque()
        self._size = 0
        self._sign_ins: OrderedDict[int, SignIn] = OrderedDict()
        self._sign_in_of: dict[int, SignIn] = {}
        """The sign-in of each request that belongs to one, by the request's number."""
        self._by_mark: OrderedDict[str, int] = OrderedDict()
        self._changed = threading.Condition()
        self._next = 1
        self.listener: Listener | None = None

    def next_number(self) -> int:
        """The number for a request that has just come in."""
        with self._changed:
            self._next += 1
            return self._next - 1

    def add(self, exchange: Exchange) -> None:
        with self._changed:
            self._exchanges.append(exchange)
            self._sizes.append(exchange.size)
            self._size += self._sizes[-1]
            sign_in = self._find_sign_in(exchange)
            if sign_in:
                sign_in.exchanges.append(exchange)
                self._sign_in_of[exchange.number] = sign_in
            while len(self._exchanges) > self._most_requests or self._size > self._most_bytes:
                self._forget_oldest()
            self._changed.notify_all()
        if sign_in and self.listener:
            self.listener(sign_in.number)

    def exchanges(self, endpoint: str | None = None, after: int = 0) -> list[Exchange]:
        """The kept requests, oldest first, of one endpoint or of all."""
        with self._changed:
            return [e for e in self._exchanges if e.number > after and endpoint in (None, e.endpoint)]

    def sign_ins(self) -> list[SignIn]:
        """The kept sign-ins, newest first."""
        with self._changed:
            return [sign_in.copy() for sign_in in reversed(self._sign_ins.values())]

    def sign_in(self, number: int) -> SignIn | None:
        with self._changed:
            found = self._sign_ins.get(number)
            return found.copy() if found else None

    def uid_of(self, session: str) -> str:
        """Whose session this is, as far as it is still recorded; `session` as in Exchange."""
        with self._changed:
            sign_in = self._sign_ins.get(self._by_mark.get(f"session {session}", 0))
            return sign_in.uid if sign_in else ""

    def wait_for(self, condition: Callable[[Exchange], bool], after: int, timeout: float) -> Exchange | None:
        """The first request after number `after` that fits, waiting for it; None when none came."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                found = next((e for e in self._exchanges if e.number > after and condition(e)), None)
                left = end - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        with self._changed:
            while self._exchanges:
                self._forget_oldest()
            self._by_mark.clear()

    def _forget_oldest(self) -> None:
        oldest = self._exchanges.popleft()
        self._size -= self._sizes.popleft()
        sign_in = self._sign_in_of.pop(oldest.number, None)
        if sign_in:
            sign_in.exchanges.pop(0)
            if not sign_in.exchanges:
                del self._sign_ins[sign_in.number]

    def _find_sign_in(self, exchange: Exchange) -> SignIn | None:
        """The sign-in that a request belongs to; a new one where it is the first of one."""
        marks = _marks(exchange)
        if not marks:
            return None
        known = (self._sign_ins.get(self._by_mark.get(mark, 0)) for mark in marks)
        is_new = exchange.endpoint == "authactivate"
        sign_in = None if is_new else next(filter(None, known), None)
        if sign_in is None:
            sign_in = self._sign_ins[exchange.number] = SignIn(exchange.number)
        for mark in marks:
            self._by_mark[mark] = sign_in.number
            self._by_mark.move_to_end(mark)
        while len(self._by_mark) > 3 * self._most_requests:
            self._by_mark.popitem(last=False)
        return sign_in


def _marks(exchange: Exchange) -> list[str]:
    """What the requests of one sign-in have in common, the surest first."""
    marks = []
    if exchange.session:
        marks.append(f"session {exchange.session}")
    if exchange.endpoint == "authactivate":
        issued = exchange.issued_challenge
        marks.append(f"challenge {issued}" if issued else f"request {exchange.number}")
    elif exchange.endpoint == "authvalidate":
        marks.append("challenge " + "".join(exchange.message.get("challenge", "").split()))
    log_session_id = exchange.message.get("log_session_id")
    if log_session_id:
        marks.append(f"log {exchange.client} {log_session_id}")
    return marks
