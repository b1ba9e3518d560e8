"""The tray's page in a real Chromium: with the mouse, with the keyboard alone, in three sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from support.browser import Browser
from support.emulator import SELECT_PIV, EmulatorProgram, make_card
from support.emulator_links import CardReader
from support.machine import wait_until

from emulator.service.control import request

Run = Callable[..., EmulatorProgram]
SELECT = SELECT_PIV + "00"
WRONG_PASSCODE = "0020008008303030303030FFFF"
RIGHT_PASSCODE = "0020008008313233343536FFFF"
SIZES = {"phone": (360, 740), "laptop": (1280, 900), "projector": (1920, 1080)}
TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "


@pytest.fixture
def running(card_folder: Path, card_reader: CardReader, run_emulator: Run) -> EmulatorProgram:
    """An emulator with an empty reader and three cards in its tray."""
    for name, settings in (("locked", {"tries_left": 0}), ("three-roles", {})):
        make_card(card_folder.with_name(name), **settings)
    program = run_emulator(card_folder.parents[1], card_reader.address, None, "--tray", "0")
    assert program.ready()
    return program


@pytest.fixture
def url(running: EmulatorProgram) -> str:
    return str(wait_until(lambda: request(running.data, command="status")["tray"], what="a tray"))


@pytest.fixture
def page(browser: Browser, url: str) -> Browser:
    """The tray's page, with its cards."""
    browser.open(url)
    browser.find(".card")
    return browser


def card(page: Browser, name: str, part: str) -> str:
    """Return a selector for a part of a card's element."""
    names = [element.text for element in page.all(".card .name")]
    page.run("document.querySelectorAll('.card')[arguments[0]].id = arguments[1]", names.index(name), f"the-{name}")
    return f"#the-{name} {part}"


def put_in(page: Browser, name: str, reader: CardReader) -> None:
    with reader.answering_in_background():
        page.find(card(page, name, ".move")).click()
    page.wait_for_text("Pull out", ".reader")


def tab_to(page: Browser, label: str) -> None:
    """Press Tab until the keyboard is on the button with this label."""
    for _ in range(40):
        page.press(TAB)
        focused = page.focused()
        if label in (focused.get_attribute("aria-label"), focused.text):
            return
    pytest.fail(f"Tab does not reach {label}")


def test_a_card_is_put_in_and_pulled(page: Browser, card_reader: CardReader, running: EmulatorProgram) -> None:
    put_in(page, "one-role", card_reader)
    assert request(running.data, command="status")["card"] == "one-role"
    page.find(".reader .move").click()
    assert card_reader.card_is_gone()
    page.wait_for_text("No card is in", ".reader")
    assert page.console() == []


def drag(page: Browser, face: str, target: str) -> None:
    """Drag with the mouse; once more when the hand was quicker than a busy machine."""
    from selenium.webdriver import ActionChains

    page.run("window.dropped = false; document.addEventListener('drop', () => { window.dropped = true; })")
    for _ in range(5):
        ActionChains(page.driver).drag_and_drop(page.find(face), page.find(target)).perform()
        if page.run("return window.dropped"):
            return
    pytest.fail("nothing was dropped")


def test_a_card_is_dragged_in_and_out(page: Browser, card_reader: CardReader) -> None:
    with card_reader.answering_in_background():
        drag(page, card(page, "three-roles", ".face"), ".reader")
    page.wait_for_text("three-roles", ".reader")
    drag(page, ".reader .face", "#hint")
    page.wait_for_text("No card is in", ".reader")
    assert card_reader.card_is_gone()


@pytest.fixture
def other() -> Iterator[CardReader]:
    """A second reader."""
    waiting = CardReader()
    yield waiting
    waiting.close()


def test_two_readers(page: Browser, card_reader: CardReader, other: CardReader, running: EmulatorProgram) -> None:
    with other.answering_in_background():
        request(running.data, command="insert", card="locked", reader=other.address)
    page.wait_for_text("locked", ".reader:nth-child(2)")
    with card_reader.answering_in_background():
        page.find(card(page, "one-role", ".move")).click()  # into the one that is free
    page.wait_for_text("one-role is in reader 1", "#notice")
    drag(page, card(page, "three-roles", ".face"), ".reader:nth-child(2) .where")
    page.wait_for_text("three-roles", ".reader:nth-child(2)")
    page.wait_for_text("locked", "#tray")
    assert page.text("#readers-title") == "Readers"


