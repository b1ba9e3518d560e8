"""Every screen of the agent's window, set up without card, reader or broker: for pictures, and for what must fit.

As a program
it takes a picture of each, of the screen that $DISPLAY names, in a language, with text of so many percent:

    python -m support.scenes FOLDER LANGUAGE PERCENT
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import agent
from agent import (
    AgentError,
    Attempt,
    Bridge,
    CardFacts,
    CardIn,
    Certificate,
    Conductor,
    Contacts,
    Digest,
    Fault,
    Request,
    Role,
    Session,
    SignedIn,
    Signing,
    State,
)
from support.screen import Display
from support.window import text_of

UID, NAME = "555000000001", "Alexandra Fitzgerald-Montgomery"
READERS = "HP USB Smart Card Keyboard 00 00", "Gemalto PC Twin Reader (A1B2C3D4) 01 00"
CONTACTS = Contacts("0100 555 000, or servicedesk@example.nhs.uk", "https://renew.example.nhs.uk")
ROLES = tuple(
    Role(str(number), f"LAN{number:02}", place, "Clinical", "Clinical Provision", name)
    for number, (name, place) in enumerate(
        [
            ("Clinical Practitioner Access Role", "The Lanyard Surgery"),
            ("Nurse Access Role", "Community Nursing and Health Visiting Services of the Northern Districts NHS Trust"),
            ("Systems Support Access Role", "The Lanyard Surgery"),
        ]
        * 6
    )
)


def certificate(days: int = 900, label: str = "") -> Certificate:
    now, key = datetime.now(UTC), agent.ALGORITHMS["rsa 2048"]
    return Certificate(b"", UID, now - timedelta(days=100), now + timedelta(days=days, hours=1), key, label=label)


def signed_in(minutes: int = 600, roles: tuple[Role, ...] = ROLES, days: int = 900, idle: int = 600) -> SignedIn:
    session = Session(UID, NAME, "ticket", roles, minutes, idle, "")
    now = agent.boottime()
    return SignedIn(session, roles[0] if roles else None, certificate(days), now, now)


def attempt(tries: int | None = 3, days: int = 900, **more: Any) -> Attempt:
    known = {"facts": CardFacts(certificate(days), tries), "lane": Mock(), "ends_soon": days < 90}
    return Attempt(CardIn(READERS[0], b""), Mock(), Mock(), **(known | more))


class Stage:
    """The window, on the screen that $DISPLAY names, and its conductor, who does as a scene says."""

    def __init__(self, **look: Any) -> None:
        self.bridge = Bridge()
        self.conductor = Conductor(Mock(), Mock(), self.bridge, Digest.SHA256)
        self.conductor.handle = Mock()  # type: ignore[method-assign]
        self.conductor.use_card = Mock()  # type: ignore[method-assign]
        self.conductor.readers = READERS[:1]
        doctor = ("python3", "-c", "print([])")
        look = {"kiosk": False, "contacts": CONTACTS, "doctor": doctor} | look
        self.window = agent.Window(self.conductor, self.bridge, **look)
        self.root = self.window.root

    def shows(self, name: str) -> None:
        """Set the scene of that name, whatever was before."""
        conductor = self.conductor
        conductor.attempt = conductor.locked = conductor.problem = conductor.request = None
        conductor.log_out_confirmed, conductor.cards, conductor.owners, conductor.ended = None, [], {}, {}
        conductor.readers = READERS[:1]
        self.window.over = None
        self.window.bar.refresh()
        SCENES[name](self)
        self.root.update()

    def goes(self, state: State, **known: Any) -> None:
        """Go to that state's screen, with this known."""
        for what, value in known.items():
            setattr(self.conductor, what, value)
        self.conductor.state = state
        self.window.screen.close()
        self.window.screen = Mock()  # so that no screen stays from the scene before
        self.conductor.on_change(state)
        self.root.update()

    def press(self, text: str) -> None:
        (button,) = (each for each in agent.visible(self.window.screen.frame) if text_of(each) == agent._(text))
        self.window.screen._settled = 0
        self.root.tk.call(button, "invoke")

    def close(self) -> None:
        self.window.close()
        self.bridge.close()
        agent.Sentences.speak("en")


