"""The ticket library's functions as the Windows agent's header has them: codes, buffers, instances, threads."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.agent_socket import SocketServer, error
from support.machine import need
from support.ticket_library import (
    AGENT_FAILED,
    BAD_HANDLE,
    CALLS,
    JAVA_CODES,
    NO_ANSWER,
    NO_SESSION,
    NOT_INITIALISED,
    SOURCES,
    TOO_SMALL,
    WRONG_PARAMETER,
    Calls,
    Result,
    at_fixed_addresses,
    compiled,
    linked,
    without,
)

UNCHANGED = (77, "#" * 100)


def test_each_call_asks_the_agent_its_own_question(socket_server: SocketServer, ticket_calls: Calls) -> None:
    said = ticket_calls("init", "ticket=254", "noauth=254", "new=254", "destroy", "finalize")
    assert [(each.code, each.used, each.text) for each in said[1:4]] == [(0, 6, "TICKET")] * 3
    assert [(each["method"], each["parameters"]) for each in socket_server.asked] == [
        ("lanyard.Agent.GetTicket", {"wait_seconds": 300}),
        ("lanyard.Agent.GetTicketNoAuth", {}),
        ("lanyard.Agent.GetNewTicket", {"wait_seconds": 300}),
        ("lanyard.Agent.DestroyTicket", {}),
    ]
    assert said[4:] == [Result("destroy", 0), Result("finalize", 0)]


def test_every_code_of_the_agent_comes_out_and_changes_nothing_else(
    socket_server: SocketServer, ticket_calls: Calls
) -> None:
    answers = iter([code for code in JAVA_CODES for _ in range(2)])
    socket_server.answers = lambda _: error("Whatever", next(answers), "Because of Zoë.")
    calls = [
        ("noauth=99", "last", f"describe={code},254", f"describe={code},9", "destroy", "last") for code in JAVA_CODES
    ]
    said = ticket_calls("init", *sum(calls, ()))[1:]
    for code, start in zip(JAVA_CODES, range(0, len(said), 6), strict=True):
        ticket, last, described, too_small, destroyed, still = said[start : start + 6]
        assert ticket == Result("noauth", code, 77, "#" * 99)
        assert {last.code, destroyed.code, still.code} == {code}
        assert described == Result("describe", 0, 16, "Because of Zoë.")
        assert too_small == Result("describe", TOO_SMALL, 77, "#" * 9)


def test_the_header_names_every_code() -> None:
    named = re.findall(r"^#define TCK_API_ERR_\w+ (0x\w+)$", (SOURCES / "TicketApi.h").read_text(), re.MULTILINE)
    assert {int(code, 16) for code in named} == set(JAVA_CODES)


def test_every_code_has_a_sentence(ticket_calls: Calls) -> None:
    said = ticket_calls("init", *(f"describe={code},254" for code in (0, *JAVA_CODES)), "describe=0x80100099,100")
    sentences = [each.text for each in said[1:-1]]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(JAVA_CODES) + 1
    assert (said[-1].code, said[-1].used, said[-1].text) == (WRONG_PARAMETER, *UNCHANGED)


@pytest.mark.parametrize("says", ["x" * 254, ""], ids=["too long", "empty"])
def test_a_sentence_that_cannot_be_used_is_the_librarys_own(
    socket_server: SocketServer, ticket_calls: Calls, says: str
) -> None:
    socket_server.answers = lambda _: error("UserAbort", 0x80400001, says)
    described = ticket_calls("init", "ticket=254", "describe=0x80400001,254")[-1]
    assert described.text == "The person did not sign in."


def test_the_agents_sentence_is_for_its_own_code_and_until_the_next_call(
    socket_server: SocketServer, ticket_calls: Calls
) -> None:
    socket_server.answers = lambda _: error("UserAbort", 0x80400001, "The person said no.")
    said = ticket_calls("init", "ticket=9", "describe=0x80800003,99", "describe=0x80400001,99")
    assert [each.text for each in said[2:]] == ["The agent is not running in this session.", "The person said no."]
    said = ticket_calls("init", "ticket=9", "ticket=0", "describe=0x80400001,99")
    assert said[-1].text == "The person did not sign in."


@pytest.mark.parametrize("code", [None, 0, 1, 0x80100099, 0x180400001, -1, 2147483649.5, "0x80400001", True])
def test_an_error_without_a_listed_code_is_never_a_success(
    socket_server: SocketServer, ticket_calls: Calls, code: object
) -> None:
    parameters = {"ticket": "STOLEN"} if code is None else {"code": code, "ticket": "STOLEN"}
    socket_server.answers = lambda _: {"error": "lanyard.Agent.Odd", "parameters": parameters}
    said = ticket_calls("init", "ticket=100")[-1]
    assert said.code in (AGENT_FAILED, NO_ANSWER)
    assert (said.used, said.text) == UNCHANGED


@pytest.mark.parametrize(("size", "code"), [(0, WRONG_PARAMETER), (1, TOO_SMALL), (6, TOO_SMALL), (7, 0), (8, 0)])
def test_a_buffer_is_filled_whole_or_not_at_all(
    socket_server: SocketServer, ticket_calls: Calls, size: int, code: int
) -> None:
    _, said, last = ticket_calls("init", f"ticket={size}", "last")
    assert (said.code, last.code) == (code, code)
    assert (said.used, said.text) == ((77, "#" * size) if code else (6, "TICKET"))
    assert bool(socket_server.asked) == (size > 0)  # nobody is asked for a passcode in vain


@pytest.mark.parametrize("answer", [{}, {"parameters": {}}, {"parameters": {"ticket": ""}}])
def test_an_answer_without_a_ticket_is_none(socket_server: SocketServer, ticket_calls: Calls, answer: object) -> None:
    socket_server.answers = lambda _: answer
    assert ticket_calls("init", "ticket=100", "last")[1:] == [
        Result("ticket", NO_ANSWER, *UNCHANGED),
        Result("last", NO_ANSWER),
    ]


@pytest.mark.parametrize("ticket", ["AQIC5w/+=@AAJTSQACMDE=#", "é € 𝄞", '"\\/\b\f\n\r\t', "x" * 16000])
def test_a_ticket_comes_as_it_is(socket_server: SocketServer, ticket_calls: Calls, ticket: str) -> None:
    socket_server.answers = lambda _: {"parameters": {"ticket": ticket}}
    said = ticket_calls("init", "ticket=16384", encoding="utf-8", errors="strict")[-1]
    assert said.used == len(ticket.encode())
    assert ticket.splitlines()[0] in said.text


def test_versions(socket_server: SocketServer, ticket_calls: Calls) -> None:
    socket_server.answers = lambda _: {
        "parameters": {"vendor": "Lanyard", "version": "1.20.3", "interfaces": ["a", "b"]}
    }
    said = ticket_calls("api", "dll", "agent", "last", "init", "agent", "last", "other", "last", "remote")
    assert [each.code for each in said] == [
        *(0x10100, 0x10100, 0, NOT_INITIALISED),
        *(1, 0x11403, 0, 0, WRONG_PARAMETER, 0),
    ]
    assert [each["method"] for each in socket_server.asked] == ["org.varlink.service.GetInfo"]


@pytest.mark.parametrize("version", ["", "two", "1", "1.2", None])
def test_an_agent_of_no_version_is_a_conflict(
    socket_server: SocketServer, ticket_calls: Calls, version: str | None
) -> None:
    socket_server.answers = lambda _: {"parameters": {"version": version} if version is not None else {}}
    assert [each.code for each in ticket_calls("init", "agent", "last")] == [1, 0, 0x80800001]


def test_an_instance_has_its_own_last_error(socket_server: SocketServer, ticket_calls: Calls) -> None:
    said = ticket_calls("init", "init", "use=1", "ticket=2", "use=2", "ticket=9", "last", "use=1", "last")
    assert [each.code for each in said] == [1, 2, TOO_SMALL, 0, 0, TOO_SMALL]


@pytest.mark.parametrize("number", [0, 1, 2, -1, 1 << 40])
def test_a_number_that_is_no_instance_asks_nobody(
    socket_server: SocketServer, ticket_calls: Calls, number: int
) -> None:
    """Number 1 was one, and is finalized."""
    code = BAD_HANDLE if number else NOT_INITIALISED
    calls = ("ticket=100", "noauth=100", "new=100", "destroy", "finalize", "last")
    said = ticket_calls("init", "finalize", f"use={number}", *calls)[2:]
    assert {each.code for each in said} == {code}
    assert {(each.used, each.text) for each in said[:3]} == {UNCHANGED}
    assert not socket_server.asked


def test_instances_run_out_at_1023_and_come_back(socket_server: SocketServer, ticket_calls: Calls) -> None:
    said = ticket_calls(*["init"] * 1024, "last", "use=5", "finalize", "init", "ticket=9")
    assert [each.code for each in said[1022:]] == [1023, 0, 0x80100008, 0, 1024, 0]


@pytest.mark.parametrize("folder", [None, "", "relative", "/x" * 60])
def test_without_a_session_there_is_no_instance(ticket_calls: Calls, folder: str | None) -> None:
    environment = without("XDG_RUNTIME_DIR") | ({} if folder is None else {"XDG_RUNTIME_DIR": folder})
    said = ticket_calls("init", "last", f"describe={NO_SESSION},254", env=environment)
    assert [each.code for each in said] == [0, NO_SESSION, 0]
    assert "XDG_RUNTIME_DIR" in said[-1].text


def test_an_agent_that_starts_later_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticket_calls: Calls
) -> None:
    """Some programs initialize once, at their start, and never again."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert ticket_calls("init")[0].code == 1


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_threads_do_not_meet(socket_server: SocketServer, tmp_path: Path, sanitizer: str) -> None:
    need("gcc")
    flags = (f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", f"-I{SOURCES}")
    program = compiled(tmp_path / "calls", *flags, CALLS, SOURCES / "TicketApi.c")
    command = [*at_fixed_addresses(), str(program), "threads=8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"threads {8 * 50 * 2}\n", "")


def test_nothing_is_lost_under_valgrind(socket_server: SocketServer, tmp_path: Path, ticket_library: Path) -> None:
    need("valgrind")
    program = linked(tmp_path / "calls", ticket_library, CALLS)
    valgrind = ("valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all", "--track-fds=yes")
    calls = ("init", "ticket=254", "new=6", "describe=0x80100004,254", "agent", "destroy", "threads=2", "finalize")
    done = subprocess.run(
        [*valgrind, "--error-exitcode=9", program, *calls], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_trace_of_a_ticket_is_left(socket_server: SocketServer, tmp_path: Path, ticket_library: Path) -> None:
    """After the call, with the program's own buffer wiped, its whole memory is searched.

    Bound lazily, a function's first call would save the registers, and with them pieces of the ticket, to the stack.
    """
    ticket = "SECRET-" + "ticket-" * 5
    socket_server.answers = lambda _: {"parameters": {"ticket": ticket}}
    program = linked(tmp_path / "remains", ticket_library, Path(__file__).parents[1] / "support" / "ticket_remains.c")
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{len(ticket)} bytes came, 0 traces\n")
