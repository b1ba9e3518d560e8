"""From a CommandApdu to a typed command of commands.py.

The one match of CLA, INS, P1, P2 and Lc with the "Command Syntax" boxes of SP 800-73-4 Part 2,
section 3, and with Yubico's additions is here; whoever handles a command sees none of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NoReturn

from ..identifiers import CERTIFICATE_OBJECTS, Algorithm, DataTag, Instruction, KeyReference, PasscodePolicy
from ..identifiers import DynamicAuthenticationTag as Tag
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu
from ..iso7816.status_words import StatusError, StatusWord
from ..keys.management_key import KEY_BYTES
from . import commands
from .objects import OWN_TAG
from .reference_data import CODE_LENGTH, MOST_TRIES

_INTERINDUSTRY = 0x00
_SECURE_MESSAGING = 0x0C
_CHANNEL = 0x03
_FURTHER_CHANNELS = 0x40
_BY_NAME = 0x04
_NO_FCI = 0x0C
_RESET = 0xFF
_CURRENT_APPLICATION = (0x3F, 0xFF)
_LONGEST_TAG = 3
_MECHANISM, _MECHANISM_PARAMETER = 0x80, 0x81
_RSA_NUMBERS, _EC_NUMBER = (1, 2, 3, 4, 5), (6,)
_SET_WITHOUT_TOUCH = (0xFF, 0xFF)
_AWAY = 0xFF
_POLICY, _TOUCH = 0xAA, 0xAB
_POLICIES = {0: None, 1: PasscodePolicy.NEVER, 2: PasscodePolicy.ONCE, 3: PasscodePolicy.ALWAYS}
_WITH_METADATA = (KeyReference.PASSCODE, KeyReference.UNBLOCKING_CODE, KeyReference.MANAGEMENT, *CERTIFICATE_OBJECTS)
_EXPONENT = bytes.fromhex("010001")
"""65537: no other is generated."""


def parse(apdu: CommandApdu) -> commands.PivCommand:
    """Return the command; one that the standard does not allow as it stands is NotUnderstood."""
    try:
        if apdu.cla != _INTERINDUSTRY:
            _refuse_class(apdu.cla)
        if apdu.ins not in _PARSERS:
            raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        return _PARSERS[apdu.ins](apdu)
    except StatusError as error:
        return commands.NotUnderstood(apdu.ins, error.word)


def _refuse_class(cla: int) -> NoReturn:
    """ISO/IEC 7816-4, section 5.4.1: what exactly in the class byte is not supported."""
    first_channels = cla & 0xE0 == _INTERINDUSTRY
    if first_channels and cla & _SECURE_MESSAGING:
        raise StatusError(StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
    if (first_channels and cla & _CHANNEL) or cla & 0xC0 == _FURTHER_CHANNELS:
        raise StatusError(StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED)
    raise StatusError(StatusWord.CLASS_NOT_SUPPORTED)


def _parse_select(apdu: CommandApdu) -> commands.PivCommand:
    _need_parameters(apdu, (_BY_NAME, 0), (_BY_NAME, _NO_FCI))
    _need_data(apdu)
    return commands.Select(apdu.data, answer=apdu.p2 != _NO_FCI)


def _parse_get_data(apdu: CommandApdu) -> commands.PivCommand:
    _need_parameters(apdu, _CURRENT_APPLICATION)
    _need_data(apdu)
    return _get_data(apdu.data)


@functools.lru_cache(maxsize=64)
def _get_data(data: bytes) -> commands.GetData:
    """Programs ask for the same few objects over and over."""
    return commands.GetData(_object_tag(_only(data, DataTag.TAG_LIST)))


def _parse_put_data(apdu: CommandApdu) -> commands.PivCommand:
    """Section 3.3.1: a tag list and tag 53, or an object that has a tag of its own."""
    _need_parameters(apdu, _CURRENT_APPLICATION)
    _need_data(apdu)
    found = _parse_tlv(apdu.data)
    for tag in OWN_TAG:
        if found.keys() == {tag}:
            return commands.PutData(tag, found[tag])
    if list(found) != [DataTag.TAG_LIST, DataTag.DATA]:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.PutData(_object_tag(found[DataTag.TAG_LIST]), found[DataTag.DATA])


def _object_tag(tag: bytes) -> int:
    if not 1 <= len(tag) <= _LONGEST_TAG:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return int.from_bytes(tag, "big")


def _parse_verify(apdu: CommandApdu) -> commands.PivCommand:
    if not apdu.data:
        return _verify_without_data(apdu.p1, apdu.p2)
    _need_reference(apdu, KeyReference.PASSCODE)
    if len(apdu.data) != CODE_LENGTH:  # section 2.4.3; no try is spent
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.VerifyPasscode(apdu.data)


@functools.cache
def _verify_without_data(p1: int, p2: int) -> commands.PivCommand:
    """Programs ask again and again whether the passcode is still verified."""
    if p1 not in (0, _RESET):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if p2 != KeyReference.PASSCODE:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    return commands.VerifyReset() if p1 else commands.VerifyStatus()


def _parse_change_reference_data(apdu: CommandApdu) -> commands.PivCommand:
    _need_reference(apdu, KeyReference.PASSCODE, KeyReference.UNBLOCKING_CODE)
    return commands.ChangeReferenceData(KeyReference(apdu.p2), *_two_codes(apdu))


def _parse_reset_retry_counter(apdu: CommandApdu) -> commands.PivCommand:
    _need_reference(apdu, KeyReference.PASSCODE)
    return commands.ResetRetryCounter(*_two_codes(apdu))


def _two_codes(apdu: CommandApdu) -> tuple[bytes, bytes]:
    if len(apdu.data) != 2 * CODE_LENGTH:  # section 2.4.3; no try is spent
        raise StatusError(StatusWord.INCORRECT_DATA)
    return apdu.data[:CODE_LENGTH], apdu.data[CODE_LENGTH:]


def _parse_general_authenticate(apdu: CommandApdu) -> commands.PivCommand:
    """Table 7: which data objects come, and which of them empty, says what is wanted."""
    try:
        algorithm, key = Algorithm(apdu.p1), KeyReference(apdu.p2)
    except ValueError:
        raise StatusError(StatusWord.INCORRECT_P1_P2) from None
    _need_data(apdu)
    match _parse_tlv(_only(apdu.data, Tag.TEMPLATE)):
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


def _parse_generate(apdu: CommandApdu) -> commands.PivCommand:
    if apdu.p1:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    key = _key_place(apdu.p2)
    _need_data(apdu)
    template = _parse_tlv(_only(apdu.data, DataTag.CONTROL_REFERENCE_TEMPLATE))
    if template.pop(_MECHANISM_PARAMETER, _EXPONENT) != _EXPONENT:  # the optional RSA exponent, Part 1, table 5
        raise StatusError(StatusWord.INCORRECT_DATA)
    policy = _passcode_policy(template)
    if template.keys() != {_MECHANISM}:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.GenerateKeyPair(key, _algorithm(int.from_bytes(template[_MECHANISM], "big")), policy)


def _only(data: bytes, tag: int) -> bytes:
    """Return the value of the one data object that `data` must be."""
    found = _parse_tlv(data)
    if found.keys() != {tag}:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return found[tag]


def _parse_import(apdu: CommandApdu) -> commands.PivCommand:
    key = _key_place(apdu.p2)
    algorithm = _algorithm(apdu.p1, StatusWord.INCORRECT_P1_P2)
    _need_data(apdu)
    found = _parse_tlv(apdu.data)
    policy = _passcode_policy(found)
    if tuple(sorted(found)) not in (_RSA_NUMBERS, _EC_NUMBER):
        raise StatusError(StatusWord.INCORRECT_DATA)
    numbers = tuple(int.from_bytes(found[tag], "big") for tag in sorted(found))
    return commands.ImportKey(key, algorithm, numbers, policy)


def _parse_set_management_key(apdu: CommandApdu) -> commands.PivCommand:
    """Algorithm, 9B, length, key. P2 = FE would ask for a touch each time."""
    _need_parameters(apdu, _SET_WITHOUT_TOUCH)
    if len(apdu.data) < 3 or apdu.data[1] != KeyReference.MANAGEMENT or apdu.data[2] != len(apdu.data) - 3:
        raise StatusError(StatusWord.INCORRECT_DATA)
    algorithm, value = _algorithm(apdu.data[0]), apdu.data[3:]
    if KEY_BYTES.get(algorithm) != len(value):
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.SetManagementKey(algorithm, value)


def _parse_move(apdu: CommandApdu) -> commands.PivCommand:
    if apdu.data:
        raise StatusError(StatusWord.WRONG_LENGTH)
    return commands.MoveKey(_key_place(apdu.p2), None if apdu.p1 == _AWAY else _key_place(apdu.p1))


def _parse_set_tries(apdu: CommandApdu) -> commands.PivCommand:
    if not (1 <= apdu.p1 <= MOST_TRIES and 1 <= apdu.p2 <= MOST_TRIES):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return commands.SetTries(apdu.p1, apdu.p2)


def _parse_metadata(apdu: CommandApdu) -> commands.PivCommand:
    _need_reference(apdu, *_WITH_METADATA)
    return commands.GetMetadata(KeyReference(apdu.p2))


def _parse_plain(apdu: CommandApdu) -> commands.PivCommand:
    _need_parameters(apdu, (0, 0))
    return _PLAIN[apdu.ins]


def _need_parameters(apdu: CommandApdu, *allowed: tuple[int, int]) -> None:
    """Raise StatusError 6A86 unless P1 and P2 are a pair that the command may have."""
    if (apdu.p1, apdu.p2) not in allowed:
        raise StatusError(StatusWord.INCORRECT_P1_P2)


def _need_data(apdu: CommandApdu) -> None:
    """Raise StatusError 6700 when a command that must have data has none."""
    if not apdu.data:
        raise StatusError(StatusWord.WRONG_LENGTH)


def _need_reference(apdu: CommandApdu, *allowed: int) -> None:
    """Raise StatusError 6A86 for any P1, 6A88 when P2 is no reference that the command may have."""
    if apdu.p1:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if apdu.p2 not in allowed:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)


def _parse_tlv(data: bytes) -> dict[int, bytes]:
    """Return the data objects by tag; raise StatusError 6A80."""
    try:
        return tlv.parse(data)
    except tlv.TlvError:
        raise StatusError(StatusWord.INCORRECT_DATA) from None


def _key_place(number: int) -> KeyReference:
    """Return the key reference of an asymmetric key; raise StatusError 6A86."""
    if number not in CERTIFICATE_OBJECTS:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return KeyReference(number)


def _algorithm(number: int, refusal: StatusWord = StatusWord.INCORRECT_DATA) -> Algorithm:
    """Return an algorithm; raise StatusError, 6A80 inside a command's data (Part 2, section 3.3.2)."""
    try:
        return Algorithm(number)
    except ValueError:
        raise StatusError(refusal) from None


