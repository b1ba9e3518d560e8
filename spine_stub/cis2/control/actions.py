"""What a test can have done: sign somebody in, pull a card, move the clock, register an application, begin again.

The control API and the Python kit call these; each raises DataError with a sentence for a wish that cannot be met.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from ...errors import DataError
from ...people.directory import Person
from ...sessions.endings import Ending
from ..clients.registry import Client, make, new_secret
from ..identity.assurance import MECHANISMS
from ..identity.sessions import Session
from ..pending import Arranged
from ..provider import Provider

YEARS = range(2000, 2101)
_USUAL = {3: "N3_SMARTCARD", 2: "TOTP", 1: "USERPASS"}
"""What somebody uses when a test names the level alone."""


def arrange(
    provider: Provider,
    uid: str,
    *,
    role: str = "",
    mechanism: str = "",
    aal: int = 3,
    client: str = "",
    standing: bool = False,
) -> Arranged:
    """Sign this person in at the next authorization request, of this client or any, without asking anybody.

    `role` is the id or the code of one of the person's roles. A standing one holds until it is taken back.
    """
    person = provider.person(uid)
    if person is None:
        raise DataError(f"nobody who may sign in has the uid {uid[:20]!r}")
    if client and provider.clients.get(client) is None:
        raise DataError(f"there is no client {client[:40]!r}")
    how = _mechanism(mechanism, aal)
    arranged = Arranged(uid, _role_id(person, role), how, MECHANISMS[how].aal, client, standing)
    provider.arranged.add(arranged)
    return arranged


def take_back(provider: Provider, client: str = "") -> int:
    """Forget the sign-ins that are arranged, of one client or all; returns how many."""
    return provider.arranged.forget(client)


def signed_in(provider: Provider) -> list[Session]:
    """The sessions that are not over, the oldest first."""
    return [session for each in provider.sessions.all() if (session := provider.sessions.get(each.sid))]


def card_out(provider: Provider, uid: str = "", sid: str = "") -> list[Session]:
    """End the sessions of a person, the one of this sid, or all, as when the card is pulled; returns them."""
    found = [each for each in provider.sessions.all() if uid in ("", each.uid) and sid in ("", each.sid)]
    for session in found:
        provider.sessions.end(session.sid, "card_out")
        if session.ticket_key:
            provider.broker.endings.close(session.ticket_key, Ending.LOGGED_OUT)
    return found


def set_clock(provider: Provider, *, now: datetime | None = None, forward: timedelta = timedelta()) -> datetime:
    """Let it be this time for CIS2, or so much later; returns its time. Sessions whose time is up end."""
    start = now or provider.clock()
    current = start + forward if start.year in YEARS else start
    if current.year not in YEARS:
        raise DataError(f"CIS2's clock does not leave the years {YEARS[0]} to {YEARS[-1]}")
    provider.clock.set(current)
    return current


def register(provider: Provider, table: dict[str, Any]) -> Client:
    """Register an application until the broker ends: a table of clients.toml, with `key` and `jwks` in it themselves.

    One without secret, key or key set is given a secret.
    """
    if isinstance(table.get("jwks"), dict):
        table = {**table, "jwks": json.dumps(table["jwks"])}
    has_proof = any(table.get(name) for name in ("secret", "key", "jwks", "jwks_uri"))
    client = make(table if has_proof else {**table, "secret": new_secret()}, None)
    provider.clients.add(client)
    return client


def _mechanism(name: str, aal: int) -> str:
    wanted = name or _USUAL.get(aal, "")
    if wanted not in MECHANISMS:
        raise DataError(f"there is no mechanism {wanted[:40]!r}; there are: {', '.join(MECHANISMS)}")
    return wanted


def _role_id(person: Person, role: str) -> str:
    """The id of the role that a test means; nothing for none."""
    found = [each.id for each in person.roles if role in (each.id, each.code)] if role else [""]
    if len(found) != 1:
        there = ", ".join(f"{each.id} ({each.code or each.name})" for each in person.roles[:10]) or "none"
        raise DataError(f"{person.uid} has {len(found) or 'no'} roles {role[:40]!r}; there are: {there}")
    return found[0]
