"""What somebody with bad intent tries at CIS2's endpoints: redirects, codes, proofs of possession."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from support.cis2 import REDIRECT, Application, Page, page, register, returned
from support.spine import Spine

from spine_stub.cis2 import REALM
from spine_stub.cis2.provider import Provider

VERIFIER = "v" * 43
S256 = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


@pytest.fixture
def application(spine: Spine) -> Application:
    return Application(spine.url, spine.ca_file, clock=spine.clock)


def error(application: Application, code: str | None, /, **changed: str | None) -> str:
    """The token endpoint's error; raises AssertionError when it gave a token."""
    reply = application.token(code, **changed)
    assert reply.status_code in (400, 401), reply.text
    return str(reply.json()["error"])


@pytest.mark.parametrize(
    "uri",
    [
        None, "", "https://evil.example/callback", "//evil.example/callback", "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1@evil.example/callback", "http://127.0.0.1:80@evil.example/callback", "javascript:alert(1)",
        "http://evil.example\\@127.0.0.1/callback", "http://127.0.0.1\\.evil.example/callback", "HTTP://127.0.0.1/callback",
        "http://127.0.0.1/Callback", "http://127.0.0.1/callback/", "http://127.0.0.1/callback/../x",
        "http://127.0.0.1/callback?next=x", "http://127.0.0.1/callback#x", "http://127.0.0.1:1/x/callback",
        "https://127.0.0.1/callback", " http://127.0.0.1/callback", "http://127.0.0.1/callback\r\nX: y",
        "http://127.0.0.1:99999/callback", "http://127.0.0.1:+1/callback", "http://127.0.0.1:\u0661/callback",
        "http://[::1/callback", "http://127.1/callback", "http://2130706433/callback", "x" * 5000,
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere(application: Application, uri: str | None) -> None:
    for wrong in ({}, {"response_type": "token"}, {"scope": "x"}, {"prompt": "none", "login_hint": None}):
        reply = application.authorize(redirect_uri=uri, **wrong)
        assert (reply.status_code, "Location" in reply.headers) == (400, False)
        assert uri is None or len(uri) < 20 or uri not in reply.text


def test_an_unknown_client_is_told_so_on_a_page(application: Application) -> None:
    for client_id in (None, "", "x", "<script>", "example-application\x00"):
        reply = application.authorize(client_id=client_id)
        assert (reply.status_code, "Location" in reply.headers) == (400, False)
        assert "<script>" not in reply.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": '"\\\u00e9'}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "http://127.0.0.1:1/"}, "request_uri_not_supported"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid \u00e9"}, "invalid_scope"),
        ({"scope": "openid selectedrole changedrole"}, "invalid_scope"),
        ({"code_challenge": S256, "code_challenge_method": "S512"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"nonce": "n" * 3000}, "invalid_request"),
        (dict.fromkeys(map(str, range(20)), "x" * 1000), "invalid_request"),
        ({"prompt": '\u00e9"\\'}, "invalid_request"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_at_the_redirect(application: Application, changed: dict[str, str], said: str) -> None:
    back = returned(application.authorize(**changed))
    assert (back["error"], back["state"], "code" in back) == (said, "the-state", False)
    assert set(back) == {"error", "error_description", "state"}


def test_a_client_gets_no_scope_that_it_is_not_registered_for(application: Application, provider: Provider) -> None:
    register(provider, secret=application.secret, scopes=["openid", "profile"])
    assert "code" in returned(application.authorize(scope="openid profile"))
    assert returned(application.authorize(scope="openid nhsperson"))["error"] == "invalid_scope"


def test_a_repeated_parameter_is_refused(application: Application) -> None:
    asked = f"client_id={application.id}&redirect_uri={REDIRECT}&response_type=code&scope=openid&state=a&state=b"
    reply = application.get(f"/authorize?{asked}", allow_redirects=False)
    assert returned(reply)["error"] == "invalid_request"


def test_a_repeated_redirect_leads_to_no_second_one(application: Application) -> None:
    asked = f"client_id={application.id}&response_type=code&scope=openid"
    for first, second in ((REDIRECT, "https://evil.example/"), ("https://evil.example/", REDIRECT)):
        address = f"/authorize?{asked}&redirect_uri={first}&redirect_uri={second}"
        reply = application.get(address, allow_redirects=False)
        assert "evil" not in reply.headers.get("Location", "")
        assert "code=" not in reply.headers.get("Location", "")


def test_nothing_gets_into_the_headers(application: Application) -> None:
    reply = application.authorize(state="x\r\nSet-Cookie: a=b\r\n\r\n<script>")
    assert "a=b" not in reply.headers.get("Set-Cookie", "")
    assert returned(reply)["state"] == "x\r\nSet-Cookie: a=b\r\n\r\n<script>"


def test_a_code_is_used_once_and_a_second_use_ends_what_it_gave(application: Application) -> None:
    code = application.code()
    token = application.token(code).json()["access_token"]
    assert application.userinfo(token).status_code == 200
    assert error(application, code) == "invalid_grant"
    assert application.userinfo(token).status_code == 401


def test_of_many_who_come_at_once_one_gets_the_token(application: Application) -> None:
    code = application.code()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: application.token(code).status_code, range(8)))
    assert sorted(replies) == [200, *[400] * 7]


def test_a_developer_is_told_what_is_wrong_with_a_code(
    application: Application, provider: Provider, spine: Spine
) -> None:
    register(provider, id="other", secret="other-secret")
    used, others, late = (application.code() for _ in range(3))
    application.token(used)
    application.token(others, client_id="other", client_secret="other-secret")
    application.token("x")
    spine.clock.advance(seconds=60)
    application.token(late)
    application.token(used)
    assert [step.refused for step in provider.journal.steps() if step.endpoint == "access_token"] == [
        "", "the code was given to another client", "the code was never given", "the code is older than 60 seconds",
        "the code was used, or its session is over",
    ]  # fmt: skip


def test_a_code_has_its_time(application: Application, spine: Spine) -> None:
    early, late = application.code(), application.code()
    spine.clock.advance(seconds=59)
    assert application.token(early).status_code == 200
    spine.clock.advance(seconds=1)
    assert error(application, late) == "invalid_grant"


def test_a_code_is_for_its_client_and_its_redirect(application: Application, provider: Provider) -> None:
    register(provider, id="other", secret="other-secret")
    code = application.code()
    assert error(application, code, client_id="other", client_secret="other-secret") == "invalid_grant"
    assert error(application, code) == "invalid_grant"  # it was shown to somebody else
    for uri in (None, "http://127.0.0.1:5001/callback", "http://localhost:5000/callback"):
        assert error(application, application.code(), redirect_uri=uri) == "invalid_grant"


@pytest.mark.parametrize("code", [None, "", "x", "\u00e9", "x" * 3000, "' or 1=1"], ids=str)
def test_a_code_that_was_never_given_is_refused(application: Application, code: str | None) -> None:
    assert error(application, code) in ("invalid_grant", "invalid_request")


@pytest.mark.parametrize("kind", [None, "", "password", "client_credentials", "refresh_token", "\u00e9"], ids=str)
def test_other_grants_are_not_given(application: Application, kind: str | None) -> None:
    assert error(application, application.code(), grant_type=kind) == "unsupported_grant_type"


def test_a_challenge_wants_its_verifier(application: Application) -> None:
    for challenge, method in ((S256, "S256"), (VERIFIER, "plain"), (VERIFIER, None)):
        asked = {"code_challenge": challenge, "code_challenge_method": method}
        assert application.token(application.code(**asked), code_verifier=VERIFIER).status_code == 200
        assert error(application, application.code(**asked), code_verifier="w" * 43) == "invalid_grant"
        for verifier in (None, "", "v", "\u00e9" * 43, VERIFIER + "\n"):
            said = error(application, application.code(**asked), code_verifier=verifier)
            assert said in ("invalid_request", "invalid_grant")


def test_a_challenge_cannot_be_taken_away_again(application: Application) -> None:
    """PKCE downgrade (RFC 9700, section 4.8): a verifier for a code that was asked for without a challenge."""
    assert error(application, application.code(), code_verifier=VERIFIER) in ("invalid_request", "invalid_grant")


def test_an_access_token_is_taken_from_its_header_only(application: Application) -> None:
    token = application.token(application.code()).json()["access_token"]
    assert application.get(f"/userinfo?access_token={token}").status_code == 401


def test_a_body_that_is_too_large_is_refused(application: Application) -> None:
    assert application.token("x" * 70_000).status_code == 413


def test_each_method_has_its_endpoint(application: Application) -> None:
    for path in ("/access_token", ""):
        assert application.get(path).status_code in (404, 405)


def test_another_browsers_session_is_not_taken(application: Application) -> None:
    application.code()
    application.browser.cookies.clear()
    for cookie in ("x", "\u00ff", ""):
        header = {"Cookie": f"cis2_session={cookie}".encode("latin-1")}
        asked = f"client_id={application.id}&redirect_uri={REDIRECT}&response_type=code&scope=openid&prompt=none"
        reply = application.get(f"/authorize?{asked}", headers=header, allow_redirects=False)
        assert returned(reply)["error"] == "login_required"


def test_the_cookie_is_for_the_browser_alone(application: Application) -> None:
    said = application.authorize().headers["Set-Cookie"]
    assert {"HttpOnly", "Secure", "SameSite=Lax"} <= {part.strip() for part in said.split(";")}
    claims = application.claims(application.token(application.code()).json()["id_token"])
    assert claims["sid"] not in said


def test_the_page_of_roles_is_no_way_around_signing_in_again(application: Application) -> None:
    """A session that is not fresh or sure enough does not answer the key of the page to sign in."""
    page(application).send(uid="555000000001", mechanism="USERPASS")
    again = page(application, prompt="login", acr_values="AAL3_ANY", scope="openid selectedrole")
    again.reply.url = again.reply.url.replace(f"{REALM}/sign-in", f"{REALM}/role")
    refused = again.send(role="555100000101")
    assert (refused.status_code, "Location" in refused.headers) == (400, False)


def test_another_session_does_not_choose_the_role(application: Application, spine: Spine) -> None:
    shown = page(application, scope="openid selectedrole")
    roles = shown.follow(shown.send(uid="555000000001", mechanism="FIDO2"))
    other = Application(spine.url, spine.ca_file)
    page(other).send(uid="555000000001", mechanism="USERPASS")
    assert Page(other, roles.reply).send(role="555100000101").status_code == 400
    assert roles.send(role="555100000101").status_code == 302


def test_a_page_that_is_answered_twice_at_once_gives_one_code(
    application: Application, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer has looked the request up before the first one takes it."""
    shown = page(application)
    key = parse_qs(urlsplit(shown.reply.url).query)["key"][0]
    taken = provider.pending.get(key)
    assert shown.send(uid="555000000002").status_code == 302
    monkeypatch.setattr(provider.pending, "get", lambda _: taken)
    assert shown.send(uid="555000000002").status_code == 400
    assert shown.send(cancel="1").status_code == 400


def test_the_log_has_no_token_at_its_lowest_level(application: Application, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    code = returned(application.authorize())["code"]
    token = application.token(code).json()
    assert "POST" in caplog.text
    for secret in (code, token["access_token"], token["id_token"], application.secret):
        assert secret not in caplog.text.replace(f"code={code}", "")  # which the application's browser logs
