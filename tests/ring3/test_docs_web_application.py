"""docs/applications.md, "Browser page, by loopback HTTP" and "Web server", followed by somebody with a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.bridge import BridgeProgram, write_settings
from support.browser import Browser
from support.machine import need, stop, wait_until
from support.pages import Page, command_blocks, files_of
from support.servers import answers, own_port
from support.spine import Spine
from support.ticket_socket import LiveAgent

from spine_stub.clinic.service import Application

PAGE = Page.read(Path(__file__).parents[2] / "docs" / "applications.md")
USUAL_BRIDGE = "http://127.0.0.1:8037"


@pytest.fixture
def application(spine: Spine, tmp_path: Path) -> Iterator[str]:
    """Run application.py, beside page.html; both as they stand on the page, but for the bridge's port."""
    need("chromium", "chromedriver", "selenium")
    here = tmp_path / "here"
    here.mkdir()
    for name, text in files_of(PAGE):
        (here / name).write_text(text)
    with own_port() as port:
        pass
    environment = {**os.environ, "BROKER": spine.url, "CA": str(spine.ca_file), "PORT": str(port)}
    running = subprocess.Popen(
        [sys.executable, "application.py"],
        cwd=here,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: answers(port), what="the application listens")
    yield f"http://127.0.0.1:{port}"
    stop(running)


@pytest.fixture
def bridge(application: str, live: LiveAgent, tmp_path: Path) -> Iterator[BridgeProgram]:
    """Run the bridge for the page, and point the page to its port."""
    write_settings(tmp_path, f'origins = ["{application}"]')
    running = BridgeProgram({**os.environ, "XDG_CONFIG_HOME": str(tmp_path)})
    page = tmp_path / "here" / "page.html"
    assert USUAL_BRIDGE in page.read_text()
    page.write_text(page.read_text().replace(USUAL_BRIDGE, running.url))
    yield running
    running.end()


def test_the_pages_application_signs_in_and_ends_with_the_card(
    browser: Browser, application: str, bridge: BridgeProgram, live: LiveAgent
) -> None:
    browser.open(application)
    browser.find("button").click()
    live.asks()
    live.insert("one-role")
    live.types()
    browser.wait_for_text("You are Bryn Hughes.")
    browser.open(f"{application}/me")
    assert "Bryn Hughes" in browser.text()
    live.pull()
    wait_until(lambda: not live.conductor.attempt, what="the agent has logged out")
    browser.driver.refresh()
    browser.wait_for_text("Your session has ended")


def test_the_agents_no_is_shown_in_its_words(
    browser: Browser, application: str, bridge: BridgeProgram, live: LiveAgent
) -> None:
    browser.open(application)
    browser.run(
        "const real = window.fetch; window.fetch = (url, options) => real(url,"
        " options.body ? { ...options, body: options.body.replace('getTicket', 'getTicketNoAuth') } : options);"
    )
    browser.find("button").click()
    browser.wait(lambda: browser.text("#who") not in ("", "You are not signed in."))
    assert browser.text("#who").endswith(".")


def test_it_is_the_chosen_role_that_the_pages_application_tells(application: str, spine: Spine) -> None:
    client, ticket = spine.login("three-roles")
    with requests.Session() as visitor:
        for chosen, job, organisation in (
            ("", None, None),
            ("555100000101", "Clinical Practitioner Access Role", "LAN001"),
            ("555100000103", "Admin/Clinical Support Access Role", None),
        ):
            if chosen:
                client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid=chosen)
            taken = visitor.post(f"{application}/session", json={"ticket": ticket}, headers={"Origin": application})
            assert taken.text == "You are Amara Okafor."
            role = visitor.get(f"{application}/me").json()["role"] or {}
            assert role.get("uniqueIdentifier") == ([chosen] if chosen else None)
            assert role.get("nhsIdCode") == ([organisation] if organisation else None)
            assert job is None or job in role["nhsJobRole"][0]


@pytest.mark.parametrize("body", [None, [], ["x"], {}, {"ticket": None}, {"ticket": 5}, {"ticket": "rubbish"}], ids=str)
def test_the_pages_application_refuses_what_is_no_ticket(application: str, body: object) -> None:
    reply = requests.post(f"{application}/session", json=body, headers={"Origin": application}, timeout=10)
    assert (reply.status_code, reply.cookies.get_dict()) == (403, {})


def test_the_pages_settings_are_settings(tmp_path: Path) -> None:
    text = next(block.text for block in PAGE.blocks if block.text.startswith("origins = "))
    write_settings(tmp_path, text)
    command = next(words for words in command_blocks(PAGE, ("python3",)) if "--policy" in words)
    asked = [sys.executable, *command[1 : command.index("|")]]
    printed = subprocess.run(
        asked, env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=20
    )
    assert json.loads(printed.stdout)["LoopbackNetworkAllowedForUrls"] == ["https://app.example"]


def test_the_pages_curl_begins_a_session(spine: Spine, tmp_path: Path) -> None:
    need("curl")
    _, ticket = spine.login("one-role")
    (tmp_path / "session.json").write_text(dict(files_of(PAGE))["session.json"].replace("TICKET", ticket))
    with Application(spine.url, spine.data, clock=spine.clock) as clinic:
        command = next(words for words in command_blocks(PAGE, ("curl",)) if "@session.json" in words)
        changed = {"ca.pem": str(spine.ca_file), "https://127.0.0.1:8444": clinic.url}
        for before, after in changed.items():
            command = [word.replace(before, after) for word in command]
        printed = subprocess.run([*command, "--silent"], cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert json.loads(printed.stdout)["id"].startswith("pro-xapi-session_")
