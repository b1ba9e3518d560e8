"""Ways to cheat that need more than a spoiled byte: borrowed certificates, bent padding, old answers, made-up tickets.

With test_spine_forgery.py, test_spine_trust.py and test_spine_challenge.py; docs/broker-checks.md has the checks.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from asn1crypto import algos, cms, core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from support.spine import Desk
from support.spine_client import Card, make_card, message, resign, set_attributes, sign_cms, signer

from spine_stub.errors import BrokerError
from spine_stub.folder import ISSUING, ISSUING_KEY, ROOT, ROOT_KEY
from spine_stub.login.challenge import Challenges
from spine_stub.pki import authority
from spine_stub.pki.authority import Issuer
from spine_stub.sessions import Limits, session_key
from spine_stub.sessions.sqlite import SqliteStore

UID = "555000000002"
VICTIM = "555000000001"
Cheat = Callable[[Desk], dict[str, str]]


def answer_of(desk: Desk, card: Card, uid: str = UID) -> dict[str, str]:
    challenge, echo = desk.challenge()
    return message(uid, sign_cms(card, challenge), echo)


def another_persons_certificate(desk: Desk) -> dict[str, str]:
    """The cheat's own key, under the victim's certificate."""
    return answer_of(desk, replace(desk.card("three-roles"), key=desk.card().key), VICTIM)


def another_persons_certificate_beside_the_own(desk: Desk) -> dict[str, str]:
    """The broker must take the signer's certificate for the person, not the first one."""
    challenge, echo = desk.challenge()
    info = sign_cms(desk.card(), challenge)
    info["content"]["certificates"] = [desk.card("three-roles").as_asn1, desk.card().as_asn1]
    return message(VICTIM, info, echo)


def a_self_made_certificate(desk: Desk) -> dict[str, str]:
    key = authority.rsa_key()
    root = authority.make_root(key, desk.clock())
    subject = authority.name("people", UID)
    validity = authority.Validity(desk.clock() - timedelta(days=1), desk.clock() + timedelta(days=1))
    extensions = [(authority.key_usage("digital_signature"), False)]
    return answer_of(desk, Card(UID, root.issue(subject, key.public_key(), validity, list(extensions)), key))


def a_twin_of_the_certificate(desk: Desk) -> dict[str, str]:
    """Issuer and serial number are the victim's, and the signature fits: only the CA did not make it."""
    real, key = desk.card().certificate, authority.rsa_key()
    builder = x509.CertificateBuilder().subject_name(real.subject).issuer_name(real.issuer).public_key(key.public_key())
    builder = builder.serial_number(real.serial_number)
    builder = builder.not_valid_before(desk.clock() - timedelta(days=1))
    builder = builder.not_valid_after(desk.clock() + timedelta(days=1))
    for extension in real.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    return answer_of(desk, Card(UID, builder.sign(key, SHA256()), key))


def the_cas_own_certificate(desk: Desk) -> dict[str, str]:
    issuing = Issuer.load(desk.data / ISSUING, desk.data / ISSUING_KEY)
    return answer_of(desk, Card(UID, issuing.certificate, issuing.key))


def the_brokers_tls_certificate(desk: Desk) -> dict[str, str]:
    root = Issuer.load(desk.data / ROOT, desk.data / ROOT_KEY)
    key = authority.ec_key()
    return answer_of(desk, Card(UID, authority.make_tls_certificate(root, key, [UID], desk.clock()), key))


def a_name_that_ends_early(desk: Desk) -> dict[str, str]:
    """A null in the common name ends it for programs that take it for a C string."""
    return answer_of(desk, make_card(desk.data, f"{UID}\0.cheat", authority.ec_key()))


def a_name_of_other_digits(desk: Desk) -> dict[str, str]:
    """Fullwidth digits look the same and are equal after NFKC."""
    look_alike = UID.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    return answer_of(desk, make_card(desk.data, look_alike, authority.ec_key()), look_alike)


def signature_over_other_bytes(desk: Desk) -> dict[str, str]:
    def sign_them(info: cms.ContentInfo, card: Card) -> None:
        signer(info)["signature"] = card.raw_signature(b"pay the bearer", "sha256")

    return desk.spoiled(sign_them)


def signature_of_an_earlier_sign_in(desk: Desk) -> dict[str, str]:
    earlier = sign_cms(desk.card(), desk.challenge()[0])

    def take_it(info: cms.ContentInfo, card: Card) -> None:
        signer(info)["signature"] = signer(earlier)["signature"].native

    return desk.spoiled(take_it)


