"""docs/applications.md, "On a shared PC": the extension, packed with a key of one's own, is installed by a policy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.browser import QUIET
from support.extension import EXTENSION, Pages, documented, install_host, under_policy
from support.machine import TIED_TO_THE_RUN, need, stop, wait_until
from support.native_host import allow
from support.pages import Page, command_blocks
from support.source import ROOT

from kiosk.chromium.policies import policies

ID = "abcdefghijklmnopabcdefghijklmnop"
NO_POLICY_INSTALLS = "--disable-background-networking"
# The page asks by itself, because chromedriver lets no policy install anything; it is new until the extension is there.
ASKS = """<!doctype html><script>
const done = (err, value) => fetch("/", { method: "POST", body: JSON.stringify({ err, value }) });
if (window.nhsAuth) window.nhsAuth.getToken(done);
else setTimeout(() => location.reload(), 200);
</script>"""


@dataclass
class Packed:
    """A packed extension with its update.xml, in the folder where the page has them put, and the id by its key."""

    folder: Path
    id: str


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    """Pack the extension as the page says, and ask for its id as the page says."""
    need("chromium", "openssl")
    folder = tmp_path / "bridge"
    shutil.copytree(EXTENSION, folder / "extension")
    commands = command_blocks(Page.read(ROOT / "docs" / "applications.md"), ("chromium", "openssl", "sudo install"))
    pack, ask, put = (words for words in commands if "extension" in " ".join(words))
    quiet = ["--headless", "--no-sandbox", f"--user-data-dir={tmp_path / 'packing'}"]
    subprocess.run([*pack, *quiet], cwd=folder, capture_output=True, check=True)
    said = subprocess.run(["sh", "-c", " ".join(ask)], cwd=folder, capture_output=True, text=True, check=True).stdout
    public = tmp_path / "opt"
    crx = {ID: said, "file:///opt/lanyard/extension.crx": (public / "extension.crx").as_uri()}
    (folder / "update.xml").write_text(documented("gupdate", crx))
    install = [str(public) if word == "/opt/lanyard" else word for word in put if word != "sudo"]
    subprocess.run(install, cwd=folder, check=True)
    return Packed(public, said)


@pytest.fixture
def page() -> Iterator[Pages]:
    page = Pages()
    page.page = ASKS
    yield page
    page.close()


def test_every_user_can_read_what_the_policy_names(packed: Packed) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in packed.folder.iterdir()}
    assert modes == {"extension.crx": 0o644, "update.xml": 0o644}


def test_a_policy_installs_it_and_a_listed_page_gets_the_ticket(
    packed: Packed, page: Pages, socket_server: SocketServer, tmp_path: Path
) -> None:
    settings = allow(tmp_path / "config", page.origin)
    with (tmp_path / "config" / "lanyard" / "bridge.toml").open("a") as file:
        file.write(f'extension_ids = ["{packed.id}"]\n')
    profile, update = tmp_path / "profile", packed.folder / "update.xml"
    install_host(profile, tmp_path, extension_id=packed.id)
    changed = {ID: packed.id, "file:///opt/lanyard/update.xml": update.as_uri(), "https://app.example": page.origin}
    policy = policies([]) | json.loads(documented("ExtensionInstallForcelist", changed))  # and those of a shared PC
    usual = [each for each in QUIET if each != NO_POLICY_INSTALLS]
    command = [*TIED_TO_THE_RUN, under_policy(tmp_path, policy), "--headless", *usual, f"--user-data-dir={profile}"]
    environment = os.environ | settings | {"HOME": str(tmp_path)}
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([*command, page.origin], env=environment, **output)
    try:
        wait_until(lambda: page.posted, 60, "the page's ticket")
    finally:
        stop(running)
    assert json.loads(page.posted[0]) == {"err": None, "value": "TICKET"}
    assert socket_server.asked[0]["parameters"]["origin"] == page.origin
