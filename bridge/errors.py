"""What can go wrong on the way of a ticket. Each error has a sentence for people and a TicketAPI code for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class TicketCode(IntEnum):
    """Error codes of the Windows agent's TicketAPI: a group (0x8010.... general) and a number in it."""

    INTERNAL = 0x80100001
    NOT_INITIALISED = 0x80100002
    INVALID_PARAMETER = 0x80100003
    BUFFER_TOO_SMALL = 0x80100004
    BAD_HANDLE = 0x80100005
    SERVER_BUSY = 0x80100006
    SERVER_COMMUNICATION_FAILED = 0x80100007
    OUT_OF_RESOURCES = 0x80100008
    TICKET_NOT_AVAILABLE = 0x80100009
    INTERNAL_SERVER = 0x8010000A
    NOT_IMPLEMENTED = 0x8010000B
    CARD_NOT_SUPPORTED = 0x80200001
    NO_READER = 0x80200002
    CARD_NOT_VALID = 0x80200003
    PIN_BLOCKED = 0x80200004
    TRANSACTION_FAILED = 0x80200005
    NO_CERTIFICATE = 0x80200006
    NO_KEY = 0x80200007
    USER_ABORT = 0x80400001
    AUTHENTICATION_FAILED = 0x80400002
    AUTHENTICATION_NOT_POSSIBLE = 0x80400003
    USER_NOT_VALID = 0x80400004
    SERVER_NOT_AVAILABLE = 0x80400005
    DATA_SYNTAX = 0x80400006
    AUTHENTICATION_NOT_VALID = 0x80400007
    METHOD_NOT_SUPPORTED = 0x80400008
    VERSION_CONFLICT = 0x80800001
    NOT_INSTALLED = 0x80800002
    NO_SERVER = 0x80800003
    RESOURCE_LOAD = 0x80800004
    METHOD_MISSING = 0x80800005
    RESOURCE_MISSING = 0x80800006
    RESOURCE_INVALID = 0x80800007


class BridgeError(Exception):
    """An expected failure: `str()` is a sentence for people, `code` for programs, `exit_code` for the command line."""

    code: int = TicketCode.INTERNAL
    exit_code = 1


class SettingsError(BridgeError):
    """A file of settings cannot be read, or a value in it means nothing."""

    code = TicketCode.RESOURCE_INVALID
    exit_code = 2


class AgentNotRunning(BridgeError):
    """Nobody listens on the agent's socket, or there is no place for one."""

    code = TicketCode.NO_SERVER
    exit_code = 12


class ForeignSocket(AgentNotRunning):
    """Another user listens on what should be the agent's socket: nothing was sent there."""


class AgentBroken(BridgeError):
    """The agent's answer breaks Varlink's rules."""

    code = TicketCode.SERVER_COMMUNICATION_FAILED


class AgentSilent(AgentBroken):
    """The agent did not answer within the time allowed."""


class AgentBusy(BridgeError):
    """So many others wait for the agent that it takes no call within the time allowed."""

    code = TicketCode.SERVER_BUSY


class CallerGone(BridgeError):
    """Whoever asked is not there any more, so the agent need not go on asking the person."""

    code = TicketCode.USER_ABORT


class OriginRefused(BridgeError):
    """The web page that asks is not one of the configured ones."""

    code: int = TicketCode.METHOD_NOT_SUPPORTED
    exit_code = 13


class MissingLibrary(BridgeError):
    """A library that only this command needs is not installed."""

    code = TicketCode.RESOURCE_MISSING
    exit_code = 2


@contextmanager
def libraries() -> Iterator[None]:
    """Import libraries that are extras, inside of this; raises MissingLibrary, which names Debian's package."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        raise MissingLibrary(f"Python's module {name} is missing: install python3-{name}.") from None


class AgentError(BridgeError):
    """The agent answered with an error: its name, and the code and sentence that it gave."""

    def __init__(self, name: str, code: int, says: str) -> None:
        super().__init__(says)
        self.name = name
        self.code = code
        self.exit_code = _EXIT_CODES.get(code, 1)


# Exit codes of agent.py for the causes that it has a code of its own for.
_EXIT_CODES: dict[int, int] = {
    TicketCode.NO_READER: 3,
    TicketCode.CARD_NOT_VALID: 4,
    TicketCode.PIN_BLOCKED: 6,
    TicketCode.TICKET_NOT_AVAILABLE: 11,
    TicketCode.NO_SERVER: 12,
    TicketCode.USER_ABORT: 13,
}
