"""A bare Debian in a folder, where a page's commands are run as root and as a user. The fixture is `bare_debian`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.machine import mounts_of_its_own, need
from support.source import ROOT

MIRROR = "deb.debian.org"
SECONDS = 600
# What is written is thrown away again: no need to wait for the disk.
HASTE = {"etc/dpkg/dpkg.cfg.d/haste": "force-unsafe-io\n", "etc/apt/apt.conf.d/haste": 'Acquire::Languages "none";\n'}
# Daemons are not to start in a chroot, see invoke-rc.d(8).
NO_DAEMONS = "#!/bin/sh\nexit 101\n"
MOUNTED = """\
set -eu
root=$1 cache=$2
shift 2
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$cache" "$root/var/cache/apt/archives"
mkdir -m 700 "$root/run/user" && chmod 755 "$root/run/user"
exec "$@"
"""


class BareDebian:
    """A Debian of one release. `packages` is the folder /packages in it."""

    def __init__(self, root: Path, cache: Path, packages: Path) -> None:
        self.root, self._cache = root, cache
        shutil.copytree(packages, root / "packages")
        (root / "packages").chmod(0o755)  # the tests' own folder is closed to other users
        for name, text in HASTE.items():
            (root / name).write_text(text)
        (root / "usr/sbin/policy-rc.d").write_text(NO_DAEMONS)
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")

    def run(self, script: str, user: str = "root", code: int | None = 0) -> str:
        """Run a script in it, expect its exit code (None: any), return all that it said."""
        done = subprocess.run(
            self.command(script, user), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS
        )
        assert code in (None, done.returncode), f"{script}\nended with {done.returncode}:\n{done.stdout[-4000:]}"
        return done.stdout

    def command(self, script: str, user: str) -> list[str]:
        """The command that runs a script in it: every process that it leaves behind ends with it."""
        home = "/root" if user == "root" else f"/home/{user}"
        clean = [
            "/usr/bin/env",
            "-i",
            f"HOME={home}",
            f"USER={user}",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=dumb",
        ]
        clean += ["TERM=dumb", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        chroot = ["chroot", f"--userspec={user}", str(self.root), *clean, "bash", "-euc", script]
        inside = ["bash", "-c", MOUNTED, "mounted", str(self.root), str(self._cache), *chroot]
        return [*mounts_of_its_own(), "--pid", "--fork", "--kill-child", *inside]


def has_mirror() -> bool:
    with contextlib.suppress(OSError), socket.create_connection((MIRROR, 80), 5):
        return True
    return False


@pytest.fixture(scope="session")
def debian_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Lanyard's packages, and in `newer` the same with a higher version number."""
    need("dpkg-deb")
    folder = tmp_path_factory.mktemp("packages")
    build = [sys.executable, str(ROOT / "packaging" / "build.py")]
    subprocess.run([*build, str(folder)], check=True, capture_output=True)
    subprocess.run([*build, str(folder / "newer"), "--version", "9.9"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def bare_debian(
    tmp_path_factory: pytest.TempPathFactory, debian_packages: Path
) -> Iterator[Callable[[str], BareDebian]]:
    """bare_debian("bookworm") makes one. What apt downloads is kept for the next."""
    need("debootstrap", "unshare")
    if os.environ.get("LANYARD_CHROOTS") != "1":
        pytest.xfail("several minutes for each Debian: tox -e guide")
    # Nothing that could be installed would help a machine that lacks these, so it is not required to have them.
    if os.getuid() != 0:
        pytest.xfail("a chroot can be made by root only")
    if not has_mirror():
        pytest.xfail(f"no network to {MIRROR}")
    folder = tmp_path_factory.mktemp("debian")

    def make(release: str) -> BareDebian:
        root, cache = folder / release, folder / f"{release}.cache"
        (cache / "partial").mkdir(parents=True)
        command = ["debootstrap", "--variant=minbase", "--include=systemd-sysv", f"--cache-dir={cache}"]
        command += [release, str(root), f"http://{MIRROR}/debian"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
        if done.returncode:
            pytest.xfail(f"debootstrap cannot make a {release} here: {done.stdout[-200:]}")
        return BareDebian(root, cache, debian_packages)

    yield make
    shutil.rmtree(folder, ignore_errors=True)
