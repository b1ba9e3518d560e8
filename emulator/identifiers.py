"""The names that SP 800-73-4 and SP 800-78-4 give to instructions, keys, algorithms and objects."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self

PIV_AID = bytes.fromhex("A000000308 00001000 0100")
"""The PIV Card Application: RID of NIST, PIX with version 1.0 (SP 800-73-4 Part 1, section 2.2)."""

SHORTEST_AID = 5
"""A right-truncated AID has at least the RID (ISO/IEC 7816-4, section 8.2.1.2)."""


class Named(IntEnum):
    """A number of a standard, with what it stands for in plain words."""

    words: str

    def __new__(cls, number: int, words: str = "") -> Self:
        member = int.__new__(cls, number)
        member._value_ = number
        member.words = words
        return member


class Instruction(IntEnum):
    """INS bytes (SP 800-73-4 Part 2, table 2; GET RESPONSE is ISO/IEC 7816-4, section 7.6.1)."""

    VERIFY = 0x20
    CHANGE_REFERENCE_DATA = 0x24
    RESET_RETRY_COUNTER = 0x2C
    GENERATE_ASYMMETRIC_KEY_PAIR = 0x47
    GENERAL_AUTHENTICATE = 0x87
    SELECT = 0xA4
    GET_RESPONSE = 0xC0
    GET_DATA = 0xCB
    PUT_DATA = 0xDB

    # Yubico's additions, which common tools ask for (Yubico, "PIV extensions").
    MOVE_KEY = 0xF6
    GET_METADATA = 0xF7
    GET_SERIAL = 0xF8
    SET_TRIES = 0xFA
    FACTORY_RESET = 0xFB
    GET_VERSION = 0xFD
    IMPORT_ASYMMETRIC_KEY = 0xFE
    SET_MANAGEMENT_KEY = 0xFF


class KeyReference(Named):
    """Keys, the passcode and its unblocking code (SP 800-73-4 Part 1, tables 4a and 4b)."""

    PASSCODE = 0x80, "the passcode"
    UNBLOCKING_CODE = 0x81, "the unblocking code"
    MANAGEMENT = 0x9B, "the management key, 9B"
    AUTHENTICATION = 0x9A, "key 9A, which proves who you are"
    SIGNATURE = 0x9C, "key 9C, for signatures"
    KEY_MANAGEMENT = 0x9D, "key 9D, for encryption"
    CARD_AUTHENTICATION = 0x9E, "key 9E, of the card itself"
    RETIRED_1, RETIRED_2, RETIRED_3, RETIRED_4, RETIRED_5 = range(0x82, 0x87)
    RETIRED_6, RETIRED_7, RETIRED_8, RETIRED_9, RETIRED_10 = range(0x87, 0x8C)
    RETIRED_11, RETIRED_12, RETIRED_13, RETIRED_14, RETIRED_15 = range(0x8C, 0x91)
    RETIRED_16, RETIRED_17, RETIRED_18, RETIRED_19, RETIRED_20 = range(0x91, 0x96)

    def __str__(self) -> str:
        """Return which key or code this is, and what it is for."""
        return self.words or f"key {self:02X}"


class Algorithm(IntEnum):
    """Cryptographic algorithm identifiers (SP 800-78-4, table 6-2; RSA 3072: SP 800-78-5; RSA 4096: Yubico)."""

    TDES_DEFAULT = 0x00
    TDES = 0x03
    RSA_3072 = 0x05
    RSA_1024 = 0x06
    RSA_2048 = 0x07
    AES_128 = 0x08
    AES_192 = 0x0A
    AES_256 = 0x0C
    ECC_P256 = 0x11
    ECC_P384 = 0x14
    RSA_4096 = 0x16

    def __str__(self) -> str:
        """Return its name, like RSA 2048."""
        return self.name.replace("_", " ")


class ObjectTag(Named):
    """BER-TLV tags of the data objects (SP 800-73-4 Part 1, table 3)."""

    CARD_CAPABILITY_CONTAINER = 0x5FC107, "what the card is capable of"
    CHUID = 0x5FC102, "the card's number and expiry date (CHUID)"
    CERTIFICATE_9A = 0x5FC105, "the certificate of key 9A, which says whose card this is"
    FINGERPRINTS = 0x5FC103, "the fingerprints"
    SECURITY_OBJECT = 0x5FC106, "the security object"
    FACIAL_IMAGE = 0x5FC108, "the holder's picture"
    CERTIFICATE_9E = 0x5FC101, "the certificate of key 9E, of the card itself"
    CERTIFICATE_9C = 0x5FC10A, "the certificate of key 9C, for signatures"
    CERTIFICATE_9D = 0x5FC10B, "the certificate of key 9D, for encryption"
    PRINTED_INFORMATION = 0x5FC109, "what is printed on the card"
    DISCOVERY = 0x7E, "which passcodes the card has (Discovery)"
    KEY_HISTORY = 0x5FC10C, "which old keys the card has (Key History)"
    CERTIFICATE_82, CERTIFICATE_83, CERTIFICATE_84, CERTIFICATE_85, CERTIFICATE_86 = range(0x5FC10D, 0x5FC112)
    CERTIFICATE_87, CERTIFICATE_88, CERTIFICATE_89, CERTIFICATE_8A, CERTIFICATE_8B = range(0x5FC112, 0x5FC117)
    CERTIFICATE_8C, CERTIFICATE_8D, CERTIFICATE_8E, CERTIFICATE_8F, CERTIFICATE_90 = range(0x5FC117, 0x5FC11C)
    CERTIFICATE_91, CERTIFICATE_92, CERTIFICATE_93, CERTIFICATE_94, CERTIFICATE_95 = range(0x5FC11C, 0x5FC121)
    IRIS_IMAGES = 0x5FC121, "the iris pictures"
    SECURE_MESSAGING_SIGNER = 0x5FC122
    PAIRING_CODE = 0x5FC123
    BIOMETRIC_TEMPLATES = 0x7F61


class DataTag(IntEnum):
    """Tags around and inside data objects and keys (Part 1, table 10; Part 2, sections 3.1.2, 3.3.1, 3.3.2)."""

    DATA = 0x53
    TAG_LIST = 0x5C
    CERTIFICATE = 0x70
    CERTIFICATE_INFORMATION = 0x71
    CONTROL_REFERENCE_TEMPLATE = 0xAC
    ERROR_DETECTION_CODE = 0xFE
    PUBLIC_KEY_TEMPLATE = 0x7F49


class DynamicAuthenticationTag(IntEnum):
    """What GENERAL AUTHENTICATE exchanges (SP 800-73-4 Part 2, table 7)."""

    TEMPLATE = 0x7C
    WITNESS = 0x80
    CHALLENGE = 0x81
    RESPONSE = 0x82
    EXPONENTIATION = 0x85


class PasscodePolicy(StrEnum):
    """When a key wants the passcode (SP 800-73-4 Part 1, table 4b: "Never", "PIN", "PIN Always")."""

    NEVER = "never"
    ONCE = "once"
    ALWAYS = "always"


class Origin(StrEnum):
    """Where a private key comes from."""

    GENERATED = "generated"
    IMPORTED = "imported"


RETIRED_KEYS = tuple(KeyReference(number) for number in range(KeyReference.RETIRED_1, KeyReference.RETIRED_20 + 1))
"""The retired key management keys (Part 1, section 3.3.3)."""

CERTIFICATE_OBJECTS = {
    KeyReference.AUTHENTICATION: ObjectTag.CERTIFICATE_9A,
    KeyReference.SIGNATURE: ObjectTag.CERTIFICATE_9C,
    KeyReference.KEY_MANAGEMENT: ObjectTag.CERTIFICATE_9D,
    KeyReference.CARD_AUTHENTICATION: ObjectTag.CERTIFICATE_9E,
    **{key: ObjectTag(ObjectTag.CERTIFICATE_82 + place) for place, key in enumerate(RETIRED_KEYS)},
}
"""Which object holds the certificate of which key: the keys that this card has places for."""

KEY_AGREEMENT_KEYS = frozenset({KeyReference.KEY_MANAGEMENT, *RETIRED_KEYS})
"""The keys that take part in ECDH (SP 800-73-4 Part 2, section 3.2.4)."""

PASSCODE_POLICIES = {
    KeyReference.SIGNATURE: PasscodePolicy.ALWAYS,
    KeyReference.CARD_AUTHENTICATION: PasscodePolicy.NEVER,
}
"""SP 800-73-4 Part 1, table 4b; every other key: once."""

PASSCODE_PROTECTED_OBJECTS = (
    ObjectTag.FINGERPRINTS,
    ObjectTag.FACIAL_IMAGE,
    ObjectTag.PRINTED_INFORMATION,
    ObjectTag.IRIS_IMAGES,
    ObjectTag.PAIRING_CODE,
)
"""Objects that are read only after VERIFY (SP 800-73-4 Part 1, table 2)."""


def object_in_words(tag: int) -> str:
    """Return what is in a data object; one that PIV does not have is called by its tag."""
    if tag not in list(ObjectTag):
        return f"object {tag:X}"
    known = ObjectTag(tag)
    return known.words or f"object {tag:X} ({known.name.replace('_', ' ').lower()})"
