"""What takes seconds is done ahead, in a thread: the making of an RSA key pair.

Only the numbers are made there. The command itself is carried out by the event loop as every other,
and takes the key pair that it finds made: no card is ever touched by two threads, and one that has
lost its power meanwhile knows nothing of the key pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable

from ..identifiers import Instruction
from ..iso7816.apdu import parse_apdu
from ..iso7816.status_words import StatusError
from ..keys import key_pairs
from ..keys.private_key import PrivateKey
from ..piv.commands import GenerateKeyPair
from ..piv.parsing import parse
from ..virtual_card import VirtualCard

INSTRUCTION = bytes((Instruction.GENERATE_ASYMMETRIC_KEY_PAIR,))
"""No other command takes so long."""


def key_pair(card: VirtualCard, raw: bytes) -> Callable[[], PrivateKey] | None:
    """Return how to make the key pair that this command APDU asks for; None where there is nothing to do ahead."""
    try:
        command = parse(parse_apdu(raw))
    except StatusError:
        return None
    if not isinstance(command, GenerateKeyPair) or not card.state.managed or command.algorithm not in key_pairs.SLOW:
        return None
    return functools.partial(key_pairs.generate, command.algorithm, command.policy)


def begin(make: Callable[[], PrivateKey]) -> asyncio.Future[PrivateKey | None]:
    """Have it made by a thread, which ends with the process, whatever it is at; None where that failed."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[PrivateKey | None] = loop.create_future()

    def take(key: PrivateKey | None) -> None:
        if not made.done():
            made.set_result(key)

    def work() -> None:
        key = None
        with contextlib.suppress(Exception):  # the command will meet it again, and answer with it
            key = make()
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            loop.call_soon_threadsafe(take, key)

    threading.Thread(target=work, daemon=True).start()
    return made
