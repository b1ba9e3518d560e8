"""Where an examination looks: a person's environment, and the file system."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..native_host.browsers import Browser, Place, find_program
from ..settings import SYSTEM_FILE, Settings, load


@dataclass(frozen=True)
class Surroundings:
    """A person's environment variables, and the folder that stands for `/` where files of all users are looked up."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    root: Path = Path("/")

    @property
    def home(self) -> Path:
        return Path(self.environment.get("HOME") or Path.home())

    @property
    def config(self) -> Path:
        return Path(self.environment.get("XDG_CONFIG_HOME") or self.home / ".config")

    @property
    def places(self) -> tuple[Place, Place]:
        """The user's own place for manifests, which browsers look at first, and the one for all users."""
        return Place(True, self.environment), Place(False, self.environment, self.root)

    def settings(self) -> Settings:
        """Return the bridge's settings. Raises SettingsError."""
        return load(self.environment, self.root / SYSTEM_FILE.relative_to("/"))

    def program(self, browser: Browser) -> Path | None:
        """Return the browser's program, outside of snap and flatpak."""
        return find_program(browser, self.environment.get("PATH", os.defpath))

    def profiles(self, browser: Browser) -> Iterator[Path]:
        """Yield the folder of each of the person's profiles in a browser."""
        if browser.is_firefox:
            for base in (self.home / ".mozilla", self.config / "mozilla"):
                yield from (path.parent for path in sorted(base.glob("firefox/*/extensions.json")))
        else:
            folder = self.places[0].below(browser.user).parent
            yield from (path.parent for path in sorted(folder.glob("*/Preferences")))


def read_json(path: Path) -> dict[str, Any]:
    """Return a file's JSON object; an empty one when there is none to read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def inner(content: object, *names: str) -> Any:
    """Return what objects in objects have under these names; an empty object when one of them is missing."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return {} if content is None else content
