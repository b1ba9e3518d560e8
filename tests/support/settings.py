"""The agent's settings for tests: read from a file or none, and a file in the place of /etc/lanyard/agent.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import agent
from agent import Settings, load_settings


def load(file: str = "", environment: dict[str, str] | None = None, **options: Any) -> Settings:
    config = Path(file) if file else None
    return load_settings({"XDG_CONFIG_HOME": "/nonexistent", **(environment or {})}, {"config": config} | options)


def written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.fixture
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for /etc/lanyard/agent.toml."""
    path = tmp_path / "etc" / "agent.toml"
    path.parent.mkdir()
    monkeypatch.setattr(agent, "SYSTEM_FILE", path)
    return path
