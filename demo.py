#!/usr/bin/env python3
"""The demonstration of Lanyard: a broker, a virtual card and the reader that it is put into, around agent.py.

    python3 demo.py --demo                     as `agent.py --demo`, which hands over to this file
    python3 demo.py --reader embedded[:PORT]   as `agent.py --reader embedded`: a virtual card started by hand plugs in

It starts `python3 -m spine_stub` and `python3 -m emulator` as programs of their own, is the virtual card's reader
(the reader's side of vsmartcard's vpcd protocol), and puts a strip under the window that moves cards. None of this
is needed on a PC with a real reader: there agent.py is enough.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import functools
import json
import os
import queue
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # a PC for the terminal only: agent.py says so
    from tkinter import ttk

import agent
from agent import (
    CARD_ANSWER_SECONDS,
    VPCD_PORT,
    AgentError,
    CardIn,
    CardOut,
    Colour,
    Fault,
    IdentityCard,
    Lane,
    PivCard,
    ReaderReady,
    Report,
    UsageError,
    given_up,
    tell,
)

VIRTUAL_READER = "Virtual PCD"  # what pcscd calls vpcd's readers
BROKER_SECONDS = 120  # to make the keys of all test cards, on a small computer too
READER_SECONDS = 20  # for a reader to take the card
IN_USE = "another program has it, perhaps vpcd or another agent"
OTHER_PORT = "Choose another: --reader embedded:PORT; for the card: python3 -m emulator run CARD --vpcd 127.0.0.1:PORT"
POWER_ON, RESET, ATR = b"\x01", b"\x02", b"\x04"  # by which a vpcd reader drives a card; longer frames are APDUs


class EmbeddedReader:
    """The reader's side of the vpcd protocol, in the agent itself: no daemon, no driver, loopback only.

    A card is whatever program of this user connects; when the connection ends, the card is out.
    """

    def __init__(self, port: int = VPCD_PORT) -> None:
        try:
            self._listener = socket.create_server(("127.0.0.1", port), backlog=1)
        except OSError as error:
            why = IN_USE if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
            raise UsageError(f"The embedded reader cannot use port {port}: {why}.", OTHER_PORT) from None
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._link: EmbeddedLink | None = None

    def watch(self, report: Report) -> None:
        report(ReaderReady())
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the agent ends
                return
            with connection:
                if is_own(connection):
                    self._serve(connection, report)

    def _serve(self, connection: socket.socket, report: Report) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(CARD_ANSWER_SECONDS)
        frames = receive_frames(connection)
        try:
            connection.sendall(frame(POWER_ON) + frame(ATR))
            card = CardIn(f"embedded reader at {self.address}", next(frames))
        except (OSError, StopIteration):
            return  # gone, or silent, before it said what it is
        connection.settimeout(None)
        link = self._link = EmbeddedLink(connection, card)
        report(card)
        link.receive(frames)
        self._link = None
        report(CardOut(card))

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        link = self._link
        if link is None or link.card is not card:
            raise AgentError(Fault.CARD_REMOVED)
        try:
            link.piv.select()
            yield link.piv
        finally:
            if link.piv.passcode_shown:
                link.reset()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._link:
            self._link.hang_up()


class EmbeddedLink:
    """The card that is plugged in, until its connection ends: the watching thread receives, the card worker asks."""

    def __init__(self, connection: socket.socket, card: CardIn) -> None:
        self.card = card
        self.piv = PivCard(self, atr=card.atr)
        self._connection = connection
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._asked = False
        self._mute = False

    def receive(self, frames: Iterator[bytes]) -> None:
        """Pass answers on until there are no more, or one comes that nobody asked for. A mute card stays, unheard."""
        for answer in frames:
            if self._mute:
                continue  # an answer that comes late must not be taken for the next one
            if not self._asked:
                break
            self._asked = False
            self._answers.put(answer)
        self._answers.put(None)

    def transmit(self, apdu: bytearray) -> bytes:
        if self._mute:
            raise AgentError(Fault.CARD_MUTE, "it has not answered before")
        self._asked = True
        self._send(apdu)
        try:
            answer = self._answers.get(timeout=CARD_ANSWER_SECONDS)
        except queue.Empty:
            self._mute = True
            raise given_up(CARD_ANSWER_SECONDS, "no answer") from None
        if answer is None:
            self._answers.put(None)
            raise AgentError(Fault.CARD_REMOVED)
        return answer

    def reset(self) -> None:
        started = time.perf_counter()
        with contextlib.suppress(AgentError):
            self._send(RESET)
            tell("Lock the card again, so that no other program finds it open", "card reset", started)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send(self, payload: bytes | bytearray) -> None:
        try:  # one write, and no copy of a passcode
            self._connection.sendmsg([len(payload).to_bytes(2, "big"), payload])
        except OSError:
            raise AgentError(Fault.CARD_REMOVED) from None


def is_own(connection: socket.socket) -> bool:
    """Whether the other end is a socket of this user, by the kernel's tables (proc(5)): loopback is every user's.

    An IPv4 address is at the end of the IPv6 one that some programs have instead (RFC 4291, section 2.5.5.2).
    A socket that was closed belongs to nobody: its inode is 0.
    """
    with contextlib.suppress(OSError):  # gone already, or a PC without IPv6
        there, here = (table_address(*end) for end in (connection.getpeername(), connection.getsockname()))
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for row in map(str.split, Path(table).read_text().splitlines()[1:]):
                if row[1].endswith(there) and row[2].endswith(here):
                    return row[7] == str(os.geteuid()) and row[9] != "0"
    return False


def table_address(address: str, port: int) -> str:
    """An IPv4 address and port as those tables have them: the address in the processor's byte order."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"


