"""What pages try at the bridge in a real Chromium: only fetch of a listed page brings the ticket."""

from __future__ import annotations

import contextlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.bridge import BridgeProgram, write_settings
from support.browser import Browser
from support.machine import need

ASK = """
const [url, done] = arguments;
fetch(url, { method: "POST", headers: { "Content-Type": "application/json", "X-Lanyard": "1" }, body: "{}" })
  .then((reply) => reply.text()).then(done, (error) => done(String(error)));
"""
IN_FRAME = """
const [url, sandbox, done] = arguments;
const frame = document.createElement("iframe");
if (sandbox !== null) frame.sandbox = sandbox;
window.addEventListener("message", (event) => done(event.data));
frame.srcdoc = `<script>fetch("${url}", { method: "POST", headers: { "Content-Type": "application/json",
  "X-Lanyard": "1" }, body: "{}" }).then((reply) => reply.text()).then((text) => parent.postMessage(text, "*"),
  (error) => parent.postMessage(String(error), "*"))<\\/script>`;
document.body.append(frame);
"""


class _Page(http.server.BaseHTTPRequestHandler):
    """An empty page without any policy of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>page</title><body>")

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def site() -> Iterator[str]:
    """Serve empty pages on a port, and so an origin, of their own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def listed() -> Iterator[str]:
    need("chromium", "chromedriver", "selenium")
    with site() as url:
        yield url


@pytest.fixture
def bridge(listed: str, socket_server: SocketServer, tmp_path: Path) -> Iterator[BridgeProgram]:
    write_settings(tmp_path, f'origins = ["{listed}"]')
    running = BridgeProgram({**os.environ, "XDG_CONFIG_HOME": str(tmp_path)})
    yield running
    running.end()


def test_a_listed_page_asks_by_fetch(browser: Browser, listed: str, bridge: BridgeProgram) -> None:
    browser.open(listed)
    assert browser.run_async(ASK, f"{bridge.url}/ticket") == '{"ticket": "TICKET"}'
    assert browser.run_async(ASK, f"http://localhost:{bridge.port}/ticket") == '{"ticket": "TICKET"}'


def test_another_page_cannot(browser: Browser, bridge: BridgeProgram, socket_server: SocketServer) -> None:
    with site() as evil:
        browser.open(evil)
        assert "Failed to fetch" in browser.run_async(ASK, f"{bridge.url}/ticket")
    assert not socket_server.asked


def test_a_sandboxed_frame_of_a_listed_page_cannot(
    browser: Browser, listed: str, bridge: BridgeProgram, socket_server: SocketServer
) -> None:
    """Its origin is null, as are those of data: and file: pages."""
    browser.open(listed)
    assert "Failed to fetch" in browser.run_async(IN_FRAME, f"{bridge.url}/ticket", "allow-scripts")
    assert not socket_server.asked


def test_a_form_cannot(browser: Browser, listed: str, bridge: BridgeProgram, socket_server: SocketServer) -> None:
    for page in (listed, "data:text/html,<body>"):
        browser.open(page)
        browser.run(
            "const form = document.createElement('form'); form.method = 'post'; form.action = arguments[0];"
            " form.enctype = 'text/plain'; document.body.append(form); form.submit();",
            f"{bridge.url}/ticket",
        )
        browser.wait_for_text("This is not a page.")
    assert not socket_server.asked


def test_frames_images_and_scripts_show_nothing(
    browser: Browser, listed: str, bridge: BridgeProgram, socket_server: SocketServer
) -> None:
    browser.open(listed)
    loaded = browser.run_async(
        """
        const [url, done] = arguments;
        const outcomes = [];
        const tags = [["img", "src"], ["script", "src"], ["link", "href"]];
        for (const [tag, name] of tags) {
          const element = document.createElement(tag);
          element.rel = "stylesheet";
          for (const outcome of ["load", "error"]) {
            element.addEventListener(outcome, () => {
              if (outcomes.push(tag + " " + outcome) === tags.length) done(outcomes.sort());
            });
          }
          element[name] = url;
          document.body.append(element);
        }
        """,
        f"{bridge.url}/ticket",
    )
    assert loaded == ["img error", "link error", "script error"]
    browser.open(f"{bridge.url}/health")
    assert "lanyard-bridge" not in browser.text()
    assert not socket_server.asked
