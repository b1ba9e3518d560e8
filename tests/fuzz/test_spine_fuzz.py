"""Whatever comes in, the broker refuses it with a reason of its own: never a 500, never another error.

python -m pytest tests/fuzz          a small number of cases, as in every run
tox -e fuzz                          FUZZ_BROKER_CASES cases in all
"""

from __future__ import annotations

import base64
import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import strategies as st
from support.properties import many
from support.spine import Desk
from support.spine_client import Card, gp_object, message, sign_cms, smime

from spine_stub import Config, create_app
from spine_stub.errors import BrokerError
from spine_stub.login import gpobject, signed_data
from spine_stub.login.wire import decode_response
from spine_stub.stub import Stub

PROPERTIES = 8
CASES = int(os.environ.get("FUZZ_BROKER_CASES", "800")) // PROPERTIES
"""How many cases each of the properties below gets."""

cases = functools.partial(many, CASES)


@pytest.fixture(scope="module")
def fuzzed(demo_data: Path) -> Desk:
    """A broker without HTTP, whose clock stands still."""
    return Desk.open(demo_data, allow_sha1=True)


@pytest.fixture(scope="module")
def app(demo_data: Path) -> Iterator[Flask]:
    """The whole application, without a web server in front of it."""
    application = create_app(Config(demo_data, store="memory"))
    yield application
    Stub.of(application).release()


@pytest.fixture(scope="module")
def answer(fuzzed: Desk) -> tuple[dict[str, str], bytes, bytes]:
    """What echoes a challenge, and right answers to it: without and with signed attributes."""
    challenge, echo = fuzzed.challenge()
    card = Card.load(fuzzed.data, "one-role")
    return echo, sign_cms(card, challenge).dump(), sign_cms(card, challenge, attributes=True, digest="sha1").dump()


Edit = tuple[int, int, bytes]
EDITS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), st.binary(max_size=40)), min_size=1, max_size=5)
"""Where, how many bytes go, and what comes in their place."""
LENGTHS = st.sampled_from([0x00, 0x01, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF])
TAGS = st.sampled_from([0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x24, 0x30, 0x31, 0xA0, 0xA1, 0xA3, 0x80, 0x1F])
MARKS = st.lists(st.tuples(st.integers(0, 5000), st.one_of(TAGS, LENGTHS)), min_size=1, max_size=6)
"""Single bytes that mean something in DER, put where something else was."""


def edited(content: bytes, edits: list[Edit]) -> bytes:
    for place, gone, new in edits:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + gone :]
    return content


def marked(content: bytes, marks: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for place, mark in marks:
        changed[place % len(changed)] = mark
    return bytes(changed)


def refuse_or_take(ask: Callable[[], object]) -> None:
    """Anything but a typed refusal goes through to the test."""
    with contextlib.suppress(BrokerError):
        ask()


names = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.text(st.characters(codec="utf-8"), max_size=60)
elements = st.recursive(
    st.builds(lambda name, value: f'<gpPARAM name="{name}">{value}</gpPARAM>', names, values),
    lambda inner: st.builds(lambda name, kids: f"<{name}>{''.join(kids)}</{name}>", names, st.lists(inner, max_size=3)),
    max_leaves=8,
)
documents = st.builds(
    lambda head, kids: f"{head}<gpOBJECT>{''.join(kids)}</gpOBJECT>".encode("utf-8", "surrogatepass"),
    st.sampled_from(
        [
            "",
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<?xml version="1.0" encoding="utf-16"?>',
            '<!DOCTYPE USER SYSTEM "gpOBJECT.DTD">',
            '<!DOCTYPE x [<!ENTITY a "b">]>',
            "\ufeff",
        ]
    ),
    st.lists(elements, max_size=4),
)
bodies = st.one_of(st.binary(max_size=300), documents)


@cases(body=bodies)
def test_any_gpobject_is_read_or_refused(body: bytes) -> None:
    refuse_or_take(lambda: gpobject.parse(body))


@cases(text=st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode())))
def test_any_response_is_decoded_or_refused(text: str) -> None:
    refuse_or_take(lambda: decode_response(text))


@cases(edits=EDITS, indent=st.sampled_from(["", "        ", "\t"]), wrap=st.booleans())
def test_a_broken_mime_text_is_refused(
    fuzzed: Desk, answer: tuple[dict[str, str], bytes, bytes], edits: list[Edit], indent: str, wrap: bool
) -> None:
    echo, der, _ = answer
    text = edited(smime(der, indent, wrap), edits)
    refuse_or_take(lambda: fuzzed.broker.validate({**message("555000000002", b"", echo), "response": b64(text)}))


@cases(content=st.binary(max_size=400))
def test_any_bytes_are_a_cms_or_refused(content: bytes) -> None:
    refuse_or_take(lambda: signed_data.read(content))


@cases(edits=EDITS, second=st.booleans())
def test_a_broken_cms_is_refused(
    fuzzed: Desk, answer: tuple[dict[str, str], bytes, bytes], edits: list[Edit], second: bool
) -> None:
    echo, *ders = answer
    changed = edited(ders[second], edits)
    refuse_or_take(lambda: fuzzed.broker.validate(message("555000000002", changed, echo)))


@cases(marks=MARKS, second=st.booleans())
def test_a_cms_with_wrong_tags_and_lengths_is_refused(
    fuzzed: Desk, answer: tuple[dict[str, str], bytes, bytes], marks: list[tuple[int, int]], second: bool
) -> None:
    echo, *ders = answer
    changed = marked(ders[second], marks)
    refuse_or_take(lambda: fuzzed.broker.validate(message("555000000002", changed, echo)))


PATHS = st.sampled_from(["/login/authactivate", "/login/authvalidate", "/login/authlogout", "/login/ssoupdate"])


@cases(path=PATHS, body=bodies, fields=st.dictionaries(names, values, max_size=3))
def test_no_body_makes_the_application_fail(app: Flask, path: str, body: bytes, fields: dict[str, str]) -> None:
    for content in (body, edited(gp_object(service="AUTHENTICATION", uid="1"), [(len(body) * 7, 3, body[:20])])):
        reply = app.test_client().post(path, data=content, query_string=fields)
        assert reply.status_code < 500, reply.headers.get("X-Spine-Stub-Reason")


QUERIES = st.sampled_from(["/saml/RoleAssertion", "/saml/RoleSelectionGP.jsp", "/login/authlogout"])
PARAMETERS = st.dictionaries(
    st.sampled_from(["token", "tokenid", "subjectid", "selectedRoleUid", "ssbMode", "sso_ticket"]), values, max_size=5
)


@cases(
    path=QUERIES,
    fields=PARAMETERS,
    host=st.sampled_from(["localhost", "x y", "[::1]", "a" * 300]),
    raw=st.binary(max_size=40),
)
def test_no_query_makes_the_application_fail(
    app: Flask, path: str, fields: dict[str, str], host: str, raw: bytes
) -> None:
    client = app.test_client()
    assert client.get(path, query_string=fields, headers={"Host": host}).status_code < 500
    query = raw.decode("latin-1")
    assert client.open(path, method="GET", environ_overrides={"QUERY_STRING": query}).status_code < 500


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
