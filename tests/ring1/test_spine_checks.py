"""Each check of authvalidate, broken alone: docs/broker-checks.md is the table of them."""

from __future__ import annotations

import ast
import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from support.spine import Desk, SettableClock
from support.spine_client import b64, gp_object, make_card, message, resign, set_attributes, sign_cms, signer

from spine_stub import Config, create_app
from spine_stub.cli.options import make_parser
from spine_stub.explain.hints import HINTS
from spine_stub.login.challenge import Challenges
from spine_stub.login.checks import Check, Checks
from spine_stub.pki.authority import ec_key, make_issuing, make_root, rsa_key
from spine_stub.stub import Stub
from spine_stub.web import views

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "broker-checks.md"
Body = bytes
UID = "555000000002"


def not_one_gpobject(desk: Desk) -> Body:
    return gp_object(**desk.answer()) + b"<more/>"


def another_service(desk: Desk) -> Body:
    return gp_object(**{**desk.answer(), "service": "ACTIVATION"})


def no_challenge(desk: Desk) -> Body:
    answer = desk.answer()
    del answer["challenge"]
    return gp_object(**answer)


def text_for_a_cms(desk: Desk) -> Body:
    return gp_object(**{**desk.answer(), "response": b64(b"no cms: here!")})


def challenge_of_47_bytes(desk: Desk) -> Body:
    answer = desk.answer()
    return gp_object(**{**answer, "challenge": b64(base64.b64decode(answer["challenge"])[:47])})


def another_challenges_signature(desk: Desk) -> Body:
    return gp_object(**{**desk.answer(), "signature": desk.challenge()[1]["signature"]})


def another_secret_for_the_mac(desk: Desk) -> Body:
    """As from a broker that has our secret for the signature, but another one for the MAC."""

    class OtherMac(Challenges):
        def _mac(self, body: bytes) -> bytes:
            return hmac.digest(b"another", body, "sha1")

    challenge, signature = OtherMac(**vars(desk.broker.challenges)).issue()
    info = sign_cms(desk.card(), base64.b64decode(challenge))
    return gp_object(**message(UID, info, {"challenge": challenge, "signature": signature}))


def a_challenge_from_yesterday(desk: Desk) -> Body:
    answer = desk.answer()
    desk.clock.advance(days=1)
    return gp_object(**answer)


def two_signers(desk: Desk) -> Body:
    def spoil(info: Any, _: Any) -> None:
        info["content"]["signer_infos"] = [signer(info), signer(info).copy()]

    return gp_object(**desk.spoiled(spoil))


def other_content(desk: Desk) -> Body:
    def spoil(info: Any, card: Any) -> None:
        info["content"]["encap_content_info"]["content"] = b"pay the bearer"
        resign(info, card)

    return gp_object(**desk.spoiled(spoil))


def sha1(desk: Desk) -> Body:
    return gp_object(**desk.answer(digest="sha1"))


def two_digests_named(desk: Desk) -> Body:
    def spoil(info: Any, _: Any) -> None:
        signer(info)["signature_algorithm"] = {"algorithm": "sha512_rsa"}

    return gp_object(**desk.spoiled(spoil))


def another_message_digest(desk: Desk) -> Body:
    def spoil(info: Any, card: Any) -> None:
        set_attributes(info, content_type="data", message_digest=b"\0" * 32)
        resign(info, card)

    return gp_object(**desk.spoiled(spoil))


def another_key(desk: Desk) -> Body:
    return gp_object(**desk.spoiled(lambda info, card: resign(info, replace(card, key=rsa_key()))))


def a_ca_of_the_same_name(desk: Desk) -> Body:
    now = desk.clock()
    forger = make_issuing(make_root(rsa_key(), now), rsa_key(), now)
    return gp_object(**desk.answer(make_card(desk.data, UID, ec_key(), issuer=forger)))


def a_weak_key(desk: Desk) -> Body:
    return gp_object(**desk.answer(make_card(desk.data, UID, rsa.generate_private_key(3, 2048))))


def the_signature_certificate(desk: Desk) -> Body:
    """9C is for signing documents."""
    return gp_object(**desk.answer(desk.card(slot="9C")))


def somebody_elses_uid(desk: Desk) -> Body:
    return gp_object(**{**desk.answer(), "uid": "555000000001"})


def a_uid_nobody_has(desk: Desk) -> Body:
    return gp_object(**desk.answer(make_card(desk.data, "555999999999", ec_key())))


def the_same_answer_again(desk: Desk) -> Body:
    answer = desk.answer()
    desk.broker.validate(answer)
    return gp_object(**answer)


