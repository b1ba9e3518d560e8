"""The agent's signed message, as it goes to the broker, is taken by other people's software."""

from __future__ import annotations

import base64
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Person, Slot
from support.machine import need
from support.spine import Spine, SpineFactory

import agent
from agent import Broker, Challenge, Digest, State
from demo import EmbeddedReader
from spine_stub.folder import ISSUING


class RecordingBroker(Broker):
    """Keeps what it sends to be validated."""

    sent: list[tuple[bytes, bytes]]

    def __init__(self, spine: Spine) -> None:
        super().__init__(spine.url, spine.ca_file)
        self.sent = []

    def validate(self, uid: str, challenge: Challenge, der: bytes) -> agent.Session:
        self.sent.append((challenge.data, der))
        return super().validate(uid, challenge, der)


@pytest.fixture(params=list(Digest), ids=lambda digest: digest.value)
def sent(
    request: pytest.FixtureRequest, spine_factory: SpineFactory, reader: EmbeddedReader, slot: Slot
) -> Iterator[tuple[bytes, bytes, Spine]]:
    """Challenge and signed message of a sign-in with the virtual card."""
    need("openssl")
    spine = spine_factory(allow_sha1=True)
    broker = RecordingBroker(spine)
    person = Person(reader, lambda: broker, request.param)
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    yield *broker.sent[0], spine
    person.close()


def verify(message: Path, form: str, spine: Spine, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """`openssl cms -verify`: signature, chain and content."""
    chain = folder / "chain.pem"
    issuing = spine.data / ISSUING
    chain.write_bytes(spine.ca_file.read_bytes() + issuing.read_bytes())
    command = ["openssl", "cms", "-verify", "-binary", "-inform", form, "-in", str(message)]
    return subprocess.run(
        [*command, "-CAfile", str(chain), "-purpose", "any", "-out", str(folder / "content")],
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_openssl_verifies_the_message(sent: tuple[bytes, bytes, Spine], tmp_path: Path) -> None:
    challenge, der, spine = sent
    message = tmp_path / "message.der"
    message.write_bytes(der)
    done = verify(message, "DER", spine, tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"successful" in done.stderr
    assert (tmp_path / "content").read_bytes() == challenge


def test_openssl_verifies_the_response_parameter(sent: tuple[bytes, bytes, Spine], tmp_path: Path) -> None:
    """The S/MIME text; folded, because OpenSSL reads no line of over 1,000 letters."""
    challenge, der, spine = sent
    message = tmp_path / "message.smime"
    header, _, body = base64.b64decode(agent.smime_response(der)).decode().partition("\n\n")
    message.write_text("\n".join([header, "", *textwrap.wrap(body, 64), ""]))
    done = verify(message, "SMIME", spine, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "content").read_bytes() == challenge


def test_openssl_refuses_a_changed_message(sent: tuple[bytes, bytes, Spine], tmp_path: Path) -> None:
    challenge, der, spine = sent
    message = tmp_path / "message.der"
    message.write_bytes(der.replace(challenge, bytes(len(challenge))))
    assert verify(message, "DER", spine, tmp_path).returncode != 0


def test_openssl_reads_its_structure(sent: tuple[bytes, bytes, Spine], tmp_path: Path) -> None:
    _, der, _ = sent
    message = tmp_path / "message.der"
    message.write_bytes(der)
    command = ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", str(message)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert re.search(r"\n\s+signedAttrs:\s+<ABSENT>", shown)
    assert shown.count("d.certificate:") == 1
    assert re.search(r"signatureAlgorithm:\s+algorithm: rsaEncryption", shown)
