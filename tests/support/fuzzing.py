"""Random and mutated APDUs, and a card that must stand all of them."""

from __future__ import annotations

import functools
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from emulator import Card, VirtualCard
from emulator.iso7816 import tlv
from emulator.iso7816.status_words import StatusWord
from emulator.keys import key_pairs
from emulator.keys.private_key import PrivateKey
from emulator.reader.vpcd import FrameDecoder, answer, encode_frame
from support.emulator import card_keys, make_card, write_settings

SECRET = {"passcode": "73619482", "unblocking_code": "60718293", "management_key": "C4" * 24}
MANY_TRIES = {"tries": 15, "tries_left": 15, "unblocking_tries": 15, "unblocking_tries_left": 15}
SELECT = bytes.fromhex("00A4040005A000000308")

SEEDS = [
    bytes.fromhex(apdu)
    for apdu in (
        "00A4040005A00000030800",
        "00CB3FFF055C035FC10500",
        "00CB3FFF0000055C035FC1050000",
        "00C0000000",
        "00200080",
        "0020008008303030303030FFFF",
        "0024008010303030303030FFFF313131313131FFFF",
        "002C008010303030303030FFFF313131313131FFFF",
        "0087079B047C02800000",
        "0087039B047C02810000",
        "0087039B0C7C0A8208000000000000000000",
        "0087119E0E7C0C820081080102030405060708",
        "0087119D477C4582008541" + "04" + "17" * 64,
        "1087079AFF" + "7C8201068200818201 00".replace(" ", "") + "00" * 245,
        "0087079A0B" + "00" * 11,
        "0047009A05AC0380010700",
        "00DB3FFF095C035FC1055302AABB",
        "00DB3FFF067E045302AABB",
        "10DB3FFF055C035FC105",
        "00F7009A00",
        "00FD000000",
        "00F8000000",
        "00FB0000",
        "00FA0505",
        "00FE119A220120" + "11" * 32,
        "00FFFFFF1B039B18" + "00" * 24,
        "00F69A82",
    )
]
"""What programs send, one of each kind."""


def rsa_import() -> bytes:
    """Return Yubico's IMPORT ASYMMETRIC KEY with a right RSA key, as one extended APDU."""
    key = card_keys()["9A"]
    assert isinstance(key, rsa.RSAPrivateKey)
    secret = key.private_numbers()
    numbers = (secret.p, secret.q, secret.dmp1, secret.dmq1, secret.iqmp)
    body = b"".join(tlv.encode(tag, number.to_bytes(128, "big")) for tag, number in enumerate(numbers, 1))
    return bytes.fromhex("00FE079A00") + len(body).to_bytes(2, "big") + body


def repeatable(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def cases(chance: random.Random, seeds: list[bytes] = SEEDS) -> Iterator[bytes]:
    """Yield APDUs without end: some as programs send them, most changed a little or a lot, some of mere chance."""

    def changed(raw: bytes) -> bytes:
        content = bytearray(raw)
        for _ in range(chance.randint(1, 3)):
            change(content, chance)
        return bytes(content)

    while True:
        raw, kind = chance.choice(seeds), chance.random()
        if kind < 0.1:
            yield chance.randbytes(chance.choice((0, 1, 3, 4, 5, 6, 7, 20, 261, 300)))
        elif kind < 0.5:
            yield changed(raw)
        else:
            yield change_inside(raw, changed, chance) if kind < 0.9 else raw


def change(raw: bytearray, chance: random.Random) -> None:
    """Change one byte, or cut, lengthen or double a piece."""
    at = chance.randrange(len(raw) + 1)
    match chance.randrange(6):
        case 0 | 1 | 2 if at < len(raw):
            raw[at] = chance.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0xFF, chance.randrange(256)))
        case 3:
            del raw[at : at + chance.randint(1, 4)]
        case 4:
            raw[at:at] = chance.randbytes(chance.randint(1, 4))
        case _:
            raw += raw[at:]


def change_inside(raw: bytes, changed: Callable[[bytes], bytes], chance: random.Random) -> bytes:
    """Change header or data, and make the length right: or most would be refused for it, and none go deeper."""
    header, data = raw[:4], raw[5:]
    if len(raw) < 6 or raw[4] != len(data):
        return changed(raw)
    if chance.random() < 0.2:
        header = changed(header)[:4].ljust(4, b"\x00")
    else:
        data = change_value(data, changed, chance)[:255]
    return header + bytes((len(data),)) + data