def answer_to_another_challenge(desk: Desk) -> dict[str, str]:
    return {**answer_of(desk, desk.card()), **desk.challenge()[1]}


def content_swapped_under_its_attributes(desk: Desk) -> dict[str, str]:
    """Signed over attributes that name the digest of an earlier challenge."""
    earlier = sign_cms(desk.card(), desk.challenge()[0], attributes=True)
    challenge, echo = desk.challenge()
    earlier["content"]["encap_content_info"]["content"] = challenge
    return message(UID, earlier, echo)


def attributes_for_another_content(desk: Desk) -> dict[str, str]:
    def name_another(info: cms.ContentInfo, card: Card) -> None:
        set_attributes(info, content_type="data", message_digest=hashlib.sha256(b"pay the bearer").digest())
        resign(info, card)

    return desk.spoiled(name_another, attributes=True)


def sha1_signature_said_to_be_sha256(desk: Desk) -> dict[str, str]:
    def sign_sha1(info: cms.ContentInfo, card: Card) -> None:
        content = info["content"]["encap_content_info"]["content"].native
        signer(info)["signature"] = card.raw_signature(content, "sha1")

    return desk.spoiled(sign_sha1)


def sha1_hidden_in_the_signature_algorithm(desk: Desk) -> dict[str, str]:
    def hide(info: cms.ContentInfo, card: Card) -> None:
        signer(info)["signature_algorithm"] = {"algorithm": "sha1_rsa"}
        content = info["content"]["encap_content_info"]["content"].native
        signer(info)["signature"] = card.raw_signature(content, "sha1")

    return desk.spoiled(hide)


def sha256_said_outside_sha1_inside(desk: Desk) -> dict[str, str]:
    """SignedData lists SHA-256, the signer uses SHA-1: the signer's counts."""
    answer = desk.answer(digest="sha1")
    info = cms.ContentInfo.load(base64.b64decode(answer["response"]))
    info["content"]["digest_algorithms"] = [algos.DigestAlgorithm({"algorithm": "sha256"})]
    return {**answer, "response": base64.b64encode(info.dump(force=True)).decode()}


def padded(desk: Desk, block: Callable[[bytes, int], bytes]) -> dict[str, str]:
    """An answer whose signature is the card's own raw RSA over `block(digest info, size)`."""

    def sign_raw(info: cms.ContentInfo, card: Card) -> None:
        assert isinstance(card.key, rsa.RSAPrivateKey)
        digest = hashlib.sha256(info["content"]["encap_content_info"]["content"].native).digest()
        numbers = card.key.private_numbers()
        size = card.key.key_size // 8
        encoded = block(DIGEST_INFO + digest, size)
        assert len(encoded) == size
        signed = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n)
        signer(info)["signature"] = core.OctetString(signed.to_bytes(size, "big"))

    return desk.spoiled(sign_raw)


DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""The head of a DigestInfo with SHA-256 (RFC 8017, 9.2, note 1)."""


def truncated_padding(desk: Desk) -> dict[str, str]:
    """Eight bytes of padding, the digest, and then what nobody looks at (Bleichenbacher, 2006)."""
    return padded(desk, lambda info, size: (b"\0\1" + b"\xff" * 8 + b"\0" + info).ljust(size, b"\xaa"))


def padding_of_another_type(desk: Desk) -> dict[str, str]:
    return padded(desk, lambda info, size: b"\0\2" + b"\xff" * (size - len(info) - 3) + b"\0" + info)


def a_digest_without_its_name(desk: Desk) -> dict[str, str]:
    def block(info: bytes, size: int) -> bytes:
        digest = info[len(DIGEST_INFO) :]
        return b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest

    return padded(desk, block)


def a_signature_of_zeros(desk: Desk) -> dict[str, str]:
    """r = s = 0 fits every key for a verifier that does not look at their range."""
    card = make_card(desk.data, UID, authority.ec_key())
    challenge, echo = desk.challenge()
    info = sign_cms(card, challenge)
    signer(info)["signature"] = encode_dss_signature(0, 0)
    return message(UID, info, echo)


def a_stale_challenge(desk: Desk) -> dict[str, str]:
    answer = desk.answer()
    desk.clock.advance(minutes=5, seconds=1)
    return answer


def a_replayed_answer_signed_anew(desk: Desk) -> dict[str, str]:
    """Other bytes, same challenge: it is the challenge that is used up."""
    card = make_card(desk.data, UID, authority.ec_key())
    challenge, echo = desk.challenge()
    assert desk.broker.validate(message(UID, sign_cms(card, challenge), echo)).ticket
    return message(UID, sign_cms(card, challenge, digest="sha512"), echo)


def a_challenge_of_another_broker(desk: Desk) -> dict[str, str]:
    other = Challenges(b"another secret", timedelta(minutes=5), desk.clock, desk.broker.random)
    challenge, signature = other.issue()
    answer = message(UID, sign_cms(desk.card(), base64.b64decode(challenge)), {})
    return {**answer, "challenge": challenge, "signature": signature}


def a_challenge_made_younger(desk: Desk) -> dict[str, str]:
    challenge, echo = desk.challenge()
    younger = challenge[:20] + (int.from_bytes(challenge[20:28], "big") + 3_600_000).to_bytes(8, "big") + challenge[28:]
    answer = message(UID, sign_cms(desk.card(), younger), echo)
    return {**answer, "challenge": base64.b64encode(younger).decode()}


CHEATS: dict[Cheat, str] = {
    another_persons_certificate: "signature-wrong",
    another_persons_certificate_beside_the_own: "uid-not-the-certificates",
    a_self_made_certificate: "certificate-not-trusted",
    a_twin_of_the_certificate: "certificate-not-trusted",
    the_cas_own_certificate: "certificate-wrong-usage",
    the_brokers_tls_certificate: "certificate-wrong-usage",
    a_name_that_ends_early: "uid-not-the-certificates",
    a_name_of_other_digits: "person-unknown",
    signature_over_other_bytes: "signature-wrong",
    signature_of_an_earlier_sign_in: "signature-wrong",
    answer_to_another_challenge: "content-not-the-challenge",
    content_swapped_under_its_attributes: "message-digest-wrong",
    attributes_for_another_content: "message-digest-wrong",
    sha1_signature_said_to_be_sha256: "signature-wrong",
    sha1_hidden_in_the_signature_algorithm: "digest-contradiction",
    sha256_said_outside_sha1_inside: "sha1-not-allowed",
    truncated_padding: "signature-wrong",
    padding_of_another_type: "signature-wrong",
    a_digest_without_its_name: "signature-wrong",
    a_signature_of_zeros: "signature-wrong",
    a_stale_challenge: "challenge-expired",
    a_replayed_answer_signed_anew: "challenge-already-used",
    a_challenge_of_another_broker: "server-signature-wrong",
    a_challenge_made_younger: "server-signature-wrong",
}


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.__name__)
def test_cheating_is_refused_for_its_own_reason(desk: Desk, cheat: Cheat) -> None:
    assert desk.refusal(cheat(desk)) == CHEATS[cheat]


def test_the_honest_padding_is_taken(desk: Desk) -> None:
    """Else the tests of bent padding would prove nothing."""
    honest = padded(desk, lambda info, size: b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info)
    assert desk.broker.validate(honest).ticket


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(session_key, id="what_the_store_keeps_for_it"),
        pytest.param(lambda ticket: ticket[:-1], id="without_its_end"),
        pytest.param(lambda ticket: ticket + " ", id="with_a_space_behind"),
        pytest.param(str.swapcase, id="with_other_capitals"),
        pytest.param(lambda ticket: ticket.replace("AAJTSQACMDE", "AAJTSQACMDI"), id="of_another_site"),
        pytest.param(lambda ticket: ticket.replace("=@", "@"), id="without_base64_padding"),
        pytest.param(lambda ticket: "AQIC5wM2" + "A" * 40 + ticket[48:], id="guessed"),
        pytest.param(lambda ticket: ticket.replace("A", "\u0391"), id="with_greek_letters"),
    ],
)
def test_a_bent_ticket_is_refused(desk: Desk, bend: Callable[[str], str]) -> None:
    ticket = desk.broker.validate(desk.answer()).ticket
    with pytest.raises(BrokerError) as caught:
        desk.broker.session(bend(ticket))
    assert caught.value.reason.startswith("ticket-")
    assert desk.broker.session(ticket)


def test_a_ticket_of_another_broker_is_refused(desk: Desk) -> None:
    """Even of one with the same keys, as long as they do not share a store."""
    store = SqliteStore.in_memory(Limits(timedelta(hours=1), timedelta(hours=1)), desk.clock)
    ticket = replace(desk.broker, store=store).validate(desk.answer()).ticket
    with pytest.raises(BrokerError) as caught:
        desk.broker.session(ticket)
    assert caught.value.reason == "ticket-not-valid"
