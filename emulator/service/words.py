"""What a command asks of a card, in words that need no standard beside them.

Like trace.py it works from the bytes alone and never fails: what it does not know it calls a
command by its number.
"""

from __future__ import annotations

from ..identifiers import PIV_AID, Algorithm, Instruction, KeyReference, ObjectTag
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, parse_apdu
from ..iso7816.status_words import StatusError

_CHAINING = 0x10
_TAG_LIST = 0x5C
_TEMPLATE = 0x7C
_EXPONENTIATION = 0x85

_KEYS: dict[int, str] = {
    KeyReference.AUTHENTICATION: "9A, which proves who you are",
    KeyReference.SIGNATURE: "9C, for signatures",
    KeyReference.KEY_MANAGEMENT: "9D, for encryption",
    KeyReference.CARD_AUTHENTICATION: "9E, of the card itself",
    KeyReference.MANAGEMENT: "9B, which manages the card",
}
_OBJECTS: dict[int, str] = {
    ObjectTag.CARD_CAPABILITY_CONTAINER: "what the card is capable of",
    ObjectTag.CHUID: "the card's number and expiry date (CHUID)",
    ObjectTag.CERTIFICATE_9A: "the certificate of key 9A, which says whose card this is",
    ObjectTag.CERTIFICATE_9C: "the certificate of key 9C, for signatures",
    ObjectTag.CERTIFICATE_9D: "the certificate of key 9D, for encryption",
    ObjectTag.CERTIFICATE_9E: "the certificate of key 9E, of the card itself",
    ObjectTag.DISCOVERY: "which passcodes the card has (Discovery)",
    ObjectTag.KEY_HISTORY: "which old keys the card has (Key History)",
    ObjectTag.SECURITY_OBJECT: "the security object",
    ObjectTag.PRINTED_INFORMATION: "what is printed on the card",
    ObjectTag.FACIAL_IMAGE: "the holder's picture",
    ObjectTag.FINGERPRINTS: "the fingerprints",
    ObjectTag.IRIS_IMAGES: "the iris pictures",
}
_CODES: dict[int, str] = {0x80: "passcode", 0x81: "unblocking code"}
_PLAIN: dict[int, str] = {
    Instruction.RESET_RETRY_COUNTER: "Unblock the passcode and set a new one",
    Instruction.GET_RESPONSE: "Fetch the rest of the answer",
    0xF8: "Ask for the card's serial number",
    0xFA: "Set how many tries there are",
    0xFB: "Empty the card",
    0xFD: "Ask for the version of the card's software",
    0xFF: "Set another management key",
}
_OF_A_KEY: dict[int, str] = {
    Instruction.GENERATE_ASYMMETRIC_KEY_PAIR: "Make a new key",
    0xF6: "Move or delete key",
    0xF7: "Ask about key",
    0xFE: "Write key",
}


def plain_words(raw: bytes) -> str:
    """Return one sentence, without a full stop, that says what a command APDU asks for."""
    try:
        apdu = parse_apdu(raw)
    except StatusError:
        return f"Something that is no command, {len(raw)} bytes"
    sentence = _sentence(apdu)
    return f"{sentence} (first part)" if apdu.cla & _CHAINING else sentence


def _sentence(apdu: CommandApdu) -> str:
    match apdu.ins:
        case Instruction.SELECT:
            ours = apdu.data and PIV_AID.startswith(apdu.data)
            return "Choose the identity application (PIV)" if ours else "Look for another application"
        case Instruction.GET_DATA:
            return f"Read {_object(apdu.data)}"
        case Instruction.PUT_DATA:
            return f"Write {_object(apdu.data)}"
        case Instruction.VERIFY:
            return _verify(apdu)
        case Instruction.CHANGE_REFERENCE_DATA:
            return f"Change the {_CODES.get(apdu.p2, 'passcode')}"
        case Instruction.GENERAL_AUTHENTICATE:
            return _authenticate(apdu)
    if apdu.ins in _OF_A_KEY:
        return f"{_OF_A_KEY[apdu.ins]} {_key(apdu.p2)}"
    return _PLAIN.get(apdu.ins, f"A command that PIV does not have, {apdu.ins:02X}")


def _verify(apdu: CommandApdu) -> str:
    if apdu.p1:
        return "Forget that the passcode was right"
    return "Try a passcode" if apdu.data else "Ask whether a passcode is needed, and how many tries are left"


def _authenticate(apdu: CommandApdu) -> str:
    if apdu.p2 == KeyReference.MANAGEMENT:
        return "Prove to have the management key, 9B"
    if apdu.cla & _CHAINING:
        return f"Use key {_key(apdu.p2)}"
    agrees = _EXPONENTIATION in _inside(apdu.data, _TEMPLATE)
    return f"{'Agree on a secret' if agrees else 'Sign or decrypt'} with key {_key(apdu.p2)}{_algorithm(apdu.p1)}"


def _inside(data: bytes, tag: int) -> dict[int, bytes]:
    try:
        return tlv.parse(tlv.parse(data)[tag])
    except (tlv.TlvError, KeyError):
        return {}


def _object(data: bytes) -> str:
    """Name the object of GET DATA or PUT DATA; the latter's data begins with its tag."""
    if data[:1] == bytes((_TAG_LIST,)) and len(data) > 1:
        tag = int.from_bytes(data[2 : 2 + data[1]], "big")
    else:
        tag = int.from_bytes(data[:1], "big")
    return _OBJECTS.get(tag) or f"object {tag:X}{_known(tag)}"


def _known(tag: int) -> str:
    try:
        return f" ({ObjectTag(tag).name.replace('_', ' ').lower()})"
    except ValueError:
        return ""


def _key(reference: int) -> str:
    return _KEYS.get(reference, f"{reference:02X}")


def _algorithm(number: int) -> str:
    try:
        return f" ({Algorithm(number).name.replace('_', ' ')})"
    except ValueError:
        return ""