def frame(payload: bytes) -> bytes:
    """A vpcd frame: 2-byte big-endian length, payload."""
    return len(payload).to_bytes(2, "big") + payload


def receive_frames(connection: socket.socket) -> Iterator[bytes]:
    """The payloads of whole vpcd frames, until the peer goes away (a frame cut short is dropped)."""
    with contextlib.suppress(OSError), connection.makefile("rb") as stream:
        while header := stream.read(2):
            length = int.from_bytes(header, "big")
            payload = stream.read(length)
            if len(header + payload) == 2 + length:
                yield payload


def ask_emulator(path: Path, **request: str) -> dict[str, Any]:
    """The answer from the emulator's control socket: one JSON object a line each way. Raises DemonstrationFailed."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile().readline())
    except (OSError, ValueError) as error:
        raise DemonstrationFailed(f"The virtual card does not answer: {type(error).__name__}.") from None
    if not answer.get("ok"):
        raise DemonstrationFailed(str(answer.get("error", "The virtual card refused.")))
    return answer


class DemonstrationFailed(UsageError):
    """A part of the demonstration could not be started, or does not answer."""


class Demonstration(contextlib.ExitStack):
    """A broker and a virtual card as programs of their own, ended when this ends, whatever way that is."""

    HERE = Path(__file__).resolve().parent

    def __init__(self, data: Path | None) -> None:
        """`data`: DIR to use and keep; None for one that goes with the demonstration, in memory where there is such."""
        super().__init__()
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        memory = runtime if os.access(runtime, os.W_OK) else None
        self.data = (data or Path(tempfile.mkdtemp(prefix="lanyard-demo-", dir=memory))).absolute()
        self._sweeper = None if data else self.enter_context(start_sweeper(self.data))
        self.ca_file = self.data / "ca.pem"
        self.ask_emulator = functools.partial(ask_emulator, self.data / "emulator.sock")

    def start_broker(self) -> str:
        """Returns its address."""
        late = DemonstrationFailed(f"The test broker was not ready within {BROKER_SECONDS} s.")
        return self._start(BROKER_SECONDS, late, "spine_stub", "--port", "0")

    def start_emulator(self, card: str, reader: str) -> None:
        """`reader`: HOST:PORT to plug into. Returns when the reader has seen the card. Raises READER_NOT_FOUND."""
        says = f"No reader took the card at {reader} within {READER_SECONDS} s."
        advice = "Install pcscd and vsmartcard-vpcd and see that pcscd runs, or leave --reader out."
        late = AgentError(Fault.READER_NOT_FOUND, says=says, advice=advice)
        self._start(READER_SECONDS, late, "emulator", "run", card, "--vpcd", reader, "--tray", "none")

    def _start(self, seconds: float, late: AgentError, module: str, *arguments: str) -> str:
        """Start `python3 -m module`, wait for its line `ready WHERE`, return WHERE.

        Raises `late` where no line came in time, and DemonstrationFailed. Nothing is written into DIR here: the
        broker, which comes first, finds out whose it is.
        """
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", module, "--data", str(self.data), *arguments, "--stop-with-stdin"],
                cwd=self.HERE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is for the agent, which then ends these
                pass_fds=[self._sweeper.stdin.fileno()] if self._sweeper and self._sweeper.stdin else [],
            )
            self.callback(end, child)
            ready = child.stdout and select.select([child.stdout], [], [], seconds)[0]
            if not ready:
                raise late
            line = ready[0].readline()
            if not line.startswith("ready "):
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["no reason given"])[-1]
                raise DemonstrationFailed(f"The demonstration could not be started: {last.rstrip('.')}.")
        return line.removeprefix("ready ").strip()


def end(child: subprocess.Popen[str]) -> None:
    """Have it end, killed if it takes too long."""
    with child:  # which closes its pipes at last, and waits
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()


SWEEPER = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1])"


def start_sweeper(folder: Path) -> subprocess.Popen[bytes]:
    """A program that removes the folder, with its private keys, when nobody holds its standard input any more.

    So it does even where all who held it were killed. Leaving its context lets go of that input, and waits for it.
    """
    command = [sys.executable, "-c", SWEEPER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


class Story:
    """Beside the window, where there is room: each step of the sign-in in plain words, its technical line under it."""

    WIDTH, READABLE = 36, 45  # characters: the panel's own, and what it leaves to the screen at the least

    def __init__(self, window: agent.Window) -> None:
        self._window, fonts = window, window.theme.fonts
        self._panel = ttk.Frame(window.stage)
        window.theme.style.configure("Story.TLabel", background=Colour.WHITE, font=fonts["small"], padding=(16, 8))
        ttk.Label(self._panel, text="What is happening", style="Story.TLabel").pack(fill="x")
        self._text = window.theme.text(self._panel, "small", Colour.WHITE, name="story", width=self.WIDTH, padx=16)
        self._text.configure(state="disabled", takefocus=False, cursor="arrow")
        agent.SILENT.add("story")
        self._text.tag_configure("plain", spacing1=8)
        self._text.tag_configure("technical", font=fonts["mono"], foreground=Colour.SECONDARY)
        self._text.pack(fill="both", expand=True)
        window.root.bind("<<Fit>>", lambda event: self._fit())
        window.root.bind("<<NextPerson>>", lambda event: self._clear())
        agent.LISTENERS.append(functools.partial(window.bridge.call, self._show))

    def _fit(self) -> None:
        readable = self.READABLE * self._window.theme.fonts["body"].measure("0")
        if self._window.root.winfo_width() - self._panel.winfo_reqwidth() >= readable:
            self._panel.pack(side="right", fill="y", before=self._window.content)
        else:
            self._panel.pack_forget()

    def _show(self, step: agent.Step) -> None:
        took = "" if step.milliseconds is None else f"{step.milliseconds:.1f} ms  "
        self._text.configure(state="normal")
        self._text.insert("end", step.plain + "\n", "plain")
        if took or step.technical:
            self._text.insert("end", f"{took}{step.technical}\n", "technical")
        self._text.configure(state="disabled")
        self._text.see("end")

    def _clear(self) -> None:
        """Nothing of one person stays for the next."""
        self._text.configure(state="normal")
        self._text.delete("1.0", "end")
        self._text.configure(state="disabled")


class DemonstrationStrip:
    """Under the window, and not part of the agent: the hand that puts cards in and pulls them."""

    def __init__(self, window: agent.Window, ask: Callable[..., Any], under: ttk.Frame | None = None) -> None:
        """`ask`: a command, and what it needs, of the emulator."""
        self._window = window
        self._lane = Lane("demonstration")
        self._set_styles(window.theme)
        foot = ttk.Frame(under or window.foot, style="Strip.TFrame", padding=(8, 6))
        foot.pack(fill="x")
        title = "DEMONSTRATION, not part of the agent. Put in a test card (passcode 123456):"
        ttk.Label(foot, text=title, style="Strip.TLabel").grid(row=0, column=0, columnspan=7, sticky="w", padx=4)
        self._failure = ttk.Label(foot, style="Failure.Strip.TLabel")
        self._failure.grid(row=0, column=7, columnspan=2, sticky="e", padx=4)
        cards = [card["name"] for card in ask(command="list")["cards"]]
        commands = {agent.clean(card): functools.partial(ask, command="insert", card=card) for card in cards}
        commands["Pull the card"] = functools.partial(ask, command="remove")
        for place, (text, command) in enumerate(commands.items()):
            press = functools.partial(self._lane.submit, functools.partial(self._do, command))
            button = ttk.Button(foot, text=text, command=press, style="Strip.TButton", takefocus=False)
            button.grid(row=1, column=place, sticky="ew", padx=4, pady=(4, 0))
            foot.columnconfigure(place, weight=1)

    def _set_styles(self, theme: agent.Theme) -> None:
        """The strip keeps its size: the text of the agent is what grows."""
        self._font = font = theme.fonts["small"].copy()  # a font that nothing refers to is freed
        theme.style.configure("Strip.TFrame", background=Colour.TEXT)
        theme.style.configure("Strip.TLabel", background=Colour.TEXT, foreground=Colour.WHITE, font=font)
        theme.style.configure("Failure.Strip.TLabel", foreground=Colour.FOCUS)
        theme.style.configure("Strip.TButton", font=font, padding=(1, 6))
        theme.button("Strip.TButton", Colour.LINE, Colour.TEXT)

    def _do(self, command: Callable[[], object]) -> None:
        failure = ""
        try:
            command()
        except AgentError as error:
            failure = error.says
        self._window.bridge.call(lambda: self._failure.configure(text=failure))


def make_reader(which: str) -> EmbeddedReader | agent.PcscReader:
    """pcsc, part of a reader's name, or embedded[:PORT]. Raises UsageError, NO_LIBRARY."""
    kind, _, port = which.partition(":")
    if kind != "embedded":
        return agent.PcscReader(which)
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"--reader {which}: {port} is not a port.")
    return EmbeddedReader(int(port or VPCD_PORT))


