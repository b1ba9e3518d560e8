"""The PIV Card Application: what each command does (SP 800-73-4 Part 2, section 3).

Commands come typed from commands.py, answers go out without status word: a command that returns
has succeeded, any other ending is a StatusError. Chaining and GET RESPONSE are in transport.py.
"""

from __future__ import annotations

import logging
import secrets
from typing import assert_never

from . import objects
from .card import Card
from .commands import AskForChallenge, Authenticate, Command, GetData, Select, VerifyPasscode, VerifyReset, VerifyStatus
from .identifiers import PASSCODE_PROTECTED_OBJECTS, PIV_AID, SHORTEST_AID, Algorithm, KeyReference
from .identifiers import DynamicAuthenticationTag as Tag
from .private_key import PrivateKeyError
from .state import VolatileState
from .status import StatusError, StatusWord, tries_left
from .storage import CardError

_log = logging.getLogger(__name__)

_TDES = (Algorithm.TDES_DEFAULT, Algorithm.TDES)
_TDES_BLOCK = 8


class PivApplication:
    """The application on one card. It holds what the card keeps; what it forgets is handed in."""

    def __init__(self, card: Card) -> None:
        self._card = card
        algorithms = sorted({key.algorithm for key in card.keys.values()})
        self._property_template = objects.application_property_template(algorithms)

    def respond(self, command: Command, state: VolatileState) -> bytes:
        """Carry out one command, change `state`, return the answer's data or raise StatusError."""
        just_verified, state.passcode_just_verified = state.passcode_just_verified, False
        if isinstance(command, Select):
            return self._select(command, state)
        if not state.selected:
            raise StatusError(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        match command:
            case GetData():
                return self._get_data(command, state)
            case VerifyPasscode():
                return self._verify(command, state)
            case VerifyStatus():
                return self._verify_status(state)
            case VerifyReset():
                state.passcode_verified = False
                return b""
            case Authenticate():
                return self._authenticate(command, state, just_verified)
            case AskForChallenge():
                return _challenge(command)
        assert_never(command)

    def _select(self, command: Select, state: VolatileState) -> bytes:
        """Section 3.1.1: an AID that is not ours changes nothing, ours again changes nothing."""
        if len(command.aid) < SHORTEST_AID or not PIV_AID.startswith(command.aid):
            raise StatusError(StatusWord.OBJECT_NOT_FOUND)
        state.selected = True
        return self._property_template if command.answer else b""

    def _get_data(self, command: GetData, state: VolatileState) -> bytes:
        """Section 3.1.2; which objects need the passcode is in Part 1, table 2."""
        if command.tag in PASSCODE_PROTECTED_OBJECTS and not state.passcode_verified:
            raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        data = self._card.objects.get(command.tag)
        if data is None:
            raise StatusError(StatusWord.OBJECT_NOT_FOUND)
        return data

    def _verify(self, command: VerifyPasscode, state: VolatileState) -> bytes:
        """Section 3.2.1. An earlier success ends before the try, and does not come back."""
        state.passcode_verified = False
        try:
            matches = self._card.passcode.matches(command.passcode)
        except (OSError, CardError) as error:
            _log.error("the try cannot be recorded, so the passcode was not compared: %s", error)
            raise StatusError(StatusWord.MEMORY_FAILURE) from error
        if not matches:
            raise self._unverified()
        state.passcode_verified = state.passcode_just_verified = True
        return b""

    def _verify_status(self, state: VolatileState) -> bytes:
        if not state.passcode_verified:
            raise self._unverified()
        return b""

    def _unverified(self) -> StatusError:
        left = self._card.passcode.tries_left
        return StatusError(tries_left(left) if left else StatusWord.AUTHENTICATION_METHOD_BLOCKED)

    def _authenticate(self, command: Authenticate, state: VolatileState, just_verified: bool) -> bytes:
        """Section 3.2.4: apply a private key. The key's own access rule: Part 1, table 4b."""
        key = self._card.keys.get(command.key)
        if key is None or key.algorithm != command.algorithm:
            raise StatusError(StatusWord.INCORRECT_P1_P2)
        if not _may_use(command.key, state, just_verified):
            raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        try:
            response = key.apply(command.challenge)
        except PrivateKeyError as error:
            raise StatusError(StatusWord.INCORRECT_DATA) from error
        return objects.dynamic_authentication(Tag.RESPONSE, response)


def _challenge(command: AskForChallenge) -> bytes:
    """Section A.2: a challenge for the management key.

    This card has no management key, so no answer to the challenge is ever accepted; but OpenSC
    asks for challenges because it takes its random numbers from them.
    """
    if command.key != KeyReference.MANAGEMENT or command.algorithm not in _TDES:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return objects.dynamic_authentication(Tag.CHALLENGE, secrets.token_bytes(_TDES_BLOCK))


def _may_use(key: KeyReference, state: VolatileState, just_verified: bool) -> bool:
    if key == KeyReference.CARD_AUTHENTICATION:
        return True
    if key == KeyReference.SIGNATURE:  # Part 1, section 3.2.1: verified immediately before
        return just_verified
    return state.passcode_verified
