"""Yubico's additions to the PIV commands, as yubico-piv-tool and ykman send them.

Yubico publishes them as "PIV extensions": IMPORT ASYMMETRIC KEY, SET MANAGEMENT KEY, GET METADATA,
MOVE KEY, SET PIN RETRIES, RESET, GET VERSION, GET SERIAL. SP 800-73-4 has nothing in their place.
"""

from __future__ import annotations

from collections.abc import Callable

from ..identifiers import CERTIFICATE_OBJECTS, Algorithm, Instruction, KeyReference
from ..iso7816.apdu import CommandApdu
from ..iso7816.status_words import StatusError, StatusWord
from ..keys.management_key import ALGORITHMS as MANAGEMENT_ALGORITHMS
from .commands import (
    Command,
    FactoryReset,
    GetMetadata,
    GetSerial,
    GetVersion,
    ImportKey,
    MoveKey,
    SetManagementKey,
    SetTries,
)
from .fields import key_algorithm, key_place, need_data, parse_tlv, passcode_policy

_RSA_NUMBERS = (1, 2, 3, 4, 5)
_EC_NUMBER = (6,)
_SET_WITHOUT_TOUCH = (0xFF, 0xFF)
_AWAY = 0xFF
_MOST_TRIES = 15
_WITH_METADATA = (KeyReference.PASSCODE, KeyReference.UNBLOCKING_CODE, KeyReference.MANAGEMENT, *CERTIFICATE_OBJECTS)


def _parse_import(apdu: CommandApdu) -> Command:
    key = key_place(apdu.p2)
    try:
        algorithm = Algorithm(apdu.p1)
    except ValueError:
        raise StatusError(StatusWord.INCORRECT_P1_P2) from None
    need_data(apdu)
    found = parse_tlv(apdu.data)
    policy = passcode_policy(found)
    if tuple(sorted(found)) not in (_RSA_NUMBERS, _EC_NUMBER):
        raise StatusError(StatusWord.INCORRECT_DATA)
    numbers = tuple(int.from_bytes(found[tag], "big") for tag in sorted(found))
    return ImportKey(key, algorithm, numbers, policy)


def _parse_set_management_key(apdu: CommandApdu) -> Command:
    """Algorithm, 9B, length, key. P2 = FE would ask for a touch each time."""
    if (apdu.p1, apdu.p2) != _SET_WITHOUT_TOUCH:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if len(apdu.data) < 3 or apdu.data[1] != KeyReference.MANAGEMENT or apdu.data[2] != len(apdu.data) - 3:
        raise StatusError(StatusWord.INCORRECT_DATA)
    algorithm, value = key_algorithm(apdu.data[0]), apdu.data[3:]
    if algorithm not in MANAGEMENT_ALGORITHMS or len(value) != MANAGEMENT_ALGORITHMS[algorithm].key_bytes:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return SetManagementKey(algorithm, value)


def _parse_move(apdu: CommandApdu) -> Command:
    if apdu.data:
        raise StatusError(StatusWord.WRONG_LENGTH)
    return MoveKey(key_place(apdu.p2), None if apdu.p1 == _AWAY else key_place(apdu.p1))


def _parse_set_tries(apdu: CommandApdu) -> Command:
    if not (1 <= apdu.p1 <= _MOST_TRIES and 1 <= apdu.p2 <= _MOST_TRIES):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return SetTries(apdu.p1, apdu.p2)


def _parse_metadata(apdu: CommandApdu) -> Command:
    if apdu.p1:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if apdu.p2 not in _WITH_METADATA:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    return GetMetadata(KeyReference(apdu.p2))


def _plain(command: Command) -> Callable[[CommandApdu], Command]:
    """Return a parser for a command without parameters."""

    def parse(apdu: CommandApdu) -> Command:
        if apdu.p1 or apdu.p2:
            raise StatusError(StatusWord.INCORRECT_P1_P2)
        return command

    return parse


PARSERS: dict[int, Callable[[CommandApdu], Command]] = {
    Instruction.IMPORT_ASYMMETRIC_KEY: _parse_import,
    Instruction.SET_MANAGEMENT_KEY: _parse_set_management_key,
    Instruction.MOVE_KEY: _parse_move,
    Instruction.SET_TRIES: _parse_set_tries,
    Instruction.GET_METADATA: _parse_metadata,
    Instruction.GET_VERSION: _plain(GetVersion()),
    Instruction.GET_SERIAL: _plain(GetSerial()),
    Instruction.FACTORY_RESET: _plain(FactoryReset()),
}
