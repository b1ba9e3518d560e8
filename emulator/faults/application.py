"""Faults inside the card: what it does to whole commands and answers of the application (layers.py)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FaultError
from ..identifiers import (
    CERTIFICATE_OBJECTS,
    Algorithm,
    DynamicAuthenticationTag,
    Instruction,
    KeyReference,
    PasscodePolicy,
)
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu
from ..iso7816.status_words import StatusError
from ..keys.key_pairs import generate
from ..keys.private_key import PrivateKey, PrivateKeyError
from ..piv.commands import GetData
from ..piv.parsing import parse
from ..piv.volatile_state import VolatileState
from .layers import Application, Fault, FewCommands, Layer
from .wrong_certificates import Wrong, altered

if TYPE_CHECKING:
    from ..store.card import Card


@dataclass(frozen=True, kw_only=True)
class Status(FewCommands):
    """The card answers `word` and does nothing else."""

    word: int = 0x6F00

    kind = "status"
    explanation = "Answers a chosen status word"
    layer = Layer.APPLICATION

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0x6000 <= self.word <= 0x9FFF:
            raise FaultError("A status word is 6000 to 9FFF.")

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        raise StatusError(self.word)


@dataclass(frozen=True)
class Certificate(Fault):
    """GET DATA returns a certificate of the same holder, key and number with something wrong."""

    wrong: Wrong = Wrong.CORRUPT
    key: KeyReference = KeyReference.AUTHENTICATION

    kind = "certificate"
    explanation = "Something is wrong with a certificate"
    layer = Layer.APPLICATION

    def prepare(self, card: Card) -> None:
        """Try it; raise FaultError when there is no such certificate."""
        tag = CERTIFICATE_OBJECTS.get(self.key)
        if tag is None or tag not in card.objects:
            raise FaultError(f"The card has no certificate of key {self.key:02X}.")
        altered(card.objects[tag], self.wrong, _authorities(card))

    def concerns(self, apdu: CommandApdu) -> bool:
        """Return whether this certificate is being read."""
        return parse(apdu) == GetData(CERTIFICATE_OBJECTS[self.key])

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        return altered(go_on(apdu, state), self.wrong, _authorities(card))


@dataclass(frozen=True)
class _OfKey(Fault):
    """What is wrong with the use of a private key, or (None) of all of them."""

    key: KeyReference | None = None

    layer = Layer.APPLICATION

    def concerns(self, apdu: CommandApdu) -> bool:
        """Return whether a private key is used that it is about; the management key is none."""
        if apdu.ins != Instruction.GENERAL_AUTHENTICATE or apdu.p2 not in CERTIFICATE_OBJECTS:
            return False
        return self.key in (None, apdu.p2)


@dataclass(frozen=True)
class WrongKey(_OfKey):
    """The card applies another private key of the same kind than the one its certificate is for."""

    kind = "wrong-key"
    explanation = "The key is not that of the certificate"

    def prepare(self, card: Card) -> None:
        """Make the other keys, or raise FaultError."""
        concerned = [key for reference, key in card.keys.items() if self.key in (None, reference)]
        if not concerned:
            raise FaultError("The card has no such key.")
        for key in concerned:
            _another_key(key.algorithm, key.policy)

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        reference = KeyReference(apdu.p2)
        if reference not in card.keys:
            return go_on(apdu, state)
        right = card.keys[reference]
        card.keys[reference] = _another_key(right.algorithm, right.policy)
        try:
            return go_on(apdu, state)
        finally:
            card.keys[reference] = right


@dataclass(frozen=True)
class SignatureBit(_OfKey):
    """The last bit of every signature is the wrong one."""

    kind = "signature-bit"
    explanation = "Signatures have a wrong bit"

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        answer = go_on(apdu, state)
        template = tlv.parse(answer).get(DynamicAuthenticationTag.TEMPLATE, b"") if answer else b""
        if DynamicAuthenticationTag.RESPONSE not in tlv.parse(template):
            return answer
        return answer[:-1] + bytes((answer[-1] ^ 1,))


@dataclass(frozen=True)
class Tries(Fault):
    """So few tries are left, as if wrong passcodes had been typed: it is written to the card."""

    left: int = 1

    kind = "tries"
    explanation = "Few passcode tries left"
    layer = Layer.MEMORY

    def prepare(self, card: Card) -> None:
        """Write it to the card; raise FaultError when it cannot have so many."""
        if not 0 <= self.left <= card.passcode.tries:
            raise FaultError(f"The card has 0 to {card.passcode.tries} tries.")
        try:
            card.passcode.set_tries_left(self.left)
        except OSError as error:
            raise FaultError(str(error)) from error


@functools.cache
def _another_key(algorithm: Algorithm, policy: PasscodePolicy | None) -> PrivateKey:
    """Return a private key of this kind that is on no card: the same one each time."""
    try:
        return generate(algorithm, policy)
    except PrivateKeyError as error:
        raise FaultError(f"There is no other key: {error}.") from error


def _authorities(card: Card) -> Path:
    """Return where the test CA is, seen from DIR/cards/NAME/card.json."""
    return card.file.path.parents[2] / "ca"
