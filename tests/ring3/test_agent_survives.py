"""What happens to a shared PC in a year: afterwards the next person signs in, and nobody has touched the agent."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.agent import Slot
from support.agent_program import free_port
from support.emulator import PASSCODE
from support.kiosk import Kiosk, running
from support.machine import need, wait_until
from support.reader import Pcscd, vpcd_has_a_card
from support.screen import Display
from support.spine import SpineFactory

from spine_stub.stub import Stub

Start = Callable[..., Kiosk]


@pytest.fixture(autouse=True)
def parts() -> None:
    need("pcscd", "vpcd", "xdotool")


def signs_in(kiosk: Kiosk, card: str = "one-role") -> None:
    kiosk.slot.insert(card)
    kiosk.types(PASSCODE)
    kiosk.sees("signed_in")


def leaves(kiosk: Kiosk, sessions: Callable[[], int]) -> None:
    kiosk.slot.pull()
    kiosk.sees("no_card")
    wait_until(lambda: not sessions(), what="the end of the session")


def ends(pcscd: Pcscd) -> None:
    """The service is stopped, and what listens for it is gone, as in an upgrade."""
    pcscd.stop()


def crashes(pcscd: Pcscd) -> None:
    pcscd.kill()


@pytest.mark.parametrize("goes_away", [ends, crashes])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_the_smartcard_service(
    goes_away: Callable[[Pcscd], None], is_signed_in: bool, kiosk: Kiosk, pcscd: Pcscd, sessions: Callable[[], int]
) -> None:
    if is_signed_in:
        signs_in(kiosk)
    goes_away(pcscd)
    kiosk.sees("no_reader")
    wait_until(lambda: not sessions(), what="the end of the session")
    kiosk.slot.pull()
    pcscd.restart()
    kiosk.sees("no_card")
    signs_in(kiosk)
    leaves(kiosk, sessions)


def test_the_broker_goes_while_the_passcode_is_typed_and_comes_back(
    display: Display, kiosk_slot: Slot, spine_factory: SpineFactory, tmp_path: Path
) -> None:
    """As when the network goes: with the challenge, and the connection that brought it."""
    port = free_port()
    first = spine_factory(port=port)
    with running(Kiosk(display, kiosk_slot, first, tmp_path)) as kiosk:
        kiosk.slot.insert("one-role")
        kiosk.sees("passcode")
        wait_until(lambda: first.requests("authactivate"), what="the challenge")
        first.stop()
        kiosk.types(PASSCODE)
        kiosk.sees("failed")
        second = spine_factory(port=port)
        kiosk.slot.pull()
        kiosk.sees("no_card")
        signs_in(kiosk)
        leaves(kiosk, lambda: len(Stub.of(second.app).broker.store.sessions()))


def test_the_broker_is_away_when_a_card_comes_and_is_there_soon(
    display: Display, kiosk_slot: Slot, spine_factory: SpineFactory, tmp_path: Path
) -> None:
    """Nobody presses anything: the passcode that is typed by then is taken."""
    port = free_port()
    away = spine_factory(port=port)
    broker = SimpleNamespace(url=away.url, ca_file=away.ca_file)
    away.stop()
    with running(Kiosk(display, kiosk_slot, broker, tmp_path)) as kiosk:
        kiosk.slot.insert("one-role")
        kiosk.sees("passcode")
        spine_factory(port=port)
        kiosk.types(PASSCODE)
        kiosk.sees("signed_in")


def test_a_disk_that_is_full(start_kiosk: Start, sessions: Callable[[], int]) -> None:
    """Neither the log nor what is told step by step can be written."""
    kiosk = start_kiosk("--log-file", "/dev/full", "--log-level", "debug", "--explain")
    signs_in(kiosk)
    leaves(kiosk, sessions)


MODES = ["", "--session-lock-persistence", "--enhanced-normal", "--mobility"]


@pytest.mark.parametrize("mode", MODES)
def test_the_guardian_ends_every_session_in_every_mode(
    mode: str, start_kiosk: Start, pcscd: Pcscd, sessions: Callable[[], int]
) -> None:
    """Of who is signed in, and where the mode keeps them, of those whose card is out."""
    kiosk = start_kiosk(*filter(None, [mode]))
    signs_in(kiosk)
    if mode in ("--session-lock-persistence", "--mobility"):
        kiosk.slot.pull()
        wait_until(lambda: not vpcd_has_a_card(pcscd.vpcd), what="a reader that has seen it")
        signs_in(kiosk, "expiring")
        assert sessions() == 2
    kiosk.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not sessions(), what="the end of each session")
