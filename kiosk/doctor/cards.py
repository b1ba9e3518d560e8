"""Readers and cards: what is connected and in, whose card it is and until when. No passcode try is spent."""

from __future__ import annotations

import queue
import threading
import time

from agent import (
    EXPIRY_WARNING_DAYS,
    AgentError,
    CardFacts,
    CardIn,
    CardSource,
    Fault,
    PcscReader,
    ReaderLost,
    ReaderReady,
    TokenReader,
    counted,
    describe_expiry,
    told,
)

from .findings import Finding, Findings, Stop, Trouble
from .software import can_be_asked
from .surroundings import Surroundings

FIRST_NEWS_SECONDS = 15  # a card's own software may be slow to start
MORE_NEWS_SECONDS = 0.7  # vpcd is asked every 0.4 s
_USB_SMARTCARD_CLASS = "0b"  # bInterfaceClass of a reader, USB-IF's list of class codes
_OLD_CARD = b"JCOP41"  # in the ATR of series 5 and 6
_DRIVERS = "/usr/lib/pcsc/drivers"

News = CardIn | ReaderReady | ReaderLost
FAULTS = {
    Fault.NO_CERTIFICATE: Trouble.NO_CERTIFICATE,
    Fault.BAD_CERTIFICATE: Trouble.NO_CERTIFICATE,
    Fault.CARD_BUSY: Trouble.CARD_BUSY,
    Fault.CARD_MUTE: Trouble.CARD_MUTE,
    Fault.CARD_NONSENSE: Trouble.CARD_MUTE,
    Fault.CARD_REMOVED: Trouble.NO_CARD,
    Fault.NO_TOKEN_LIBRARY: Trouble.NO_TOKEN_LIBRARY,
}


def look_at_cards(around: Surroundings) -> Findings:
    """Yield what drivers, readers and cards there are."""
    reader = around.settings.reader
    if reader.startswith("embedded") or not can_be_asked(around):
        return
    yield Finding("drivers", f"Installed: {', '.join(drivers(around)) or 'none'}.")
    source: CardSource = (
        TokenReader(reader, around.library()) if reader.startswith("pkcs11:") else PcscReader(reader, around.library())
    )
    news = gather(source)
    try:
        yield from _readers(news, around)
        for card in (each for each in news if isinstance(each, CardIn)):
            yield from _card(source, card, around)
    finally:
        source.close()


def drivers(around: Surroundings) -> list[str]:
    """Return the names of the drivers that pcscd finds."""
    return sorted({path.stem for path in around.find(f"{_DRIVERS}/*.bundle", f"{_DRIVERS}/serial/*.so")})


def gather(source: CardSource) -> list[News]:
    """Return what a source reports at first: its readers, and the cards that are in."""
    reports: queue.SimpleQueue[object] = queue.SimpleQueue()

    def watch() -> None:
        try:
            source.watch(reports.put)
        except Exception as error:
            reports.put(ReaderLost(told("the reader's thread", error)))

    threading.Thread(target=watch, name="reader", daemon=True).start()
    found: list[News] = []
    ends = time.monotonic() + FIRST_NEWS_SECONDS
    while (left := ends - time.monotonic()) > 0:
        try:
            news = reports.get(timeout=left)
        except queue.Empty:
            break
        if not found:
            ends = time.monotonic() + MORE_NEWS_SECONDS
        if isinstance(news, CardIn | ReaderReady | ReaderLost):
            found.append(news)
    return found


def _readers(news: list[News], around: Surroundings) -> Findings:
    """Yield the readers' names. Raises Stop where there is none."""
    names = sorted({name for each in news if isinstance(each, ReaderReady) for name in each.readers})
    lost = next((each.error for each in news if isinstance(each, ReaderLost)), None)
    cards = [each for each in news if isinstance(each, CardIn)]
    if lost and not cards and not names:
        raise Stop(_no_reader(lost, around))
    yield Finding("readers", f"Connected: {', '.join(names) or 'a token without a reader'}.")
    if any("Virtual PCD" in name for name in names):
        yield Finding("readers", "One of them is vpcd, which is for tests.", Trouble.TEST_READER)
    if not cards:
        raise Stop(Finding("card", "There is no card in a reader.", Trouble.NO_CARD))


