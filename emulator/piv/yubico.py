"""Yubico's additions to PIV, as yubico-piv-tool, ykman and libykcs11 send them: how they are read, what they do.

Yubico publishes them as "PIV extensions"; SP 800-73-4 has nothing in their place. The card says of
itself with GET VERSION which of them it has: GET METADATA from 5.3 on, MOVE KEY from 5.7 on.
"""

from __future__ import annotations

from collections.abc import Callable

from ..identifiers import (
    CERTIFICATE_OBJECTS,
    PASSCODE_POLICIES,
    Algorithm,
    Instruction,
    KeyReference,
    Origin,
    PasscodePolicy,
)
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu
from ..iso7816.status_words import StatusError, StatusWord
from ..keys import key_pairs
from ..keys.management_key import ALGORITHMS, DEFAULT_VALUE, ManagementKey
from . import commands
from .card_memory import CardMemory
from .fields import key_algorithm, key_place, need_data, need_reference, parse_tlv, passcode_policy
from .reference_data import MOST_TRIES, USUAL_PASSCODE, USUAL_UNBLOCKING_CODE
from .volatile_state import VolatileState

_ALGORITHM, _POLICY, _ORIGIN, _PUBLIC_KEY, _IS_USUAL, _TRIES = range(1, 7)
_A_CODE = 0xFF
_NO_TOUCH = 0x01
_POLICIES = {PasscodePolicy.NEVER: 1, PasscodePolicy.ONCE: 2, PasscodePolicy.ALWAYS: 3}
_ORIGINS = {Origin.GENERATED: 1, Origin.IMPORTED: 2}
_METADATA_SINCE = (5, 3, 0)
_MOVING_SINCE = (5, 7, 0)
_RSA_NUMBERS = (1, 2, 3, 4, 5)
_EC_NUMBER = (6,)
_SET_WITHOUT_TOUCH = (0xFF, 0xFF)
_AWAY = 0xFF
_WITH_METADATA = (KeyReference.PASSCODE, KeyReference.UNBLOCKING_CODE, KeyReference.MANAGEMENT, *CERTIFICATE_OBJECTS)


def _import_key(command: commands.ImportKey, card: CardMemory, state: VolatileState) -> bytes:
    state.need_management()
    card.put_key(command.key, key_pairs.from_numbers(command.algorithm, command.numbers, command.policy))
    return b""


def _set_management_key(command: commands.SetManagementKey, card: CardMemory, state: VolatileState) -> bytes:
    state.need_management()
    card.set_management_key(ManagementKey(command.algorithm, command.value))
    return b""


def _move_key(command: commands.MoveKey, card: CardMemory, state: VolatileState) -> bytes:
    _need_version(_MOVING_SINCE, card)
    state.need_management()
    if command.source not in card.keys:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    if command.target in card.keys:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    card.move_key(command.source, command.target)
    return b""


def _set_tries(command: commands.SetTries, card: CardMemory, state: VolatileState) -> bytes:
    """Both codes become the usual ones again."""
    state.need_management()
    if not state.passcode_verified:
        raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    tries = (command.passcode, command.unblocking_code)
    card.set_codes(USUAL_PASSCODE, USUAL_UNBLOCKING_CODE, tries)
    state.passcode_verified = False
    return b""


