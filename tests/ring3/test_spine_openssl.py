"""Other people's programs against the broker's certificates, and their signatures against it."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from support.machine import need
from support.spine import Spine
from support.spine_client import Card, field_of, gp_object, reason

SLOTS = ("9A", "9C", "9D", "9E")
GOOD = ("three-roles", "one-role", "forty-roles", "no-role", "expiring", "locked", "prescriber")


@pytest.fixture(autouse=True)
def _needed() -> None:
    need("openssl", "curl")


def run(*command: str | Path, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=content, capture_output=True, timeout=30, check=False)


def verify(data: Path, card: str, slot: str) -> str:
    """What `openssl verify` says of a card's certificate, revocation list and all."""
    done = run(
        "openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", data / "ca.pem",
        "-untrusted", data / "ca/issuing.cert.pem", "-CRLfile", data / "ca/issuing.crl.pem",
        data / "cards" / card / f"{slot}.cert.pem",
    )  # fmt: skip
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("card", GOOD)
def test_openssl_trusts_the_cards(demo_data: Path, card: str, slot: str) -> None:
    assert verify(demo_data, card, slot).rstrip().endswith("OK")


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize(
    ("card", "complaint"), [("expired", "certificate has expired"), ("revoked", "certificate revoked")]
)
def test_openssl_says_what_is_wrong(demo_data: Path, card: str, slot: str, complaint: str) -> None:
    assert complaint in verify(demo_data, card, slot)


def test_openssl_refuses_every_card_of_a_revoked_ca_and_the_broker_agrees(spine: Spine) -> None:
    lists = spine.data / "all.crl.pem"

    def verdict() -> str:
        lists.write_bytes(b"".join((spine.data / f"ca/{name}.crl.pem").read_bytes() for name in ("issuing", "root")))
        done = run(
            "openssl", "verify", "-x509_strict", "-crl_check_all", "-CAfile", spine.data / "ca.pem",
            "-untrusted", spine.data / "ca/issuing.cert.pem", "-CRLfile", lists,
            spine.data / "cards/one-role/9A.cert.pem",
        )  # fmt: skip
        return (done.stdout + done.stderr).decode()

    client, card = spine.client(), spine.card("one-role")
    assert (verdict().rstrip().endswith("OK"), reason(client.validate(card))) == (True, None)
    spine.people.revoke_authority("ca-compromise")
    assert "error 23 at 1 depth lookup: certificate revoked" in verdict()
    assert reason(client.validate(card)) == "authority-revoked"


def test_openssl_reads_the_subject_in_the_real_order(demo_data: Path) -> None:
    path = demo_data / "cards/one-role/9A.cert.pem"
    done = run("openssl", "x509", "-in", path, "-noout", "-subject", "-issuer", "-nameopt", "RFC2253")
    assert done.stdout.decode().splitlines() == [
        "subject=CN=555000000002,OU=people,O=nhs",
        "issuer=CN=Lanyard Test SubCA01,OU=CA,O=nhs",
    ]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-outform", "DER", "-noattr"], id="bare"),
        pytest.param(["-outform", "DER"], id="signed-attributes"),
        pytest.param(["-outform", "DER", "-noattr", "-md", "sha512"], id="sha-512"),
        pytest.param(["-outform", "DER", "-keyid"], id="key-identifier"),
        pytest.param(["-outform", "DER", "-stream"], id="indefinite-lengths"),
        pytest.param(["-outform", "SMIME"], id="its-own-smime"),
    ],
)
def test_what_openssl_signs_is_taken(spine: Spine, tmp_path: Path, options: list[str]) -> None:
    client, card = spine.client(), spine.card("one-role")
    challenge, signature = client.activate()
    folder = spine.data / "cards/one-role"
    signed = run(
        "openssl", "cms", "-sign", "-binary", "-nodetach", *options,
        "-signer", folder / "9A.cert.pem", "-inkey", folder / "9A.key.pem",
        content=base64.b64decode(challenge),
    )  # fmt: skip
    assert signed.returncode == 0, signed.stderr.decode()
    body = client.answer(card, signed.stdout, challenge, signature)
    assert reason(client.post("/login/authvalidate", body)) is None


def test_a_detached_signature_of_openssl_is_refused(spine: Spine) -> None:
    client, card = spine.client(), spine.card("one-role")
    challenge, signature = client.activate()
    folder = spine.data / "cards/one-role"
    signed = run(
        "openssl", "cms", "-sign", "-binary", "-outform", "DER",
        "-signer", folder / "9A.cert.pem", "-inkey", folder / "9A.key.pem",
        content=base64.b64decode(challenge),
    )  # fmt: skip
    body = client.answer(card, signed.stdout, challenge, signature)
    assert reason(client.post("/login/authvalidate", body)) == "content-missing"


def curl(spine: Spine, path: str, *options: str, content: bytes = b"") -> str:
    done = run(
        "curl", "--silent", "--show-error", "--cacert", spine.ca_file, *options, spine.url + path,
        content=content,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_curl_and_openssl_sign_in_by_themselves(spine: Spine) -> None:
    card: Card = spine.card("three-roles")
    folder = spine.data / "cards/three-roles"
    activated = curl(spine, "/login/authactivate", "--data-binary", "@-", content=gp_object(service="ACTIVATION"))
    challenge = field_of(activated, "challenge")
    signed = run(
        "openssl", "cms", "-sign", "-binary", "-nodetach", "-noattr", "-outform", "DER",
        "-signer", folder / "9A.cert.pem", "-inkey", folder / "9A.key.pem",
        content=base64.b64decode(challenge),
    )  # fmt: skip
    body = spine.client().answer(card, signed.stdout, challenge, field_of(activated, "signature"))
    validated = curl(spine, "/login/authvalidate", "--data-binary", "@-", content=body)
    token = f"token={field_of(validated, 'sso_ticket')}"
    assertion = curl(spine, "/saml/RoleAssertion", "--get", "--data-urlencode", token)
    assert "samlp:Success" in assertion
    assert "OK" in curl(spine, "/login/authlogout", "--get", "--data-urlencode", token)
    assert "samlp:Success" not in curl(spine, "/saml/RoleAssertion", "--get", "--data-urlencode", token)


@pytest.mark.parametrize(("option", "connects"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_openssl_connects_with_new_tls_only(spine: Spine, option: str, connects: bool) -> None:
    done = run(
        "openssl", "s_client", "-connect", spine.url.removeprefix("https://"), option,
        "-cipher", "ALL:@SECLEVEL=0", "-CAfile", spine.ca_file, "-verify_return_error",
    )  # fmt: skip
    assert (b"Verify return code: 0 (ok)" in done.stdout and done.returncode == 0) is connects
