"""What has left a session's tree is found by its environment, and ended or complained of."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from kiosk.errors import ProgramFailed
from kiosk.hooks import process_tree

MARK = "LANYARD_SESSION_DIR=/of/this/test"


@pytest.fixture
def left() -> Iterator[subprocess.Popen[bytes]]:
    name, _, value = MARK.partition("=")
    with subprocess.Popen(["sleep", "100"], env={**os.environ, name: value}) as process:
        yield process
        process.kill()


def test_what_was_left_is_ended(left: subprocess.Popen[bytes]) -> None:
    assert process_tree.end_marked(MARK) == 1
    assert left.wait(10) == -9


def test_what_cannot_be_ended_is_said(left: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "send", lambda *what: None)
    with pytest.raises(ProgramFailed, match="cannot be ended: 1"):
        process_tree.end_marked(MARK, seconds=0)
    assert left.poll() is None
