"""Starting the tray, where that is possible: it needs aiohttp, and its port.

Neither is a reason for the emulator not to run: it says that there is no tray, and why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from .control import Answer, Handler
from .journal import Conversation

if TYPE_CHECKING:
    from .tray import Tray

_log = logging.getLogger(__name__)


async def serve_tray(
    port: int, commands: Mapping[str, Handler], overview: Callable[[], Awaitable[Answer]], conversation: Conversation
) -> Tray | None:
    """Return the tray on this port of loopback (0: any that is free), or None where there can be none."""
    try:
        kind = await asyncio.to_thread(_import)  # which takes a quarter of a second
    except ImportError:
        _log.info("there is no tray: it needs aiohttp (Debian: apt install python3-aiohttp; pip install aiohttp)")
        return None
    tray = kind(commands, overview, conversation)
    try:
        await tray.start(port)
    except OSError:
        _log.warning("there is no tray: port %d is taken; --tray PORT chooses another, 0 any that is free", port)
        return None
    _log.info("the tray is at %s", tray.url)
    return tray


def _import() -> type[Tray]:
    from .tray import Tray

    return Tray
