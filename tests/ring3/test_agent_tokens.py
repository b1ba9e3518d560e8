"""The same sign-in through OpenSC's PKCS#11 module, with the virtual card in a real pcscd: `--reader pkcs11:`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, Slot
from support.agent_program import OUTCOMES, run_agent
from support.emulator import tries_left_on_disk
from support.machine import need, wait_until
from support.reader import Pcscd, vpcd_has_a_card
from support.spine import Spine
from support.tokens import OPENSC, children

from agent import (
    Broker,
    Cue,
    Digest,
    Fault,
    IdentityCard,
    Passcode,
    Signing,
    State,
    TokenReader,
    sign_documents,
    signer_facts,
)


@pytest.fixture(autouse=True)
def empty_reader(pcscd: Pcscd) -> None:
    """Wait until pcscd has seen that the last test's card is gone: it looks every 0.4 s."""
    need("PyKCS11", "pkcs11-tool")
    wait_until(lambda: not vpcd_has_a_card(pcscd.vpcd), what="an empty reader")


@pytest.fixture
def slot(data: Path, pcscd: Pcscd) -> Iterator[Slot]:
    slot = Slot(data, pcscd.vpcd)
    yield slot
    slot.close()


@pytest.fixture
def person(spine: Spine, slot: Slot) -> Iterator[Person]:
    person = Person(TokenReader(OPENSC), lambda: Broker(spine.url, spine.ca_file))
    yield person
    person.close()


def log_in(spine: Spine, stdin: str = "123456\n", reader: str = OPENSC) -> Any:
    options = ["--spine", spine.url, "--ca-file", spine.ca_file, "--reader", reader]
    return run_agent(*options, "login", "--json", "--wait", "5", stdin=stdin)


@pytest.mark.parametrize("card", OUTCOMES)
def test_the_outcome_with_each_card_is_that_of_piv(card: str, slot: Slot, spine: Spine) -> None:
    slot.insert(card)
    code, outcome = OUTCOMES[card]
    done = log_in(spine)
    assert done.returncode == code, done.stderr
    if isinstance(outcome, str):
        assert outcome in done.stderr.splitlines()[-1]
    else:
        assert len(json.loads(done.stdout)["roles"]) == outcome


