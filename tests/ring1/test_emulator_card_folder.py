"""Card folders: what can be wrong in them, each said in a sentence that names the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.emulator import SELECT_PIV, make_card, send, write_settings

from emulator import Card, CardError, VirtualCard
from emulator.store.card import card_names, open_card, summaries

BROKEN: dict[str, dict[str, Any]] = {
    "passcode too short": {"passcode": "12345"},
    "passcode too long": {"passcode": "123456789"},
    "passcode not of digits": {"passcode": "abcdef"},
    "passcode of other digits": {"passcode": "١٢٣٤٥٦"},
    "passcode a number": {"passcode": 123456},
    "unblocking code too short": {"unblocking_code": "12345"},
    "no tries at all": {"tries": 0, "tries_left": 0},
    "more tries than 63CX can say": {"tries": 16},
    "more left than there are": {"tries": 3, "tries_left": 4},
    "fewer than none left": {"tries_left": -1},
    "tries left as text": {"tries_left": "3"},
    "tries left true": {"tries_left": True},
    "tries left missing": {"tries_left": None},
    "unblocking tries broken": {"unblocking_tries_left": 99},
    "guid too short": {"guid": "00112233"},
    "guid not hex": {"guid": "x" * 32},
    "expiry in another order": {"expires": "31-12-2030"},
    "expiry on no day": {"expires": "2030-02-31"},
}


@pytest.mark.parametrize("settings", BROKEN.values(), ids=BROKEN)
def test_broken_settings(settings: dict[str, Any], card_folder: Path) -> None:
    write_settings(card_folder, **settings)
    with pytest.raises(CardError, match=r"card\.json: \"[a-z_]+\" must be .+\.$") as caught:
        Card.open(card_folder)
    assert str(settings.get("passcode")) not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"text"', b"[" * 9999])
def test_no_json_object(content: bytes, card_folder: Path) -> None:
    (card_folder / "card.json").write_bytes(content)
    with pytest.raises(CardError, match=r"card\.json"):
        Card.open(card_folder)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_no_certificate(content: bytes, card_folder: Path) -> None:
    (card_folder / "9A.cert.pem").write_bytes(content)
    with pytest.raises(CardError, match=r"9A\.cert\.pem: not a certificate"):
        Card.open(card_folder)


def test_a_key_in_place_of_a_certificate(card_folder: Path) -> None:
    (card_folder / "9A.key.pem").rename(card_folder / "9A.cert.pem")
    with pytest.raises(CardError, match="not a certificate"):
        Card.open(card_folder)


def test_a_card_may_lack_keys_and_certificates(card_folder: Path) -> None:
    for path in card_folder.glob("9*.pem"):
        path.unlink()
    card = VirtualCard(Card.open(card_folder))
    assert send(card, SELECT_PIV + "00")[1] == "9000"
    assert send(card, "00CB3FFF055C035FC105 00") == ("", "6A82")
    assert send(card, "0087119E087C0682008102AABB 00") == ("", "6A86")
    assert [card.uid for card in summaries(card_folder.parents[1])] == [None]


def test_list_says_what_is_wrong_with_a_card(card_folder: Path) -> None:
    data = card_folder.parents[1]
    make_card(data / "cards" / "broken")
    write_settings(data / "cards" / "broken", tries_left=99)
    broken, sound = summaries(data)
    assert sound.as_json() == {"name": "one-role", "uid": "555000000002", "tries_left": 3, "not_after": "2035-01-01"}
    assert broken.problem
    assert '"tries_left" must be' in broken.problem


@pytest.mark.parametrize("name", ["", ".", "..", "../cards/one-role", "/etc", "no-such"])
def test_only_names_in_the_folder_are_cards(name: str, card_folder: Path) -> None:
    data = card_folder.parents[1]
    (data / "cards" / "not a card").mkdir()
    assert card_names(data) == ["one-role"]
    with pytest.raises(CardError, match=r"there are: one-role\.$"):
        open_card(data, name)


def test_no_cards(tmp_path: Path) -> None:
    assert card_names(tmp_path) == []
    with pytest.raises(CardError, match=r"there are: none\.$"):
        open_card(tmp_path, "one-role")