CASES: dict[Check, tuple[Callable[[Desk], Body], str]] = {
    Check.MESSAGE: (not_one_gpobject, "xml-not-well-formed"),
    Check.SERVICE: (another_service, "wrong-service"),
    Check.PARAMETERS: (no_challenge, "missing-challenge"),
    Check.RESPONSE: (text_for_a_cms, "response-without-cms"),
    Check.CHALLENGE_FORM: (challenge_of_47_bytes, "challenge-wrong-length"),
    Check.SERVER_SIGNATURE: (another_challenges_signature, "server-signature-wrong"),
    Check.CHALLENGE_MAC: (another_secret_for_the_mac, "challenge-mac-wrong"),
    Check.CHALLENGE_AGE: (a_challenge_from_yesterday, "challenge-expired"),
    Check.CMS: (two_signers, "not-one-signer"),
    Check.CONTENT: (other_content, "content-not-the-challenge"),
    Check.DIGEST: (sha1, "sha1-not-allowed"),
    Check.ALGORITHM: (two_digests_named, "digest-contradiction"),
    Check.ATTRIBUTES: (another_message_digest, "message-digest-wrong"),
    Check.SIGNATURE: (another_key, "signature-wrong"),
    Check.CHAIN: (a_ca_of_the_same_name, "certificate-not-trusted"),
    Check.STRENGTH: (a_weak_key, "certificate-too-weak"),
    Check.USAGE: (the_signature_certificate, "certificate-wrong-usage"),
    Check.UID: (somebody_elses_uid, "uid-not-the-certificates"),
    Check.PERSON: (a_uid_nobody_has, "person-unknown"),
    Check.UNUSED: (the_same_answer_again, "challenge-already-used"),
}
# What a check hands on to the next ones cannot be there when it fails.
GIVES_NOTHING = set(Check) - {
    Check.MESSAGE, Check.PARAMETERS, Check.RESPONSE, Check.CHALLENGE_FORM, Check.CMS, Check.ALGORITHM, Check.CHAIN,
    Check.PERSON
}  # fmt: skip
each_check = pytest.mark.parametrize("check", Check, ids=lambda check: check.name)


@pytest.fixture
def app(demo_data: Path, clock: SettableClock) -> Flask:
    return create_app(Config(demo_data, store="memory"), clock=clock)


@pytest.fixture
def desk(app: Flask, clock: SettableClock, demo_data: Path) -> Desk:
    return Desk(Stub.of(app).broker, clock, demo_data)


def validate(app: Flask, body: Body) -> Any:
    return app.test_client().post("/login/authvalidate", data=body)


@each_check
def test_a_check_refuses_and_the_record_says_so(app: Flask, desk: Desk, check: Check) -> None:
    case, reason = CASES[check]
    reply = validate(app, case(desk))
    assert reply.headers["X-Spine-Stub-Reason"] == reason
    results = Stub.of(app).record.exchanges("authvalidate")[0].checks
    assert [result.check for result in results] == list(Check)[: list(Check).index(check) + 1]
    assert [result.reason for result in results if not result.passed] == [reason]


@pytest.mark.parametrize("check", [c for c in Check if c in GIVES_NOTHING], ids=lambda check: check.name)
def test_nothing_else_was_wrong(app: Flask, desk: Desk, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this one check made blind, the same request signs in: it was broken alone."""

    class Blind(Checks):
        def __exit__(self, kind: Any, exc: Any, trace: Any) -> bool:
            return self._current is check and exc is not None

    body = CASES[check][0](desk)
    monkeypatch.setattr(views, "Checks", Blind)
    assert b"sso_ticket" in validate(app, body).data


def test_a_right_answer_passes_them_all(app: Flask, desk: Desk) -> None:
    assert b"sso_ticket" in validate(app, gp_object(**desk.answer())).data
    results = Stub.of(app).record.exchanges("authvalidate")[0].checks
    assert [result.check for result in results if result.passed] == list(Check)


def test_only_sha1_has_a_switch() -> None:
    switches = {field.name for field in fields(Config) if field.type == "bool"}
    options = {option for action in make_parser()._actions for option in action.option_strings if action.nargs == 0}
    assert switches == {"allow_sha1", "any_client"}, "any_client is about the clients of CIS2"
    assert options == {"-h", "--help", "--version", "--http", "--allow-sha1", "--any-client", "--stop-with-stdin"}


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_has_every_check_with_its_test() -> None:
    names = [CASES[check][0].__name__ for check in Check]
    assert [(row[1], row[-1].strip("`")) for row in rows()] == list(
        zip([check.value for check in Check], names, strict=True)
    )


def test_the_table_has_every_reason_and_each_has_a_hint() -> None:
    listed = {reason for row in rows() for reason in re.findall(r"`([a-z0-9-]+)`", row[2])}
    assert listed == set(reasons_of_authvalidate())
    assert listed <= set(HINTS)


def reasons_of_authvalidate() -> list[str]:
    """Every reason that the modules behind authvalidate raise with."""
    found = ["missing-" + name for name in ("uid", "response", "challenge", "signature")]
    found += [f"{what}-not-base64" for what in ("response", "response-mime", "challenge", "signature")]
    for module in ("gpobject", "wire", "challenge", "signed_data", "trust", "broker"):
        tree = ast.parse((ROOT / "spine_stub" / "login" / f"{module}.py").read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        raised = [call for call in calls if getattr(call.func, "id", "") in ("Refused", "InvalidInput")]
        found += [call.args[0].value for call in raised if isinstance(call.args[0], ast.Constant)]
    trust = (ROOT / "spine_stub" / "login" / "trust.py").read_text()
    found += re.findall(r'"((?:certificate|authority)-[a-z-]+)"', trust)
    elsewhere = {"missing-ticket", "ticket-not-valid", "role-not-held", "ssb-mode-unknown"}
    return [reason for reason in found if reason not in elsewhere]
