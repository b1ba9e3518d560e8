"""Messages of all kinds, as strategies: calls as programs send them, calls that are nearly right, and rubbish."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import strategies as st

from agent import METHODS

TEXT = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["origin", "wait_seconds", "question", "id", "summary", "content", "payloads", "interface"])
LIKE_CALLS = st.fixed_dictionaries(
    {"method": st.sampled_from([*METHODS]) | TEXT},
    optional={
        "parameters": st.dictionaries(NAMES | TEXT, VALUES, max_size=4) | VALUES,
        "more": VALUES,
        "oneway": VALUES,
        "upgrade": VALUES,
    },
).map(lambda call: json.dumps(call).encode())


def _spoiled(message: bytes, place: int, new: bytes) -> bytes:
    at = place % (len(message) + 1)
    return message[:at] + new + message[at + len(new) :]


CALLS = (
    LIKE_CALLS
    | st.builds(_spoiled, LIKE_CALLS, st.integers(0, 500), st.binary(max_size=4))
    | st.binary(max_size=60)
    | VALUES.map(lambda value: json.dumps(value).encode())
).map(lambda message: message.replace(b"\0", b""))


def pieces_of(stream: bytes) -> st.SearchStrategy[list[bytes]]:
    """A stream as it may come in, cut anywhere."""
    cuts = st.lists(st.integers(0, len(stream)), max_size=6).map(lambda cuts: [0, *sorted(cuts), len(stream)])
    return cuts.map(lambda cuts: [stream[start:end] for start, end in pairwise(cuts)])
