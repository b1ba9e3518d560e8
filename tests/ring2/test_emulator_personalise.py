"""Making cards: issue, import, export, copy, delete, list, as a person types them."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from support.emulator import ROOT, SELECT_PIV, EmulatorProgram, card_keys, make_card, self_signed, send
from support.emulator import ask as ask_it
from support.emulator_links import CardReader

from emulator import Card, VirtualCard

Ask = Callable[..., subprocess.CompletedProcess[str]]
UID = "555000000123"
KINDS = (("9A", rsa.RSAPublicKey), *((slot, ec.EllipticCurvePublicKey) for slot in ("9C", "9D", "9E")))


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Run a command on a DIR without cards; expect success or an exit code."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = ask_it(tmp_path, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def folder(data: Path, name: str = "anna") -> Path:
    return data / "cards" / name


def certificate(data: Path, slot: str, name: str = "anna") -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder(data, name) / f"{slot}.cert.pem").read_bytes())


def p12(path: Path, key: pkcs12.PKCS12PrivateKeyTypes, password: bytes | None = None) -> Path:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    signed = None if isinstance(key, ed25519.Ed25519PrivateKey) else self_signed(UID, key)
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, signed, None, encryption))
    return path


def test_issue(ask: Ask, tmp_path: Path) -> None:
    assert "anna is ready, passcode 123456" in ask("issue", "anna", "--uid", UID, "--days", "30").stdout
    for slot, kind in KINDS:
        found = certificate(tmp_path, slot)
        assert found.subject.rfc4514_string() == f"CN={UID},OU=people,O=nhs"
        assert isinstance(found.public_key(), kind)
        assert not any(extension.critical for extension in found.extensions)
    signs = certificate(tmp_path, "9C").extensions.get_extension_for_class(x509.KeyUsage).value
    assert (signs.digital_signature, signs.content_commitment) == (True, True)  # OpenSC signs with no other
    card = VirtualCard(Card.open(folder(tmp_path)))
    send(card, SELECT_PIV)
    assert send(card, "0020008008313233343536FFFF") == ("", "9000")
    (said,) = json.loads(ask("list", "--json").stdout)
    assert said["uid"] == UID
    assert said["not_after"] == str(datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cards"]


def test_issue_with_other_keys(ask: Ask, tmp_path: Path) -> None:
    ask("issue", "anna", "--key", "9A=ecc-p384", "--key", "82=ECC_P256")
    assert sorted(path.name[:2] for path in folder(tmp_path).glob("*.cert.pem")) == ["82", "9A", "9C", "9D", "9E"]
    key = certificate(tmp_path, "9A").public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp384r1"


def test_issue_by_a_ca(ask: Ask, tmp_path: Path) -> None:
    """SP 800-73-4 knows no such thing: a request for each key in one file, an answer in any order."""
    file = tmp_path / "anna.csr"
    ask("issue", "anna", "--uid", UID, "--request", str(file))
    assert not list(folder(tmp_path).glob("*.cert.pem"))
    assert file.read_text().count("BEGIN CERTIFICATE REQUEST") == 4
    answer = tmp_path / "anna.pem"
    answer.write_bytes(b"some words before\n" + b"".join(map(issued, all_requests(file))))
    answer.write_bytes(
        answer.read_bytes() + self_signed("CA", card_keys()["9A"]).public_bytes(serialization.Encoding.PEM)
    )
    said = ask("issue", "anna", "--certificate", str(answer))
    assert said.stdout == "anna has its certificates of 9A, 9C, 9D, 9E\n"
    assert said.stderr == "Left out, because it is for another key: the certificate of CN=CA,OU=people,O=nhs.\n"
    assert certificate(tmp_path, "9D").issuer.rfc4514_string() == "CN=CA"
    assert certificate(tmp_path, "9D").subject.rfc4514_string() == f"CN={UID},OU=people,O=nhs"


def test_issue_by_the_test_ca(ask: Ask, demo_data: Path, tmp_path: Path) -> None:
    """The help's own three lines, one after the other: the stand-in broker's CA certifies key 9A."""
    steps = re.findall(r"python3 -m (\w+) (issue .*(?:--request|--certificate) .*)", ask("issue", "--help").stdout)
    assert [program for program, _ in steps] == ["emulator", "emulator", "spine_stub"]
    data = shutil.copytree(demo_data, tmp_path / "data")
    for program, words in (steps[0], steps[2], steps[1]):
        command = f"{sys.executable} -m {program} --data {data} {words}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=environment)  # noqa: S602 - it is for a shell
    found = certificate(data, "9A")
    assert found.subject.rfc4514_string() == "CN=555000000001,OU=people,O=nhs"
    assert found.issuer != found.subject


def test_renewal(ask: Ask, tmp_path: Path) -> None:
    """A card that there is already keeps its keys."""
    make_card(folder(tmp_path), uid=UID)
    requests = ask("issue", "anna", "--request", "-").stdout
    file = tmp_path / "anna.csr"
    file.write_text(requests)
    keys = [request.public_key().public_numbers() for request in all_requests(file)]
    assert keys == [certificate(tmp_path, slot).public_key().public_numbers() for slot in ("9A", "9C", "9D", "9E")]
    assert {request.subject.rfc4514_string() for request in all_requests(file)} == {f"CN={UID},OU=people,O=nhs"}


def all_requests(file: Path) -> list[x509.CertificateSigningRequest]:
    end = "-----END CERTIFICATE REQUEST-----\n"
    texts = [text + end for text in file.read_text().split(end) if text]
    return [x509.load_pem_x509_csr(text.encode()) for text in texts]


def issued(request: x509.CertificateSigningRequest) -> bytes:
    assert request.is_signature_valid
    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]))
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=9))
        .sign(authority, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def test_certificates_of_other_keys(ask: Ask, tmp_path: Path) -> None:
    make_card(folder(tmp_path))
    other = tmp_path / "other.pem"
    other.write_bytes(
        self_signed(UID, ec.generate_private_key(ec.SECP256R1())).public_bytes(serialization.Encoding.PEM)
    )
    assert (
        "None of the certificates is for a key of anna."
        in ask("issue", "anna", "--certificate", str(other), code=4).stderr
    )
    fourth_version = pem.unarmor(other.read_bytes())[2].replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\3")
    for content in (b"rubbish", fourth_version):
        other.write_bytes(content)
        assert "holds no certificate" in ask("issue", "anna", "--certificate", str(other), code=4).stderr
    assert "No such file" in ask("issue", "anna", "--certificate", "/no/file", code=4).stderr


def test_import_and_export(ask: Ask, tmp_path: Path) -> None:
    file = p12(tmp_path / "in.p12", card_keys()["9A"], b"secret")
    secret = tmp_path / "password"
    secret.write_text("secret\n")
    assert "password is wrong" in ask("import", "anna", str(file), code=4).stderr
    assert not folder(tmp_path).exists()
    ask("import", "anna", str(file), "--password-file", str(secret))
    assert "not encrypted" not in ask("import", "anna", str(p12(file, card_keys()["9D"])), "--key", "82").stdout
    out = tmp_path / "out.p12"
    ask("export", "anna", str(out), "--password-file", str(secret))
    assert out.stat().st_mode & 0o777 == 0o600
    key, found, _ = pkcs12.load_key_and_certificates(out.read_bytes(), b"secret")
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.private_numbers() == card_keys()["9A"].private_numbers()
    assert found == certificate(tmp_path, "9A")
    assert "has no key 9C" in ask("export", "anna", "--key", "9C", code=4).stderr


def test_what_is_left_out_of_an_import_is_said(ask: Ask, tmp_path: Path) -> None:
    """Certificates of CAs, and one that is for another key than the file's: a card has no place for them."""
    file, other = tmp_path / "in.p12", ec.generate_private_key(ec.SECP256R1())
    strangers = [self_signed("555000000777", other)]
    key = card_keys()["9A"]
    file.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", key, self_signed(UID, key), strangers, serialization.NoEncryption())
    )
    said = ask("import", "anna", str(file)).stderr
    assert "Left out, because it is for another key: the certificate of CN=555000000777" in said
    assert certificate(tmp_path, "9A") == self_signed(UID, key)
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, None, None, serialization.NoEncryption()))
    assert "no certificate for this key, so anna has none of 9A" in ask("import", "anna", str(file)).stderr


