"""What pages and API can change, from values as they come: text, or what JSON has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DataError
from ..faults import Setting
from ..sessions import Session
from ..sessions.endings import Ending
from ..stub import Stub

_FAULT_FIELDS = {"fault", "value", "endpoint", "client", "times"}
_LONGEST = 500


def set_fault(stub: Stub, values: Mapping[str, Any]) -> list[Setting]:
    """Set a fault: for the next `times` requests that fit, or standing without `times`. Raises DataError."""
    unknown = sorted(set(values) - _FAULT_FIELDS)
    if unknown:
        raise DataError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(_FAULT_FIELDS))}")
    name, value, endpoint, client = (_text(values, field) for field in ("fault", "value", "endpoint", "client"))
    times = values.get("times")
    if times in (None, ""):
        return [stub.faults.always(name, value, endpoint=endpoint, client=client)]
    return stub.faults.once(name, value, endpoint=endpoint, client=client, times=_number(times, "times"))


def clear_faults(stub: Stub, values: Mapping[str, Any]) -> int:
    """Clear the fault with this number, or all; returns how many went. Raises DataError."""
    number = values.get("number")
    return stub.faults.clear(None if number in (None, "") else _number(number, "number"))


def sessions(stub: Stub) -> dict[str, Session]:
    """The live sessions by the beginning of their key, the newest first."""
    return {key[:16]: session for key, session in stub.broker.store.sessions().items()}


def end_session(stub: Stub, values: Mapping[str, Any]) -> bool:
    """End the session whose key begins so; False when there is none. Raises DataError."""
    wanted = _text(values, "session")
    if len(wanted) < 8:
        raise DataError("session: at least the first 8 characters of its key")
    found = [key for key in stub.broker.store.sessions() if key.startswith(wanted)]
    return bool(found) and stub.broker.endings.close(found[0], Ending.ENDED)


def _text(values: Mapping[str, Any], field: str) -> str:
    value = values.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > _LONGEST:
        raise DataError(f"{field} is not a short text")
    return str(value).strip()


def _number(value: Any, field: str) -> int:
    try:
        return int(str(value))
    except ValueError as exc:
        raise DataError(f"{field} is not a number") from exc
