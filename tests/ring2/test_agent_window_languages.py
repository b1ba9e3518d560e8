"""Every screen in every language: all of it goes through the catalogue, and nothing of it is cut off."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator

import pytest
from support.agent import Slot
from support.machine import need
from support.scenes import CONTACTS, NAME, READERS, ROLES, SCENES, UID, Stage
from support.screen import Display
from support.window import WindowOnScreen, text_of

import agent
from agent import Sentences, State

# What is the person's, the PC's or a program's, and the same in every language.
OTHERS = [
    *(NAME, UID, *READERS, *CONTACTS.__dict__.values(), "ACS ACR1252 PICC Reader"),
    *(text for role in ROLES for text in (role.name, role.org_name, role.org_code or "")),
    *("https://clinic.example.nhs.uk", "/usr/lib/firefox-esr/firefox-esr, process 4711"),
    *("Lanyard", "Cymraeg", "English", "xyz"),
    *("Prescription 5A1-77 for Mr Bevan: amoxicillin 500 mg capsules, 21", "Authentication", "Key Management"),
]


class Marked(gettext.NullTranslations):
    """A language whose sentences are the English ones, marked."""

    def gettext(self, message: str) -> str:
        return f"\u2039{message}\u203a"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def unmarked(text: str) -> str:
    """What of a text went through no catalogue."""
    for other in sorted(OTHERS, key=len, reverse=True):
        text = text.replace(other, "")
    while text != (text := re.sub(r"\u2039[^\u2039\u203a]*\u203a", "", text)):
        pass
    return "".join(re.findall(r"[^\W\d_]+", text))


@pytest.fixture
def stage(screen: Display) -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def seen(stage: Stage) -> list[str]:
    return [text for widget in agent.visible(stage.root) if (text := text_of(widget))]


def test_all_that_people_see_goes_through_the_catalogue(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sentences, "catalogue", Marked())
    missed = {}
    for name in SCENES:
        if name not in ("technical-detail", "check-this-pc"):  # which are for the service desk
            stage.shows(name)
            missed[name] = [text for text in seen(stage) if unmarked(text)]
    assert not {name: texts for name, texts in missed.items() if texts}


@pytest.mark.parametrize("display", ["1024x768"], indirect=True)
@pytest.mark.parametrize("kiosk", [False, True], ids=["window", "kiosk"])
@pytest.mark.parametrize("percent", [100, 200])
@pytest.mark.parametrize("language", agent.LANGUAGES)
def test_nothing_is_cut_off(language: str, percent: int, kiosk: bool, screen: Display) -> None:
    if kiosk:
        need("Xlib")
    stage = Stage(kiosk=kiosk, language=language)
    stage.window.zoom(percent / 100)
    cut = []
    for name in SCENES:
        stage.shows(name)
        for widget in agent.visible(stage.root):
            right, bottom = widget.winfo_rootx() + widget.winfo_width(), widget.winfo_rooty() + widget.winfo_height()
            short = widget.winfo_reqwidth() - widget.winfo_width(), widget.winfo_reqheight() - widget.winfo_height()
            is_text = widget.winfo_class() in ("TLabel", "TButton")
            if right > 1024 or bottom > 768 or (is_text and max(short) > 0):
                cut.append((name, text_of(widget), right, bottom, short))
    stage.close()
    assert not cut


def test_a_button_changes_the_language_until_the_person_leaves(window: WindowOnScreen, slot: Slot) -> None:
    window.clicks("Cymraeg")
    assert "Rhowch eich cerdyn yn y darllenydd" in window.text()
    assert "Nid oes siaradwr Cymraeg wedi gwirio'r geiriau hyn eto." in window.text()
    assert window.root.title() == "Lanyard: mewngofnodwch \u00e2'ch cerdyn clyfar"
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    assert "Rydych wedi mewngofnodi" in window.text()
    slot.pull()
    window.sees(State.WAITING)
    assert "Put your card into the reader" in window.text()


def test_where_there_is_no_catalogue_there_is_no_button(screen: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "CATALOGUES", ())
    stage = Stage(language="cy")
    stage.shows("waiting")
    assert not {"Cymraeg", "English"} & set(seen(stage))
    assert "Put your card into the reader" in seen(stage)
    stage.close()