def _problem(fault: Fault, **known: Any) -> Callable[[Stage], None]:
    lost = fault.exit_code == 3
    state = State.NO_READER if lost else State.PROBLEM
    error = AgentError(fault, "POST authvalidate: 500, 12 bytes; a line for the service desk")
    return lambda stage: stage.goes(state, problem=error, attempt=None if lost else attempt(), **known)


def _asked(stage: Stage, **request: Any) -> None:
    program = "/usr/lib/firefox-esr/firefox-esr, process 4711"
    asked = {"origin": "https://clinic.example.nhs.uk", "program": program, "question": "", "answer": Mock()} | request
    stage.conductor.request = Request(**asked)
    stage.conductor.on_request()


def _waiting_for_a_page(stage: Stage) -> None:
    stage.goes(State.WAITING)
    _asked(stage)


def _question(stage: Stage) -> None:
    stage.goes(State.SIGNED_IN, attempt=attempt(signed_in=signed_in()))
    _asked(stage, question=agent._(agent.MAY_HAVE))


def _signing(stage: Stage) -> None:
    stage.goes(State.SIGNED_IN, attempt=attempt(signed_in=signed_in()))
    question = "Prescription 5A1-77 for Mr Bevan: amoxicillin 500 mg capsules, 21"
    _asked(stage, question=question, signing=Signing([b"1", b"2"], Digest.SHA256, True))
    stage.window.screen._read(CardFacts(certificate(), 3))  # type: ignore[attr-defined]


def _busy(state: State) -> Callable[[Stage], None]:
    def scene(stage: Stage) -> None:
        stage.goes(state, attempt=attempt())
        stage.window.screen.after(3_600_000, lambda: None)  # in the place of its own timer
        stage.window.screen._show_progress()  # type: ignore[attr-defined]

    return scene


def _which_card(stage: Stage) -> None:
    cards = [CardIn(reader, b"") for reader in READERS]
    facts = CardFacts(certificate(), 3), CardFacts(certificate(-10), 3)
    stage.goes(State.CHOOSING_CARD, cards=cards, owners=dict(zip(cards, facts, strict=True)), readers=READERS)


def _which_certificate(stage: Stage) -> None:
    facts = CardFacts(certificate(label="Authentication"), 3, others=(certificate(100, "Key Management"),))
    stage.goes(State.CHOOSING_CERTIFICATE, attempt=attempt(facts=facts))


def _long_name(stage: Stage) -> None:
    stage.goes(State.CHOOSING_ROLE, attempt=attempt(signed_in=signed_in()))
    stage.window.screen.list.selection_set("1")  # type: ignore[attr-defined]


def _no_such_role(stage: Stage) -> None:
    stage.goes(State.CHOOSING_ROLE, attempt=attempt(signed_in=signed_in()))
    stage.window.screen.typed("xyz")


def _over(screen: str, **known: Any) -> Callable[[Stage], None]:
    def scene(stage: Stage) -> None:
        stage.goes(State.SIGNED_IN, attempt=attempt(signed_in=signed_in(**known)))
        stage.window.come_over(getattr(agent, screen))
        stage.root.update()

    return scene


def _new_passcode(*typed: str) -> Callable[[Stage], None]:
    def scene(stage: Stage) -> None:
        _over("ChangeScreen")(stage)
        for passcode in typed:
            stage.window.screen.typed(passcode)
            stage.press("Go on")

    return scene


def _unlock(stage: Stage) -> None:
    _problem(Fault.CARD_LOCKED)(stage)
    stage.press("Unlock with a code")


def _doctor(stage: Stage) -> None:
    _problem(Fault.NO_READER)(stage)
    found = "Reader: none is connected to this PC.\nPlug the card reader in, and look whether its lamp is on.\n"
    with patch.object(agent.DoctorScreen, "_ask"):
        stage.window.come_over(agent.DoctorScreen)
    stage.window.screen._show([found])  # type: ignore[attr-defined]


def _detail(stage: Stage) -> None:
    _problem(Fault.BROKER_FAULT)(stage)
    stage.press("Technical detail")


