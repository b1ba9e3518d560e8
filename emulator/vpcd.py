"""The vpcd protocol: how a virtual card talks to a virtual reader.

The reader (vpcd inside pcscd, or the agent's embedded reader) listens on TCP, a card connects.
Both ways a frame is a length of two bytes, most significant first, and that many bytes. From the
reader, one byte 00, 01, 02 or 04 is power off, power on, reset, or "tell me the ATR", of which only
the last is answered; every other frame is a command APDU and is answered.

FrameDecoder does no input or output; CardLink is the socket loop.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections import deque
from enum import IntEnum
from typing import ClassVar

from .faults import Reply
from .virtual_card import VirtualCard

_log = logging.getLogger(__name__)

_LENGTH_BYTES = 2
_LONGEST = 0xFFFF
_MOST_AT_ONCE = 0x1C0
_MOST_WAITING = 64
_TURN_SECONDS = 0.005
_TURNS_ALONE = 8
"""So many turns without any other link make a link the only busy one."""
_PAUSE_SECONDS = 0.001
_SEND_SECONDS = 1.0


class Control(IntEnum):
    """Frames of one byte."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


_ASKS_FOR_ATR = bytes((Control.ATR,))


class FrameError(Exception):
    """The stream ends in the middle of a frame, or an answer does not fit into one."""


class FrameDecoder:
    """Turns bytes, in whatever pieces they come, into frames.

    It takes any length that a length field can say. What is too long for a command is the card's
    to refuse, and the most that ever waits here is 64 KiB.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the frames that are now complete."""
        buffer = self._buffer
        if len(buffer) == _LENGTH_BYTES and len(data) == buffer[0] << 8 | buffer[1]:
            buffer.clear()
            return [data]  # as vpcd sends them: the length, then the payload
        buffer += data
        frames = []
        while len(buffer) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + (buffer[0] << 8 | buffer[1])
            if len(buffer) < end:
                break
            frames.append(bytes(buffer[_LENGTH_BYTES:end]))
            del buffer[:end]
        return frames

    def end(self) -> None:
        """Say that no more bytes come; raise FrameError when that is in the middle of a frame."""
        if self._buffer:
            raise FrameError(f"the connection ended inside a frame, after {len(self._buffer)} bytes")


def encode_frame(payload: bytes) -> bytes:
    """Return one frame; raise FrameError when the payload is too long for its length field."""
    if len(payload) > _LONGEST:
        raise FrameError(f"{len(payload)} bytes do not fit into a frame")
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


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


