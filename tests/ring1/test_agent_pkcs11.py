"""PKCS#11 without a module: names of tokens, a PC's modules, which certificate is for what, the child's answers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.agent import fails
from support.emulator import UID, card_keys, self_signed
from support.scripted_card import NOW

import agent
from agent import Fault, Purpose

CARD_AUTHENTICATION = x509.ObjectIdentifier("2.16.840.1.101.3.6.8")


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("pkcs11:", {}),
        ("pkcs11:token=My%20card;id=%01%0a", {"token": "My card", "id": "010a"}),
        (
            "pkcs11:object=a;type=cert?module-path=/usr/lib/x.so",
            {"object": "a", "type": "cert", "module-path": "/usr/lib/x.so"},
        ),
        ("pkcs11:model=m;manufacturer=piv_II;serial=0;", {"model": "m", "manufacturer": "piv_II", "serial": "0"}),
    ],
)
def test_what_a_uri_names(uri: str, meant: dict[str, str]) -> None:
    assert agent.parse_pkcs11_uri(uri) == meant


@pytest.mark.parametrize("attribute", ["pin-source=file:/etc/pin", "pin-value=123456"])
def test_no_uri_gives_a_passcode(attribute: str) -> None:
    with pytest.raises(agent.UsageError, match="names a passcode") as refused:
        agent.parse_pkcs11_uri(f"pkcs11:token=a?{attribute}")
    assert "123456" not in str(refused.value)


@pytest.mark.parametrize(
    "uri", ["pkcs11:tocken=a", "pkcs11:token=a;token=b", "pkcs11:token=%2", "pkcs11:a", "pkcs11:token=a?x=y"]
)
def test_a_uri_that_is_not_understood(uri: str) -> None:
    with pytest.raises(agent.UsageError, match="no PKCS#11 URI"):
        agent.parse_pkcs11_uri(uri)


def test_the_modules_of_a_pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator's files replace the packages' of the same name, and an empty one switches a module off."""
    usual, own = tmp_path / "usual", tmp_path / "own"
    monkeypatch.setattr(agent, "MODULE_FOLDERS", (usual, own))
    for folder in (usual, own):
        folder.mkdir()
    for name, path in (
        ("a", "/a.so"),
        ("b", "/b.so"),
        ("c", "/c.so"),
        ("proxy", "p11-kit-proxy.so"),
        ("t", "p11-kit-trust.so"),
    ):
        (usual / f"{name}.module").write_text(f"# a comment\nmodule: {path}\npriority: 1\n")
    (own / "a.module").write_text("module:/other.so")
    (own / "b.module").write_text("")
    (own / "d.module").write_text("remote: |ssh elsewhere\n")
    (own / "e.module").write_text("module: nowhere.so\n")
    assert agent.pkcs11_modules() == ["/other.so", "/c.so", "nowhere.so"]


