"""The clinical application on a port of its own, in a thread beside the broker or inside a test.

with Application(spine.url, spine.data) as clinic:
    clinic.url                                        what a browser opens
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from ..config import BRIDGE_PORT, LOOPBACK, Clock, system_clock
from ..errors import DataError
from ..faults.tls import context_of
from ..folder import ROOT
from ..web.server import Greeting, Server
from ..web.tls import make_tls
from .app import create_clinic
from .assertion import HttpsBroker
from .professional_session import HEADERS


class Application:
    """A server for the application. It trusts the broker by DIR's CA, and has a certificate of that CA itself."""

    def __init__(
        self,
        broker_url: str,
        data: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = True,
        names: Iterable[str] = LOOPBACK,
        bridge_port: int = BRIDGE_PORT,
        clock: Clock = system_clock,
    ) -> None:
        """`names` are those in its certificate; port 0 takes any free one."""
        broker = HttpsBroker(broker_url, data / ROOT, clock)
        greeting = _greeting(data, names) if tls else None
        self._server = Server(create_clinic(broker, bridge_port), host, port, greeting, HEADERS)
        self._thread = threading.Thread(target=self._server.serve, daemon=True, name="clinic")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it is: its origin."""
        return self._server.url

    def start(self) -> None:
        """Begin to serve; raises DataError."""
        try:
            self._server.prepare()
        except OSError as exc:
            where = f"{self._server.host} port {self._server.port}"
            raise DataError(f"the application cannot listen on {where}: {exc.strerror}. Choose another port") from exc
        self._thread.start()

    def stop(self) -> None:
        """Stop, and hang up on everybody."""
        self._server.stop()
        self._thread.join()


def _greeting(data: Path, names: Iterable[str]) -> Greeting:
    try:
        context = context_of(make_tls(data, names, system_clock()))
    except (OSError, ValueError) as exc:
        raise DataError(f"cannot make a TLS certificate from {data}: {exc}") from exc
    return lambda _: context
