"""The embedded reader with whatever plugs in: each card is on its own, and none can flood it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from support.machine import wait_until
from support.scripted_card import MESSAGE, BrokenCard

from agent import CardIn, CardOut, CardRemoved, Digest, Passcode, ReaderNews
from demo import EmbeddedReader, VpcdControl, frame, receive_frames


class PluggedIn:
    """A card at the end of a connection to the reader, which answers what it is asked."""

    def __init__(self, reader: EmbeddedReader, card: BrokenCard) -> None:
        host, port = reader.address.split(":")
        self.card = card
        self.connection = socket.create_connection((host, int(port)))
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        with self.connection, contextlib.suppress(OSError):
            for command in receive_frames(self.connection):
                if command == VpcdControl.ATR:
                    self.connection.sendall(frame(b"\x3b\x00"))
                elif len(command) > 1:
                    self.connection.sendall(frame(self.card.transmit(bytearray(command))))

    def pull(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


@pytest.fixture
def news(reader: EmbeddedReader) -> Iterator[list[ReaderNews]]:
    """What the reader reports."""
    reported: list[ReaderNews] = []
    threading.Thread(target=reader.watch, args=(reported.append,), daemon=True).start()
    return reported


def last_card(news: list[ReaderNews]) -> CardIn:
    return wait_until(lambda: next((each for each in reversed(news) if isinstance(each, CardIn)), None), what="a card")


def test_what_was_begun_with_one_card_never_goes_on_with_the_next(
    reader: EmbeddedReader, news: list[ReaderNews]
) -> None:
    first = PluggedIn(reader, BrokenCard())
    card = last_card(news)
    with reader.open(card) as identity:
        identity.facts()
        first.pull()
        wait_until(lambda: CardOut(card) in news, what="the first card out")
        second = PluggedIn(reader, BrokenCard())
        wait_until(lambda: last_card(news) is not card, what="the second card in")
        with pytest.raises(CardRemoved):
            identity.sign(Passcode("123456"), MESSAGE, Digest.SHA256)
    assert second.card.sent == []
    second.pull()


def test_a_card_that_talks_unasked_is_out(reader: EmbeddedReader, news: list[ReaderNews]) -> None:
    plugged_in = PluggedIn(reader, BrokenCard())
    card = last_card(news)
    plugged_in.connection.sendall(frame(b"\x90\x00"))
    wait_until(lambda: CardOut(card) in news, what="the card out")
    with pytest.raises(CardRemoved), reader.open(card):
        pass
    plugged_in.pull()


def test_an_answer_too_many_is_not_taken_for_the_next(reader: EmbeddedReader, news: list[ReaderNews]) -> None:
    plugged_in = PluggedIn(reader, BrokenCard())
    card = last_card(news)
    with reader.open(card) as identity:
        plugged_in.connection.sendall(frame(b"\x90\x00"))
        wait_until(lambda: CardOut(card) in news, what="the card out")
        with pytest.raises(CardRemoved):
            identity.facts()
    plugged_in.pull()
