"""Typed commands: what a command APDU asks for, once parsing.py has understood it.

Each is a frozen dataclass named after SP 800-73-4 Part 2, section 3, or after Yubico's additions.
The types hold what the standard allows, not what this card happens to have: whether a key or an
object exists is asked later. No repr shows a passcode or a key. A command's str() is a sentence for
people, without a full stop, that says what it asks for; no secret is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..identifiers import PIV_AID, Algorithm, Instruction, KeyReference, PasscodePolicy
from .words import algorithm_in_words, key_in_words, object_in_words


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT by name (Part 2, section 3.1.1); `answer` is False when no template is wanted."""

    aid: bytes
    answer: bool = True

    def __str__(self) -> str:
        return (
            "Choose the identity application (PIV)" if PIV_AID.startswith(self.aid) else "Look for another application"
        )


@dataclass(frozen=True, slots=True)
class GetData:
    """GET DATA (section 3.1.2): the tag of the data object that is wanted."""

    tag: int

    def __str__(self) -> str:
        return f"Read {object_in_words(self.tag)}"


@dataclass(frozen=True, slots=True)
class VerifyPasscode:
    """VERIFY with data (section 3.2.1): try this passcode, 8 bytes as sent."""

    passcode: bytes = field(repr=False)

    def __str__(self) -> str:
        return "Try a passcode"


@dataclass(frozen=True, slots=True)
class VerifyStatus:
    """VERIFY without data: is the passcode verified, and if not, how many tries are left?"""

    def __str__(self) -> str:
        return "Ask whether a passcode is needed, and how many tries are left"


@dataclass(frozen=True, slots=True)
class VerifyReset:
    """VERIFY with P1 = FF: forget that the passcode was verified."""

    def __str__(self) -> str:
        return "Forget that the passcode was right"


@dataclass(frozen=True, slots=True)
class ChangeReferenceData:
    """CHANGE REFERENCE DATA (section 3.2.2): the passcode or the unblocking code, 8 bytes each."""

    key: KeyReference
    current: bytes = field(repr=False)
    new: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"Change {key_in_words(self.key)}"


@dataclass(frozen=True, slots=True)
class ResetRetryCounter:
    """RESET RETRY COUNTER (section 3.2.3): a new passcode, for the unblocking code."""

    unblocking_code: bytes = field(repr=False)
    new: bytes = field(repr=False)

    def __str__(self) -> str:
        return "Unblock the passcode and set a new one"


@dataclass(frozen=True, slots=True)
class GeneralAuthenticate:
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

    def __str__(self) -> str:
        return f"Sign or decrypt with {key_in_words(self.key)} ({algorithm_in_words(self.algorithm)})"


