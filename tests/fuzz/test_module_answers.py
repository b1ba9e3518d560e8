"""Whatever a PKCS#11 module's process writes, the agent takes it for an answer or has a typed error.

python -m pytest tests/fuzz          a small number of cases, as in every run
tox -e fuzz                          FUZZ_MODULE_CASES lines, a tenth as many lists of certificates and of signatures
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.scripted_card import card_certificate

from agent import AgentError, Certificate, Digest, Fault, TokenCard, read_module_answer, token_keys

CASES = int(os.environ.get("FUZZ_MODULE_CASES", "1000"))
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
GOOD = base64.b64encode(card_certificate()).decode()
RESULTS = ("OK", "PIN_INCORRECT", "PIN_LOCKED", "DEVICE_REMOVED", "Load", "ImportError", "GENERAL_ERROR", "", "CKR_OK")
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([GOOD, GOOD[:-8], "01", 0, 1]),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=8,
)
LINES = (
    st.binary()
    | st.tuples(st.sampled_from(RESULTS) | ANYTHING, ANYTHING).map(lambda pair: json.dumps(pair).encode() + b"\n")
    | ANYTHING.map(lambda value: json.dumps(value).encode())
)
FIELDS = [st.just(value) | ANYTHING for value in (0, "01", "a label", GOOD, 3, False)]
FOUND = ANYTHING | st.lists(st.tuples(*FIELDS).map(list) | ANYTHING, max_size=3)
SIGNATURES = ANYTHING | st.lists(st.binary(max_size=300).map(lambda raw: base64.b64encode(raw).decode()), max_size=3)
KEY = token_keys([[0, "01", "", GOOD, None, False]])[0]


class Scripted(TokenCard):
    """A card whose module has one answer, and no process."""

    def __init__(self, answer: Any) -> None:
        self._answer, self._keys = answer, [KEY]

    def _ask(self, *_: object, **__: object) -> Any:
        return self._answer


@settings(max_examples=CASES, deadline=None, suppress_health_check=CHECKS)
@given(line=LINES)
def test_a_line_is_an_answer_or_a_typed_error(line: bytes) -> None:
    try:
        read_module_answer(line, "/a/module.so")
    except AgentError as error:
        assert error.fault in Fault  # noqa: PT017


@settings(max_examples=CASES // 10, deadline=None, suppress_health_check=CHECKS)
@given(found=FOUND)
def test_certificates_are_read_or_refused(found: Any) -> None:
    try:
        keys = token_keys(found)
    except AgentError as error:
        assert error.fault is Fault.MODULE_FAILED  # noqa: PT017
    else:
        assert all(isinstance(key.certificate, Certificate) and key.tries_left in (None, 0, 1) for key in keys)


@settings(max_examples=CASES // 10, deadline=None, suppress_health_check=CHECKS)
@given(signatures=SIGNATURES)
def test_signatures_are_read_or_refused(signatures: Any) -> None:
    try:
        signed = Scripted(signatures).sign(None, [b"a message"], Digest.SHA256, KEY.certificate)
    except AgentError as error:
        assert error.fault is Fault.MODULE_FAILED  # noqa: PT017
    else:
        assert len(signed) == 1
        assert all(isinstance(each, bytes) for each in signed)


def test_a_good_answer_is_taken() -> None:
    assert read_module_answer(b'["OK", [1]]\n', "/a/module.so") == [1]
    with pytest.raises(AgentError):
        read_module_answer(b"", "/a/module.so")
