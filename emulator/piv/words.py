"""Keys, objects and algorithms of PIV in words that need no standard beside them."""

from __future__ import annotations

from ..identifiers import Algorithm, KeyReference, ObjectTag

_KEYS: dict[KeyReference, str] = {
    KeyReference.PASSCODE: "the passcode",
    KeyReference.UNBLOCKING_CODE: "the unblocking code",
    KeyReference.AUTHENTICATION: "key 9A, which proves who you are",
    KeyReference.SIGNATURE: "key 9C, for signatures",
    KeyReference.KEY_MANAGEMENT: "key 9D, for encryption",
    KeyReference.CARD_AUTHENTICATION: "key 9E, of the card itself",
    KeyReference.MANAGEMENT: "the management key, 9B",
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


def key_in_words(reference: KeyReference) -> str:
    """Return which key or code this is, and what it is for."""
    return _KEYS.get(reference) or f"key {reference:02X}"


def object_in_words(tag: int) -> str:
    """Return what is in a data object; one that PIV does not have is called by its tag."""
    if tag in _OBJECTS:
        return _OBJECTS[tag]
    known = tag in list(ObjectTag)
    return f"object {tag:X} ({ObjectTag(tag).name.replace('_', ' ').lower()})" if known else f"object {tag:X}"


def algorithm_in_words(algorithm: Algorithm) -> str:
    """Return an algorithm's name, like RSA 2048."""
    return algorithm.name.replace("_", " ")
