"""Native messages on a pipe: a length of four bytes in the machine's own order, then so many bytes of JSON in UTF-8.

Chromium's and Firefox's pages on native messaging: at most 1 MiB from program to browser, 64 MiB to the program.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

from ..errors import BridgeError

MOST_FROM_BROWSER = 64 << 20
MOST_TO_BROWSER = 1 << 20
MOST_TAKEN = 64 << 10
"""Bytes of the longest message that is looked at. Ours have a few hundred."""

_LENGTH = struct.Struct("=I")
_PIECE = 1 << 16


class BrokenStream(BridgeError):
    """What comes is no stream of messages, or it ends within one: nothing after it can be understood."""


class MessageTooLong(BridgeError):
    """One message was too long, and has been read past: the next one can be understood."""


def read_message(stream: IO[bytes]) -> bytes | None:
    """Return the next message's bytes; None when the stream ends before one. Raises BrokenStream, MessageTooLong.

    The stream is a buffered one, whose read() returns fewer bytes at its end only.
    """
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise BrokenStream("The stream ends within a message's length.")
    (length,) = _LENGTH.unpack(head)
    if length > MOST_FROM_BROWSER:
        raise BrokenStream(f"A message of {length:,} bytes is more than a browser sends.")
    if length > MOST_TAKEN:
        _read_past(stream, length)
        raise MessageTooLong(f"A message of {length:,} bytes is too long.")
    body = stream.read(length)
    if len(body) < length:
        raise BrokenStream("The stream ends within a message.")
    return body


def _read_past(stream: IO[bytes], length: int) -> None:
    while length > 0:
        piece = stream.read(min(length, _PIECE))
        if not piece:
            raise BrokenStream("The stream ends within a message.")
        length -= len(piece)


def encode(message: dict[str, Any]) -> bytes:
    """Return a message with its length before it. Raises MessageTooLong where a browser would not take it."""
    body = json.dumps(message).encode()
    if len(body) > MOST_TO_BROWSER:
        raise MessageTooLong(f"An answer of {len(body):,} bytes is more than browsers take.")
    return _LENGTH.pack(len(body)) + body
