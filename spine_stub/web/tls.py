"""The certificate that greets a new connection: the broker's own, or a wrong one where a fault says so."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from ..config import LOOPBACK, system_clock
from ..errors import DataError
from ..explain.record import Exchange
from ..faults import TLS, Traits
from ..faults.kinds import TlsFault
from ..faults.tls import context_of, wrong_context
from ..folder import ROOT, ROOT_KEY
from ..pki import authority
from ..stub import Stub


class Greeting:
    """Gives the TLS settings for each new connection; a server asks it before it shakes hands."""

    def __init__(self, stub: Stub, hosts: Iterable[str] = LOOPBACK) -> None:
        """Make a certificate for these names and addresses; raises DataError.

        Each start makes its own: it then fits the addresses, and never expires in use.
        """
        self._stub = stub
        data = stub.broker.config.data
        try:
            self._context = context_of(make_tls(data, hosts, system_clock()))
        except (OSError, ValueError) as exc:
            raise DataError(f"cannot make a TLS certificate from {data}: {exc}") from exc

    def __call__(self, address: str) -> ssl.SSLContext:
        """Return what a connection from this address is greeted with."""
        setting = self._stub.faults.take(TLS, lambda: Traits([address]))
        if setting is None or not isinstance(setting.fault, TlsFault):
            return self._context
        record, now = self._stub.record, self._stub.broker.clock()
        record.add(Exchange(record.next_number(), now, TLS, "TLS", "handshake", address, fault=setting.name))
        return wrong_context(self._stub.broker.config.data, setting.fault.defect)


def make_tls(data: Path, hosts: Iterable[str], now: datetime) -> bytes:
    """Make a TLS key and certificate of DIR's CA for these names and addresses, both in one PEM."""
    key = authority.ec_key()
    root = authority.Issuer.load(data / ROOT, data / ROOT_KEY)
    certificate = authority.make_tls_certificate(root, key, hosts, now)
    return authority.key_pem(key) + authority.certificate_pem(certificate)
