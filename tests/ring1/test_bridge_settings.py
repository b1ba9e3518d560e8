"""The bridge's settings: which pages may ask for the ticket, and which file has the last word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import SettingsError
from bridge.settings import Settings, load, parse_origin

RIGHT = {
    "https://app.example": "https://app.example",
    "https://App.Example:443": "https://app.example",
    "https://app.example:8443": "https://app.example:8443",
    "HTTPS://app.example": "https://app.example",
    "http://127.0.0.1:8500": "http://127.0.0.1:8500",
    "http://localhost:80": "http://localhost",
    "https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
}
WRONG = [
    "",
    "app.example",
    "http://app.example",
    "https://app.example/",
    "https://app.example/page",
    "https://app.example?x",
    "https://app.example#x",
    "https://*.app.example",
    "https://user@app.example",
    "https://user:word@app.example",
    "https://app.example:99999",
    "https://app.example:x",
    "https://app.example\n",
    " https://app.example",
    "https://bücher.example",
    "https://",
    "https://.example",
    "https://[::1",
    "file:///etc/passwd",
    "null",
    "https://" + "a" * 250,
]


@pytest.mark.parametrize(("text", "origin"), RIGHT.items())
def test_an_origin_is_written_as_browsers_write_it(text: str, origin: str) -> None:
    assert parse_origin(text) == origin
    assert parse_origin(origin) == origin


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has) "):
        parse_origin(text)


@given(st.text())
def test_no_text_is_taken_for_an_origin_of_something_else(text: str) -> None:
    try:
        origin = parse_origin(text)
    except ValueError:
        return
    assert text.lower().startswith(origin)


def load_from(folder: Path, system: str | None = None, user: str | None = None) -> Settings:
    system_file = folder / "system.toml"
    if system is not None:
        system_file.write_text(system)
    (folder / "lanyard").mkdir()
    if user is not None:
        (folder / "lanyard" / "bridge.toml").write_text(user)
    return load({"XDG_CONFIG_HOME": str(folder)}, system_file)


def test_nobody_may_ask_until_somebody_is_named(tmp_path: Path) -> None:
    settings = load_from(tmp_path)
    assert settings.origins == frozenset()
    assert not settings.allows("https://app.example")


def test_the_users_file_comes_after_the_systems(tmp_path: Path) -> None:
    settings = load_from(tmp_path, 'origins = ["https://one.example"]', 'origins = ["https://Two.example"]')
    assert settings.allows("https://two.example")
    assert not settings.allows("https://one.example")
    assert settings.places["origins"] == tmp_path / "lanyard" / "bridge.toml"


def test_what_is_locked_holds_against_the_user(tmp_path: Path) -> None:
    settings = load_from(tmp_path, '[locked]\norigins = ["https://one.example"]', 'origins = ["https://two.example"]')
    assert settings.origins == {"https://one.example"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('origins = "https://app.example"', "origins is not a list of texts"),
        ("origins = [1]", "origins is not a list of texts"),
        ('origins = ["app.example"]', 'origins names "app.example", which has no scheme: write https:// before it'),
        ('origins = ["http://app.example"]', 'origins names "http://app.example", which is not https'),
        ("orgins = []", "there is no setting orgins"),
        ("[locked]\norigins = []", "there is no setting locked"),
        ("origins", "is not TOML"),
        ("a = " + "[" * 5000, "is not TOML"),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_from(tmp_path, user=text)
    assert str(caught.value).startswith(str(tmp_path / "lanyard" / "bridge.toml"))
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "lanyard" / "bridge.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read"):
        load({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path / "none.toml")


def test_an_origin_is_a_text() -> None:
    assert not Settings(origins=frozenset({"https://app.example"})).allows(["https://app.example"])
    assert not Settings().allows(None)