def _no_reader(error: AgentError, around: Surroundings) -> Finding:
    if error.fault is Fault.READER_NOT_FOUND:
        return Finding("readers", f"{error.says} {error.advice}", Trouble.READER_NOT_FOUND)
    if error.fault is not Fault.NO_READER:
        return Finding("readers", str(error), FAULTS.get(error.fault, Trouble.NO_READER))
    classes = around.find("/sys/bus/usb/devices/*/bInterfaceClass")
    if not any(path.read_text().strip() == _USB_SMARTCARD_CLASS for path in classes):
        return Finding("readers", "No card reader is connected.", Trouble.NO_READER)
    if not any("ccid" in name for name in drivers(around)):
        return Finding("readers", "A USB card reader is connected, and its driver is missing.", Trouble.NO_DRIVER)
    return Finding("readers", "A USB card reader is connected, and pcscd does not take it.", Trouble.READER_NOT_TAKEN)


def _card(source: CardSource, card: CardIn, around: Surroundings) -> Findings:
    subject = f"card in {card.reader}"
    says = f"ATR {card.atr.hex(' ').upper() or 'none'}: {guess_series(card, around.settings.reader)}."
    if _OLD_CARD in card.atr:
        yield Finding(subject, f"{says} The live service has refused these since May 2026.", Trouble.CARD_OF_OLD_SERIES)
        return
    try:
        with source.open(card) as identity:
            facts = identity.facts()
    except AgentError as error:
        trouble = FAULTS.get(error.fault, Trouble.CARD_NOT_USABLE)
        yield Finding(subject, f"{says} {error.says} ({error.technical})", trouble)
        return
    yield Finding(subject, says)
    yield Finding(subject, f"Of {facts.certificate.uid}, with a key of {facts.certificate.algorithm.name}.")
    yield _dates(subject, facts, around)
    yield _tries(subject, facts)


def guess_series(card: CardIn, reader: str) -> str:
    """Return what a card probably is: series 9 and 10 are PIV cards, series 8 wants its maker's software."""
    if _OLD_CARD in card.atr:
        return "series 5 or 6"
    if not card.atr:
        return "a token of this PC"
    return "read by its maker's software" if reader.startswith("pkcs11:") else "series 9 or 10, where it is an NHS card"


def _dates(subject: str, facts: CardFacts, around: Surroundings) -> Finding:
    certificate, now = facts.certificate, around.now()
    ends = f"{certificate.not_after:%-d %B %Y}"
    if now > certificate.not_after:
        return Finding(subject, f"Its certificate ended on {ends}.", Trouble.CARD_EXPIRED)
    if now < certificate.not_before:
        begins = f"{certificate.not_before:%-d %B %Y %H:%M} UTC"
        return Finding(subject, f"Its certificate begins on {begins} only.", Trouble.CARD_NOT_YET_VALID)
    if certificate.days_left(now) <= EXPIRY_WARNING_DAYS:
        return Finding(subject, describe_expiry(certificate, now), Trouble.CARD_EXPIRES_SOON)
    return Finding(subject, f"Its certificate is valid until {ends}.")


def _tries(subject: str, facts: CardFacts) -> Finding:
    if facts.tries_left is None:
        return Finding(subject, "It does not say how many passcode tries are left.")
    says = f"{counted(facts.tries_left, 'passcode try', 'passcode tries')} left; this spent none."
    if facts.tries_left == 0:
        return Finding(subject, "It is locked: no passcode tries are left.", Trouble.CARD_LOCKED)
    return Finding(subject, says, Trouble.LAST_TRY if facts.tries_left == 1 else None)
