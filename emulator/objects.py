"""Data objects as GET DATA returns them (SP 800-73-4 Part 1, section 3 and appendix A).

Every function returns the whole answer: the object inside its tag 53 (Discovery has its own tag).
"""

from __future__ import annotations

import datetime

from . import tlv
from .identifiers import PIV_AID, Algorithm

_DATA = 0x53
_ERROR_DETECTION_CODE = tlv.encode(0xFE)

_FASC_N = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
"""Agency 9999, system 9999, credential 999999: not of a US federal agency, see the GUID instead."""

_GSC_RID = bytes.fromhex("A000000116")
_MANUFACTURER = 0xFF
_VIRTUAL_MACHINE_CARD = 0x02
_APPLICATION_LABEL = b"Lanyard virtual smartcard"


def application_property_template(algorithms: list[Algorithm]) -> bytes:
    """Return the answer to SELECT (Part 2, section 3.1.1)."""
    identifiers = [tlv.encode(0x80, bytes((algorithm,))) for algorithm in algorithms]
    return tlv.encode(
        0x61,
        tlv.encode(0x4F, PIV_AID[5:]),  # application identifier: the PIX
        tlv.encode(0x79, tlv.encode(0x4F, PIV_AID[:5])),  # tag allocation authority: the RID
        tlv.encode(0x50, _APPLICATION_LABEL),
        tlv.encode(0xAC, *identifiers, tlv.encode(0x06, b"\0")),  # algorithms supported
    )


def card_capability_container(guid: bytes) -> bytes:
    """Return the CCC (Part 1, table 8): its card identifier is made from the GUID."""
    identifier = _GSC_RID + bytes((_MANUFACTURER, _VIRTUAL_MACHINE_CARD)) + guid[:14]
    return tlv.encode(
        _DATA,
        tlv.encode(0xF0, identifier),
        tlv.encode(0xF1, b"\x21"),  # capability container version 2.1
        tlv.encode(0xF2, b"\x21"),  # capability grammar version 2.1
        tlv.encode(0xF3),  # applications CardURL: none
        tlv.encode(0xF4, b"\x00"),  # PKCS#15: not in use
        tlv.encode(0xF5, b"\x10"),  # registered data model: PIV
        tlv.encode(0xF6),  # access control rule table: none
        tlv.encode(0xF7),  # card APDUs
        tlv.encode(0xFA),  # redirection tag
        tlv.encode(0xFB),  # capability tuples
        tlv.encode(0xFC),  # status tuples
        tlv.encode(0xFD),  # next CCC
        _ERROR_DETECTION_CODE,
    )


def chuid(guid: bytes, expires: datetime.date) -> bytes:
    """Return the CHUID (Part 1, table 9) of a card with this 16-byte GUID and expiry date."""
    return tlv.encode(
        _DATA,
        tlv.encode(0x30, _FASC_N),
        tlv.encode(0x34, guid),
        tlv.encode(0x35, expires.strftime("%Y%m%d").encode()),
        tlv.encode(0x3E),  # issuer's signature: a test card has none
        _ERROR_DETECTION_CODE,
    )


def discovery() -> bytes:
    """Return the Discovery Object (Part 1, section 3.3.2 and table 18)."""
    return tlv.encode(
        0x7E,
        tlv.encode(0x4F, PIV_AID),
        tlv.encode(0x5F2F, b"\x40\x00"),  # usage policy: the application's own passcode, no other
    )


def certificate(der: bytes) -> bytes:
    """Return a certificate object (Part 1, tables 10 and 15 to 17)."""
    return tlv.encode(
        _DATA,
        tlv.encode(0x70, der),
        tlv.encode(0x71, b"\x00"),  # CertInfo: not compressed
        _ERROR_DETECTION_CODE,
    )


def dynamic_authentication(tag: int, value: bytes) -> bytes:
    """Return the answer to GENERAL AUTHENTICATE: one object in its template (Part 2, table 7)."""
    return tlv.encode(0x7C, tlv.encode(tag, value))