def _wrong(tries: int) -> dict[str, Any]:
    return {"problem": agent.WrongPasscode(tries), "attempt": attempt(tries)}


SCENES: dict[str, Callable[[Stage], None]] = {
    "waiting": lambda stage: stage.goes(State.WAITING),
    "waiting-contactless": lambda stage: stage.goes(State.WAITING, readers=("ACS ACR1252 PICC Reader", READERS[0])),
    "waiting-log-out-unconfirmed": lambda stage: stage.goes(State.WAITING, log_out_confirmed=False),
    "waiting-for-a-page": _waiting_for_a_page,
    "reading": lambda stage: stage.goes(State.READING),
    "passcode": lambda stage: stage.goes(State.PASSCODE, attempt=attempt()),
    "passcode-expiring": lambda stage: stage.goes(State.PASSCODE, attempt=attempt(days=14)),
    "passcode-two-readers": lambda stage: stage.goes(State.PASSCODE, attempt=attempt(), readers=READERS),
    "passcode-session-ended": lambda stage: stage.goes(
        State.PASSCODE, attempt=attempt(), ended={UID: Fault.PARKED_TOO_MANY}
    ),
    "passcode-wrong": lambda stage: stage.goes(State.PASSCODE, **_wrong(2)),
    "last-try": lambda stage: stage.goes(State.LAST_TRY, **_wrong(1)),
    "confirming": lambda stage: stage.goes(State.CONFIRMING, attempt=attempt(1)),
    "reading-typed": _busy(State.READING_TYPED),
    "signing-in": _busy(State.SIGNING_IN),
    "starting-session": _busy(State.SELECTING_ROLE),
    "which-card": _which_card,
    "which-certificate": _which_certificate,
    "roles": lambda stage: stage.goes(State.CHOOSING_ROLE, attempt=attempt(signed_in=signed_in())),
    "roles-long-name": _long_name,
    "roles-none-found": _no_such_role,
    "signed-in": lambda stage: stage.goes(State.SIGNED_IN, attempt=attempt(signed_in=signed_in())),
    "signed-in-over-work": _over("SessionScreen"),
    "signed-in-expiring": _over("SessionScreen", days=14),
    "card-ends-soon": _over("EndsSoonScreen", days=14),
    "signed-in-no-role": _over("SessionScreen", roles=()),
    "signed-in-4-minutes": lambda stage: stage.goes(State.SIGNED_IN, attempt=attempt(signed_in=signed_in(4))),
    "change-role": _over("RolesScreen"),
    "two-minutes": _over("TimeScreen", minutes=2),
    "two-minutes-idle": _over("TimeScreen", idle=2),
    "question": _question,
    "signing": _signing,
    "new-passcode": _new_passcode(),
    "new-passcode-choose": _new_passcode("123456"),
    "new-passcode-weak": _new_passcode("123456", "234567"),
    "new-passcode-again": _new_passcode("123456", "194607"),
    "new-passcode-setting": _new_passcode("123456", "194607", "194607"),
    "new-passcode-set": _over("ChangedScreen"),
    "unlock": _unlock,
    "locked": lambda stage: stage.goes(State.LOCKED, locked=attempt(signed_in=signed_in())),
    "signed-out": lambda stage: stage.goes(State.SIGNED_OUT, log_out_confirmed=True, attempt=attempt()),
    "signing-out": lambda stage: stage.goes(State.SIGNED_OUT, attempt=attempt()),
    "signed-out-here-only": lambda stage: stage.goes(State.SIGNED_OUT, log_out_confirmed=False, attempt=attempt()),
    "technical-detail": _detail,
    "check-this-pc": _doctor,
    **{f"problem-{fault.name.lower().replace('_', '-')}": _problem(fault) for fault in Fault},
}


def take_pictures(folder: Path, language: str, percent: int) -> None:
    """Of every scene on a shared PC: FOLDER/SCENE.png."""
    display = Display(os.environ["DISPLAY"])
    folder.mkdir(parents=True, exist_ok=True)
    stage = Stage(kiosk=True, language=language)
    stage.window.zoom(percent / 100)
    for name in SCENES:
        stage.shows(name)
        display.screenshot(folder / f"{name}.png")
    stage.close()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
