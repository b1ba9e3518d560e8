"""What the window says in another language: a whole catalogue, and English where there is none that can be read."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest
from support.sentences import ROOT, WELSH, Sentence, catalogue, sentences

import agent
from agent import AgentError, Contacts, Fault, Sentences, WrongPasscode, counted

CATALOGUE = catalogue(WELSH)
SAID = {key: forms for key, forms in CATALOGUE.items() if key.text}


@pytest.fixture
def welsh() -> Iterator[None]:
    Sentences.speak("cy")
    yield
    Sentences.speak("en")


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_no_sentence_is_missing_from_the_catalogue_and_none_is_left_over() -> None:
    """Each sentence of the window has a msgid in locale/cy/LC_MESSAGES/lanyard.po."""
    assert sorted(set(sentences()) - set(SAID)) == []
    assert sorted(set(SAID) - set(sentences())) == []


@pytest.mark.parametrize("sentence", SAID, ids=lambda sentence: sentence.text[:40])
def test_each_sentence_has_all_its_forms_and_placeholders(sentence: Sentence) -> None:
    forms = SAID[sentence]
    assert len(forms) == (6 if sentence.plural else 1)
    for form in forms:
        assert form.strip()
        assert placeholders(form) == placeholders(sentence.text)
        assert form.endswith(".") == sentence.text.endswith(".")


def test_the_catalogue_that_is_read_is_made_of_the_one_that_is_written() -> None:
    """Made by: msgfmt --check -o lanyard.mo lanyard.po, in locale/cy/LC_MESSAGES."""
    made = gettext.translation("lanyard", ROOT / "locale", ["cy"])
    for (text, plural), forms in SAID.items():
        if plural:
            assert [made.ngettext(text, plural, number) for number in (0, 1, 2, 3, 6, 4)] == forms
        else:
            assert made.gettext(text) == forms[0]


def test_the_catalogue_says_that_no_speaker_has_checked_it() -> None:
    (header,) = CATALOGUE[Sentence("")]
    assert "Last-Translator: not yet checked by a speaker\n" in header
    assert agent.Settings().language == "en"


def test_sentences_are_looked_up_whole() -> None:
    """What is put together before it is looked up is in no catalogue."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "agent.py").read_text())) if isinstance(node, ast.Call)]
    looked_up = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_"]
    assert len(looked_up) > 50
    assert not [ast.unparse(what) for what in looked_up if isinstance(what, ast.JoinedStr | ast.BinOp)]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6], ids=str)
def test_things_are_counted_as_the_language_does(number: int, welsh: None) -> None:
    noun = {2: "gynnig", 3: "chynnig", 6: "chynnig"}.get(number, "cynnig")
    assert counted(number, "try", "tries") == f"{number} {noun}"
    assert str(WrongPasscode(number)).startswith(f"Nid yw'r cod pas hwnnw'n gywir. {number} {noun} ar ôl. Gwiriwch")


def test_dates_and_times_are_said_in_the_language(welsh: None) -> None:
    assert agent.describe_date(datetime(2027, 5, 3, tzinfo=UTC)) == "3 Mai 2027"
    assert agent.describe_time_left(2 * 3600 + 120) == "2 awr 2 funud"


def test_an_error_is_said_in_the_language_of_the_moment(welsh: None) -> None:
    error = AgentError(Fault.NO_READER)
    assert error.says == "Nid oes darllenydd cardiau wedi'i gysylltu â'r cyfrifiadur hwn."
    Sentences.speak("en")
    assert error.says == "No card reader is connected to this PC."


@pytest.mark.parametrize("sentence", sorted({sentence.text for sentence in SAID}), ids=lambda text: text[:40])
def test_a_sentence_that_sends_people_somewhere_does_so_in_each_language(sentence: str, welsh: None) -> None:
    contacts = Contacts("01000 555 000", "renewal.example")
    in_welsh = contacts.beside(agent._(sentence))
    Sentences.speak("en")
    assert bool(in_welsh) is bool(contacts.beside(sentence))


BROKEN = {
    "not there": None,
    "empty": b"",
    "text": b"msgid",
    "cut off": WELSH.with_suffix(".mo").read_bytes()[:3000],
    "header only": WELSH.with_suffix(".mo").read_bytes()[:30],
    "plural form that is no expression": WELSH.with_suffix(".mo").read_bytes().replace(b"plural=(", b"plural=!!"),
    "no UTF-8": re.sub(rb"gywir", b"\xff\xff\xff\xff\xff", WELSH.with_suffix(".mo").read_bytes()),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_without_a_catalogue_that_can_be_read_english_stays(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "CATALOGUES", (tmp_path,))
    if content is not None:
        place = tmp_path / "cy" / "LC_MESSAGES" / "lanyard.mo"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    Sentences.speak("cy")
    assert Sentences.language == "en"
    assert counted(2, "try", "tries") == "2 tries"
