"""Conversations that hypothesis makes up, and makes as short as they can be when the card fails one.

FUZZ_CARD_CASES: for every 40 there is one conversation of up to 8 APDUs, and one stream of as many frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fuzzing import SEEDS, LockedOutCard, check_frames

from emulator.identifiers import Instruction
from emulator.iso7816 import tlv
from emulator.reader.vpcd import encode_frame

EXAMPLES = int(os.environ.get("FUZZ_CARD_CASES", "4000")) // 40

OCTETS = st.integers(0, 255)
HEADERS = st.one_of(
    st.sampled_from([seed[:4] for seed in SEEDS]),
    st.builds(
        lambda cla, ins, p1, p2: bytes((cla, ins, p1, p2)),
        st.sampled_from([0x00, 0x10]) | OCTETS,
        st.sampled_from(sorted(Instruction)) | OCTETS,
        OCTETS,
        st.sampled_from([0x80, 0x81, 0x82, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0xFF]) | OCTETS,
    ),
)
"""CLA, INS, P1, P2."""
TAGS = st.sampled_from([0x01, 0x53, 0x5C, 0x7C, 0x7E, 0x7F61, 0x80, 0x81, 0x82, 0x85, 0xAA, 0xAC]) | OCTETS
VALUES = st.sampled_from([b"", b"\x5f\xc1\x05", b"\x7e", b"\x07", b"123456\xff\xff"]) | st.binary(max_size=40)
FLAT = st.lists(st.builds(tlv.encode, TAGS, VALUES), max_size=3).map(b"".join)
OBJECTS = st.one_of(VALUES, FLAT, st.builds(tlv.encode, TAGS, FLAT))
"""What a command carries: data objects in data objects, or no such thing."""
LENGTHS = st.sampled_from([b"", b"\x00", b"\x01", b"\xff", b"\x00\x00", b"\x00\x00\x00"])
"""Le, or what could be taken for one."""


def short(header: bytes, data: bytes, le: bytes) -> bytes:
    return header + (bytes((len(data),)) + data if data else b"") + le


def extended(header: bytes, data: bytes, le: bytes) -> bytes:
    return header + b"\x00" + len(data).to_bytes(2, "big") + data + le


DATA = OBJECTS.filter(lambda data: len(data) < 256)
APDUS = st.one_of(
    st.builds(short, HEADERS, DATA, LENGTHS), st.builds(extended, HEADERS, DATA, LENGTHS), st.binary(max_size=300)
)


FRAMES = st.builds(encode_frame, APDUS | st.binary(max_size=1))
STREAMS = st.tuples(st.lists(FRAMES, max_size=8).map(b"".join), st.binary(max_size=4), FRAMES).map(b"".join)
"""Whole frames, then what gets the rest out of step."""


def many(**strategies: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """@given with the number of examples that was asked for."""
    return lambda test: settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))(
        given(**strategies)(test)
    )


@many(conversation=st.lists(APDUS, min_size=1, max_size=8))
def test_no_conversation_lets_anybody_in(locked_out: LockedOutCard, conversation: list[bytes]) -> None:
    locked_out.power_on()
    for raw in conversation:
        locked_out.send(raw)


@many(stream=STREAMS, size=st.integers(1, 40))
def test_any_stream_is_frames_in_the_same_order(locked_out: LockedOutCard, stream: bytes, size: int) -> None:
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    locked_out.power_on()
    for frame in check_frames(stream, pieces):
        locked_out.send_frame(frame)
