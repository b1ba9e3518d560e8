"""The tray over HTTP, as its page hears it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import requests


@contextlib.contextmanager
def events(url: str, **headers: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """Listen as the page does: yield the kind and value of each event."""
    with requests.get(f"{url}events", stream=True, headers=headers, timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines(chunk_size=1, decode_unicode=True)

        def each() -> Iterator[tuple[str, Any]]:
            kind = ""
            for line in lines:
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

        yield each()
