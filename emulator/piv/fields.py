"""Parts of commands that several commands have, read or refused with a status word."""

from __future__ import annotations

from ..identifiers import CERTIFICATE_OBJECTS, Algorithm, KeyReference, PasscodePolicy
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu
from ..iso7816.status_words import StatusError, StatusWord

_POLICY = 0xAA
_TOUCH = 0xAB
_POLICIES = {0: None, 1: PasscodePolicy.NEVER, 2: PasscodePolicy.ONCE, 3: PasscodePolicy.ALWAYS}


def need_data(apdu: CommandApdu) -> None:
    """Raise StatusError 6700 when a command that must have data has none."""
    if not apdu.data:
        raise StatusError(StatusWord.WRONG_LENGTH)


def need_reference(apdu: CommandApdu, *allowed: int) -> None:
    """Raise StatusError 6A86 for any P1, 6A88 when P2 is no reference that the command may have."""
    if apdu.p1:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if apdu.p2 not in allowed:
        raise StatusError(StatusWord.KEY_REFERENCE_NOT_FOUND)


def parse_tlv(data: bytes) -> dict[int, bytes]:
    """Return the data objects by tag; raise StatusError 6A80."""
    try:
        return tlv.parse(data)
    except tlv.TlvError:
        raise StatusError(StatusWord.INCORRECT_DATA) from None


def key_place(number: int) -> KeyReference:
    """Return the key reference of an asymmetric key; raise StatusError 6A86."""
    if number not in CERTIFICATE_OBJECTS:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    return KeyReference(number)


def key_algorithm(number: int) -> Algorithm:
    """Return an algorithm; raise StatusError 6A80 (Part 2, section 3.3.2)."""
    try:
        return Algorithm(number)
    except ValueError:
        raise StatusError(StatusWord.INCORRECT_DATA) from None


def passcode_policy(template: dict[int, bytes]) -> PasscodePolicy | None:
    """Take the policies out of a template. A touch is never asked for: nobody could give it."""
    template.pop(_TOUCH, None)
    wanted = template.pop(_POLICY, b"\0")
    try:
        return _POLICIES[int.from_bytes(wanted, "big")]
    except KeyError:
        raise StatusError(StatusWord.INCORRECT_DATA) from None
