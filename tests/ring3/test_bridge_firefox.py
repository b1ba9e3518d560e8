"""Debian's Firefox with the extension: who gets the ticket, and who does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.agent_socket import SocketServer, error
from support.extension import EXTENSION, Pages, documented
from support.firefox import Firefox, own_firefox
from support.machine import wait_until
from support.native_host import FIREFOX_ID, allow

from bridge import __version__
from bridge.errors import TicketCode
from bridge.native_host.browsers import BROWSERS, Place
from bridge.native_host.installing import install

FORGED = """document.dispatchEvent(
  new CustomEvent("lanyard-request", { detail: '{"id": 1, "method": "getToken"}' })
)"""


@dataclass
class Extended:
    """A Firefox with the extension, the agent that it reaches, a listed page and an unlisted one."""

    firefox: Firefox
    agent: SocketServer
    listed: Pages
    unlisted: Pages
    place: Place

    def open_listed(self) -> None:
        """Load the listed page until the extension knows that it is listed."""

        def is_there() -> bool:
            self.firefox.open(self.listed.origin)
            return bool(self.firefox.run("'nhsAuth' in window"))

        wait_until(is_there, 30, "window.nhsAuth")

    def call(self, function: str) -> dict[str, Any]:
        call = f"new Promise((done) => nhsAuth.{function}((err, value) => done({{ err, value }})))"
        return dict(self.firefox.run(call))


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[Pages, Pages, SocketServer, Place]]:
    """Install the host for a person whose home is in a folder, with an agent and two pages, one of them listed."""
    place = Place(is_user=True, environment={"HOME": str(folder / "home")})
    install(place)
    listed, unlisted, agent = Pages(), Pages(), SocketServer(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        for name, value in allow(folder / "config", listed.origin, unlisted.origin).items():
            patch.setenv(name, value)
        yield listed, unlisted, agent, place
    for each in (listed, unlisted, agent):
        each.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extended]:
    folder = tmp_path_factory.mktemp("firefox")
    with prepared(folder) as (listed, unlisted, agent, place), own_firefox(folder / "home") as firefox:
        allow(folder / "config", listed.origin)
        assert firefox.install(EXTENSION) == FIREFOX_ID
        yield Extended(firefox, agent, listed, unlisted, place)


@pytest.fixture
def extended(running: Extended) -> Extended:
    running.agent.answers = lambda _: {"parameters": {"ticket": "TICKET"}}
    running.open_listed()
    running.agent.asked.clear()
    return running


def test_a_listed_page_gets_the_ticket(extended: Extended) -> None:
    assert extended.call("getToken") == {"err": None, "value": "TICKET"}
    assert extended.call("getTokenNoAuth") == {"err": None, "value": "TICKET"}
    assert {each["parameters"]["origin"] for each in extended.agent.asked} == {extended.listed.origin}
    assert extended.call("getBridgeVersion")["value"] == extended.call("getAdaptorVersion")["value"] == __version__


def test_an_unlisted_page_gets_nothing(extended: Extended) -> None:
    """Firefox has no patterns for ports: the function is there on another port of a listed host, and refuses."""
    extended.firefox.open(extended.unlisted.origin)
    assert extended.call("getToken")["err"]["errorCode"] == 300
    assert extended.agent.asked == []


def test_a_listed_page_in_a_frame_gets_nothing(extended: Extended) -> None:
    extended.unlisted.framed = extended.listed.origin
    extended.firefox.open(f"{extended.unlisted.origin}/frame")
    assert extended.firefox.run("'nhsAuth' in window", in_frame=True) is False
    extended.firefox.run(FORGED, in_frame=True)
    extended.open_listed()
    assert extended.call("getTokenNoAuth")["value"] == "TICKET"
    assert len(extended.agent.asked) == 1  # whatever was on its way has come by now


def test_after_card_out_there_is_no_ticket(extended: Extended) -> None:
    gone = error("TicketNotAvailable", TicketCode.TICKET_NOT_AVAILABLE, "Nobody is signed in.")
    extended.agent.answers = lambda _: gone
    answer = extended.call("getTokenNoAuth")
    assert answer["err"] == {"errorCode": 0x80100009, "errorDescription": "Nobody is signed in."}
    assert answer.get("value") is None


def test_the_person_is_asked_no_more_once_the_page_is_gone(extended: Extended) -> None:
    extended.agent.answers = lambda _: None
    before = extended.agent.hung_up
    extended.firefox.run("void nhsAuth.getToken(() => {})")
    wait_until(lambda: extended.agent.asked)
    extended.firefox.open("about:blank")
    wait_until(lambda: extended.agent.hung_up > before, 20)


def test_a_program_that_is_not_installed_is_named(extended: Extended) -> None:
    manifest = BROWSERS[3].manifest(extended.place)
    moved = manifest.rename(manifest.with_suffix(".moved"))
    try:
        extended.open_listed()
        assert extended.call("getToken")["err"]["errorCode"] == 310
    finally:
        moved.rename(manifest)


def test_a_policy_installs_the_extension_unsigned_and_decides_which_pages_may_ask(tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "lanyard"), "zip", EXTENSION)).rename(tmp_path / "lanyard.xpi")
    with prepared(tmp_path) as (listed, other, agent, place):
        changed = {"file:///opt/lanyard/lanyard.xpi": packed.as_uri(), "https://app.example": listed.origin}
        policies = json.loads(documented("xpinstall", changed))["policies"]
        with own_firefox(tmp_path / "home", policies) as firefox:
            extended = Extended(firefox, agent, listed, other, place)
            extended.open_listed()
            assert extended.call("getToken") == {"err": None, "value": "TICKET"}
            firefox.open(other.origin)
            assert extended.call("getToken")["err"]["errorCode"] == 300
    assert len(agent.asked) == 1