def demonstrate(settings: agent.Settings, options: argparse.Namespace, in_terminal: bool) -> None:
    """Sign in with a virtual card at a broker, both started here and ended with the agent.

    The embedded reader takes any free port, and of the readers of this PC only vpcd's are looked at.
    """
    which = {"pcsc": VIRTUAL_READER, "embedded": "embedded:0"}.get(settings.reader, settings.reader)
    with Demonstration(options.data) as demonstration:
        reader = make_reader(which)
        print("Making test cards and a sign-in service; this takes a few seconds ...", file=sys.stderr)
        spine = demonstration.start_broker()
        explained = settings.explain and not in_terminal  # in the window, not on stderr
        settings = dataclasses.replace(
            settings, spine=spine, ca_file=demonstration.ca_file, explain=settings.explain and in_terminal
        )

        def started(window: agent.Window | None) -> None:
            demonstration.start_emulator(options.card, getattr(reader, "address", options.vpcd))
            if window:
                DemonstrationStrip(window, demonstration.ask_emulator)
            if window and window.session_bar:  # the window is not there while somebody works
                DemonstrationStrip(window, demonstration.ask_emulator, window.session_bar.foot)
            if window and explained:
                Story(window)

        agent.run_face(settings, options, reader, in_terminal, started)


def run(options: argparse.Namespace) -> None:
    """The demonstration, or the agent with the embedded reader. Raises AgentError."""
    if not options.demo:
        settings = agent.load_settings(os.environ, vars(options))
        agent.run_face(settings, options, make_reader(settings.reader), agent.wants_terminal(options))
        return
    try:
        in_terminal = agent.wants_terminal(options)
    except UsageError as error:
        print(f"{error.says} The demonstration goes on here in the terminal.", file=sys.stderr)
        in_terminal = True
    given = {name: value for name, value in vars(options).items() if value is not None}
    settings = agent.load_settings(os.environ, {"reader": "embedded", "explain": True} | given)
    if any("locked" in settings.places.get(name, "") for name in ("spine", "ca_file")):
        raise UsageError(f"The sign-in service of this PC is locked in {agent.SYSTEM_FILE}.", "Try it on another PC.")
    demonstrate(settings, options, in_terminal)


if __name__ == "__main__":
    sys.exit(agent.main(run))
