"""The management key and what it allows: objects, generated and imported keys, other keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.emulator import SELECT_PIV, card_keys, send, write_settings
from support.management import KEYS, authenticate, chained, encrypt, management_key, template

from emulator import Card, VirtualCard
from emulator.identifiers import Algorithm
from emulator.iso7816 import tlv
from emulator.keys.management_key import ManagementKey

VERIFY = "0020008008313233343536FFFF"

WRITING = st.sampled_from(
    [
        *("00240080", "00240081", "002C0080", "00DB3FFF", "10DB3FFF", "0047009A", "00470082", "00FE119A"),
        *("00FE0782", "00FFFFFF", "00F6829A", "00FA0303", "00FB0000", "00F7009A", "0087039B", "0087119D"),
    ]
)
TAGS = st.sampled_from([0x53, 0x5C, 0x70, 0x71, 0x7C, 0x7E, 0x7F61, 0x80, 0x81, 0x82, 0x85, 0xAA, 0xAC, *range(1, 7)])
FIELDS = st.one_of(
    st.binary(max_size=20), st.sampled_from([bytes.fromhex("5FC105"), b"\x11", b"\x12", b"123456\xff\xff"])
)
OBJECTS = st.recursive(
    st.builds(tlv.encode, TAGS, FIELDS),
    lambda inner: st.one_of(st.builds(tlv.encode, TAGS, inner), st.builds(bytes.__add__, inner, inner)),
    max_leaves=5,
)


@pytest.fixture
def managed(virtual_card: VirtualCard) -> VirtualCard:
    """A card whose usual management key was proved."""
    send(virtual_card, SELECT_PIV)
    assert authenticate(virtual_card) == "9000"
    return virtual_card


@pytest.fixture(params=KEYS, ids=lambda key: key.algorithm.name)
def with_key(request: pytest.FixtureRequest, card_folder: Path) -> tuple[VirtualCard, ManagementKey]:
    """A card with a management key of each algorithm, and the key."""
    key: ManagementKey = request.param
    write_settings(card_folder, management_algorithm=key.algorithm.name, management_key=key.value.hex())
    card = VirtualCard(Card.open(card_folder))
    send(card, SELECT_PIV)
    return card, key


def test_known_answers_of_the_ciphers() -> None:
    """FIPS 197, appendix C.1 to C.3; SP 800-67: 3DES with three equal keys is DES (FIPS 81, B.1)."""
    plain = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    value = bytes(range(32))
    for algorithm, size, cipher in (
        (Algorithm.AES_128, 16, "69C4E0D86A7B0430D8CDB78070B4C55A"),
        (Algorithm.AES_192, 24, "DDA97CA4864CDFE06EAF70A0EC0D7191"),
        (Algorithm.AES_256, 32, "8EA2B7CA516745BFEAFC49904B496089"),
    ):
        assert ManagementKey(algorithm, value[:size]).encrypt(plain) == bytes.fromhex(cipher)
    des = bytes.fromhex("0123456789ABCDEF") * 3
    assert ManagementKey(Algorithm.TDES, des).encrypt(b"Now is t") == bytes.fromhex("3FA40E8A984D4815")


def test_single_authentication(with_key: tuple[VirtualCard, ManagementKey]) -> None:
    """SP 800-73-4 Part 2, section A.1."""
    card, key = with_key
    assert authenticate(card, key) == "9000"
    assert send(card, "00DB3FFF0A 5C035FC106 5303010203") == ("", "9000")


def test_mutual_authentication(with_key: tuple[VirtualCard, ManagementKey]) -> None:
    """SP 800-73-4 Part 2, section A.2: the card proves the same key."""
    card, key = with_key
    witness = template(send(card, f"0087{key.algorithm:02X}9B047C028000 00"))[0x80]
    challenge = bytes(range(key.block_bytes))
    body = tlv.encode(0x7C, tlv.encode(0x80, key_decrypts(key, witness)), tlv.encode(0x81, challenge), b"\x82\x00")
    answer = send(card, f"0087{key.algorithm:02X}9B{len(body):02X}{body.hex()}00")
    assert template(answer)[0x82] == encrypt(key, challenge)
    assert send(card, "00DB3FFF0A 5C035FC106 5303010203") == ("", "9000")


def key_decrypts(key: ManagementKey, block: bytes) -> bytes:
    return management_key(key).decryptor().update(block)


def test_a_wrong_answer_proves_nothing(managed: VirtualCard) -> None:
    assert authenticate(managed, ManagementKey(value=bytes(range(24)))) == "6982"
    assert send(managed, "00DB3FFF0A 5C035FC106 5303010203") == ("", "6982")


def test_a_challenge_is_good_for_the_very_next_command(virtual_card: VirtualCard) -> None:
    send(virtual_card, SELECT_PIV)
    challenge = template(send(virtual_card, "0087039B047C028100 00"))[0x81]
    answer = "0087039B0C7C0A8208" + encrypt(ManagementKey(), challenge).hex()
    send(virtual_card, "00200080")
    assert send(virtual_card, answer) == ("", "6982")
    assert send(virtual_card, answer) == ("", "6982")


def test_the_card_encrypts_nothing_for_strangers(virtual_card: VirtualCard) -> None:
    """Otherwise its own challenge could be had encrypted: SP 800-73-4 Part 2, section A.2."""
    send(virtual_card, SELECT_PIV)
    block = "0011223344556677"
    assert send(virtual_card, f"0087039B0E7C0C 8108{block} 8200 00") == ("", "6A86")
    send(virtual_card, "0087039B047C028000 00")
    assert send(virtual_card, f"0087039B167C14 8008{block} 8108{block} 00") == ("", "6982")


@pytest.mark.parametrize(
    ("slot", "algorithm"), [("9A", "07"), ("9C", "11"), ("9D", "14"), ("9E", "11"), ("82", "11"), ("95", "14")]
)
def test_generated_keys_sign_and_persist(slot: str, algorithm: str, managed: VirtualCard, card_folder: Path) -> None:
    data, status = send(managed, f"004700{slot}05AC038001{algorithm}00")
    while status.startswith("61"):
        more, status = send(managed, "00C0000000")
        data += more
    assert status == "9000"
    public = tlv.parse(tlv.parse(bytes.fromhex(data))[0x7F49])
    card = VirtualCard(Card.open(card_folder))
    send(card, SELECT_PIV)
    send(card, VERIFY)
    check(public, signed(card, slot, algorithm))
    assert b"origin: generated" in (card_folder / f"{slot}.key.pem").read_bytes()


def signed(card: VirtualCard, slot: str, algorithm: str) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"message")
    block = digest.finalize()
    if algorithm == "07":
        info = bytes.fromhex("3031300D060960864801650304020105000420") + block
        block = b"\0\1" + b"\xff" * (253 - len(info)) + b"\0" + info
    body = tlv.encode(0x7C, b"\x82\x00", tlv.encode(0x81, block))
    return template(chained(card, f"0087{algorithm}{slot}", body))[0x82]


def check(public: dict[int, bytes], signature: bytes) -> None:
    if 0x86 in public:
        curve = ec.SECP256R1() if len(public[0x86]) == 65 else ec.SECP384R1()
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, public[0x86])
        key.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
        return
    numbers = rsa.RSAPublicNumbers(*(int.from_bytes(public[tag], "big") for tag in (0x82, 0x81)))
    numbers.public_key().verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(("slot", "curve"), [("9D", ec.SECP256R1()), ("83", ec.SECP384R1())])
def test_key_agreement(slot: str, curve: ec.EllipticCurve, managed: VirtualCard) -> None:
    """SP 800-73-4 Part 2, section A.5: both sides get the same x-coordinate."""
    algorithm = "11" if curve.name == "secp256r1" else "14"
    data, _ = send(managed, f"004700{slot}05AC038001{algorithm}00")
    point = tlv.parse(tlv.parse(bytes.fromhex(data))[0x7F49])[0x86]
    other = ec.generate_private_key(curve)
    mine = other.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    body = tlv.encode(0x7C, b"\x82\x00", tlv.encode(0x85, mine))
    assert chained(managed, f"0087{algorithm}{slot}", body) == ("", "6982")
    send(managed, VERIFY)
    secret = template(chained(managed, f"0087{algorithm}{slot}", body))[0x82]
    assert secret == other.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, point))
    bad = tlv.encode(0x7C, b"\x82\x00", tlv.encode(0x85, mine[:-1] + bytes((mine[-1] ^ 1,))))
    assert chained(managed, f"0087{algorithm}{slot}", bad) == ("", "6A80")


def test_only_key_management_keys_agree(managed: VirtualCard) -> None:
    send(managed, VERIFY)
    point = card_keys()["9E"].public_key()
    body = tlv.encode(
        0x7C,
        b"\x82\x00",
        tlv.encode(0x85, point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)),
    )
    assert chained(managed, "0087119E", body) == ("", "6A80")


@pytest.mark.parametrize(("algorithm", "bits"), [("05", 3072), ("16", 4096)])
def test_longer_rsa_keys(algorithm: str, bits: int, managed: VirtualCard) -> None:
    """SP 800-78-5, table 1: 3072 bits; 4096 is Yubico's."""
    data, status = chained(managed, "0047009A", bytes.fromhex(f"AC038001{algorithm}"))
    assert status == "9000"
    public = tlv.parse(tlv.parse(bytes.fromhex(data))[0x7F49])
    key = rsa.RSAPublicNumbers(*(int.from_bytes(public[tag], "big") for tag in (0x82, 0x81))).public_key()
    assert key.key_size == bits
    send(managed, VERIFY)
    body = tlv.encode(0x7C, b"\x82\x00", tlv.encode(0x81, bytes(bits // 8 - 1) + b"\x02"))
    signature = template(chained(managed, f"0087{algorithm}9A", body))[0x82]
    assert pow(int.from_bytes(signature, "big"), 65537, key.public_numbers().n) == 2


def test_policies_of_a_key(managed: VirtualCard, card_folder: Path) -> None:
    """Yubico's tag AA: never, once or always, in place of what SP 800-73-4 Part 1, table 4b says."""
    assert send(managed, "0047009A08AC06800111AA0103 00")[1] == "9000"
    assert send(managed, "0047009C08AC06800111AA0101 00")[1] == "9000"
    card = VirtualCard(Card.open(card_folder))
    send(card, SELECT_PIV)
    sign = "0087119{}087C0682008102AABB00"
    assert send(card, sign.format("C"))[1] == "9000"
    assert send(card, sign.format("A")) == ("", "6982")
    send(card, VERIFY)
    assert send(card, sign.format("A"))[1] == "9000"
    assert send(card, sign.format("A")) == ("", "6982")


def test_an_object_in_one_extended_command(managed: VirtualCard) -> None:
    """ISO/IEC 7816-4, section 5.1: no chaining is needed, and none for the answer."""
    content = bytes(range(250)) * 20
    body = tlv.encode(0x5C, bytes.fromhex("5FC106")) + tlv.encode(0x53, content)
    assert send(managed, f"00DB3FFF00{len(body):04X}{body.hex()}") == ("", "9000")
    data, status = send(managed, "00CB3FFF0000055C035FC106 0000")
    assert (status, tlv.parse(bytes.fromhex(data))[0x53]) == ("9000", content)


@pytest.mark.parametrize(("size", "status"), [(0x4000, "9000"), (0x4001, "6A84"), (0xFF00, "6A84")])
def test_no_object_is_longer_than_any_of_piv(size: int, status: str, managed: VirtualCard) -> None:
    body = tlv.encode(0x5C, bytes.fromhex("5FC106")) + tlv.encode(0x53, bytes(size))
    assert send(managed, f"00DB3FFF00{len(body):04X}{body.hex()}") == ("", status)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(WRITING, st.one_of(OBJECTS, st.binary(max_size=40))), max_size=6))
def test_whatever_is_written_the_card_opens_again(card_folder: Path, commands: list[tuple[str, bytes]]) -> None:
    write_settings(card_folder)
    card = VirtualCard(Card.open(card_folder))
    send(card, SELECT_PIV)
    assert authenticate(card) == "9000"
    send(card, VERIFY)
    for header, body in commands:
        status = send(card, f"{header}{len(body) % 256:02X}{body[:255].hex()}00")[1]
        assert status not in ("6F00", "6581")
    assert Card.open(card_folder).objects == card.card.objects
