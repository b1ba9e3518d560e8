"""The ticket over HTTP on this PC: listed pages get it, and nobody else does by any trick."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from support.agent_socket import Message, SocketServer, error
from support.bridge import FETCH, PAGE, BridgeProgram
from support.machine import need, wait_until

from bridge.loopback.owner import owner_of_connection


def refused(bridge: BridgeProgram, agent: SocketServer, **headers: str) -> bool:
    """Whether a request with these headers gets no ticket, nothing readable, and never reaches the agent."""
    reply = bridge.ticket(**headers)
    return reply.status == 403 and b"TICKET" not in reply.body and not agent.asked


def test_a_listed_page_gets_the_ticket(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> None:
    reply = bridge_program.ticket()
    assert (reply.status, reply.json) == (200, {"ticket": "TICKET"})
    assert bridge_agent.asked == [
        {"method": "lanyard.Agent.GetTicket", "parameters": {"origin": PAGE, "wait_seconds": 120}}
    ]
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["vary"] == "Origin"
    assert reply.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert not {"set-cookie", "access-control-allow-credentials"} & set(reply.headers)


@pytest.mark.parametrize(
    ("content", "method", "parameters"),
    [
        ({"method": "getTicketNoAuth"}, "GetTicketNoAuth", {"origin": PAGE}),
        ({"method": "getNewTicket", "wait_seconds": 5}, "GetNewTicket", {"origin": PAGE, "wait_seconds": 5}),
        ({"origin": "https://evil.example"}, "GetTicket", {"origin": PAGE, "wait_seconds": 120}),
    ],
)
def test_the_page_chooses_how_and_never_who(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, content: object, method: str, parameters: Message
) -> None:
    assert bridge_program.ticket(content).status == 200
    assert bridge_agent.asked == [{"method": f"lanyard.Agent.{method}", "parameters": parameters}]


@pytest.mark.parametrize(
    "origin",
    ["", "null", "https://evil.example", "http://app.example", "https://app.example:8443", "https://app.example.evil",
     "https://APP.example", "https://app.example/", "https://app.example, https://evil.example", "https://evil.app.example"],
)  # fmt: skip
def test_another_origin_gets_nothing(bridge_program: BridgeProgram, bridge_agent: SocketServer, origin: str) -> None:
    assert refused(bridge_program, bridge_agent, Origin=origin)
    assert "access-control-allow-origin" not in bridge_program.ticket(Origin=origin).headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:%d", "127.0.0.1", "127.0.0.1:1", "localhost.:%d", "127.0.0.1:%d.evil", "[::]:%d"],
)
def test_a_name_that_was_pointed_here_gets_nothing(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, host: str
) -> None:
    """DNS rebinding: the page's own name leads here."""
    host = host.replace("%d", str(bridge_program.port))
    assert refused(bridge_program, bridge_agent, Host=host)
    assert bridge_program.ask("GET", "/health", Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost:%d", "[::1]:%d", "127.0.0.1:%d"])
def test_its_own_names_are_taken(bridge_program: BridgeProgram, host: str) -> None:
    assert bridge_program.ticket(Host=host % bridge_program.port).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": ""},
        {"X-Lanyard": ""},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Dest": "object"},
    ],
    ids=str,
)
def test_what_a_form_a_frame_or_a_tag_sends_gets_nothing(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, headers: dict[str, str]
) -> None:
    assert refused(bridge_program, bridge_agent, **headers)


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "TRACE"])
def test_the_ticket_comes_by_post_only(bridge_program: BridgeProgram, bridge_agent: SocketServer, method: str) -> None:
    assert bridge_program.ask(method, "/ticket", **FETCH).status in (403, 405)
    assert not bridge_agent.asked


PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-lanyard",
    "Access-Control-Request-Private-Network": "true",
    "Sec-Fetch-Mode": "cors",
}


def test_a_preflight_of_a_listed_page_is_granted(bridge_program: BridgeProgram) -> None:
    reply = bridge_program.ask("OPTIONS", "/ticket", **PREFLIGHT)
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-methods"] == "GET, POST"
    assert reply.headers["access-control-allow-headers"] == "content-type, x-lanyard"
    assert reply.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "content-type,x-other"},
        {"Host": "evil.example"},
    ],
    ids=str,
)
def test_another_preflight_is_refused(bridge_program: BridgeProgram, headers: dict[str, str]) -> None:
    reply = bridge_program.ask("OPTIONS", "/ticket", **{**PREFLIGHT, **headers})
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


def test_health_is_plain_and_readable_for_listed_pages_only(bridge_program: BridgeProgram) -> None:
    plain = bridge_program.ask("GET", "/health")
    assert plain.json["service"] == "lanyard-bridge"
    assert "access-control-allow-origin" not in plain.headers
    assert bridge_program.ask("GET", "/health", Origin=PAGE).headers["access-control-allow-origin"] == PAGE
    assert bridge_program.ask("GET", "/health", Origin="https://evil.example").status == 403


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b"\xff\xfe", b"[" * 4000, b'{"method": "GetTicket"}', b'{"method": 1}',
             b'{"wait_seconds": 0}', b'{"wait_seconds": true}', b'{"wait_seconds": 1e9}', b'{"wait_seconds": 301}']
)  # fmt: skip
def test_content_that_means_nothing_is_said(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, body: bytes
) -> None:
    reply = bridge_program.ask("POST", "/ticket", body, **FETCH)
    assert (reply.status, reply.json["code"]) == (400, 0x80100003)
    assert not bridge_agent.asked


