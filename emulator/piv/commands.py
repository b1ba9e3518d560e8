"""Typed commands: what a command APDU asks for, once parsing.py has understood it.

Each is a frozen dataclass named after SP 800-73-4 Part 2, section 3, or after Yubico's additions.
The types hold what the standard allows, not what this card happens to have: whether a key or an
object exists is asked later. No repr shows a passcode or a key. A command's str() is a sentence for
people, without a full stop, that says what it asks for; no secret is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..identifiers import PIV_AID, Algorithm, Instruction, KeyReference, PasscodePolicy, object_in_words


class Command:
    """What says itself: `says`, with what it is about put in (str.format, in which 0 is the command)."""

    __slots__ = ()
    says: ClassVar[str]

    def __str__(self) -> str:
        return self.says.format(self)


@dataclass(frozen=True, slots=True)
class Select(Command):
    """SELECT by name (Part 2, section 3.1.1); `answer` is False when no template is wanted."""

    aid: bytes
    answer: bool = True

    def __str__(self) -> str:
        ours = PIV_AID.startswith(self.aid)
        return "Choose the identity application (PIV)" if ours else "Look for another application"


@dataclass(frozen=True, slots=True)
class GetData(Command):
    """GET DATA (section 3.1.2): the tag of the data object that is wanted."""

    tag: int

    def __str__(self) -> str:
        return f"Read {object_in_words(self.tag)}"


@dataclass(frozen=True, slots=True)
class VerifyPasscode(Command):
    """VERIFY with data (section 3.2.1): try this passcode, 8 bytes as sent."""

    passcode: bytes = field(repr=False)

    says = "Try a passcode"


@dataclass(frozen=True, slots=True)
class VerifyStatus(Command):
    """VERIFY without data: is the passcode verified, and if not, how many tries are left?"""

    says = "Ask whether a passcode is needed, and how many tries are left"


@dataclass(frozen=True, slots=True)
class VerifyReset(Command):
    """VERIFY with P1 = FF: forget that the passcode was verified."""

    says = "Forget that the passcode was right"


@dataclass(frozen=True, slots=True)
class ChangeReferenceData(Command):
    """CHANGE REFERENCE DATA (section 3.2.2): the passcode or the unblocking code, 8 bytes each."""

    key: KeyReference
    current: bytes = field(repr=False)
    new: bytes = field(repr=False)

    says = "Change {0.key!s}"


@dataclass(frozen=True, slots=True)
class ResetRetryCounter(Command):
    """RESET RETRY COUNTER (section 3.2.3): a new passcode, for the unblocking code."""

    unblocking_code: bytes = field(repr=False)
    new: bytes = field(repr=False)

    says = "Unblock the passcode and set a new one"


@dataclass(frozen=True, slots=True)
class GeneralAuthenticate(Command):
    """What all GENERAL AUTHENTICATE commands have (section 3.2.4)."""

    algorithm: Algorithm
    key: KeyReference


@dataclass(frozen=True, slots=True)
class Authenticate(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, the card proves itself, signs or decrypts (sections 3.2.4, A.3, A.4).

    `challenge` is what the private key is applied to: for RSA a padded block as long as the
    modulus, for ECC the hash that is signed.
    """

    challenge: bytes

    says = "Sign or decrypt with {0.key!s} ({0.algorithm!s})"


