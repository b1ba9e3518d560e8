"""A ticket is nowhere kept whole, in whatever spelling a client sends it; nor does the record grow without end."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
import requests
from support.spine import Spine
from support.spine_client import Client, field_of, gp_object, reason

from spine_stub.explain.record import KEPT_BYTES, KEPT_REQUESTS
from spine_stub.stub import Stub

LOG_OUT, ASSERT = "/login/authlogout", "/saml/RoleAssertion"
Send = Callable[[Client, str], requests.Response]


def encoded(text: str) -> str:
    """Every character as %XX."""
    return "".join(f"%{ord(each):02x}" for each in text)


def in_address(form: str) -> Send:
    return lambda client, ticket: client.get(
        form.format(ticket=quote(ticket, safe=""), encoded=encoded(ticket), twice=quote(encoded(ticket)))
    )


def in_body(change: Callable[[str, str], bytes]) -> Send:
    def send(client: Client, ticket: str) -> requests.Response:
        body = gp_object(service="LOGOUT", sso_ticket=ticket).decode()
        return client.post(LOG_OUT, change(body, ticket))

    return send


def with_header(name: str, form: str = "{}") -> Send:
    return lambda client, ticket: client.http.get(
        client.url + ASSERT, headers={name: form.format(quote(ticket))}, timeout=10
    )


def halves(ticket: str, between: str) -> str:
    return ticket[:20] + between + ticket[20:]


ACCEPTED = {
    "query": in_address(ASSERT + "?token={ticket}"),
    "encoded name": in_address(ASSERT + "?tok%65n={ticket}"),
    "encoded value": in_address(ASSERT + "?token={encoded}"),
    "twice": in_address(ASSERT + "?token={ticket}&token={ticket}"),
    "body": in_body(lambda body, _: body.encode()),
    "comment": in_body(lambda body, ticket: body.replace(ticket, halves(ticket, "<!-- -->")).encode()),
    "CDATA": in_body(lambda body, ticket: body.replace(ticket, f"<![CDATA[{ticket}]]>").encode()),
    "half a CDATA": in_body(
        lambda body, ticket: body.replace(ticket, f"{ticket[:20]}<![CDATA[{ticket[20:]}]]>").encode()
    ),
    "references": in_body(
        lambda body, ticket: body.replace(ticket, "".join(f"&#{ord(each)};" for each in ticket)).encode()
    ),
    "UTF-16": in_body(lambda body, _: body.encode("utf-16")),
}
"""In which the broker finds the ticket."""

REFUSED = {
    "encoded again": in_address(ASSERT + "?token={twice}"),
    "another parameter": in_address(ASSERT + "?selectedRoleUid={ticket}&uid={twice}&foo={ticket}"),
    "the name of a parameter": in_address(ASSERT + "?{ticket}=1"),
    "path": in_address("/login/authlogout/{ticket}"),
    "path parameter": in_address("/login/authlogout;token={twice}"),
    "cookie": with_header("Cookie", "iPlanetDirectoryPro={}"),
    "User-Agent": with_header("User-Agent", "x {}"),
    "Analytics": with_header("Analytics", '{{"t":"{}"}}'),
    "form": lambda client, ticket: client.http.post(client.url + LOG_OUT, data={"token": ticket}, timeout=10),
    "an echo": lambda client, ticket: client.get("/login/authactivate", log_session_id=ticket, app_url=encoded(ticket)),
    "a uid": lambda client, ticket: client.get("/login/authvalidate", uid=ticket),
    "not XML": in_body(lambda body, _: body.encode() + b"x"),
}


@pytest.mark.parametrize("name", [*ACCEPTED, *REFUSED])
def test_no_ticket_is_kept_whole(spine: Spine, client: Client, stub: Stub, name: str) -> None:
    ticket = client.sign_in(spine.card("one-role"))
    reply = {**ACCEPTED, **REFUSED}[name](client, ticket)
    assert (reply.status_code == 200 and reason(reply) is None) or name not in ACCEPTED
    exchange = stub.record.exchanges()[-1]
    assert exchange.status == reply.status_code
    kept = "".join(map(str, (*exchange, client.get("/stub/api/requests").text, *spine.log)))
    assert plain(ticket)[10:35] not in plain(kept)


def plain(text: str) -> str:
    """Letters and figures alone, whatever they were encoded in."""
    for _ in range(5):
        text = html.unescape(unquote(text))
    return re.sub("[^A-Za-z0-9]", "", text)


@pytest.mark.parametrize("endpoint", ["authactivate", "authvalidate", "error", "RoleAssertion"])
def test_a_client_that_asks_and_asks_takes_no_more_memory(spine: Spine, stub: Stub, endpoint: str) -> None:
    wsgi = spine.app.test_client()
    ticket = field_of(spine.client().validate(spine.card("forty-roles")).text, "sso_ticket")
    path = f"/saml/{endpoint}" if endpoint == "RoleAssertion" else f"/login/{endpoint}"
    body = gp_object(log_session_id="one", sso_ticket=ticket, response="x" * 50_000)
    for _ in range(KEPT_REQUESTS + 200):
        wsgi.open(path, method="GET", data=body)
    exchanges = stub.record.exchanges()
    assert len(exchanges) <= KEPT_REQUESTS
    assert sum(e.size for e in exchanges) <= KEPT_BYTES
    assert sum(len(sign_in.exchanges) for sign_in in stub.record.sign_ins()) <= len(exchanges)
