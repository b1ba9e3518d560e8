"""The `response` parameter in all the ways that clients write it (docs/clients.md)."""

from __future__ import annotations

import base64

import pytest
from support.spine_client import MIME_HEADER, b64, smime

from spine_stub.errors import InvalidInput
from spine_stub.login.wire import decode_response

# Long enough for several lines of base64, and with every byte value.
DER = b"\x30\x82\x02\x00" + bytes(range(256)) * 2


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(DER, id="bare-der"),
        pytest.param(smime(DER), id="smime"),
        pytest.param(smime(DER, wrap=False), id="smime-on-one-line"),
        pytest.param(smime(DER).replace(b"\r\n", b"\n"), id="line-feeds-only"),
        pytest.param(smime(DER).replace(b"\n", b"\r\n"), id="carriage-returns"),
        pytest.param(smime(DER, indent=" " * 8, wrap=False), id="indented-on-one-line"),
        pytest.param(smime(DER, indent=" " * 8), id="indented-and-wrapped"),
        pytest.param(smime(DER, indent="\t"), id="indented-with-tabs"),
        pytest.param(smime(DER) + b"\r\n\r\n", id="blank-lines-behind"),
        pytest.param(base64.encodebytes(DER), id="no-header-at-all"),
    ],
)
def test_the_cms_is_found(content: bytes) -> None:
    assert decode_response(b64(content)) == DER


def test_the_outer_base64_may_be_wrapped() -> None:
    assert decode_response(base64.encodebytes(smime(DER)).decode()) == DER


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        pytest.param("*", "response-not-base64", id="not-base64"),
        pytest.param("QUJ", "response-not-base64", id="padding-missing"),
        pytest.param("QU\u00e4D", "response-not-base64", id="not-ascii"),
        pytest.param(b64(MIME_HEADER.encode()), "response-without-cms", id="header-only"),
        pytest.param(b64(b"no cms: here!"), "response-without-cms", id="some-text"),
        pytest.param(b64(b"\xff\xfe"), "response-without-cms", id="bytes"),
        pytest.param(b64(MIME_HEADER.encode() + b"QUJDR"), "response-mime-not-base64", id="cut"),
        pytest.param(b64(MIME_HEADER.encode() + b"QUJD=\nQUJD"), "response-mime-not-base64", id="padding-inside"),
    ],
)
def test_bad_input_has_a_reason_of_its_own(response: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_response(response)
    assert caught.value.reason == reason
