"""Settings: which wins, and what is refused with the place named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import Digest, Settings, UsageError, check_spine, load_settings, make_parser
from demo import make_reader


def load(file: str = "", environment: dict[str, str] | None = None, **options: Any) -> Settings:
    config = Path(file) if file else None
    return load_settings(config, {"XDG_CONFIG_HOME": "/nonexistent", **(environment or {})}, options)


def written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_defaults() -> None:
    settings = load()
    assert settings == Settings()
    assert settings.digest is Digest.SHA256
    assert not settings.kiosk


def test_each_place_wins_over_the_ones_before_it(tmp_path: Path) -> None:
    file = written(tmp_path / "agent.toml", 'spine = "https://file"\nreader = "file"\nkiosk = true')
    environment = {"LANYARD_SPINE": "https://environment", "LANYARD_READER": "environment"}
    settings = load(file, environment, spine="https://option", reader=None)
    assert settings.spine == "https://option"
    assert settings.reader == "environment"
    assert settings.kiosk
    assert load(file).reader == "file"


def test_the_person_s_file_is_read(tmp_path: Path) -> None:
    written(tmp_path / "lanyard" / "agent.toml", 'spine = "https://mine"')
    assert load(environment={"XDG_CONFIG_HOME": str(tmp_path)}).spine == "https://mine"


def test_a_named_file_stands_for_both(tmp_path: Path) -> None:
    written(tmp_path / "lanyard" / "agent.toml", 'reader = "mine"')
    file = written(tmp_path / "other.toml", 'spine = "https://other"')
    settings = load(file, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert (settings.spine, settings.reader) == ("https://other", "")


def test_files_are_paths_of_the_person(tmp_path: Path) -> None:
    settings = load(environment={"LANYARD_CA_FILE": "~/ca.pem"}, log_file="/var/log/lanyard")
    assert settings.ca_file == Path("~/ca.pem").expanduser()
    assert settings.log_file == Path("/var/log/lanyard")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("YES", True), ("no", False)])
def test_truths_in_the_environment(text: str, value: bool) -> None:
    assert load(environment={"LANYARD_EXPLAIN": text}).explain is value


@pytest.mark.parametrize(
    "content",
    [
        'spin = "https://host"',
        "spine = 1",
        "kiosk = 2",
        'kiosk = "maybe"',
        'digest = "md5"',
        'log_level = "loud"',
        "spine =",
        "ca_file = []",
        "[spine]\nurl = 1",
        'spine = "\\u0000',
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = written(tmp_path / "agent.toml", content)
    with pytest.raises(UsageError) as caught:
        load(file)
    assert "agent.toml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_of_garbage_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"agent\.toml"):
        load(str(tmp_path / "agent.toml"))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml"):
        load(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("name", "text"), [("DIGEST", "md5"), ("KIOSK", "maybe"), ("LOG_LEVEL", "loud"), ("EXPLAIN", "")]
)
def test_a_bad_variable_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"LANYARD_{name}"):
        load(environment={f"LANYARD_{name}": text})


def test_a_bad_option_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="--log-level"):
        load(log_level="loud")


@pytest.mark.parametrize(
    "spine", ["", "gas.example", "http://gas.example", "ftp://x", "https://", "https://h:99999", "https://["]
)
def test_a_spine_that_is_not_https_is_refused(spine: str) -> None:
    with pytest.raises(UsageError):
        check_spine(Settings(spine=spine))


@pytest.mark.parametrize("spine", ["https://gas.example", "https://127.0.0.1:8443", "https://[::1]:1"])
def test_a_good_spine(spine: str) -> None:
    check_spine(Settings(spine=spine))


@pytest.mark.parametrize("content", [None, "", "not PEM"])
def test_a_ca_file_without_certificates_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"ca\.pem"):
        check_spine(Settings(spine="https://gas.example", ca_file=path))


@pytest.mark.parametrize("which", ["embedded:x", "embedded:65536", "embedded:-1", "embedded:²"])
def test_a_reader_with_a_bad_port_is_refused(which: str) -> None:
    with pytest.raises(UsageError):
        make_reader(which)


def test_a_port_in_use_is_refused() -> None:
    reader = make_reader("embedded:0")
    try:
        port = getattr(reader, "address").rpartition(":")[2]  # noqa: B009
        with pytest.raises(UsageError, match=port):
            make_reader(f"embedded:{port}")
    finally:
        reader.close()


def test_options_that_are_not_given_leave_the_settings_alone() -> None:
    options = vars(make_parser().parse_args(["login"]))
    assert load(**options) == Settings()


def test_there_is_no_option_to_trust_anybody() -> None:
    text = make_parser().format_help().lower()
    assert "insecure" not in text
    assert "no-verify" not in text
