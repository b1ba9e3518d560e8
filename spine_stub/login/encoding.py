"""Base64 as it comes over the wire, decoded strictly."""

from __future__ import annotations

import base64
import binascii

from ..errors import InvalidInput


def b64encode(data: bytes) -> str:
    """Encode on one line."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str, what: str) -> bytes:
    """Decode base64 that may be wrapped; raises InvalidInput("<what>-not-base64")."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput(f"{what}-not-base64") from exc
