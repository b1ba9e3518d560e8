"""Where the native host's files go nothing of others is lost, other users get in, and no empty folder stays."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.source import ROOT

from bridge.native_host.browsers import BROWSERS, Place
from bridge.native_host.installing import InstallError, install, uninstall


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(is_user=False, environment={}, destdir=tmp_path)


@pytest.fixture
def closed_umask() -> Iterator[None]:
    """Have new files and folders closed to others, as careful administrators do."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {str(each.relative_to(folder)): stat.S_IMODE(each.stat().st_mode) for each in folder.rglob("*")}


@pytest.mark.usefixtures("closed_umask")
def test_other_users_get_in_whatever_the_umask(place: Place) -> None:
    install(place)
    found = modes(place.destdir)
    assert {mode for name, mode in found.items() if name.endswith(".json")} == {0o644}
    assert {mode for name, mode in found.items() if not name.endswith(".json")} == {0o755}


@pytest.mark.usefixtures("closed_umask")
def test_for_one_user_the_umask_is_kept(tmp_path: Path) -> None:
    install(Place(is_user=True, environment={"HOME": str(tmp_path)}))
    assert modes(tmp_path)[".config"] == 0o700


def test_a_folder_that_others_cannot_look_into_is_named(place: Place) -> None:
    (place.destdir / "etc/chromium").mkdir(parents=True)
    (place.destdir / "etc/chromium").chmod(0o700)
    with pytest.raises(InstallError, match="/etc/chromium: chmod 755"):
        install(place)


@pytest.mark.parametrize("closed", ["python", "code"])
def test_what_other_users_could_not_run_is_not_installed_for_them(tmp_path: Path, closed: str) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    python, folder = Path(sys.executable), ROOT
    if closed == "python":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "venv"], check=True)
        python = root / "venv/bin/python"
    else:
        folder = shutil.copytree(ROOT / "bridge", root / "bridge").parent
    check = "import pathlib, bridge.native_host.installing as it; it.check_open_to_all([], pathlib.Path('/'))"
    done = subprocess.run([python, "-c", check], cwd=folder, capture_output=True, text=True)
    assert "is closed to other users. Put /" in done.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "org.example", "path": "/nothing/there"}', "[" * 9999])
def test_a_file_that_is_no_manifest_of_ours_is_left_as_it_is(place: Place, content: str) -> None:
    manifest = BROWSERS[0].manifest(place)
    manifest.parent.mkdir(parents=True)
    manifest.write_text(content)
    with pytest.raises(InstallError, match="is no manifest of uk"):
        install(place)
    assert uninstall(place) == []
    assert manifest.read_text() == content
    assert not place.wrapper.exists()


@pytest.mark.parametrize("which", ["manifest", "executable"])
@pytest.mark.parametrize("leads_somewhere", [True, False])
def test_a_symbolic_link_is_neither_followed_nor_replaced(place: Place, which: str, leads_somewhere: bool) -> None:
    install(place)
    path = BROWSERS[3].manifest(place) if which == "manifest" else place.wrapper
    elsewhere = place.destdir / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere if leads_somewhere else "nowhere")
    before = elsewhere.read_bytes()
    with pytest.raises(InstallError, match="is a symbolic link, and was not followed"):
        install(place)
    assert len(uninstall(place)) == 4
    assert path.is_symlink()
    assert elsewhere.read_bytes() == before


def test_folders_that_are_empty_again_are_taken_away(place: Place) -> None:
    for base in place.bases:
        base.mkdir(parents=True, exist_ok=True)
    before = set(modes(place.destdir))
    install(place)
    uninstall(place)
    assert set(modes(place.destdir)) == before


def test_a_folder_with_something_of_others_stays(place: Place) -> None:
    install(place)
    other = BROWSERS[0].manifest(place).with_name("org.example.json")
    other.touch()
    uninstall(place)
    assert {name for name in modes(place.destdir) if name.startswith("etc/chromium/")} == {
        "etc/chromium/native-messaging-hosts",
        "etc/chromium/native-messaging-hosts/org.example.json",
    }


@pytest.mark.parametrize("names", [(), ("XDG_CONFIG_HOME", "XDG_DATA_HOME")])
def test_a_users_home_is_as_it_was(tmp_path: Path, names: tuple[str, ...]) -> None:
    folders = {name: str(tmp_path / name) for name in ("HOME", *names)}
    for folder in folders.values():
        Path(folder).mkdir()
    before = set(modes(tmp_path))
    place = Place(is_user=True, environment=folders)
    install(place)
    uninstall(place)
    assert set(modes(tmp_path)) == before
