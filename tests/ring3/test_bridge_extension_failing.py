"""A real Chromium whose link to the agent is broken: each cause has a code and a sentence of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser
from support.extension import EXTENSION, Pages, chromium_with_extension, install_host, open_options
from support.machine import wait_until
from support.native_host import CHROMIUM_ID, allow

ASK = """
const [method, done] = arguments;
import("/host.js").then(({ Host }) => new Host().ask(method, { origin: "https://app.example" })).then(done);
"""


def ask(browser: Browser, method: str = "getToken") -> dict[str, Any]:
    """Ask the host from the extension's own page."""
    return dict(browser.run_async(ASK, method))


def no_manifest(manifest: Path) -> None:
    manifest.unlink()


def not_json(manifest: Path) -> None:
    manifest.write_text("{")


def wrong_path(manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"path": "/nowhere/native-host"}))


def another_id(manifest: Path) -> None:
    origins = {"allowed_origins": [f"chrome-extension://{'a' * 32}/"]}
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | origins))


def not_executable(manifest: Path) -> None:
    Path(json.loads(manifest.read_text())["path"]).chmod(0o644)


def crashes(manifest: Path) -> None:
    Path(json.loads(manifest.read_text())["path"]).write_text("#!/bin/sh\nexit 3\n")


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failing") / "profile"


@pytest.fixture(scope="module")
def browser(profile: Path) -> Iterator[Browser]:
    """Yield a Chromium with the extension, on one of its pages."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in allow(profile.parent / "config", "https://app.example").items():
            patch.setenv(name, value)
        patch.setenv("XDG_RUNTIME_DIR", str(profile.parent))
        with chromium_with_extension(profile) as started:
            open_options(started)
            yield started


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (no_manifest, 310, "is not installed"),
        (not_json, 310, "is not installed"),
        (wrong_path, 310, "is not installed"),
        (another_id, 311, "is for an extension with another id"),
        (not_executable, 200, "did not start, or ended"),
        (crashes, 200, "did not start, or ended"),
    ],
)
def test_each_cause_is_named(
    browser: Browser, profile: Path, tmp_path: Path, fault: Callable[[Path], None], code: int, says: str
) -> None:
    shutil.rmtree(profile / "NativeMessagingHosts", ignore_errors=True)
    manifest = install_host(profile, tmp_path)
    assert ask(browser, "getBridgeVersion")["success"]
    fault(manifest)
    answer = ask(browser)
    assert (answer["errorCode"], says in answer["errorDescription"]) == (code, True), answer
    assert answer["errorDescription"].endswith("Run lanyard-bridge doctor on this PC.")


def test_an_agent_that_is_not_running_is_named(browser: Browser, profile: Path, tmp_path: Path) -> None:
    shutil.rmtree(profile / "NativeMessagingHosts", ignore_errors=True)
    install_host(profile, tmp_path)
    assert ask(browser)["errorCode"] == 0x80800003


def test_an_answer_without_meaning_is_named(browser: Browser, profile: Path, tmp_path: Path) -> None:
    shutil.rmtree(profile / "NativeMessagingHosts", ignore_errors=True)
    wrapper = Path(json.loads(install_host(profile, tmp_path).read_text())["path"])
    wrapper.write_text("#!/bin/sh\nprintf '\\010\\000\\000\\000{\"id\":1}'; exec cat >/dev/null\n")
    assert ask(browser)["errorCode"] == 201


def test_a_policy_that_forbids_is_named(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    install_host(profile, tmp_path)
    with chromium_with_extension(profile, policy={"NativeMessagingBlocklist": ["uk.nhs.ncrs.auth"]}) as browser:
        open_options(browser)
        assert ask(browser)["errorCode"] == 312
        assert "policy forbids" in browser.text("#state")


def test_a_policy_decides_which_pages_may_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile, listed, other = tmp_path / "profile", Pages(), Pages()
    install_host(profile, tmp_path)
    for name, value in allow(tmp_path / "config", listed.origin, other.origin).items():
        monkeypatch.setenv(name, value)
    policy = {"3rdparty": {"extensions": {CHROMIUM_ID: {"origins": [listed.origin]}}}}
    with chromium_with_extension(profile, policy=policy) as browser:
        open_options(browser)
        assert listed.origin in browser.text("#managed")
        assert not browser.all("form:enabled, #own:not([hidden])")
        assert scripts(browser) == [[f"{listed.origin}/*"]] * 2
    listed.close()
    other.close()


@pytest.mark.parametrize("manifest_names_it", [False, True])
def test_an_extension_with_another_id_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest_names_it: bool
) -> None:
    """Neither where the browser knows whom the host is for, nor where somebody wrote its id into the manifest."""
    copy, profile = tmp_path / "copy", tmp_path / "profile"
    shutil.copytree(EXTENSION, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["key"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    extension_id = id_of_unpacked(copy)
    install_host(profile, tmp_path, extension_id=extension_id if manifest_names_it else CHROMIUM_ID)
    for name, value in allow(tmp_path / "config", "https://app.example").items():
        monkeypatch.setenv(name, value)
    with chromium_with_extension(profile, extension=copy) as browser:
        open_options(browser, extension_id)
        assert ask(browser)["errorCode"] == (301 if manifest_names_it else 311)


def scripts(browser: Browser) -> list[list[str]]:
    """Return the patterns of pages that each of the extension's scripts runs in."""
    asked = "const done = arguments[0]; chrome.scripting.getRegisteredContentScripts().then(done)"
    return [script["matches"] for script in wait_until(lambda: browser.run_async(asked), what="registered scripts")]


def id_of_unpacked(folder: Path) -> str:
    """Return the id that Chromium gives an unpacked extension without a key: letters for its path's digest."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


def test_a_page_that_went_while_its_origin_was_looked_up_is_not_asked_for(browser: Browser) -> None:
    gone = (
        "const { Host } = await import('/host.js'); const host = new Host(); host.close(); return host.ask('getToken')"
    )
    script = f"const done = arguments[0]; (async () => {{ {gone} }})().then(done)"
    assert browser.run_async(script)["errorCode"] == 200
