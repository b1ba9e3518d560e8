"""A coverage-guided fuzzer for the card: atheris looks for APDUs that reach code no other APDU reached.

    pip install -e .[fuzz] && python tests/fuzz/atheris_card.py -runs=1000000

The bytes it makes up are frames of vpcd; an answer that is none, or 6F00, is a find.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import atheris  # noqa: E402

with atheris.instrument_imports(include=["emulator"]):
    from emulator import Card, VirtualCard
    from emulator.vpcd import FrameDecoder

from support.emulator import make_card, write_settings  # noqa: E402

SELECT = bytes.fromhex("00A4040005A000000308")
INTERNAL_ERROR = b"\x6f\x00"
_folder = Path(tempfile.mkdtemp(prefix="lanyard-fuzz-")) / "cards" / "fuzzed"


def one_input(data: bytes) -> None:
    """Send one conversation to a card whose codes nobody knows."""
    card.power_on()
    card.transmit(SELECT)
    left = card.card.passcode.tries_left
    for apdu in FrameDecoder().feed(data):
        if apdu[1:2] == b"\xfb":  # Yubico's RESET gives tries back on purpose
            continue
        answer = card.transmit(apdu)
        if len(answer) < 2 or answer[-2:] == INTERNAL_ERROR:
            raise AssertionError(f"{apdu.hex()} was answered {answer.hex()}")
        if card.state.passcode_verified or card.state.managed or card.card.passcode.tries_left > left:
            raise AssertionError(f"{apdu.hex()} let somebody in")


if __name__ == "__main__":
    make_card(_folder)
    write_settings(_folder, passcode="73619482", unblocking_code="60718293", management_key="C4" * 24)
    card = VirtualCard(Card.open(_folder))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