def certificate(
    usage: str = "", purposes: tuple[x509.ObjectIdentifier, ...] = (), issuer: str = "nhs", ca: bool = False
) -> bytes:
    """A certificate whose key is for what `usage` names (of RFC 5280's names), in DER."""
    key = card_keys()["9A"]
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer)])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, UID)])
    about = self_signed(UID, key)
    builder = x509.CertificateBuilder(name, subject, key.public_key(), 1, NOW, about.not_valid_after_utc)
    if usage:
        names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
        names += ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
        builder = builder.add_extension(x509.KeyUsage(**{each: each in usage for each in names}), False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def found(*ders: bytes) -> list[Any]:
    return [
        [0, f"{number:02x}", "a label", base64.b64encode(der).decode(), None, False]
        for number, der in enumerate(ders, 1)
    ]


def best(purpose: Purpose, *ders: bytes) -> list[str]:
    """Which of these certificates are the best for it, by their identifiers."""
    keys = agent.token_keys(found(*ders))
    most = max(key.fitness[purpose] for key in keys)
    return [key.id for key in keys if most and key.fitness[purpose] == most]


AUTHENTICATION = certificate("digital_signature")
COMMITMENT = certificate("digital_signature content_commitment")
CARD_ONLY = certificate("digital_signature", (CARD_AUTHENTICATION,))


def test_the_key_is_chosen_by_its_certificate_and_never_by_its_place() -> None:
    others = [COMMITMENT, CARD_ONLY, certificate("key_agreement"), certificate("digital_signature", ca=True)]
    assert best(Purpose.SIGN_IN, *others, AUTHENTICATION) == ["05"]
    assert best(Purpose.SIGN_IN, AUTHENTICATION, *others) == ["01"]
    assert best(Purpose.COMMITMENT, AUTHENTICATION, COMMITMENT, certificate()) == ["02"]
    assert best(Purpose.SIGN_IN, *others) == []


def test_of_two_that_would_do_the_one_that_says_so() -> None:
    assert best(Purpose.SIGN_IN, certificate(), AUTHENTICATION) == ["02"]
    assert best(Purpose.SIGN_IN, certificate("digital_signature", issuer="Another"), AUTHENTICATION) == ["02"]
    assert best(
        Purpose.SIGN_IN, AUTHENTICATION, certificate("digital_signature", (ExtendedKeyUsageOID.CLIENT_AUTH,))
    ) == ["01", "02"]


def test_a_certificate_that_cannot_be_read_is_no_obstacle() -> None:
    assert best(Purpose.SIGN_IN, b"\x30\x03\x02\x01\x00", AUTHENTICATION) == ["02"]


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ("PIN_LOCKED", Fault.CARD_LOCKED),
        ("PIN_LEN_RANGE", Fault.NO_PASSCODE),
        ("PIN_INVALID", Fault.NO_PASSCODE),
        ("FUNCTION_CANCELED", Fault.GIVEN_UP),
        ("DEVICE_REMOVED", Fault.CARD_REMOVED),
        ("TOKEN_NOT_PRESENT", Fault.CARD_REMOVED),
        ("SESSION_HANDLE_INVALID", Fault.CARD_REMOVED),
        ("TOKEN_NOT_RECOGNIZED", Fault.CARD_NOT_USABLE),
        ("USER_PIN_NOT_INITIALIZED", Fault.CARD_NOT_USABLE),
        ("FUNCTION_NOT_SUPPORTED", Fault.CARD_NOT_USABLE),
        ("USER_ALREADY_LOGGED_IN", Fault.CARD_BUSY),
        ("MECHANISM_INVALID", Fault.KEY_NOT_USABLE),
        ("KEY_HANDLE_INVALID", Fault.KEY_NOT_USABLE),
        ("DEVICE_ERROR", Fault.CARD_MUTE),
        ("GENERAL_ERROR", Fault.CARD_MUTE),
        ("Vendor error (0x00000001)", Fault.CARD_MUTE),
        ("Load", Fault.MODULE_FAILED),
        ("ImportError", Fault.NO_TOKEN_LIBRARY),
    ],
)
def test_each_result_is_one_of_the_typed_errors(result: str, fault: Fault) -> None:
    with fails(fault):
        agent.read_module_answer(json.dumps([result, None]).encode() + b"\n", "/m.so")


@pytest.mark.parametrize(("said", "tries_left"), [(None, None), (1, 1)])
def test_a_wrong_passcode_says_the_tries_left_where_the_token_does(said: int | None, tries_left: int | None) -> None:
    with pytest.raises(agent.WrongPasscode) as raised:
        agent.read_module_answer(json.dumps(["PIN_INCORRECT", said]).encode(), "/m.so")
    assert raised.value.tries_left == tries_left


def test_a_wrong_passcode_that_was_the_last() -> None:
    with fails(Fault.CARD_LOCKED):
        agent.read_module_answer(b'["PIN_INCORRECT", 0]\n', "/m.so")


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"[]", b"{}", b'["OK"]', b"[1, 2]", b'["PIN_INCORRECT", 7]', b"[" * 100_000, b'"OK"', b"\xff\n"],
)
def test_what_is_no_answer(line: bytes) -> None:
    with fails(Fault.MODULE_FAILED):
        agent.read_module_answer(line, "/m.so")


@pytest.mark.parametrize(
    "answer", [None, 1, "a", [1], [[]], [[1, 2, 3, 4, 5, 6]], [[0, "01", "", "?", None, False, 1]], {"a": 1}]
)
def test_certificates_that_make_no_sense(answer: Any) -> None:
    with fails(Fault.MODULE_FAILED):
        agent.token_keys(answer)
