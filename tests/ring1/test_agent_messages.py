"""What is signed and what travels: CMS (RFC 5652), EMSA-PKCS1-v1_5 (RFC 8017, 9.2), gpOBJECT."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from contextlib import suppress

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from support.agent import fails
from support.emulator import UID, card_keys, self_signed
from support.scripted_card import card_certificate

from agent import (
    SMIME_HEADER,
    AgentError,
    Certificate,
    Digest,
    Fault,
    GpAnswer,
    decode_reply,
    gp_object,
    signature_block,
    signed_data,
    smime_response,
    status_words,
    unsigned_data,
)

CHALLENGE = bytes(range(48))
CERTIFICATE = Certificate.parse(card_certificate())
# RFC 8017, 9.2, note 1: the DER prefix of a DigestInfo.
DIGEST_INFO = {Digest.SHA1: "3021300906052b0e03021a05000414", Digest.SHA256: "3031300d060960864801650304020105000420"}


def raw_signature(block: bytes) -> bytes:
    """What a card's RSA key does, and nothing else."""
    key = card_keys()["9A"]
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    result = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return result.to_bytes(256, "big")


@pytest.mark.parametrize("digest", Digest)
def test_the_block_is_that_of_rfc_8017(digest: Digest) -> None:
    hashed = hashlib.new(digest.value, CHALLENGE).digest()
    info = bytes.fromhex(DIGEST_INFO[digest]) + hashed
    expected = b"\0\x01" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info
    assert signature_block(CHALLENGE, digest, CERTIFICATE.algorithm) == expected


@pytest.mark.parametrize("digest", Digest)
def test_the_card_s_signature_over_it_is_valid(digest: Digest) -> None:
    signature = raw_signature(signature_block(CHALLENGE, digest, CERTIFICATE.algorithm))
    public = card_keys()["9A"].public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    algorithm = {Digest.SHA1: hashes.SHA1(), Digest.SHA256: hashes.SHA256()}[digest]  # noqa: S303
    public.verify(signature, CHALLENGE, padding.PKCS1v15(), algorithm)


def test_an_elliptic_curve_key_gets_the_bare_hash() -> None:
    der = self_signed(UID, ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)
    block = signature_block(CHALLENGE, Digest.SHA256, Certificate.parse(der).algorithm)
    assert block == hashlib.sha256(CHALLENGE).digest()


@pytest.mark.parametrize("digest", Digest)
def test_the_signed_message_is_that_of_the_real_wire(digest: Digest) -> None:
    """docs/protocol.md, section 3: version 1, content included, one certificate, no signed attributes."""
    encoded = signed_data(unsigned_data(CHALLENGE, digest, CERTIFICATE), b"\x5a" * 256)
    info = cms.ContentInfo.load(encoded, strict=True)
    message = info["content"]
    assert info["content_type"].native == "signed_data"
    assert message["version"].native == "v1"
    assert [each["algorithm"].native for each in message["digest_algorithms"]] == [digest.value]
    assert message["encap_content_info"]["content"].native == CHALLENGE
    assert [each.chosen.dump() for each in message["certificates"]] == [card_certificate()]
    (signer,) = message["signer_infos"]
    assert signer["version"].native == "v1"
    assert signer["sid"].chosen["serial_number"].native == message["certificates"][0].chosen.serial_number
    assert signer["digest_algorithm"]["algorithm"].native == digest.value
    assert signer["signature_algorithm"]["algorithm"].native == "rsassa_pkcs1v15"
    assert signer["signed_attrs"].native is None
    assert signer["signature"].native == b"\x5a" * 256
    assert info.dump(force=True) == encoded  # already DER


def test_the_response_parameter_is_base64_twice() -> None:
    text = base64.b64decode(smime_response(b"\x30\x00\xff"), validate=True).decode()
    header, _, body = text.partition("\n\n")
    assert header + "\n\n" == SMIME_HEADER
    assert "Content-Transfer-Encoding: base64" in header
    assert base64.b64decode(body, validate=True) == b"\x30\x00\xff"


def test_a_request_names_its_parameters_and_escapes_them() -> None:
    request = gp_object({"uid": "5 < 6 & 7", "response": "QQ=="}).decode()
    assert request == (
        '<!DOCTYPE USER SYSTEM "gpOBJECT.DTD"><gpOBJECT>'
        '<gpPARAM name="uid">5 &lt; 6 &amp; 7</gpPARAM>'
        '<gpPARAM name="response" encoding="base64">QQ==</gpPARAM></gpOBJECT>'
    )


