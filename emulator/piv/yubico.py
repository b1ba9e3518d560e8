"""Yubico's additions to PIV, as yubico-piv-tool, ykman and libykcs11 send them.

Yubico publishes them as "PIV extensions"; SP 800-73-4 has nothing in their place. The card says of
itself with GET VERSION which of them it has: GET METADATA from 5.3 on, MOVE KEY from 5.7 on.
"""

from __future__ import annotations

from typing import assert_never

from ..identifiers import PASSCODE_POLICIES, KeyReference, Origin, PasscodePolicy
from ..iso7816 import tlv
from ..iso7816.status_words import StatusError, StatusWord
from ..keys import key_pairs
from ..keys.management_key import DEFAULT_VALUE, ManagementKey
from . import commands
from .card_memory import CardMemory
from .reference_data import USUAL_PASSCODE, USUAL_UNBLOCKING_CODE
from .volatile_state import VolatileState

_ALGORITHM, _POLICY, _ORIGIN, _PUBLIC_KEY, _IS_USUAL, _TRIES = range(1, 7)
_A_CODE = 0xFF
_NO_TOUCH = 0x01
_POLICIES = {PasscodePolicy.NEVER: 1, PasscodePolicy.ONCE: 2, PasscodePolicy.ALWAYS: 3}
_ORIGINS = {Origin.GENERATED: 1, Origin.IMPORTED: 2}
_METADATA_SINCE = (5, 3, 0)
_MOVING_SINCE = (5, 7, 0)


def respond(command: commands.YubicoCommand, card: CardMemory, state: VolatileState) -> bytes:
    """Carry out one command, return the answer's data.

    Raises StatusError and PrivateKeyError, and what the card's memory raises.
    """
    match command:
        case commands.ImportKey():
            return _import_key(command, card, state)
        case commands.SetManagementKey():
            return _set_management_key(command, card, state)
        case commands.MoveKey():
            return _move_key(command, card, state)
        case commands.SetTries():
            return _set_tries(command, card, state)
        case commands.GetMetadata():
            return _get_metadata(command, card)
        case commands.GetVersion():
            return bytes(card.version)
        case commands.GetSerial():
            return card.serial.to_bytes(4, "big")
        case commands.FactoryReset():
            return _factory_reset(card, state)
        case _:
            assert_never(command)


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


def _factory_reset(card: CardMemory, state: VolatileState) -> bytes:
    """Nobody loses a card that still has a try: 6985 until both codes are locked."""
    if card.passcode.tries_left or card.unblocking_code.tries_left:
        raise StatusError(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    state.passcode_verified = state.managed = False
    card.clear()
    return b""


def _get_metadata(command: commands.GetMetadata, card: CardMemory) -> bytes:
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
