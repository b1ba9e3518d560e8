"""`python3 -m kiosk hooks`: the programs of a session start with it and end with it, whatever they do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.hooks import DAEMON, MANY, NAME, SLEEPS, UID, A, B, Kept, python, running, states
from support.machine import wait_until

from kiosk.hooks.session import wipe

KEEPS_FORKING = "import os, time\nwhile True:\n if os.fork(): os._exit(0)"
STUBBORN = "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(1000)"
KINDS = {"daemon": DAEMON, "keeps forking": KEEPS_FORKING, "stubborn": STUBBORN, "many": MANY}


def test_programs_start_and_end_with_the_session(kept: Kept) -> None:
    kept.configure({"name": "one", "command": SLEEPS}, {"name": "another", "command": SLEEPS})
    kept.start()
    assert kept.tell("signed_in") == {"sequence": 1}
    assert len(running(kept)) == 2
    assert kept.tell("signed_out", reason="card_out") == {"sequence": 2}
    assert running(kept) == []
    assert not kept.session_folder().exists()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_session_stays(kept: Kept, kind: str) -> None:
    kept.configure({"name": kind, "command": python(KINDS[kind])})
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: running(kept))
    if kind == "many":
        wait_until(lambda: len(running(kept)) == 200)
    kept.tell("signed_out")
    assert running(kept) == []


def test_a_program_is_told_who_is_here_and_not_the_ticket(kept: Kept) -> None:
    script = "import json, os; json.dump(dict(os.environ), open(os.environ['LANYARD_SESSION_DIR'] + '/seen', 'w'))"
    kept.configure({"name": "looks", "command": python(script)})
    kept.start()
    kept.tell("signed_in", ticket="SECRET")
    seen = kept.session_folder() / "seen"
    wait_until(lambda: seen.exists() and seen.read_text().endswith("}"))
    told = {name: value for name, value in json.loads(seen.read_text()).items() if name.startswith("LANYARD_")}
    told = {name: value for name, value in told.items() if name not in os.environ}
    assert told == {
        "LANYARD_EVENT": "signed_in",
        "LANYARD_REASON": "",
        "LANYARD_SESSION": A,
        "LANYARD_SESSION_DIR": str(kept.session_folder()),
        "LANYARD_UID": UID,
        "LANYARD_NAME": NAME,
        "LANYARD_ROLE": "Nurse",
        "LANYARD_ROLE_ID": "100",
        "LANYARD_ORG_CODE": "A99",
        "LANYARD_ORG_NAME": "Ward 9",
    }
    assert "SECRET" not in seen.read_text() + kept.log.read_text()


def test_programs_for_other_events_are_awaited(kept: Kept) -> None:
    out = kept.folder / "out"
    for_events = ["locked", "resumed", "role_changed", "signed_out"]
    command = ["sh", "-c", f"sleep 0.1; echo $LANYARD_EVENT $LANYARD_REASON >> {out}"]
    kept.configure(*({"name": event, "command": command, "at": event} for event in for_events))
    kept.start()
    kept.tell("signed_in")
    for number, event in enumerate(for_events, 1):
        kept.tell(event, reason="card_out")
        assert out.read_text().split() == [word for each in for_events[:number] for word in (each, "card_out")]


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ({"command": ["/nowhere/at-all"], "at": "locked"}, "p cannot be started: No such file or directory."),
        ({"command": ["sh", "-c", "exit 7"], "at": "locked"}, "p has ended with exit code 7."),
        ({"command": SLEEPS, "at": "locked", "seconds": 0.1}, "p has not ended within 0.1 s, and was killed."),
        ({"command": ["sh", "-c", "kill -9 $$"], "at": "locked"}, "p was ended by signal 9."),
    ],
    ids=str,
)
def test_a_failing_program_is_told_and_logged(kept: Kept, program: dict[str, object], says: str) -> None:
    kept.configure({"name": "p", **program})
    kept.start()
    kept.tell("signed_in")
    assert kept.tell("locked", reason="card_out")["failed"] == says
    assert says in kept.log.read_text()
    assert NAME not in kept.log.read_text()


def test_a_program_that_fails_later_is_told_too(kept: Kept) -> None:
    kept.configure({"name": "p", "command": ["sh", "-c", "sleep 0.3; exit 3"]})
    kept.start()
    assert kept.tell("signed_in") == {"sequence": 1}
    wait_until(lambda: kept.done[-1].get("failed") == "p has ended with exit code 3.", what="its failure")


def test_a_program_that_is_closed_is_started_again(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS, "restart": True})
    kept.start()
    kept.tell("signed_in")
    (first,) = running(kept)
    os.kill(first, signal.SIGTERM)
    wait_until(lambda: running(kept) not in ([], [first]), what="the program anew")
    kept.tell("signed_out")
    assert running(kept) == []


def test_one_that_ends_again_and_again_is_left_alone(kept: Kept) -> None:
    ran = kept.folder / "ran"
    kept.configure({"name": "p", "command": ["sh", "-c", f"echo x >> {ran}; exit 4"], "restart": True})
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: "again and again" in str(kept.done[-1]), what="that it is told")
    assert len(ran.read_text().split()) == 6


def test_hooks_that_come_while_a_session_is_locked_start_its_programs_when_it_goes_on(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS})
    kept.now = {"event": "locked"}
    kept.start()
    kept.tell("resumed")
    assert len(running(kept)) == 1


def test_hooks_that_are_stopped_in_the_middle_of_an_order_end_everything(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS}, {"name": "slow", "command": SLEEPS, "at": "locked", "seconds": 5})
    kept.start()
    kept.tell("signed_in")
    kept.sequence += 1
    kept.send(b'{"parameters": {"event": "locked", "sequence": 2, "session": "%s"}}\0' % A.encode())
    wait_until(lambda: len(running(kept)) == 2, what="the slow one")
    assert kept.process
    kept.process.terminate()
    assert kept.process.wait(20) == 130
    assert running(kept) == []
    assert "Traceback" not in kept.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_programs_end_with_the_hooks(kept: Kept, number: signal.Signals) -> None:
    kept.configure(*({"name": kind, "command": python(script)} for kind, script in KINDS.items()))
    kept.start()
    kept.tell("signed_in")
    kept.tell("locked", reason="parked") if number == signal.SIGTERM else None
    wait_until(lambda: running(kept))
    assert kept.process
    kept.process.send_signal(number)
    kept.process.wait(10)
    wait_until(lambda: running(kept) == [], what="the programs' end")


def reaper(kept: Kept) -> int:
    assert kept.process
    (pid,) = map(int, Path(f"/proc/{kept.process.pid}/task/{kept.process.pid}/children").read_text().split())
    return pid


def test_a_killed_reaper_leaves_nothing(kept: Kept) -> None:
    kept.configure({"name": "daemon", "command": python(DAEMON)}, {"name": "many", "command": python(MANY)})
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: len(running(kept)) == 201)
    os.kill(reaper(kept), signal.SIGKILL)
    wait_until(lambda: "reaper was killed" in kept.done[-1].get("failed", ""), what="that it is told")
    assert running(kept) == []
    kept.tell("signed_out")
    kept.tell("signed_in", B)
    wait_until(lambda: len(running(kept, B)) == 201)


def test_yesterdays_programs_end_before_anybody_signs_in(kept: Kept) -> None:
    """Both hooks and reaper were killed, so that nobody was left to end them."""
    ready = kept.folder / "ready"
    daemon = DAEMON.replace("time.sleep", f"open({str(ready)!r}, 'w').close(); time.sleep")
    kept.configure({"name": "daemon", "command": python(daemon)})
    kept.start()
    kept.tell("signed_in")
    wait_until(ready.exists, what="a daemon")
    one = reaper(kept)
    os.kill(one, signal.SIGSTOP)
    assert kept.process
    kept.process.kill()
    kept.process.wait()
    os.kill(one, signal.SIGKILL)
    wait_until(lambda: states_or_gone(one))
    assert running(kept)
    kept.sequence, kept.now = 0, {"event": "signed_out"}
    kept.start()
    assert running(kept) == []
    assert not kept.session_folder().exists()


def states_or_gone(pid: int) -> bool:
    try:
        return states([pid]) == {"Z"}
    except OSError:
        return True


def test_the_end_of_the_agent_ends_all(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS})
    kept.start()
    kept.tell("signed_in")
    number = len(kept.done)
    kept.agent.hang_up()
    wait_until(lambda: running(kept) == [])
    wait_until(lambda: len(kept.done) > number, what="hooks that have come back")


def test_a_missed_event_ends_all_and_begins_anew(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS})
    kept.start()
    kept.tell("signed_in")
    kept.sequence += 3
    kept.now = {"event": "signed_in", "session": B, "uid": UID, "cn": NAME}
    kept.tell("role_changed")
    wait_until(lambda: running(kept, B))
    assert running(kept) == []


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\xff\0",
        b"[]\0",
        b'{"parameters": []}\0',
        b'{"parameters": {"event": "signed_in"}}\0',
        b'{"parameters": {"event": "signed_in", "sequence": 1, "session": "../../etc"}}\0',
        b'{"parameters": {"event": "exploded", "sequence": 1}}\0',
        b'{"parameters": {"event": "signed_in", "sequence": 1, "uid": "a\\u0000b"}}\0',
        b'{"error": 5}\0',
        b"x" * (1 << 20) + b"x\0",
    ],
    ids=lambda rubbish: rubbish[:40],
)
def test_rubbish_ends_all_and_is_said(kept: Kept, rubbish: bytes) -> None:
    kept.configure({"name": "p", "command": SLEEPS})
    kept.start()
    kept.tell("signed_in")
    number = len(kept.done)
    kept.now = {"event": "signed_out"}
    kept.send(rubbish)
    wait_until(lambda: len(kept.done) > number, what="hooks that have come back")
    assert running(kept) == []
    assert "ERROR The agent" in kept.log.read_text()
    assert "Traceback" not in kept.log.read_text()


def test_what_a_program_has_put_beside_its_folder_is_removed_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "inner").mkdir(parents=True)
    (elsewhere / "inner").chmod(0o750)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "nowhere").symlink_to(tmp_path / "not there")
    for name in ("file", "link", "nowhere"):
        wipe(tmp_path / name)
    assert [*tmp_path.iterdir()] == [elsewhere]
    assert (elsewhere / "inner").stat().st_mode & 0o777 == 0o750


def test_a_folder_that_nobody_may_read_is_wiped_too(tmp_path: Path) -> None:
    inner = tmp_path / "session" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    script = """
import os, sys
from pathlib import Path
from kiosk.hooks.session import wipe
os.chdir(sys.argv[1])
if os.getuid() == 0:  # who may read everything
    for each in (".", "session", "session/inner", "session/inner/file"):
        os.chown(each, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
os.chmod("session/inner", 0)
os.chmod("session", 0)
wipe(Path("session"))
"""
    subprocess.run([*python(script), tmp_path], check=True, cwd=Path(__file__).parents[2])
    assert not (tmp_path / "session").exists()
