"""Plays every dialogue of test_emulator_dialogues.toml against a fresh card."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.emulator import send, write_settings

from emulator import Card, VirtualCard

DIALOGUES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
STEP_KEYS = {"send", "sw", "data", "starts", "bytes", "power"}
POWER = {"on": VirtualCard.power_on, "off": VirtualCard.power_off, "reset": VirtualCard.reset}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str, card_folder: Path) -> None:
    dialogue = DIALOGUES[name]
    assert dialogue.keys() <= {"source", "card", "steps"}
    assert dialogue["source"].startswith(("SP 800-73-4 Part ", "ISO/IEC 7816-", "clients: "))
    write_settings(card_folder, **dialogue.get("card", {}))
    card = VirtualCard(Card.open(card_folder))
    for number, step in enumerate(dialogue["steps"], 1):
        play(card, step, f"step {number}: {step}")


def play(card: VirtualCard, step: dict[str, Any], where: str) -> None:
    assert step.keys() <= STEP_KEYS, where
    if "power" in step:
        POWER[step["power"]](card)
        return
    data, status = send(card, step["send"])
    assert status == step["sw"], where
    if "data" in step:
        assert data == step["data"].replace(" ", ""), where
    if "starts" in step:
        assert data.startswith(step["starts"].replace(" ", "")), where
    if "bytes" in step:
        assert len(data) // 2 == step["bytes"], where
    if not step.keys() & {"data", "starts", "bytes"}:
        assert data == "", where
