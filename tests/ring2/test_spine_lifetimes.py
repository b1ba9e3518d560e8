"""How long sessions and roles last in a running broker, and what its CA publishes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from asn1crypto import crl, pem
from support.spine import Spine, SpineFactory
from support.spine_client import field_of, reason

from spine_stub.folder import ISSUING, PEOPLE, ROOT, ROOT_REVOCATION_LIST
from spine_stub.stub import Stub

OK = "<HTML><STATUS>OK</STATUS></HTML>"


def test_keep_alive_does_but_not_beyond_the_limit(spine_factory: SpineFactory) -> None:
    spine = spine_factory(idle=timedelta(minutes=20), max_session=timedelta(minutes=60))
    client, ticket = spine.login()
    for _ in range(3):
        spine.clock.advance(minutes=19)
        assert client.http.post(f"{spine.url}/login/ssoupdate", params={"token": ticket}, timeout=10).text == OK
    spine.clock.advance(minutes=3)
    assert spine.is_over(ticket)
    late = client.http.post(f"{spine.url}/login/ssoupdate", params={"token": ticket}, timeout=10)
    assert reason(late) == "ticket-not-valid"


def test_a_session_that_the_server_ends_is_over(spine: Spine, stub: Stub) -> None:
    client, ticket = spine.login()
    store = stub.broker.store
    for key in store.sessions():
        store.close(key)
    assert spine.is_over(ticket)
    assert reason(client.get("/saml/RoleAssertion", token=ticket)) == "ticket-not-valid"


def test_a_role_is_selected_again_in_training_mode(spine: Spine) -> None:
    client, ticket = spine.login("three-roles")
    for role, mode in (("555100000101", "0"), ("555100000103", "1"), ("555100000102", "0")):
        selection = {"token": ticket, "selectedRoleUid": role, "ssbMode": mode, "fallbackStatus": "0"}
        assert client.get("/saml/RoleSelectionGP.jsp", **selection, gacVersion="").text == OK
        text = client.get("/saml/RoleAssertion", token=ticket).text
        for name, value in (("ssbSessionRoleUid", role), ("ssbMode", mode)):
            assert re.search(rf'AttributeName="{name}"[^>]*>\s*<saml:AttributeValue>{value}<', text)


def test_a_role_that_closes_is_gone_from_replies_and_assertions(spine: Spine) -> None:
    path = spine.data / PEOPLE
    yesterday = spine.clock().date() - timedelta(days=1)
    text = path.read_text().replace('id = "555100000102",', f'id = "555100000102", closed = {yesterday},')
    client, ticket = spine.login("three-roles")
    path.write_text(text)
    assert "555100000102" not in client.get("/saml/RoleAssertion", token=ticket).text
    selection = {"token": ticket, "selectedRoleUid": "555100000102"}
    assert reason(client.get("/saml/RoleSelectionGP.jsp", **selection)) == "role-not-held"
    reply = client.validate(spine.card("three-roles")).text
    assert 'name="nhsjobrole1"' in reply
    assert 'name="nhsjobrole2"' not in reply


def test_somebody_inactive_is_refused_in_a_running_broker(spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    path = spine.data / PEOPLE
    path.write_text(path.read_text().replace('cn = "Bryn Hughes"', 'cn = "Bryn Hughes"\nactive = false'))
    assert reason(client.validate(spine.card("one-role"))) == "person-inactive"
    assert spine.is_over(ticket)


def test_the_revocation_list_is_served_as_it_is_now(spine: Spine, stub: Stub) -> None:
    client = spine.client()

    def revoked() -> int:
        reply = client.get("/ca/issuing.crl")
        assert reply.headers["Content-Type"] == "application/pkix-crl"
        entries = crl.CertificateList.load(reply.content)["tbs_cert_list"]["revoked_certificates"]
        return len(entries)

    before = revoked()
    assert client.sign_in(spine.card("one-role"))
    stub.registration.revoke_card("one-role")
    assert revoked() == before + 4
    assert reason(client.validate(spine.card("one-role"))) == "certificate-revoked"


def test_the_roots_list_is_served_where_there_is_one(spine: Spine, stub: Stub) -> None:
    client = spine.client()
    stub.registration.revoke_authority()
    entries = crl.CertificateList.load(client.get("/ca/root.crl").content)["tbs_cert_list"]["revoked_certificates"]
    assert len(entries) == 1
    (spine.data / ROOT_REVOCATION_LIST).unlink()
    assert client.get("/ca/root.crl").status_code == 404


@pytest.mark.parametrize(("name", "path"), [("root", ROOT), ("issuing", ISSUING)])
def test_the_certificates_of_the_ca_are_served(spine: Spine, name: str, path: str) -> None:
    content = spine.client().get(f"/ca/{name}.pem").content
    assert pem.unarmor(content) == pem.unarmor((spine.data / path).read_bytes())


def test_the_session_url_of_the_reply_is_where_keep_alive_is(spine: Spine) -> None:
    client = spine.client()
    reply = client.validate(spine.card("one-role")).text
    ticket = field_of(reply, "sso_ticket")
    assert client.http.post(field_of(reply, "sso_session_url"), params={"token": ticket}, timeout=10).text == OK
