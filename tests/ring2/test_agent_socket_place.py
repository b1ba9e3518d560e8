"""Where the ticket socket is, whose it is, and what becomes of it when an agent ends or a second one starts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.agent_program import AGENT, ROOT, SitDown, at, free_port, run_agent
from support.machine import TIED_TO_THE_RUN, unavailable, wait_until
from support.screen import Display
from support.spine import Spine
from support.ticket_socket import Dialogue, LiveAgent, error_name

import agent
from agent import AgentError, Fault, UsageError, ticket_socket


def refused() -> AgentError:
    with pytest.raises(AgentError) as caught, ticket_socket():
        pass
    return caught.value


def test_socket_and_folder_are_their_owner_s_alone(live: LiveAgent) -> None:
    assert stat.filemode(live.path.stat().st_mode) == "srw-------"
    assert stat.filemode(live.path.parent.stat().st_mode) == "drwx------"


def test_a_second_agent_is_told_and_the_first_goes_on(live: LiveAgent) -> None:
    assert refused().fault is Fault.RUNS_ALREADY
    wait_until(lambda: live.shown, what="the first one in front")
    assert live.call("GetStatus")["parameters"]["state"] == "no_card"


def test_nothing_is_left_at_the_end(runtime: Path) -> None:
    with ticket_socket():
        assert (runtime / "lanyard/agent").is_socket()
    assert not (runtime / "lanyard/agent").exists()
    with ticket_socket():
        pass


def test_what_a_killed_agent_left_is_replaced(runtime: Path) -> None:
    (runtime / "lanyard").mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(runtime / "lanyard/agent"))
    with ticket_socket() as listener, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(runtime / "lanyard/agent"))
        listener.accept()[0].close()


def test_no_folder_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    error = refused()
    assert isinstance(error, UsageError)
    assert "XDG_RUNTIME_DIR is not set" in str(error)
    ended = run_agent("ticket", "--no-auth")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "XDG_RUNTIME_DIR is not set" in ended.stderr
    assert "export XDG_RUNTIME_DIR=/run/user/$(id -u)" in ended.stderr  # which is what mends it


def test_a_folder_that_is_a_link_or_a_file_or_too_deep(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runtime / "elsewhere").mkdir()
    (runtime / "lanyard").symlink_to("elsewhere")
    assert "cannot be made" in str(refused())
    (runtime / "lanyard").unlink()
    (runtime / "lanyard").write_text("")
    assert "cannot be made" in str(refused())
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / ("x" * 100)))
    (runtime / ("x" * 100)).mkdir()
    assert "cannot be made" in str(refused())


def test_another_user_s_folder_is_refused(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        unavailable("only root can give a folder away")
    (runtime / "lanyard").mkdir(mode=0o777)
    os.chown(runtime / "lanyard", 65534, 65534)
    assert "belongs to another user" in str(refused())


ACTIVATOR = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
SERVE = """
import os, sys
sys.path.insert(0, sys.argv[1])
import agent
with agent.ticket_socket() as listener:
    assert not os.get_inheritable(listener.fileno()) and not os.environ.keys() & {"LISTEN_PID", "LISTEN_FDS"}
    link, _ = listener.accept()
    link.sendall(listener.getsockname().encode())
"""


def test_the_socket_that_systemd_hands_over_is_used_and_left(runtime: Path) -> None:
    path = runtime / "handed-over"
    command = [sys.executable, "-c", ACTIVATOR, str(path), "-c", SERVE, str(ROOT)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        wait_until(path.is_socket, what="the socket")
        with socket.socket(socket.AF_UNIX) as caller:
            wait_until(lambda: caller.connect_ex(str(path)) == 0, what="a connection")
            caller.settimeout(10)
            assert caller.recv(1000).decode() == str(path)
        assert process.wait(10) == 0, process.stderr and process.stderr.read()
    assert path.is_socket()


def test_what_is_handed_over_to_another_process_is_left_alone(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    with ticket_socket() as listener:
        assert listener.getsockname().startswith(str(runtime / "lanyard/agent"))


@pytest.fixture
def window(
    screen: Display, runtime: Path, spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """The agent's window as a program, with a card in its reader."""
    port = free_port()
    process = subprocess.Popen([*TIED_TO_THE_RUN, *AGENT, *at(spine, port)], stderr=subprocess.PIPE)
    slot = Slot(spine.data, f"127.0.0.1:{port}")
    wait_until((runtime / "lanyard/agent").is_socket, 30, "the socket")
    slot.insert("one-role")
    yield process
    slot.close()
    process.kill()
    process.communicate()


