"""The broker with what a developer sees of it and does to it: record, faults, open timelines."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from flask import Flask

from .explain.events import Events
from .explain.record import Record
from .faults import Faults
from .login.broker import Broker

EXTENSION = "spine_stub"
_KEPT_BROKERS = 500


@dataclass
class Stub:
    """One process's broker and everything around it; `of(app)` finds it."""

    broker: Broker
    faults: Faults
    record: Record = field(default_factory=Record)
    events: Events = field(default_factory=Events)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _brokers: OrderedDict[str, Broker] = field(default_factory=OrderedDict, repr=False)
    """Changed brokers, by the key of the session that goes on with them."""

    @classmethod
    def of(cls, app: Flask) -> Stub:
        """Return the stub behind an application of create_app."""
        stub = app.extensions[EXTENSION]
        assert isinstance(stub, cls)  # noqa: S101 - only create_app puts it there
        return stub

    @property
    def has_changed_brokers(self) -> bool:
        """Whether any session goes on with a broker that a fault has changed."""
        return bool(self._brokers)

    def broker_for(self, session_key: str) -> Broker:
        """Return the broker that a session goes on with."""
        return self._brokers.get(session_key, self.broker)

    def keep_broker(self, session_key: str, broker: Broker) -> None:
        """Let a session go on with a changed broker."""
        with self._lock:
            self._brokers[session_key] = broker
            while len(self._brokers) > _KEPT_BROKERS:
                self._brokers.popitem(last=False)

    def clear(self) -> None:
        """Forget requests, faults and sessions: a test begins as after a fresh start."""
        self.faults.clear()
        self.record.clear()
        with self._lock:
            self._brokers.clear()
        for key in list(self.broker.store.sessions()):
            self.broker.store.close(key)
