"""Each fault as a client meets it on the wire, and which of the faults that are set acts."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from flask import Response
from support.machine import wait_until
from support.spine import Spine
from support.spine_client import Client, field_of, gp_object, reason

from spine_stub.errors import DataError
from spine_stub.faults import Call, Faults, Kind
from spine_stub.faults.hostile_xml import HUGE_SIZE
from spine_stub.faults.kinds import KINDS
from spine_stub.stub import Stub

ACTIVATE = "/login/authactivate"


@pytest.fixture
def faults(stub: Stub) -> Faults:
    return stub.faults


def seconds(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def test_the_queue_comes_first_then_what_stands_then_the_normal_reply(faults: Faults, client: Client) -> None:
    standing = faults.always("http-503")
    faults.once("http-500", times=2)
    assert [client.get(ACTIVATE).status_code for _ in range(4)] == [500, 500, 503, 503]
    assert faults.clear(standing.number) == 1
    assert client.get(ACTIVATE).status_code == 200


def test_of_two_that_stand_the_later_acts(faults: Faults, client: Client) -> None:
    faults.always("http-500")
    faults.always("http-503", endpoint="authactivate")
    assert client.get(ACTIVATE).status_code == 503
    assert client.get("/login/dtd").status_code == 500


def test_a_fault_can_be_for_one_endpoint(faults: Faults, client: Client) -> None:
    faults.once("http-500", endpoint="authvalidate")
    assert client.get(ACTIVATE).status_code == 200
    assert client.get("/login/authvalidate").status_code == 500


@pytest.mark.parametrize("who", ["127.0.0.1", "555000000002", "Tester/1"])
def test_a_fault_can_be_for_one_client(faults: Faults, spine: Spine, client: Client, who: str) -> None:
    """By address, by uid or by what it calls itself."""
    client.http.headers["User-Agent"] = "Tester/1.0"
    faults.always("http-500", endpoint="authvalidate", client=who)
    assert client.validate(spine.card("one-role")).status_code == 500
    if who != "127.0.0.1":
        assert spine.client().validate(spine.card("three-roles")).status_code == 200


def test_a_fault_for_a_uid_still_finds_it_when_only_the_ticket_is_sent(faults: Faults, spine: Spine) -> None:
    mine, other = spine.login("one-role"), spine.login("three-roles")
    faults.always("http-500", client="555000000002")
    codes = [client.get("/saml/RoleAssertion", token=ticket).status_code for client, ticket in (mine, other)]
    assert codes == [500, 200]


def test_the_stubs_own_pages_have_no_faults(faults: Faults, client: Client) -> None:
    faults.always("http-500")
    assert client.get("/stub/api/faults").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"), [("no-such", ""), ("hang", "3"), ("delay", "soon"), ("roles", "-1"), ("content-type", "a\nb")]
)
def test_what_is_no_fault_is_said(faults: Faults, name: str, value: str) -> None:
    with pytest.raises(DataError, match=name):
        faults.once(name, value)
    assert not faults.settings()


def test_an_endpoint_that_is_not_there_is_said(faults: Faults) -> None:
    with pytest.raises(DataError, match=r"no endpoint 'authvaldate'; there are: .*authvalidate"):
        faults.always("hang", endpoint="authvaldate")
    assert not faults.settings()


def test_any_callable_is_a_fault(faults: Faults, client: Client) -> None:
    def teapot(call: Call) -> Response:
        reply = call.proceed()
        reply.status_code = 418
        return reply

    faults.once(teapot)
    reply = client.get(ACTIVATE)
    assert (reply.status_code, "challenge" in reply.text) == (418, True)


def test_a_late_reply_is_a_whole_reply(faults: Faults, client: Client) -> None:
    faults.once("delay", 0.3)
    assert seconds(lambda: field_of(client.get(ACTIVATE).text, "challenge")) >= 0.3


@pytest.mark.parametrize("name", ["delay", "hang"])
def test_whoever_is_kept_waiting_does_not_keep_others_waiting(
    faults: Faults, spine: Spine, stub: Stub, name: str
) -> None:
    """Not even with more of them than the server has threads."""
    faults.always(name, 600 if name == "delay" else "", endpoint="authactivate")

    def wait_in_vain(_: int) -> None:
        with pytest.raises(requests.ReadTimeout):
            requests.get(spine.url + ACTIVATE, verify=str(spine.ca_file), timeout=1.0)

    with ThreadPoolExecutor(24) as pool:
        waiting = pool.map(wait_in_vain, range(24))
        wait_until(lambda: len(stub.record.exchanges("authactivate")) == 24)
        assert spine.client().get("/healthz").ok
        list(waiting)


def test_a_dropped_connection(faults: Faults, client: Client) -> None:
    faults.once("drop")
    with pytest.raises(requests.ConnectionError):
        client.get(ACTIVATE)
    assert client.get(ACTIVATE).ok


def test_half_a_body(faults: Faults, client: Client) -> None:
    faults.once("half-body")
    try:
        text = client.get(ACTIVATE).text
    except requests.RequestException:  # urllib3 2 notices by itself
        text = "<gpOBJECT>"
    assert "<gpOBJECT>" in text
    assert "</gpOBJECT>" not in text


@pytest.mark.parametrize(("name", "code"), [("http-500", 500), ("http-503", 503)])
def test_http_errors(faults: Faults, client: Client, name: str, code: int) -> None:
    faults.once(name)
    assert client.get(ACTIVATE).status_code == code


def test_a_wrong_content_type(faults: Faults, client: Client) -> None:
    faults.once("content-type", "application/json")
    reply = client.get(ACTIVATE)
    assert reply.headers["Content-Type"] == "application/json"
    assert "challenge" in reply.text


def test_not_xml(faults: Faults, client: Client) -> None:
    faults.once("not-xml")
    assert client.get(ACTIVATE).text.startswith("<!doctype html>")


def test_an_entity_bomb(faults: Faults, client: Client) -> None:
    faults.once("entity-bomb")
    assert client.get(ACTIVATE).text.count("<!ENTITY") == 10


def test_an_external_entity_leads_back_here(faults: Faults, client: Client, spine: Spine, stub: Stub) -> None:
    faults.once("external-entity")
    (address,) = re.findall(r'SYSTEM "([^"]*)"', client.get(ACTIVATE).text)
    assert address.startswith(spine.url)
    client.get(address.removeprefix(spine.url))
    assert stub.record.exchanges("error")[0].query == {"external-entity": ""}


def test_deep_nesting(faults: Faults, client: Client) -> None:
    faults.once("deep-nesting")
    assert client.get(ACTIVATE).text.count("<gpPARAM>") == 100_000


def test_a_huge_reply(faults: Faults, client: Client) -> None:
    faults.once("huge")
    with client.http.get(client.url + ACTIVATE, stream=True, timeout=10) as reply:
        assert sum(len(part) for part in reply.iter_content(1 << 20)) > HUGE_SIZE


@pytest.mark.parametrize("name", ["sso_ticket", "sso_logout_url", "cn"])
def test_a_missing_field(faults: Faults, client: Client, spine: Spine, name: str) -> None:
    faults.once("missing-field", name, endpoint="authvalidate")
    text = client.validate(spine.card("one-role")).text
    assert f'name="{name}"' not in text
    assert "nhsjobrole0" in text


def test_a_missing_attribute_of_the_assertion(faults: Faults, spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    faults.once("missing-field", "uid")
    text = client.get("/saml/RoleAssertion", token=ticket).text
    assert 'AttributeName="uid"' not in text
    assert 'AttributeName="cn"' in text


@pytest.mark.parametrize("name", ["changed-challenge", "bad-server-signature"])
def test_what_a_changed_activation_leads_to(faults: Faults, client: Client, spine: Spine, name: str) -> None:
    faults.once(name, endpoint="authactivate")
    assert reason(client.validate(spine.card("one-role"))) == "server-signature-wrong"
    assert reason(client.validate(spine.card("one-role"))) is None


def test_a_session_that_the_server_has_ended(faults: Faults, spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    faults.once("session-ended", endpoint="ssoupdate")
    for _ in range(2):
        assert reason(client.post("/login/ssoupdate", gp_object(sso_ticket=ticket))) == "ticket-not-valid"


@pytest.mark.parametrize(
    ("name", "words"), [("invalid-input", "Invalid input request"), ("failed-to-validate", "Failed To Validate")]
)
def test_words_of_refusal(faults: Faults, client: Client, name: str, words: str) -> None:
    faults.once(name)
    assert words in client.get(ACTIVATE).text


@pytest.mark.parametrize("count", [0, 1, 40, 1000])
def test_made_up_roles_stand_in_place_of_the_persons_own(
    faults: Faults, client: Client, spine: Spine, count: int
) -> None:
    faults.once("roles", count, endpoint="authvalidate")
    text = client.validate(spine.card("three-roles")).text
    assert len(set(re.findall(r'name="nhsjobrole\d+" id="(\d+)"', text))) == count
    assert text.count("nhsjobrole") == count
    assert field_of(text, "sso_ticket")
    assert client.validate(spine.card("three-roles")).text.count("nhsjobrole") == 3


def test_made_up_roles_are_not_held(faults: Faults, client: Client, spine: Spine) -> None:
    faults.once("roles", 1, endpoint="authvalidate")
    text = client.validate(spine.card("three-roles")).text
    (role,) = re.findall(r'name="nhsjobrole0" id="(\d+)"', text)
    selection = client.get("/saml/RoleSelectionGP.jsp", token=field_of(text, "sso_ticket"), selectedRoleUid=role)
    assert reason(selection) == "role-not-held"


def test_a_session_url_that_cannot_be_reached(faults: Faults, client: Client, spine: Spine) -> None:
    faults.once("session-url", endpoint="authvalidate")
    assert "//192.0.2.1:" in field_of(client.validate(spine.card("one-role")).text, "sso_session_url")


@pytest.mark.parametrize("name", ["tls-unknown-ca", "tls-wrong-name", "tls-expired"])
def test_a_wrong_certificate_greets_new_connections(faults: Faults, spine: Spine, stub: Stub, name: str) -> None:
    faults.once(name)
    with pytest.raises(requests.exceptions.SSLError):
        spine.client().get("/healthz")
    assert spine.client().get("/healthz").ok
    assert [e.fault for e in stub.record.exchanges("tls")] == [name]


def hang(faults: Faults, client: Client) -> threading.Event:
    """Ask what is never answered; returns what is set once the connection is over."""
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(requests.ConnectionError):
            client.get(ACTIVATE)
        ended.set()

    faults.once("hang")
    threading.Thread(target=ask).start()
    return ended


def test_a_stop_does_not_wait_for_those_who_hang(faults: Faults, spine: Spine, client: Client, stub: Stub) -> None:
    ended = hang(faults, client)
    wait_until(lambda: stub.record.exchanges("authactivate"))
    assert seconds(spine.stop) < 2
    assert ended.wait(5)


def test_a_kind_that_is_offered_later_waits_at_its_endpoint(faults: Faults, client: Client) -> None:
    teapot = Kind("teapot", "A teapot", lambda _: lambda _: Response("short and stout", 418), endpoint="dtd")
    faults.offer([teapot], ["spout"])
    faults.once("teapot")
    faults.once("http-500", endpoint="spout")
    assert [client.get(path).status_code for path in (ACTIVATE, "/login/dtd", "/login/dtd")] == [200, 418, 200]


def test_every_kind_is_tried() -> None:
    here = Path(__file__)
    source = here.read_text() + here.with_name("test_spine_assertion_clients.py").read_text()
    assert {kind.name for kind in KINDS if f'"{kind.name}"' not in source} == set()
