"""The vpcd protocol without a socket: frames in pieces, frames that end early, control bytes."""

from __future__ import annotations

import pytest
from support.emulator import SELECT_PIV

from emulator import VirtualCard
from emulator.reader.vpcd import FrameDecoder, FrameError, answer, encode_frame

FRAMES = [b"\x04", b"", bytes.fromhex(SELECT_PIV), bytes(300)]
STREAM = b"".join(encode_frame(frame) for frame in FRAMES)


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_frames_in_pieces(size: int) -> None:
    decoder = FrameDecoder()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert [frame for piece in pieces for frame in decoder.feed(piece)] == FRAMES
    decoder.end()


@pytest.mark.parametrize("cut", range(1, 5))
def test_the_stream_ends_inside_a_frame(cut: int) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"\x00\x04abcd"[:cut]) == []
    with pytest.raises(FrameError, match=f"after {cut} bytes"):
        decoder.end()


def test_the_longest_frame_is_the_card_s_to_refuse(virtual_card: VirtualCard) -> None:
    (frame,) = FrameDecoder().feed(encode_frame(bytes(0xFFFF)))
    assert answer(virtual_card, frame).data == b"\x67\x00"


def test_an_answer_too_long_for_a_frame() -> None:
    assert len(encode_frame(bytes(0xFFFF))) == 0x10001
    with pytest.raises(FrameError):
        encode_frame(bytes(0x10000))


def test_control_frames(virtual_card: VirtualCard) -> None:
    assert answer(virtual_card, b"\x04").data == virtual_card.atr
    for control in (b"\x00", b"\x01", b"\x02"):
        answer(virtual_card, bytes.fromhex(SELECT_PIV))
        assert virtual_card.state.selected
        assert answer(virtual_card, control).data is None
        assert not virtual_card.state.selected


@pytest.mark.parametrize("frame", ["", "03", "05", "FF", "0000"])
def test_anything_else_is_a_command_and_is_answered(frame: str, virtual_card: VirtualCard) -> None:
    assert answer(virtual_card, bytes.fromhex(frame)).data == b"\x67\x00"
