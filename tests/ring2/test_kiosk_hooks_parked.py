"""What becomes of the programs of a person whose session is parked."""

from __future__ import annotations

from support.hooks import DAEMON, MANY, SLEEPS, B, Kept, python, running, states
from support.machine import wait_until


def test_a_parked_session_is_stopped_whole_and_goes_on(kept: Kept) -> None:
    kept.configure({"name": "many", "command": python(MANY)}, {"name": "daemon", "command": python(DAEMON)})
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: len(running(kept)) == 201)
    assert "failed" not in kept.tell("locked", reason="parked")
    assert states(running(kept)) == {"T"}
    kept.tell("signed_in", B)
    assert states(running(kept)) == {"T"}
    kept.tell("signed_out", B)
    kept.tell("resumed")
    assert len(running(kept)) == 201
    assert "T" not in states(running(kept))
    kept.tell("locked", reason="parked")
    kept.tell("signed_out", reason="time_up")
    assert running(kept) == []


def test_what_cannot_be_stopped_is_ended(kept: Kept) -> None:
    """One process after another, each of which ends once it has started the next: stopped or gone, it does nothing."""
    counts = kept.folder / "count"
    script = f"import os\nwhile True:\n open({str(counts)!r}, 'a').write('x')\n if os.fork(): os._exit(0)"
    kept.configure({"name": "p", "command": python(script)})
    kept.start()
    for session in (f"{number:016x}" for number in range(10)):
        kept.tell("signed_in", session)
        wait_until(lambda session=session: running(kept, session) and counts.exists())
        failed = kept.tell("locked", session, reason="parked").get("failed")
        before = counts.stat().st_size
        assert bool(failed) == (not running(kept, session))
        assert states(running(kept, session)) <= {"T"}
        assert counts.stat().st_size == before
        kept.tell("signed_out", session)


def test_parked_programs_are_ended_where_that_is_configured(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS}, parked_programs="end")
    kept.start()
    kept.tell("signed_in")
    kept.tell("locked", reason="parked")
    assert running(kept) == []
    kept.tell("resumed")
    assert len(running(kept)) == 1


def test_a_lock_alone_stops_nothing(kept: Kept) -> None:
    kept.configure({"name": "p", "command": SLEEPS})
    kept.start()
    kept.tell("signed_in")
    kept.tell("locked", reason="card_out")
    assert states(running(kept)) == {"S"}


def test_nothing_is_run_for_a_role_that_the_broker_takes_while_somebody_else_is_here(kept: Kept) -> None:
    ran = kept.folder / "ran"
    touch = f"open({str(ran)!r}, 'w')"
    kept.configure({"name": "role", "command": python(touch), "at": "role_changed"})
    kept.start()
    kept.tell("signed_in")
    kept.tell("locked", reason="parked")
    kept.tell("signed_in", session=B)
    kept.tell("role_changed")
    assert not ran.exists()
    kept.tell("role_changed", session=B)
    assert ran.exists()
