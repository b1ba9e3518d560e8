"""clients.toml: what it can say, and that a mistake names the client and the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spine_stub.cis2.clients.registry import EXAMPLE, Client, Registry, load, make
from spine_stub.errors import DataError

REDIRECTS = ["http://127.0.0.1/callback"]


def client(**fields: Any) -> Client:
    return make({"id": "x", "secret": "s", "redirect_uris": REDIRECTS, **fields}, None)


def test_the_example_works_as_it_is() -> None:
    (example,) = load(EXAMPLE).values()
    assert (example.id, example.secret) == ("example-application", "example-secret")
    assert example.may_redirect_to("http://localhost:5000/callback")
    assert example.auth_methods == ("client_secret_post", "client_secret_jwt")


def test_the_example_names_every_field() -> None:
    comments = EXAMPLE.read_text()
    assert [name for name in Client.__dataclass_fields__ if name not in (*comments.split(), "is_any")] == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"id": ""}, "id"), ({"id": 5}, "id"), ({"id": "a\nb"}, "id"), ({"id": "x" * 201}, "id"),
        ({"redirect_uris": ["javascript:x"]}, "redirect_uris"), ({"redirect_uris": ["data:,x"]}, "redirect_uris"),
        ({"redirect_uris": "http://127.0.0.1/"}, "redirect_uris"),
        ({"redirect_uris": [5]}, "redirect_uris"), ({"redirect_uris": ["/callback"]}, "redirect_uris"),
        ({"redirect_uris": ["https://a/#x"]}, "redirect_uris"), ({"redirect_uris": ["http://"]}, "redirect_uris"),
        ({"redirect_uris": ["https://[x/"]}, "redirect_uris"), ({"redirect_uris": ["https://x/a b"]}, "redirect_uris"),
        ({"post_logout_redirect_uris": ["x"]}, "post_logout_redirect_uris"), ({"levels": "words"}, "levels"),
        ({"backchannel_logout_uri": "ftp://x/"}, "backchannel_logout_uri"), ({"userinfo": "secret"}, "userinfo"),
        ({"id_token_alg": "none"}, "id_token_alg"), ({"id_token_alg": "HS256"}, "id_token_alg"),
        ({"single_as_object": "yes"}, "single_as_object"), ({"colour": "blue"}, "colour"), ({"is_any": True}, "is_any"),
        ({"secret": ""}, "secret, key, jwks, jwks_uri"), ({"jwks_uri": "http://x/"}, "secret, key, jwks, jwks_uri"),
        ({"auth_method": "none"}, "auth_method"), ({"auth_method": "private_key_jwt"}, "auth_method"),
        ({"assertion_algorithms": ["none"]}, "assertion_algorithms"), ({"secret": "", "key": "x"}, "key"),
        ({"secret": "", "jwks": "{}"}, "jwks"),
        ({"secret": "\ud800"}, "secret"), ({"name": "\ud800"}, "name"), ({"name": "a\nb"}, "name"),
        ({"scopes": ["\udfff"]}, "scopes"),
    ],
    ids=str,
)  # fmt: skip
def test_a_mistake_names_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(DataError, match=f"^{field}: "):
        client(**wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "cannot be read"), ("client = 5", "not a list"), ("client = [5]", "client 1: it is not a table"),
        ('[[client]]\nid = "a"\nlevels = "x"', "client a: levels: "),
        ('[[client]]\nid = "a"\nkey = "none.pem"', "client a: key: .*none.pem cannot be read"),
        ('[[client]]\nid = "a"\nsecret = "s"\n[[client]]\nid = "a"\nsecret = "s"', "client a: id: two clients"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_names_its_client(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "clients.toml").write_text(text)
    with pytest.raises(DataError, match=rf"clients\.toml.*{said}"):
        load(tmp_path / "clients.toml")


@pytest.mark.parametrize(
    ("registered", "asked", "may"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:5000/callback", True),
        ("http://127.0.0.1:80/callback", "http://127.0.0.1/callback", True),
        ("http://[::1]/callback", "http://[::1]:9/callback", True),
        ("http://localhost/callback", "http://127.0.0.1/callback", False),
        ("http://127.0.0.1/callback?a=b", "http://127.0.0.1:1/callback?a=b", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1/callback?", False),
        ("https://example.org/callback", "https://example.org:443/callback", False),
        ("https://example.org/callback", "https://example.org/callback", True),
        ("clientapp://signed-in", "clientapp://signed-in", True),
    ],
)
def test_redirects_are_compared_as_text_but_for_a_port_of_loopback(registered: str, asked: str, may: bool) -> None:
    assert client(redirect_uris=[registered]).may_redirect_to(asked) is may


def test_any_client_has_a_redirect_to_this_machine_only() -> None:
    anybody = Registry({}, any_client=True).get("whoever")
    assert anybody
    assert anybody.may_redirect_to("http://localhost:3000/anything?at=all")
    for uri in (
        "https://localhost/",
        "http://example.org/",
        "http://localhost@example.org/",
        "http://localhost/#x",
        "",
    ):
        assert not anybody.may_redirect_to(uri)
    assert anybody.auth_methods == ("client_secret_post",)
    assert Registry({}, any_client=True).get("") is None
    assert Registry({}).get("whoever") is None


def test_a_registry_forgets_what_was_added() -> None:
    registry = Registry(load(EXAMPLE))
    registry.add(client(id="new"))
    registry.add(client(id="example-application", secret="other"))
    assert {each.id for each in registry.all()} == {"new", "example-application"}
    registry.reset()
    assert [each.secret for each in registry.all()] == ["example-secret"]


def test_a_secret_is_not_shown() -> None:
    assert "hidden" not in repr(client(secret="hidden"))
