"""The way to each screen of the agent's window, as a person gets there."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator

import pytest

from agent import CardFacts, CardIn, CardSource, Digest, IdentityCard, Mode, Purpose, Report, Request, Signing, State
from support.agent import Slot
from support.window import WindowOnScreen

Visit = Callable[[WindowOnScreen, Slot], None]


def passcode(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("expiring")
    window.sees(State.PASSCODE)


def wrong_passcode(window: WindowOnScreen, slot: Slot) -> None:
    passcode(window, slot)
    window.types("000000")
    window.presses("Return")
    window.waits(lambda: "2 tries left" in window.text())


def last_try(window: WindowOnScreen, slot: Slot) -> None:
    wrong_passcode(window, slot)
    window.signs_in("000000")
    window.sees(State.LAST_TRY)


def confirming(window: WindowOnScreen, slot: Slot) -> None:
    last_try(window, slot)
    window.signs_in("000000")
    window.sees(State.CONFIRMING)


def choosing_role(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("forty-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)


def signed_in(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("expiring")
    window.signs_in()
    window.sees(State.SIGNED_IN)


def without_role(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("no-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)


def signed_out(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    window.clicks("Log out")
    window.sees(State.SIGNED_OUT)


def problem(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("revoked")
    window.signs_in()
    window.sees(State.PROBLEM)


def technical_detail(window: WindowOnScreen, slot: Slot) -> None:
    problem(window, slot)
    window.clicks("Technical detail")


def waiting(window: WindowOnScreen, slot: Slot) -> None:
    window.sees(State.WAITING)


class SeveralCertificates:
    """A source of cards with a second certificate that would do, as tokens can have."""

    def __init__(self, source: CardSource) -> None:
        self._source = source

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        with self._source.open(card) as identity:
            read: Callable[..., CardFacts] = identity.facts

            def facts(purpose: Purpose = Purpose.SIGN_IN) -> CardFacts:
                found = read(purpose)
                return dataclasses.replace(found, others=(dataclasses.replace(found.certificate, label="Another"),))

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(identity, "facts", facts)
                yield identity

    def watch(self, report: Report) -> None:
        self._source.watch(report)

    def close(self) -> None:
        self._source.close()


def choosing_certificate(window: WindowOnScreen, slot: Slot) -> None:
    window.conductor.source = SeveralCertificates(window.conductor.source)
    slot.insert("one-role")
    window.sees(State.CHOOSING_CERTIFICATE)


def ask(window: WindowOnScreen, question: str, signing: Signing | None = None) -> None:
    """Whatever the person answers, the question is gone then."""
    ends = functools.partial(window.conductor.ask, None)
    window.conductor.ask(Request("https://app.example", "a browser", question, lambda answer: ends(), signing))


def asked_to_sign(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("prescriber")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    signing = Signing([b"a prescription", b"another"], Digest.SHA256, as_cms=False)
    ask(window, "Prescription for Jo Bloggs", signing)
    window.waits(lambda: "You sign as" in window.text())


def asked(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    ask(window, "Is it you?")
    window.waits(lambda: "Is it you?" in window.text())


def new_passcode(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.clicks("Change passcode")
    for typed in ("123456", "802917"):
        window.types(typed)
        window.waits(lambda typed=typed: len(window.passcode_field().get()) == len(typed))  # type: ignore[misc]
        window.presses("Return")
        window.waits(lambda: not window.passcode_field().get())
    window.waits(lambda: "again" in window.text())


def new_passcode_set(window: WindowOnScreen, slot: Slot) -> None:
    new_passcode(window, slot)
    window.types("802917")
    window.presses("Return")
    window.waits(lambda: "is set" in window.text())


def locked_card(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("locked")
    window.sees(State.PROBLEM)


def unlocking(window: WindowOnScreen, slot: Slot) -> None:
    locked_card(window, slot)
    window.clicks("Unlock with a code")
    window.waits(window.passcode_field)


def locked(window: WindowOnScreen, slot: Slot) -> None:
    window.conductor.mode = Mode.SESSION_LOCK_PERSISTENCE
    signed_in(window, slot)
    slot.pull()
    window.sees(State.LOCKED)


def unlocking_session(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    window.clicks("Lock")
    window.waits(lambda: "Your session is locked" in window.text())


def changing_role(window: WindowOnScreen, slot: Slot) -> None:
    choosing_role(window, slot)
    window.presses("Down", "Return")
    window.sees(State.SIGNED_IN)
    window.clicks("Change role")
    window.waits(lambda: "Change your role" in window.text())


VISITS = [
    waiting, passcode, wrong_passcode, last_try, confirming, choosing_role, signed_in, without_role, signed_out,
    problem, choosing_certificate, asked_to_sign, asked, new_passcode, new_passcode_set, locked_card, unlocking,
    locked, unlocking_session, changing_role,
]  # fmt: skip
