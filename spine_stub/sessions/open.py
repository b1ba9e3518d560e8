"""Which store keeps the sessions and the used challenges: `--store`."""

from __future__ import annotations

from ..config import Clock, Config
from ..errors import DataError
from ..folder import SESSIONS
from . import Limits, Store
from .sqlite import SqliteStore

SQLITE = "sqlite"
MEMORY = "memory"


def open_store(config: Config, clock: Clock) -> Store:
    """Open the store that `config.store` names; raises DataError."""
    limits = Limits(config.max_session, config.idle)
    if config.store == MEMORY:
        return SqliteStore.in_memory(limits, clock)
    if config.store == SQLITE:
        return SqliteStore.in_file(config.data / SESSIONS, limits, clock)
    if config.store.startswith(("redis://", "rediss://", "unix://")):
        # Imported only here: the client library is an extra that most people do not need.
        from .redis import RedisStore

        return RedisStore.connect(config.store, limits)
    raise DataError(f"--store {config.store} is not sqlite, memory, or a redis:// address")
