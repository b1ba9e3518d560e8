"""The Containerfile: what it says, and a container that is really built of it and runs. The fixture is `container`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.debian import MIRROR, has_mirror
from support.machine import need, wait_until
from support.source import ROOT

CONTAINERFILE = ROOT / "Containerfile"
IMAGE = "localhost/lanyard-of-tests"
TOKEN = "0123456789abcdef-of-the-container"
ADDRESS, HOST_ADDRESS = "10.213.7.2", "10.213.7.1"
NAMESPACE = "lanyard-tests"
"""The network that the container has for itself."""
SECONDS = 900


def instructions(stage: int = -1) -> list[tuple[str, str]]:
    """Return the instructions of a stage of the build, the last one unless said: the word, and what follows it."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    found = [line.strip().partition(" ") for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if line]
    starts = [number for number, (word, _, _) in enumerate(found) if word == "FROM"]
    stages = [found[start:end] for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]
    return [(word, rest.strip()) for word, _, rest in stages[stage]]


class Container:
    """A container of the image, in a network of its own, which this machine reaches as a container's host does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._undo = ExitStack()
        self.log = folder / "log"
        self.ca_file = folder / "ca.pem"
        """What its host trusts."""

    def build(self) -> None:
        """Build the image as the Containerfile says, on a Debian made by debootstrap: no registry is needed."""
        base = self._folder / "base"
        suite = instructions()[0][1].partition(":")[2].partition("-")[0]
        self._do("debootstrap", "--variant=minbase", suite, str(base), f"http://{MIRROR}/debian")
        shutil.copy("/etc/resolv.conf", base / "etc/resolv.conf")
        _trust_what_pip_trusts_here(base)
        scratch = self._buildah("from", "scratch").strip()
        self._buildah("add", "-q", scratch, str(base), "/")
        self._buildah("commit", "-q", scratch, instructions()[0][1])
        options = ["--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker"]
        self._buildah("bud", *options, "-f", str(CONTAINERFILE), "-t", IMAGE, str(ROOT))

    def start(self) -> None:
        """Start it with a control token, as with `docker run`, and wait until it is ready."""
        self._join_networks()
        self._name = self._buildah("from", "--pull-never", IMAGE).strip()
        token = Path(self._buildah("mount", self._name).strip()) / "run/token"
        token.touch(0o440)
        token.write_text(TOKEN)
        words = dict(instructions())["ENTRYPOINT"].strip("[]").replace('"', "").split(", ")
        with self.log.open("w") as log:
            running = subprocess.Popen(self._inside(*words, "--control-token", "/run/token"), stdout=log, stderr=log)
        self._undo.callback(running.wait)
        self._undo.callback(running.terminate)
        wait_until(lambda: "ready https://" in self.log.read_text(), 60)
        self.ca_file.write_text(wait_until(lambda: self.run("cat", "/data/lanyard/ca.pem"), 60))

    def run(self, *command: str) -> str:
        """Run a command in it, as `docker exec` does; returns what it printed."""
        done = subprocess.run(self._inside(*command), capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        self._undo.close()

    def _join_networks(self) -> None:
        self._do("ip", "netns", "add", NAMESPACE)
        self._undo.callback(self._do, "ip", "netns", "del", NAMESPACE)
        self._do("ip", "link", "add", "lanyard0", "type", "veth", "peer", "name", "lanyard1", "netns", NAMESPACE)
        self._do("ip", "addr", "add", f"{HOST_ADDRESS}/30", "dev", "lanyard0")
        self._do("ip", "link", "set", "lanyard0", "up")
        for command in (f"addr add {ADDRESS}/30 dev lanyard1", "link set lanyard1 up", "link set lo up"):
            self._do("ip", "-n", NAMESPACE, *command.split())

    def _inside(self, *command: str) -> list[str]:
        run = ["run", "--isolation", "chroot", "--network", "host", self._name, "--", *command]
        return ["ip", "netns", "exec", NAMESPACE, "buildah", *self._storage, *run]

    @property
    def _storage(self) -> list[str]:
        return ["--root", f"{self._folder}/images", "--runroot", f"{self._folder}/run", "--storage-driver", "vfs"]

    def _buildah(self, *command: str) -> str:
        return self._do("buildah", *self._storage, *command)

    def _do(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout


def _trust_what_pip_trusts_here(base: Path) -> None:
    """Where this machine's pip has a CA of its own, the one in the image needs it, too."""
    if os.environ.get("PIP_CERT"):
        shutil.copy(os.environ["PIP_CERT"], base / "etc/pip-ca.pem")
        (base / "etc/pip.conf").write_text("[global]\ncert = /etc/pip-ca.pem\n")


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A container of the image that the Containerfile makes."""
    if os.environ.get("LANYARD_CHROOTS") != "1":
        pytest.xfail("several minutes: tox -e guide")
    if os.getuid() != 0 or not has_mirror():
        pytest.xfail(f"it takes root, and a network to {MIRROR}")
    need("buildah", "debootstrap", "ip")
    folder = tmp_path_factory.mktemp("container")
    made = Container(folder)
    try:
        made.build()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
