"""Bad days, one mechanism: the one-shot queue first, then a standing fault, then the normal reply.

A fault is a small callable, `(call) -> reply`. It may look at the normal reply with
`call.proceed()` and change it, or make one of its own. A Kind is one with a name, which the console
and the JSON API offer; Python takes any callable, and no server change is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from flask import Response

from ..errors import BrokerError, DataError

TLS = "tls"
"""Stands for an endpoint: the handshake of a new connection."""
MOST_SET = 1000


@dataclass(frozen=True)
class Delivery:
    """How the web server is to send a reply: when, and how much of it, before it closes the connection."""

    after: float | None = 0.0
    """Seconds from now; None for never, with the connection left open."""
    head: bool = True
    """Without its head nothing is sent at all."""
    share: float = 1.0
    """The part of the body that is sent."""


@dataclass
class Call:
    """One request on its way to its view, in the hands of a fault."""

    endpoint: str
    base: str
    """Where the client reached us, such as https://127.0.0.1:8443."""
    answer: Callable[[], Response]
    """The normal way; raises BrokerError."""
    refusal: Callable[[BrokerError], Response]
    end_session: Callable[[], None]
    """Ends the session that the request belongs to, as the server's own time limit would."""
    delivery: Delivery | None = None

    def proceed(self) -> Response:
        """The reply that would be sent without the fault, be it a refusal."""
        try:
            return self.answer()
        except BrokerError as exc:
            return self.refusal(exc)


Fault = Callable[[Call], Response]


@dataclass(frozen=True)
class Kind:
    """A fault by name, with what can be said about it and how it is made from its value."""

    name: str
    title: str
    make: Callable[[str], Fault]
    """Raises ValueError for a value that is none."""
    value: str = ""
    """What the value means; nothing when the fault takes none."""
    default: str = ""
    choices: tuple[str, ...] = ()
    endpoint: str = ""
    """Whose replies it changes where it is not set for another endpoint; nothing for all of them."""

    def fault(self, value: str) -> Fault:
        """Make a fault from its value, or the value's default; raises DataError."""
        if value and not self.value:
            raise DataError(f"the fault {self.name} takes no value")
        try:
            return self.make(value or self.default)
        except ValueError as exc:
            raise DataError(f"{value!r} is no value for {self.name}: {self.value}") from exc


@dataclass(frozen=True)
class Traits:
    """By what a fault knows a client: equal to one of `exact`, or part of one of `names`."""

    exact: Sequence[str]
    """Address, uid, log_session_id, client_id of CIS2."""
    names: Sequence[str] = ()
    """User-Agent, device_id."""

    def fit(self, client: str) -> bool:
        """Whether this is the client of that description; nothing means everybody."""
        return not client or client in self.exact or any(client.casefold() in name.casefold() for name in self.names)


@dataclass(frozen=True)
class Setting:
    """A fault that waits for its requests."""

    number: int
    name: str
    fault: Fault = field(repr=False)
    value: str = ""
    endpoint: str = ""
    """The last part of a path, such as "authvalidate"; nothing for all of them."""
    client: str = ""
    """See Traits; nothing for all of them."""
    standing: bool = False

    def fits(self, endpoint: str, traits: Traits) -> bool:
        """Whether this request is one that the fault waits for."""
        if (self.endpoint == TLS) != (endpoint == TLS):
            return False
        return self.endpoint in ("", endpoint) and traits.fit(self.client)


class Faults:
    """The faults that are set. All methods can be called from any thread."""

    def __init__(self, kinds: Iterable[Kind], endpoints: Iterable[str]) -> None:
        """`endpoints` are all there are."""
        self.kinds = list(kinds)
        self.endpoints = list(dict.fromkeys(endpoints))
        self._lock = threading.Lock()
        self._settings: list[Setting] = []
        """In the order they were set."""
        self._next = 1

    def offer(self, kinds: Iterable[Kind], endpoints: Iterable[str]) -> None:
        """Add kinds and endpoints, as a part of the stub does that is not always there."""
        self.kinds += kinds
        self.endpoints = list(dict.fromkeys((*self.endpoints, *endpoints)))

    def once(
        self, fault: str | Fault, value: object = "", *, endpoint: str = "", client: str = "", times: int = 1
    ) -> list[Setting]:
        """Queue a fault for the next request that fits, or the next few; raises DataError."""
        if times < 1 or len(self._settings) + times > MOST_SET:
            raise DataError(f"times must be 1 or more, and no more than {MOST_SET} faults are set at a time")
        return [self._add(fault, value, endpoint, client, False) for _ in range(times)]

    def always(self, fault: str | Fault, value: object = "", *, endpoint: str = "", client: str = "") -> Setting:
        """Let a fault stand until it is cleared; of two that fit, the later one acts. Raises DataError."""
        return self._add(fault, value, endpoint, client, True)

    def clear(self, number: int | None = None) -> int:
        """Take one fault away, or all of them; returns how many went."""
        with self._lock:
            before = len(self._settings)
            self._settings = [s for s in self._settings if number not in (None, s.number)]
            return before - len(self._settings)

    def take(self, endpoint: str, traits: Callable[[], Traits]) -> Setting | None:
        """Return the fault for a request; one from the queue is used up by that."""
        if not self._settings:
            return None
        found_traits = traits()
        with self._lock:
            fitting = [setting for setting in self._settings if setting.fits(endpoint, found_traits)]
            queued = next((setting for setting in fitting if not setting.standing), None)
            if queued:
                self._settings.remove(queued)
            return queued or next(reversed(fitting), None)

    def settings(self) -> list[Setting]:
        """What is set now: the queue in its order, then what stands."""
        with self._lock:
            return sorted(self._settings, key=lambda setting: setting.standing)

    def _add(self, fault: str | Fault, value: object, endpoint: str, client: str, standing: bool) -> Setting:
        if endpoint and endpoint not in self.endpoints:
            raise DataError(f"there is no endpoint {endpoint!r}; there are: {', '.join(sorted(self.endpoints))}")
        if isinstance(fault, str):
            kind = self._kind(fault)
            name, made, endpoint = kind.name, kind.fault(str(value)), endpoint or kind.endpoint
        else:
            name, made = getattr(fault, "__name__", "fault"), fault
        if getattr(made, "is_tls", False):
            endpoint = TLS
        with self._lock:
            setting = Setting(self._next, name, made, str(value), endpoint, client, standing)
            self._next += 1
            self._settings.append(setting)
        return setting

    def _kind(self, name: str) -> Kind:
        kind = next((kind for kind in self.kinds if kind.name == name), None)
        if kind is None:
            raise DataError(f"there is no fault {name!r}; there are: {', '.join(kind.name for kind in self.kinds)}")
        return kind
