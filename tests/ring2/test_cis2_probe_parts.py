"""What the probe is made of: a browser that stays where it may be, COMMAND and its time, and the cookies it leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.machine import wait_until

from spine_stub.cis2.conformance.probe import browser as browsers
from spine_stub.cis2.conformance.probe.browser import Browser, Places, ProbeError
from spine_stub.cis2.conformance.probe.sign_in import Application, run


class Site(BaseHTTPRequestHandler):
    """A site that says which cookies it got, and leads elsewhere."""

    def do_GET(self) -> None:
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"more ")
        else:
            self.send_response(200)
            self.send_header("Set-Cookie", "visit=1; HttpOnly; Secure")
            self.end_headers()
            self.wfile.write(f"cookies: {self.headers.get('Cookie')}".encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def port() -> Iterator[int]:
    with served() as port:
        yield port


@pytest.fixture
def browser() -> Browser:
    return Browser(Places())


def test_it_keeps_cookies_and_follows_redirects(browser: Browser, port: int) -> None:
    browser.get(f"http://127.0.0.1:{port}/")
    page = browser.get(f"http://127.0.0.1:{port}/to?/here")
    assert (page.status, page.text) == (200, "cookies: visit=1")
    assert page.url == f"http://127.0.0.1:{port}/here"


def test_it_leaves_no_site_when_it_only_looks(browser: Browser, port: int) -> None:
    with served() as other:
        assert browser.get(f"http://127.0.0.1:{port}/to?http://127.0.0.1:{other}/", leave=False).status == 302
        assert browser.get(f"http://127.0.0.1:{port}/to?http://127.0.0.1:{other}/").text == "cookies: None"


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "http://ward.example/", "https://127.0.0.1.ward.example/", "http://notlocalhost/"]
)
def test_it_goes_nowhere_else(browser: Browser, port: int, url: str) -> None:
    for start in (url, f"http://127.0.0.1:{port}/to?{url}"):
        with pytest.raises(ProbeError, match="is not this machine, and --allow-host does not name it"):
            browser.get(start)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://[", "x", "", "data:,Hello"])
def test_it_opens_no_other_kind_of_address(browser: Browser, port: int, url: str) -> None:
    with pytest.raises(ProbeError, match="is no "):
        browser.get(url)
    with suppress(ProbeError):
        assert browser.get(f"http://127.0.0.1:{port}/to?{url}").text in ("", "cookies: None")


def test_a_page_without_end_is_cut_off(browser: Browser, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsers, "_MOST_BYTES", 100_000)
    assert len(browser.get(f"http://127.0.0.1:{port}/endless").text) < 300_000


def test_redirects_in_a_circle_end(browser: Browser, port: int) -> None:
    circle = f"http://127.0.0.1:{port}/to?/to?/to?"
    assert browser.get(circle).status in (200, 302)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cookies_that_curl_wrote_are_sent(browser: Browser, port: int, host: str, tmp_path: Path) -> None:
    jar = tmp_path / "cookies.txt"
    lines = ["# Netscape HTTP Cookie File", f"#HttpOnly_{host}\tFALSE\t/\tFALSE\t0\tvisit\tabc", ""]
    jar.write_text("\n".join(lines))
    browser.load(jar)
    assert browser.get(f"http://{host}:{port}/").text == "cookies: visit=abc"


@pytest.mark.parametrize("content", ["not a jar\n", "# Netscape HTTP Cookie File\na b\n", "\0\xff"])
def test_another_file_is_no_cookie_file(browser: Browser, tmp_path: Path, content: str) -> None:
    jar = tmp_path / "cookies.txt"
    jar.write_text(content, "latin-1")
    with pytest.raises(ProbeError, match="cannot be read"):
        browser.load(jar)


def test_a_command_that_leaves_no_cookies_signs_nobody_in(browser: Browser, port: int) -> None:
    application = Application(f"http://127.0.0.1:{port}/", "cookies: visit", "", "true")
    assert application.sign_in(browser) == ""
    assert not application.is_shown(application.look(browser))


def test_a_command_leaves_its_cookies_where_it_is_told_to(browser: Browser, port: int, tmp_path: Path) -> None:
    script = tmp_path / "sign-in.sh"
    cookie = "127.0.0.1\\tFALSE\\t/\\tFALSE\\t0\\tvisit\\t7\\n"
    script.write_text(f'#!/bin/sh\nprintf "# Netscape HTTP Cookie File\\n{cookie}" >"$COOKIE_JAR"\n')
    script.chmod(0o755)
    application = Application(f"http://127.0.0.1:{port}/", "visit=7", "", f"'{script}'")
    assert application.sign_in(browser) == ""
    assert application.is_shown(application.look(browser))


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = tmp_path / "hang.sh"
    script.write_text(f"sleep 600 & echo $! >{mark}; sleep 600\n")
    begun = time.monotonic()
    said = run(f"sh {script}", {}, seconds=1)
    assert said == "COMMAND took over 1 seconds and was ended"
    assert time.monotonic() - begun < 30
    stat = Path(f"/proc/{mark.read_text().strip()}/stat")
    wait_until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


def test_what_a_command_said_last_is_passed_on() -> None:
    assert run("sh -c 'echo one; echo two >&2; exit 3'", {}) == "COMMAND ended with 3: two"


@pytest.mark.parametrize("command", ["/no/such/program", "'unbalanced", "", " "])
def test_what_is_no_command_is_said(command: str) -> None:
    with pytest.raises(ProbeError, match="COMMAND cannot be started"):
        run(command, {})
