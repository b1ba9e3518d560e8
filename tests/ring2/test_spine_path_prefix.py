"""--path-prefix: the broker as clients meet it behind an API gateway."""

from __future__ import annotations

import pytest
from support.cis2 import Application, page, returned
from support.spine import Spine, SpineFactory
from support.spine_client import reason

from spine_stub.__main__ import main
from spine_stub.cis2 import REALM
from spine_stub.clinic.assertion import HttpsBroker


@pytest.fixture
def gateway(spine_factory: SpineFactory) -> Spine:
    return spine_factory(path_prefix="/Prod")


def test_a_client_with_the_prefix_does_all_it_does(gateway: Spine) -> None:
    client, ticket = gateway.login("one-role")
    assert gateway.url.endswith("/Prod")
    selected = client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000201")
    assert "OK" in selected.text
    assert reason(client.get("/saml/RoleAssertion", token=ticket)) is None
    assert HttpsBroker(gateway.url, gateway.ca_file, gateway.clock).holder(ticket).uid == "555000000002"


def test_addresses_in_replies_have_the_prefix(gateway: Spine) -> None:
    client = gateway.client()
    replies = client.post("/login/authactivate", b"<gpOBJECT/>").text + client.validate(gateway.card()).text
    for path in ("authvalidate", "authlogout", "ssoupdate", "error", "dtd"):
        assert f"{gateway.url}/login/{path}" in replies
    assert replies.count("https://") == replies.count(gateway.url)


def test_only_console_and_health_are_without_the_prefix(gateway: Spine) -> None:
    client, origin = gateway.client(), gateway.url.removesuffix("/Prod")
    paths = {"/healthz": 200, "/stub/settings": 200, "/saml/RoleAssertion": 404, "/login/authactivate": 404}
    assert {path: client.http.get(origin + path, timeout=10).status_code for path in paths} == paths
    settings = client.http.get(f"{origin}/stub/settings", timeout=10).text
    assert f"--spine {gateway.url}" in settings
    assert f"{origin}/stub/api/faults" in settings
    assert f"{origin}/stub/api/cis2/sign-in" in client.http.get(f"{origin}/stub/api/cis2/", timeout=10).text


def test_cis2_is_under_the_prefix_pages_and_all(gateway: Spine) -> None:
    application = Application(gateway.url, gateway.ca_file)
    discovered = application.get("/.well-known/openid-configuration").json()
    assert all(value.startswith(gateway.url) for value in discovered.values() if str(value).startswith("https:"))
    shown = page(application, scope="openid selectedrole")
    roles = shown.follow(shown.send(uid="555000000001"))
    token = application.token(returned(roles.send(role="555100000101"))["code"]).json()
    assert application.claims(token["id_token"])["iss"] == f"{gateway.url}{REALM}"


@pytest.mark.parametrize("prefix", ["Prod", "/stub", "/../x", "/a b", "https://x", "/a//b", "/<id>"])
def test_what_is_no_prefix_is_said(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--path-prefix", prefix])
    assert "is not a path like /Prod" in capsys.readouterr().err
