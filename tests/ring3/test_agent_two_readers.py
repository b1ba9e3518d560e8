"""Two readers of a real pcscd, each with a card: nobody's passcode reaches the other's card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, Slot
from support.agent_program import SitDown, run_agent
from support.emulator import tries_left_on_disk
from support.machine import need, wait_until
from support.reader import VPCD_NAME, Pcscd, list_readers, vpcd_has_a_card
from support.spine import Spine

from agent import Broker, CardChosen, Fault, PcscReader, State, describe_owner
from emulator import VirtualCard
from emulator.testing import VpcdSlot
from emulator.virtual_card import Reply

CARDS = "one-role", "three-roles"


@pytest.fixture
def places(pcscd: Pcscd) -> list[str]:
    """Where a virtual card connects to vpcd's first and second reader, once pcscd has seen that both are empty."""
    need("smartcard")
    host, _, port = pcscd.vpcd.partition(":")
    places = [f"{host}:{int(port) + number}" for number in (0, 1)]
    wait_until(lambda: not any(map(vpcd_has_a_card, places)), what="two empty readers")
    return places


@pytest.fixture
def slots(data: Path, places: list[str]) -> Iterator[list[Slot]]:
    slots = [Slot(data, place) for place in places]
    yield slots
    for slot in slots:
        slot.close()


@pytest.fixture
def person(spine: Spine, slots: list[Slot]) -> Iterator[Person]:
    person = Person(PcscReader(), lambda: Broker(spine.url, spine.ca_file))
    yield person
    person.close()


def asked(person: Person, slots: list[Slot]) -> None:
    for slot, card in zip(slots, CARDS, strict=True):
        slot.insert(card)
    person.sees(State.CHOOSING_CARD)


@pytest.mark.parametrize("number", [0, 1])
def test_the_chosen_card_gets_the_passcode_and_the_other_none(
    number: int, person: Person, slots: list[Slot], data: Path
) -> None:
    asked(person, slots)
    reader = f"{VPCD_NAME} 00 0{number}"
    (card,) = (each for each in person.conductor.owners if each.reader == reader)
    person.conductor.handle(CardChosen(card))
    person.types("000000")
    person.sees(State.PASSCODE)
    person.waits(lambda: person.conductor.problem, "wrong passcode")
    assert reader in describe_owner(person.conductor)
    assert tries_left_on_disk(data / "cards" / CARDS[number]) == 2
    assert tries_left_on_disk(data / "cards" / CARDS[1 - number]) == 3


def test_with_two_readers_and_one_card_it_is_said_which(person: Person, slots: list[Slot]) -> None:
    slots[1].insert("one-role")
    person.sees(State.PASSCODE)
    assert f"in {VPCD_NAME} 00 01" in describe_owner(person.conductor)


def test_the_one_that_leaves_takes_the_question_with_it(person: Person, slots: list[Slot]) -> None:
    asked(person, slots)
    slots[0].pull()
    person.types()
    person.sees(State.CHOOSING_ROLE)
    assert person.attempt.card.reader == f"{VPCD_NAME} 00 01"


class BankCard(VirtualCard):
    """Has the directory of payment applications, and no other."""

    atr = bytes.fromhex("3B6500002063CBBD80")

    def respond(self, raw: bytes) -> Reply:
        return Reply(bytes.fromhex("6F009000" if b"1PAY.SYS.DDF01" in raw else "6A82"))


def test_a_bank_card_alone_is_explained_and_beside_a_smartcard_passed_over(
    person: Person, slots: list[Slot], data: Path, places: list[str]
) -> None:
    slot: Any = VpcdSlot(places[0])
    slot.insert(BankCard.open(data / "cards" / "no-role"))
    problem = person.problem()
    assert (problem.fault, problem.says) == (Fault.CARD_NOT_USABLE, "This is a bank card.")
    slots[1].insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    assert State.CHOOSING_CARD not in person.states
    slot.close()


# The program


def insert_both(slots: list[Slot]) -> None:
    """Put a card into each, and wait until pcscd has seen both."""
    from smartcard import scard

    for slot, card in zip(slots, CARDS, strict=True):
        slot.insert(card)
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)

    def inserted() -> bool:
        asked = [(reader, scard.SCARD_STATE_UNAWARE) for reader in list_readers()]
        _, states = scard.SCardGetStatusChange(context, 0, asked)
        return sum(bool(state & scard.SCARD_STATE_PRESENT) for _, state, _ in states) == len(CARDS)

    wait_until(inserted, what="two cards")
    scard.SCardReleaseContext(context)


def test_nobody_chooses_for_a_script(spine: Spine, slots: list[Slot]) -> None:
    insert_both(slots)
    login = run_agent("--spine", spine.url, "--ca-file", spine.ca_file, "login", stdin="000000\n")
    changed = run_agent("passcode", stdin="000000\n975310\n")
    for done in (login, changed):
        assert done.returncode == 4
        assert "Several cards are in." in done.stderr
    assert all(tries_left_on_disk(spine.data / "cards" / card) == 3 for card in CARDS)


def test_a_person_at_a_terminal_is_asked(spine: Spine, slots: list[Slot], at_terminal: SitDown) -> None:
    insert_both(slots)
    terminal = at_terminal("--spine", spine.url, "--ca-file", spine.ca_file, "login")
    terminal.sees("Which card is yours? Number: ")
    terminal.reads()
    terminal.types("1\n")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    terminal.sees("Signed in as")
    assert terminal.ends() == 0


def test_a_person_at_a_terminal_is_asked_whose_passcode_is_changed(
    spine: Spine, slots: list[Slot], at_terminal: SitDown
) -> None:
    insert_both(slots)
    terminal = at_terminal("passcode")
    terminal.sees("Which card is yours? Number: ")
    terminal.types("2\n")
    terminal.sees("Card of 555000000001.")
    for typed in ("Passcode: ", "New passcode: ", "New passcode again: "):
        terminal.sees(typed)
        terminal.types("123456\n" if typed == "Passcode: " else "970531\n")
    terminal.sees("The passcode is changed.")
    assert terminal.ends() == 0
    settings = json.loads((spine.data / "cards" / "three-roles" / "card.json").read_text())
    assert settings["passcode"] == "970531"
