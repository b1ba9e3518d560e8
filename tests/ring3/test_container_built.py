"""An image is built as the Containerfile says, by buildah; its container serves, and is asked from its host."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.container import ADDRESS, TOKEN, Container, instructions

from spine_stub.cis2 import REALM

pytestmark = pytest.mark.timeout(1200)


def ask(container: Container, path: str, token: str = "", *more: str) -> tuple[str, str]:
    """Return the status and the body of a request of the container's host, which knows the CA alone."""
    command = ["curl", "-s", "--cacert", str(container.ca_file), "--resolve", f"localhost:8443:{ADDRESS}", *more]
    command += ["-w", "\n%{http_code}", "-H", f"Authorization: Bearer {token}", f"https://localhost:8443{path}"]
    body, _, code = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")
    return code, body


def test_it_serves_what_it_made_at_its_first_start_as_a_user_without_rights(container: Container) -> None:
    assert ask(container, "/healthz") == ("200", "ok\n")
    assert container.run("id", "-u").strip() == "10001"
    assert container.run("stat", "-c", "%u %a", "/data/lanyard").split() == ["10001", "700"]


def test_its_health_is_what_the_check_says(container: Container) -> None:
    check = dict(instructions())["HEALTHCHECK"].partition("CMD ")[2]
    container.run(*json.loads(check))


def test_its_host_uses_the_api_with_the_token_and_sees_no_page(container: Container) -> None:
    for token, code in ((TOKEN, "200"), (TOKEN[1:], "403"), ("", "403")):
        assert ask(container, "/stub/api/faults", token)[0] == code
    assert ask(container, "/stub/", TOKEN)[0] == "403"


def test_its_host_has_a_person_signed_in_by_cis2(container: Container) -> None:
    code, document = ask(container, f"{REALM}/.well-known/openid-configuration")
    assert (code, json.loads(document)["issuer"]) == ("200", f"https://localhost:8443{REALM}")
    arrange = ["-H", "Content-Type: application/json", "-d", '{"uid": "555000000002"}']
    assert ask(container, "/stub/api/cis2/sign-in", TOKEN, *arrange)[0] == "200"
    asked = "client_id=example-application&redirect_uri=http://127.0.0.1/callback&response_type=code&scope=openid"
    code, _ = ask(container, f"{REALM}/authorize?{asked}", "", "--head", "--request", "GET")
    assert code == "302"
    _, sessions = ask(container, "/stub/api/cis2/sessions", TOKEN)
    assert [session["uid"] for session in json.loads(sessions)["sessions"]] == ["555000000002"]


def test_its_people_are_edited_by_commands_in_it(container: Container) -> None:
    assert "555000000002" in container.run("lanyard-spine", "person", "list")
