"""The names that SP 800-73-4 and SP 800-78-4 give to instructions, keys, algorithms and objects."""

from __future__ import annotations

from enum import IntEnum

PIV_AID = bytes.fromhex("A000000308 00001000 0100")
"""The PIV Card Application: RID of NIST, PIX with version 1.0 (SP 800-73-4 Part 1, section 2.2)."""

SHORTEST_AID = 5
"""A right-truncated AID has at least the RID (ISO/IEC 7816-4, section 8.2.1.2)."""


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


class KeyReference(IntEnum):
    """Keys and the passcode (SP 800-73-4 Part 1, table 4)."""

    PASSCODE = 0x80
    MANAGEMENT = 0x9B
    AUTHENTICATION = 0x9A
    SIGNATURE = 0x9C
    KEY_MANAGEMENT = 0x9D
    CARD_AUTHENTICATION = 0x9E


class Algorithm(IntEnum):
    """Cryptographic algorithm identifiers (SP 800-78-4, table 6-2; RSA 3072, 4096: SP 800-78-5)."""

    TDES_DEFAULT = 0x00
    TDES = 0x03
    RSA_3072 = 0x05
    RSA_1024 = 0x06
    RSA_2048 = 0x07
    ECC_P256 = 0x11
    ECC_P384 = 0x14
    RSA_4096 = 0x16


class ObjectTag(IntEnum):
    """BER-TLV tags of the data objects (SP 800-73-4 Part 1, table 3)."""

    CARD_CAPABILITY_CONTAINER = 0x5FC107
    CHUID = 0x5FC102
    CERTIFICATE_9A = 0x5FC105
    FINGERPRINTS = 0x5FC103
    SECURITY_OBJECT = 0x5FC106
    FACIAL_IMAGE = 0x5FC108
    CERTIFICATE_9E = 0x5FC101
    CERTIFICATE_9C = 0x5FC10A
    CERTIFICATE_9D = 0x5FC10B
    PRINTED_INFORMATION = 0x5FC109
    DISCOVERY = 0x7E
    KEY_HISTORY = 0x5FC10C
    IRIS_IMAGES = 0x5FC121
    BIOMETRIC_TEMPLATES = 0x7F61


class DynamicAuthenticationTag(IntEnum):
    """What GENERAL AUTHENTICATE exchanges (SP 800-73-4 Part 2, table 7)."""

    TEMPLATE = 0x7C
    CHALLENGE = 0x81
    RESPONSE = 0x82


CERTIFICATE_OBJECTS = {
    KeyReference.AUTHENTICATION: ObjectTag.CERTIFICATE_9A,
    KeyReference.SIGNATURE: ObjectTag.CERTIFICATE_9C,
    KeyReference.KEY_MANAGEMENT: ObjectTag.CERTIFICATE_9D,
    KeyReference.CARD_AUTHENTICATION: ObjectTag.CERTIFICATE_9E,
}
"""Which object holds the certificate of which key."""

PASSCODE_PROTECTED_OBJECTS = frozenset(
    {ObjectTag.FINGERPRINTS, ObjectTag.FACIAL_IMAGE, ObjectTag.PRINTED_INFORMATION, ObjectTag.IRIS_IMAGES}
)
"""Objects that are read only after VERIFY (SP 800-73-4 Part 1, table 2)."""
