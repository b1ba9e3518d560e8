"""What the PIV application needs of a card: codes, keys and objects that outlast the power.

store/card.py keeps them in a folder. Whatever changes something here is on the disk when it returns, and
raises OSError or CardError when it cannot be.
"""

from __future__ import annotations

from typing import Protocol

from ..identifiers import KeyReference
from ..keys.management_key import ManagementKey
from ..keys.private_key import PrivateKey
from .reference_data import ReferenceData


class CardMemory(Protocol):
    """A card without its power."""

    passcode: ReferenceData
    unblocking_code: ReferenceData
    keys: dict[KeyReference, PrivateKey]
    objects: dict[int, bytes]
    """What GET DATA answers, by tag."""
    version: tuple[int, ...]
    """What GET VERSION answers: three numbers."""

    @property
    def management_key(self) -> ManagementKey: ...

    @property
    def serial(self) -> int:
        """A number of 31 bits."""
        ...

    def put_object(self, tag: int, content: bytes) -> None: ...

    def put_key(self, reference: KeyReference, key: PrivateKey) -> None: ...

    def move_key(self, source: KeyReference, target: KeyReference | None) -> None: ...

    def set_management_key(self, key: ManagementKey) -> None: ...

    def set_codes(self, passcode: str, unblocking_code: str, tries: tuple[int, int] | None = None) -> None:
        """Take new codes, with all tries left; `tries` says how many there are of each from now on."""
        ...

    def clear(self) -> None:
        """Lose all keys and data objects, and take the usual codes and management key."""
        ...
