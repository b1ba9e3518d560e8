"""What a message bus starts for a program of the session ends with the session, where the bus is the session's own."""

from __future__ import annotations

from pathlib import Path

from support.hooks import Kept
from support.machine import need, wait_until

SERVICE = """[D-BUS Service]
Name=org.example.Sleeper
Exec=/bin/sh -c "echo $$ > {started}; exec sleep 1000"
"""
ASK = "dbus-send --session --dest=org.example.Sleeper / org.example.Sleeper.Wake; exec sleep 1000"


def test_a_service_of_the_sessions_own_bus_ends_with_it(kept: Kept, tmp_path: Path) -> None:
    need("dbus-run-session", "dbus-send")
    services, started = tmp_path / "dbus-1" / "services", tmp_path / "started"
    services.mkdir(parents=True)
    (services / "org.example.Sleeper.service").write_text(SERVICE.format(started=started))
    kept.environment = {"XDG_DATA_HOME": str(tmp_path)}
    kept.configure({"name": "asks", "command": ["dbus-run-session", "--", "sh", "-c", ASK]})
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: started.exists() and started.read_text(), 20, "the service")
    assert int(started.read_text()) in kept.tree()
    kept.tell("signed_out")
    assert kept.tree() == []
