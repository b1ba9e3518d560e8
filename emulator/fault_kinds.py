"""The kinds of faults: each a small record of what is wrong (how they take effect: faults.py).

pulled             pulled out in the middle of the next command        nth, instruction
status             an answer with a chosen status word                 word, nth, instruction, times
truncated          an answer that lacks its last bytes                 missing, status, nth, instruction, times
oversized          an answer with more bytes than it should have       extra, nth, instruction, times
mute               no answer to any command
slow               milliseconds for a command, and for a signature     command, signature (or preset)
atr                another answer to reset                             atr
certificate        corrupt, expired, not-yet-valid or other-ca         wrong, key
wrong-key          the private key is not that of the certificate      key
signature-bit      every signature has one bit flipped                 key
tries              so few passcode tries are left                      left
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from . import tlv
from .apdu import CommandApdu
from .faults import Application, Contacts, Fault, FaultError, FewCommands, Layer, Reply
from .identifiers import (
    CERTIFICATE_OBJECTS,
    Algorithm,
    DynamicAuthenticationTag,
    Instruction,
    KeyReference,
    PasscodePolicy,
)
from .key_pairs import generate
from .private_key import PrivateKey, PrivateKeyError
from .state import VolatileState
from .status import StatusError
from .storage import CardError
from .wrong_certificates import Wrong, altered

if TYPE_CHECKING:
    from .card import Card

_STATUS_BYTES = 2
_CHAINING = 0x10
_LONGEST_ATR = 33
_TAG_LIST = 0x5C
_LONGEST_EXTRA = 0xF000
_TENTHS = 600_000
"""Ten minutes: the longest that a card may think."""


@dataclass(frozen=True, kw_only=True)
class Pulled(FewCommands):
    """The command arrives, the card is gone; nothing has been done and nothing is answered."""

    kind = "pulled"
    explanation = "Pulled out in the middle of the next command"
    layer = Layer.CONTACTS

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        return Reply(None, pulled=True)


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


@dataclass(frozen=True, kw_only=True)
class Truncated(FewCommands):
    """The last bytes are missing: of the data, or (`status` False) from the status word on."""

    missing: int = 16
    status: bool = True

    kind = "truncated"
    explanation = "An answer lacks its last bytes"
    layer = Layer.CONTACTS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing < 1:
            raise FaultError("At least one byte is missing.")

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        reply = go_on(raw)
        if reply.data is None:
            return reply
        data, word = reply.data[:-_STATUS_BYTES], reply.data[-_STATUS_BYTES:]
        cut = data[: -self.missing] + word if self.status else reply.data[: -self.missing]
        return reply._replace(data=cut)


@dataclass(frozen=True, kw_only=True)
class Oversized(FewCommands):
    """The data is followed by bytes that do not belong there, more than were asked for."""

    extra: int = 300

    kind = "oversized"
    explanation = "An answer is longer than it may be"
    layer = Layer.CONTACTS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.extra <= _LONGEST_EXTRA:
            raise FaultError(f"1 to {_LONGEST_EXTRA} bytes can be too many.")

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        reply = go_on(raw)
        if reply.data is None:
            return reply
        return reply._replace(data=reply.data[:-_STATUS_BYTES] + b"\xff" * self.extra + reply.data[-_STATUS_BYTES:])


@dataclass(frozen=True)
class Mute(Fault):
    """The card is there, has its answer to reset, and never answers a command."""

    kind = "mute"
    explanation = "Never answers"
    layer = Layer.CONTACTS

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        return Reply(None)


@dataclass(frozen=True)
class Slow(Fault):
    """The card takes its time: this many milliseconds for every command, and more for a signature."""

    command: int = 20
    signature: int = 600

    kind = "slow"
    explanation = "Takes its time"
    layer = Layer.CONTACTS

    PRESETS: ClassVar[dict[str, tuple[int, int]]] = {
        "contact": (20, 600),
        "old-contact": (45, 1600),
        "contactless": (8, 350),
        "worn": (250, 4000),
    }

    def __post_init__(self) -> None:
        if not (0 <= self.command <= _TENTHS and 0 <= self.signature <= _TENTHS):
            raise FaultError(f"Milliseconds are 0 to {_TENTHS}.")

    @classmethod
    def like(cls, preset: str) -> Slow:
        """Return what feels like such a card; raise FaultError when there is no such preset."""
        if preset not in cls.PRESETS:
            raise FaultError(f"There is no preset {preset}; there are: {', '.join(cls.PRESETS)}.")
        return cls(*cls.PRESETS[preset])

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        reply = go_on(raw)
        signs = len(raw) > 1 and raw[1] == Instruction.GENERAL_AUTHENTICATE and not raw[0] & _CHAINING
        milliseconds = self.command + (self.signature if signs else 0)
        return reply._replace(seconds=reply.seconds + milliseconds / 1000)


@dataclass(frozen=True)
class WrongAtr(Fault):
    """Another answer to reset. A reader asks for it when the card goes in or is reset."""

    answer: bytes = bytes.fromhex("3B00")

    kind = "atr"
    explanation = "Another answer to reset"
    layer = Layer.CONTACTS

    def __post_init__(self) -> None:
        if not 1 <= len(self.answer) <= _LONGEST_ATR:
            raise FaultError(f"An answer to reset has 1 to {_LONGEST_ATR} bytes.")

    def atr(self, atr: bytes) -> bytes:
        return self.answer

    def concerns(self, apdu: CommandApdu) -> bool:
        """Return that it affects no command."""
        return False


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
        if apdu.ins != Instruction.GET_DATA:
            return False
        with contextlib.suppress(tlv.TlvError):
            return int.from_bytes(tlv.parse(apdu.data).get(_TAG_LIST, b""), "big") == CERTIFICATE_OBJECTS[self.key]
        return False

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        return altered(go_on(apdu, state), self.wrong, _authorities(card))


@dataclass(frozen=True)
class _OfKey(Fault):
    """What is wrong with the use of a private key, or (None) of all of them."""

    key: KeyReference | None = None

    layer = Layer.APPLICATION

    def concerns(self, apdu: CommandApdu) -> bool:
        return apdu.ins == Instruction.GENERAL_AUTHENTICATE and self.key in (None, apdu.p2)


@dataclass(frozen=True)
class WrongKey(_OfKey):
    """The card applies another private key of the same kind than the one its certificate is for."""

    kind = "wrong-key"
    explanation = "The key is not that of the certificate"

    def make_ready(self, card: Card) -> None:
        """Make the other keys: an RSA key takes a moment."""
        concerned = [key for reference, key in card.keys.items() if self.key in (None, reference)]
        if not concerned:
            raise FaultError("The card has no such key.")
        for key in concerned:
            _another_key(key.algorithm, key.policy)

    def prepare(self, card: Card) -> None:
        """Have the other keys, or raise FaultError."""
        self.make_ready(card)

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        reference = next((reference for reference in card.keys if reference == apdu.p2), None)
        if reference is None:
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
            card.file.update(tries_left=self.left)
        except (OSError, CardError) as error:
            raise FaultError(str(error)) from error
        card.passcode.tries_left = self.left


KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (Pulled, Mute, Slow, WrongAtr, Truncated, Oversized, Status, Certificate, WrongKey, SignatureBit, Tries)
}
"""All of them, by name."""


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
