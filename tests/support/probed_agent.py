"""agent.py with a way to look into it: what its window says, and how much it has of what must not add up.

    python tests/support/probed_agent.py SOCKET [agent.py's arguments]

Who connects to SOCKET gets one JSON object: text (of every widget, seen or not), widgets, commands (Tcl's, a
callback is one), threads. Nothing here is imported but the agent, so that its memory is the agent's.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import socket
import sys
import threading
from collections import Counter
from pathlib import Path
from string import digits
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import agent

agent.SETTLE_SECONDS = 0.1  # a person waits longer; a soak has many


def widgets(root: Any) -> list[Any]:
    found = [root]
    for widget in found:
        found += widget.winfo_children()
    return found


def says(widget: Any) -> str:
    """All that a widget could show."""
    kind = widget.winfo_class()
    if kind == "Treeview":
        return "\n".join(str(widget.item(row, "text")) for row in widget.get_children())
    if kind in ("Entry", "Text"):
        return str(widget.get("1.0", "end") if kind == "Text" else widget.get())
    return str(widget.cget("text")) if "text" in widget.keys() else ""  # noqa: SIM118  no mapping


def commands(root: Any) -> Counter[str]:
    """Tcl's commands by kind, without those that timers will call: a timer that runs is nothing left over."""
    tcl = root.tk.call
    timers = root.tk.splitlist(tcl("after", "info"))
    # As text: a script that Tcl has looked up already comes as a Tcl_Obj, which no set takes.
    waiting = {str(root.tk.splitlist(tcl("after", "info", timer))[0]) for timer in timers}
    names = set(root.tk.splitlist(tcl("info", "commands"))) - waiting
    return Counter(name.lstrip(digits) for name in names)


def look(root: Any) -> dict[str, object]:
    every = widgets(root)
    return {
        "text": "\n".join(filter(None, map(says, every))),
        "widgets": len(every),
        "commands": commands(root),
        "threads": threading.active_count(),
    }


def serve(listener: socket.socket, window: agent.Window) -> None:
    while True:
        link, _ = listener.accept()
        answers: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
        window.bridge.call(lambda put=answers.put: put(look(window.root)))
        with link:
            link.sendall(json.dumps(answers.get()).encode())


def run(options: argparse.Namespace) -> None:
    """As agent.run, with the window in this module's hands."""

    def started(window: agent.Window | None) -> None:
        threading.Thread(target=serve, args=(listener, window), daemon=True).start()

    path.unlink(missing_ok=True)
    settings = agent.load_settings(os.environ, vars(options))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        agent.run_face(settings, options, agent.PcscReader(settings.reader), in_terminal=False, started=started)


if __name__ == "__main__":
    path = Path(sys.argv.pop(1))
    sys.exit(agent.main(run))
