"""Yubico's additions to PIV, for the tools that expect them: yubico-piv-tool, ykman, libykcs11.

Published by Yubico as "PIV extensions". The card says of itself with GET VERSION which of them it
has: GET METADATA from 5.3 on, MOVE KEY from 5.7 on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..identifiers import PASSCODE_POLICIES, KeyReference, Origin, PasscodePolicy
from ..iso7816 import tlv
from ..iso7816.status_words import StatusError, StatusWord
from ..keys import key_pairs
from ..keys.management_key import DEFAULT_VALUE, ManagementKey
from ..keys.private_key import PrivateKeyError
from ..store.card import Card
from ..store.card_json import USUAL_PASSCODE, USUAL_UNBLOCKING_CODE
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
from .volatile_state import VolatileState

_ALGORITHM, _POLICY, _ORIGIN, _PUBLIC_KEY, _IS_USUAL, _TRIES = range(1, 7)
_A_CODE = 0xFF
_NO_TOUCH = 0x01
_POLICIES = {PasscodePolicy.NEVER: 1, PasscodePolicy.ONCE: 2, PasscodePolicy.ALWAYS: 3}
_ORIGINS = {Origin.GENERATED: 1, Origin.IMPORTED: 2}
_WITH_METADATA = (5, 3, 0)
_WITH_MOVING = (5, 7, 0)


def _import_key(command: ImportKey, card: Card, state: VolatileState) -> bytes:
    state.need_management()
    try:
        key = key_pairs.from_numbers(command.algorithm, command.numbers, command.policy)
    except PrivateKeyError as error:
        raise StatusError(StatusWord.INCORRECT_DATA) from error
    card.put_key(command.key, key)
    return b""


def _set_management_key(command: SetManagementKey, card: Card, state: VolatileState) -> bytes:
    state.need_management()
    card.file.set_management_key(ManagementKey(command.algorithm, command.value))
    return b""


def _move_key(command: MoveKey, card: Card, state: VolatileState) -> bytes:
    _need_version(_WITH_MOVING, card)
    state.need_management()
    if command.source not in card.keys:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    if command.target in card.keys:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    card.move_key(command.source, command.target)
    return b""


def _set_tries(command: SetTries, card: Card, state: VolatileState) -> bytes:
    """Both codes become the usual ones again."""
    state.need_management()
    if not state.passcode_verified:
        raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    tries = (command.passcode, command.unblocking_code)
    card.file.set_codes(USUAL_PASSCODE, USUAL_UNBLOCKING_CODE, tries)
    state.passcode_verified = False
    return b""


def _factory_reset(_command: FactoryReset, card: Card, state: VolatileState) -> bytes:
    """Nobody loses a card that still has a try: 6985 until both codes are locked."""
    file = card.file
    if file.passcode.tries_left or file.unblocking_code.tries_left:
        raise StatusError(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    state.passcode_verified = state.managed = False
    card.clear()
    return b""


def _get_metadata(command: GetMetadata, card: Card, state: VolatileState) -> bytes:
    _need_version(_WITH_METADATA, card)
    match command.key:
        case KeyReference.PASSCODE | KeyReference.UNBLOCKING_CODE:
            return _code_metadata(command.key, card)
        case KeyReference.MANAGEMENT:
            key = card.file.management_key
            usual = key.value == DEFAULT_VALUE
            return _fields({_ALGORITHM: (key.algorithm,), _POLICY: (0, _NO_TOUCH), _IS_USUAL: (usual,)})
        case _:
            return _key_metadata(command.key, card)


def _code_metadata(reference: KeyReference, card: Card) -> bytes:
    file = card.file
    if reference == KeyReference.PASSCODE:
        code, usual = file.passcode, USUAL_PASSCODE
    else:
        code, usual = file.unblocking_code, USUAL_UNBLOCKING_CODE
    return _fields({_ALGORITHM: (_A_CODE,), _IS_USUAL: (code.value == usual,), _TRIES: (code.tries, code.tries_left)})


def _key_metadata(reference: KeyReference, card: Card) -> bytes:
    key = card.keys.get(reference)
    if key is None:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)
    policy = key.policy or PASSCODE_POLICIES.get(reference, PasscodePolicy.ONCE)
    said = {_ALGORITHM: (key.algorithm,), _POLICY: (_POLICIES[policy], _NO_TOUCH), _ORIGIN: (_ORIGINS[key.origin],)}
    return _fields(said) + tlv.encode(_PUBLIC_KEY, key_pairs.public_key(key))


def _fields(fields: dict[int, tuple[int, ...]]) -> bytes:
    return b"".join(tlv.encode(tag, bytes(value)) for tag, value in fields.items())


def _get_version(_command: GetVersion, card: Card, state: VolatileState) -> bytes:
    return bytes(card.file.version)


def _get_serial(_command: GetSerial, card: Card, state: VolatileState) -> bytes:
    return card.serial.to_bytes(4, "big")


def _need_version(wanted: tuple[int, ...], card: Card) -> None:
    if card.file.version < wanted:
        raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)


HANDLERS: dict[type[Command], Callable[[Any, Card, VolatileState], bytes]] = {
    ImportKey: _import_key,
    SetManagementKey: _set_management_key,
    MoveKey: _move_key,
    SetTries: _set_tries,
    FactoryReset: _factory_reset,
    GetMetadata: _get_metadata,
    GetVersion: _get_version,
    GetSerial: _get_serial,
}