@dataclass(frozen=True, slots=True)
class Agree(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, ECDH (sections 3.2.4, A.5): the other side's point, uncompressed."""

    point: bytes

    def __str__(self) -> str:
        return f"Agree on a secret with {key_in_words(self.key)} ({algorithm_in_words(self.algorithm)})"


@dataclass(frozen=True, slots=True)
class AskForChallenge(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, the client will prove itself (section A.1): its first step."""

    def __str__(self) -> str:
        return f"Ask for a random number, to prove to have {key_in_words(self.key)}"


@dataclass(frozen=True, slots=True)
class AnswerChallenge(GeneralAuthenticate):
    """The second step of section A.1: the challenge, encrypted by the client."""

    response: bytes

    def __str__(self) -> str:
        return f"Prove to have {key_in_words(self.key)}"


@dataclass(frozen=True, slots=True)
class AskForWitness(GeneralAuthenticate):
    """GENERAL AUTHENTICATE, both prove themselves (section A.2): its first step."""

    def __str__(self) -> str:
        return f"Ask the card to prove that it has {key_in_words(self.key)}"


@dataclass(frozen=True, slots=True)
class AnswerWitness(GeneralAuthenticate):
    """The second step of section A.2: the witness in clear, and a challenge for the card."""

    witness: bytes
    challenge: bytes

    def __str__(self) -> str:
        return f"Prove to have {key_in_words(self.key)}, and have the card prove it"


@dataclass(frozen=True, slots=True)
class PutData:
    """PUT DATA (section 3.3.1): what is inside the object's tag; nothing removes the object."""

    tag: int
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"Write {object_in_words(self.tag)}"


@dataclass(frozen=True, slots=True)
class GenerateKeyPair:
    """GENERATE ASYMMETRIC KEY PAIR (section 3.3.2); the policy is Yubico's addition."""

    key: KeyReference
    algorithm: Algorithm
    policy: PasscodePolicy | None = None

    def __str__(self) -> str:
        return f"Make a new {key_in_words(self.key)} ({algorithm_in_words(self.algorithm)})"


@dataclass(frozen=True, slots=True)
class ImportKey:
    """Yubico's IMPORT ASYMMETRIC KEY: `numbers` are p, q, dP, dQ and qInv, or one scalar."""

    key: KeyReference
    algorithm: Algorithm
    numbers: tuple[int, ...] = field(repr=False)
    policy: PasscodePolicy | None = None

    def __str__(self) -> str:
        return f"Write {key_in_words(self.key)} ({algorithm_in_words(self.algorithm)})"


@dataclass(frozen=True, slots=True)
class SetManagementKey:
    """Yubico's SET MANAGEMENT KEY."""

    algorithm: Algorithm
    value: bytes = field(repr=False)

    def __str__(self) -> str:
        return "Set another management key, 9B"


@dataclass(frozen=True, slots=True)
class MoveKey:
    """Yubico's MOVE KEY: to another place, or, to None, away."""

    source: KeyReference
    target: KeyReference | None

    def __str__(self) -> str:
        return (
            f"Move {key_in_words(self.source)} to {self.target:02X}"
            if self.target
            else f"Delete {key_in_words(self.source)}"
        )


@dataclass(frozen=True, slots=True)
class SetTries:
    """Yubico's SET PIN RETRIES: how many tries there are from now on."""

    passcode: int
    unblocking_code: int

    def __str__(self) -> str:
        return "Set how many tries there are"


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """Yubico's GET METADATA: what is known of a key or of a code."""

    key: KeyReference

    def __str__(self) -> str:
        return f"Ask about {key_in_words(self.key)}"


@dataclass(frozen=True, slots=True)
class GetVersion:
    """Yubico's GET VERSION: of the card's application, three bytes."""

    def __str__(self) -> str:
        return "Ask for the version of the card's software"


@dataclass(frozen=True, slots=True)
class GetSerial:
    """Yubico's GET SERIAL: four bytes."""

    def __str__(self) -> str:
        return "Ask for the card's serial number"


@dataclass(frozen=True, slots=True)
class FactoryReset:
    """Yubico's RESET: a blank card, once passcode and unblocking code are both locked."""

    def __str__(self) -> str:
        return "Empty the card"


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A command that the standard does not have, or not as it stands: the card refuses it with `word`."""

    instruction: int
    word: int

    def __str__(self) -> str:
        known = self.instruction in list(Instruction)
        name = Instruction(self.instruction).name.replace("_", " ") if known else f"{self.instruction:02X}"
        return f"{name}, but not as PIV has it" if known else f"A command that PIV does not have, {name}"


PasscodeCommand = VerifyPasscode | VerifyStatus | VerifyReset | ChangeReferenceData | ResetRetryCounter
AuthenticationCommand = Authenticate | Agree | AskForChallenge | AnswerChallenge | AskForWitness | AnswerWitness
YubicoCommand = ImportKey | SetManagementKey | MoveKey | SetTries | GetMetadata | GetVersion | GetSerial | FactoryReset
Command = (
    Select
    | GetData
    | PutData
    | GenerateKeyPair
    | PasscodeCommand
    | AuthenticationCommand
    | YubicoCommand
    | NotUnderstood
)