def parsed_reply(body: bytes, content_type: str = "") -> GpAnswer:
    return GpAnswer.parse(decode_reply(body, content_type))


def reply(inside: str, doctype: str = "https://gas.example.nhs.uk/login/dtd") -> bytes:
    return f'<!DOCTYPE gpOBJECT SYSTEM "{doctype}"><gpOBJECT>{inside}</gpOBJECT>'.encode()


def role(text: str, attributes: str = 'name="nhsjobrole0" id="100" orgcode="RXX"') -> bytes:
    return reply(f"<gpPARAM {attributes}>{text}</gpPARAM>")


WORK = '"Clinical":"Clinical Provision":"Nurse Access Role"'


@pytest.mark.parametrize(
    ("text", "organisation"),
    [
        (f"LEEDS TRUST, {WORK}", "LEEDS TRUST"),
        (f"SMITH & SONS, {WORK}", "SMITH & SONS"),
        (f"SMITH &amp; SONS &#38; CO, {WORK}", "SMITH & SONS & CO"),
        (f"A &B; C &, {WORK}", "A &B; C &"),
        (f"ST MARY'S (NORTH), WARD 1, {WORK}", "ST MARY'S (NORTH), WARD 1"),
        (f"THE &lt;NEW&gt; CLINIC,{WORK}", "THE <NEW> CLINIC"),
        (f"\n  ÉCOLE,  {WORK}\n", "ÉCOLE"),
    ],
)
def test_roles_as_real_replies_write_them(text: str, organisation: str) -> None:
    (parsed,) = parsed_reply(role(text)).roles()
    assert parsed.org_name == organisation
    assert (parsed.id, parsed.org_code) == ("100", "RXX")
    assert (parsed.group, parsed.sub_group) == ("Clinical", "Clinical Provision")
    assert parsed.name == "Nurse Access Role"


def test_a_raw_ampersand_in_the_job_is_mended_too() -> None:
    (parsed,) = parsed_reply(role('ORG, "Admin & Clerical":"A&B":"R&D Nurse"')).roles()
    assert (parsed.group, parsed.sub_group, parsed.name) == ("Admin & Clerical", "A&B", "R&D Nurse")


def test_an_organisation_without_a_code() -> None:
    (parsed,) = parsed_reply(role(f"ORG, {WORK}", 'id="7" name="nhsjobrole0"')).roles()
    assert parsed.org_code is None


def test_roles_stay_in_order_and_parameters_are_named() -> None:
    each = "".join(f'<gpPARAM name="nhsjobrole{n}" id="{n}">ORG {n}, {WORK}</gpPARAM>' for n in range(40))
    answer = parsed_reply(reply(each + '<gpPARAM name="cn"> A Person </gpPARAM>'))
    assert [parsed.id for parsed in answer.roles()] == [str(n) for n in range(40)]
    assert answer.required("cn") == "A Person"


def test_a_doctype_elsewhere_is_never_fetched() -> None:
    assert parsed_reply(reply("", "http://192.0.2.1/never.dtd")).parameters == {}


@pytest.mark.parametrize("words", ["Failed To Validate", "Invalid input request"])
def test_the_broker_s_two_refusals(words: str) -> None:
    with fails(Fault.BROKER_REFUSED):
        parsed_reply(f"<HTML><STATUS>{words}</STATUS></HTML>".encode())
    (parsed,) = parsed_reply(role(f"THE {words} CLINIC, {WORK}")).roles()
    assert parsed.org_name == f"THE {words} CLINIC"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<HTML><STATUS>OK</STATUS></HTML>", "OK"),
        ("\r\n<html>\n<Status> OK\n</Status></html>", "OK"),
        ("<HTML><STATUS>NOT OK</STATUS></HTML>", "NOT OK"),
        ("<HTML><STATUS>\x1b[2JOK</STATUS></HTML>", "[2JOK"),
        ("<STATUS>INVALID TOKEN</STATUS>OK", "INVALID TOKEN"),
        ("OK", ""),
        ("<STATUS>OK", ""),
    ],
)
def test_the_status_of_a_page_is_read_exactly(page: str, words: str) -> None:
    assert status_words(page) == words


