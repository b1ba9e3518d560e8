"""Tests of door.py as its makers would write them: docs/testing-with-the-card.md explains them."""

from __future__ import annotations

import pytest
from examples.door import StaysShutError, who_is_there

from emulator import VirtualCard
from emulator.faults import Certificate, Oversized, Pulled, SignatureBit, Slow, Status, Truncated, WrongKey
from emulator.faults.layers import Fault, Faults
from emulator.faults.wrong_certificates import Wrong
from emulator.identifiers import Instruction, KeyReference
from emulator.testing import VirtualReader

KNOWN = {"555000000001"}


def test_it_opens_for_a_card_it_knows(piv_reader: VirtualReader, piv_card: VirtualCard) -> None:
    piv_reader.insert(piv_card)
    assert who_is_there(piv_reader.connect(), KNOWN) == "555000000001"


def test_it_stays_shut_for_a_card_it_does_not_know(piv_reader: VirtualReader, piv_card: VirtualCard) -> None:
    piv_reader.insert(piv_card)
    with pytest.raises(StaysShutError, match="nobody we know"):
        who_is_there(piv_reader.connect(), {"555000000002"})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (SignatureBit(), "not genuine"),
        (WrongKey(KeyReference.CARD_AUTHENTICATION), "not genuine"),
        (Status(word=0x6581, instruction=Instruction.GENERAL_AUTHENTICATE), "the card says 6581"),
        (Status(word=0x6A82, instruction=Instruction.GET_DATA), "the card says 6A82"),
        (Certificate(Wrong.CORRUPT, KeyReference.CARD_AUTHENTICATION), "cannot be read"),
        (Truncated(missing=40, instruction=Instruction.GET_RESPONSE), "cut off|cannot be read"),
        (Pulled(instruction=Instruction.GENERAL_AUTHENTICATE), "cannot be read"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_it_stays_shut_when_something_is_wrong(
    fault: Fault, reason: str, piv_reader: VirtualReader, piv_card: VirtualCard, piv_faults: Faults
) -> None:
    piv_faults.add(fault)
    piv_reader.insert(piv_card)
    with pytest.raises(StaysShutError, match=reason):
        who_is_there(piv_reader.connect(), KNOWN)


def test_bytes_too_many_do_not_open_it(piv_reader: VirtualReader, piv_card: VirtualCard, piv_faults: Faults) -> None:
    piv_reader.insert(piv_card)
    connection = piv_reader.connect()
    piv_faults.add(Oversized(extra=20, instruction=Instruction.GENERAL_AUTHENTICATE))
    with pytest.raises(StaysShutError):
        who_is_there(connection, KNOWN)


def test_it_has_patience_with_a_slow_card(piv_reader: VirtualReader, piv_card: VirtualCard, piv_faults: Faults) -> None:
    piv_faults.add(Slow(command=5, signature=50))
    piv_reader.insert(piv_card)
    assert who_is_there(piv_reader.connect(), KNOWN)


def test_it_stays_shut_when_the_card_is_pulled_and_opens_when_it_is_back(
    piv_reader: VirtualReader, piv_card: VirtualCard
) -> None:
    piv_reader.insert(piv_card)
    connection = piv_reader.connect()
    piv_reader.remove()
    with pytest.raises(StaysShutError, match="cannot be read"):
        who_is_there(connection, KNOWN)
    piv_reader.insert(piv_card)
    assert who_is_there(piv_reader.connect(), KNOWN)
