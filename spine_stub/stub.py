"""The broker with what a developer sees of it and does to it: record, faults, people, open timelines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask

from .explain.events import Events
from .explain.record import Record
from .faults import Faults
from .login.broker import Broker
from .pki.registration import RegistrationAuthority
from .sessions.endings import Ending

if TYPE_CHECKING:
    from .cis2.provider import Provider

EXTENSION = "spine_stub"


@dataclass
class Stub:
    """One process's broker and everything around it; `of(app)` finds it."""

    broker: Broker
    faults: Faults
    registration: RegistrationAuthority
    record: Record = field(default_factory=Record)
    events: Events = field(default_factory=Events)
    cis2: Provider | None = None
    """The stand-in for CIS2; None where its libraries are missing."""

    @classmethod
    def of(cls, app: Flask) -> Stub:
        """Return the stub behind an application of create_app."""
        stub = app.extensions[EXTENSION]
        assert isinstance(stub, cls)  # noqa: S101 - only create_app puts it there
        return stub

    def clear(self) -> None:
        """Forget requests, faults and sessions: a test begins as after a fresh start."""
        self.faults.clear()
        self.record.clear()
        if self.cis2:  # first, so that no application hears of it
            self.cis2.reset()
        for key in list(self.broker.store.sessions()):
            self.broker.endings.close(key, Ending.ENDED)

    def release(self) -> None:
        """Let go of threads, files and connections, when the stub is not needed any more."""
        if self.cis2:
            self.cis2.release()
        self.broker.release()
