"""A pytest plugin that makes this a machine without pyscard."""

from __future__ import annotations

import sys

sys.modules["smartcard"] = None  # type: ignore[assignment]
