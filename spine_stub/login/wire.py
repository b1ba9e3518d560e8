"""What comes over the wire as text: base64, and the `response` parameter.

That parameter is base64 of a bare CMS, or of S/MIME text that holds one.

The S/MIME text is not parsed as MIME: one client indents every line of it, the blank one too, and
a MIME parser then sees one folded header and no body (docs/clients.md, "From the broker").
"""

from __future__ import annotations

import base64
import binascii
import re
from itertools import takewhile

from ..errors import InvalidInput

_DER_SEQUENCE = 0x30
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def b64encode(data: bytes) -> str:
    """Encode on one line."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str, what: str) -> bytes:
    """Decode base64 that may be wrapped; raises InvalidInput("<what>-not-base64")."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput(f"{what}-not-base64") from exc


def decode_response(response: str) -> bytes:
    """The CMS, DER or BER, in a `response` parameter; raises InvalidInput."""
    content = b64decode(response, "response")
    if content[:1] == bytes([_DER_SEQUENCE]):
        return content
    return _last_base64(content)


def _last_base64(content: bytes) -> bytes:
    """Decode the lines at the end that are nothing but base64."""
    lines = content.decode("latin-1").strip().splitlines()
    stripped = (line.strip() for line in reversed(lines))
    base64_lines = list(takewhile(_BASE64_LINE.fullmatch, stripped))
    if not base64_lines:
        raise InvalidInput("response-without-cms", "neither DER nor S/MIME text")
    return b64decode("".join(reversed(base64_lines)), "response-mime")
