"""A Chromium with the extension in it, its native host installed, and pages to ask from. The fixture is `extended`."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.agent_socket import SocketServer
from support.browser import Browser, own_chromium
from support.machine import mounts_of_its_own, program, wait_until
from support.native_host import CHROMIUM_ID, allow
from support.pages import Page
from support.source import ROOT

EXTENSION = ROOT / "bridge" / "extension"
LOAD = "--disable-features=DisableLoadExtensionCommandLineSwitch"
CALL = "const done = arguments[1]; window.nhsAuth[arguments[0]]((err, value) => done({err, value}))"


class Pages:
    """An application's server on loopback. /frame has the page of `framed` in a frame, all else is `page`.

    What is posted is kept as `posted`, and answered with "Welcome."
    """

    def __init__(self) -> None:
        self.framed = ""
        self.page = "<!doctype html><title>App</title><p>App</p>"
        self.posted: list[bytes] = []
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(pages.frame() if self.path == "/frame" else pages.page)

            def do_POST(self) -> None:
                pages.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer("Welcome.")

            def _answer(self, body: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def frame(self) -> str:
        return f'<iframe src="{self.framed}/"></iframe>'

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Extended:
    """A browser with the extension, the agent that it reaches, a listed page and an unlisted one."""

    browser: Browser
    agent: SocketServer
    listed: Pages
    unlisted: Pages

    def open(self, url: str) -> None:
        """Go to a listed page and load it until the extension knows that it is listed."""

        def is_there() -> bool:
            self.browser.open(url)
            return bool(self.browser.run("return 'nhsAuth' in window"))

        wait_until(is_there, 20, "window.nhsAuth")

    def call(self, function: str) -> dict[str, Any]:
        """Call one of the page's functions and return what its callback gets: err and value."""
        return dict(self.browser.run_async(CALL, function))


def documented(mark: str, changed: dict[str, str]) -> str:
    """Return the block of docs/applications.md that has this mark in it, with some of its texts changed."""
    blocks = Page.read(ROOT / "docs" / "applications.md").blocks
    text = next(block.text for block in blocks if mark in block.text)
    for before, after in changed.items():
        assert before in text
        text = text.replace(before, after)
    return text


def open_options(browser: Browser, extension_id: str = CHROMIUM_ID) -> None:
    """Go to the options page and wait for its verdict. A driven Chromium reads no policy until such a page is open."""
    browser.open(f"chrome-extension://{extension_id}/options.html")
    browser.find("#state.good, #state.bad", 30)


@contextmanager
def chromium_with_extension(
    profile: Path, *, extension: Path = EXTENSION, policy: dict[str, Any] | None = None
) -> Iterator[Browser]:
    """Run a Chromium that has loaded an unpacked extension; hosts' manifests are in the profile."""
    binary = under_policy(profile.parent, policy) if policy else None
    with own_chromium(profile, f"--load-extension={extension}", LOAD, binary=binary) as browser:
        yield browser


def under_policy(folder: Path, policy: dict[str, Any]) -> Path:
    """Return a program that is Chromium with this policy, which no other Chromium of the machine sees."""
    alone = shlex.join(mounts_of_its_own())
    managed = folder / "etc" / "policies" / "managed"
    managed.mkdir(parents=True)
    (managed / "lanyard.json").write_text(json.dumps(policy))
    binary = folder / "chromium-under-policy"
    mounted = f'mount --bind {folder / "etc"} /etc/chromium && exec {program("chromium")} "$@"'
    binary.write_text(f'#!/bin/sh\nexec {alone} sh -c {shlex.quote(mounted)} chromium "$@"\n')
    binary.chmod(0o755)
    return binary


def install_host(profile: Path, folder: Path, *, extension_id: str = CHROMIUM_ID) -> Path:
    """Put the checkout's host where a Chromium with this profile looks. Returns the manifest's path."""
    from bridge.native_host.installing import wrapper_text

    wrapper = folder / "native-host"
    wrapper.write_text(wrapper_text())
    wrapper.chmod(0o755)
    path = profile / "NativeMessagingHosts" / "uk.nhs.ncrs.auth.json"
    path.parent.mkdir(parents=True)
    origins = [f"chrome-extension://{extension_id}/"]
    about = {"name": "uk.nhs.ncrs.auth", "description": "Lanyard", "path": str(wrapper), "type": "stdio"}
    path.write_text(json.dumps(about | {"allowed_origins": origins}))
    return path


@pytest.fixture(scope="module")
def extended_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extended]:
    """Yield a Chromium with the extension, for a whole module. Tests want `extended`, which is the same, as new."""
    folder = tmp_path_factory.mktemp("extended")
    profile = folder / "profile"
    install_host(profile, folder)
    listed, unlisted, agent = Pages(), Pages(), SocketServer(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        for name, value in allow(folder / "config", listed.origin).items():
            patch.setenv(name, value)
        with chromium_with_extension(profile) as browser:
            open_options(browser)
            yield Extended(browser, agent, listed, unlisted)
    for each in (listed, unlisted, agent):
        each.close()


@pytest.fixture
def extended(extended_chromium: Extended) -> Extended:
    """Return the browser with the extension; its agent has a ticket, and was asked nothing yet."""
    extended_chromium.agent.answers = lambda _: {"parameters": {"ticket": "TICKET"}}
    extended_chromium.agent.asked.clear()
    extended_chromium.browser.open("about:blank")
    return extended_chromium
