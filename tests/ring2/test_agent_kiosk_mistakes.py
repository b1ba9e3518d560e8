"""A kiosk whose settings have a mistake: its screen says so, with file and key, until that is put right."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.agent_program import AGENT
from support.machine import TIED_TO_THE_RUN, stop, wait_until
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

import agent
from agent import AgentError, Mistake, UsageError, prepare_or_wait, wants_kiosk


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def set_right(config: Path, spine: Spine) -> None:
    config.write_text(f'kiosk = true\nspine = "{spine.url}"\nca_file = "{spine.ca_file}"\n')


@pytest.fixture
def waits_for(screen: Display, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., WindowOnScreen]]:
    """The window of a kiosk, with this in the place of its readers."""
    monkeypatch.setattr(agent, "WATCH_AGAIN_SECONDS", 0.05)
    with contextlib.ExitStack() as stack:

        def waits_for(mistake: Mistake) -> WindowOnScreen:
            window = WindowOnScreen(screen, mistake, mistake._no_broker, kiosk=True)
            stack.callback(window.close)
            return window

        yield waits_for


class Desk:
    """Settings in a file, which are wrong at first, and what is there once they are not."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def prepare(self) -> None:
        agent.check_spine(agent.load_settings({"XDG_CONFIG_HOME": "/nonexistent"}, {"config": self.config}))

    def mistake(self, text: str) -> Mistake:
        self.config.write_text(text)
        with pytest.raises(AgentError) as caught:
            self.prepare()
        return Mistake(caught.value, self.prepare)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('kiosk = true\nspin = "https://a.example"', "{config}: spin: there is no such setting."),
        (
            'kiosk = true\nspine = "http://a.example"',
            "{config}: spine is http://a.example, which is not an https address.",
        ),
        ("kiosk = maybe", "{config} is not TOML:"),
        ("kiosk = true", "The agent does not know where to sign in."),
    ],
)
def test_the_screen_says_file_and_key(
    text: str, says: str, config: Path, waits_for: Callable[..., WindowOnScreen]
) -> None:
    window = waits_for(Desk(config).mistake(text))
    window.waits(lambda: says.format(config=config) in window.text())
    assert "This PC is not set up correctly." in window.text()
    assert "goes on by itself" in window.text()
    window.picture(f"mistake-{len(text)}")


def test_another_mistake_is_said_in_its_place_and_none_ends_it(
    config: Path, spine: Spine, waits_for: Callable[..., WindowOnScreen]
) -> None:
    mistake, is_right = Desk(config).mistake("kiosk = true"), threading.Event()
    mistake.put_right = is_right.set
    window = waits_for(mistake)
    config.write_text('kiosk = true\nreadr = "x"')
    window.waits(lambda: f"{config}: readr: there is no such setting." in window.text())
    assert not is_right.is_set()
    set_right(config, spine)
    window.waits(is_right.is_set)


@pytest.mark.parametrize(
    ("environment", "text", "wanted"),
    [
        ({}, "kiosk = true\nnonsense", True),
        ({}, "  kiosk=true # yes\n", True),
        ({}, "[locked]\nkiosk = true\nspin = 1", True),
        ({"LANYARD_KIOSK": "yes"}, "", True),
        ({}, "# kiosk = true", False),
        ({}, "kiosk = false", False),
        ({}, "", False),
    ],
)
def test_a_kiosk_is_known_whatever_else_is_wrong(
    environment: dict[str, str], text: str, wanted: bool, config: Path
) -> None:
    config.write_text(text)
    assert wants_kiosk({"XDG_CONFIG_HOME": "/nonexistent", **environment}, {"config": config}) == wanted


@pytest.mark.parametrize("command", [None, "login", "passcode"])
def test_elsewhere_it_is_an_error_as_ever(command: str | None, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("spin = 1" if command is None else "kiosk = true\nspin = 1")
    options = argparse.Namespace(command=command, config=config, kiosk=None, demo=False)
    with pytest.raises(UsageError):
        prepare_or_wait(options)


# The program


def test_the_agent_goes_on_once_the_file_is_right(display: Display, config: Path, spine: Spine, tmp_path: Path) -> None:
    config.write_text('kiosk = true\nspin = "https://a.example"')
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {**display.environment, "XDG_RUNTIME_DIR": str(runtime)}
    command = [*TIED_TO_THE_RUN, *AGENT, "--config", str(config)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        assert f"{config}: spin: there is no such setting." in process.stderr.readline()
        wait_until(lambda: windows(display), what="the window")
        assert not (runtime / "lanyard" / "agent").exists()
        set_right(config, spine)
        wait_until((runtime / "lanyard" / "agent").exists, 20, "the agent itself")
        assert process.poll() is None
    finally:
        stop(process)
        process.stderr.close()


def windows(display: Display) -> bool:
    search = ["xdotool", "search", "--onlyvisible", "--name", "Lanyard"]
    return subprocess.run(search, env=display.environment, capture_output=True, check=False).returncode == 0