def _factory_reset(_command: commands.FactoryReset, card: CardMemory, state: VolatileState) -> bytes:
    """Nobody loses a card that still has a try: 6985 until both codes are locked."""
    if card.passcode.tries_left or card.unblocking_code.tries_left:
        raise StatusError(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    state.passcode_verified = state.managed = False
    card.clear()
    return b""


def _get_metadata(command: commands.GetMetadata, card: CardMemory, _state: VolatileState) -> bytes:
    _need_version(_METADATA_SINCE, card)
    match command.key:
        case KeyReference.PASSCODE | KeyReference.UNBLOCKING_CODE:
            return _code_metadata(command.key, card)
        case KeyReference.MANAGEMENT:
            key = card.management_key
            usual = key.value == DEFAULT_VALUE
            return _fields({_ALGORITHM: (key.algorithm,), _POLICY: (0, _NO_TOUCH), _IS_USUAL: (usual,)})
        case _:
            return _key_metadata(command.key, card)


def _code_metadata(reference: KeyReference, card: CardMemory) -> bytes:
    code, usual = card.passcode, USUAL_PASSCODE
    if reference == KeyReference.UNBLOCKING_CODE:
        code, usual = card.unblocking_code, USUAL_UNBLOCKING_CODE
    return _fields({_ALGORITHM: (_A_CODE,), _IS_USUAL: (code.value == usual,), _TRIES: (code.tries, code.tries_left)})


def _key_metadata(reference: KeyReference, card: CardMemory) -> bytes:
    key = card.keys.get(reference)
    if key is None:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    policy = key.policy or PASSCODE_POLICIES.get(reference, PasscodePolicy.ONCE)
    said = {_ALGORITHM: (key.algorithm,), _POLICY: (_POLICIES[policy], _NO_TOUCH), _ORIGIN: (_ORIGINS[key.origin],)}
    return _fields(said) + tlv.encode(_PUBLIC_KEY, key_pairs.public_key(key))


def _fields(fields: dict[int, tuple[int, ...]]) -> bytes:
    return tlv.encode_all({tag: bytes(value) for tag, value in fields.items()})


def _need_version(wanted: tuple[int, ...], card: CardMemory) -> None:
    if card.version < wanted:
        raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)


def _parse_import(apdu: CommandApdu) -> commands.Command:
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
    return commands.ImportKey(key, algorithm, numbers, policy)


def _parse_set_management_key(apdu: CommandApdu) -> commands.Command:
    """Algorithm, 9B, length, key. P2 = FE would ask for a touch each time."""
    if (apdu.p1, apdu.p2) != _SET_WITHOUT_TOUCH:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if len(apdu.data) < 3 or apdu.data[1] != KeyReference.MANAGEMENT or apdu.data[2] != len(apdu.data) - 3:
        raise StatusError(StatusWord.INCORRECT_DATA)
    algorithm, value = key_algorithm(apdu.data[0]), apdu.data[3:]
    if algorithm not in ALGORITHMS or len(value) != ALGORITHMS[algorithm].key_bytes:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return commands.SetManagementKey(algorithm, value)


def _parse_move(apdu: CommandApdu) -> commands.Command:
    if apdu.data:
        raise StatusError(StatusWord.WRONG_LENGTH)
    return commands.MoveKey(key_place(apdu.p2), None if apdu.p1 == _AWAY else key_place(apdu.p1))


def _parse_set_tries(apdu: CommandApdu) -> commands.Command:
    if not (1 <= apdu.p1 <= MOST_TRIES and 1 <= apdu.p2 <= MOST_TRIES):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return commands.SetTries(apdu.p1, apdu.p2)


def _parse_metadata(apdu: CommandApdu) -> commands.Command:
    need_reference(apdu, *_WITH_METADATA)
    return commands.GetMetadata(KeyReference(apdu.p2))


def _plain(command: commands.Command) -> Callable[[CommandApdu], commands.Command]:
    """Return a parser for a command without parameters."""

    def parse(apdu: CommandApdu) -> commands.Command:
        if apdu.p1 or apdu.p2:
            raise StatusError(StatusWord.INCORRECT_P1_P2)
        return command

    return parse


PARSERS: dict[int, Callable[[CommandApdu], commands.Command]] = {
    Instruction.IMPORT_ASYMMETRIC_KEY: _parse_import,
    Instruction.SET_MANAGEMENT_KEY: _parse_set_management_key,
    Instruction.MOVE_KEY: _parse_move,
    Instruction.SET_TRIES: _parse_set_tries,
    Instruction.GET_METADATA: _parse_metadata,
    Instruction.GET_VERSION: _plain(commands.GetVersion()),
    Instruction.GET_SERIAL: _plain(commands.GetSerial()),
    Instruction.FACTORY_RESET: _plain(commands.FactoryReset()),
}

HANDLERS: dict[type[commands.Command], Callable[..., bytes]] = {
    commands.ImportKey: _import_key,
    commands.SetManagementKey: _set_management_key,
    commands.MoveKey: _move_key,
    commands.SetTries: _set_tries,
    commands.GetMetadata: _get_metadata,
    commands.GetVersion: lambda _command, card, _state: bytes(card.version),
    commands.GetSerial: lambda _command, card, _state: card.serial.to_bytes(4, "big"),
    commands.FactoryReset: _factory_reset,
}
"""See application.py: they raise StatusError or PrivateKeyError, and what the card's memory raises."""
