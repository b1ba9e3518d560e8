"""A store in redis (`--store redis://HOST:PORT/DB`): brokers on several machines are one broker.

redis keeps the time. What a session is decided by happens inside redis, in short scripts that ask
its clock; keys end by themselves. So the brokers' own clocks need not agree about sessions.

    spine:session:<key>        hash: uid, opened, used (milliseconds since 1970), role, mode
    spine:challenge:<hex>      exists while a challenge is used up
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import DataError, Unavailable
from . import Limits, Session

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
# ARGV: absolute limit, idle limit (milliseconds), uid, how long the challenge is kept.
_OPEN = (
    _CLOCK
    + """
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[4]) then return false end
redis.call('HSET', KEYS[1], 'uid', ARGV[3], 'opened', now, 'used', now, 'mode', '0')
redis.call('PEXPIRE', KEYS[1], math.min(ARGV[1], ARGV[2]))
return now
"""
)
# ARGV: absolute limit, idle limit, and fields to change with their values. A key that has ended is not there any more.
_USE = (
    _CLOCK
    + """
local session = redis.call('HMGET', KEYS[1], 'uid', 'opened', 'used', 'role', 'mode')
if not session[1] then return false end
redis.call('HSET', KEYS[1], 'used', now, unpack(ARGV, 3))
redis.call('PEXPIREAT', KEYS[1], math.min(session[2] + ARGV[1], now + ARGV[2]))
session[3] = now
return session
"""
)


class RedisStore:
    """A store in redis, shared by all brokers that name it."""

    def __init__(self, client: Any, limits: Limits) -> None:
        """`client` is a redis.Redis that decodes replies."""
        self.limits = limits
        self._client = client
        self._open = client.register_script(_OPEN)
        self._use = client.register_script(_USE)
        self._limits = limits.absolute // _MILLISECOND, limits.idle // _MILLISECOND

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

    def open(self, key: str, uid: str, challenge: bytes, keep_for: timedelta) -> Session | None:
        keys = _SESSION + key, _CHALLENGE + challenge.hex()
        with _reaching():
            now = self._open(keys, (*self._limits, uid, keep_for // _MILLISECOND))
        return Session(uid, _instant(now), _instant(now)) if now else None

    def use(self, key: str) -> Session | None:
        with _reaching():
            return _session(self._use([_SESSION + key], self._limits))

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        with _reaching():
            self._use([_SESSION + key], (*self._limits, "role", role_id, "mode", mode))

    def close(self, key: str) -> bool:
        with _reaching():
            return bool(self._client.delete(_SESSION + key))

    def sessions(self) -> Mapping[str, Session]:
        with _reaching():
            keys = list(self._client.scan_iter(match=_SESSION + "*", count=1000))
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, _FIELDS)
            found = zip(keys, map(_session, pipeline.execute()), strict=True)
        live = [(key.removeprefix(_SESSION), session) for key, session in found if session]
        return dict(sorted(live, key=lambda item: item[1].opened, reverse=True))

    def release(self) -> None:
        self._client.connection_pool.disconnect()


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
