"""`agent.py doctor` with a real pcscd: stopped, with a reader and no card, and with cards that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.emulator import tries_left_on_disk
from support.machine import need, wait_until
from support.reader import Pcscd, vpcd_has_a_card

from agent import Settings
from kiosk.doctor.examine import LOOKS
from kiosk.doctor.findings import Finding, Stop, Trouble
from kiosk.doctor.surroundings import Surroundings


@pytest.fixture
def slot(data: Path, pcscd: Pcscd) -> Iterator[Slot]:
    need("smartcard")
    wait_until(lambda: not vpcd_has_a_card(pcscd.vpcd), what="an empty reader")
    slot = Slot(data, pcscd.vpcd)
    yield slot
    slot.close()


def looks(subject: str, **settings: str) -> list[Finding]:
    found = []
    try:
        for finding in LOOKS[subject](Surroundings(Settings(**settings))):
            found.append(finding)
    except Stop as stop:
        found.append(stop.finding)
    return found


def troubles(subject: str, **settings: str) -> set[Trouble]:
    """What is wrong, but for vpcd's reader being one for tests."""
    return {each.trouble for each in looks(subject, **settings) if each.trouble} - {Trouble.TEST_READER}


def test_a_service_that_runs(pcscd: Pcscd) -> None:
    assert not troubles("smartcard service")


def test_a_service_that_was_stopped(pcscd: Pcscd) -> None:
    pcscd.stop()
    try:
        (finding,) = looks("smartcard service")
        assert finding.trouble in (Trouble.SERVICE_STOPPED, Trouble.SERVICE_DEAD)
        assert not looks("cards")
    finally:
        pcscd.start()


def test_a_reader_without_a_card(pcscd: Pcscd, slot: Slot) -> None:
    assert troubles("cards") == {Trouble.NO_CARD}


def test_a_reader_that_is_not_there(pcscd: Pcscd) -> None:
    (finding,) = [each for each in looks("cards", reader="Gemalto") if each.trouble]
    assert finding.trouble is Trouble.READER_NOT_FOUND
    assert "Virtual PCD" in finding.says


@pytest.mark.parametrize(
    ("card", "wrong"),
    [
        ("one-role", set()),
        ("expired", {Trouble.CARD_EXPIRED}),
        ("expiring", {Trouble.CARD_EXPIRES_SOON}),
        ("locked", {Trouble.CARD_LOCKED}),
    ],
)
def test_cards(card: str, wrong: set[Trouble], pcscd: Pcscd, slot: Slot, data: Path) -> None:
    before = tries_left_on_disk(data / "cards" / card)
    slot.insert(card)
    wait_until(lambda: vpcd_has_a_card(pcscd.vpcd), what="a card in the reader")
    assert troubles("cards") == wrong
    assert tries_left_on_disk(data / "cards" / card) == before
    slot.pull()


def test_vpcd_is_called_a_reader_for_tests(pcscd: Pcscd, slot: Slot) -> None:
    assert Trouble.TEST_READER in {each.trouble for each in looks("cards")}
