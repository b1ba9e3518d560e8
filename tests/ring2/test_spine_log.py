"""The log: one line for each request with its outcome, and nothing secret at any level."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from support.spine import Spine
from support.spine_client import field_of, gp_object, sign_cms


def test_a_whole_session_leaves_no_secret_in_the_log(spine: Spine, caplog: pytest.LogCaptureFixture) -> None:
    """At the lowest level, for every logger there is."""
    caplog.set_level(1)
    client, card = spine.client(), spine.card("three-roles")
    challenge, signature = client.activate()
    der = sign_cms(card, base64.b64decode(challenge)).dump()
    reply = client.post("/login/authvalidate", client.answer(card, der, challenge, signature))
    ticket = field_of(reply.text, "sso_ticket")
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000102")
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="no such role")
    client.get("/saml/RoleAssertion", token=ticket)
    client.post("/login/ssoupdate", gp_object(sso_ticket=ticket))
    client.post("/login/authlogout", gp_object(sso_ticket=ticket))
    client.get("/saml/RoleAssertion", token=ticket)
    client.post("/saml/RoleAssertion?token=" + quote(ticket), b"")
    client.get("/login/authlogout;token=" + quote(ticket))
    client.get("/login/authlogout/" + quote(ticket, safe=""))

    ours = [record for record in caplog.records if record.name.startswith("spine_stub")]
    log = "\n".join([*spine.log, *(record.getMessage() for record in ours)])
    assert len(ours) == 11
    opaque = ticket.partition("@")[0]
    response = base64.b64encode(der).decode()
    for secret in (ticket, opaque, opaque[6:30], quote(ticket), signature, challenge, response):
        assert secret not in log


def test_each_request_has_one_line_with_its_outcome(spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    client.validate(spine.card("revoked"))
    client.get("/login/authlogout", token=ticket)
    assert len(spine.log) == 5
    assert spine.log[0].startswith("POST /login/authactivate 200 ok ")
    assert spine.log[1].startswith("POST /login/authvalidate 200 ok uid=555000000002 session=")
    assert spine.log[3].startswith("POST /login/authvalidate 200 refused uid=555000000007 reason=certificate-revoked")
    assert spine.log[4].startswith("GET /login/authlogout 200 ok session=")
    assert "ended=True" in spine.log[4]
    assert all(line.endswith(" ms") for line in spine.log)


@pytest.mark.parametrize("uid", ["1\n2 POST /login 200 ok", "\x1b[2J", "\u2028x", "u" * 50_000])
def test_a_client_cannot_write_lines_of_its_own(spine: Spine, uid: str) -> None:
    body = gp_object(uid=uid).replace(b"\x1b", b"&#27;") if "\x1b" not in uid else b""
    client = spine.client()
    if body:
        client.post("/login/authvalidate", body)
    else:
        client.get("/login/authvalidate", uid=uid)
    (line,) = spine.log
    assert line.isprintable()
    assert len(line) < 600
    assert "refused" in line


@pytest.mark.logs_errors("an unexpected error is ours to hear of")
def test_an_unexpected_error_is_logged_and_its_text_is_not_sent(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the reason")

    monkeypatch.setattr("spine_stub.login.broker.Broker.activate", fail)
    reply = spine.client().get("/login/authactivate")
    assert reply.status_code == 500
    assert "the reason" not in reply.text
    assert any("unexpected RuntimeError" in line for line in spine.log)
