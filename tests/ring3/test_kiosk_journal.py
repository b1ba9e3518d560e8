"""The record in a real journald, which systemd's own program reads back."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from support.machine import mounts_of_its_own, need, unavailable
from support.source import ROOT

JOURNALD = Path("/lib/systemd/systemd-journald")
WRITES = """
from kiosk.audit.outputs import Journal
Journal().write('{"event": "signed_in", "name": "Si\\u00e2n"}')
Journal().write('{"event": "signed_out"}')
"""


def test_journalctl_reads_what_audit_wrote() -> None:
    need("journalctl")
    if not JOURNALD.exists():
        unavailable("not on this machine: systemd-journald")
    script = f"""
        set -e
        mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal
        mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup  # a chroot has none
        {JOURNALD} & journald=$!
        until [ -S /run/systemd/journal/socket ]; do kill -0 $journald; sleep 0.05; done
        {shlex.quote(sys.executable)} -c {shlex.quote(WRITES)}
        until [ "$(journalctl -D /run/log/journal -t lanyard-audit -o cat | wc -l)" = 2 ]; do sleep 0.05; done
        journalctl -D /run/log/journal -t lanyard-audit -o cat
        kill $journald
    """
    command = [*mounts_of_its_own(), "bash", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines == [{"event": "signed_in", "name": "Si\u00e2n"}, {"event": "signed_out"}], done.stderr
