"""An assertion is kept for the console as it came, before anybody believes it: no claim may break what shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from jwcrypto.common import base64url_encode
from support.cis2 import ASSERTION_TYPE, Application
from support.spine import Spine

from spine_stub.stub import Stub


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


CLAIMS = {
    "half a character": '{"sub": "example-application", "x": "\\ud800"}',
    "its name": '{"sub": "example-application", "\\ud800": 1}',
    "no number": '{"sub": "example-application", "exp": NaN, "iat": -Infinity}',
    "deep": json.dumps({"sub": "example-application", "x": nested(400)}),
    "large": json.dumps({"sub": "example-application", "exp": 10**3000}),
    "markup": '{"sub": "example-application", "x": "<script>alert(1)</script>"}',
    "controls": '{"sub": "example-application", "x": "\\u0000\\u001b[2J\\u202e"}',
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_whatever_an_assertion_says_the_console_shows_it(spine: Spine, stub: Stub, claims: str) -> None:
    application = Application(spine.url, spine.ca_file)
    token = ".".join(base64url_encode(part) for part in ('{"alg": "RS256"}', claims, "x"))
    sent = {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE, "client_secret": None}
    assert application.token(application.code(), **sent).status_code in (400, 401)
    assert stub.cis2
    sign_in = stub.cis2.journal.steps()[-1].sign_in
    pages = ("", f"cis2/sign-in/{sign_in}", f"cis2/report/{application.id}", "settings")
    for path in (*pages, "api/cis2/steps", f"api/cis2/report?client={application.id}"):
        shown = requests.get(f"{spine.url}/stub/{path}", verify=str(spine.ca_file), timeout=10)
        assert shown.status_code == 200, path
        if path.startswith("api"):
            json.loads(shown.text, parse_constant=pytest.fail)
        else:
            assert "<script>alert" not in shown.text
