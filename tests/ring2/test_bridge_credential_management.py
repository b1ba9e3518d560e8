"""Pages that were written for NHS Credential Management find it, and have the person sign."""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from support.agent_socket import Message, SocketServer, error
from support.bridge import PAGE, BridgeProgram, write_settings
from support.emulator import PASSCODE
from support.machine import wait_until
from support.signalr_page import FORM, Page, port_service, request
from support.ticket_socket import LiveAgent

import agent
from spine_stub.pki import authority

NOW = datetime.now(UTC)
ROOT = authority.make_root(authority.rsa_key(), NOW)
RSA = base64.b64encode(ROOT.certificate.public_bytes(Encoding.DER)).decode()
CURVE = base64.b64encode(
    authority.make_tls_certificate(ROOT, authority.ec_key(), ["localhost"], NOW).public_bytes(Encoding.DER)
).decode()
SIGNED = {"parameters": {"certificate": RSA, "signatures": ["U0lHMQ==", "U0lHMg=="]}}


@pytest.fixture(scope="module")
def bridge_settings() -> str:
    return f'origins = ["{PAGE}"]\ncredential_management = true'


@pytest.fixture
def page(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> Page:
    page = Page()
    bridge_agent.asked.clear()
    bridge_agent.answers = lambda _: SIGNED
    return page


def test_the_port_service_is_on_a_listed_port(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> None:
    connected = port_service("ConnectPRService")
    assert connected.json == {"statusCode": "200"}
    assert connected.headers["access-control-allow-origin"] == PAGE
    assert connected.headers["access-control-allow-credentials"] == "true"
    assert port_service("GetPortNumber").json == {"portData": {"portNumber": Page().port}}


def test_without_an_agent_the_port_service_says_so(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> None:
    bridge_agent.close()
    assert port_service("GetPortNumber").json["faultException"]["code"] == "PR30007"


@pytest.mark.parametrize("path", ["ConnectPRService", "GetPortNumber"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_the_port_service_answers_listed_pages_only(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, path: str, origin: str
) -> None:
    reply = port_service(path, origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


def test_a_connection_goes_through_its_steps(page: Page) -> None:
    assert page.negotiated["ProtocolVersion"] == "2.1"
    assert page.negotiated["TryWebSockets"] is False
    first = page.post("connect").json
    assert (first["S"], first["M"]) == (1, [])
    assert page.get("start", connectionToken=page.token).json == {"Response": "started"}
    assert page.get("ping").json == {"Response": "pong"}
    assert page.post("abort").status == 200
    assert page.post("poll").status == 403


@pytest.mark.parametrize("transport", ["webSockets", "serverSentEvents", "foreverFrame", ""])
def test_another_transport_is_refused_so_that_clients_fall_back(page: Page, transport: str) -> None:
    assert page.get("connect", transport=transport, connectionToken=page.token).status == 403
    assert page.get("connect", transport="longPolling", connectionToken=page.token).status == 200


@pytest.mark.parametrize("protocol", ["1.2", "1.5", "2.0"])
def test_an_older_client_gets_its_protocol(page: Page, protocol: str) -> None:
    assert page.get("negotiate", clientProtocol=protocol).json["ProtocolVersion"] == protocol


def test_a_poll_waits_and_ends_with_the_connection(page: Page) -> None:
    waiting = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    path = f"/signalr/poll?transport=longPolling&connectionToken={quote(page.token)}"
    waiting.request("POST", path, b"messageId=0", {"Origin": PAGE, "Content-Type": FORM})
    assert page.post("connect").status == 200  # others are answered meanwhile
    page.post("abort")
    assert json.loads(waiting.getresponse().read())["M"] == []
    waiting.close()


def test_the_person_signs_and_the_page_has_it(page: Page, bridge_agent: SocketServer) -> None:
    result = page.sign()
    assert result["certificate"] == RSA
    assert result["signatures"] == [{"id": "one", "signature": "U0lHMQ=="}, {"id": "two", "signature": "U0lHMg=="}]
    assert (result["status_code"], result["failed_signatures"]) == (0, [])
    (asked,) = bridge_agent.asked
    assert asked["method"] == "lanyard.Agent.SignPayloads"
    assert asked["parameters"] == {
        "origin": PAGE,
        "summary": "2 documents of this page",
        "payloads": [base64.b64encode(text.encode()).decode() for text in ("a text", "é")],
        "digest": "sha256",
    }


def test_sha_1_is_refused_unless_the_settings_allow_it(page: Page, bridge_agent: SocketServer) -> None:
    result = page.sign("RS1")
    assert result["status_string"] == "ERROR"
    assert "SHA-1" in result["message"]
    assert not bridge_agent.asked


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("NoKey", 0x80200007, 0x53494705), ("NoReader", 0x80200002, 0x53494705), ("UserAbort", 0x80400001, 0x53494703)],
)
def test_the_agents_no_becomes_an_error_result(
    page: Page, bridge_agent: SocketServer, name: str, code: int, status: int
) -> None:
    bridge_agent.answers = lambda _: error(name, code, "It says so.")
    result = page.sign()
    assert result["status_code"] == status
    assert result["message"] == f"It says so. Error Code: (0x{status:08X})"
    assert (result["certificate"], result["signatures"], result["failed_signatures"]) == ("", None, None)


@pytest.mark.parametrize(
    "argument",
    [5, None, "", "no base64!", base64.b64encode(b"no json").decode(), base64.b64encode(b"[" * 5000).decode(),
     request(version=2), request(requestType=0), request(algorithm="none"), request(algorithm=["RS256"]),
     request(payloads=[]), request(payloads={}), request(payloads=[1]), request(payloads=[{"id": 1, "payload": "x"}]),
     request(payloads=[{"id": "1", "payload": ""}]), request(payloads=[{"id": "1", "payload": "\ud800"}]),
     request(payloads=[{"id": "1", "payload": "x"}] * 101)],
    ids=lambda argument: str(argument)[:20],
)  # fmt: skip
def test_what_cannot_be_signed_is_said(page: Page, bridge_agent: SocketServer, argument: object) -> None:
    result = page.invoke(argument)["R"]
    assert result["status_code"] == 0x53494703
    assert not bridge_agent.asked


@pytest.mark.parametrize(
    "answer",
    [{}, {"certificate": RSA, "signatures": ["one"]}, {"certificate": 1, "signatures": [1, 2]},
     {"certificate": "x", "signatures": ["a", "b"]}, {"certificate": "eHh4", "signatures": ["a", "b"]}],
    ids=["nothing", "one signature", "numbers", "no base64", "no certificate"],
)  # fmt: skip
def test_an_agent_that_signs_too_little_is_not_believed(page: Page, bridge_agent: SocketServer, answer: object) -> None:
    bridge_agent.answers = lambda _: {"parameters": answer}
    assert page.sign()["status_code"] == 0x53494703


def test_a_card_that_signs_by_a_curve_is_no_answer_for_rs256(page: Page, bridge_agent: SocketServer) -> None:
    bridge_agent.answers = lambda _: {"parameters": {"certificate": CURVE, "signatures": ["a", "b"]}}
    result = page.sign()
    assert (result["status_code"], result["signatures"]) == (0x53494705, None)


@pytest.mark.parametrize(
    ("hub", "method", "arguments"),
    [("loginHub", "requestToSign", [""]), ("signingHub", "login", [""]), ("signingHub", "requestToSign", [])],
)
def test_a_method_that_is_not_there_is_said(page: Page, hub: str, method: str, arguments: list[str]) -> None:
    answer = page.invoke(*arguments, hub=hub, method=method, number=7)
    assert answer["I"] == "7"
    assert answer["E"]


@pytest.mark.parametrize(
    "body",
    [b"", b"data=", b"data=1", b"data=[]", b"data={}", b"\xff=%ff", b"x", b"data=%7B%22H%22%3A1%7D", b"a=1&" * 20,
     b'data={"H":"signingHub","M":"requestToSign","A":[],"I":[1]}', b'data={"H":"h","M":"m","A":{},"I":1}',
     b'data={"H":"h","M":"m","A":[],"I":true}', b"data=" + b"[" * 50_000],
    ids=lambda body: str(body[:30]),
)  # fmt: skip
def test_what_is_no_call_is_refused(page: Page, bridge_agent: SocketServer, body: bytes) -> None:
    assert page.post("send", body).status == 400
    assert not bridge_agent.asked


def test_another_content_type_or_too_much_is_refused(page: Page) -> None:
    call = urlencode({"data": "{}"}).encode()
    assert page.post("send", call, content_type="text/plain").status == 400
    assert page.post("send", b"data=" + b"x" * 600_000).status == 413


@pytest.mark.parametrize("step", ["connect", "poll", "start", "send", "abort"])
def test_another_origin_cannot_use_a_connection(page: Page, bridge_agent: SocketServer, step: str) -> None:
    for origin in ("https://evil.example", "null", ""):
        assert page.post(step, b"data={}", origin=origin).status in (403, 405)
    page.token = "another"
    assert page.post(step, b"data={}").status in (403, 405)
    assert not bridge_agent.asked


def test_connections_that_nobody_uses_make_room(page: Page) -> None:
    tokens = [page.get("negotiate").json["ConnectionToken"] for _ in range(40)]
    assert page.post("connect").status == 403  # the oldest
    page.token = tokens[-1]
    assert page.post("connect").status == 200


def test_a_page_that_goes_away_ends_the_question(page: Page, bridge_agent: SocketServer) -> None:
    bridge_agent.answers = lambda _: None
    call = json.dumps({"H": "signingHub", "M": "requestToSign", "A": [request()], "I": 0})
    leaving = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    path = f"/signalr/send?transport=longPolling&connectionToken={quote(page.token)}"
    leaving.request("POST", path, urlencode({"data": call}), {"Origin": PAGE, "Content-Type": FORM})
    wait_until(lambda: bridge_agent.asked, what="the agent is asked")
    leaving.close()
    wait_until(lambda: bridge_agent.hung_up, what="the bridge hangs up on the agent")


def test_nothing_of_it_is_there_unless_it_is_wanted(bridge_program: BridgeProgram) -> None:
    assert bridge_program.ask("GET", "/signalr/negotiate", Origin=PAGE).status == 404
    assert bridge_program.ask("GET", "/PRS/ConnectPRService", Origin=PAGE).status == 404


def test_the_whole_way_from_a_page_to_the_cards_second_key(
    live: LiveAgent, running_bridges: list[BridgeProgram], tmp_path: Path
) -> None:
    """With the agent and a card: what comes back is verified as whoever gets the prescription would."""
    for other in running_bridges:  # it has the listed port
        other.end()
    write_settings(tmp_path, f'origins = ["{PAGE}"]\ncredential_management = true')
    program = BridgeProgram({**os.environ, "XDG_CONFIG_HOME": str(tmp_path)})
    live.signs_in("prescriber")
    results: list[Message] = []
    signing = threading.Thread(target=lambda: results.append(Page().sign()))
    signing.start()
    asked = live.asks("2 documents of this page")
    assert (asked.who, asked.signing.digest if asked.signing else "") == (PAGE, "sha256")

    def sign(card: agent.IdentityCard) -> Any:
        certificate = agent.signer_facts(card).certificate
        return agent.sign_documents(card, asked.signing, certificate, agent.Passcode(PASSCODE))

    live.bridge.call(live.conductor.use_card, sign, asked.answer)
    signing.join(20)
    program.end()
    (result,) = results
    certificate = x509.load_der_x509_certificate(base64.b64decode(result["certificate"]))
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    for each, text in zip(result["signatures"], ("a text", "é"), strict=True):
        key.verify(base64.b64decode(each["signature"]), text.encode(), padding.PKCS1v15(), hashes.SHA256())
