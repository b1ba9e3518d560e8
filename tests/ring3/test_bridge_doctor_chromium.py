"""`bridge doctor` on what a real Chromium leaves in a person's profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.bridge_pc import PC
from support.browser import own_chromium
from support.extension import EXTENSION, chromium_with_extension, open_options
from support.native_host import LISTED

from bridge.doctor.findings import Fault

# What Chromium's own page of settings does when a person adds a site to those that may not.
FORBID = "chrome.send('setCategoryPermissionForPattern', [arguments[0], '', 'loopback-network', 'block', false])"


@pytest.fixture
def used(pc: PC) -> PC:
    """A PC whose person has used Chromium, with an unpacked copy of the extension."""
    shutil.rmtree(pc.preferences.parent)
    shutil.copytree(EXTENSION, pc.folder / "copy")
    with chromium_with_extension(pc.preferences.parents[1], extension=pc.folder / "copy") as browser:
        open_options(browser)
    return pc


def test_a_page_that_was_forbidden_to_reach_this_pc_is_found(used: PC) -> None:
    with own_chromium(used.preferences.parents[1]) as browser:
        browser.open("chrome://settings/content")
        browser.run(FORBID, LISTED)
    assert used.faults() == {Fault.LOOPBACK_DENIED}


def test_the_extension_of_a_real_profile_is_found(used: PC) -> None:
    assert used.faults() == set()


def test_its_version_is_read_where_it_lies(used: PC) -> None:
    used.change(used.folder / "copy" / "manifest.json", version="0.0.1")
    assert used.faults() == {Fault.EXTENSION_OLD}


def test_a_real_profile_without_the_extension_is_known_from_one_with_it(used: PC, tmp_path: Path) -> None:
    text = used.preferences.read_text()
    used.preferences.write_text(text.replace("kgienffckdgejaliddjgokkimmbfagop", "a" * 32))
    assert used.faults() == {Fault.EXTENSION_MISSING}
