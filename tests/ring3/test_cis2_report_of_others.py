"""The conformance report on applications that sign people in by libraries that others wrote."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.relying_party import PARTIES, StartParty
from support.spine import SpineFactory

UID = "555000000002"
KEPT = {
    *("state-sent", "state-checked", "state-bound", "nonce-sent", "nonce-checked", "max-age", "scopes", "redirect-uri"),
    *("pkce", "code-once", "client-authentication", "id-token-times", "key-rotation", "selected-role", "errors"),
    *("logout-ends", "logout-issuer-audience", "logout-kind", "logout-subject"),
}
"""What each of them does right; their applications leave the rest to whoever uses them."""


@pytest.mark.parametrize("name", PARTIES)
def test_each_is_probed_to_the_end(spine_factory: SpineFactory, start_party: StartParty, name: str) -> None:
    spine = spine_factory()
    party = start_party(spine, name)
    command = [sys.executable, "-m", "spine_stub", "probe", name, "--data", str(spine.ca_file.parent)]
    command += ["--url", spine.url, "--protected", party.url, "--start", f"{party.url}/sign-in", "--signed-in", UID]
    done = subprocess.run(command, capture_output=True, text=True, timeout=115)
    report = spine.cis2.report(name)
    assert done.returncode in (0, 1), done.stderr
    assert (report.problem, KEPT & set(report.failures)) == ("", set()), done.stderr
