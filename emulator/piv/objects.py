"""Data objects (SP 800-73-4 Part 1, section 3 and appendix A) and the templates of answers.

The functions named after objects return their content: what is inside tag 53 (Discovery: 7E).
"""

from __future__ import annotations

import datetime
import zlib

from ..identifiers import PIV_AID, Algorithm, DataTag, ObjectTag
from ..iso7816 import tlv

OWN_TAG = (ObjectTag.DISCOVERY, ObjectTag.BIOMETRIC_TEMPLATES)
"""The objects that are not inside tag 53 (section 3.3)."""
_PLAIN, _COMPRESSED = b"\x00", b"\x01"
_GZIP = 16 + zlib.MAX_WBITS
_LONGEST_CERTIFICATE = 0x10000
_ERROR_DETECTION_CODE = tlv.encode(DataTag.ERROR_DETECTION_CODE)

_FASC_N = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
"""Agency 9999, system 9999, credential 999999: not of a US federal agency, see the GUID instead."""

_GSC_RID = bytes.fromhex("A000000116")
_MANUFACTURER = 0xFF
_VIRTUAL_MACHINE_CARD = 0x02
_APPLICATION_LABEL = b"Lanyard virtual smartcard"


def whole(tag: int, content: bytes) -> bytes:
    """Return an object as GET DATA answers it: inside tag 53, or a tag of its own (section 3.3)."""
    return tlv.encode(tag if tag in OWN_TAG else DataTag.DATA, content)


def application_property_template(algorithms: list[Algorithm]) -> bytes:
    """Return the answer to SELECT (Part 2, section 3.1.1)."""
    identifiers = [tlv.encode(0x80, bytes((algorithm,))) for algorithm in algorithms]
    return tlv.encode(
        0x61,
        tlv.encode(0x4F, PIV_AID),  # application identifier: the complete one, with its version (page 8)
        tlv.encode(0x79, tlv.encode(0x4F, PIV_AID[:5])),  # tag allocation authority: the RID
        tlv.encode(0x50, _APPLICATION_LABEL),
        tlv.encode(0xAC, *identifiers, tlv.encode(0x06, b"\0")),  # algorithms supported
    )


def card_capability_container(guid: bytes) -> bytes:
    """Return the CCC (Part 1, table 8): its card identifier is made from the GUID."""
    identifier = _GSC_RID + bytes((_MANUFACTURER, _VIRTUAL_MACHINE_CARD)) + guid[:14]
    fields = {
        0xF0: identifier,
        0xF1: b"\x21",  # capability container version 2.1
        0xF2: b"\x21",  # capability grammar version 2.1
        0xF3: b"",  # applications CardURL: none
        0xF4: b"\x00",  # PKCS#15: not in use
        0xF5: b"\x10",  # registered data model: PIV
        0xF6: b"",  # access control rule table: none
        0xF7: b"",  # card APDUs
        0xFA: b"",  # redirection tag
        0xFB: b"",  # capability tuples
        0xFC: b"",  # status tuples
        0xFD: b"",  # next CCC
    }
    return tlv.encode_all(fields) + _ERROR_DETECTION_CODE


def chuid(guid: bytes, expires: datetime.date) -> bytes:
    """Return the CHUID (Part 1, table 9) of a card with this 16-byte GUID and expiry date."""
    fields = {
        0x30: _FASC_N,
        0x34: guid,
        0x35: expires.strftime("%Y%m%d").encode(),
        0x3E: b"",  # issuer's signature: a test card has none
    }
    return tlv.encode_all(fields) + _ERROR_DETECTION_CODE


def discovery() -> bytes:
    """Return the Discovery Object (Part 1, section 3.3.2 and table 18)."""
    policy = b"\x40\x00"  # passcode usage policy: the application's own, no other
    return tlv.encode(0x4F, PIV_AID) + tlv.encode(0x5F2F, policy)


def printed_information(name: str, expires: datetime.date, serial: str) -> bytes:
    """Return what a card of plastic has printed on it (Part 1, table 14)."""
    fields = {
        0x01: name.encode("ascii", "replace")[:125],
        0x02: b"Test card",  # employee affiliation
        0x04: expires.strftime("%Y%b%d").upper().encode(),
        0x05: serial.encode(),  # agency card serial number
        0x06: b"LANYARD",  # issuer identification
    }
    return tlv.encode_all(fields) + _ERROR_DETECTION_CODE


def key_history(with_certificate: int, without: int) -> bytes:
    """Return how many retired keys there are (Part 1, section 3.3.3 and table 19)."""
    counts = tlv.encode(0xC1, bytes((with_certificate,))) + tlv.encode(0xC2, bytes((without,)))
    address = tlv.encode(0xF3, b"http://localhost/off-card-certificates") if without else b""
    return counts + address + _ERROR_DETECTION_CODE


def certificate(stored: bytes, compressed: bool = False) -> bytes:
    """Return a certificate object (Part 1, table 10): DER, or DER compressed by gzip."""
    information = _COMPRESSED if compressed else _PLAIN
    fields = {DataTag.CERTIFICATE.value: stored, DataTag.CERTIFICATE_INFORMATION.value: information}
    return tlv.encode_all(fields) + _ERROR_DETECTION_CODE


def stored_certificate(content: bytes) -> tuple[bytes, bool] | None:
    """Return what certificate() was given to make this content; None if it would make another."""
    try:
        found = tlv.parse(content)
    except tlv.TlvError:
        return None
    stored, compressed = found.get(DataTag.CERTIFICATE, b""), found.get(DataTag.CERTIFICATE_INFORMATION) == _COMPRESSED
    return (stored, compressed) if certificate(stored, compressed) == content else None


def decompress(data: bytes) -> bytes:
    """Return what gzip compressed (RFC 1952); raise ValueError for rubbish, cut off or too long."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(data, _LONGEST_CERTIFICATE)
    except zlib.error:
        raise ValueError("not compressed by gzip") from None
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("compressed data cut off, too long or followed by more")
    return plain


def dynamic_authentication(tag: int, value: bytes) -> bytes:
    """Return the answer to GENERAL AUTHENTICATE: one object in its template (Part 2, table 7)."""
    return tlv.encode(0x7C, tlv.encode(tag, value))