def _passcode_policy(template: dict[int, bytes]) -> PasscodePolicy | None:
    """Take the policies out of a template. A touch is never asked for: nobody could give it."""
    template.pop(_TOUCH, None)
    wanted = int.from_bytes(template.pop(_POLICY, b"\0"), "big")
    if wanted not in _POLICIES:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return _POLICIES[wanted]


_PLAIN: dict[int, commands.PivCommand] = {
    Instruction.GET_VERSION: commands.GetVersion(),
    Instruction.GET_SERIAL: commands.GetSerial(),
    Instruction.FACTORY_RESET: commands.FactoryReset(),
}
"""Commands without parameters."""
_PARSERS: dict[int, Callable[[CommandApdu], commands.PivCommand]] = {
    Instruction.SELECT: _parse_select,
    Instruction.GET_DATA: _parse_get_data,
    Instruction.VERIFY: _parse_verify,
    Instruction.CHANGE_REFERENCE_DATA: _parse_change_reference_data,
    Instruction.RESET_RETRY_COUNTER: _parse_reset_retry_counter,
    Instruction.GENERAL_AUTHENTICATE: _parse_general_authenticate,
    Instruction.PUT_DATA: _parse_put_data,
    Instruction.GENERATE_ASYMMETRIC_KEY_PAIR: _parse_generate,
    Instruction.IMPORT_ASYMMETRIC_KEY: _parse_import,
    Instruction.SET_MANAGEMENT_KEY: _parse_set_management_key,
    Instruction.MOVE_KEY: _parse_move,
    Instruction.SET_TRIES: _parse_set_tries,
    Instruction.GET_METADATA: _parse_metadata,
    **dict.fromkeys(_PLAIN, _parse_plain),
}
