"""The PC/SC reader watches whatever the service answers, and no wait for a card is endless."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest
from support.agent import fails
from support.machine import wait_until
from support.scripted_card import MESSAGE, BrokenCard
from support.winscard import Winscard

import agent
from agent import (
    PLUG_AND_PLAY,
    AgentError,
    CardIn,
    CardOut,
    Digest,
    Fault,
    Passcode,
    PcscReader,
    PcscResult,
    ReaderLost,
    ReaderNews,
    ReaderReady,
)

READER, OTHER = b"Maker Reader 00 00", b"Maker Token 01 00"
TROUBLES = [result for result in PcscResult if result not in (0, PcscResult.NO_READERS_AVAILABLE)]


class Watch:
    """A PcscReader that is watched in a thread, and what it reported."""

    def __init__(self, service: Winscard, name: str = "") -> None:
        self.service = service
        self.reader = PcscReader(name, service)
        self.news: list[ReaderNews] = []
        self.failed: list[AgentError] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            self.reader.watch(self.news.append)
        except AgentError as error:
            self.failed.append(error)

    def reports(self, kind: type[ReaderNews], number: int = 1) -> list[ReaderNews]:
        """Wait until so many of that kind were reported; return them."""

        def found() -> list[ReaderNews]:
            return [each for each in self.news if isinstance(each, kind)]

        wait_until(lambda: len(found()) >= number, what=f"{number} {kind.__name__} in {self.news}")
        return found()

    def card(self) -> CardIn:
        (card,) = self.reports(CardIn)
        assert isinstance(card, CardIn)
        return card

    def lost(self) -> AgentError:
        news = self.reports(ReaderLost)[-1]
        assert isinstance(news, ReaderLost)
        return news.error

    def close(self) -> None:
        self.service.let_go()
        self.reader.close()
        self._thread.join(5)


@pytest.fixture
def watch() -> Iterator[Callable[..., Watch]]:
    watches: list[Watch] = []

    def begin(service: Winscard, name: str = "") -> Watch:
        watches.append(Watch(service, name))
        return watches[-1]

    yield begin
    for each in watches:
        each.close()


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a card as long as a test does."""
    monkeypatch.setattr(agent, "CARD_BUSY_SECONDS", 0.3)
    monkeypatch.setattr(agent, "CARD_ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(agent, "LOOK_AGAIN_MILLISECONDS", 50)
    monkeypatch.setattr(agent, "CARD_LEAVING_SECONDS", 0.1)


Begin = Callable[..., Watch]


@pytest.mark.parametrize("function", ["SCardEstablishContext", "SCardListReaders", "SCardGetStatusChange"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_trouble_with_the_service_has_a_sentence(function: str, trouble: PcscResult, watch: Begin) -> None:
    service = Winscard(READER)
    service.results[function] = trouble
    watched = watch(service)
    harmless = (PcscResult.TIMEOUT, PcscResult.CANCELLED, PcscResult.UNKNOWN_READER, PcscResult.READER_UNAVAILABLE)
    if function == "SCardGetStatusChange" and trouble in harmless:
        wait_until(lambda: service.calls.count("SCardListReaders") > 1)
        assert watched.news == [ReaderReady()]
        return
    wait_until(lambda: watched.failed)
    (error,) = watched.failed
    refused = (function, trouble) == ("SCardEstablishContext", PcscResult.SECURITY_VIOLATION)
    assert error.fault is (Fault.SERVICE_REFUSES if refused else Fault.NO_SERVICE)


def test_every_card_is_reported_with_its_own_end(watch: Begin) -> None:
    service = Winscard(READER, OTHER)
    watched = watch(service)
    watched.reports(ReaderReady)
    service.insert(READER, BrokenCard())
    service.insert(OTHER, BrokenCard())
    watched.reports(CardIn, 2)
    service.pull(READER)
    (out,) = watched.reports(CardOut)
    assert isinstance(out, CardOut)
    assert out.card in watched.news
    assert out.card.reader == READER.decode()


def test_a_quick_swap_is_two_cards(watch: Begin) -> None:
    service = Winscard(READER)
    service.insert(READER, BrokenCard())
    watched = watch(service)
    first = watched.card()
    service.swap(READER, BrokenCard())
    second = watched.reports(CardIn, 2)[1]
    assert watched.news[-2:] == [CardOut(first), second]
    assert second is not first
    with fails(Fault.CARD_REMOVED), watched.reader.open(first):
        pass


@pytest.mark.parametrize("name", ["Leser \uff20 00 00".encode(), "Leser f\xfcr Karten 00 00".encode("latin-1")])
def test_a_readers_name_may_be_in_any_encoding(name: bytes, watch: Begin) -> None:
    service = Winscard(name)
    service.insert(name, BrokenCard())
    watched = watch(service, "Leser")
    card = watched.card()
    assert card.reader.startswith("Leser")
    assert card.reader.isprintable()
    with watched.reader.open(card) as identity:
        assert identity.facts().tries_left == 3


@pytest.mark.parametrize("number", [0, 1, 15, 16, 17])
def test_as_many_readers_as_pcscd_has(number: int, watch: Begin) -> None:
    """16 is the most, and the most states that it takes at a time."""
    readers = [b"Hub 00 %02d" % each for each in range(number)]
    service = Winscard(*readers)
    watched = watch(service)
    watched.reports(ReaderReady if number else ReaderLost)
    wait_until(lambda: service.watched)
    assert service.watched[0] == readers + [PLUG_AND_PLAY] * (number != 16)


def test_a_reader_that_comes_and_goes(watch: Begin) -> None:
    service = Winscard()
    watched = watch(service)
    assert watched.lost().fault is Fault.NO_READER
    service.plug_in(READER)
    watched.reports(ReaderReady)
    service.insert(READER, BrokenCard())
    watched.card()
    service.unplug(READER)
    watched.reports(ReaderLost, 2)
    with fails(Fault.CARD_REMOVED), watched.reader.open(watched.card()):
        pass


def test_a_reader_that_comes_before_the_wait_for_it(watch: Begin) -> None:
    service = Winscard()
    service.before_wait.append(lambda: service.plug_in(READER))
    watch(service).reports(ReaderReady)


def test_a_name_that_no_reader_has_is_said_with_those_that_are_there(watch: Begin) -> None:
    service = Winscard(READER, b"Gemalto \x1b[2J 00")
    watched = watch(service, "Omnikey")
    error = watched.lost()
    assert error.fault is Fault.READER_NOT_FOUND
    assert "Omnikey" in error.says
    assert "Maker Reader 00 00; Gemalto [2J 00" in error.advice
    service.plug_in(b"Omnikey 00 00")
    watched.reports(ReaderReady)


# The card


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
@pytest.mark.parametrize("function", ["SCardConnect", "SCardTransmit", "SCardReconnect"])
def test_any_trouble_with_a_card_is_an_error_with_a_sentence(function: str, trouble: PcscResult, watch: Begin) -> None:
    service = Winscard(READER)
    service.insert(READER, BrokenCard())
    watched = watch(service)
    card = watched.card()
    service.results[function] = trouble
    if function == "SCardReconnect":
        service.results["SCardBeginTransaction"] = PcscResult.RESET_CARD
    with pytest.raises(AgentError), watched.reader.open(card):
        pass
    service.results.clear()
    with watched.reader.open(card) as identity:
        assert identity.facts().tries_left == 3


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        ("SCardBeginTransaction", Fault.CARD_BUSY),
        ("SCardConnect", Fault.CARD_BUSY),
        ("SCardTransmit", Fault.CARD_MUTE),
        ("SCardEstablishContext", Fault.CARD_MUTE),
    ],
)
def test_a_call_that_does_not_come_back_holds_up_nobody(function: str, fault: Fault, watch: Begin) -> None:
    service = Winscard(READER)
    service.insert(READER, BrokenCard())
    watched = watch(service)
    card = watched.card()
    service.stuck.add(function)
    with fails(fault), watched.reader.open(card):
        pass
    service.let_go()
    wait_until(lambda: "SCardReleaseContext" in service.calls, what="its connection released")
    with watched.reader.open(card) as identity:
        assert identity.facts().tries_left == 3


def test_another_program_that_keeps_the_card_to_itself(watch: Begin) -> None:
    service = Winscard(READER)
    service.insert(READER, BrokenCard())
    watched = watch(service)
    service.results["SCardConnect"] = PcscResult.SHARING_VIOLATION
    with fails(Fault.CARD_BUSY), watched.reader.open(watched.card()):
        pass
    assert service.calls.count("SCardConnect") > 1


def test_a_card_that_fails_because_it_is_pulled(watch: Begin) -> None:
    service = Winscard(READER)
    service.insert(READER, BrokenCard(certificate=b""))
    watched = watch(service)

    def read() -> None:
        with watched.reader.open(watched.card()) as identity:
            service.pull(READER)
            identity.facts()

    with fails(Fault.CARD_REMOVED):
        read()


@pytest.mark.parametrize("verify", ["9000", "63C2", "6983", "6F00"])
def test_a_card_that_was_shown_a_passcode_is_reset(verify: str, watch: Begin) -> None:
    service = Winscard(READER)
    service.insert(READER, BrokenCard(verify=verify))
    watched = watch(service)
    with contextlib.suppress(AgentError), watched.reader.open(watched.card()) as identity:
        identity.sign(Passcode("123456"), [MESSAGE], Digest.SHA256, identity.facts().certificate)
    with watched.reader.open(watched.card()):
        pass
    assert service.dispositions == [agent.RESET_CARD, agent.LEAVE_CARD]


@pytest.mark.parametrize(
    ("protocol", "sent"),
    [
        (2, ["00A404000BA00000030800001000010000", "00CB3FFF035C017E00", "00200080", "00CB3FFF055C035FC10500"]),
        (1, ["00A404000BA000000308000010000100", "00CB3FFF035C017E", "0020008000", "00CB3FFF055C035FC105"]),
    ],
    ids=["T=1", "T=0"],
)
def test_what_is_sent_in_each_protocol(protocol: int, sent: list[str], watch: Begin) -> None:
    """ISO 7816-3, 12.2: T=0 has one length byte, so no Le behind data, and a 00 where there is neither."""
    service = Winscard(READER, protocol=protocol)
    service.insert(READER, BrokenCard())
    watched = watch(service)
    with watched.reader.open(watched.card()) as identity:
        identity.facts()
    assert [apdu.hex().upper() for apdu in service.sent] == sent
