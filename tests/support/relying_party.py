"""Applications that sign people in by other people's OpenID libraries, each in a program of its own.

Fixture: `start_party` starts the one of a name; it is registered at the broker and ends with the test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from spine_stub.cis2 import REALM

from .machine import TIED_TO_THE_RUN, need, stop, unavailable
from .programs import npm_environment, run
from .servers import own_port, wait_for
from .spine import Spine

_PROGRAMS = Path(__file__).with_name("relying_parties")
_NEEDS = {"authlib_flask": ("authlib", "flask"), "django_oidc": ("django", "mozilla_django_oidc")}
PARTIES = (*_NEEDS, "openid_client")


@dataclass
class RelyingParty:
    """A running application, and the browser of somebody who uses it."""

    url: str
    ca_file: Path
    browser: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.browser.verify = str(self.ca_file)
        self.browser.trust_env = False

    def signed_in(self) -> dict[str, str]:
        """What its page says of who is signed in: uid and role; nothing when it is nobody."""
        person: dict[str, str] = self.browser.get(self.url, timeout=10).json()
        return person

    def sign_in(self, ticket: str, role: str) -> requests.Response:
        """Click on its "sign in", hand over a smartcard's ticket, choose a role; returns the last reply."""
        reply = self.browser.get(f"{self.url}/sign-in", timeout=10)
        for chosen in ({"ticket": ticket}, {"role": role}):
            page = re.search(r'name="key" value="([^"]+)"', reply.text)
            if page:
                reply = self.browser.post(reply.url, {"key": page[1], **chosen}, timeout=10)
        return reply


@pytest.fixture(scope="session")
def node_application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application for Node, beside its libraries of the npm registry."""
    need("node", "npm")
    folder = shutil.copytree(_PROGRAMS / "openid_client", tmp_path_factory.mktemp("node") / "openid_client")
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retry-mintimeout=1000"],
        cwd=folder,
        env=npm_environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    if done.returncode:
        unavailable(f"npm cannot get openid-client: {done.stderr[-500:]}")
    return folder / "application.mjs"


def _command(name: str, request: pytest.FixtureRequest) -> list[str]:
    if name == "openid_client":
        application = request.getfixturevalue("node_application")
        # PyPI's has a program before it, which would end alone.
        return [run("node", "-p", "process.execPath").strip(), str(application)]
    need(*_NEEDS[name])
    return [sys.executable, str(_PROGRAMS / f"{name}.py")]


StartParty = Callable[..., RelyingParty]


@pytest.fixture
def start_party(request: pytest.FixtureRequest) -> Iterator[StartParty]:
    """start_party(spine, name) registers and starts an application."""
    with ExitStack() as running:

        def start(spine: Spine, name: str) -> RelyingParty:
            command = _command(name, request)
            port = running.enter_context(own_port())
            url = f"http://127.0.0.1:{port}"
            client = spine.cis2.client(name, [f"{url}/callback"], backchannel_logout_uri=f"{url}/logout-token")
            environment: dict[str, Any] = {
                **os.environ,
                "ISSUER": spine.url + REALM,
                "CLIENT_ID": client.id,
                "CLIENT_SECRET": client.secret,
                "PORT": str(port),
                "REQUESTS_CA_BUNDLE": str(spine.ca_file),
                "NODE_EXTRA_CA_CERTS": str(spine.ca_file),
            }
            process = subprocess.Popen([*TIED_TO_THE_RUN, *command], env=environment)
            running.callback(stop, process)
            wait_for(process, port)
            return RelyingParty(url, spine.ca_file)

        yield start
