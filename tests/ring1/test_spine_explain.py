"""What is said of a refused answer: the bytes, where a wrong digest comes from, the tree, the chain."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from support.spine import Desk
from support.spine_client import Card, b64, make_card, message, resign, set_attributes, sign_cms, signer

from spine_stub.errors import BrokerError
from spine_stub.explain.cms_tree import Node, tree
from spine_stub.explain.explanation import Explanation, explain_exchange
from spine_stub.explain.record import Exchange
from spine_stub.login.checks import Check, Checks
from spine_stub.pki.authority import Validity, ec_key, make_issuing, make_root, name, rsa_key


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def explained(desk: Desk, answer: dict[str, str], issued: str = "") -> Explanation:
    """As for a request that asked so."""
    checks = Checks()
    reason = ""
    try:
        desk.broker.validate(answer, checks)
    except BrokerError as exc:
        reason = exc.reason
    exchange = Exchange(
        2, desk.clock(), "authvalidate", "POST", "/login/authvalidate", "127.0.0.1", message=answer, reason=reason,
        checks=tuple(checks.results),
    )  # fmt: skip
    first = f'<gpPARAM name="challenge">{issued}</gpPARAM>'.encode()
    activation = exchange._replace(endpoint="authactivate", reply=first) if issued else None
    return explain_exchange(desk.broker, exchange, activation)


def states(explanation: Explanation) -> list[str]:
    return [item.state for item in explanation.compared]


def test_a_right_answer_has_nothing_to_complain_of(desk: Desk) -> None:
    answer = desk.answer()
    explanation = explained(desk, answer, answer["challenge"])
    assert explanation.problems == []
    assert states(explanation) == ["same"] * 3
    assert [link.subject.rpartition("=")[2] for link in explanation.chain] == [
        "555000000002", "Lanyard Test SubCA01", "Lanyard Test Root"
    ]  # fmt: skip
    assert explanation.issued
    assert abs((explanation.issued - desk.clock()).total_seconds()) < 1


def test_with_attributes_two_digests_are_compared(desk: Desk) -> None:
    explanation = explained(desk, desk.answer(attributes=True))
    assert [item.title for item in explanation.compared[1:]] == [
        "sha256 of the content, in the signed attributes",
        "sha256 of the signed attributes, inside the signature",
    ]
    assert states(explanation) == ["same"] * 3


def test_an_ecdsa_signature_keeps_its_digest_to_itself(desk: Desk) -> None:
    explanation = explained(desk, desk.answer(make_card(desk.data, "555000000002", ec_key())))
    assert states(explanation) == ["same", "unknown"]
    assert explanation.problems == []


@pytest.mark.parametrize(
    ("mistake", "origin"),
    [
        (base64.b64encode, "it is the sha256 of the challenge's base64, not of its bytes"),
        (lambda c: base64.b64encode(c) + b"\n", "it is the sha256 of the challenge's base64 with a line end"),
        (lambda c: c.hex().encode(), "it is the sha256 of the challenge in hexadecimal"),
        (
            lambda c: hashlib.sha256(c).digest(),
            "it is the sha256 of the sha256 of the challenge: it was digested twice",
        ),
        (lambda c: c[:0], "it is the sha256 of nothing at all"),
        (lambda c: c[1:], ""),
    ],
)
def test_where_a_wrong_digest_comes_from(desk: Desk, mistake: Any, origin: str) -> None:
    challenge, echo = desk.challenge()
    info = sign_cms(desk.card(), challenge)
    signer(info)["signature"] = desk.card().raw_signature(mistake(challenge), "sha256")
    explanation = explained(desk, message(desk.card().uid, info, echo))
    assert explanation.refused
    assert explanation.refused.check is Check.SIGNATURE
    wrong = explanation.compared[-1]
    assert (wrong.state, wrong.note) == ("differs", origin)
    assert wrong.expected == hashlib.sha256(challenge).digest()
    assert wrong.received == hashlib.sha256(mistake(challenge)).digest()


def test_another_digest_inside_the_signature_is_named(desk: Desk) -> None:
    challenge, echo = desk.challenge()
    info = sign_cms(desk.card(), challenge)
    signer(info)["signature"] = desk.card().raw_signature(challenge, "sha512")
    explanation = explained(desk, message(desk.card().uid, info, echo))
    assert explanation.compared[-1].note == "it is a sha512, and the SignerInfo says sha256"


def test_another_key_is_named(desk: Desk) -> None:
    explanation = explained(desk, desk.spoiled(lambda info, card: resign(info, replace(card, key=rsa_key()))))
    assert "it was made with another key" in explanation.compared[-1].note
    assert explanation.compared[-1].received is None


def test_a_wrong_message_digest_is_shown(desk: Desk) -> None:
    def spoil(info: Any, card: Card) -> None:
        set_attributes(info, content_type="data", message_digest=b"\0" * 32)
        resign(info, card)

    explanation = explained(desk, desk.spoiled(spoil))
    assert states(explanation) == ["same", "differs", "same"]
    assert any("00" * 32 in line for line in explanation.problems)


def test_an_echo_of_another_challenge_is_shown(desk: Desk) -> None:
    explanation = explained(desk, desk.answer(), desk.answer()["challenge"])
    assert states(explanation)[0] == "differs"


def test_an_echo_from_beyond_all_time_is_shown(desk: Desk) -> None:
    explanation = explained(desk, {**desk.answer(), "challenge": b64(b"\xff" * 48)})
    assert explanation.issued is None


def problem_of(desk: Desk, **made: Any) -> list[str]:
    card = make_card(desk.data, "555000000002", made.pop("key", None) or ec_key(), **made)
    return [link.problem for link in explained(desk, desk.answer(card)).chain]


def test_where_a_chain_breaks(desk: Desk) -> None:
    now = datetime.now(UTC)
    root = make_root(rsa_key(), now)
    card, issuer = "'CN=555000000002,OU=people,O=nhs'", "'CN=Lanyard Test SubCA01,OU=CA,O=nhs'"
    assert problem_of(desk, lifetime=(-3, -2)) == [f"certificate has expired: {card}"]
    assert problem_of(desk, lifetime=(2, 3))[0].startswith("certificate is not yet valid")
    namesake = make_issuing(root, rsa_key(), now)
    assert problem_of(desk, issuer=namesake) == [f"another key than that of the CA here signed it: {issuer}"]
    certificate = root.issue(name("CA", "X"), rsa_key().public_key(), Validity(now, now + timedelta(days=1)), [])
    stranger = replace(namesake, certificate=certificate)
    assert problem_of(desk, issuer=stranger) == ["no CA here is called 'CN=X,OU=CA,O=nhs'"]
    assert explained(desk, desk.answer(desk.card("revoked"))).chain[0].problem.startswith("certificate revoked: ")
    assert "1024 bits" in problem_of(desk, key=rsa.generate_private_key(65537, 1024))[0]  # noqa: S505


def test_a_tree_names_what_is_in_it(desk: Desk) -> None:
    challenge, _ = desk.challenge()
    outline = tree(sign_cms(desk.card(), challenge, attributes=True).dump()).outline()
    assert "content_type: ContentType signed_data (1.2.840.113549.1.7.2)" in outline
    assert f"content: OctetString {challenge.hex()}" in outline
    assert "subject: Name O=nhs, OU=people, CN=555000000002" in outline
    assert "algorithm: DigestAlgorithmId sha256 (2.16.840.1.101.3.4.2.1)" in outline
    assert "extn_value: KeyUsage digital_signature" in outline


def test_what_cannot_be_read_is_a_leaf_that_says_so(desk: Desk) -> None:
    assert tree(b"\x30\x03abc").unreadable or any(node.unreadable for node in walk(tree(b"\x30\x03abc")))
    assert tree(b"hello").text
    der = bytearray(sign_cms(desk.card(), desk.challenge()[0]).dump())
    at = bytes(der).index(b"\x17\x0d")  # the first UTCTime
    der[at + 2 : at + 6] = b"\xff\xff\xff\xff"
    nodes = list(walk(tree(bytes(der))))
    assert [node.name for node in nodes if node.unreadable] == ["not_before"]
    assert any(node.name == "not_after" and node.text for node in nodes)


@pytest.fixture(scope="module")
def one_desk(demo_data: Path) -> Desk:
    return Desk.open(demo_data)


@given(data=st.data())
@settings(max_examples=80)
def test_no_answer_is_too_broken_to_be_explained(one_desk: Desk, data: st.DataObject) -> None:
    answer = one_desk.answer(attributes=True)
    der = bytearray(base64.b64decode(answer["response"]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(der) - 1))
        der[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    explanation = explained(one_desk, {**answer, "response": b64(bytes(der))})
    assert len(explanation.steps) == len(Check)
    assert isinstance(explanation.problems, list)
    assert explanation.tree is None or explanation.tree.outline()
