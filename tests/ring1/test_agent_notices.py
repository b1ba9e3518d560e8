"""Who is told that a card ends soon: once a day for each card, and no name of anybody is kept for it."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest
from support.scripted_card import card_certificate

from agent import Certificate, Notices

ONE = Certificate.parse(card_certificate())
OTHER = dataclasses.replace(ONE, der=ONE.der + b"\0")


class Calendar:
    def __init__(self) -> None:
        self.day = date(2026, 11, 26)

    def __call__(self) -> date:
        return self.day


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lanyard" / "notices.json"


def test_each_card_is_told_once_a_day_by_whatever_agent(path: Path, calendar: Calendar) -> None:
    first = Notices(path, calendar)
    assert first.is_due(ONE)
    first.told(ONE)
    for notices in (first, Notices(path, calendar)):
        assert not notices.is_due(ONE)
        assert notices.is_due(OTHER)
    calendar.day = date(2026, 11, 27)
    for notices in (first, Notices(path, calendar)):
        assert notices.is_due(ONE)


def test_nobody_is_named_and_yesterday_is_not_kept(path: Path, calendar: Calendar) -> None:
    notices = Notices(path, calendar)
    notices.told(ONE)
    before = path.read_text()
    assert ONE.uid not in before
    assert path.stat().st_mode & 0o777 == 0o600
    calendar.day = date(2026, 11, 27)
    notices.told(OTHER)
    kept = json.loads(path.read_text())
    assert len(kept["told"]) == 1
    assert kept["salt"] != json.loads(before)["salt"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"day": 1}', '{"day": "2026-11-26", "salt": "xy", "told": []}', "[" * 9999]
)
def test_a_file_that_makes_no_sense_is_as_none(text: str, path: Path, calendar: Calendar) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    notices = Notices(path, calendar)
    assert notices.is_due(ONE)
    notices.told(ONE)
    assert not Notices(path, calendar).is_due(ONE)


@pytest.mark.parametrize("place", ["/proc/nobody/notices.json", "/dev/null/notices.json"])
def test_where_nothing_can_be_written_memory_does(place: str, calendar: Calendar) -> None:
    notices = Notices(Path(place), calendar)
    notices.told(ONE)
    assert not notices.is_due(ONE)


def test_a_link_that_somebody_put_there_is_replaced_not_followed(
    path: Path, calendar: Calendar, tmp_path: Path
) -> None:
    path.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_suffix(".new").symlink_to(victim)
    Notices(path, calendar).told(ONE)
    assert victim.read_text() == "precious"
    assert not Notices(path, calendar).is_due(ONE)
