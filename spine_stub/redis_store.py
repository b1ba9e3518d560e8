"""A store in redis (`--store redis://HOST:PORT/DB`): brokers on several machines are one broker.

redis keeps the time. What a session is decided by happens inside redis, in short scripts that ask
its clock; keys end by themselves. So the brokers' own clocks need not agree about sessions.

    spine:session:<key>        hash: uid, opened, used (milliseconds since 1970), role, mode
    spine:challenge:<hex>      exists while a challenge is used up
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import DataError, Unavailable
from .sessions import Limits, Session

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as exc:
    raise DataError("--store redis:// needs redis-py: apt-get install python3-redis, or pip install redis") from exc

_SESSION = "spine:session:"
_CHALLENGE = "spine:challenge:"
_SECONDS = 5.0
"""How long redis may take to be connected to, and to answer."""
_MILLISECOND = timedelta(milliseconds=1)
_FIELDS = ("uid", "opened", "used", "role", "mode")

_CLOCK = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
# ARGV: uid, absolute limit, idle limit (milliseconds).
_OPEN = (
    _CLOCK
    + """
redis.call('HSET', KEYS[1], 'uid', ARGV[1], 'opened', now, 'used', now, 'mode', '0')
redis.call('PEXPIRE', KEYS[1], math.min(ARGV[2], ARGV[3]))
return now
"""
)
# ARGV: absolute limit, idle limit. A key that has ended is not there any more.
_USE = (
    _CLOCK
    + """
local opened = redis.call('HGET', KEYS[1], 'opened')
if not opened then return false end
redis.call('HSET', KEYS[1], 'used', now)
redis.call('PEXPIREAT', KEYS[1], math.min(opened + ARGV[1], now + ARGV[2]))
return redis.call('HMGET', KEYS[1], 'uid', 'opened', 'used', 'role', 'mode')
"""
)
# ARGV: role, mode. Only where the session still is: HSET alone would make one without an end.
_CHOOSE = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'role', ARGV[1], 'mode', ARGV[2]) end
"""


class RedisStore:
    """A store in redis, shared by all brokers that name it."""

    def __init__(self, client: Any, limits: Limits) -> None:
        """`client` is a redis.Redis that decodes replies."""
        self.limits = limits
        self._shared = client
        self._own = threading.local()
        self._open: Callable[..., Any] = client.register_script(_OPEN)
        self._use: Callable[..., Any] = client.register_script(_USE)
        self._choose: Callable[..., Any] = client.register_script(_CHOOSE)
        self._absolute = limits.absolute // _MILLISECOND
        self._idle = limits.idle // _MILLISECOND

    @classmethod
    def connect(cls, url: str, limits: Limits) -> RedisStore:
        """Connect to the redis of an address, and ask whether it is there; raises DataError."""
        try:
            client = redis.Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=_SECONDS,
                socket_connect_timeout=_SECONDS,
                retry=Retry(NoBackoff(), 1),
                retry_on_error=[redis.ConnectionError],  # of a redis that was started again
            )
            client.ping()
        except (redis.RedisError, ValueError) as exc:
            raise DataError(f"the session store {_without_password(url)} does not answer: {exc}") from exc
        return cls(client, limits)

    def claim_challenge(self, challenge: bytes, keep_for: timedelta) -> bool:
        """See Store."""
        with _reaching():
            key = _CHALLENGE + challenge.hex()
            return bool(self._client.set(key, "1", nx=True, px=keep_for // _MILLISECOND))

    def open(self, key: str, uid: str) -> Session:
        """See Store."""
        with _reaching():
            now = _instant(self._run(self._open, key, uid, self._absolute, self._idle))
        return Session(uid, now, now)

    def use(self, key: str) -> Session | None:
        """See Store."""
        with _reaching():
            return _session(self._run(self._use, key, self._absolute, self._idle))

    def look(self, key: str) -> Session | None:
        """See Store."""
        with _reaching():
            return _session(self._client.hmget(_SESSION + key, _FIELDS))

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        """See Store."""
        with _reaching():
            self._run(self._choose, key, role_id, mode)

    def close(self, key: str) -> bool:
        """See Store."""
        with _reaching():
            return bool(self._client.delete(_SESSION + key))

    def sessions(self) -> Mapping[str, Session]:
        """See Store."""
        with _reaching():
            keys = list(self._client.scan_iter(match=_SESSION + "*", count=1000))
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, _FIELDS)
            found = zip(keys, map(_session, pipeline.execute()), strict=True)
        live = [(key.removeprefix(_SESSION), session) for key, session in found if session]
        return dict(sorted(live, key=lambda item: item[1].opened, reverse=True))

    def release(self) -> None:
        """See Store."""
        self._shared.connection_pool.disconnect()

    @property
    def _client(self) -> Any:
        """The connection of this thread: to borrow one for each command costs as much as half a command."""
        try:
            return self._own.client
        except AttributeError:
            client = self._own.client = self._shared.client()
            return client

    def _run(self, script: Callable[..., Any], key: str, *arguments: object) -> Any:
        return script(keys=[_SESSION + key], args=arguments, client=self._client)


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as exc:
        raise Unavailable("store-unavailable", type(exc).__name__) from exc


def _session(values: list[str | None] | None) -> Session | None:
    if not values or None in values[:3]:
        return None
    uid, opened, used, role, mode = values
    return Session(str(uid), _instant(opened), _instant(used), role, mode or "0")


def _instant(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _without_password(url: str) -> str:
    return url.rpartition("@")[2] if "@" in url else url