DECLARED = '<?xml version="1.0" encoding="{}"?>'
ACCENT = "<gpOBJECT><gpPARAM name='cn'>Zo\xeb</gpPARAM></gpOBJECT>"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ACCENT.encode(), ""),
        (ACCENT.encode(), "text/xml; charset=UTF-8"),
        (b"\xef\xbb\xbf" + ACCENT.encode(), "text/xml; charset=ISO-8859-1"),
        (b"\r\n  " + (DECLARED.format("UTF-8") + ACCENT).encode() + b"\n", ""),
        ((DECLARED.format("iso-8859-1") + ACCENT).encode("latin-1"), ""),
        ((DECLARED.format("ISO-8859-1") + ACCENT).encode("latin-1"), "text/xml; charset=utf-8"),
        ((DECLARED.format("windows-1252") + ACCENT).encode("cp1252"), "text/xml"),
        (ACCENT.encode("latin-1"), 'text/xml; charset="ISO-8859-1"'),
        (ACCENT.encode("utf-16"), ""),
        ((DECLARED.format("UTF-16") + ACCENT).encode("utf-16"), "text/xml"),
    ],
)
def test_a_reply_may_be_in_any_encoding_that_it_names(body: bytes, content_type: str) -> None:
    assert parsed_reply(body, content_type).required("cn") == "Zo\xeb"


@pytest.mark.parametrize("encoding", ["utf-7", "punycode", "unicode_escape", "zlib", "rot13", "no-such", "."])
def test_an_encoding_that_no_broker_has(encoding: str) -> None:
    with fails(Fault.BROKER_NONSENSE):
        parsed_reply((DECLARED.format(encoding) + ACCENT).encode("ascii", "ignore"))


@pytest.mark.parametrize(
    "odd",
    [
        "<gpPARAM name='nhsjobrole1' id='2'>no role</gpPARAM>",
        "<gpPARAM name='nhsjobrole1'>ORG, {}</gpPARAM>",
        "<gpPARAM name='nhsjobrole1' id='100'>TWICE, {}</gpPARAM>",
        "<gpPARAM name='nhsjobrole1' id='\u202e2'>ORG, {}</gpPARAM>",
        "<gpPARAM name='nhsjobrole1' id='2'/>",
    ],
)
def test_one_odd_role_is_left_out_and_said_in_the_log(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    good = f"<gpPARAM name='nhsjobrole0' id='100'>ORG, {WORK}</gpPARAM>"
    roles = parsed_reply(reply(good + odd.format(WORK))).roles()
    assert [each.id for each in roles] == ["100"]
    assert "nhsjobrole1" in caplog.text


def test_more_roles_than_anybody_has_are_left_out() -> None:
    each = "".join(f"<gpPARAM name='nhsjobrole{n}' id='{n}'>ORG, {WORK}</gpPARAM>" for n in range(3000))
    assert len(parsed_reply(reply(each)).roles()) == 1000


STEERED = "\u202e\x9b2J&#10;"


def test_names_are_cleaned_and_bounded() -> None:
    text = f'{STEERED}LEEDS{"x" * 3000}, "{STEERED}Clinical":"Provision":"Nurse{STEERED}"'
    answer = parsed_reply(role(text))
    (parsed,) = answer.roles()
    assert all(value.isprintable() and len(value) <= 200 for value in dataclasses.astuple(parsed))
    assert (parsed.name, parsed.group) == ("Nurse 2J", "2J Clinical")


@pytest.mark.parametrize("value", ["", " ", "x" * 5000])
def test_a_parameter_is_refused_where_it_makes_no_sense(value: str) -> None:
    with fails(Fault.BROKER_NONSENSE):
        parsed_reply(reply(f"<gpPARAM name='sso_ticket'>{value}</gpPARAM>")).required("sso_ticket")


@pytest.mark.parametrize("minutes", ["0", "-1", "1.5", "ten", "", "\uff19", "1e3", "9999999", "0x10"])
def test_what_is_no_number_of_minutes(minutes: str) -> None:
    answer = parsed_reply(reply(f'<gpPARAM name="m">{minutes}</gpPARAM>'))
    with fails(Fault.BROKER_NONSENSE):
        answer.minutes("m")


def test_a_session_s_ticket_is_in_no_repr() -> None:
    answer = parsed_reply(reply('<gpPARAM name="sso_ticket">AQIC5secret</gpPARAM>'))
    assert "AQIC5secret" not in repr(answer)


XML = st.text(alphabet='<>/&;"!=gpOBJECTPARAM name\x00ü%', max_size=200)


@given(st.one_of(st.binary(max_size=300), XML.map(str.encode), XML.map(reply), XML.map(role)))
def test_any_body_raises_nothing_but_agent_errors(body: bytes) -> None:
    with suppress(AgentError):
        parsed_reply(body).roles()
