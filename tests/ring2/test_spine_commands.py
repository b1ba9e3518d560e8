"""The commands beside serving: person, issue, revoke; as a program, and as its own function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from support.machine import need
from support.spine import Spine
from support.spine_client import Card, reason

from spine_stub.__main__ import main

ROLE = "LAN001|THE LANYARD SURGERY|Clinical|Clinical Provision|Nurse|S8000:G8000:R8001"
Run = Callable[..., str]


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*arguments) is what a command that succeeds prints."""

    def command(*arguments: str) -> str:
        assert main(["--data", str(data), *arguments]) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture
def fail(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """fail(*arguments) is the sentence of a command that is refused."""

    def command(*arguments: str) -> str:
        assert main(["--data", str(data), *arguments]) == 2
        return capsys.readouterr().err

    return command


def test_somebody_new_gets_a_card_and_signs_in(run: Run, spine: Spine) -> None:
    """The broker runs all the while."""
    uid = run("person", "add", "Jo Bloggs", "--role", ROLE, "--role", ROLE).strip()
    folder = Path(run("issue", uid).strip())
    client, ticket = spine.login(folder.name)
    assert client.get("/saml/RoleAssertion", token=ticket).text.count("nhsJobRoleCode") == 2
    assert run("revoke", folder.name, "--reason", "key-compromise") == "4 certificates revoked\n"
    assert reason(client.validate(spine.card(folder.name))) == "certificate-revoked"
    assert any("(key-compromise)" in line for line in spine.log)


def test_the_ca_is_revoked_and_restored(run: Run, spine: Spine) -> None:
    """The broker runs all the while."""
    client, _ = spine.login("one-role")
    assert run("revoke-ca", "--reason", "ca-compromise") == "the CA is revoked: no card signs in\n"
    assert reason(client.validate(spine.card("one-role"))) == "authority-revoked"
    assert run("revoke-ca", "--undo") == "no CA is revoked\n"
    assert client.sign_in(spine.card("one-role"))


def test_the_first_command_fills_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "new"), "person", "list", "amara"]) == 0
    assert capsys.readouterr().out == "555000000001  Amara Okafor  3 roles\n"


def test_people_are_edited(run: Run) -> None:
    run("person", "edit", "555000000001", "--name", "A. Okafor", "--drop-role", "555100000101", "--role", ROLE)
    assert run("person", "list", "okafor") == "555000000001  A. Okafor  3 roles\n"
    run("person", "edit", "555000000001", "--active", "no")
    assert run("person", "list", "okafor").endswith("3 roles  inactive\n")
    run("person", "edit", "555000000001", "--active", "yes")
    assert "Bryn Hughes  1 role\n" in run("person", "list")
    assert run("person", "list", "okafor").endswith("3 roles\n")


def test_people_are_revoked_and_removed(run: Run, fail: Run) -> None:
    revoked = run("person", "revoke", "555000000002", "--reason", "affiliation-changed")
    assert revoked == "inactive; 4 certificates revoked\n"
    run("person", "remove", "555000000002")
    assert "nobody has the uid 555000000002" in fail("person", "remove", "555000000002")
    assert "nobody has the uid" in fail("person", "edit", "555000000002", "--active", "yes")


def test_the_ldif_is_the_one_that_is_shipped(run: Run) -> None:
    shipped = Path(__file__).parents[2] / "spine_stub" / "people" / "schema" / "people.ldif"
    assert run("person", "ldif") == shipped.read_text()


def test_a_person_whose_role_is_wrong_is_not_left_behind(run: Run, fail: Run) -> None:
    assert "not usable" in fail("person", "add", "Jo Bloggs", "--role", ROLE.replace("Nurse", "<b>"))
    assert run("person", "list", "bloggs") == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["issue", "555999999999"], "nobody has the uid 555999999999"),
        (["issue", "555000000002", "--request", "/nonexistent"], "/nonexistent cannot be read: No such file"),
        (["issue", "555000000002", "--days", "9" * 12], "days"),
        (["revoke", "no-such-card"], "there is no card no-such-card"),
        (["revoke", "../ca"], "there is no card ../ca"),
        (["--directory", "http://x", "person", "list"], "is not an ldap:// or ldaps:// address"),
    ],
)
def test_what_cannot_be_is_said(fail: Run, arguments: list[str], sentence: str) -> None:
    assert sentence in fail(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [["person"], ["person", "add", "A", "--role", "a|b"], ["issue"], ["revoke", "c", "--reason", "lost"], ["nonsense"]],
)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "x"], "argument --port: 'x' is not a whole number"),
        (["--idle", "x"], "argument --idle: 'x' is not a whole number"),
        (["--max-session", "9" * 14], "argument --max-session: must be from 1 to"),
        (["--challenge-age", "9" * 14], "argument --challenge-age: must be from 1 to"),
    ],
)
def test_a_number_that_cannot_be_is_said(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert sentence in capsys.readouterr().err


def test_openssls_request_becomes_a_certificate_that_signs_in(spine: Spine, tmp_path: Path) -> None:
    need("openssl")
    key, request = tmp_path / "9A.key.pem", tmp_path / "card.csr"
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=anybody",
         "-keyout", key, "-out", request],
        check=True, capture_output=True,
    )  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "spine_stub",
        "--data",
        str(spine.data),
        "issue",
        "555000000002",
        "--request",
        request,
    ]
    pem = subprocess.run(command, check=True, capture_output=True).stdout
    (tmp_path / "9A.cert.pem").write_bytes(pem)
    folder = spine.data / "cards" / "from-a-request"
    folder.mkdir()
    for path in tmp_path.glob("9A.*.pem"):
        path.rename(folder / path.name)
    assert x509.load_pem_x509_certificate(pem)
    assert spine.client().sign_in(Card.load(spine.data, "from-a-request"))