def test_unlock(ask: Ask, tmp_path: Path) -> None:
    make_card(folder(tmp_path), tries_left=0, unblocking_tries_left=0)
    assert "anna is locked; python3 -m emulator unlock anna mends that" in ask("list").stderr
    ask("unlock", "anna")
    values = json.loads((folder(tmp_path) / "card.json").read_text())
    assert (values["tries_left"], values["unblocking_tries_left"]) == (3, 3)
    assert "no card" in ask("unlock", "bert", code=4).stderr


def test_import_replaces_only_when_told_to(ask: Ask, tmp_path: Path) -> None:
    make_card(folder(tmp_path))
    file = p12(tmp_path / "in.p12", ec.generate_private_key(ec.SECP256R1()))
    before = (folder(tmp_path) / "9A.key.pem").read_bytes()
    assert "--replace" in ask("import", "anna", str(file), code=4).stderr
    assert (folder(tmp_path) / "9A.key.pem").read_bytes() == before
    ask("import", "anna", str(file), "--replace")
    assert certificate(tmp_path, "9A").subject.rfc4514_string().startswith(f"CN={UID}")


def test_import_of_what_no_card_has(ask: Ask, tmp_path: Path) -> None:
    file = p12(tmp_path / "in.p12", ed25519.Ed25519PrivateKey.generate())
    assert "no RSA or EC private key" in ask("import", "anna", str(file), code=4).stderr
    p12(file, ec.generate_private_key(ec.SECP521R1()))
    assert "cannot be put on a card" in ask("import", "anna", str(file), code=4).stderr
    assert not folder(tmp_path).exists()


