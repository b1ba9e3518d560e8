"""Is a ticket still valid: OpenAM's legacy identity service; what the CA publishes; time as Spine keeps it."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import requests
from asn1crypto import crl, pem
from support.spine import Spine, SpineFactory
from support.spine_client import Client, field_of, reason

from spine_stub.folder import ISSUING, PEOPLE, ROOT
from spine_stub.stub import Stub

OK = "<HTML><STATUS>OK</STATUS></HTML>"


def c66(ticket: str) -> str:
    return ticket.translate(str.maketrans("+/=@#", "-_.**"))


def is_valid(client: Client, ticket: str) -> bool:
    reply = client.get("/identity/isTokenValid", tokenid=ticket)
    assert (reply.status_code, reply.text) in ((200, "boolean=true\n"), (401, "boolean=false\n"))
    return reply.ok


@pytest.mark.parametrize("how", ["get", "post", "c66"])
def test_a_ticket_is_valid_until_log_out(spine: Spine, how: str) -> None:
    client, ticket = spine.login("one-role")

    def ask(name: str, **parameters: str) -> requests.Response:
        if how == "post":
            return client.post(f"/identity/{name}", urlencode(parameters).encode())
        return client.get(f"/identity/{name}", **parameters)

    given = c66(ticket) if how == "c66" else ticket
    assert ask("isTokenValid", tokenid=given).text == "boolean=true\n"
    assert ask("logout", subjectid=given).text == ""
    gone = ask("isTokenValid", tokenid=given)
    assert (gone.status_code, gone.text, reason(gone)) == (401, "boolean=false\n", "ticket-not-valid")
    assert ask("logout", subjectid=given).ok, "saying so twice is no error"


def test_the_attributes_say_who_it_is_and_in_which_role(spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000201", ssbMode="1")
    lines = client.get("/identity/attributes", subjectid=ticket).text.splitlines()
    assert lines[0] == f"userdetails.token.id={ticket}"
    names = [line.partition("=")[2] for line in lines[1::2]]
    values = [line.partition("=")[2] for line in lines[2::2]]
    assert dict(zip(names, values, strict=True)) == {
        "uid": "555000000002", "cn": "Bryn Hughes", "dn": "uid=555000000002,ou=People,o=nhs",
        "ssbSessionRoleUid": "555100000201", "ssbMode": "1",
    }  # fmt: skip


@pytest.mark.parametrize("endpoint", ["isTokenValid", "attributes"])
@pytest.mark.parametrize("ticket", ["AQIC5wM2=@AAJTSQACMDE=#", "*", "x", "\u00fc", "' OR 1=1"])
def test_a_guessed_ticket_is_not_valid(spine: Spine, endpoint: str, ticket: str) -> None:
    reply = spine.client().get(f"/identity/{endpoint}", tokenid=ticket, subjectid=ticket)
    assert (reply.status_code, reason(reply)) == (401, "ticket-not-valid")


@pytest.mark.parametrize("endpoint", ["isTokenValid", "attributes", "logout"])
def test_a_missing_ticket_is_invalid_input(spine: Spine, endpoint: str) -> None:
    assert str(reason(spine.client().get(f"/identity/{endpoint}"))).startswith("missing-")


def test_a_form_of_many_fields_is_invalid_input(spine: Spine) -> None:
    assert reason(spine.client().post("/identity/isTokenValid", b"a=1&" * 200)) == "too-many-fields"


def test_a_query_of_other_bytes_is_no_failure(spine: Spine) -> None:
    """RFC 3986 has ASCII only."""
    with socket.create_connection(("127.0.0.1", int(spine.url.rpartition(":")[2]))) as plain:
        context = ssl.create_default_context(cafile=str(spine.ca_file))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"GET /login/authlogout?token=\xff\xe9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_asking_does_not_keep_a_session_alive(spine_factory: SpineFactory) -> None:
    spine = spine_factory(idle=timedelta(minutes=20))
    client, ticket = spine.login()
    spine.clock.advance(minutes=15)
    assert is_valid(client, ticket)
    spine.clock.advance(minutes=5)
    assert not is_valid(client, ticket)


def test_keep_alive_does_but_not_beyond_the_limit(spine_factory: SpineFactory) -> None:
    spine = spine_factory(idle=timedelta(minutes=20), max_session=timedelta(minutes=60))
    client, ticket = spine.login()
    for _ in range(3):
        spine.clock.advance(minutes=19)
        assert client.http.post(f"{spine.url}/login/ssoupdate", params={"token": ticket}, timeout=10).text == OK
    spine.clock.advance(minutes=3)
    assert not is_valid(client, ticket)
    late = client.http.post(f"{spine.url}/login/ssoupdate", params={"token": ticket}, timeout=10)
    assert reason(late) == "ticket-not-valid"


def test_a_session_that_the_server_ends_is_over(spine: Spine, stub: Stub) -> None:
    client, ticket = spine.login()
    store = stub.broker.store
    for key in store.sessions():
        store.close(key)
    assert not is_valid(client, ticket)
    assert reason(client.get("/saml/RoleAssertion", token=ticket)) == "ticket-not-valid"


def test_a_role_is_selected_again_in_training_mode(spine: Spine) -> None:
    client, ticket = spine.login("three-roles")
    for role, mode in (("555100000101", "0"), ("555100000103", "1"), ("555100000102", "0")):
        selection = {"token": ticket, "selectedRoleUid": role, "ssbMode": mode, "fallbackStatus": "0"}
        assert client.get("/saml/RoleSelectionGP.jsp", **selection, gacVersion="").text == OK
        text = client.get("/saml/RoleAssertion", token=ticket).text
        for name, value in (("ssbSessionRoleUid", role), ("ssbMode", mode)):
            assert (
                f'AttributeName="{name}" AttributeNamespace="http://www.syntegra.com"><saml:AttributeValue>{value}<'
                in text
            )


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
    assert not is_valid(client, ticket)


def test_the_revocation_list_is_served_as_it_is_now(spine: Spine, stub: Stub) -> None:
    client = spine.client()

    def revoked() -> int:
        reply = client.get("/ca/issuing.crl")
        assert reply.headers["Content-Type"] == "application/pkix-crl"
        entries = crl.CertificateList.load(reply.content)["tbs_cert_list"]["revoked_certificates"]
        return len(entries)

    before = revoked()
    assert client.sign_in(spine.card("one-role"))
    stub.broker.registration.revoke_card("one-role")
    assert revoked() == before + 4
    assert reason(client.validate(spine.card("one-role"))) == "certificate-revoked"


@pytest.mark.parametrize(("name", "path"), [("root", ROOT), ("issuing", ISSUING)])
def test_the_certificates_of_the_ca_are_served(spine: Spine, name: str, path: str) -> None:
    content = spine.client().get(f"/ca/{name}.pem").content
    assert pem.unarmor(content) == pem.unarmor((spine.data / path).read_bytes())


def test_the_session_url_of_the_reply_is_where_keep_alive_is(spine: Spine) -> None:
    client = spine.client()
    reply = client.validate(spine.card("one-role")).text
    ticket = field_of(reply, "sso_ticket")
    assert client.http.post(field_of(reply, "sso_session_url"), params={"token": ticket}, timeout=10).text == OK
