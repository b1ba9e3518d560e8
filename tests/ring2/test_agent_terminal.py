"""`agent.py login` as a program in a script: exit codes, sentences, JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.agent import Slot
from support.agent_program import OUTCOMES, at, free_port, run_agent
from support.emulator import tries_left_on_disk
from support.spine import Spine

ROLE_KEYS = {"id", "org_code", "org_name", "group", "sub_group", "name"}


@pytest.fixture(scope="module")
def kept(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DIR for --data, kept for this file."""
    return Path(shutil.copytree(demo_data, tmp_path_factory.mktemp("kept") / "data"))


@pytest.mark.parametrize("card", OUTCOMES)
def test_the_demonstration_with_each_card(card: str, kept: Path) -> None:
    code, outcome = OUTCOMES[card]
    done = run_agent("--demo", "--data", kept, "--card", card, "login", "--json")
    assert done.returncode == code, done.stderr
    if isinstance(outcome, str):
        assert done.stdout == ""
        assert outcome in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    else:
        session = json.loads(done.stdout)
        assert len(session["roles"]) == outcome
        assert session["role"] == (session["roles"][0] if outcome == 1 else None)


def test_a_wrong_passcode_says_how_many_tries_are_left(kept: Path) -> None:
    done = run_agent("--demo", "--data", kept, "login", "--json", stdin="000000\n")
    assert done.returncode == 5
    assert done.stdout == ""
    assert "2 tries left" in done.stderr.splitlines()[-1]
    assert tries_left_on_disk(kept / "cards" / "three-roles") == 2


def test_a_demonstration_without_a_display_says_so_and_goes_on(kept: Path) -> None:
    done = run_agent("--demo", "--data", kept, "--card", "expiring")
    assert done.returncode == 0, done.stderr
    assert "There is no display" in done.stderr
    assert "Signed in as" in done.stdout
    assert "Your card expires in 1" in done.stdout
    assert "AQIC" not in done.stdout + done.stderr


def test_a_card_that_does_not_exist_is_a_sentence(kept: Path) -> None:
    done = run_agent("--demo", "--data", kept, "--card", "no-such-card", "login")
    assert done.returncode == 2
    assert "no-such-card" in done.stderr
    assert "Traceback" not in done.stderr


# Without the demonstration: a broker and a card slot of the test's own


@pytest.fixture
def login(spine: Spine, data: Path) -> Iterator[Any]:
    """Sign in with a card at the broker of `spine`."""
    port = free_port()
    slot = Slot(data, f"127.0.0.1:{port}")

    def run(card: str, *arguments: str, before: Sequence[str] = (), **more: Any) -> Any:
        slot.insert(card)
        return run_agent(*at(spine, port), *before, "login", *arguments, **more)

    yield run
    slot.close()


def test_the_json_is_that_of_the_contract(login: Any, spine: Spine) -> None:
    done = login("three-roles", "--json")
    session = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert set(session) == {"uid", "cn", "ticket", "role", "roles", "session"}
    assert session["uid"] == "555000000001"
    assert session["role"] is None
    assert all(set(role) == ROLE_KEYS for role in session["roles"])
    assert session["session"] == {
        "max_minutes": 600,
        "idle_minutes": 600,
        "logout_url": f"{spine.url}/login/authlogout",
    }
    assert done.stderr == ""
    assert session["ticket"] is None, "a ticket that is over is of no use to anybody"
    assert any("authlogout" in line and "ended=True" in line for line in spine.log)


@pytest.mark.parametrize("by", ["number", "id"])
def test_a_role_by_number_or_by_id(by: str, login: Any) -> None:
    roles = json.loads(login("three-roles", "--json").stdout)["roles"]
    done = login("three-roles", "--json", "--role", "2" if by == "number" else roles[1]["id"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["role"] == roles[1]


@pytest.mark.parametrize(("card", "role", "code"), [("three-roles", "4", 2), ("no-role", "1", 2), ("one-role", "1", 0)])
def test_a_role_that_is_not_there(card: str, role: str, code: int, login: Any) -> None:
    done = login(card, "--json", "--role", role)
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
    assert ("You have no role" in done.stderr) == (code == 2)


def test_keep_leaves_the_session_alive(login: Any, spine: Spine) -> None:
    done = login("one-role", "--json", "--keep")
    assert done.returncode == 0, done.stderr
    assert not spine.is_over(json.loads(done.stdout)["ticket"])


def test_plain_words_without_the_ticket(login: Any) -> None:
    done = login("one-role")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Signed in as ")
    assert lines[1].startswith("Role: ")
    assert lines[-1] == "Logged out."
    assert "AQIC" not in done.stdout


def test_no_role_in_plain_words(login: Any) -> None:
    assert "You have no role at any organisation" in login("no-role").stdout


@pytest.mark.parametrize(
    ("stdin", "code"),
    [("123456", 0), ("123456\r\n", 0), ("123456789\n", 5), ("\n", 5), ("", 5), ("12\x003456\n", 5)],
    ids=["no-newline", "windows", "too-long", "empty-line", "nothing", "nul"],
)
def test_what_comes_on_standard_input(stdin: str, code: int, login: Any, data: Path) -> None:
    done = login("one-role", "--json", stdin=stdin)
    assert done.returncode == code, done.stderr
    assert tries_left_on_disk(data / "cards" / "one-role") == 3


def test_the_last_try_is_not_spent_where_nobody_can_be_asked(login: Any, data: Path) -> None:
    for _ in range(2):
        assert login("one-role", stdin="000000\n").returncode == 5
    done = login("one-role", stdin="000000\n")
    assert done.returncode == 5
    assert "1 try is left" in done.stderr
    assert tries_left_on_disk(data / "cards" / "one-role") == 1


def test_no_card(spine: Spine) -> None:
    done = run_agent(*at(spine, free_port()), "login", "--wait", "0.1")
    assert done.returncode == 4
    assert "no card in the reader" in done.stderr


def test_no_broker(login: Any, data: Path) -> None:
    """What comes later on the command line wins over what `at` says."""
    spine = f"https://127.0.0.1:{free_port()}"
    done = login("one-role", "--json", stdin="000000\n", before=["--spine", spine])
    assert done.returncode == 8
    assert "cannot be reached" in done.stderr
    assert tries_left_on_disk(data / "cards" / "one-role") == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--spine", "http://127.0.0.1:1", "login"],
        ["--spine", "https://x", "--ca-file", "/nonexistent", "login"],
        ["--spine", "https://x", "--reader", "embedded:99999", "login"],
        ["--config", "/nonexistent", "login"],
        ["login"],
        ["--spine", "https://x"],
        ["--no-such-option"],
        ["--spine", "https://a b", "login"],
        *(["--spine", "https://x", "login", "--wait", seconds] for seconds in ("inf", "nan", "1e20", "-5", "soon")),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_usage_errors(arguments: list[str]) -> None:
    done = run_agent(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_an_outcome_that_cannot_be_written_is_a_sentence_and_the_session_is_over(login: Any, spine: Spine) -> None:
    with open("/dev/full", "w") as full:
        done = login("one-role", "--json", "--keep", stdout=full)
    assert (done.returncode, done.stderr) == (1, "The outcome was not written: No space left on device.\n")
    assert any("authlogout" in line and "ended=True" in line for line in spine.log)
