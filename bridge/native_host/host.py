"""What the extension's messages mean: {method, data, origin} -> {success, data} or {errorCode, errorDescription}.

The messages are those of the Windows agent's browser bridge, with `origin` added: the page's, as the browser says it to
the extension. A message may have an `id`, which comes back with its answer, and the `protocol` that its sender speaks.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any, BinaryIO

from .. import __version__
from ..agent_socket import AgentSocket, Caller
from ..errors import BridgeError, CallerGone, OriginRefused, TicketCode
from ..settings import Settings
from . import frames

PROTOCOL = 1
"""Raised when extension and host of different versions could misunderstand each other."""
WAIT_SECONDS = 120
"""How long a person has for card and passcode."""

_OWNER = re.compile(r"chrome-extension://([a-p]{32})/")
Message = dict[str, Any]


class HostCode(IntEnum):
    """Error codes beside those of TicketAPI. 100 to 201 are the Windows bridge's; those from 300 on are ours."""

    EMPTY = 100
    NO_RESPONSE = 200
    INVALID = 201
    ORIGIN_REFUSED = 300
    EXTENSION_REFUSED = 301


class InvalidMessage(BridgeError):
    """The message says nothing that this program knows."""

    code = HostCode.INVALID


class EmptyMessage(BridgeError):
    """The message has no method."""

    code = HostCode.EMPTY


class UnlistedOrigin(OriginRefused):
    """The page is not one of the settings' origins, or the extension does not say which page it is."""

    code = HostCode.ORIGIN_REFUSED


class UnknownExtension(BridgeError):
    """The extension that started this program is not one of the settings'."""

    code = HostCode.EXTENSION_REFUSED


def owner(arguments: list[str]) -> str:
    """Return the id of the extension that a browser names: Chromium in the first argument, Firefox in the second.

    Returns "" when the arguments are neither's.
    """
    if len(arguments) >= 2 and arguments[0].startswith("/"):
        return arguments[1]
    match = _OWNER.fullmatch(arguments[0]) if arguments else None
    return match[1] if match else ""


class NativeHost:
    """Answers one extension's messages, one after another.

    `load_settings` is called until it succeeds; each message is refused with its BridgeError until then. While a
    person is asked, the agent is hung up on when `caller`, the pipe from the browser, is closed.
    """

    def __init__(
        self, extension: str, load_settings: Callable[[], Settings], agent: AgentSocket, caller: Caller | None = None
    ) -> None:
        self._extension = extension
        self._load_settings = functools.cache(load_settings)
        self._agent = agent
        self._caller = caller
        self._methods: dict[str, Callable[[Message], Message]] = {
            "getToken": self._get_token,
            "getTokenNoAuth": self._get_token_no_auth,
            "getBridgeVersion": lambda _: {"version": __version__},
            "getOrigins": lambda _: {"origins": sorted(self._load_settings().origins)},
        }

    def serve(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Answer until the browser closes its end. Raises BrokenStream."""
        with contextlib.suppress(CallerGone, BrokenPipeError):
            while True:
                try:
                    raw = frames.read_message(source)
                except frames.MessageTooLong as error:
                    sink.write(frames.encode(_refusal(InvalidMessage(str(error)))))
                    continue
                if raw is None:
                    return
                sink.write(self.answer(raw))

    def answer(self, raw: bytes) -> bytes:
        """Return the frame that answers a message. Raises CallerGone, and nothing else."""
        message: Message = {}
        try:
            message = _parse(raw)
            answer = {"success": True, "data": self._do(message)}
            return frames.encode(answer | _id(message))
        except CallerGone:
            raise
        except BridgeError as error:
            return frames.encode(_refusal(error) | _id(message))

    def _do(self, message: Message) -> Message:
        if self._extension not in self._load_settings().extension_ids:
            raise UnknownExtension(f"The extension {self._extension or 'without a name'} is not Lanyard's.")
        if message.get("protocol", PROTOCOL) != PROTOCOL:
            raise _version_conflict()
        method = message.get("method")
        if not method:
            raise EmptyMessage("The message has no method.")
        if not isinstance(method, str) or method not in self._methods:
            raise InvalidMessage("The message's method is none that this program knows.")
        return self._methods[method](message)

    def _get_token(self, message: Message) -> Message:
        origin = self._listed_origin(message)
        return {"tokenId": self._agent.get_ticket(origin, WAIT_SECONDS, self._caller)}

    def _get_token_no_auth(self, message: Message) -> Message:
        return {"tokenId": self._agent.get_ticket_no_auth(self._listed_origin(message))}

    def _listed_origin(self, message: Message) -> str:
        origin = message.get("origin")
        if not isinstance(origin, str):
            raise UnlistedOrigin("The extension does not say which page asks.")
        if not self._load_settings().allows(origin):
            raise UnlistedOrigin(
                f"Pages of {_printable(origin)} are not among the origins that this PC's settings name."
            )
        return origin


def _parse(raw: bytes) -> Message:
    try:
        message = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise InvalidMessage("The message is not JSON.") from None
    if not isinstance(message, dict):
        raise InvalidMessage("The message is not a JSON object.")
    return message


def _id(message: Message) -> Message:
    """Return the part of an answer that says to which message it belongs."""
    number = message.get("id")
    return {"id": number} if isinstance(number, int) and abs(number) < 2**53 else {}


def _refusal(error: BridgeError) -> Message:
    return {"errorCode": int(error.code), "errorDescription": str(error)}


def _version_conflict() -> BridgeError:
    error = BridgeError(f"The extension speaks another protocol than this program, which is of Lanyard {__version__}.")
    error.code = TicketCode.VERSION_CONFLICT
    return error


def _printable(origin: str) -> str:
    return "".join(filter(str.isprintable, origin))[:100]
