"""The first start: what it makes, and that nothing can interrupt it halfway."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import keys, pem, x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.machine import unavailable
from support.spine import Desk
from support.spine_client import Card

from spine_stub.cis2.clients.registry import load
from spine_stub.config import system_clock
from spine_stub.errors import DataError
from spine_stub.folder import CHALLENGE_SECRET
from spine_stub.pki import first_start
from spine_stub.pki.demo_cards import DEMONSTRATION_CARDS, CardPlan

CARDS = [plan.name for plan in DEMONSTRATION_CARDS]
SLOTS = ("9A", "9C", "9D", "9E")


def fill(data: Path) -> bool:
    return first_start.fill(data, system_clock(), secrets.token_bytes)


def certificate(data: Path, card: str, slot: str) -> x509.Certificate:
    return Card.load(data, card, slot).as_asn1


@pytest.mark.parametrize("card", CARDS)
def test_each_card_has_its_files(demo_data: Path, card: str) -> None:
    files = {path.name for path in (demo_data / "cards" / card).iterdir()}
    expected = {f"{slot}.{what}.pem" for slot in SLOTS for what in ("key", "cert")}
    assert files == {"card.json", *expected}


def test_the_cards_are_those_of_the_design(demo_data: Path) -> None:
    assert sorted(path.name for path in (demo_data / "cards").iterdir()) == sorted(CARDS)
    uids = [certificate(demo_data, card, "9A").subject.native["common_name"] for card in CARDS]
    assert uids == [*(f"55500000000{number}" for number in range(1, 9)), "555000000099"]


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("card", CARDS)
def test_certificates_suit_every_client(demo_data: Path, card: str, slot: str) -> None:
    """docs/clients.md, "From the card": no critical extension, and so no BOOLEAN TRUE."""
    made = certificate(demo_data, card, slot)
    names = [(pair["type"].native, pair["value"].native) for rdn in made.subject.chosen for pair in rdn]
    assert names[:2] == [("organization_name", "nhs"), ("organizational_unit_name", "people")]
    assert names[2][0] == "common_name"
    assert not made.critical_extensions
    assert made.basic_constraints_value is None
    is_rsa = slot == "9A" or (card, slot) == ("prescriber", "9C")
    assert (made.public_key.algorithm, made.public_key.bit_size) == (("rsa", 2048) if is_rsa else ("ec", 256))


@pytest.mark.parametrize(
    ("slot", "uses"),
    [
        ("9A", {"digital_signature"}), ("9C", {"digital_signature", "non_repudiation"}),
        ("9D", {"key_agreement"}), ("9E", {"digital_signature"}),
    ],
)  # fmt: skip
def test_each_key_has_its_use(demo_data: Path, slot: str, uses: set[str]) -> None:
    assert certificate(demo_data, "one-role", slot).key_usage_value.native == uses


@pytest.mark.parametrize("slot", SLOTS)
def test_a_key_belongs_to_its_certificate(demo_data: Path, slot: str) -> None:
    folder = demo_data / "cards" / "one-role"
    _, _, der = pem.unarmor((folder / f"{slot}.key.pem").read_bytes())
    assert keys.PrivateKeyInfo.load(der).algorithm == ("rsa" if slot == "9A" else "ec")
    card = Card.load(demo_data, "one-role", slot)
    certified = card.certificate.public_key()
    assert isinstance(certified, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    assert card.key.public_key().public_numbers() == certified.public_numbers()


@pytest.mark.parametrize(("card", "tries_left"), [("one-role", 3), ("locked", 0)])
def test_card_json_says_what_the_contract_says(demo_data: Path, card: str, tries_left: int) -> None:
    description = json.loads((demo_data / "cards" / card / "card.json").read_text())
    expires = certificate(demo_data, card, "9A").not_valid_after.date().isoformat()
    assert len(bytes.fromhex(description.pop("guid"))) == 16
    assert description == {
        "passcode": "123456", "unblocking_code": "12345678", "tries": 3, "tries_left": tries_left,
        "unblocking_tries": 3, "unblocking_tries_left": 3, "expires": expires,
    }  # fmt: skip


@pytest.mark.parametrize("hour", [0, 12, 23])
def test_lifetimes_are_as_the_names_promise(hour: int) -> None:
    now = datetime(2026, 3, 1, hour, 59, 59, tzinfo=UTC)

    def left(days_left: int) -> timedelta:
        return CardPlan("x", "5", days_left=days_left).validity(now).not_after - now

    assert left(14).days == 14
    assert timedelta(days=-1) <= left(-1) < timedelta(0)
    usual = CardPlan("x", "5").validity(now)
    assert usual.not_before < now
    assert timedelta(days=730) <= usual.not_after - now < timedelta(days=731)


def test_keys_are_for_the_owner_only(demo_data: Path) -> None:
    assert stat.S_IMODE(demo_data.stat().st_mode) == 0o700
    for pattern in ("**/*.key.pem", "**/*.secret", "**/card.json"):
        for path in demo_data.glob(pattern):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_complete_folder_is_left_as_it_is(data: Path) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert not fill(data)
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_a_start_killed_while_making_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / ".filling-x" / "ca").mkdir(parents=True)
    assert fill(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ca", "ca.pem", "cards", "clients.toml", "people.toml",
    ]  # fmt: skip


@pytest.mark.parametrize("moved", range(5))
def test_a_start_killed_while_moving_is_completed(data: Path, moved: int) -> None:
    """ca.pem goes last, so that its presence says that all is there."""
    entries = ("ca", "cards", "people.toml", "ca.pem")
    content = (data / CHALLENGE_SECRET).read_bytes()
    (data / ".filled").mkdir()
    for entry in entries[moved:]:
        (data / entry).rename(data / ".filled" / entry)
    assert fill(data)
    assert (data / CHALLENGE_SECRET).read_bytes() == content
    assert sorted(path.name for path in data.iterdir()) == sorted((*entries, "clients.toml"))


def test_a_folder_from_before_cis2_gets_the_example_of_a_client(data: Path) -> None:
    (data / "clients.toml").unlink()
    assert not fill(data)
    assert stat.S_IMODE((data / "clients.toml").stat().st_mode) == 0o600
    assert list(load(data / "clients.toml")) == ["example-application"]


def test_clients_that_somebody_wrote_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "clients.toml").write_text("# none yet\n")
    assert fill(tmp_path)
    assert (tmp_path / "clients.toml").read_text() == "# none yet\n"


@pytest.mark.parametrize("entry", ["ca", "cards", "people.toml"])
def test_a_folder_of_something_else_is_not_touched(tmp_path: Path, entry: str) -> None:
    (tmp_path / entry).mkdir()
    with pytest.raises(DataError, match=f"has {entry} but no ca.pem"):
        fill(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [entry]


NOBODY = 65534


@pytest.fixture
def as_root() -> None:
    """For tests that hand a file to somebody else."""
    if os.geteuid() != 0:
        unavailable("only root can give a file away")


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert fill(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_folder_that_everybody_writes_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(DataError, match=rf"every user can write to {tmp_path}: chmod o-w"):
        fill(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("entry", ["", "ca.pem", "ca", "cards", "people.toml"])
def test_what_another_user_prepared_is_refused(data: Path, entry: str) -> None:
    os.chown(data / entry, NOBODY, NOBODY)
    for use in (fill, lambda data: Desk.open(data)):
        with pytest.raises(DataError, match=rf"{data / entry} belongs to another user \(uid {NOBODY}\)"):
            use(data)


@pytest.mark.usefixtures("as_root")
def test_another_users_link_to_a_folder_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "link").symlink_to("ours")
    os.chown(tmp_path / "link", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(DataError, match="belongs to another user"):
        fill(tmp_path / "link")
    assert list((tmp_path / "ours").iterdir()) == []


def test_an_own_link_to_an_own_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "link").symlink_to("ours")
    assert fill(tmp_path / "link")


def test_other_files_in_the_folder_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "emulator.sock").touch()
    assert fill(tmp_path)


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(DataError, match="No space left on device"):
        fill(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be used: Not a directory"):
        fill(tmp_path / "file")
