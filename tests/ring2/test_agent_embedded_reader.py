"""The embedded reader with whatever plugs in: each card is on its own, and none can flood it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from support.agent import fails
from support.machine import wait_until
from support.scripted_card import MESSAGE, BrokenCard

from agent import CardIn, CardOut, Digest, Fault, Passcode, ReaderNews, ReaderReady
from demo import ATR, EmbeddedReader, frame, receive_frames


class LateCard(BrokenCard):
    """A good card that answers no sooner than a test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def transmit(self, apdu: bytes) -> bytes:
        self.go.wait(10)
        return super().transmit(apdu)


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
                if command == ATR:
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
        certificate = identity.facts().certificate
        first.pull()
        wait_until(lambda: CardOut(card) in news, what="the first card out")
        second = PluggedIn(reader, BrokenCard())
        wait_until(lambda: last_card(news) is not card, what="the second card in")
        with fails(Fault.CARD_REMOVED):
            identity.sign(Passcode("123456"), [MESSAGE], Digest.SHA256, certificate)
    assert second.card.sent == []
    second.pull()


def test_a_card_that_talks_unasked_is_out(reader: EmbeddedReader, news: list[ReaderNews]) -> None:
    plugged_in = PluggedIn(reader, BrokenCard())
    card = last_card(news)
    plugged_in.connection.sendall(frame(b"\x90\x00"))
    wait_until(lambda: CardOut(card) in news, what="the card out")
    with fails(Fault.CARD_REMOVED), reader.open(card):
        pass
    plugged_in.pull()


def test_an_answer_too_many_is_not_taken_for_the_next(reader: EmbeddedReader, news: list[ReaderNews]) -> None:
    plugged_in = PluggedIn(reader, BrokenCard())
    card = last_card(news)
    with reader.open(card) as identity:
        plugged_in.connection.sendall(frame(b"\x90\x00"))
        wait_until(lambda: CardOut(card) in news, what="the card out")
        with fails(Fault.CARD_REMOVED):
            identity.facts()
    plugged_in.pull()


def test_a_card_that_did_not_answer_stays_a_problem_until_it_goes(
    reader: EmbeddedReader, news: list[ReaderNews], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.CARD_ANSWER_SECONDS", 0.5)
    late = LateCard()
    plugged_in = PluggedIn(reader, late)
    card = last_card(news)
    with fails(Fault.CARD_MUTE), reader.open(card):
        pass
    late.go.set()
    wait_until(lambda: late.sent, what="the late answer")
    with fails(Fault.CARD_MUTE), reader.open(card):
        pass
    assert len(late.sent) == 1
    plugged_in.pull()
    wait_until(lambda: CardOut(card) in news, what="the card out")
    assert news == [ReaderReady(), card, CardOut(card)]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv4 in IPv6"])
@pytest.mark.parametrize("own", [True, False], ids=["this user", "another user"])
def test_only_a_program_of_this_user_is_a_card(
    own: bool,
    family: socket.AddressFamily,
    reader: EmbeddedReader,
    news: list[ReaderNews],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = os.geteuid() + (not own)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    host, port = reader.address.split(":")
    with socket.socket(family) as connection:
        connection.settimeout(5)
        connection.connect((host if family == socket.AF_INET else f"::ffff:{host}", int(port)))
        assert bool(connection.recv(1)) == own
