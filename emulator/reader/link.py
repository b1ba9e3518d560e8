"""One connection between a card and a reader that speaks the vpcd protocol (vpcd.py).

The socket loop: everything about time, sockets and other links is here, nothing about cards.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import struct
import time
from collections import deque
from typing import ClassVar

from ..faults.layers import Reply
from ..keys.private_key import PrivateKey
from ..virtual_card import VirtualCard
from . import ahead
from .vpcd import Control, FrameDecoder, FrameError, answer, encode_frame

_log = logging.getLogger(__name__)

_MOST_AT_ONCE = 0x1C0
_MOST_WAITING = 64
_PAUSE_SECONDS = 0.001
_SEND_SECONDS = 1.0
_TURN_SECONDS = 0.005
_TURNS_ALONE = 8
"""So many turns without any other link make a link the only busy one."""
_ASKS_FOR_ATR = bytes((Control.ATR,))
_SLOW = ahead.INSTRUCTION
_ACKNOWLEDGE = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 2)
"""At once, and only what has come: 1 in place of 2 costs a packet for the next piece, too, which its answer saves."""


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
        self._timer: asyncio.TimerHandle | asyncio.Future[PrivateKey | None] | None = None
        """Ends the time that the card thinks, or the patience with a reader that takes no answers."""
        self._seconds_ahead = 0.0
        """What a part of the next command has taken that was done ahead."""
        self._loop = asyncio.get_running_loop()
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(_PAUSE_SECONDS))
        self._loop.add_reader(connection, self._readable)

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
            pass
        except (OSError, FrameError) as error:
            self._end(error)

    def _take(self, data: bytes) -> None:
        """Take what the reader sends; raise OSError when the reader is gone."""
        if not data:
            self._decoder.end()
            raise ConnectionResetError("end of stream")
        for frame in self._decoder.feed(data):
            if self._timer or self.ended.is_set():
                self._waiting.append(frame)
                if len(self._waiting) > _MOST_WAITING:
                    self._loop.remove_reader(self._connection)
            else:
                self._answer(frame)
        if self._decoder.rest and not self.ended.is_set():
            self._acknowledge()

    def _answer(self, frame: bytes) -> None:
        """Answer a frame in one piece: now, later or never, as the card does."""
        reply = answer(self._card, frame) if frame[1:2] != _SLOW else self._answer_slowly(frame)
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
        else:
            self._acknowledge()

    def _answer_slowly(self, frame: bytes) -> Reply:
        """Do first in a thread what takes seconds; whatever else the reader sends waits for that."""
        make = None if self._seconds_ahead else ahead.key_pair(self._card, frame)
        if make:
            self._timer = ahead.begin(make)
            self._timer.add_done_callback(functools.partial(self._made, frame, time.perf_counter()))
            return Reply(None)
        seconds, self._seconds_ahead = self._seconds_ahead, 0.0
        return self._card.respond(frame, seconds)

    def _made(self, frame: bytes, began: float, made: asyncio.Future[PrivateKey | None]) -> None:
        """Answer the command that asked for what is made now."""
        if not made.cancelled():
            self._timer = None
            self._card.state.key_made = made.result()
            self._seconds_ahead = time.perf_counter() - began
            self._waiting.appendleft(frame)
            self._go_on()

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

    def _acknowledge(self) -> None:
        """Make the kernel acknowledge without delay what no answer will acknowledge.

        vpcd sends length and payload in two writes with Nagle's algorithm on: each waits for the
        acknowledgement of what was sent before, which is otherwise delayed by 40 ms.
        """
        self._connection.setsockopt(*_ACKNOWLEDGE)


def _timeval(seconds: float) -> bytes:
    """Return a struct timeval."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
