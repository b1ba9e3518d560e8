"""The PIV Card Application: what each command does (SP 800-73-4 Part 2, section 3).

Commands are typed by parsing.py, answers go out without status word: a command that returns
has succeeded, any other ending is a StatusError. GENERAL AUTHENTICATE is in authentication.py,
Yubico's additions are in yubico.py.
"""

from __future__ import annotations

from ..identifiers import PASSCODE_PROTECTED_OBJECTS, PIV_AID, SHORTEST_AID, DataTag, KeyReference, ObjectTag
from ..iso7816 import tlv
from ..iso7816.chaining import LONGEST_DATA
from ..iso7816.status_words import StatusError, StatusWord, tries_left
from ..keys import key_pairs
from ..keys.private_key import PrivateKeyError
from . import authentication, commands, objects, yubico
from .card_memory import CardMemory
from .reference_data import ReferenceData, digits
from .volatile_state import NOTHING, JustBefore, VolatileState

_PIV_OBJECTS = range(0x5FC100, 0x5FC200)
_OWN_OBJECTS = range(0x5FFF00, 0x600000)
"""Where tools keep objects of their own: Yubico's are 5FFF00 and on."""


def respond(command: commands.PivCommand, card: CardMemory, state: VolatileState) -> bytes:
    """Carry out one command, change `state`, return the answer's data.

    Raises StatusError, and OSError or CardError when the card's memory cannot be written.
    """
    if isinstance(command, commands.NotUnderstood):
        raise StatusError(command.word)
    state.just_before, state.leaves = state.leaves, NOTHING
    if isinstance(command, commands.Select):
        return _select(command, card, state)
    if not state.selected:
        raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)
    try:
        return _carry_out(command, card, state)
    except PrivateKeyError as error:
        raise StatusError(StatusWord.INCORRECT_DATA) from error


def _carry_out(command: commands.ApplicationCommand, card: CardMemory, state: VolatileState) -> bytes:
    match command:
        case commands.GetData():
            return _get_data(command, card, state)
        case commands.VerifyPasscode():
            return _verify(command, card, state)
        case commands.VerifyStatus():
            return _verify_status(card, state)
        case commands.VerifyReset():
            return _verify_reset(state)
        case commands.ChangeReferenceData():
            return _change_reference_data(command, card, state)
        case commands.ResetRetryCounter():
            return _reset_retry_counter(command, card, state)
        case commands.PutData():
            return _put_data(command, card, state)
        case commands.GenerateKeyPair():
            return _generate(command, card, state)
        case commands.GeneralAuthenticate():
            return authentication.respond(command, card, state)
        case _:
            return yubico.respond(command, card, state)


def _select(command: commands.Select, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.1.1: an AID that is not ours changes nothing, ours again changes nothing."""
    if len(command.aid) < SHORTEST_AID or not PIV_AID.startswith(command.aid):
        raise StatusError(StatusWord.OBJECT_NOT_FOUND)
    state.selected = True
    if not command.answer:
        return b""
    return objects.application_property_template(sorted({key.algorithm for key in card.keys.values()}))


def _get_data(command: commands.GetData, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.1.2; which objects need the passcode is in Part 1, table 2."""
    if command.tag in PASSCODE_PROTECTED_OBJECTS and not state.passcode_verified:
        raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    data = card.objects.get(command.tag)
    if data is None:
        raise StatusError(StatusWord.OBJECT_NOT_FOUND)
    return data


def _verify(command: commands.VerifyPasscode, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.2.1. An earlier success ends before the try, and does not come back."""
    passcode = card.passcode
    _need_tries(passcode)
    state.passcode_verified = False
    if not passcode.matches(command.passcode):
        raise StatusError(tries_left(passcode.tries_left))
    state.passcode_verified = True
    state.leaves = JustBefore(passcode_verified=True)
    return b""


def _verify_status(card: CardMemory, state: VolatileState) -> bytes:
    """Page 12: 63CX says how many tries there are, 63C0 too; 6983 is for a try."""
    if not state.passcode_verified:
        raise StatusError(tries_left(card.passcode.tries_left))
    return b""


def _verify_reset(state: VolatileState) -> bytes:
    state.passcode_verified = False
    return b""


def _change_reference_data(command: commands.ChangeReferenceData, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.2.2: 6983 when locked; 6A80, which spends no try, for what may not be chosen; 63CX.

    The passcode that was right is verified now, the one that was wrong no longer is.
    """
    is_passcode = command.key == KeyReference.PASSCODE
    code = card.passcode if is_passcode else card.unblocking_code
    new = _chosen(command.current, command.new, code)
    if is_passcode:
        state.passcode_verified = False
    if not code.change(command.current, new):
        raise StatusError(tries_left(code.tries_left))
    if is_passcode:
        state.passcode_verified = True
    return b""


def _reset_retry_counter(command: commands.ResetRetryCounter, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.2.3: status words as above; after 63CX the passcode is not verified, else nothing changes there."""
    unblocking_code = card.unblocking_code
    new = _chosen(command.unblocking_code, command.new, unblocking_code)
    if not unblocking_code.unblock(command.unblocking_code, card.passcode, new):
        state.passcode_verified = False
        raise StatusError(tries_left(unblocking_code.tries_left))
    return b""


def _chosen(presented: bytes, new: bytes, code: ReferenceData) -> str:
    """Section 2.4.3: what a person may choose; a locked code says so first.

    With a presented code that cannot be right either, the standard leaves the choice: it is a try.
    """
    _need_tries(code)
    text = digits(new)
    if text is None and digits(presented) is not None:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return text or ""


def _need_tries(code: ReferenceData) -> None:
    """Raise StatusError 6983 when no try is left: nothing is compared and nothing changes (page 12)."""
    if not code.tries_left:
        raise StatusError(StatusWord.AUTHENTICATION_METHOD_BLOCKED)


def _put_data(command: commands.PutData, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.3.1. A tag that no card has is 6A81, what is longer than any object of PIV 6A84."""
    state.need_management()
    if command.tag not in _PIV_OBJECTS and command.tag not in _OWN_OBJECTS and command.tag not in list(ObjectTag):
        raise StatusError(StatusWord.FUNCTION_NOT_SUPPORTED)
    if len(command.content) > LONGEST_DATA:
        raise StatusError(StatusWord.NOT_ENOUGH_MEMORY)
    card.put_object(command.tag, command.content)
    return b""


def _generate(command: commands.GenerateKeyPair, card: CardMemory, state: VolatileState) -> bytes:
    """Section 3.3.2: 6A80 for an algorithm that no new key has."""
    state.need_management()
    made = key_pairs.generate(command.algorithm, command.policy)
    if not state.powered:  # it took so long that the card was pulled meanwhile; nobody hears this
        raise StatusError(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    card.put_key(command.key, made)
    return tlv.encode(DataTag.PUBLIC_KEY_TEMPLATE, key_pairs.public_key(made))
