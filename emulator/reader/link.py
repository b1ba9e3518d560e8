"""One connection between a card and a reader that speaks the vpcd protocol (vpcd.py).

Everything about time, sockets and threads is here, nothing about cards. A card answers one command
after the other: what comes while it thinks, or makes a key pair, waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import threading
import time
from collections import deque
from typing import ClassVar

from ..faults.layers import Reply
from ..identifiers import Instruction
from ..virtual_card import VirtualCard
from .vpcd import Control, FrameDecoder, FrameError, answer, encode_frame

_log = logging.getLogger(__name__)

_MOST_AT_ONCE = 0x1C0
_MOST_WAITING = 64
_MOST_UNREAD = 1 << 18
"""Bytes of answers that a reader may leave unread: more than any one answer has."""
_PAUSE = struct.pack("ll", 0, 1000)
"""One millisecond, as a struct timeval."""
_TURN_SECONDS = 0.005
_TURNS_ALONE = 8
"""So many turns without any other link make a link the only busy one."""
_ASKS_FOR_ATR = bytes((Control.ATR,))
_GENERATE = bytes((Instruction.GENERATE_ASYMMETRIC_KEY_PAIR,))
"""The one command that takes so long, seconds with RSA, that the other links must not wait for it."""
_ACKNOWLEDGE = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 2)
"""At once, and only what has come: 1 in place of 2 costs a packet for the next piece, too, which its answer saves."""


class CardLink:
    """One connection to a reader, with one card at its end, served by the running event loop.

    vpcd sends a command in two pieces, and the next command right after the answer. As long as no
    other link is busy this one waits for them at the socket, for a millisecond at most, which costs
    a third of a turn of the event loop. An asyncio.Protocol, which takes two turns for each command,
    makes an APDU 1.7 times as long as pcscd and vpcd alone, this loop 1.05 times (apdu_cost.py).
    """

    _latest: ClassVar[CardLink | None] = None
    """The link that was served last, of all in this process,"""
    _turns: ClassVar[int] = 0
    """and how many turns of the loop it has had, one after the other."""

    def __init__(self, card: VirtualCard, connection: socket.socket, seen: asyncio.Event) -> None:
        self.ended = asyncio.Event()
        """The connection is gone, from whichever side."""
        self.pulled = False
        """The card was pulled by a fault: it does not go back in by itself."""
        self._card = card
        self._connection = connection
        self._seen = seen
        """Set when the reader asks for the ATR: it knows that a card is in."""
        self._decoder = FrameDecoder()
        self._waiting: deque[bytes] = deque()
        """Frames that have come and are not answered yet."""
        self._busy = False
        """The card thinks, or makes a key pair."""
        self._loop = asyncio.get_running_loop()
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PAUSE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_UNREAD)
        self._loop.add_reader(connection, self._readable)

    def close(self) -> None:
        """End the connection, which is a power cut for the card."""
        if not self.ended.is_set():
            self._loop.remove_reader(self._connection)
            self._connection.close()
            if CardLink._latest is self:
                CardLink._latest = None
            self._card.power_off()
            self.ended.set()

    def _readable(self) -> None:
        """Answer what comes as long as it comes without a pause; then the loop goes on."""
        CardLink._turns = CardLink._turns + 1 if CardLink._latest is self else 0
        CardLink._latest = self
        flags = 0 if CardLink._turns >= _TURNS_ALONE and not self._busy else socket.MSG_DONTWAIT
        end = time.monotonic() + _TURN_SECONDS
        try:
            while not self.ended.is_set() and time.monotonic() < end:
                self._take(self._connection.recv(_MOST_AT_ONCE, flags))
                if self._busy:
                    return
        except BlockingIOError:
            pass
        except (OSError, FrameError) as error:
            self._end(error)

    def _take(self, data: bytes) -> None:
        """Take what the reader sends; raise OSError when it is gone, or sends without waiting for answers."""
        if not data:
            self._decoder.end()
            raise ConnectionResetError("end of stream")
        self._waiting.extend(self._decoder.feed(data))
        self._answer_waiting()
        if len(self._waiting) > _MOST_WAITING:
            raise ConnectionAbortedError("it does not wait for answers")
        if self._decoder.rest and not self.ended.is_set():
            self._acknowledge()

    def _answer_waiting(self) -> None:
        """Answer what has come, as far as the card can now; raise OSError or FrameError."""
        while self._waiting and not self._busy and not self.ended.is_set():
            frame = self._waiting.popleft()
            if frame[1:2] == _GENERATE:
                self._busy = True
                threading.Thread(target=self._answer_in_thread, args=(frame,), daemon=True).start()
            else:
                self._reply(frame, answer(self._card, frame))

    def _answer_in_thread(self, frame: bytes) -> None:
        """Let the card make a key pair. It has lost its power when the link ends meanwhile."""
        reply = answer(self._card, frame)
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            self._loop.call_soon_threadsafe(self._resume, frame, reply)

    def _reply(self, frame: bytes, reply: Reply) -> None:
        """Answer a frame: now, later or never, as the card does."""
        if reply.pulled:
            _log.info("the card was pulled in the middle of a command")
            self.pulled = True
            self.close()
        elif reply.data is None:
            self._acknowledge()
        elif reply.seconds:
            self._busy = True
            self._loop.call_later(reply.seconds, self._resume, frame, reply._replace(seconds=0.0))
        else:
            self._send(encode_frame(reply.data))
            if frame == _ASKS_FOR_ATR:
                self._seen.set()

    def _resume(self, frame: bytes, reply: Reply) -> None:
        """Answer at last, and then what has come meanwhile."""
        if self.ended.is_set():
            return
        self._busy = False
        try:
            self._reply(frame, reply)
            self._answer_waiting()
        except (OSError, FrameError) as error:
            self._end(error)

    def _send(self, frame: bytes) -> None:
        """Send without waiting; raise OSError when the reader has left so many answers unread that it cannot be."""
        try:
            sent = self._connection.send(frame, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(frame):
            raise ConnectionAbortedError("it takes no answers")

    def _end(self, error: Exception) -> None:
        _log.info("the connection to the reader has ended: %s", error)
        self.close()

    def _acknowledge(self) -> None:
        """Make the kernel acknowledge without delay what no answer will acknowledge.

        vpcd sends length and payload in two writes with Nagle's algorithm on: each waits for the
        acknowledgement of what was sent before, which is otherwise delayed by 40 ms.
        """
        self._connection.setsockopt(*_ACKNOWLEDGE)