def test_the_same_json_as_by_piv(slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    by_token, by_piv = (json.loads(log_in(spine, reader=reader).stdout) for reader in (OPENSC, "pcsc"))
    assert by_token == by_piv


def test_a_module_found_by_p11_kit_s_files(slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    done = log_in(spine, reader="pkcs11:manufacturer=piv_II")
    assert done.returncode == 0, done.stderr


def test_a_token_of_another_name(slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    assert log_in(spine, reader=OPENSC.replace("pkcs11:", "pkcs11:token=another")).returncode == 4


def test_no_card(spine: Spine, slot: Slot) -> None:
    options = ["--spine", spine.url, "--ca-file", spine.ca_file, "--reader", OPENSC]
    done = run_agent(*options, "login", "--json", "--wait", "1")
    assert (done.returncode, done.stdout) == (4, "")


def test_wrong_last_and_locked(slot: Slot, spine: Spine, data: Path) -> None:
    """The token says no more than which try is the last; that one is spent only where somebody confirms it."""
    card = data / "cards" / "one-role"
    slot.insert("one-role")
    assert log_in(spine, "000000\n").returncode == 5
    assert tries_left_on_disk(card) == 2
    assert log_in(spine, "000000\n").returncode == 5
    assert tries_left_on_disk(card) == 1
    kept = log_in(spine, "000000\n")
    assert (kept.returncode, tries_left_on_disk(card)) == (5, 1)
    assert "1 try is left" in kept.stderr


def test_the_last_try_spent_locks_the_card(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    for _ in range(2):
        person.sees(State.PASSCODE, State.LAST_TRY)
        person.conductor.type_passcode("000000")
        person.sees(State.SIGNING_IN, State.PROBLEM)
    person.sees(State.LAST_TRY)
    person.conductor.type_passcode("000000")
    person.conductor.handle(Cue.CONFIRMED)
    assert person.problem().fault is Fault.CARD_LOCKED


def test_a_passcode_that_no_card_has_costs_no_try(slot: Slot, spine: Spine, data: Path) -> None:
    slot.insert("one-role")
    assert log_in(spine, "12\n").returncode == 5
    assert tries_left_on_disk(data / "cards" / "one-role") == 3


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


def test_no_module_runs_without_a_card(person: Person, slot: Slot) -> None:
    wait_until(children, what="the module that looks for tokens")
    wait_until(lambda: not children(), what="its end")
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    assert children()
    slot.pull()
    person.sees(State.WAITING)
    wait_until(lambda: not children(), what="the end of the card's module")


def test_pulled_while_it_is_read(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.sees(State.READING)
    slot.pull()
    person.sees(State.WAITING, deadline=3)
    assert person.conductor.problem is None or person.conductor.problem.fault is Fault.CARD_REMOVED


def test_pulled_before_the_passcode_arrives(person: Person, slot: Slot, data: Path, pcscd: Pcscd) -> None:
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    slot.pull()
    person.conductor.type_passcode("123456")
    person.sees(State.WAITING, deadline=4)
    assert person.conductor.problem is None or person.conductor.problem.fault is Fault.CARD_REMOVED
    assert tries_left_on_disk(data / "cards" / "one-role") == 3
    pcscd.restart()  # it never announces a card that comes before it has looked again


def test_another_program_finds_the_card_locked(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    person.waits(lambda: not slot.card.state.passcode_verified, "card that was reset")
    sign = ("pkcs11-tool", "--sign", "--id", "01", "--mechanism", "SHA256-RSA-PKCS", "--input-file", __file__)
    refused = subprocess.run(sign, capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL)
    assert refused.returncode != 0
    assert "Please enter User PIN" in refused.stdout
    is_verified = ("opensc-tool", "--send-apdu", "00:20:00:80")  # VERIFY without data
    said = subprocess.run(is_verified, capture_output=True, text=True, check=False, timeout=30)
    assert "SW1=0x63, SW2=0xC3" in said.stdout


def test_signing_in_twice_with_the_card_left_in(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    for _ in range(2):
        person.types()
        person.sees(State.SIGNED_IN)
        person.conductor.handle(Cue.LOG_OUT)
        person.conductor.handle(Cue.DISMISSED)
    person.sees(State.PASSCODE)


@pytest.mark.parametrize("card", ["prescriber", "one-role"])
def test_documents_are_signed_with_the_key_that_wants_the_passcode_each_time(
    card: str, slot: Slot, tmp_path: Path
) -> None:
    """Key 9C is RSA on one card and ECDSA on the other; OpenSC asks for a login of its own before each signature."""
    letter, message = tmp_path / "letter", tmp_path / "message"
    letter.write_bytes(b"a letter")
    slot.insert(card)
    with message.open("w") as outcome:
        done = run_agent("--reader", OPENSC, "sign", letter, stdout=outcome)
    assert done.returncode == 0, done.stderr
    verify = ("openssl", "cms", "-verify", "-noverify", "-binary", "-inform", "der", "-in", message)
    verified = subprocess.run(verify, capture_output=True, check=False, timeout=30)
    assert (verified.returncode, verified.stdout) == (0, b"a letter"), verified.stderr


def test_three_signatures_for_one_passcode(slot: Slot, person: Person) -> None:
    slot.insert("prescriber")
    person.types()
    person.sees(State.SIGNED_IN)
    signing = Signing([b"one", b"two", b"three"], Digest.SHA256, as_cms=False)
    outcomes: list[Any] = []

    def sign(card: IdentityCard) -> Any:
        return sign_documents(card, signing, signer_facts(card).certificate, Passcode("123456"))

    person.conductor.use_card(sign, outcomes.append)
    person.waits(lambda: outcomes, "signatures")
    assert len(outcomes[0]["signatures"]) == 3
    person.waits(lambda: not slot.card.state.passcode_verified, "card that was reset")


def test_the_passcode_is_changed(slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    assert run_agent("--reader", OPENSC, "passcode", stdin="000000\n246810\n").returncode == 5
    changed = run_agent("--reader", OPENSC, "passcode", stdin="123456\n246810\n")
    assert changed.returncode == 0, changed.stderr
    assert log_in(spine).returncode == 5
    assert log_in(spine, "246810\n").returncode == 0


def test_unlocking_is_refused_where_the_module_cannot(slot: Slot, data: Path) -> None:
    slot.insert("locked")
    refused = run_agent("--reader", OPENSC, "unlock", stdin="12345678\n246810\n")
    assert refused.returncode in (4, 5), refused.stderr
    assert json.loads((data / "cards" / "locked" / "card.json").read_text())["unblocking_tries_left"] == 3


def test_another_card_that_is_pulled_disturbs_nobody(person: Person, slot: Slot, data: Path, pcscd: Pcscd) -> None:
    host, _, port = pcscd.vpcd.partition(":")
    other = Slot(data, f"{host}:{int(port) + 1}")
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    other.insert("no-role")
    person.waits(lambda: len(person.conductor.cards) == 2, "second card")
    other.pull()
    person.waits(lambda: len(person.conductor.cards) == 1, "empty second reader")
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.uid == "555000000002"
    other.close()


def test_pulled_while_it_signs(person: Person, slot: Slot, spine: Spine, pcscd: Pcscd) -> None:
    """As soon as the card has taken the passcode: whatever came of it at the broker is over."""
    slot.insert("one-role")
    person.types()
    wait_until(lambda: slot.card.state.passcode_verified, what="the passcode")
    slot.pull()
    person.sees(State.WAITING, deadline=5)
    assert person.conductor.attempt is None
    assert person.conductor.problem is None or person.conductor.problem.fault is Fault.CARD_REMOVED
    pcscd.restart()  # it never announces a card that comes before it has looked again