@dataclass(frozen=True, slots=True)
class Agree(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, ECDH (sections 3.2.4, A.5): the other side's point, uncompressed."""

    point: bytes

    says = "Agree on a secret with {0.key!s} ({0.algorithm!s})"


@dataclass(frozen=True, slots=True)
class AskForChallenge(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, the client will prove itself (section A.1): its first step."""

    says = "Ask for a random number, to prove to have {0.key!s}"


@dataclass(frozen=True, slots=True)
class AnswerChallenge(GeneralAuthenticate):
    """The second step of section A.1: the challenge, encrypted by the client."""

    response: bytes

    says = "Prove to have {0.key!s}"


@dataclass(frozen=True, slots=True)
class AskForWitness(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, both prove themselves (section A.2): its first step."""

    says = "Ask the card to prove that it has {0.key!s}"


@dataclass(frozen=True, slots=True)
class AnswerWitness(GeneralAuthenticate):
    """The second step of section A.2: the witness in clear, and a challenge for the card."""

    witness: bytes
    challenge: bytes

    says = "Prove to have {0.key!s}, and have the card prove it"


@dataclass(frozen=True, slots=True)
class PutData(Command):
    """PUT DATA (section 3.3.1): what is inside the object's tag; nothing removes the object."""

    tag: int
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"Write {object_in_words(self.tag)}"


@dataclass(frozen=True, slots=True)
class GenerateKeyPair(Command):
    """GENERATE ASYMMETRIC KEY PAIR (section 3.3.2); the policy is Yubico's addition."""

    key: KeyReference
    algorithm: Algorithm
    policy: PasscodePolicy | None = None

    says = "Make a new {0.key!s} ({0.algorithm!s})"


@dataclass(frozen=True, slots=True)
class ImportKey(Command):
    """Yubico's IMPORT ASYMMETRIC KEY: `numbers` are p, q, dP, dQ and qInv, or one scalar."""

    key: KeyReference
    algorithm: Algorithm
    numbers: tuple[int, ...] = field(repr=False)
    policy: PasscodePolicy | None = None

    says = "Write {0.key!s} ({0.algorithm!s})"


@dataclass(frozen=True, slots=True)
class SetManagementKey(Command):
    """Yubico's SET MANAGEMENT KEY."""

    algorithm: Algorithm
    value: bytes = field(repr=False)

    says = "Set another management key, 9B"


@dataclass(frozen=True, slots=True)
class MoveKey(Command):
    """Yubico's MOVE KEY: to another place, or, to None, away."""

    source: KeyReference
    target: KeyReference | None

    def __str__(self) -> str:
        return f"Move {self.source!s} to {self.target:02X}" if self.target else f"Delete {self.source!s}"


@dataclass(frozen=True, slots=True)
class SetTries(Command):
    """Yubico's SET PIN RETRIES: how many tries there are from now on."""

    passcode: int
    unblocking_code: int

    says = "Set how many tries there are"


@dataclass(frozen=True, slots=True)
class GetMetadata(Command):
    """Yubico's GET METADATA: what is known of a key or of a code."""

    key: KeyReference

    says = "Ask about {0.key!s}"


@dataclass(frozen=True, slots=True)
class GetVersion(Command):
    """Yubico's GET VERSION: of the card's application, three bytes."""

    says = "Ask for the version of the card's software"


@dataclass(frozen=True, slots=True)
class GetSerial(Command):
    """Yubico's GET SERIAL: four bytes."""

    says = "Ask for the card's serial number"


@dataclass(frozen=True, slots=True)
class FactoryReset(Command):
    """Yubico's RESET: a blank card, once passcode and unblocking code are both locked."""

    says = "Empty the card"


@dataclass(frozen=True, slots=True)
class NotUnderstood(Command):
    """A command that the standard does not have, or not as it stands: the card refuses it with `word`."""

    instruction: int
    word: int

    def __str__(self) -> str:
        known = self.instruction in list(Instruction)
        name = Instruction(self.instruction).name.replace("_", " ") if known else f"{self.instruction:02X}"
        return f"{name}, but not as PIV has it" if known else f"A command that PIV does not have, {name}"


AuthenticateCommand = Authenticate | Agree | AskForChallenge | AnswerChallenge | AskForWitness | AnswerWitness
CodeCommand = VerifyPasscode | VerifyStatus | VerifyReset | ChangeReferenceData | ResetRetryCounter
YubicoCommand = ImportKey | SetManagementKey | MoveKey | SetTries | GetMetadata | GetVersion | GetSerial | FactoryReset
ApplicationCommand = GetData | CodeCommand | PutData | GenerateKeyPair | AuthenticateCommand | YubicoCommand
PivCommand = Select | ApplicationCommand | NotUnderstood
"""All there are: a match on them ends with assert_never, so that mypy finds a command that was forgotten."""
