"""Properties that hold of whatever comes in, each tried with a number of cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings

Test = Callable[..., None]


def many(cases: int, **strategies: Any) -> Callable[[Test], Test]:
    """@given with this number of cases."""

    def decorate(test: Test) -> Test:
        checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
        return settings(max_examples=cases, deadline=None, suppress_health_check=checks)(given(**strategies)(test))

    return decorate
