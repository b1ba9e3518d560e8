"""vpcd's reader as PC/SC programs have it, for tests: which it is, and waiting for its card.

The only module of the emulator that names pyscard, which only tests through pcscd need.
"""

from __future__ import annotations

import time
from typing import Any

from smartcard import scard
from smartcard.pcsc.PCSCReader import PCSCReader

_VPCD = "Virtual PCD"
_SECONDS = 10.0


class PcscReader:
    """One reader. Raises LookupError where there is none, TimeoutError where a card does not come or go."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def first(cls) -> PcscReader:
        """Return the first slot of vpcd."""
        names = sorted(str(reader) for reader in PCSCReader.readers() if _VPCD in str(reader))
        if not names:
            raise LookupError("pcscd has no reader of vpcd")
        return cls(names[0])

    def connection(self) -> Any:
        """Return pyscard's connection, not connected yet."""
        return PCSCReader(self.name).createConnection()

    def wait(self, present: bool) -> None:
        """Return when a card is in, or is not."""
        result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        _check(result)
        try:
            self._wait(context, scard.SCARD_STATE_PRESENT if present else scard.SCARD_STATE_EMPTY)
        finally:
            scard.SCardReleaseContext(context)

    def _wait(self, context: Any, wanted: int) -> None:
        known, end = scard.SCARD_STATE_UNAWARE, time.monotonic() + _SECONDS
        while not known & wanted or known & scard.SCARD_STATE_MUTE:
            left = int((end - time.monotonic()) * 1000)
            if left <= 0:
                raise TimeoutError(f"{self.name} does not see the card come or go")
            result, states = scard.SCardGetStatusChange(context, left, [(self.name, known)])
            if result != scard.SCARD_E_TIMEOUT:
                _check(result)
            known = states[0][1] & ~scard.SCARD_STATE_CHANGED


def _check(result: int) -> None:
    if result != scard.SCARD_S_SUCCESS:
        raise LookupError(scard.SCardGetErrorMessage(result))
