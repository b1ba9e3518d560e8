"""A virtual NHS smartcard: a PIV card (NIST SP 800-73-4) in software, for a virtual reader.

In a terminal: `python3 -m emulator --help`. In Python:

    from emulator import Card, VirtualCard
    card = VirtualCard(Card.open("DIR/cards/three-roles"))
    card.power_on()                                          # the ATR
    card.transmit(bytes.fromhex("00A4040005A000000308"))     # answer data, SW1, SW2

Bytes flow reader/link -> virtual_card -> iso7816 -> piv/parsing -> piv/application, and the answer back.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import CardError
    from .store.card import Card
    from .virtual_card import VirtualCard

__version__ = "0.1.0"
__all__ = ["Card", "CardError", "VirtualCard"]

_MODULES = {"Card": "store.card", "CardError": "errors", "VirtualCard": "virtual_card"}


def __getattr__(name: str) -> object:
    """Import a name's module when it is first asked for, so that pytest loads the plugin without the whole package."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
