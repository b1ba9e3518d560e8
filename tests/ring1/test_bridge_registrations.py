"""Programs that may ask by a link: what is read as one, and where its answers may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.authorize.request import BadLink, Link, Refusal, read_link, read_question
from bridge.registrations import Client, read_broker, read_clients, read_path

REGISTERED = ("http://127.0.0.1/callback", "http://[::1]/callback", "wardboard://in?x=1", "https://ward.example/in")
CLIENT = Client("ward-board", "Ward Board", REGISTERED)


def entry(**changed: object) -> dict[str, object]:
    return {"ward-board": {"name": "Ward Board", "redirect_uris": list(REGISTERED), **changed}}


def test_a_table_of_clients_is_read() -> None:
    assert read_clients(entry()) == (CLIENT,)
    assert read_clients({}) == ()


@pytest.mark.parametrize(
    "uri",
    ["http://ward.example/in", "http://localhost/in", "http://127.0.0.2/in", "javascript:alert(1)", "data:text/html,x",
     "file:///tmp/x", "nhsidentityagent://connect/authorize", "", "/callback", "//x", "wardboard://in#x", "ward board://x",
     "http://[::1", "wardboard://in\n", "é://x", 5, None],
)  # fmt: skip
def test_a_redirect_that_is_not_safe_cannot_be_registered(uri: object) -> None:
    with pytest.raises(ValueError, match="redirect URI"):
        read_clients(entry(redirect_uris=[uri]))


@pytest.mark.parametrize(
    "value",
    [5, [], {"a": 5}, {"a": {}}, entry(name=""), entry(name=5), entry(name="x" * 61), entry(name="a\nb"),
     entry(redirect_uris="x"), entry(more=1), {"ward board": entry()["ward-board"]}, {"": entry()["ward-board"]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_client_is_said(value: object) -> None:
    with pytest.raises(ValueError, match="client"):
        read_clients(value)


@pytest.mark.parametrize(
    ("uri", "may"),
    [("http://127.0.0.1:4711/callback", True), ("http://127.0.0.1/callback", True), ("http://[::1]:9/callback", True),
     ("http://127.0.0.1:4711/callback/", False), ("http://127.0.0.1:4711/callback?a=b", False),
     ("http://127.0.0.1:/callback", False), ("http://127.0.0.1:x/callback", False),
     ("http://u@127.0.0.1/callback", False),
     ("http://127.0.0.1.evil.example/callback", False), ("http://127.0.0.1:80@evil.example/callback", False),
     ("https://127.0.0.1/callback", False), ("http://2130706433/callback", False), ("HTTP://127.0.0.1/callback", True),
     ("wardboard://in?x=1", True), ("wardboard://in", False), ("wardboard://in?x=1&y=2", False),
     ("https://ward.example/in", True), ("https://ward.example:443/in", False), ("", False)],
)  # fmt: skip
def test_an_answer_goes_to_what_is_registered(uri: str, may: bool) -> None:
    assert CLIENT.may_redirect_to(uri) is may


@given(st.text(max_size=60))
def test_no_text_passes_for_a_registered_redirect(uri: str) -> None:
    assert not CLIENT.may_redirect_to(uri) or uri in REGISTERED or uri.lower().startswith("http://")


@given(st.text(max_size=200))
def test_any_text_is_a_link_or_is_refused(text: str) -> None:
    for url in (text, f"nhsidentityagent://connect/authorize?{text}"):
        with pytest.raises(BadLink):
            read_link(url, (CLIENT,))


@given(st.dictionaries(st.sampled_from(["response_type", "scope", "code_challenge", "nonce"]), st.text(max_size=60)))
def test_any_fields_are_a_question_or_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        read_question(Link(CLIENT, REGISTERED[0], "", fields))


@pytest.mark.parametrize("value", ["http://127.0.0.1", "https://a/b", 5, None, "", "ftp://x"])
def test_a_broker_is_an_https_address(value: object) -> None:
    with pytest.raises(ValueError, match="https"):
        read_broker(value)
    assert read_broker("https://127.0.0.1:8443/") == "https://127.0.0.1:8443"


@pytest.mark.parametrize("value", ["ca.pem", "", 5])
def test_a_file_is_named_from_the_root(value: object) -> None:
    with pytest.raises(ValueError, match="begins with /"):
        read_path(value)
    assert read_path("/etc/ca.pem") == "/etc/ca.pem"
