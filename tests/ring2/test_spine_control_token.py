"""The console's JSON API, for programs elsewhere that have the control token; the pages stay shut to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from support.spine_client import Client
from werkzeug.test import Client as Wsgi
from werkzeug.test import TestResponse

from spine_stub import Config, SpineStub, create_app
from spine_stub.console import API, PAGES, bearer
from spine_stub.errors import DataError

TOKEN = "0123456789abcdef-of-tests"
ELSEWHERE = {"REMOTE_ADDR": "172.17.0.1"}
CHANGE = '{"fault": "hang"}'
WRONG = [
    None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", TOKEN,
    f"Basic {TOKEN}", f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN},", "Bearer \u00e9\u00ff", f"Bearer\t{TOKEN}",
]  # fmt: skip


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture
def app(demo_data: Path, token_file: Path) -> Flask:
    return create_app(Config(demo_data, store="memory", control_token=token_file))


def ask(app: Flask, path: str, authorization: str | None, host: str = "broker.test:8443", **more: object) -> int:
    """Return the status of a GET, or of a POST where there is a body, from another machine."""
    method = "POST" if "data" in more else "GET"
    headers = {"Authorization": authorization} if authorization is not None else {}
    reply: TestResponse = Wsgi(app).open(
        path, method=method, base_url=f"https://{host}", headers={**headers, **more.pop("headers", {})},  # type: ignore[dict-item]
        environ_overrides=ELSEWHERE, content_type="application/json", **more,
    )  # fmt: skip
    return reply.status_code


def test_the_token_opens_the_api_to_another_machine(app: Flask) -> None:
    assert ask(app, "/stub/api/faults", f"Bearer {TOKEN}") == 200
    assert ask(app, "/stub/api/faults", f"bearer {TOKEN}", data=CHANGE) == 200


@pytest.mark.parametrize("header", WRONG, ids=repr)
def test_any_other_token_opens_nothing(app: Flask, header: str | None) -> None:
    for path in [rule.replace("<int:number>", "1") for rule, method, _ in API if method == "GET"]:
        assert ask(app, path, header) == 403
    assert ask(app, "/stub/api/faults", header, data=CHANGE) == 403


def test_no_page_is_opened_by_it(app: Flask) -> None:
    pages = [rule.replace("<uid>", "555000000002") for rule, method, _ in PAGES if method == "GET"]
    assert {ask(app, rule.replace("<int:number>", "1"), f"Bearer {TOKEN}") for rule in pages} == {403}
    assert ask(app, "/stub/static/console.css", f"Bearer {TOKEN}") == 403


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", f"Bearer {TOKEN}"])
def test_without_the_option_nothing_is_opened(demo_data: Path, header: str) -> None:
    app = create_app(Config(demo_data, store="memory"))
    assert ask(app, "/stub/api/faults", header) == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
def test_another_name_that_leads_here_needs_the_token(app: Flask, host: str) -> None:
    """DNS rebinding: the page of evil.example does not know it."""
    assert ask(app, "/stub/api/faults", None, host) == 403
    assert ask(app, "/stub/api/faults", f"Bearer {TOKEN}", host) == 200


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=str)
def test_another_sites_page_changes_nothing_though_it_knew_the_token(app: Flask, headers: dict[str, str]) -> None:
    assert ask(app, "/stub/api/faults", f"Bearer {TOKEN}", data=CHANGE, headers=headers) == 403


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
@pytest.mark.parametrize(
    ("path", "token", "code"),
    [
        ("/stub/api/faults", TOKEN, "200"),
        ("/stub/api/faults", TOKEN[1:], "403"),
        ("/stub/api/faults", "", "403"),
        ("/stub/", TOKEN, "403"),
    ],
)
def test_another_local_user_needs_it(
    spine_stub_factory: Callable[..., SpineStub], token_file: Path, path: str, token: str, code: str
) -> None:
    spine = spine_stub_factory(control_token=token_file)
    command = ["curl", "-k", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {token}"]
    done = subprocess.run([*command, spine.url + path], user=65534, capture_output=True, text=True, check=False)
    assert done.stdout == code


def test_the_owner_needs_none(spine_stub_factory: Callable[..., SpineStub], token_file: Path) -> None:
    spine = spine_stub_factory(control_token=token_file)
    client = Client(spine.url, spine.ca_file)
    assert client.get("/stub/").ok
    assert client.get("/stub/api/faults").ok


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o620, 0o666, 0o777, 0o610])
def test_a_token_that_others_can_read_or_replace_is_refused(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(DataError, match="chmod 600"):
        bearer.read_token(token_file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("owner", "mode", "is_taken"), [(0, 0o640, True), (0, 0o644, False), (4321, 0o600, False)])
def test_a_container_may_be_given_one_of_roots_for_a_group(
    token_file: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, is_taken: bool
) -> None:
    os.chown(token_file, owner, 0)
    token_file.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    if is_taken:
        assert bearer.read_token(token_file) == TOKEN
    else:
        with pytest.raises(DataError, match=r"make .* your own"):
            bearer.read_token(token_file)


@pytest.mark.parametrize("content", ["", "\n", "short", "fifteen-letters", "two words of some length", "\u00e9" * 20])
def test_a_file_without_a_good_token_is_refused(token_file: Path, content: str) -> None:
    token_file.write_text(content)
    with pytest.raises(DataError, match="control token"):
        bearer.read_token(token_file)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match="control token"):
            bearer.read_token(path)


def test_the_program_does_not_start_with_a_bad_one(token_file: Path, tmp_path: Path) -> None:
    token_file.chmod(0o644)
    command = [sys.executable, "-m", "spine_stub", "--data", str(tmp_path / "d"), "--port", "0", "--control-token"]
    done = subprocess.run([*command, str(token_file)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "spine_stub: others can read or replace the control token" in done.stderr
    assert TOKEN not in done.stderr
