"""Sends logout tokens to the applications of a session that is over, and keeps what they answered.

Each is sent in a thread of the outbox, so that whoever ends a session waits for no application, and no application for
another one. The request is that of OpenID Connect Back-Channel Logout 1.0, section 2.5.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Response

from ...faults import Call, Delivery, Setting, Traits
from ...web import replies
from ..clients.addresses import AddressError
from ..identity.sessions import Session
from ..tokens.reading import BadToken, taken_apart
from . import tokens

if TYPE_CHECKING:
    from ..provider import Provider

_log = logging.getLogger("spine_stub")

ENDPOINT = "backchannel-logout"
"""The name under which faults wait for logout tokens."""
THREADS = 32
"""How many applications are told at the same time: one that does not answer holds a thread for seconds."""
MOST_WAITING = 1000
KEPT = 1000
KEPT_BODY = 500
_FORM = "application/x-www-form-urlencoded"
_TOKEN_TYPE = "application/logout+jwt"  # noqa: S105 - a media type


class NotSent(Exception):
    """A fault stands in the way."""


@dataclass(frozen=True)
class Logout:
    """One application that was to be told of a session's end, and what came of it."""

    time: datetime
    client_id: str
    sign_in: str
    """The client's last sign-in in that session, as the journal knows it."""
    uid: str
    sid: str
    reason: str
    """Why the session ended: card_out, logged_out, expired, control or application."""
    address: str
    claims: Mapping[str, Any]
    """Of the token, as it was sent."""
    fault: str = ""
    status: int | None = None
    """What the application answered; None when it did not."""
    body: str = ""
    """The first characters of the answer."""
    trouble: str = ""
    """Why there is no answer, in a sentence."""
    milliseconds: float = 0.0
    """From the session's end to the answer."""
    number: int = 0


class Outbox:
    """The logout tokens of one provider. All methods can be called from any thread."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._logouts: deque[Logout] = deque(maxlen=KEPT)
        self._lock = threading.Condition()
        self._next, self._waiting = 1, 0
        self._released = threading.Event()
        self._threads = ThreadPoolExecutor(THREADS, "logout")  # starts none before the first is needed

    def send(self, session: Session, reason: str) -> None:
        """Tell every application that had tokens in a session that it is over; returns before they are told."""
        ended, now = time.perf_counter(), self._provider.clock()
        for client_id, sign_in in list(session.clients.items()):
            client = self._provider.clients.get(client_id)
            if client is None or not client.backchannel_logout_uri:
                continue
            uid, sid = session.uid, session.sid
            claims = tokens.claims(session.issuers[client_id], client_id, uid, sid, reason, now)
            logout = Logout(now, client_id, sign_in, uid, sid, reason, client.backchannel_logout_uri, claims)
            self._submit(self._logouts, logout, client.id_token_alg, ended)

    def logouts(self, client_id: str = "") -> list[Logout]:
        """What was sent and answered, oldest first, to one client or all."""
        with self._lock:
            kept = list(self._logouts)
        return [logout for logout in kept if client_id in ("", logout.client_id)]

    def wait(self, timeout: float) -> bool:
        """Wait until no application is being told any more; False when some still are after `timeout` seconds."""
        with self._lock:
            return self._lock.wait_for(lambda: self._waiting == 0, timeout)

    def clear(self) -> None:
        """Forget what was sent."""
        with self._lock:  # what is on its way is noted where nobody looks
            self._logouts = deque(maxlen=KEPT)

    def release(self) -> None:
        """Send nothing more."""
        self._released.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submit(self, kept: deque[Logout], logout: Logout, algorithm: str, ended: float) -> None:
        with self._lock:
            is_full = self._waiting >= MOST_WAITING
            self._waiting += not is_full
        if is_full:
            self._note(kept, replace(logout, trouble=f"{MOST_WAITING} others wait to be sent"))
            return
        with suppress(RuntimeError):  # released meanwhile
            self._threads.submit(self._deliver, kept, logout, algorithm, ended)

    def _deliver(self, kept: deque[Logout], logout: Logout, algorithm: str, ended: float) -> None:
        setting = self._provider.stub.faults.take(ENDPOINT, lambda: Traits((logout.client_id, logout.uid)))
        logout = replace(logout, fault=f"{setting.name} {setting.value}".strip() if setting else "")
        try:
            token = self._token(logout, algorithm, setting)
            with suppress(BadToken):
                logout = replace(logout, claims=taken_apart(token)[1])
            body = urlencode({"logout_token": token}).encode()
            answer = self._provider.addresses.call("POST", logout.address, body, _FORM)
            said = answer.content[:KEPT_BODY].decode("utf-8", "replace")
            logout = replace(logout, status=answer.status, body=said)
        except (AddressError, NotSent) as exc:
            logout = replace(logout, trouble=str(exc))
        finally:
            self._note(kept, replace(logout, milliseconds=(time.perf_counter() - ended) * 1000))
            with self._lock:
                self._waiting -= 1
                self._lock.notify_all()

    def _token(self, logout: Logout, algorithm: str, setting: Setting | None) -> str:
        """The token as it is to be sent, after the fault that is set for it; raises NotSent."""

        def answer() -> Response:
            return Response(self._provider.keys.sign(logout.claims, algorithm), content_type=_TOKEN_TYPE)

        if setting is None:
            return answer().get_data(as_text=True)
        call = Call(ENDPOINT, logout.address, answer, replies.refusal, end_session=lambda: None)
        try:
            reply = setting.fault(call)
        except Exception as exc:  # whoever tests may have written it
            raise NotSent(f"the fault that is set failed: {exc!r}") from exc
        return self._after(call.delivery, reply)

    def _after(self, delivery: Delivery | None, reply: Response) -> str:
        """What a fault leaves to be sent, when it is to be sent; raises NotSent."""
        delivery = delivery or Delivery()
        if reply.status_code != 200 or delivery.after is None or not delivery.head or delivery.share < 1:
            raise NotSent("the fault that is set lets nothing through")
        if self._released.wait(delivery.after):
            raise NotSent("the broker ended")
        return reply.get_data(as_text=True)

    def _note(self, kept: deque[Logout], logout: Logout) -> None:
        with self._lock:
            logout = replace(logout, number=self._next)
            self._next += 1
            kept.append(logout)
        outcome = logout.status or logout.trouble
        _log.info("logout token for %s, %s: %s %.1f ms", logout.client_id, logout.reason, outcome, logout.milliseconds)
        self._provider.journal.add(
            "logout",
            sign_in=logout.sign_in,
            client_id=logout.client_id,
            sent={name: getattr(logout, name) for name in ("address", "reason", "claims")},
            got={"status": logout.status, "body": logout.body, "milliseconds": round(logout.milliseconds, 1)},
            refused=logout.trouble,
            fault=logout.fault,
        )
