"""A program asks for a signature: what the person sees, types and gets asked, and what the program gets."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from support.agent import Slot
from support.emulator import tries_left_on_disk
from support.window import WindowOnScreen, text_of

from agent import AgentError, Digest, Fault, Request, Signing, State

SUMMARY = "Prescription for Jo Bloggs"
DOCUMENTS = [b"a prescription", b"another", b"a third"]
Answer = bool | Mapping[str, Any] | AgentError


class Asking:
    """A program that asks the person in front of a window, and what it was answered."""

    def __init__(self, window: WindowOnScreen, payloads: list[bytes], as_cms: bool, summary: str) -> None:
        self.window, self.answers = window, list[Answer]()
        signing = Signing(payloads, Digest.SHA256, as_cms)
        self.request = Request("https://app.example", "a browser", summary, self._answered, signing)
        window.conductor.ask(self.request)
        window.waits(lambda: "You sign as" in window.text() or self.answers)

    def _answered(self, answer: Answer) -> None:
        self.answers.append(answer)
        self.window.conductor.ask(None)

    def answer(self) -> Any:
        self.window.waits(lambda: self.answers)
        (answer,) = self.answers
        return answer


@pytest.fixture
def asks(window: WindowOnScreen, slot: Slot) -> Callable[..., Asking]:
    """asks(*payloads, as_cms=False) asks who is signed in with the card prescriber."""

    def ask(*payloads: bytes, as_cms: bool = False, card: str = "prescriber", summary: str = SUMMARY) -> Asking:
        slot.insert(card)
        window.signs_in()
        window.sees(State.SIGNED_IN)
        return Asking(window, list(payloads), as_cms, summary)

    return ask


def test_three_signatures_for_one_passcode(asks: Callable[..., Asking], window: WindowOnScreen, data: Path) -> None:
    asking = asks(*DOCUMENTS)
    said = window.text()
    for words in ("Sign 3 documents?", "https://app.example", "Prescription for Jo Bloggs", "555000000099"):
        assert words in said
    window.picture("signing")
    window.types("123456")
    window.presses("Return")
    answer = asking.answer()
    certificate = x509.load_der_x509_certificate(base64.b64decode(answer["certificate"]))
    made = x509.load_pem_x509_certificate((data / "cards" / "prescriber" / "9C.cert.pem").read_bytes())
    assert certificate == made
    key: Any = certificate.public_key()
    for document, signature in zip(DOCUMENTS, answer["signatures"], strict=True):
        key.verify(base64.b64decode(signature), document, padding.PKCS1v15(), hashes.SHA256())
    window.sees(State.SIGNED_IN)
    window.waits(lambda: "You are signed in" in window.text())


def test_a_document_as_a_cms_message(asks: Callable[..., Asking], window: WindowOnScreen) -> None:
    asking = asks(DOCUMENTS[0], as_cms=True)
    assert "Sign 1 document?" in window.text()
    window.types("123456")
    window.clicks("Sign")
    message = cms.ContentInfo.load(base64.b64decode(asking.answer()["cms"]))["content"]
    assert message["encap_content_info"]["content"].native == DOCUMENTS[0]


def test_the_person_does_not_want_to(asks: Callable[..., Asking], window: WindowOnScreen, data: Path) -> None:
    asking = asks(DOCUMENTS[0])
    window.clicks("Do not sign")
    assert asking.answer() is False
    assert tries_left_on_disk(data / "cards" / "prescriber") == 3


def test_a_wrong_passcode_may_be_typed_again_and_the_last_try_is_said(
    asks: Callable[..., Asking], window: WindowOnScreen
) -> None:
    asking = asks(DOCUMENTS[0])
    window.types("000000")
    window.presses("Return")
    window.waits(lambda: "2 tries left" in window.text())
    window.types("000000")
    window.presses("Return")
    window.waits(lambda: "A wrong passcode now locks the card" in window.text())
    window.picture("signing-last-try")
    assert not asking.answers
    window.types("123456")
    window.presses("Return")
    assert len(asking.answer()["signatures"]) == 1


def test_what_cannot_be_a_passcode_costs_no_try(
    asks: Callable[..., Asking], window: WindowOnScreen, data: Path
) -> None:
    asks(DOCUMENTS[0])
    window.types("12")
    window.presses("Return")
    window.waits(lambda: "cannot be a passcode" in window.text())
    assert tries_left_on_disk(data / "cards" / "prescriber") == 3


def test_the_card_is_pulled_before_the_passcode(
    asks: Callable[..., Asking], window: WindowOnScreen, slot: Slot
) -> None:
    asking = asks(DOCUMENTS[0])
    slot.pull()
    window.sees(State.WAITING)
    assert not [answer for answer in asking.answers if isinstance(answer, Mapping)]


def test_a_second_enter_signs_nothing(asks: Callable[..., Asking], window: WindowOnScreen) -> None:
    """The window comes up while somebody types: digits are kept, Enter counts only once the screen has settled."""
    asking = asks(DOCUMENTS[0])
    window.types("123456")
    window.now -= 1  # as if the screen had just come
    window.presses("Return", after=0)
    window.catches_up()
    assert not asking.answers


def test_a_card_without_such_a_key_says_so(
    asks: Callable[..., Asking], window: WindowOnScreen, slot: Slot, data: Path
) -> None:
    for name in ("9C.cert.pem", "9C.key.pem"):
        (data / "cards" / "one-role" / name).unlink()
    answer = asks(DOCUMENTS[0], card="one-role").answer()
    assert isinstance(answer, AgentError)
    assert answer.fault is Fault.NO_CERTIFICATE


LONG = "harmless words " * 200 + "and all my money"  # too long for text that is made smaller, too


def test_a_long_summary_leaves_room_for_the_passcode_and_is_read_to_its_end(
    asks: Callable[..., Asking], window: WindowOnScreen, slot: Slot
) -> None:
    asking = asks(DOCUMENTS[0], summary=LONG)
    window.window.zoom(2)
    window.root.update()
    assert "3 tries left" in seen(window)
    window.picture("signing-long")
    window.types("123456")
    window.presses("Return")
    window.waits(lambda: "Read to the end" in seen(window))
    assert not asking.answers
    for _ in range(40):
        window.presses("Down")
    window.picture("signing-long-end")
    window.presses("Return")
    assert len(asking.answer()["signatures"]) == 1


def seen(window: WindowOnScreen) -> str:
    """What of the text can be seen: that of widgets which end above the window's lower edge."""
    lowest = window.root.winfo_rooty() + window.root.winfo_height()
    there = [each for each in window.widgets() if each.winfo_rooty() + each.winfo_height() <= lowest]
    return "\n".join(map(text_of, there))
