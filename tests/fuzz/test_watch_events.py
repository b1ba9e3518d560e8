"""Whatever comes over the agent's socket, hooks and audit make an event of it or refuse it with a typed error.

python -m pytest tests/fuzz          a small number of cases, as in every run
tox -e fuzz                          FUZZ_WATCH_CASES cases
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk.agent_socket import parse_message
from kiosk.audit.record import Record, line
from kiosk.errors import AgentBroken
from kiosk.events import Event, Happening
from kiosk.hooks.session import environment

CASES = int(os.environ.get("FUZZ_WATCH_CASES", "1000"))
NOW = datetime(2026, 11, 26, tzinfo=UTC)
FOLDER = Path("/run/user/1000/lanyard-kiosk")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
LINE = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)
ROLE = st.fixed_dictionaries(dict.fromkeys(("id", "name", "org_code", "org_name"), LINE | ANYTHING))
NEARLY = st.fixed_dictionaries(
    {"event": st.sampled_from([*Happening]), "sequence": st.integers(0, 1000)},
    optional={
        "session": st.text("0123456789abcdef", max_size=70) | ANYTHING,
        "reason": LINE | ANYTHING,
        "uid": LINE | ANYTHING,
        "cn": LINE | ANYTHING,
        "reader": LINE | ANYTHING,
        "seconds": st.floats() | ANYTHING,
        "role": st.none() | ROLE | ANYTHING,
    },
)
checked = settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@checked
@given(NEARLY | st.dictionaries(st.text(max_size=10), ANYTHING, max_size=8))
def test_an_event_is_whole_or_refused(parameters: dict[str, Any]) -> None:
    try:
        event = Event.parse(parameters)
    except AgentBroken:
        return
    given_to_programs = environment(event, FOLDER / event.session)
    assert all("\0" not in value and "\n" not in value for value in given_to_programs.values())
    assert (FOLDER / event.session).resolve().is_relative_to(FOLDER)
    for text in Record(event, NOW).lines(event, NOW):
        assert "\n" not in text
        assert json.loads(text)["event"] == event.happening


@checked
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | NEARLY.map(json.dumps).map(str.encode))
def test_a_message_is_an_object_or_refused(raw: bytes) -> None:
    try:
        message = parse_message(raw)
    except AgentBroken:
        return
    assert isinstance(message, dict)


@checked
@given(st.dictionaries(st.sampled_from(["reason", "name", "uid", "seconds"]), LINE | st.floats(0, 1e9), max_size=4))
def test_a_line_of_the_record_is_one_line_of_json(fields: dict[str, Any]) -> None:
    text = line(NOW, "signed_in", **fields)
    assert "\n" not in text
    assert json.loads(text)["time"] == "2026-11-26T00:00:00.000+00:00"
