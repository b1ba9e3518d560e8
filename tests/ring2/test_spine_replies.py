"""The shape of replies, as clients cut them up (docs/protocol.md, sections 2 and 4, docs/clients.md)."""

from __future__ import annotations

import re
import socket

import pytest
from defusedxml import ElementTree
from support.spine import Spine, SpineFactory
from support.spine_client import field_of, gp_object, reason

from spine_stub.stub import Stub

ROLE = re.compile(r'^<gpPARAM name="nhsjobrole(\d+)" id="(\d+)"(?: orgcode="(\w+)")?>(.+)</gpPARAM>$')


def parameter_names(text: str) -> list[str]:
    return re.findall(r'<gpPARAM name="(\w+)"', text)


@pytest.fixture
def activated(spine: Spine) -> str:
    body = gp_object(service="ACTIVATION", log_session_id="A1b2C3", app_url="NHST", auth_method="3")
    return spine.client().post("/login/authactivate", body).text


@pytest.fixture
def validated(spine: Spine) -> str:
    return spine.client().validate(spine.card("three-roles")).text


def test_activation_has_the_parameters_of_the_wire(spine: Spine, activated: str) -> None:
    assert set(parameter_names(activated)) == {
        "gas_version", "signature", "server_ip", "ssp_url", "app_url", "log_session_id", "service",
        "error_url", "ticket", "auth_method", "reply_url", "challenge", "download_gac_url",
        "latest_gac_version",
    }  # fmt: skip
    assert field_of(activated, "reply_url") == f"{spine.url}/login/authvalidate"
    assert field_of(activated, "error_url") == f"{spine.url}/login/error"
    assert field_of(activated, "app_url") == "NHST"
    assert field_of(activated, "log_session_id") == "A1b2C3"
    assert field_of(activated, "gas_version") == "5.2.7"
    assert f'SYSTEM "{spine.url}/login/dtd">' in activated
    assert ElementTree.fromstring(activated).tag == "gpOBJECT"


def test_validation_has_the_parameters_of_the_wire(spine: Spine, validated: str) -> None:
    names = [name for name in parameter_names(validated) if not name.startswith("nhsjobrole")]
    assert set(names) == {
        "log_session_id", "error_url", "server_ip", "cn", "gas_version", "sso_ticket", "sso_domain",
        "sso_session_url", "sso_max_session_time", "sso_keep_alive", "sso_session_time",
        "sso_logout_url", "auth_method", "app_url", "service",
    }  # fmt: skip
    assert field_of(validated, "cn") == "Amara Okafor"
    assert field_of(validated, "sso_session_url") == f"{spine.url}/login/ssoupdate"
    assert field_of(validated, "sso_max_session_time") == "600"
    assert field_of(validated, "sso_session_time") == "600"
    assert field_of(validated, "sso_keep_alive") == "false"
    assert f'SYSTEM "{spine.url}/login/dtd">' in validated


def test_each_role_is_on_its_own_line_with_raw_text(validated: str) -> None:
    roles = [match.groups() for line in validated.splitlines() if (match := ROLE.match(line))]
    clinical = '"Clinical":"Clinical Provision"'
    assert roles == [
        ("0", "555100000101", "LAN001",
         f'THE LANYARD SURGERY, HIGH STREET, {clinical}:"Clinical Practitioner Access Role"'),
        ("1", "555100000102", "LAN002",
         f"ST BRIDGET'S HOSPITAL (EAST WING), {clinical}:\"Nurse & Midwife Access Role\""),
        ("2", "555100000103", None,
         'OUT-OF-HOURS SERVICE, MOOR & DALE, "Admin and Clerical":"Admin and Clerical"'
         ':"Admin/Clinical Support Access Role"'),
    ]  # fmt: skip


def test_a_raw_ampersand_makes_the_reply_unreadable_to_a_strict_parser(validated: str) -> None:
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(validated)


