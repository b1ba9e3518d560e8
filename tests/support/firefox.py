"""A real Firefox without a window, driven by WebDriver BiDi, which it speaks itself. Nothing is ever downloaded.

An extension is installed for the session, which needs no signature: Firefox's own way for those who make extensions.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.machine import TIED_TO_THE_RUN, mounts_of_its_own, need, stop, wait_until

# Nothing but what the tests ask for: no first pages, no telemetry, no updates.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """One Firefox with one tab; `command` is for what is not here (w3.org/TR/webdriver-bidi)."""

    def __init__(self, address: str) -> None:
        import websocket

        self._link = websocket.create_connection(f"{address}/session", suppress_origin=True, timeout=60)
        self._number = 0
        self.command("session.new", capabilities={})
        self._tab = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are passed over."""
        self._number += 1
        self._link.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (answer := json.loads(self._link.recv())).get("id") != self._number:
            pass
        assert answer["type"] == "success", answer
        return dict(answer["result"])

    def install(self, folder: Path) -> str:
        """Install an unpacked extension for this session; return its id."""
        data = {"type": "path", "path": str(folder)}
        return str(self.command("webExtension.install", extensionData=data)["extension"])

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def run(self, expression: str, *, in_frame: bool = False) -> Any:
        """Return what a JavaScript expression is, or what its promise becomes, by way of JSON."""
        tree = self.command("browsingContext.getTree", root=self._tab)["contexts"][0]
        context = tree["children"][0]["context"] if in_frame else self._tab
        wrapped = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        target = {"context": context}
        result = self.command("script.evaluate", expression=wrapped, target=target, awaitPromise=True)
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    def screenshot(self) -> str:
        """Return a picture of the whole page, as PNG in base64."""
        return str(self.command("browsingContext.captureScreenshot", context=self._tab, origin="document")["data"])

    def close(self) -> None:
        self._link.close()


@contextmanager
def own_firefox(home: Path, policies: dict[str, Any] | None = None) -> Iterator[Firefox]:
    """Run a Firefox with a new profile, for which `home` is the person's home, under these policies."""
    need("firefox-esr", "websocket")
    profile = home / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    program = _under_policies(home, policies) if policies else ["firefox-esr"]
    command = [*TIED_TO_THE_RUN, *program, "--headless", "--no-remote", "--remote-debugging-port=0"]
    environment = {**os.environ, "HOME": str(home), "MOZ_CRASHREPORTER_DISABLE": "1"}
    log = (home / "log").open("w+")
    with log, subprocess.Popen([*command, "--profile", str(profile)], env=environment, stderr=log) as process:
        try:
            firefox = Firefox(_address(home / "log", process))
            yield firefox
            firefox.close()
        finally:
            stop(process)


def _under_policies(home: Path, policies: dict[str, Any]) -> list[str]:
    """Return the start of a command for a Firefox whose policies no other Firefox of the machine sees."""
    (home / "policies.json").write_text(json.dumps({"policies": policies}))
    mounted = 'mount --bind "$0" /usr/lib/firefox-esr/distribution && exec firefox-esr "$@"'
    return [*mounts_of_its_own(), "sh", "-c", mounted, str(home)]


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Return where Firefox says that it listens."""
    mark = "WebDriver BiDi listening on "

    def said() -> str:
        assert process.poll() is None, log.read_text()
        return next((line.partition(mark)[2] for line in log.read_text().splitlines() if mark in line), "")

    return wait_until(said, 60, "Firefox")