def change_value(value: bytes, changed: Callable[[bytes], bytes], chance: random.Random) -> bytes:
    """Change a value, or one value in the data objects that it has inside."""
    try:
        objects = tlv.parse(value)
    except tlv.TlvError:
        objects = {}
    if not objects or chance.random() < 0.3:
        return changed(value)
    tag = chance.choice(list(objects))
    objects[tag] = change_value(objects[tag], changed, chance)
    return b"".join(tlv.encode(*item) for item in objects.items())


def check_answer(answer: bytes, raw: bytes) -> None:
    """Check that an answer is data and status word, and that no exception was behind it."""
    assert len(answer) >= 2, raw.hex()
    word = int.from_bytes(answer[-2:], "big")
    assert word != StatusWord.INTERNAL_ERROR, raw.hex()
    assert word >> 12 in (6, 9), raw.hex()
    if word not in (0x9000,) and word >> 8 != 0x61:
        assert len(answer) == 2, raw.hex()


def check_frames(stream: bytes, pieces: list[bytes]) -> list[bytes]:
    """Return the frames in a stream that comes in pieces; check that they are all of it, but an unfinished one."""
    decoder = FrameDecoder()
    found = [frame for piece in pieces for frame in decoder.feed(piece)]
    whole = b"".join(map(encode_frame, found))
    rest = stream[len(whole) :]
    assert stream.startswith(whole)
    assert len(rest) < 2 or len(rest) < 2 + int.from_bytes(rest[:2], "big")
    return found


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Check an RSA key once only: python-cryptography takes 1000 times as long for it as the card for an APDU."""
    checked = key_pairs.key_pair
    known = functools.lru_cache(maxsize=8)(lambda der: checked(PrivateKey(der)))
    patch.setattr(key_pairs, "key_pair", lambda key: known(key.der))


def card_folders() -> tempfile.TemporaryDirectory[str]:
    """Return a place for cards: in memory where the machine has that, because each try is a write."""
    memory = "/dev/shm"
    return tempfile.TemporaryDirectory(prefix="lanyard-fuzz-", dir=memory if os.access(memory, os.W_OK) else None)


class LockedOutCard:
    """A card none of whose codes is ever sent. Whatever comes, nobody gets in and nothing on it changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = make_card(folder)
        self.sent = 0
        self._files = self._guarded()
        self.insert()

    def insert(self) -> None:
        """Put the card in with all its tries; check that its keys and objects are what they were."""
        assert self._guarded() == self._files
        write_settings(self.folder, **SECRET, **MANY_TRIES)
        self.card = VirtualCard(Card.open(self.folder))
        self._left = 15
        self.power_on()

    def power_on(self) -> None:
        self.card.power_on()
        self.card.transmit(SELECT)

    def send(self, raw: bytes) -> None:
        """Send an APDU; check the answer, and that tries never rise and nothing is verified."""
        if not self._would_be_blank(raw):
            check_answer(self.card.transmit(raw), raw)
            self._check(raw)

    def send_frame(self, frame: bytes) -> None:
        """Send a frame as vpcd does, where one byte can be a control; check the answer."""
        if self._would_be_blank(frame):
            return
        data = answer(self.card, frame).data
        if data is None:
            assert frame in (b"\x00", b"\x01", b"\x02"), frame.hex()
        elif frame != b"\x04":  # the ATR
            check_answer(data, frame)
        assert encode_frame(data or b"")
        self._check(frame)

    def _would_be_blank(self, raw: bytes) -> bool:
        """Yubico's RESET makes a blank card, with all tries, of one whose codes are both locked: on purpose."""
        file = self.card.card.file
        return raw[1:2] == b"\xfb" and not file.passcode.tries_left and not file.unblocking_code.tries_left

    def tries_are_recorded(self) -> bool:
        return Card.open(self.folder).passcode.tries_left == self._left

    def _check(self, raw: bytes) -> None:
        left = self.card.card.passcode.tries_left
        assert not self.card.state.passcode_verified, raw.hex()
        assert not self.card.state.managed, raw.hex()
        assert left <= self._left, raw.hex()
        self._left = left
        self.sent += 1

    def _guarded(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name != "card.json"}
