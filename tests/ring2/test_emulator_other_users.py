"""What other users of the same PC prepare, or ask for: folders, links, files, connections."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.emulator import EmulatorProgram, ask, make_card
from support.emulator_links import CardReader
from support.machine import wait_until

from emulator import Card, CardError
from emulator.service.control import request
from emulator.service.peers import is_own_tcp
from emulator.store.card import open_card
from emulator.store.durable import write_durably

NOBODY = 65534
PARTS = [".", "cards", *(f"cards/one-role/{file}" for file in ("", "card.json", "9A.key.pem", "9A.cert.pem"))]
Run = Callable[..., EmulatorProgram]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.mark.parametrize("part", PARTS)
def test_a_link_is_not_followed(part: str, card_folder: Path, tmp_path: Path) -> None:
    data = card_folder.parents[1]
    path = data / part if part != "." else data.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    if part == ".":
        data.symlink_to(path)
    else:
        path.rename(data / "elsewhere")
        path.symlink_to(data / "elsewhere")
    with pytest.raises(CardError, match="symbolic link"):
        open_card(data, "one-role")
    assert ask(data, "run", "one-role").returncode == 4


@needs_root
@pytest.mark.parametrize("part", PARTS)
def test_what_another_user_has_made_is_not_used(part: str, card_folder: Path) -> None:
    data = card_folder.parents[1]
    os.chown(data / part, NOBODY, NOBODY)
    with pytest.raises(CardError, match="belongs to another user"):
        open_card(data, "one-role")
    if part == ".":
        assert "belongs to another user" in ask(data, "status").stderr
    said = ask(data, "issue", "--days", "1", "anna")
    assert (said.returncode == 4) == (part in (".", "cards")), said.stderr


def test_a_folder_that_anybody_can_write_to_is_not_used(card_folder: Path) -> None:
    card_folder.parents[1].chmod(0o777)
    with pytest.raises(CardError, match="every user of this PC can write"):
        open_card(card_folder.parents[1], "one-role")


def test_the_mode_of_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert ask(tmp_path, "issue", "anna").returncode == 0
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_a_link_in_the_way_of_a_file_overwrites_nothing(tmp_path: Path) -> None:
    """A file is written beside its place first: whoever guesses that name must gain nothing."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".card.json.new", "card.json"):
        (tmp_path / name).symlink_to(victim)
    write_durably(tmp_path / "card.json", b"{}")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "card.json").is_symlink()


def test_a_pipe_in_place_of_a_file_holds_nobody_up(card_folder: Path) -> None:
    (card_folder / "card.json").unlink()
    os.mkfifo(card_folder / "card.json")
    with pytest.raises(CardError):
        Card.open(card_folder)


@pytest.fixture
def tray(card_folder: Path, card_reader: CardReader, run_emulator: Run) -> tuple[str, int]:
    """Host and port of a tray, with one-role in the reader."""
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role", "--tray", "0")
    card_reader.accept()
    url = wait_until(lambda: request(program.data, command="status")["tray"], what="a tray")
    parts = urlsplit(str(url))
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


ASK = """
import http.client, os, sys
os.setuid(int(sys.argv[3]))
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10)
origin = {"Origin": f"http://{sys.argv[1]}:{sys.argv[2]}", "Content-Type": "application/json"}
connection.request(sys.argv[4], sys.argv[5], "{}" if sys.argv[4] == "POST" else None, origin)
print(connection.getresponse().status)
"""


@needs_root
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/events"), ("POST", "/api/remove")])
@pytest.mark.parametrize(("user", "status"), [(0, 200), (NOBODY, 403)])
def test_the_tray_answers_its_own_user_alone(
    method: str, path: str, user: int, status: int, tray: tuple[str, int], card_folder: Path
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", ASK, tray[0], str(tray[1]), str(user), method, path],
        capture_output=True,
        text=True,
        timeout=30,
        cwd="/",
    )
    assert said.stdout == f"{status}\n", said.stderr
    left = request(card_folder.parents[1], command="status")["card"]
    assert left == (None if (method, user) == ("POST", 0) else "one-role")


def test_a_connection_that_was_closed_is_nobodys(tray: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*tray)
    connection.connect()
    here, there = connection.sock.getpeername(), connection.sock.getsockname()
    assert is_own_tcp(here, there)
    connection.close()
    wait_until(lambda: not is_own_tcp(here, there), what="a connection without an owner")


UGLY = ["\x1b[2J", "a\nb", "\u202eevil", "a\u0085b", "a\u2028b", "\x9b31m"]


@pytest.mark.parametrize("ugly", UGLY)
def test_a_name_that_a_terminal_would_obey_is_shown_without_that(ugly: str, tmp_path: Path) -> None:
    make_card(tmp_path / "cards" / f"card{ugly}")
    make_card(tmp_path / "cards" / "one-role", uid=f"55{ugly}")
    for command in (("list",), ("run", f"card{ugly}"), ("insert", f"card{ugly}"), ("export", f"x{ugly}")):
        said = ask(tmp_path, *command)
        shown = (said.stdout + said.stderr).replace("\n", "").replace("\r", "")
        assert shown.isprintable(), shown
        assert len((said.stdout + said.stderr).splitlines()) == (2 if command == ("list",) else 1)
