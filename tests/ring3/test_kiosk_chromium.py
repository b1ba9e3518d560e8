"""A real Chromium for each session: it begins with nothing, and goes with all that it has started and kept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import QUIET, own_chromium
from support.extension import LOAD, Pages, under_policy
from support.hooks import B, Hooks, Kept
from support.machine import TIED_TO_THE_RUN, need, stop, wait_until
from support.screen import Display
from support.ticket_socket import LiveAgent

from agent import State
from kiosk.chromium.policies import policies
from kiosk.hooks import process_tree

CHROMIUM = [sys.executable, "-m", "kiosk", "chromium"]
# Tells what is there of who was here before, and leaves something.
LEAVES_TRACES = """<!doctype html><title>App</title><script>
const before = { cookie: document.cookie, stored: localStorage.getItem("who"), bridge: "nhsAuth" in window };
document.cookie = "who=somebody; max-age=100000";
localStorage.setItem("who", "somebody");
fetch("/", { method: "POST", body: JSON.stringify(before) });
</script>"""


@pytest.fixture
def page() -> Iterator[Pages]:
    page = Pages()
    page.page = LEAVES_TRACES
    yield page
    page.close()


@pytest.fixture
def hooks(live: LiveAgent, runtime: Path, page: Pages, displays: Callable[[str], Display]) -> Iterator[Hooks]:
    """Real hooks of a real agent, which start Chromium for whoever signs in."""
    need("chromium", "Xlib")
    hooks = Hooks(runtime)
    hooks.environment = {"DISPLAY": displays("1024x768").name}
    command = [*CHROMIUM, "--config", str(hooks.config), page.origin]
    hooks.configure({"name": "browser", "command": command}, browser=["chromium", *QUIET])
    hooks.launch()
    yield hooks
    hooks.close()


def traces(page: Pages) -> dict[str, object]:
    """Wait for the page to tell what it has found."""
    wait_until(lambda: page.posted, 60, "the page in Chromium")
    found: dict[str, object] = json.loads(page.posted.pop())
    return found


NOTHING = {"cookie": "", "stored": None, "bridge": False}


@pytest.mark.parametrize("live", [{"hooks": True, "kiosk": True}], indirect=True)
def test_each_session_has_an_empty_browser_that_is_gone_within_a_second(
    live: LiveAgent, hooks: Hooks, page: Pages
) -> None:
    for card in ("one-role", "three-roles"):
        live.signs_in(card)
        session = live.conductor.signed_in().id
        assert traces(page) == NOTHING
        profile = hooks.session_folder(session) / "chromium" / "profile"
        wait_until(lambda profile=profile: (profile / "Default" / "Cookies").exists(), 20)
        assert len(hooks.tree()) > 5
        live.pull()
        live.sees(State.WAITING)
        wait_until(lambda: hooks.tree() == [], 1.0, "the end of every process")
        wait_until(lambda session=session: not hooks.session_folder(session).exists(), what="its folder wiped")


TICKS = """<!doctype html><title>App</title><body style="background: #ff0000"><script>
setInterval(() => fetch("/", { method: "POST", body: "tick" }), 100);
</script>"""


def test_a_parked_persons_browser_stands_still_out_of_sight_and_goes_on(
    kept: Kept, page: Pages, displays: Callable[[str], Display]
) -> None:
    need("chromium", "Xlib")
    screen = displays("1024x768")
    kept.environment = {"DISPLAY": screen.name}
    page.page = TICKS
    command = [*CHROMIUM, "--config", str(kept.config), "--full-screen", page.origin]
    kept.configure({"name": "browser", "command": command}, browser=["chromium", *QUIET])
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: page.posted and "#FF0000" in screen.colours(), 60, "the page in Chromium")
    assert "failed" not in kept.tell("locked", reason="parked")
    assert "#FF0000" not in screen.colours()
    page.posted.clear()
    kept.tell("signed_in", B)
    wait_until(lambda: page.posted, 60, "the other person's page")
    kept.tell("signed_out", B)
    page.posted.clear()
    assert {process.state for process in process_tree.descendants(kept.reapers()[0])} == {"T"}
    assert not page.posted
    kept.tell("resumed")
    wait_until(lambda: page.posted, what="the page again")
    wait_until(lambda: "#FF0000" in screen.colours(), 20, "its window again")


SIDE_LOADED = {
    "manifest_version": 3,
    "name": "Side-loaded",
    "version": "1",
    "content_scripts": [{"matches": ["<all_urls>"], "js": ["content.js"], "run_at": "document_start"}],
}
TELLS_OF_IT = """<!doctype html><script>
fetch("/", { method: "POST", body: JSON.stringify(document.documentElement.dataset.sideLoaded ?? "nothing") });
</script>"""
ALL_TEXT = r"""
const text = (node) => node.nodeType === 3 ? node.textContent
  : [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.childNodes].map(text).join(" ");
return text(document.body).replace(/\s+/g, " ");
"""


def side_loaded(folder: Path) -> Path:
    """Write an extension, as a developer has it, that marks each page."""
    extension = folder / "extension"
    extension.mkdir(parents=True)
    (extension / "manifest.json").write_text(json.dumps(SIDE_LOADED))
    (extension / "content.js").write_text('document.documentElement.dataset.sideLoaded = "it is there";')
    return extension


@pytest.mark.parametrize(
    ("policy", "found"), [(policies([]), "nothing"), ({"BrowserSignin": 0}, "it is there")], ids=["ours", "none"]
)
def test_no_extension_is_loaded_by_the_side(policy: dict[str, Any], found: str, page: Pages, tmp_path: Path) -> None:
    need("chromium")
    page.page = TELLS_OF_IT
    load = [f"--load-extension={side_loaded(tmp_path)}", LOAD]
    command = [*TIED_TO_THE_RUN, under_policy(tmp_path, policy), "--headless", *QUIET, *load]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([*command, f"--user-data-dir={tmp_path / 'profile'}", page.origin], **silent)
    try:
        wait_until(lambda: page.posted, 60, "the page")
    finally:
        stop(running)
    assert json.loads(page.posted[0]) == found


def test_nobody_debugs_it(tmp_path: Path) -> None:
    """Who debugs a browser reads its pages, cookies and passwords."""
    need("selenium", "chromium")
    from selenium.common.exceptions import WebDriverException

    binary = under_policy(tmp_path, policies([]))
    with pytest.raises(WebDriverException), own_chromium(tmp_path / "profile", binary=binary):
        pass


def test_chromium_knows_each_policy(tmp_path: Path) -> None:
    ours = policies([]) | {"DeveloperToolsAvailability": 1}  # or it could not be asked
    with own_chromium(tmp_path / "profile", binary=under_policy(tmp_path, ours)) as browser:
        browser.open("chrome://policy")
        browser.wait(lambda: "URLBlocklist" in browser.run(ALL_TEXT), what="the policies")
        text = browser.run(ALL_TEXT).partition("Not set.")[0]
        browser.open("chrome://settings")
        assert "blocked" in browser.text()
    for name in ours:
        status = re.search(rf" {name} .*? Level Mandatory Status (\w+) ", text)
        assert status, name
        assert status[1] in ("OK", "Deprecated"), name