def asked(runtime: Path, state: str) -> bool:
    with Dialogue(runtime / "lanyard/agent") as dialogue:
        return bool(dialogue.call("GetStatus")["parameters"]["state"] == state)


def sign_in(runtime: Path, screen: Display) -> None:
    wait_until(lambda: asked(runtime, "passcode"), 30, "a card that is read")
    screen.type("123456")
    wait_until(lambda: screen.key("Return") or asked(runtime, "signed_in"), 30, "a session")


def test_who_waits_when_the_agent_is_killed_sees_its_end_at_once(
    window: subprocess.Popen[bytes], runtime: Path, screen: Display, spine: Spine
) -> None:
    """And who comes later finds that it is not running, and the guardian has ended the session."""
    with Dialogue(runtime / "lanyard/agent") as waiting, Dialogue(runtime / "lanyard/agent") as watcher:
        waiting.send("GetTicket")
        sign_in(runtime, screen)
        ticket = waiting.receive()["parameters"]["ticket"]
        watcher.send("Watch", flags={"more": True})
        watcher.receive()
        waiting.send("GetNewTicket")
        window.kill()
        with contextlib.suppress(EOFError):  # what happened before is told before
            while watcher.receive():
                pass
        with contextlib.suppress(EOFError):
            assert error_name(waiting.receive()) in ("UserAbort", "TicketNotAvailable")
    ended = run_agent("ticket", "--no-auth")
    assert (ended.returncode, ended.stdout) == (12, "")
    assert "not running" in ended.stderr
    wait_until(lambda: spine.is_over(ticket), what="the session's end at the broker")


def test_the_window_ends_with_a_word_to_watchers(
    window: subprocess.Popen[bytes], runtime: Path, screen: Display
) -> None:
    sign_in(runtime, screen)
    with Dialogue(runtime / "lanyard/agent") as watcher:
        watcher.send("Watch", flags={"more": True})
        watcher.receive()
        window.send_signal(signal.SIGTERM)
        ends = [watcher.receive()["parameters"] for _ in range(2)]
        assert [end["reason"] for end in ends] == ["agent_ended"] * 2
        assert ["session" in end for end in ends] == [True, False]  # of who was signed in; then of nobody
        assert watcher.is_over()
    assert window.wait(20) == 130
    assert not (runtime / "lanyard/agent").exists()


def test_a_second_window_is_told_in_a_sentence(window: subprocess.Popen[bytes], spine: Spine) -> None:
    second = subprocess.run(
        [*TIED_TO_THE_RUN, *AGENT, *at(spine, free_port())], capture_output=True, text=True, timeout=30, check=False
    )
    assert second.returncode == 2
    assert second.stderr.startswith("The agent is running already.")


def test_a_frozen_agent_is_found_out(window: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "CLIENT_SECONDS", 0.2)
    window.send_signal(signal.SIGSTOP)
    with pytest.raises(AgentError) as caught:
        agent.fetch_ticket(no_auth=True, new=False)
    assert caught.value.fault is Fault.NOT_RUNNING
    window.send_signal(signal.SIGCONT)


def test_a_session_in_the_terminal_serves_programs_too(runtime: Path, at_terminal: SitDown) -> None:
    """The demonstration on a PC without a display stays signed in until Enter is pressed."""
    terminal = at_terminal("--demo", "--card", "one-role", "--reader", "embedded:0")
    wait_until((runtime / "lanyard/agent").is_socket, 60, "the socket")
    with Dialogue(runtime / "lanyard/agent", 30) as caller:
        caller.send("GetTicket", origin="https://app.example")
        terminal.sees("https://app.example asks you to sign in.", 30)
        terminal.sees("Passcode: ", 30)
        terminal.reads()
        terminal.types("123456\n")
        assert "ticket" in caller.receive()["parameters"]
        terminal.sees("Press Enter to log out")
        caller.send("Confirm", question="Send it?", origin="https://app.example")
        assert caller.receive() == {"parameters": {"granted": False}}
        terminal.sees("https://app.example is refused")
        terminal.reads()
        terminal.types("\n")
        assert terminal.ends() == 0
