"""From a CommandApdu to a typed command of commands.py.

The one match of CLA, INS, P1, P2 and Lc with the "Command Syntax" boxes of SP 800-73-4 Part 2,
section 3, is here; whoever handles a command sees none of them. Yubico's additions are read in yubico.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NoReturn

from ..identifiers import Algorithm, DataTag, Instruction, KeyReference, ObjectTag
from ..identifiers import DynamicAuthenticationTag as Tag
from ..iso7816.apdu import CommandApdu
from ..iso7816.status_words import StatusError, StatusWord
from . import commands, yubico
from .fields import key_algorithm, key_place, need_data, need_reference, parse_tlv, passcode_policy
from .reference_data import CODE_LENGTH

_INTERINDUSTRY = 0x00
_SECURE_MESSAGING = 0x0C
_CHANNEL = 0x03
_FURTHER_CHANNELS = 0x40
_BY_NAME = 0x04
_NO_FCI = 0x0C
_RESET = 0xFF
_CURRENT_APPLICATION = (0x3F, 0xFF)
_OWN_TAG = (ObjectTag.DISCOVERY, ObjectTag.BIOMETRIC_TEMPLATES)
_LONGEST_TAG = 3
_MECHANISM = 0x80
_MECHANISM_PARAMETER = 0x81
_EXPONENT = bytes.fromhex("010001")
"""65537: no other is generated."""


def parse(apdu: CommandApdu) -> commands.Command:
    """Return the command; one that the standard does not allow as it stands is NotUnderstood."""
    try:
        if apdu.cla != _INTERINDUSTRY:
            _refuse_class(apdu.cla)
        return _PARSERS.get(apdu.ins, _refuse_instruction)(apdu)
    except StatusError as error:
        return commands.NotUnderstood(apdu.ins, error.word)


def _refuse_instruction(_apdu: CommandApdu) -> NoReturn:
    raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)


def _refuse_class(cla: int) -> NoReturn:
    """ISO/IEC 7816-4, section 5.4.1: what exactly in the class byte is not supported."""
    first_channels = cla & 0xE0 == _INTERINDUSTRY
    if first_channels and cla & _SECURE_MESSAGING:
        raise StatusError(StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
    if (first_channels and cla & _CHANNEL) or cla & 0xC0 == _FURTHER_CHANNELS:
        raise StatusError(StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED)
    raise StatusError(StatusWord.CLASS_NOT_SUPPORTED)


def _parse_select(apdu: CommandApdu) -> commands.Command:
    if apdu.p1 != _BY_NAME or apdu.p2 not in (0, _NO_FCI):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    need_data(apdu)
    return commands.Select(apdu.data, answer=apdu.p2 != _NO_FCI)


def _parse_get_data(apdu: CommandApdu) -> commands.Command:
    if (apdu.p1, apdu.p2) != _CURRENT_APPLICATION:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    need_data(apdu)
    return _get_data(apdu.data)


@functools.lru_cache(maxsize=64)
def _get_data(data: bytes) -> commands.GetData:
    """Programs ask for the same few objects over and over."""
    return commands.GetData(_object_tag(_only(data, DataTag.TAG_LIST)))


def _parse_put_data(apdu: CommandApdu) -> commands.Command:
    """Section 3.3.1: a tag list and tag 53, or an object that has a tag of its own."""
    if (apdu.p1, apdu.p2) != _CURRENT_APPLICATION:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    need_data(apdu)
    found = parse_tlv(apdu.data)
    for tag in _OWN_TAG:
        if found.keys() == {tag}:
            return commands.PutData(tag, found[tag])
    if list(found) != [DataTag.TAG_LIST, DataTag.DATA]:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.PutData(_object_tag(found[DataTag.TAG_LIST]), found[DataTag.DATA])


def _object_tag(tag: bytes) -> int:
    if not 1 <= len(tag) <= _LONGEST_TAG:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return int.from_bytes(tag, "big")


def _parse_verify(apdu: CommandApdu) -> commands.Command:
    if not apdu.data:
        return _verify_without_data(apdu.p1, apdu.p2)
    need_reference(apdu, KeyReference.PASSCODE)
    if len(apdu.data) != CODE_LENGTH:  # section 2.4.3; no try is spent
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.VerifyPasscode(apdu.data)


@functools.cache
def _verify_without_data(p1: int, p2: int) -> commands.Command:
    """Programs ask again and again whether the passcode is still verified."""
    if p1 not in (0, _RESET):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if p2 != KeyReference.PASSCODE:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    return commands.VerifyReset() if p1 else commands.VerifyStatus()


def _parse_change_reference_data(apdu: CommandApdu) -> commands.Command:
    need_reference(apdu, KeyReference.PASSCODE, KeyReference.UNBLOCKING_CODE)
    return commands.ChangeReferenceData(KeyReference(apdu.p2), *_two_codes(apdu))


def _parse_reset_retry_counter(apdu: CommandApdu) -> commands.Command:
    need_reference(apdu, KeyReference.PASSCODE)
    return commands.ResetRetryCounter(*_two_codes(apdu))


def _two_codes(apdu: CommandApdu) -> tuple[bytes, bytes]:
    if len(apdu.data) != 2 * CODE_LENGTH:  # section 2.4.3; no try is spent
        raise StatusError(StatusWord.INCORRECT_DATA)
    return apdu.data[:CODE_LENGTH], apdu.data[CODE_LENGTH:]


def _parse_general_authenticate(apdu: CommandApdu) -> commands.Command:
    """Table 7: which data objects come, and which of them empty, says what is wanted."""
    try:
        algorithm, key = Algorithm(apdu.p1), KeyReference(apdu.p2)
    except ValueError:
        raise StatusError(StatusWord.INCORRECT_P1_P2) from None
    need_data(apdu)
    match parse_tlv(_only(apdu.data, Tag.TEMPLATE)):
        case {Tag.WITNESS: witness, Tag.CHALLENGE: challenge, **rest} if rest in ({}, {Tag.RESPONSE: b""}):
            return commands.AnswerWitness(algorithm, key, witness, challenge)
        case {Tag.WITNESS: b"", **rest} if not rest:
            return commands.AskForWitness(algorithm, key)
        case {Tag.CHALLENGE: b"", **rest} if not rest:
            return commands.AskForChallenge(algorithm, key)
        case {Tag.CHALLENGE: challenge, Tag.RESPONSE: b"", **rest} if not rest:
            return commands.Authenticate(algorithm, key, challenge)
        case {Tag.EXPONENTIATION: point, Tag.RESPONSE: b"", **rest} if not rest:
            return commands.Agree(algorithm, key, point)
        case {Tag.RESPONSE: response, **rest} if response and not rest:
            return commands.AnswerChallenge(algorithm, key, response)
    raise StatusError(StatusWord.INCORRECT_DATA)


def _parse_generate(apdu: CommandApdu) -> commands.Command:
    if apdu.p1:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    key = key_place(apdu.p2)
    need_data(apdu)
    template = parse_tlv(_only(apdu.data, DataTag.CONTROL_REFERENCE_TEMPLATE))
    if template.pop(_MECHANISM_PARAMETER, _EXPONENT) != _EXPONENT:  # the optional RSA exponent, Part 1, table 5
        raise StatusError(StatusWord.INCORRECT_DATA)
    policy = passcode_policy(template)
    if template.keys() != {_MECHANISM}:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.GenerateKeyPair(key, key_algorithm(int.from_bytes(template[_MECHANISM], "big")), policy)


def _only(data: bytes, tag: int) -> bytes:
    """Return the value of the one data object that `data` must be."""
    found = parse_tlv(data)
    if found.keys() != {tag}:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return found[tag]


_PARSERS: dict[int, Callable[[CommandApdu], commands.Command]] = {
    Instruction.SELECT: _parse_select,
    Instruction.GET_DATA: _parse_get_data,
    Instruction.VERIFY: _parse_verify,
    Instruction.CHANGE_REFERENCE_DATA: _parse_change_reference_data,
    Instruction.RESET_RETRY_COUNTER: _parse_reset_retry_counter,
    Instruction.GENERAL_AUTHENTICATE: _parse_general_authenticate,
    Instruction.PUT_DATA: _parse_put_data,
    Instruction.GENERATE_ASYMMETRIC_KEY_PAIR: _parse_generate,
    **yubico.PARSERS,
}
