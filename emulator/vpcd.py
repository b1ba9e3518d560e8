"""The vpcd protocol: how a virtual card talks to a virtual reader.

The reader (vpcd inside pcscd, or the agent's embedded reader) listens on TCP, a card connects.
Both ways a frame is a length of two bytes, most significant first, and that many bytes. From the
reader, one byte 00, 01, 02 or 04 is power off, power on, reset, or "tell me the ATR", of which only
the last is answered; every other frame is a command APDU and is answered.

FrameDecoder does no input or output; CardLink is what asyncio calls with the reader's bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from enum import IntEnum
from typing import cast

from .virtual_card import VirtualCard

_log = logging.getLogger(__name__)

_LENGTH_BYTES = 2
_LONGEST_ANSWER = 0xFFFF
LONGEST_COMMAND = 0x4000 + 16
"""More than any command needs. A longer frame means that the peer does not speak vpcd: text
protocols that greet with letters announce frames of 18,000 bytes and more."""


class Control(IntEnum):
    """Frames of one byte."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


_ASKS_FOR_ATR = bytes((Control.ATR,))


class FrameError(Exception):
    """The bytes are not frames of the vpcd protocol, or end in the middle of one."""


class FrameDecoder:
    """Turns bytes, in whatever pieces they come, into frames."""

    def __init__(self, longest: int = LONGEST_COMMAND) -> None:
        self._buffer = bytearray()
        self._longest = longest

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the frames that are now complete, or raise FrameError."""
        buffer = self._buffer
        buffer += data
        frames = []
        while len(buffer) >= _LENGTH_BYTES:
            length = buffer[0] << 8 | buffer[1]
            if length > self._longest:
                raise FrameError(f"a frame of {length} bytes; the longest command is shorter")
            end = _LENGTH_BYTES + length
            if len(buffer) < end:
                break
            frames.append(bytes(buffer[_LENGTH_BYTES:end]))
            del buffer[:end]
        return frames

    def end(self) -> None:
        """Say that no more bytes come; raise FrameError when that is in the middle of a frame."""
        if self._buffer:
            raise FrameError(
                f"the connection ended inside a frame, after {len(self._buffer)} bytes"
            )


def encode_frame(payload: bytes) -> bytes:
    """Return one frame; raise FrameError when the payload is too long for its length field."""
    if len(payload) > _LONGEST_ANSWER:
        raise FrameError(f"{len(payload)} bytes do not fit into a frame")
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def answer(card: VirtualCard, frame: bytes) -> bytes | None:
    """Do what one frame from the reader says; return the payload to answer, None for no answer."""
    if len(frame) != 1:
        return card.transmit(frame)
    match frame[0]:
        case Control.POWER_OFF:
            card.power_off()
        case Control.POWER_ON:
            card.power_on()
        case Control.RESET:
            card.reset()
        case Control.ATR:
            return card.atr
        case _:
            return card.transmit(frame)
    return None


class CardLink(asyncio.Protocol):
    """One connection to a reader, with one card at its end."""

    def __init__(self, card: VirtualCard, seen: asyncio.Event) -> None:
        self._card = card
        self._decoder = FrameDecoder()
        self._seen = seen
        """Set when the reader asks for the ATR: it knows that a card is in."""
        self.ended = asyncio.Event()
        """The connection is gone, from whichever side."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge_at_once()

    def data_received(self, data: bytes) -> None:
        """Answer every complete frame, each answer in one piece."""
        try:
            for frame in self._decoder.feed(data):
                reply = answer(self._card, frame)
                if reply is not None:
                    self._transport.write(encode_frame(reply))
                if frame == _ASKS_FOR_ATR:
                    self._seen.set()
        except FrameError as error:
            _log.warning("the reader does not speak the vpcd protocol: %s", error)
            self._transport.abort()
            return
        self._acknowledge_at_once()

    def connection_lost(self, error: Exception | None) -> None:
        """A connection that ends is a power cut for the card."""
        try:
            self._decoder.end()
        except FrameError as cut_off:
            _log.info("%s", cut_off)
        self._card.power_off()
        self.ended.set()

    def close(self) -> None:
        """Pull the card."""
        self._transport.abort()

    def _acknowledge_at_once(self) -> None:
        """Make the kernel acknowledge the next bytes without delay; it forgets this all the time.

        vpcd sends length and payload in two writes with Nagle's algorithm on: the second waits for
        the acknowledgement of the first, which is otherwise delayed by 40 ms.
        """
        with contextlib.suppress(OSError):  # the connection may be gone already
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
