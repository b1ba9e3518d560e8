"""Other people's servers for the broker: a real slapd and a real redis-server, on loopback.

Fixtures: `slapd` (with the demonstration people; yields its address) and `redis_url`.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .machine import TIED_TO_THE_RUN, need, program, stop, wait_until

LDAP_FILES = Path(__file__).parents[2] / "spine_stub" / "people" / "schema"
ADMINISTRATOR = "cn=admin,o=nhs"
ADMINISTRATOR_PASSWORD = "admin"

_SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {schema}
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "o=nhs"
rootdn "{administrator}"
rootpw {password}
directory {folder}/db
dbnosync
access to * by * read
"""


@contextlib.contextmanager
def own_port() -> Iterator[int]:
    """Keep a port of loopback, where nobody listens, for a server that sets SO_REUSEADDR.

    A port that is merely free goes to the next program that asks for any, or that calls somebody.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


def answers(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server that was started listens; fail at once when it ended instead."""
    wait_until(lambda: process.poll() is not None or answers(port), what=f"port {port}")
    assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"


class Slapd:
    """A slapd with its own configuration, filled from people.ldif."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"ldap://127.0.0.1:{port}"
        self._configuration = folder / "slapd.conf"
        (folder / "db").mkdir()
        text = _SLAPD_CONF.format(
            schema=LDAP_FILES / "nhs.schema",
            folder=folder,
            administrator=ADMINISTRATOR,
            password=ADMINISTRATOR_PASSWORD,
        )
        self._configuration.write_text(text)
        self._run("slapadd", "-q", "-f", str(self._configuration), "-l", str(LDAP_FILES / "people.ldif"))

    def start(self) -> None:
        command = [*TIED_TO_THE_RUN, str(program("slapd")), "-d", "0", "-f", str(self._configuration), "-h", self.url]
        self._process = subprocess.Popen(command)
        wait_for(self._process, self.port)

    def stop(self) -> None:
        stop(self._process)

    def modify(self, ldif: str) -> None:
        """Change entries, as `ldapmodify` reads it."""
        who = ["-x", "-H", self.url, "-D", ADMINISTRATOR, "-w", ADMINISTRATOR_PASSWORD]
        self._run("ldapmodify", *who, text=ldif)

    @staticmethod
    def _run(name: str, *arguments: str, text: str = "") -> None:
        done = subprocess.run(
            [str(program(name)), *arguments], input=text, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"


@contextlib.contextmanager
def running_slapd(folder: Path) -> Iterator[Slapd]:
    """Run a slapd of our own."""
    need("slapd", "slapadd", "ldapmodify", "ldap3")
    with own_port() as port:
        server = Slapd(folder, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def slapd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """One slapd for the whole run: change only what no other test looks at."""
    with running_slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
def own_slapd(tmp_path: Path) -> Iterator[Slapd]:
    """A slapd that the test may change and stop."""
    with running_slapd(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a redis-server that keeps nothing on disk, without a database's number."""
    need("redis-server", "redis")
    with own_port() as port, running_redis(port, tmp_path_factory.mktemp("redis")):
        yield f"redis://127.0.0.1:{port}"


class running_redis:  # noqa: N801 - used like a function
    """with running_redis(port, folder): a redis-server of our own."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port, self._folder = port, folder

    def __enter__(self) -> subprocess.Popen[bytes]:
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        command = [*TIED_TO_THE_RUN, str(program("redis-server")), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self._process, self._port)
        return self._process

    def __exit__(self, *_: object) -> None:
        stop(self._process)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of an empty database in the run's redis-server."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return f"{redis_server}/0"


Unique = Callable[[], str]


@pytest.fixture
def unique() -> Unique:
    """unique() is a key that no other test uses."""
    return lambda: uuid.uuid4().hex
