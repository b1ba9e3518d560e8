"""Watching PC/SC readers goes on whatever the service answers: without it no card is ever noticed."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from agent import AgentError, NoSmartcardService, PcscReader, ReaderLost, ReaderNews, SmartcardServiceRefuses

# winscard.h, as pcsclite.h has it
CODES = {
    "SCARD_S_SUCCESS": 0,
    "SCARD_F_INTERNAL_ERROR": 0x80100001,
    "SCARD_E_INVALID_HANDLE": 0x80100003,
    "SCARD_E_SHARING_VIOLATION": 0x8010000B,
    "SCARD_E_NO_SMARTCARD": 0x8010000C,
    "SCARD_F_COMM_ERROR": 0x80100013,
    "SCARD_E_READER_UNAVAILABLE": 0x80100017,
    "SCARD_E_NO_SERVICE": 0x8010001D,
    "SCARD_E_SERVICE_STOPPED": 0x8010001E,
    "SCARD_E_NO_READERS_AVAILABLE": 0x8010002E,
    "SCARD_W_REMOVED_CARD": 0x80100069,
    "SCARD_W_SECURITY_VIOLATION": 0x8010006A,
}
TROUBLES = [name for name in CODES if name not in ("SCARD_S_SUCCESS", "SCARD_E_NO_READERS_AVAILABLE")]


class Service(ModuleType):
    """pyscard's scard module, with a service that answers one call with trouble."""

    def __init__(self, call: str, trouble: str) -> None:
        super().__init__("smartcard.scard")
        vars(self).update(CODES, SCARD_SCOPE_USER=0, INFINITE=-1)
        self._results = {call: CODES[trouble]}

    def SCardEstablishContext(self, scope: int) -> list[Any]:  # noqa: N802
        return [self._results.get("establish", 0), 1]

    def SCardListReaders(self, context: int, groups: list[str]) -> list[Any]:  # noqa: N802
        return [self._results.get("list", 0), []]

    def SCardGetErrorMessage(self, result: int) -> str:  # noqa: N802
        return "trouble"

    def SCardCancel(self, context: int) -> int:  # noqa: N802
        return 0


@pytest.mark.parametrize("call", ["establish", "list"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_watcher_reports_and_goes_on(call: str, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("smartcard")
    service = Service(call, trouble)
    vars(package)["scard"] = service
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", service)
    reader = PcscReader()
    news: list[ReaderNews] = []
    reported = threading.Event()

    def report(each: ReaderNews) -> None:
        news.append(each)
        if isinstance(each, ReaderLost) and isinstance(each.error, NoSmartcardService):
            reported.set()

    watcher = threading.Thread(target=reader.watch, args=(report,))
    watcher.start()
    assert reported.wait(5)
    assert watcher.is_alive()
    reader.close()
    watcher.join(5)
    assert not watcher.is_alive()
    errors: list[AgentError] = [each.error for each in news if isinstance(each, ReaderLost)]
    assert isinstance(errors[-1], SmartcardServiceRefuses) == (trouble == "SCARD_W_SECURITY_VIOLATION")
    assert all(error.exit_code == 3 for error in errors)
