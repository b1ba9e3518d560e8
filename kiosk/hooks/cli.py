"""The command `hooks`: keeps the programs of each session, for as long as it runs."""

from __future__ import annotations

import argparse
import logging
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from .. import agent_socket
from ..agent_socket import Watch
from ..errors import AgentNotRunning, KioskError
from ..events import Event
from ..settings import SYSTEM_FILE, Settings, load, load_file
from .keeper import Keeper

LOG = logging.getLogger("lanyard.kiosk")
AGAIN_SECONDS = 0.5
MOST_SAID = 300

_DESCRIPTION = f"""\
Starts programs when a person signs in, and ends them, with all that they have started, when the session ends.

Programs are named in {SYSTEM_FILE}:

  [locked]                                  what stands below it cannot be changed by the user's own file
  parked_programs = "stop"                  "end": do not keep programs while another person signs in
  grace_seconds = 0.3                       how long programs may take to end by themselves

  [[locked.programs]]
  name = "browser"
  command = ["lanyard-kiosk", "chromium", "https://app.example"]
  restart = true                            start it again where it ends before the session does

  [[locked.programs]]
  name = "clean the scanner's folder"
  command = ["/usr/local/bin/clean-scans"]
  at = "signed_out"                         signed_in (the usual), locked, resumed, role_changed, signed_out
  seconds = 10                              is killed after that; a program of signed_in stays

They are told LANYARD_UID, LANYARD_NAME, LANYARD_ROLE, LANYARD_ROLE_ID, LANYARD_ORG_CODE, LANYARD_ORG_NAME,
LANYARD_SESSION, LANYARD_EVENT, LANYARD_REASON, and LANYARD_SESSION_DIR: a folder that is wiped when the session ends.

With `hooks = true` in /etc/lanyard/agent.toml nobody signs in while this command does not run, or is not done with what
the last person has left.
"""


def add_to(commands: Any) -> None:
    """Add the command to an argparse parser's subcommands."""
    parser = commands.add_parser(
        "hooks",
        help="start and end the programs of each session",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="read this file in place of the usual two")
    parser.set_defaults(do=run)


def run(options: argparse.Namespace) -> None:
    """Keep sessions until a signal comes. Raises SettingsError, or ProgramFailed for a folder that cannot be had."""
    settings = load_file(options.config) if options.config else load()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="hooks: %(levelname)s %(message)s")
    keeper = Keeper(settings, runtime_folder(), has_keyboard)
    try:
        keep(keeper, settings)
    finally:
        keeper.end_all()


def runtime_folder() -> Path:
    """Return where the sessions' folders are: in memory. Raises AgentNotRunning without XDG_RUNTIME_DIR."""
    return agent_socket.socket_path(os.environ).parents[1] / "lanyard-kiosk"


def has_keyboard() -> bool:
    """Return whether the agent's screen gets what is typed; where it does not say, that is taken for yes."""
    return agent_socket.call("GetStatus").get("has_keyboard") is not False


def keep(keeper: Keeper, settings: Settings) -> None:
    """Follow the agent, and where it ends its successor, for ever. Without an agent there is no session."""
    said = ""
    while True:
        try:
            with Watch(hooks=True) as watch:
                said = ""
                follow(watch, keeper)
        except KioskError as error:
            if str(error) != said:
                said = str(error)
                LOG.log(logging.INFO if isinstance(error, AgentNotRunning) else logging.ERROR, "%s", error)
        try:
            keeper.end_all()
        except KioskError as error:
            LOG.error("%s", error)
        time.sleep(AGAIN_SECONDS)


def follow(watch: Watch, keeper: Keeper) -> None:
    """Do what each event asks for, and tell the agent when it is done. Returns where an event was missed."""
    last = watch.first()
    done(last, keeper.begin(last))
    LOG.info("connected to the agent")
    while True:
        waiting = select.poll()
        for descriptor in (watch.fileno(), *(session.fileno() for session in keeper.sessions)):
            waiting.register(descriptor, select.POLLIN)
        waiting.poll()
        if said := keeper.exits():
            done(last, said)
        for event in watch.events():
            if event.sequence != last.sequence + 1:
                LOG.error("events of the agent were missed, so all programs are ended")
                return
            last = event
            done(event, keeper.handle(event))


def done(event: Event, failed: list[str]) -> None:
    """Tell the agent that this event needs nothing more, and what has failed. Raises a KioskError."""
    for sentence in failed:
        LOG.error("%s", sentence)
    says = {"failed": " ".join(failed)[:MOST_SAID]} if failed else {}
    agent_socket.call("HooksDone", {"sequence": event.sequence, **says})
