"""A virtual NHS smartcard: a PIV card (NIST SP 800-73-4) in software, for a virtual reader.

In a terminal: `python -m emulator --help`. In Python:

    from emulator import Card, VirtualCard
    card = VirtualCard(Card.open("DIR/cards/three-roles"))
    card.power_on()                                          # the ATR
    card.transmit(bytes.fromhex("00A4040005A000000308"))     # answer data, SW1, SW2

Bytes flow link -> vpcd -> virtual_card -> apdu -> transport -> parsing -> piv, and the answer back.
"""

from .store.card import Card
from .store.card_json import CardError
from .virtual_card import VirtualCard

__all__ = ["Card", "CardError", "VirtualCard"]
