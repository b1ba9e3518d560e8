"""The vpcd protocol: how a virtual card talks to a virtual reader.

The reader (vpcd inside pcscd, or the agent's embedded reader) listens on TCP, a card connects.
Both ways a frame is a length of two bytes, most significant first, and that many bytes. From the
reader, one byte 00, 01, 02 or 04 is power off, power on, reset, or "tell me the ATR", of which only
the last is answered; every other frame is a command APDU and is answered.

Nothing here does input or output; the socket loop is in link.py.
"""

from __future__ import annotations

from enum import IntEnum

from ..faults.layers import Reply
from ..virtual_card import VirtualCard

_LENGTH_BYTES = 2


class Control(IntEnum):
    """Frames of one byte."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


class FrameError(Exception):
    """The stream ends in the middle of a frame, or an answer does not fit into one."""


class FrameDecoder:
    """Turns bytes, in whatever pieces they come, into frames.

    It takes any length that a length field can say. What is too long for a command is the card's
    to refuse, and the most that ever waits here is 64 KiB.
    """

    def __init__(self) -> None:
        self.rest = b""
        """A frame that has not come as a whole yet."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the frames that are now complete."""
        data = self.rest + data
        frames = []
        while len(data) >= _LENGTH_BYTES and len(data) >= (end := _LENGTH_BYTES + (data[0] << 8 | data[1])):
            frames.append(data[_LENGTH_BYTES:end])
            data = data[end:]
        self.rest = data
        return frames

    def end(self) -> None:
        """Say that no more bytes come; raise FrameError when that is in the middle of a frame."""
        if self.rest:
            raise FrameError(f"the connection ended inside a frame, after {len(self.rest)} bytes")


def encode_frame(payload: bytes) -> bytes:
    """Return one frame; raise FrameError when the payload is too long for its length field."""
    try:
        return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload
    except OverflowError:
        raise FrameError(f"{len(payload)} bytes do not fit into a frame") from None


_SILENT = Reply(None)


def answer(card: VirtualCard, frame: bytes) -> Reply:
    """Do what one frame from the reader says; return the payload to answer, if it is to be answered."""
    if len(frame) != 1:
        return card.respond(frame)
    match frame[0]:
        case Control.POWER_OFF:
            card.power_off()
        case Control.POWER_ON:
            card.power_on()
        case Control.RESET:
            card.reset()
        case Control.ATR:
            return Reply(card.answer_to_reset())
        case _:
            return card.respond(frame)
    return _SILENT
