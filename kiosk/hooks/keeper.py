"""Decides, for each event that the agent tells of, what becomes of which programs."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import KioskError, ProgramFailed
from ..events import Event, Happening
from ..settings import STOP, Settings
from . import process_tree
from .session import ReaperLost, SessionPrograms, mark, wipe
from .windows import SETTLING_SECONDS, Hidden, NoWindows, Windows, of_this_display, wait_for

LOG = logging.getLogger("lanyard.kiosk")
PARKED = "parked"


@dataclass
class Kept:
    """A session that has programs, or had."""

    programs: SessionPrograms
    hidden: list[Hidden] = field(default_factory=list)
    is_parked: bool = False
    was_ended: bool = False  # its programs were, so that they are started again when its person is back


class Keeper:
    """The sessions that there are. What it does for an event is done when `handle` returns."""

    def __init__(self, settings: Settings, folder: Path, has_keyboard: Callable[[], bool] = lambda: True) -> None:
        """`folder`: for the sessions' folders. `has_keyboard`: whether the agent's screen gets what is typed.

        Raises ProgramFailed where the folder cannot be had for this user alone.
        """
        self._settings, self._folder, self._has_keyboard = settings, folder, has_keyboard
        self._sessions: dict[str, Kept] = {}
        self._windows: Windows | None = None
        process_tree.adopt_orphans()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                raise ProgramFailed(f"{folder} is not this user's own.")
        except OSError as error:
            raise ProgramFailed(f"{folder} cannot be made: {error.strerror}.") from None

    @property
    def sessions(self) -> list[SessionPrograms]:
        """Those whose exits are to be looked at."""
        return [kept.programs for kept in self._sessions.values()]

    def begin(self, event: Event) -> list[str]:
        """End whatever an earlier hooks has left, then take up what is so now. Returns what has failed."""
        self.end_all()
        if number := process_tree.end_marked(mark(self._folder)):
            LOG.warning("processes that earlier hooks have left, and that were ended: %d", number)
        for left in self._folder.iterdir():
            wipe(left)
        return self.handle(event) if event.happening in (Happening.SIGNED_IN, Happening.LOCKED) else []

    def handle(self, event: Event) -> list[str]:
        """Do what is to be done. Returns what of the programs has failed.

        Raises ProgramFailed where something of a session that is over cannot be ended: nobody is to sign in then.
        """
        try:
            return {
                Happening.SIGNED_IN: self._signed_in,
                Happening.LOCKED: self._locked,
                Happening.RESUMED: self._resumed,
                Happening.ROLE_CHANGED: self._run_all,
                Happening.SIGNED_OUT: self._signed_out,
            }[event.happening](event)
        except ReaperLost as error:
            return [self._lose(event.session, error)]

    def exits(self) -> list[str]:
        """Return what is to be said of programs that have ended by themselves with an error."""
        said: list[str] = []
        for session in [*self._sessions]:
            try:
                said += self._sessions[session].programs.exits()
            except ReaperLost as error:
                said.append(self._lose(session, error))
        return said

    def end_all(self) -> None:
        """End every session's programs. Raises ProgramFailed where that cannot be."""
        for session, kept in [*self._sessions.items()]:
            try:
                kept.programs.end(self._settings.grace_seconds)
            except ReaperLost as error:
                LOG.error("%s", self._lose(session, error))
            self._give_up(session)

    def _signed_in(self, event: Event) -> list[str]:
        self._end_those_present()
        programs = SessionPrograms(event.session, self._folder / event.session)
        self._sessions[event.session] = Kept(programs)
        return self._start_all(event)

    def _end_those_present(self) -> None:
        """Nobody else is here when somebody comes: whoever is not parked has gone, even where no event said so."""
        for session, kept in [*self._sessions.items()]:
            if not kept.is_parked:
                kept.programs.end(0)
                self._give_up(session)

    def _start_all(self, event: Event) -> list[str]:
        programs = self._sessions[event.session].programs
        to_start = self._settings.programs_at(Happening.SIGNED_IN)
        failed = [programs.start(program, event) for program in to_start]
        LOG.info("session %s: programs started: %d", event.session[:8], len(to_start))
        return [*filter(None, failed)]

    def _run_all(self, event: Event) -> list[str]:
        """Run the programs for this event, one after another."""
        kept = self._sessions.get(event.session)
        if kept and kept.is_parked and event.happening is Happening.ROLE_CHANGED:  # which the broker took late
            return []
        to_run = self._settings.programs_at(event.happening) if kept else []
        return [failed for program in to_run if kept and (failed := kept.programs.run(program, event))]

    def _locked(self, event: Event) -> list[str]:
        """Programs for it run first. Then those of a parked person are stopped; if that cannot be, they are ended."""
        kept = self._sessions.get(event.session)
        if kept is None:
            return []
        failed = self._run_all(event)
        if event.reason == PARKED:
            failed += self._park(kept)
        return failed + self._give_keyboard_back(kept)

    def _park(self, kept: Kept) -> list[str]:
        kept.is_parked = True
        if self._settings.parked_programs != STOP:
            return self._end_for_now(kept)
        try:
            if (pids := kept.programs.stop()) is not None:
                self._hide(kept, pids)
                return []
        except ReaperLost:
            raise
        except KioskError as error:
            return [f"{error} So the programs of who is away were ended, not stopped.", *self._end_for_now(kept)]
        return ["The programs of who is away could not be stopped, and were ended.", *self._end_for_now(kept)]

    def _end_for_now(self, kept: Kept) -> list[str]:
        kept.programs.end(0)
        kept.was_ended = True
        kept.hidden.clear()
        return []

    def _hide(self, kept: Kept, pids: list[int]) -> None:
        """Raises NoWindows, MissingLibrary."""
        self._windows = self._windows or of_this_display()
        try:
            kept.hidden += self._windows.hide(pids) if self._windows else []
        except NoWindows:
            self._windows = None
            raise

    def _give_keyboard_back(self, kept: Kept) -> list[str]:
        """While a session is locked its programs hold neither keyboard nor pointer: else nobody could type a passcode.

        Taking windows off the screen ends a grab by an open menu. Whoever holds them still is ended.
        """
        if kept.was_ended or wait_for(self._has_keyboard, SETTLING_SECONDS):
            return []
        pids = [process.pid for process in process_tree.descendants(kept.programs.pid)]
        try:
            self._hide(kept, pids)
            ended = self._windows.break_grabs(pids, self._has_keyboard) if self._windows else []
        except KioskError as error:
            return [f"{error} So the programs of who is away were ended.", *self._end_for_now(kept)]
        return ["A program that held the keyboard of the locked screen was ended."] if ended else []

    def _resumed(self, event: Event) -> list[str]:
        kept = self._sessions.get(event.session)
        if kept is None:
            return self._signed_in(event)
        kept.is_parked = True  # until those who are not have been ended
        self._end_those_present()
        kept.is_parked = False
        if kept.programs.is_stopped:
            kept.programs.resume()
        if self._windows and kept.hidden:
            self._windows.show(kept.hidden)
        kept.hidden.clear()
        failed = self._start_all(event) if kept.was_ended else []
        kept.was_ended = False
        return failed + self._run_all(event)

    def _signed_out(self, event: Event) -> list[str]:
        kept = self._sessions.get(event.session)
        if kept is None:
            return []
        number = kept.programs.end(self._settings.grace_seconds)
        LOG.info("session %s: processes ended: %d", event.session[:8], number)
        failed = self._run_all(event)
        self._give_up(event.session)
        return failed

    def _give_up(self, session: str) -> None:
        """Close a session: end what its reaper still has, wipe its folder. Raises ProgramFailed."""
        if kept := self._sessions.pop(session, None):
            kept.programs.close([other.programs.pid for other in self._sessions.values()])

    def _lose(self, session: str, error: ReaperLost) -> str:
        """Close a session whose reaper does not do its work any more. Returns what to say; raises ProgramFailed."""
        if session in self._sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._sessions[session].programs.pid, signal.SIGKILL)
        self._give_up(session)
        return f"{error} Its programs were ended."
