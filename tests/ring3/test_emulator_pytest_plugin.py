"""The pytest plugin as other people use it: with -p, without our own conftest, with pcscd and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.machine import need
from support.reader import SOCKET_VARIABLE, Pcscd

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "examples"
WITHOUT_PYSCARD = ("-p", "examples.without_pyscard")


def run_example(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of the made-up program as its makers do."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "emulator.pytest_plugin", "-p", "no:cacheprovider"),
            *("--noconftest", "-c", os.devnull, "--rootdir", str(EXAMPLE), "-W", "error", "-rA"),
            *(*options, str(EXAMPLE / "test_door.py")),
        ],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )


def test_without_pcscd() -> None:
    said = run_example()
    assert said.returncode == 0, said.stdout + said.stderr
    assert "PASSED" in said.stdout


def test_without_pyscard() -> None:
    said = run_example(*WITHOUT_PYSCARD)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(("options", "sentence"), [((), "pcscd does not answer"), (WITHOUT_PYSCARD, "pyscard is not")])
def test_what_is_missing_for_pcscd_is_said(
    options: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, "/nowhere")
    said = run_example(*options, "--piv-vpcd", "127.0.0.1:1", "-k", "knows")
    assert f"ReaderError: {sentence}" in said.stdout
    assert "apt install pcscd vsmartcard-vpcd python3-pyscard" in said.stdout


def test_through_a_real_pcscd(pcscd: Pcscd) -> None:
    need("smartcard")
    said = run_example("--piv-vpcd", pcscd.vpcd, "-k", "knows or signature-bit or pulled")
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_made_up_program_itself_meets_the_card(pcscd: Pcscd, tmp_path: Path) -> None:
    need("smartcard")
    from emulator.testing import VirtualReader, new_card

    with VirtualReader(pcscd.vpcd) as reader:
        reader.insert(new_card(tmp_path))
        assert reader.name in pcscd.readers
        said = subprocess.run(
            [sys.executable, EXAMPLE / "door.py"], capture_output=True, text=True, timeout=30, check=False
        )
    assert said.stdout == "come in, 555000000001\n", said.stderr


def test_its_options_are_told() -> None:
    assert "--piv-vpcd" in run_example("--help").stdout
