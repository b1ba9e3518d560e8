"""The `response` parameter: base64 of a bare CMS, or of S/MIME text that holds one.

The S/MIME text is not parsed as MIME: one client indents every line of it, the blank one too, and
a MIME parser then sees one folded header and no body (clients.md, "From the broker").
"""

from __future__ import annotations

import re
from itertools import takewhile

from ..errors import InvalidInput
from .encoding import b64decode

_DER_SEQUENCE = 0x30
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}")


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
