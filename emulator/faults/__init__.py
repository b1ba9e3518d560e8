"""The kinds of faults: each a small frozen dataclass of what is wrong with a card.

    pulled, truncated, oversized, mute, slow, atr                  contacts.py
    status, certificate, wrong-key, signature-bit, tries           application.py

How they take effect, and which comes first, is in layers.py; docs/testing-with-the-card.md has a table.
"""

from __future__ import annotations

from .application import Certificate, SignatureBit, Status, Tries, WrongKey
from .contacts import Mute, Oversized, Pulled, Slow, Truncated, WrongAtr
from .layers import Fault

__all__ = [
    "KINDS",
    "Certificate",
    "Mute",
    "Oversized",
    "Pulled",
    "SignatureBit",
    "Slow",
    "Status",
    "Tries",
    "Truncated",
    "WrongAtr",
    "WrongKey",
]

KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (Pulled, Mute, Slow, WrongAtr, Truncated, Oversized, Status, Certificate, WrongKey, SignatureBit, Tries)
}
"""All of them, by name."""
