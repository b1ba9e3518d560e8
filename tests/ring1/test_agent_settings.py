"""Settings: which wins, and what is refused with the place named."""

from __future__ import annotations

import dataclasses
import re
import stat
from pathlib import Path

import pytest
from support.settings import load, written

import agent
from agent import (
    SETTINGS,
    Contacts,
    Digest,
    Mode,
    Settings,
    UsageError,
    check_spine,
    log_handler,
    make_parser,
    set_up_logging,
)
from demo import make_reader


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
    assert (settings.spine, settings.reader) == ("https://other", "pcsc")


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
    assert caught.value.fault.exit_code == 2


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b'\xef\xbb\xbfspine = "https://host"')
    assert load(str(tmp_path / "agent.toml")).spine == "https://host"


@pytest.mark.parametrize("key", ["spine", "ca_file", "log_file"])
@pytest.mark.parametrize("place", ["file", "variable", "option"])
def test_a_value_that_cannot_be_used_is_named_with_its_place(key: str, place: str, tmp_path: Path) -> None:
    """However late that is noticed."""
    value = str(tmp_path / "gone" / "away")
    ways: dict[str, tuple[str, dict[str, str], dict[str, str], str]] = {
        "file": (f"{key} = '{value}'", {}, {}, f"agent.toml: {key} is"),
        "variable": ("", {f"LANYARD_{key.upper()}": value}, {}, f"LANYARD_{key.upper()} is"),
        "option": ("", {}, {key: value}, f"--{key.replace('_', '-')} is"),
    }
    text, environment, options, named = ways[place]
    settings = load(written(tmp_path / "agent.toml", text), environment, **options)
    if key != "spine":
        settings = dataclasses.replace(settings, spine="https://host")
    check = set_up_logging if key == "log_file" else check_spine
    with pytest.raises(UsageError) as caught:
        check(settings)
    assert f"{named} {value}, which" in str(caught.value)


def test_the_settings_are_told_with_their_places_as_a_file_that_sets_the_same(tmp_path: Path) -> None:
    file = written(tmp_path / "agent.toml", "kiosk = true\nspine = 'https://\"x\"'")
    settings = load(file, {"LANYARD_DIGEST": "sha1"}, log_file="~/agent.log")
    lines = list(settings.lines())
    assert f'spine = "https://\\"x\\""  # {file}: spine' in lines
    assert 'digest = "sha1"  # LANYARD_DIGEST' in lines
    assert any(line.startswith("log_file = ") and line.endswith("# --log-file") for line in lines)
    assert '# ca_file = ""  # default' in lines
    assert load(written(tmp_path / "again.toml", "\n".join(lines))) == settings


def test_one_table_makes_keys_variables_and_options() -> None:
    options = vars(make_parser().parse_args([]))
    assert set(SETTINGS) < set(options)
    assert [line.lstrip("# ").split()[0] for line in Settings().lines()] == list(SETTINGS)


def test_only_its_owner_reads_the_log(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    with log_handler(Settings(log_file=path)).stream as log:
        log.write("Zo\xeb \ud800")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Zo\xeb \\ud800" in path.read_text()


def test_a_log_is_not_written_through_somebody_else_s_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "agent.log").symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match=r"agent\.log"):
        set_up_logging(Settings(log_file=tmp_path / "agent.log"))
    assert (tmp_path / "theirs").read_text() == "precious"


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


@pytest.mark.parametrize("address", ["http://renew.example", "renew.example", "https://", "javascript:alert(1)"])
def test_an_address_for_renewal_is_https(address: str) -> None:
    with pytest.raises(UsageError, match="--renewal-address"):
        load(renewal_address=address).contacts()


CONTACTS = Contacts("0100 555", "https://renew.example")


@pytest.mark.parametrize(
    ("sentence", "beside"),
    [
        ("Tell your service desk.", "Service desk: 0100 555."),
        ("Ask your local smartcard team.", "Service desk: 0100 555."),
        ("Renew it before then.", "Renew it at https://renew.example."),
        (agent.Fault.CARD_EXPIRED.advice, "Renew it at https://renew.example. Service desk: 0100 555."),
        ("Type it again.", ""),
    ],
)
def test_a_sentence_that_sends_people_somewhere_says_where(sentence: str, beside: str) -> None:
    assert CONTACTS.beside(sentence) == beside
    assert not Contacts().beside(sentence)


def test_a_service_desk_is_one_line() -> None:
    assert load(service_desk="0100\n555\x1b[1m").contacts().service_desk == "0100 555 [1m"


@pytest.mark.parametrize(("name", "content"), [("parked_sessions", "0"), ("parked_minutes", '"5"')])
def test_a_whole_number_in_a_file_or_elsewhere(name: str, content: str, tmp_path: Path) -> None:
    number = int(content.strip('"'))
    assert getattr(load(written(tmp_path / "agent.toml", f"{name} = {content}")), name) == number
    assert getattr(load(environment={f"LANYARD_{name.upper()}": str(number)}), name) == number
    assert getattr(load(**{name: str(number)}), name) == number


@pytest.mark.parametrize(
    "content", ["true", "1.0", "-1", "0", "1441", '"\u0663"', '" 5"', '"1e2"', '""', "[5]", '"' + "9" * 5000 + '"']
)
def test_what_is_no_such_number_is_refused_with_the_ones_that_do(content: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mobility_minutes must be a whole number from 1 to 1440"):
        load(written(tmp_path / "agent.toml", f"mobility_minutes = {content}"))


@pytest.mark.parametrize(
    ("which", "mode"),
    [
        ((), Mode.NORMAL),
        (("enhanced_normal",), Mode.ENHANCED_NORMAL),
        (("enhanced_normal", "session_lock_persistence"), Mode.SESSION_LOCK_PERSISTENCE),
        (("enhanced_normal", "session_lock_persistence", "mobility"), Mode.MOBILITY),
        (("mobility",), Mode.MOBILITY),
    ],
)
def test_of_several_modes_the_official_order_decides(which: tuple[str, ...], mode: Mode) -> None:
    assert load(**dict.fromkeys(which, True)).mode() is mode


@pytest.mark.parametrize("content", ["a = " + "[" * 5000, "a = " + "9" * 5000, 'ca_file = "a\\u0000b"'])
def test_a_file_that_was_made_to_harm_is_refused_by_name(content: str, tmp_path: Path) -> None:
    file = written(tmp_path / "agent.toml", content)
    with pytest.raises(UsageError, match=re.escape(file)):
        load(file)


def test_a_path_of_a_user_that_is_not_there_is_taken_as_it_is(tmp_path: Path) -> None:
    assert load(written(tmp_path / "agent.toml", 'ca_file = "~nobody-here/ca.pem"')).ca_file == Path(
        "~nobody-here/ca.pem"
    )