def test_a_large_body_is_refused(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> None:
    assert bridge_program.ask("POST", "/ticket", b" " * 10_000, **FETCH).status == 413
    assert not bridge_agent.asked


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("UserAbort", 0x80400001, 409), ("TicketNotAvailable", 0x80100009, 409), ("PinBlocked", 0x80200004, 409)],
)
def test_the_agents_no_comes_with_its_code_and_words(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, name: str, code: int, status: int
) -> None:
    bridge_agent.answers = lambda _: error(name, code, "It says so.")
    reply = bridge_program.ticket()
    assert (reply.status, reply.json) == (status, {"error": name, "code": code, "says": "It says so."})
    assert reply.headers["access-control-allow-origin"] == PAGE  # so that the page can say it


def test_no_agent_is_said_at_once(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> None:
    bridge_agent.close()
    reply = bridge_program.ticket()
    assert (reply.status, reply.json["code"]) == (503, 0x80800003)


def test_an_agent_that_ends_while_a_page_waits_is_not_running(
    bridge_program: BridgeProgram, bridge_agent: SocketServer
) -> None:
    def end(_: Message) -> Message:
        raise ConnectionError

    bridge_agent.answers = end
    reply = bridge_program.ticket()
    assert (reply.status, reply.json["error"], reply.json["code"]) == (503, "AgentNotRunning", 0x80800003)


def test_a_page_that_goes_away_is_no_longer_asked_for(
    bridge_program: BridgeProgram, bridge_agent: SocketServer
) -> None:
    bridge_agent.answers = lambda _: None
    with socket.create_connection(("127.0.0.1", bridge_program.port)) as page:
        page.sendall(bridge_program.whole_request())
        wait_until(lambda: bridge_agent.asked, what="the agent is asked")
        assert not bridge_agent.hung_up
    wait_until(lambda: bridge_agent.hung_up, what="the bridge hangs up on the agent")


def test_many_who_wait_do_not_stop_others_and_have_a_limit(
    bridge_program: BridgeProgram, bridge_agent: SocketServer
) -> None:
    bridge_agent.answers = lambda _: None
    waiting = [socket.create_connection(("127.0.0.1", bridge_program.port)) for _ in range(16)]
    for page in waiting:
        page.sendall(bridge_program.whole_request())
    wait_until(lambda: len(bridge_agent.asked) == 16, what="all are asked for")
    assert bridge_program.ask("GET", "/health").status == 200
    busy = bridge_program.ticket()
    assert (busy.status, busy.json["code"]) == (503, 0x80100006)
    for page in waiting:
        page.close()
    bridge_agent.answers = lambda _: {"parameters": {"ticket": "TICKET"}}
    wait_until(lambda: bridge_program.ticket().status == 200, what="there is room again")


@pytest.mark.parametrize(
    "raw",
    [b"\0\1\2", b"GET", b"POST /ticket HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"A" * 20_000, b"\r\n" * 50,
     b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
     b"POST /ticket HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"POST /ticket HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"],
)  # fmt: skip
def test_what_is_not_http_costs_a_connection(bridge_program: BridgeProgram, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", bridge_program.port), timeout=20) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        reply = connection.recv(1 << 16)
    assert b"TICKET" not in reply
    assert not reply or reply.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert bridge_program.ticket().status == 200


@pytest.mark.parametrize("expected", ["", "Expect: 100-continue\r\n", "Expect: nonsense\r\n"])
def test_one_connection_carries_one_request(bridge_program: BridgeProgram, expected: str) -> None:
    """A second one in the same bytes is not answered, not even after an expectation that aiohttp refuses by itself."""
    with socket.create_connection(("127.0.0.1", bridge_program.port), timeout=10) as connection:
        request = f"GET /health HTTP/1.1\r\nHost: localhost:{bridge_program.port}\r\n{expected}\r\n".encode()
        connection.sendall(request + request.replace(expected.encode(), b""))
        with connection.makefile("rb") as received:
            answers = received.read()
    assert len(re.findall(rb"HTTP/1.1 [2-5]", answers)) == answers.count(b"frame-ancestors 'none'") == 1


def test_another_user_of_this_pc_is_hung_up_on(bridge_program: BridgeProgram, bridge_agent: SocketServer) -> None:
    need("setpriv")
    if os.geteuid():
        pytest.skip("only root can be another user")
    script = (
        "import socket, sys\n"
        f"connection = socket.create_connection(('127.0.0.1', {bridge_program.port}), timeout=10)\n"
        "try:\n"
        f"    connection.sendall(b'GET /health HTTP/1.1\\r\\nHost: localhost:{bridge_program.port}\\r\\n\\r\\n')\n"
        "    print(len(connection.recv(100)))\n"
        "except ConnectionError:\n"
        "    print(0)\n"
    )
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, timeout=20, cwd="/").stdout == "0\n"
    assert "refused a connection of user 65534" in bridge_program.end()


def test_a_connection_that_is_nobodys_costs_one_look_at_each_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes some 20 ms, in which no page is answered, and any user can have as many taken as they like."""
    read, read_text = [], Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda table: read.append(table) or read_text(table))
    assert owner_of_connection(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert len(read) == len(set(read)) > 0


def test_no_ticket_is_logged(bridge_program: BridgeProgram) -> None:
    assert bridge_program.ticket().json == {"ticket": "TICKET"}
    assert bridge_program.ask("POST", "/ticket?token=TICKET", b"{}", **{**FETCH, "Origin": "null"}).status == 403
    assert "TICKET" not in bridge_program.end()