def test_forty_roles_are_forty_lines(spine: Spine) -> None:
    reply = spine.client().validate(spine.card("forty-roles")).text
    assert [name for name in parameter_names(reply) if name.startswith("nhsjobrole")] == [
        f"nhsjobrole{number}" for number in range(40)
    ]


def test_what_is_echoed_cannot_break_out_of_its_place(spine: Spine) -> None:
    evil = '</gpPARAM><gpPARAM name="sso_ticket">\nforged'
    body = gp_object(service="ACTIVATION", log_session_id=evil)
    reply = spine.client().post("/login/authactivate", body).text
    assert "sso_ticket" not in parameter_names(reply)
    message = {e.get("name"): e.text for e in ElementTree.fromstring(reply)}
    assert message["log_session_id"] == " ".join(evil.split())


@pytest.mark.parametrize("host", ["localhost:8443", "broker.example", "[::1]:8443", "192.0.2.1:443", "A-b.C"])
def test_addresses_are_those_the_client_used(spine_factory: SpineFactory, host: str) -> None:
    spine = spine_factory(tls=False)
    reply = spine.client().post("/login/authactivate", b"<gpOBJECT/>", headers={"Host": host})
    assert field_of(reply.text, "reply_url") == f"http://{host}/login/authvalidate"


@pytest.mark.parametrize("host", ["a b", "a/b", "user@a", 'a"b', "<a>", "a:b:c", ""])
def test_an_impossible_host_is_refused(spine_factory: SpineFactory, host: str) -> None:
    spine = spine_factory(tls=False)
    reply = spine.client().post("/login/authactivate", b"<gpOBJECT/>", headers={"Host": host})
    assert "gpPARAM" not in reply.text
    assert reply.status_code < 500


def test_http_1_0_without_a_host_gets_the_servers_address(spine_factory: SpineFactory) -> None:
    spine = spine_factory(tls=False)
    port = int(spine.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET /login/authactivate HTTP/1.0\r\n\r\n")
        reply = connection.makefile("rb").read().decode()
    assert field_of(reply, "reply_url") == f"{spine.url}/login/authvalidate"


def test_the_dtd_describes_the_replies(spine: Spine) -> None:
    reply = spine.client().get("/login/dtd")
    assert reply.headers["Content-Type"].startswith("application/xml-dtd")
    assert "<!ELEMENT gpOBJECT (gpPARAM*)>" in reply.text


@pytest.mark.parametrize("path", ["/login/error", "/healthz"])
def test_plain_pages_answer(spine: Spine, path: str) -> None:
    assert spine.client().get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/login/none-such", 404),
        ("GET", "/login/authactivate/", 404),
        ("GET", "/login/ssoupdate", 405),
        ("DELETE", "/login/authlogout", 405),
    ],
)
def test_what_is_not_there_is_said_in_http(spine: Spine, method: str, path: str, code: int) -> None:
    assert spine.client().http.request(method, spine.url + path, timeout=10).status_code == code


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"x" * (64 * 1024 + 1), id="by-a-byte"),
        pytest.param(b"x" * 500_000, id="by-far"),
        pytest.param([b"x" * 50_000] * 10, id="in-chunks"),
    ],
)
def test_a_body_too_large_is_refused_and_not_kept(spine: Spine, stub: Stub, body: bytes | list[bytes]) -> None:
    data = iter(body) if isinstance(body, list) else body
    reply = spine.client().http.post(spine.url + "/login/authvalidate", data=data, timeout=10)
    assert reply.status_code == 413
    assert not stub.record.exchanges()[-1].message


def test_replies_are_kept_by_nobody_and_set_no_cookie(spine: Spine) -> None:
    headers = spine.client().get("/healthz").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "spine_stub"
    assert "Set-Cookie" not in headers


def test_reasons_are_for_developers_and_in_a_header(spine: Spine) -> None:
    reply = spine.client().post("/login/authvalidate", gp_object(service="AUTHENTICATION"))
    assert reason(reply) == "missing-uid"
    assert "missing" not in reply.text
