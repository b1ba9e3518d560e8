"""A log at the lowest level, of a whole session, holds neither passcode nor ticket, in any form."""

from __future__ import annotations

import base64
import gc
import json
import logging
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from support.agent import Person, Slot, fails
from support.agent_program import free_port, run_agent
from support.emulator import EmulatorProgram
from support.machine import TIED_TO_THE_RUN, stop
from support.spine import Spine

import agent
from agent import Cue, RoleChosen, State

PASSCODE = "918273"


def forms(secret: str) -> dict[str, bytes]:
    """A secret as it could appear in a log."""
    raw = secret.encode()
    encoded = base64.b64encode(raw)
    return {
        "raw": raw,
        "hex": raw.hex().encode(),
        "hex, capitals": raw.hex().upper().encode(),
        "hex, spaced": raw.hex(" ").encode(),
        "hex, spaced, capitals": raw.hex(" ").upper().encode(),
        "base64": encoded.rstrip(b"=")[:-1],
        "base64 with what is before it": base64.b64encode(b"\0" + raw)[2:-4],
        "base64 with more before it": base64.b64encode(b"\0\0" + raw)[4:-4],
        "URL": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "decimal": ", ".join(map(str, raw)).encode(),
        "escaped": repr(raw)[2:-1].encode(),
        "UTF-16": secret.encode("utf-16-le"),
        "backwards": raw[::-1],
    }


def assert_clean(where: str, content: bytes, *secrets: str) -> None:
    for secret in secrets:
        for form, text in forms(secret).items():
            assert text not in content, f"{where} holds a secret, {form}"


def test_the_search_finds_what_it_looks_for() -> None:
    for text in forms(PASSCODE).values():
        with pytest.raises(AssertionError, match="holds a secret"):
            assert_clean("a log", b"before " + text + b" after", PASSCODE)


@pytest.fixture
def passcode_set(data: Path) -> None:
    """A passcode that is nowhere else: 123456 is in many a number."""
    path = data / "cards" / "three-roles" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "passcode": PASSCODE}))


@pytest.fixture
def broker_program(data: Path) -> Iterator[tuple[str, Path]]:
    """The stub as a program with its log at the lowest level: address and log."""
    log = data / "spine_stub.log"
    command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", "0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*TIED_TO_THE_RUN, *command, "--log-level", "debug"],
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=Path(agent.__file__).parent,
        )
    assert process.stdout
    with process.stdout:
        yield process.stdout.readline().decode().split()[1], log
        stop(process)


@pytest.mark.usefixtures("passcode_set")
def test_all_logs_of_a_session_in_the_terminal(data: Path, broker_program: tuple[str, Path], tmp_path: Path) -> None:
    url, broker_log = broker_program
    port = free_port()
    emulator = EmulatorProgram(data, f"127.0.0.1:{port}", "three-roles")
    log = tmp_path / "agent.log"
    options = ["--spine", url, "--ca-file", data / "ca.pem", "--reader", f"embedded:{port}"]
    lowest = ["--explain", "--log-level", "debug", "--log-file", log]
    login = ["login", "--json", "--role", "2"]
    wrong = run_agent(*options, *lowest, *login, stdin="555666\n")
    assert wrong.returncode == 5, wrong.stderr
    kept = run_agent(*options, *lowest, *login, "--keep", stdin=f"{PASSCODE}\n")
    done = run_agent(*options, *lowest, *login, stdin=f"{PASSCODE}\n")
    assert done.returncode == 0, done.stderr
    emulator.stop()
    ticket = json.loads(kept.stdout)["ticket"]
    secrets = (PASSCODE, ticket, ticket.rstrip("#"), ticket.partition("@")[0], "AQIC5")
    logs = {
        "the agent's log": log.read_bytes(),
        "--explain": done.stderr.encode(),
        "the broker's log": broker_log.read_bytes(),
        "the emulator's log": emulator.log.read_bytes(),
    }
    for where, content in logs.items():
        assert content, where
        assert_clean(where, content, *secrets)
        assert_clean(where, content, "555666")
    assert b"VERIFY" in logs["the agent's log"]
    assert b"authvalidate" in logs["the agent's log"]
    assert b"authlogout" in logs["the broker's log"]


@pytest.mark.usefixtures("passcode_set")
def test_every_record_of_every_logger_in_process(
    person: Person, slot: Slot, spine: Spine, caplog: pytest.LogCaptureFixture
) -> None:
    """Other people's loggers too (urllib3, asyncio), with their arguments."""
    caplog.set_level(logging.NOTSET)
    for name in ("lanyard", "spine_stub", "emulator", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    logging.getLogger("lanyard").addHandler(caplog.handler)
    slot.insert("three-roles")
    person.types(PASSCODE)
    person.sees(State.CHOOSING_ROLE)
    ticket = person.session.ticket
    person.conductor.handle(RoleChosen(person.session.roles[1]))
    person.sees(State.SIGNED_IN)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.close()
    logging.getLogger("lanyard").removeHandler(caplog.handler)
    lines = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    assert any("VERIFY" in line for line in lines)
    assert_clean("a record", "\n".join(lines).encode(), PASSCODE, ticket)
    assert_clean("the broker's log", "\n".join(spine.log).encode(), PASSCODE, ticket)


@pytest.mark.usefixtures("passcode_set")
def test_nothing_of_a_session_says_its_secrets(person: Person, slot: Slot) -> None:
    slot.insert("three-roles")
    person.types(PASSCODE)
    person.sees(State.CHOOSING_ROLE)
    attempt = person.attempt
    said = repr((vars(attempt), vars(person.conductor), vars(attempt), attempt.signed_in))
    assert_clean("a repr", said.encode(), PASSCODE, person.session.ticket)


def test_a_lost_connection_does_not_say_the_ticket(spine: Spine, person: Person, slot: Slot) -> None:
    """The errors of requests hold the whole address, with the ticket of a role selection."""
    slot.insert("three-roles")
    person.types("123456")
    person.sees(State.CHOOSING_ROLE)
    session = person.session
    gone = agent.Broker(f"https://127.0.0.1:{free_port()}", spine.ca_file)
    with fails(agent.Fault.UNREACHABLE) as caught:
        gone.select_role(session, session.roles[0])
    chain = [caught.value, caught.value.__cause__]
    text = f"{caught.value.technical} {[str(each) + repr(each) for each in chain]}"
    assert_clean("an error", text.encode(), session.ticket)
    assert caught.value.__suppress_context__


def passcode_of(person: Person) -> agent.Passcode:
    assert person.attempt.passcode
    return person.attempt.passcode


@pytest.mark.parametrize("passcode", ["123456", "000000"])
def test_nothing_that_is_over_is_held_on_to(passcode: str, person: Person, slot: Slot) -> None:
    """By no closure, no traceback and no thread: memory that is free is written over in the end."""
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    person.conductor.type_passcode(passcode)
    held: list[weakref.ref[Any]] = [weakref.ref(passcode_of(person))]
    person.sees(State.SIGNED_IN, State.PASSCODE)
    if passcode == "123456":
        held.append(weakref.ref(person.session))
    lane = person.attempt.lane
    slot.pull()
    person.sees(State.WAITING)
    lane.join(5)
    person.bridge.run_pending()
    gc.collect()
    assert [thing() for thing in held] == [None] * len(held)
