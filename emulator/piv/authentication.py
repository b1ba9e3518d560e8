"""GENERAL AUTHENTICATE (SP 800-73-4 Part 2, section 3.2.4 and appendix A).

The card's private keys are applied for whoever may use them (Part 1, table 4b), and whoever has the
management key 9B proves it: alone (section A.1) or with the card proving the same (section A.2).
"""

from __future__ import annotations

import hmac
import secrets
from typing import assert_never

from ..identifiers import KEY_AGREEMENT_KEYS, PASSCODE_POLICIES, KeyReference, PasscodePolicy
from ..identifiers import DynamicAuthenticationTag as Tag
from ..iso7816.status_words import StatusError, StatusWord
from ..keys import key_pairs
from ..keys.management_key import ManagementKey
from ..keys.private_key import PrivateKey
from . import commands, objects
from .card_memory import CardMemory
from .volatile_state import JustBefore, VolatileState


def respond(command: commands.AuthenticateCommand, card: CardMemory, state: VolatileState) -> bytes:
    """Carry out a GENERAL AUTHENTICATE, return the answer's data. Raises StatusError and PrivateKeyError."""
    match command:
        case commands.Authenticate():
            return _authenticate(command, card, state)
        case commands.Agree():
            return _agree(command, card, state)
        case commands.AskForChallenge():
            return _ask_for_challenge(command, card, state)
        case commands.AnswerChallenge():
            return _answer_challenge(command, card, state)
        case commands.AskForWitness():
            return _ask_for_witness(command, card, state)
        case commands.AnswerWitness():
            return _answer_witness(command, card, state)
        case _:
            assert_never(command)


def _authenticate(command: commands.Authenticate, card: CardMemory, state: VolatileState) -> bytes:
    """Sections A.3 and A.4: apply a private key to a block or a hash."""
    key = _usable_key(command, card, state)
    return objects.dynamic_authentication(Tag.RESPONSE, key.apply(command.challenge))


def _agree(command: commands.Agree, card: CardMemory, state: VolatileState) -> bytes:
    """Section A.5: the shared secret of ECDH."""
    key = _usable_key(command, card, state)
    if command.key not in KEY_AGREEMENT_KEYS:
        raise StatusError(StatusWord.INCORRECT_DATA)
    return objects.dynamic_authentication(Tag.RESPONSE, key_pairs.agree(key, command.point))


def _usable_key(command: commands.GeneralAuthenticate, card: CardMemory, state: VolatileState) -> PrivateKey:
    """Raise StatusError 6A86 for a key that is not there, 6982 for one not allowed now."""
    key = card.keys.get(command.key)
    if key is None or key.algorithm != command.algorithm:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    policy = key.policy or PASSCODE_POLICIES.get(command.key, PasscodePolicy.ONCE)
    allowed = {
        PasscodePolicy.NEVER: True,
        PasscodePolicy.ONCE: state.passcode_verified,
        PasscodePolicy.ALWAYS: state.just_before.passcode_verified,  # Part 1, section 3.2.1
    }
    if not allowed[policy]:
        raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    return key


def _ask_for_challenge(command: commands.AskForChallenge, card: CardMemory, state: VolatileState) -> bytes:
    """Section A.1, first step. OpenSC takes its random numbers from here, too."""
    challenge = secrets.token_bytes(_management_key(command, card).block_bytes)
    state.leaves = JustBefore(challenge=challenge)
    return objects.dynamic_authentication(Tag.CHALLENGE, challenge)


def _answer_challenge(command: commands.AnswerChallenge, card: CardMemory, state: VolatileState) -> bytes:
    """Section A.1, second step: the client has encrypted the challenge of the command before."""
    key = _management_key(command, card)
    challenge = state.just_before.challenge
    state.managed = challenge is not None and key.proves(command.response, challenge)
    state.need_management()
    return b""


def _ask_for_witness(command: commands.AskForWitness, card: CardMemory, state: VolatileState) -> bytes:
    """Section A.2, first step: a random number, encrypted."""
    key = _management_key(command, card)
    witness = secrets.token_bytes(key.block_bytes)
    state.leaves = JustBefore(witness=witness)
    return objects.dynamic_authentication(Tag.WITNESS, key.encrypt(witness))


def _answer_witness(command: commands.AnswerWitness, card: CardMemory, state: VolatileState) -> bytes:
    """Section A.2, second step. Only who has decrypted the witness gets anything encrypted."""
    key = _management_key(command, card)
    witness = state.just_before.witness
    state.managed = False
    if len(command.challenge) != key.block_bytes:
        raise StatusError(StatusWord.INCORRECT_DATA)
    state.managed = witness is not None and hmac.compare_digest(command.witness, witness)
    state.need_management()
    return objects.dynamic_authentication(Tag.RESPONSE, key.encrypt(command.challenge))


def _management_key(command: commands.GeneralAuthenticate, card: CardMemory) -> ManagementKey:
    key = card.management_key
    if command.key != KeyReference.MANAGEMENT or not key.is_for(command.algorithm):
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return key
