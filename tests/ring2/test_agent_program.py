"""agent.py as an administrator meets it: what it logs, what it prints where, and what it says is missing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.agent_program import AGENT, at, free_port, run_agent
from support.spine import Spine


@pytest.fixture
def port(data: Path) -> Iterator[int]:
    """The port of an embedded reader, with a card that waits for it."""
    port = free_port()
    slot = Slot(data, f"127.0.0.1:{port}")
    slot.insert("three-roles")
    yield port
    slot.close()


def test_at_level_info_the_log_tells_what_happened(spine: Spine, port: int, tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    told = ["--log-level", "info", "--log-file", str(log)]
    assert run_agent(*at(spine, port), *told, "login", "--role", "2").returncode == 0
    lines = log.read_text().splitlines()
    for what in ("mode NORMAL", "A card was put in", ": signed in", ": signed out, agent_ended", "confirmed the"):
        assert any(what in line and " INFO " in line for line in lines), what
    assert len(lines) < 10, "what is for developers is told at level debug"
    assert "123456" not in log.read_text()
    assert "AQIC5" not in log.read_text()


def test_at_level_info_the_log_names_what_cannot_be_reached(spine: Spine, port: int) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = run_agent(*at(spine, port), "--spine", f"https://{address}", "--log-level", "info", "login")
    assert done.returncode == 8
    assert f"UNREACHABLE POST {address}/login/authactivate: Connection refused" in done.stderr


def test_at_level_info_the_log_names_what_is_wrong_with_the_reader(spine: Spine) -> None:
    done = run_agent(*at(spine, 1), "--reader", "no such reader", "--log-level", "info", "login")
    assert done.returncode == 3
    assert len(re.findall(" INFO .*(?:NO_SERVICE|NO_LIBRARY|READER_NOT_FOUND)", done.stderr)) == 1


def test_a_name_that_the_terminal_cannot_show_is_no_traceback(spine: Spine, port: int) -> None:
    people = spine.data / "people.toml"
    people.write_text(people.read_text().replace('"Amara Okafor"', '"Gruffudd \u0175 \u2603"', 1))
    done = run_agent(*at(spine, port), "login", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert r"Signed in as Gruffudd \u0175 \u2603" in done.stdout


@pytest.mark.parametrize("demo", [[], ["--demo"]], ids=["agent", "demonstration"])
def test_without_tk_it_says_so(demo: list[str], tmp_path: Path) -> None:
    (tmp_path / "tkinter.py").write_text("raise ImportError")
    options = ["--data", str(tmp_path), "--card", "no-such-card"] if demo else ["--reader", "embedded:0"]
    done = run_agent(*demo, "--spine", "https://127.0.0.1:9", *options, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "python3-tk" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("library", ["asn1crypto", "defusedxml"])
def test_without_a_library_it_names_the_python_that_has_none(library: str, tmp_path: Path) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ModuleNotFoundError(name={library!r})")
    done = run_agent("config", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"/\S+ has no {library}\. .*/usr/bin/python3\.\n", done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_one_that_leads_nowhere(closed: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *AGENT, "config"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout == "") == (">&-" in closed.replace("2>&-", ""))


def test_the_settings_in_force_are_printed(tmp_path: Path) -> None:
    done = run_agent("--kiosk", "config", LANYARD_SPINE="https://host")
    assert done.returncode == 0, done.stderr
    assert 'spine = "https://host"  # LANYARD_SPINE\n' in done.stdout
    assert "kiosk = true  # --kiosk\n" in done.stdout
