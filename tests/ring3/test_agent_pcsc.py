"""The same sign-in through a real pcscd and vpcd: `--reader pcsc`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, Slot
from support.agent_program import OUTCOMES, SitDown, run_agent
from support.emulator import tries_left_on_disk
from support.machine import need, wait_until
from support.reader import Pcscd, vpcd_has_a_card
from support.spine import Spine

import agent
from agent import Broker, Cue, PcscReader, State


@pytest.fixture(autouse=True)
def empty_reader(pcscd: Pcscd) -> None:
    """Wait until pcscd has seen that the last test's card is gone: it looks every 0.4 s."""
    need("smartcard")
    wait_until(lambda: not vpcd_has_a_card(pcscd.vpcd), what="an empty reader")


@pytest.fixture(scope="module")
def kept(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(demo_data, tmp_path_factory.mktemp("kept") / "data"))


def demonstrate(pcscd: Pcscd, kept: Path, card: str, stdin: str = "123456\n") -> Any:
    options = ["--demo", "--reader", "pcsc", "--vpcd", pcscd.vpcd, "--data", kept, "--card", card]
    return run_agent(*options, "login", "--json", stdin=stdin)


@pytest.mark.parametrize("card", OUTCOMES)
def test_the_demonstration_with_each_card(card: str, pcscd: Pcscd, kept: Path) -> None:
    code, outcome = OUTCOMES[card]
    done = demonstrate(pcscd, kept, card)
    assert done.returncode == code, done.stderr
    if isinstance(outcome, str):
        assert outcome in done.stderr.splitlines()[-1]
    else:
        assert len(json.loads(done.stdout)["roles"]) == outcome


def test_a_wrong_passcode(pcscd: Pcscd, kept: Path) -> None:
    done = demonstrate(pcscd, kept, "one-role", "000000\n")
    assert done.returncode == 5
    assert "2 tries left" in done.stderr.splitlines()[-1]
    assert tries_left_on_disk(kept / "cards" / "one-role") == 2


# In process, with the card slot of vpcd


@pytest.fixture
def slot(data: Path, pcscd: Pcscd) -> Iterator[Slot]:
    slot = Slot(data, pcscd.vpcd)
    yield slot
    slot.close()


@pytest.fixture
def person(spine: Spine, slot: Slot, pcscd: Pcscd) -> Iterator[Person]:
    person = Person(PcscReader("Virtual PCD"), lambda: Broker(spine.url, spine.ca_file))
    yield person
    person.close()


def test_card_in_sign_in_card_out(person: Person, slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    ticket, attempt = person.session.ticket, person.attempt
    assert not spine.is_over(ticket)
    slot.pull()
    person.sees(State.WAITING, deadline=1)
    attempt.lane.join(5)
    assert spine.is_over(ticket)


def test_pulled_while_the_passcode_is_asked_for(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    slot.pull()
    person.sees(State.WAITING, deadline=1)
    assert person.conductor.attempt is None


def test_pulled_before_the_passcode_arrives(person: Person, slot: Slot, data: Path, pcscd: Pcscd) -> None:
    """The reader looks every 0.4 s: the card may be gone before anybody has noticed."""
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    slot.pull()
    person.conductor.type_passcode("000000")
    person.sees(State.WAITING, deadline=2)
    assert person.conductor.problem is None or person.conductor.problem.fault is agent.Fault.CARD_REMOVED
    assert tries_left_on_disk(data / "cards" / "one-role") == 3
    pcscd.restart()  # it never announces a card that comes before it has looked again


def test_the_next_card_is_another_person(person: Person, slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    first, attempt = person.session, person.attempt
    slot.pull()
    person.sees(State.WAITING)
    slot.insert("no-role")
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.uid != first.uid
    attempt.lane.join(5)
    assert spine.is_over(first.ticket)


def test_the_card_is_locked_again_after_use(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    person.waits(lambda: not slot.card.state.passcode_verified, "card that was reset")


def test_signing_in_twice_with_the_card_left_in(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    for _ in range(2):
        person.types()
        person.sees(State.SIGNED_IN)
        person.conductor.handle(Cue.LOG_OUT)
        person.conductor.handle(Cue.DISMISSED)
    person.sees(State.PASSCODE)


def test_a_reader_of_another_name_is_not_used(pcscd: Pcscd, slot: Slot, spine: Spine) -> None:
    person = Person(PcscReader("Gemalto"), lambda: Broker(spine.url, spine.ca_file))
    slot.insert("one-role")
    person.sees(State.NO_READER)
    assert person.conductor.problem.fault is agent.Fault.READER_NOT_FOUND
    assert "Virtual PCD 00 00; Virtual PCD 00 01" in str(person.conductor.problem)
    person.close()


def test_pcscd_restarted_while_the_agent_waits(person: Person, slot: Slot, pcscd: Pcscd) -> None:
    person.waits(lambda: person.bridge.wait(0.1) or True, "reader")
    pcscd.stop()
    person.sees(State.NO_READER)
    assert person.conductor.problem.fault is agent.Fault.NO_SERVICE
    pcscd.start()
    person.sees(State.WAITING)
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)


def test_pcscd_restarted_in_a_session_ends_it(person: Person, slot: Slot, pcscd: Pcscd, spine: Spine) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    ticket, attempt = person.session.ticket, person.attempt
    pcscd.restart()
    person.sees(State.NO_READER, State.WAITING, State.READING)
    attempt.lane.join(5)
    assert spine.is_over(ticket)
    person.types()
    person.sees(State.SIGNED_IN)


# The program


def test_without_pcscd(spine: Spine, tmp_path: Path) -> None:
    done = run_agent(
        *("--spine", spine.url, "--ca-file", spine.ca_file, "login"), PCSCLITE_CSOCK_NAME=str(tmp_path / "nobody")
    )
    assert done.returncode == 3
    assert "pcscd" in done.stderr


def test_without_a_card(spine: Spine, pcscd: Pcscd) -> None:
    options = ("--spine", spine.url, "--ca-file", spine.ca_file)
    done = run_agent(*options, "login", "--wait", "0.5")
    assert done.returncode == 4, done.stderr


def test_pulled_at_a_terminal(spine: Spine, slot: Slot, pcscd: Pcscd, at_terminal: SitDown) -> None:
    terminal = at_terminal("--spine", spine.url, "--ca-file", spine.ca_file, "login")
    terminal.sees("Put your card into the reader.")
    slot.insert("one-role")
    terminal.sees("Passcode: ")
    slot.pull()
    assert terminal.ends(3) == 10
    assert terminal.echoes