def test_the_conversation_appears_in_words(page: Browser, card_reader: CardReader) -> None:
    put_in(page, "one-role", card_reader)
    card_reader.exchange(SELECT)
    card_reader.exchange(WRONG_PASSCODE)
    page.wait_for_text("Choose the identity application (PIV)", "#said")
    page.wait_for_text("6" + "3C2 wrong passcode or none yet, 2 tries left", "#said")
    page.wait_for_text("2 tries left", ".reader")
    assert "30 30" not in page.text("#said")
    page.find("#said summary").click()
    assert "00 20 00 80 .. .. .." in page.text("#said")
    assert "30 30" not in page.run("return document.body.innerHTML")


def test_it_shows_what_another_terminal_does(page: Browser, card_reader: CardReader, running: EmulatorProgram) -> None:
    with card_reader.answering_in_background():
        running.ask("insert", "three-roles")
    page.wait_for_text("three-roles", ".reader")
    running.ask("fault", "one-role", "certificate", "wrong=expired")
    page.wait_for_text("certificate expired", "#tray")
    running.ask("remove")
    page.wait_for_text("No card is in", ".reader")


def test_a_thousand_commands_do_not_choke_it(page: Browser, card_reader: CardReader) -> None:
    put_in(page, "one-role", card_reader)
    for _ in range(1000):
        card_reader.exchange("00A4040005A000000308")
    card_reader.exchange(RIGHT_PASSCODE)
    page.wait_for_text("Try a passcode", "#said", deadline=30)
    assert len(page.all("#said > li")) <= 400


def test_a_fault_is_set_and_mended(page: Browser, card_reader: CardReader) -> None:
    page.find(card(page, "one-role", ".wrong")).click()
    page.find("#faults[open]")
    page.run("const kind = document.querySelector('#kind'); kind.value = 'status'; kind.onchange?.();")
    page.run("document.querySelector('#kind').dispatchEvent(new Event('change'))")
    word = page.find("#fields [name=word]")
    word.clear()
    word.send_keys("6581")
    page.find("#fault-form button").click()
    page.wait_for_text("Answers a chosen status word (6581)", "#faults-set")
    page.press(ESCAPE)
    page.wait_for_text("status 6581", "#tray")
    put_in(page, "one-role", card_reader)
    assert card_reader.exchange(SELECT) == "6581"
    page.wait_for_text("fault: status", "#said")
    page.wait(lambda: "status 6581" not in page.text(".reader"), what="the fault is used up")


def test_a_question_for_the_tries_left_is_no_refusal(page: Browser, card_reader: CardReader) -> None:
    put_in(page, "three-roles", card_reader)
    for apdu in (SELECT, "00200080", WRONG_PASSCODE):
        card_reader.exchange(apdu)
    page.wait_for_text("Try a passcode", "#said")
    kinds = [str(element.get_attribute("class")).split()[-1] for element in page.all("#said > li")]
    assert kinds[:3] == ["refused", "no", "done"]


def test_what_cannot_be_set_is_said(page: Browser) -> None:
    page.find(card(page, "one-role", ".wrong")).click()
    page.find("#fields [name=nth]").send_keys("x")
    page.find("#fault-form button").click()
    page.wait_for_text("nth is something like 1", "#fault-error")


def test_with_the_keyboard_alone(page: Browser, card_reader: CardReader) -> None:
    tab_to(page, "Put one-role in")
    with card_reader.answering_in_background():
        page.press(ENTER)
    page.wait_for_text("Pull out", ".reader")
    page.wait(lambda: page.focused().get_attribute("aria-label") == "Pull one-role out", what="the focus stays")
    card_reader.exchange(SELECT)
    page.wait_for_text("Choose the identity", "#said")
    tab_to(page, "Faults of three-roles")
    page.press(ENTER)
    page.wait(lambda: page.focused().get_attribute("id") == "kind", what="the keyboard is in the dialog")
    page.press("N")  # Never answers
    tab_to(page, "Set this fault")
    page.press(SPACE)
    page.wait_for_text("Never answers", "#faults-set")
    page.press(ESCAPE)
    page.wait(lambda: page.focused().get_attribute("aria-label") == "Faults of three-roles", what="the focus is back")
    page.wait_for_text("mute", "#tray")
    page.run("document.querySelector('#said summary').focus()")
    page.press(ENTER)
    assert "> 00 A4 04 00" in page.text("#said")


