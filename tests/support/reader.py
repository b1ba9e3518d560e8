"""A pcscd of the tests' own, with vpcd's two readers and no other.

It belongs to the test run alone and ends with it. A pcscd that is running already is neither met
nor touched, and no real card is ever reached.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import socket
import string
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import TIED_TO_THE_RUN, VPCD_DRIVER, need, program, stop, unavailable, wait_until

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"  # where libpcsclite looks for pcscd, see pcscd(8)
VPCD_NAME = "Virtual PCD"
# vpcd opens two slots, on a port and the next. Below the range that outgoing connections use.
VPCD_PORTS = range(20000, 32000, 2)
# As systemd hands a listening socket to a service: as file 3, to this very process
# (sd_listen_fds(3)).
WITH_THE_SOCKET = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&"$0"'

_run = contextlib.ExitStack()


def pytest_configure() -> None:
    """Point every PC/SC client of this run at a socket of its own, before libpcsclite loads."""
    _run.enter_context(own_socket())


def pytest_unconfigure() -> None:
    """Remove what pytest_configure made."""
    _run.close()


@contextlib.contextmanager
def own_socket() -> Iterator[None]:
    """Name, in the environment, a socket where no pcscd listens yet."""
    with tempfile.TemporaryDirectory(prefix="lanyard-pcscd-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET_VARIABLE, str(Path(folder) / "pcscd.comm"))
        yield


@contextlib.contextmanager
def own_pcscd() -> Iterator[Pcscd]:
    """Run a pcscd with vpcd at that socket, also for programs that are not tests."""
    need("pcscd", "vpcd", "setpriv")
    with own_socket() if SOCKET_VARIABLE not in os.environ else contextlib.nullcontext():
        daemon = Pcscd(Path(os.environ[SOCKET_VARIABLE]), _free_vpcd_port())
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()


@pytest.fixture(scope="session")
def pcscd() -> Iterator[Pcscd]:
    """Run a real pcscd with vpcd, for this test run alone."""
    with own_pcscd() as daemon:
        yield daemon


class Pcscd:
    """A pcscd with nothing but vpcd's two readers.

    `vpcd` is the HOST:PORT a virtual card connects to for the first of them. Clients find this
    pcscd, and no other, through the environment of the test run.
    """

    def __init__(self, socket_path: Path, port: int) -> None:
        self.vpcd = f"127.0.0.1:{port}"
        self.log = socket_path.with_name("pcscd.log")
        self._socket = socket_path
        self._readers_conf = socket_path.with_name("reader.conf.d")
        self._readers_conf.mkdir(exist_ok=True)
        self._port = port
        self._configure()
        self._process: subprocess.Popen[bytes] | None = None

    def _configure(self, name: bytes = VPCD_NAME.encode(), more: bytes = b"") -> None:
        """Write reader.conf(5): vpcd's two readers under that name, and whatever more."""
        self._readers_conf.joinpath("vpcd").write_bytes(_entry(name, self._port, bytes(VPCD_DRIVER)) + more)

    @contextlib.contextmanager
    def with_name(self, name: bytes) -> Iterator[None]:
        """Have vpcd's readers under another name meanwhile: of VPCD_NAME's letters, or of others than ASCII's."""
        with self._reconfigured(name):
            yield

    @contextlib.contextmanager
    def with_empty_readers(self, number: int) -> Iterator[None]:
        """Have so many readers without a card beside vpcd's meanwhile."""
        need("gcc")
        driver = self.log.with_name("empty_readers.so")
        source = Path(__file__).with_name("empty_readers.c")
        command = ["gcc", "-shared", "-fPIC", "-I/usr/include/PCSC", f"-DSLOTS={number}", "-o", driver, source]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            unavailable("no header files of pcsc-lite (libpcsclite-dev)")
        with self._reconfigured(more=_entry(VPCD_NAME.split()[0].encode(), 1, bytes(driver))):
            yield

    @contextlib.contextmanager
    def _reconfigured(self, name: bytes = VPCD_NAME.encode(), more: bytes = b"") -> Iterator[None]:
        self.stop()
        self._configure(name, more)
        self.start()
        try:
            yield
        finally:
            self.stop()
            self._configure()
            self.start()

    @property
    def readers(self) -> list[str]:
        """Return the readers' names, as a PC/SC client is told them."""
        return list_readers()

    @property
    def pid(self) -> int:
        """Return the running daemon's process id."""
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Start the daemon and wait until a client sees the readers."""
        command = [*_pcscd(), "--foreground", "--config", str(self._readers_conf)]
        with socket.socket(socket.AF_UNIX) as listener, self.log.open("ab") as log:
            listener.bind(str(self._socket))
            listener.listen()
            self._process = subprocess.Popen(
                ["bash", "-c", WITH_THE_SOCKET, str(listener.fileno()), *TIED_TO_THE_RUN, *command],
                pass_fds=[listener.fileno()],
                env={**os.environ, "PCSCLITE_FILTER_IGNORE_READER_NAMES": _all_names_but(VPCD_NAME)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.readers or self._process_ended(), what="a reader of pcscd")
        if self._process_ended():
            unavailable("pcscd does not run here: " + self.log.read_text()[-300:])

    def stop(self) -> None:
        """End the daemon: clients meet what they meet when the service is not running."""
        if self._process:
            stop(self._process)
        self._process = None
        self._socket.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it as a crash does: what it had open just ends, and its socket stays behind."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Stop and start, on the same ports."""
        self.stop()
        self.start()

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


def _entry(name: bytes, port: int, driver: bytes) -> bytes:
    """Return the lines of reader.conf(5) for one driver's readers."""
    lines = b'FRIENDLYNAME "%b"', b"DEVICENAME /dev/null:0x%04X", b"LIBPATH %b", b"CHANNELID 0x%04X", b""
    return b"\n".join(lines) % (name, port, driver, port)


def _pcscd() -> list[str]:
    """Return the command for a daemon that serves us without asking polkit, which may not run."""
    path = str(program("pcscd"))
    usage = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
    return [path, "--disable-polkit"] if "--disable-polkit" in usage.stdout else [path]


def _all_names_but(name: str) -> str:
    """Return a filter for pcscd(8) that ignores every reader with a letter that is not in `name`.

    A card in a reader of the person running the tests must not be tried with a test's passcode.
    """
    return ":".join(sorted(set(string.ascii_letters + string.digits) - set(name)))


def list_readers() -> list[str]:
    """Return the names of all readers, or none where pcscd does not answer (SCardListReaders)."""
    library = ctypes.CDLL("libpcsclite.so.1")
    scope_system, success = 2, 0
    context = ctypes.c_long()
    if library.SCardEstablishContext(scope_system, None, None, ctypes.byref(context)) != success:
        return []
    names = ctypes.create_string_buffer(4096)
    size = ctypes.c_ulong(len(names))
    result = library.SCardListReaders(context, None, names, ctypes.byref(size))
    library.SCardReleaseContext(context)
    if result != success:
        return []
    return [name.decode(errors="replace") for name in names.raw[: size.value].split(b"\0") if name]


def vpcd_has_a_card(vpcd: str) -> bool:
    """Whether vpcd's end of a card's connection is still open (proc(5), /proc/net/tcp)."""
    established, close_wait = "01", "08"
    port = f"{int(vpcd.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(each[1].endswith(":" + port) and each[3] in (established, close_wait) for each in lines[1:])


def _free_vpcd_port() -> int:
    for port in random.sample(VPCD_PORTS, 100):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("", port))
                second.bind(("", port + 1))
            except OSError:
                continue
            return port
    unavailable("no two neighbouring ports are free for vpcd")