class CardLink:
    """One connection to a reader, with one card at its end, served by the running event loop.

    Where one frame comes, its rest and the next frame come right behind it. As long as no other link
    is busy this one waits for them, for a moment: that costs a third of what another turn of the
    loop costs. With several busy links nobody waits for anybody.
    """

    _latest: ClassVar[CardLink | None] = None
    """The link that was served last, of all in this process,"""
    _turns: ClassVar[int] = 0
    """and how many turns of the loop it has had, one after the other."""

    def __init__(self, card: VirtualCard, connection: socket.socket, seen: asyncio.Event) -> None:
        self.ended = asyncio.Event()
        """The connection is gone, from whichever side."""
        self._card = card
        self._connection = connection
        self._seen = seen
        """Set when the reader asks for the ATR: it knows that a card is in."""
        self.pulled = False
        """The card was pulled by a fault: it does not go back in by itself."""
        self._decoder = FrameDecoder()
        self._waiting: deque[bytes] = deque()
        """Frames that came while the card could not answer."""
        self._unsent = b""
        """The rest of an answer that the reader does not take yet."""
        self._timer: asyncio.TimerHandle | None = None
        """Ends the time that the card thinks, or the patience with a reader that takes no answers."""
        self._loop = asyncio.get_running_loop()
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(_PAUSE_SECONDS))
        self._loop.add_reader(connection, self._readable)
        self._acknowledge_at_once()

    def close(self) -> None:
        """End the connection, which is a power cut for the card."""
        if not self.ended.is_set():
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()
            if self._timer:
                self._timer.cancel()
            if CardLink._latest is self:
                CardLink._latest = None
            self._card.power_off()
            self.ended.set()

    def _readable(self) -> None:
        """Answer what comes as long as it comes without a pause; then the loop goes on."""
        CardLink._turns = CardLink._turns + 1 if CardLink._latest is self else 0
        CardLink._latest = self
        alone = CardLink._turns >= _TURNS_ALONE
        flags = 0 if alone else socket.MSG_DONTWAIT
        end = time.monotonic() + _TURN_SECONDS
        try:
            while True:
                self._take(self._connection.recv(_MOST_AT_ONCE, flags))
                if self.ended.is_set() or self._waiting or time.monotonic() > end:
                    return
        except BlockingIOError:
            if not alone:  # what came may be the length alone
                self._acknowledge_at_once()
        except (OSError, FrameError) as error:
            self._end(error)

    def _take(self, data: bytes) -> None:
        """Take what the reader sends; raise OSError when the reader is gone."""
        if not data:
            self._decoder.end()
            raise ConnectionResetError("end of stream")
        frames = self._decoder.feed(data)
        for frame in frames:
            if self._timer or self.ended.is_set():
                self._waiting.append(frame)
            else:
                self._answer(frame)
        if len(self._waiting) > _MOST_WAITING:
            self._loop.remove_reader(self._connection)
        if frames and not self.ended.is_set():
            self._acknowledge_at_once()

    def _answer(self, frame: bytes) -> None:
        """Answer a frame in one piece: now, later or never, as the card does."""
        reply = answer(self._card, frame)
        if reply.pulled:
            _log.info("the card was pulled in the middle of a command")
            self.pulled = True
            self.close()
        elif reply.data is not None and reply.seconds:
            self._timer = self._loop.call_later(reply.seconds, self._think, reply.data)
        elif reply.data is not None:
            self._send(encode_frame(reply.data))
            if frame == _ASKS_FOR_ATR:
                self._seen.set()

    def _think(self, payload: bytes) -> None:
        """Answer at last."""
        self._timer = None
        try:
            self._send(encode_frame(payload))
        except (OSError, FrameError) as error:
            self._end(error)
        self._go_on()

    def _go_on(self) -> None:
        """Answer what has come meanwhile, as far as the card can; then read on."""
        try:
            while self._waiting and not self._timer and not self.ended.is_set():
                self._answer(self._waiting.popleft())
        except (OSError, FrameError) as error:
            self._end(error)
        if not self._timer and not self.ended.is_set():
            self._loop.add_reader(self._connection, self._readable)

    def _send(self, frame: bytes) -> None:
        """Send, without waiting; a reader that does not take the rest in time is left."""
        try:
            sent = self._connection.send(frame, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(frame):
            self._unsent = frame[sent:]
            self._timer = self._loop.call_later(_SEND_SECONDS, self._end, ConnectionAbortedError("it takes no answers"))
            self._loop.add_writer(self._connection, self._writable)

    def _writable(self) -> None:
        try:
            self._unsent = self._unsent[self._connection.send(self._unsent, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if not self._unsent and self._timer:
            self._loop.remove_writer(self._connection)
            self._timer.cancel()
            self._timer = None
            self._go_on()

    def _end(self, error: Exception) -> None:
        _log.info("the connection to the reader has ended: %s", error)
        self.close()

    def _acknowledge_at_once(self) -> None:
        """Make the kernel acknowledge the next bytes without delay; it forgets this all the time.

        vpcd sends length and payload in two writes with Nagle's algorithm on: the second waits for
        the acknowledgement of the first, which is otherwise delayed by 40 ms.
        """
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _timeval(seconds: float) -> bytes:
    """Return a struct timeval."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
