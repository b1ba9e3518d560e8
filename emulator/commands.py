"""Typed commands: a CommandApdu becomes one of the frozen dataclasses below, or a status word.

The one match of CLA, INS, P1, P2 and Lc with the "Command Syntax" boxes of SP 800-73-4 Part 2,
section 3, is here; whoever handles a command sees none of them. The types hold what the standard
allows, not what this card happens to have: whether a key or an object exists is asked later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from . import tlv
from .apdu import CommandApdu
from .identifiers import Algorithm, Instruction, KeyReference
from .identifiers import DynamicAuthenticationTag as Tag
from .status import StatusError, StatusWord

PASSCODE_LENGTH = 8
"""A passcode is sent as 8 bytes, shorter ones filled with FF (Part 2, section 2.4.3)."""

_INTERINDUSTRY = 0x00
_SECURE_MESSAGING = 0x0C
_CHANNEL = 0x03
_FURTHER_CHANNELS = 0x40
_BY_NAME = 0x04
_NO_FCI = 0x0C
_RESET = 0xFF
_CURRENT_APPLICATION = (0x3F, 0xFF)
_TAG_LIST = 0x5C
_LONGEST_TAG = 3


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT by name (Part 2, section 3.1.1); `answer` is False when no template is wanted."""

    aid: bytes
    answer: bool = True


@dataclass(frozen=True, slots=True)
class GetData:
    """GET DATA (Part 2, section 3.1.2): the tag of the data object that is wanted."""

    tag: int


@dataclass(frozen=True, slots=True)
class VerifyPasscode:
    """VERIFY with data (Part 2, section 3.2.1): try this passcode, 8 bytes as sent."""

    passcode: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifyStatus:
    """VERIFY without data: is the passcode verified, and if not, how many tries are left?"""


@dataclass(frozen=True, slots=True)
class VerifyReset:
    """VERIFY with P1 = FF: forget that the passcode was verified."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """GENERAL AUTHENTICATE, the card proves itself or signs (Part 2, sections 3.2.4, A.3, A.4).

    `challenge` is what the private key is applied to: for RSA a padded block as long as the
    modulus, for ECC the hash that is signed.
    """

    algorithm: Algorithm
    key: KeyReference
    challenge: bytes


@dataclass(frozen=True, slots=True)
class AskForChallenge:
    """GENERAL AUTHENTICATE, the client will prove itself (Part 2, section A.2): its first step."""

    algorithm: Algorithm
    key: KeyReference


Command = Select | GetData | VerifyPasscode | VerifyStatus | VerifyReset | Authenticate | AskForChallenge


def parse(apdu: CommandApdu) -> Command:
    """Return the command; raise StatusError when the standard does not allow it as it stands."""
    if apdu.cla != _INTERINDUSTRY:
        _refuse_class(apdu.cla)
    parser = _PARSERS.get(apdu.ins)
    if parser is None:
        raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)
    return parser(apdu)


def _refuse_class(cla: int) -> NoReturn:
    """ISO/IEC 7816-4, section 5.4.1: what exactly in the class byte is not supported."""
    first_channels = cla & 0xE0 == _INTERINDUSTRY
    if first_channels and cla & _SECURE_MESSAGING:
        raise StatusError(StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
    if (first_channels and cla & _CHANNEL) or cla & 0xC0 == _FURTHER_CHANNELS:
        raise StatusError(StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED)
    raise StatusError(StatusWord.CLASS_NOT_SUPPORTED)


def _parse_select(apdu: CommandApdu) -> Command:
    if apdu.p1 != _BY_NAME or apdu.p2 not in (0, _NO_FCI):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    _need_data(apdu)
    return Select(apdu.data, answer=apdu.p2 != _NO_FCI)


def _parse_get_data(apdu: CommandApdu) -> Command:
    if (apdu.p1, apdu.p2) != _CURRENT_APPLICATION:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    _need_data(apdu)
    tag = _parse_template(apdu.data, _TAG_LIST)
    if not 1 <= len(tag) <= _LONGEST_TAG:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return GetData(int.from_bytes(tag, "big"))


def _parse_verify(apdu: CommandApdu) -> Command:
    if apdu.p1 not in (0, _RESET) or (apdu.p1 == _RESET and apdu.data):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if apdu.p2 != KeyReference.PASSCODE:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    if apdu.p1 == _RESET:
        return VerifyReset()
    if not apdu.data:
        return VerifyStatus()
    if len(apdu.data) != PASSCODE_LENGTH:  # section 2.4.3; no try is spent
        raise StatusError(StatusWord.INCORRECT_DATA)
    return VerifyPasscode(apdu.data)


def _parse_general_authenticate(apdu: CommandApdu) -> Command:
    try:
        algorithm, key = Algorithm(apdu.p1), KeyReference(apdu.p2)
    except ValueError:
        raise StatusError(StatusWord.INCORRECT_P1_P2) from None
    _need_data(apdu)
    template = _parse_tlv(_parse_template(apdu.data, Tag.TEMPLATE))
    if template == {Tag.CHALLENGE: b""}:
        return AskForChallenge(algorithm, key)
    if template.keys() == {Tag.CHALLENGE, Tag.RESPONSE} and not template[Tag.RESPONSE]:
        return Authenticate(algorithm, key, template[Tag.CHALLENGE])
    raise StatusError(StatusWord.INCORRECT_DATA)


def _need_data(apdu: CommandApdu) -> None:
    if not apdu.data:
        raise StatusError(StatusWord.WRONG_LENGTH)


def _parse_template(data: bytes, tag: int) -> bytes:
    """Return the value of the one data object that `data` must be."""
    found = _parse_tlv(data)
    if found.keys() != {tag}:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return found[tag]


def _parse_tlv(data: bytes) -> dict[int, bytes]:
    try:
        return tlv.parse(data)
    except tlv.TlvError:
        raise StatusError(StatusWord.INCORRECT_DATA) from None


_PARSERS: dict[int, Callable[[CommandApdu], Command]] = {
    Instruction.SELECT: _parse_select,
    Instruction.GET_DATA: _parse_get_data,
    Instruction.VERIFY: _parse_verify,
    Instruction.GENERAL_AUTHENTICATE: _parse_general_authenticate,
}
