"""What can go wrong around the agent. Each error has a sentence for people and an exit code for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class KioskError(Exception):
    """An expected failure: `str()` is a sentence for people, `exit_code` is for the command line."""

    exit_code = 1


class SettingsError(KioskError):
    """A file of settings cannot be read, or a value in it means nothing."""

    exit_code = 2


class AgentNotRunning(KioskError):
    """Nobody listens on the agent's socket, or there is no place for one, or the agent has hung up."""

    exit_code = 12


class ForeignSocket(AgentNotRunning):
    """Another user listens on what should be the agent's socket: nothing was sent there."""


class AgentBroken(KioskError):
    """The agent's answer breaks Varlink's rules, or is not what its interface promises."""


class AgentSilent(AgentBroken):
    """The agent did not answer within the time allowed."""


class AgentRefused(KioskError):
    """The agent answered with an error: its name, and the sentence that it gave."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(says)
        self.name = name


class ProgramFailed(KioskError):
    """A configured program cannot be started, or ended with an error."""


class CannotWrite(KioskError):
    """The record cannot be written where it should be."""


class MissingLibrary(KioskError):
    """A library that only this command needs is not installed."""

    exit_code = 2


@contextmanager
def libraries() -> Iterator[None]:
    """Import libraries that are extras, inside of this; raises MissingLibrary, which names Debian's package."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0].lower()
        raise MissingLibrary(f"Python's module {error.name} is missing: install python3-{name}.") from None