def test_what_has_the_keyboard_is_seen(page: Browser) -> None:
    tab_to(page, "Put one-role in")
    shown = page.run("return getComputedStyle(document.activeElement).backgroundColor")
    assert shown == "rgb(255, 235, 59)"


def test_it_comes_back_with_the_emulator(
    page: Browser, url: str, running: EmulatorProgram, card_reader: CardReader, run_emulator: Run
) -> None:
    running.stop()
    page.wait_for_text("The emulator has ended", "#notice")
    port = url.rstrip("/").rpartition(":")[2]
    run_emulator(running.data, card_reader.address, None, "--tray", port).ready()
    page.wait(lambda: "has ended" not in page.text("#notice"), deadline=20)


class _OtherPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title>")

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_page_of_another_origin_presses_nothing(
    browser: Browser, url: str, running: EmulatorProgram, card_reader: CardReader
) -> None:
    with card_reader.answering_in_background():
        running.ask("insert", "one-role")
    with ThreadingHTTPServer(("127.0.0.1", 0), _OtherPage) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{other.server_port}/")
        tried = browser.run_async(
            """
            const [url, done] = arguments;
            const attempt = (options) => fetch(url + "api/remove", options).then(
              (answer) => answer.type === "opaque" ? "sent" : String(answer.status), () => "blocked");
            Promise.all([
              attempt({ method: "POST", body: "{}", mode: "no-cors" }),
              attempt({ method: "POST", body: "{}", headers: { "Content-Type": "application/json" } }),
              fetch(url).then(() => "read", () => "blocked"),
              new Promise((told) => {
                const events = new EventSource(url + "events");
                events.onopen = () => told("listens");
                events.onerror = () => told("blocked");
              }),
            ]).then(done);
            """,
            url,
        )
        other.shutdown()
    assert tried[1:] == ["blocked"] * 3
    assert request(running.data, command="status")["card"] == "one-role"


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_each_size_is_readable(
    colours: str, size: str, page: Browser, card_reader: CardReader, running: EmulatorProgram
) -> None:
    page.prefer(colours)
    page.resize(*SIZES[size])
    put_in(page, "one-role", card_reader)
    for command in (SELECT, "00200080", WRONG_PASSCODE, RIGHT_PASSCODE, "00CB3FFF055C035FC10C00"):
        card_reader.exchange(command)
    running.ask("fault", "three-roles", "slow")
    page.wait_for_text("slow", "#tray")
    page.wait_for_text("The card was put in", "#said")
    page.run("document.querySelectorAll('.new').forEach((entry) => entry.classList.remove('new'))")
    assert page.low_contrast() == []
    assert page.wider_than_the_screen() == []
    page.find(card(page, "three-roles", ".wrong")).click()
    page.find("#faults[open]")
    assert page.low_contrast() == []
    assert page.wider_than_the_screen() == []


def test_what_happens_is_in_sight_on_a_phone(page: Browser, card_reader: CardReader) -> None:
    page.resize(*SIZES["phone"])
    put_in(page, "one-role", card_reader)
    card_reader.exchange(SELECT)
    page.wait_for_text("Choose the identity application", "#said")
    assert page.run("return document.querySelector('#said li').getBoundingClientRect().bottom") < SIZES["phone"][1]


def test_a_locked_card_is_unlocked(page: Browser, running: EmulatorProgram) -> None:
    page.find(card(page, "locked", ".unlock")).click()
    page.wait_for_text("3 tries left", card(page, "locked", ".tries"))
    assert request(running.data, command="status")["card"] is None


@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_text_of_200_percent(size: str, page: Browser, card_reader: CardReader) -> None:
    put_in(page, "one-role", card_reader)
    card_reader.exchange(SELECT)
    page.resize(*SIZES[size], zoom=2)
    assert page.wider_than_the_screen() == []