def test_copy_and_delete(ask: Ask, tmp_path: Path) -> None:
    make_card(folder(tmp_path))
    ask("copy", "anna", "bert")
    old, new = (json.loads((folder(tmp_path, name) / "card.json").read_text()) for name in ("anna", "bert"))
    assert old["guid"] != new["guid"]
    assert {**old, "guid": new["guid"]} == new
    assert certificate(tmp_path, "9A", "bert") == certificate(tmp_path, "9A")
    assert "There is a card bert already" in ask("copy", "anna", "bert", code=4).stderr
    ask("delete", "anna")
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir()] == ["cards", "bert"]
    assert "there are: bert." in ask("delete", "anna", code=4).stderr


@pytest.mark.parametrize("name", ["../anna", ".anna", "an na", "", "a" * 65, "-"])
def test_names(name: str, ask: Ask, tmp_path: Path) -> None:
    assert "is no name for a card" in ask("issue", "--days", "1", "--", name, code=4).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["--days", "0"], ["--days", "x"], ["--key", "9A"], ["--key", "9B=ECC_P256"], ["--key", "9A=RSA_1024"]]
)
def test_usage(arguments: list[str], ask: Ask) -> None:
    assert "usage:" in ask("issue", "anna", *arguments, code=2).stderr


@pytest.mark.parametrize("command", ["issue", "import", "export", "copy", "delete"])
def test_help_teaches(command: str, ask: Ask) -> None:
    assert "the card's name" in ask(command, "--help").stdout


def test_a_card_in_a_reader_is_unlocked_there(
    card_folder: Path, card_reader: CardReader, run_emulator: Callable[..., EmulatorProgram]
) -> None:
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role")
    card_reader.accept()
    card_reader.exchange(SELECT_PIV)
    assert [card_reader.exchange("0020008008303030303030FFFF") for _ in range(3)][-1] == "63C0"
    assert program.ask("unlock", "one-role").returncode == 0
    assert card_reader.exchange("00200080") == "63C3"


def test_a_card_in_a_reader_is_not_deleted(
    card_folder: Path, card_reader: CardReader, run_emulator: Callable[..., EmulatorProgram]
) -> None:
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role")
    card_reader.accept()
    assert program.ready()
    said = program.ask("delete", "one-role")
    assert (said.returncode, said.stderr) == (4, "one-role is in a reader; `remove` it first.\n")
    assert card_folder.exists()
