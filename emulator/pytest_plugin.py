"""Fixtures for tests of software that talks to PIV cards. Where Lanyard is installed, pytest loads them by itself.

    def test_sign_in(piv_reader, piv_card, piv_faults):
        piv_reader.insert(piv_card)
        piv_faults.add(Pulled())
        ...

They work without pcscd. With `--piv-vpcd HOST:PORT`, or the setting `piv_vpcd`, the card goes into that
slot of vpcd, and every PC/SC program meets it. docs/testing-with-the-card.md tells more.

The card is imported by the fixtures and not before, so that a test run without cards pays nothing for them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .faults.layers import Faults
    from .testing import VirtualReader
    from .virtual_card import VirtualCard


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --piv-vpcd and the setting of that name."""
    text = "HOST:PORT of vpcd, for cards that PC/SC programs meet; without it no pcscd is needed"
    parser.addoption("--piv-vpcd", metavar="HOST:PORT", help=text)
    parser.addini("piv_vpcd", text)


@pytest.fixture(scope="session")
def piv_card_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a card like `piv_card`, made once: RSA keys take a moment. Tests get copies."""
    from .testing import new_card

    return new_card(tmp_path_factory.mktemp("piv")).card.file.path.parent


@pytest.fixture
def piv_card(piv_card_folder: Path, tmp_path: Path) -> VirtualCard:
    """A new card for each test, in no reader yet: passcode 123456, 9A RSA 2048, the others P-256."""
    from .virtual_card import VirtualCard

    folder = tmp_path / "piv" / "cards" / piv_card_folder.name
    shutil.copytree(piv_card_folder, folder)
    return VirtualCard.open(folder)


@pytest.fixture
def piv_faults(piv_card: VirtualCard) -> Faults:
    """What is wrong with `piv_card`: nothing yet."""
    return piv_card.faults


@pytest.fixture
def piv_vpcd(pytestconfig: pytest.Config) -> str | None:
    """Where vpcd listens, or None. Override it to start a pcscd of your own."""
    return pytestconfig.getoption("--piv-vpcd") or pytestconfig.getini("piv_vpcd") or None


@pytest.fixture
def piv_reader(piv_vpcd: str | None) -> Iterator[VirtualReader]:
    """An empty reader."""
    from .testing import VirtualReader

    with VirtualReader(piv_vpcd) as reader:
        yield reader
