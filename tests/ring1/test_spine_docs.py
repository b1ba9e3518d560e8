"""docs/testing-with-the-broker.md says what the broker can do: the client, the faults, the API."""

from __future__ import annotations

import re
from pathlib import Path

from spine_stub.console import API
from spine_stub.faults.kinds import KINDS
from spine_stub.testing import Sent, SpineStub

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "testing-with-the-broker.md").read_text()
CLIENT = ROOT / "tests" / "examples" / "made_up_client.py"


def test_the_client_on_the_page_is_the_one_of_the_tests() -> None:
    """Its tests are run from the page itself."""
    indented = "\n".join(f"    {line}".rstrip() for line in CLIENT.read_text().splitlines())
    assert f"\n{indented}\n" in MANUAL


def test_every_fault_is_listed_with_its_value() -> None:
    for kind in KINDS:
        value = f"{kind.value} (`{kind.default}`)" if kind.value else ""
        assert f"| `{kind.name}` | {kind.title} | {value} |" in MANUAL


def test_every_address_of_the_api_is_listed() -> None:
    listed = re.findall(r"^\| (GET|POST) `(/stub/[^`]+)`", MANUAL, re.MULTILINE)
    assert listed == [(method, rule) for rule, method, _ in API]


def test_what_is_said_of_a_stub_is_there() -> None:
    table = MANUAL.partition("| Of a SpineStub |")[2].partition("\n\n")[0]
    names = {name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)", cell)}
    assert names == {
        "url",
        "ca_file",
        "data",
        "card",
        "people",
        "faults",
        "wait_for",
        "requests",
        "assert_signed_in",
        "cis2",
        "clear",
    }
    assert all(hasattr(SpineStub, name) or name == "data" for name in names)
    assert all(f"{name}(" in MANUAL for name in vars(Sent) if name.startswith("assert_"))
