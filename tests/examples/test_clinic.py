"""Made-up clinical programs that were written for Windows, in C and Java, in a session of this PC.

The C program is compiled as it is; the Java program brings its own GATicket class, or has none and gets GATicket.jar.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.agent_socket import SocketServer, error
from support.machine import need
from support.source import ROOT
from support.ticket_library import JAVA_CODES, NO_SESSION, SANITIZED, compiled, make, without
from support.ticket_socket import LiveAgent

HERE = Path(__file__).parent
OWN_CLASS = ROOT / "tests/support/gaticket/com/gemplus/gemauth/api/GATicket.java"
Clinic = Callable[..., str]


@pytest.fixture(scope="session")
def c_clinic(ticket_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Return what runs the C program with a command, and returns what it says."""
    folders = (f"-I{HERE / 'windows'}", f"-I{ticket_library / 'include'}", "-Wno-pedantic", "-Wno-cast-function-type")
    program = compiled(tmp_path_factory.mktemp("clinic") / "clinic", *folders, HERE / "clinic.c", "-ldl")
    library = str(ticket_library / "lib")

    def run(command: str, environment: dict[str, str] | None = None) -> str:
        variables = (environment or without()) | {"LD_LIBRARY_PATH": library}
        return said_by(str(program), command, environment=variables)

    return run


@pytest.fixture(scope="session", params=["its own class", "GATicket.jar", "GATicket.jar and sanitizers"])
def java_clinic(
    request: pytest.FixtureRequest, ticket_library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Clinic:
    """Return what runs the Java program with commands, and returns what it says."""
    need("java", "javac")
    folder = tmp_path_factory.mktemp("java-clinic")
    library, variables = ticket_library / "lib", dict[str, str]()
    if "sanitizers" in request.param:
        library, variables = sanitized_library(folder / "build")
    jar = ticket_library / "share/java/GATicket.jar"
    sources = [HERE / "Clinic.java", *([OWN_CLASS] if request.param == "its own class" else [])]
    javac = ["javac", "-nowarn", "-cp", str(jar), "-d", str(folder), *map(str, sources)]
    subprocess.run(javac, check=True, capture_output=True)
    options = ("-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Xcheck:jni", f"-XX:ErrorFile={folder}/crash")
    java = ("java", *options, f"-Djava.library.path={library}", "-cp", f"{folder}:{jar}", "Clinic")

    def run(*commands: str, environment: dict[str, str] | None = None) -> str:
        return said_by(*java, *commands, environment=(environment or without()) | variables)

    return run


def sanitized_library(folder: Path) -> tuple[Path, dict[str, str]]:
    """Make the library with the sanitizers in it; return its folder, and what a JVM needs: it uses SIGSEGV itself."""
    make(f"BUILD={folder}", f"CFLAGS=-O1 -g {' '.join(SANITIZED)}")
    names = ("libasan.so", "libubsan.so")
    found = [subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip() for name in names]
    return folder, {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "handle_segv=0:detect_leaks=0"}


def said_by(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, env=environment)
    assert done.stderr == ""
    return done.stdout


def in_front_of(live: LiveAgent, does: Callable[[], object], clinic: Clinic, command: str) -> str:
    """Run the program, while the person does what it makes the agent ask for."""
    said: list[str] = []
    program = threading.Thread(target=lambda: said.append(clinic(command)))
    program.start()
    live.asks()
    does()
    program.join(60)
    return said[0]


def test_a_c_program_opens_checks_and_closes_the_session(live: LiveAgent, c_clinic: Clinic) -> None:
    assert c_clinic("check").startswith("Error 0x80100009: Nobody is signed in")
    ticket = live.signs_in()
    shown = f"Ticket of {len(ticket)} bytes: {ticket}\n"
    assert c_clinic("check") == shown
    assert c_clinic("open") == shown
    assert c_clinic("close") == "Closed\n"
    assert c_clinic("check").startswith("Error 0x80100009: ")


def test_a_c_program_has_the_person_sign_in(live: LiveAgent, c_clinic: Clinic) -> None:
    said = in_front_of(live, live.signs_in, c_clinic, "open")
    assert said == f"Ticket of {len(ticket_of(live))} bytes: {ticket_of(live)}\n"


def ticket_of(live: LiveAgent) -> str:
    return live.conductor.signed_in().session.ticket


def test_a_java_program_opens_renews_and_closes_the_session(live: LiveAgent, java_clinic: Clinic) -> None:
    ticket = live.signs_in()
    assert java_clinic("open", "close").splitlines() == [f"Ticket of {len(ticket)} characters: {ticket}", "Closed: 0"]
    said = in_front_of(live, live.types, java_clinic, "open")
    assert said == f"Ticket of {len(ticket_of(live))} characters: {ticket_of(live)}\n"
    assert ticket_of(live) != ticket


def test_every_code_comes_out_in_c(socket_server: SocketServer, c_clinic: Clinic) -> None:
    for code in JAVA_CODES:
        socket_server.answers = lambda _, code=code: error("Any", code, "So it is.")  # type: ignore[misc]
        for command in ("open", "check", "renew", "close"):
            assert c_clinic(command) == f"Error 0x{code:08X}: So it is.\n"


def test_every_code_comes_out_in_java(socket_server: SocketServer, java_clinic: Clinic) -> None:
    answers = iter([code for code in JAVA_CODES for _ in range(3)])
    socket_server.answers = lambda _: error("Any", next(answers), "So it is 𝄞.")
    said = java_clinic(*["open", "renew", "close"] * len(JAVA_CODES)).splitlines()
    assert said == [
        line for code in JAVA_CODES.values() for line in (*[f"Error {code}: So it is 𝄞."] * 2, f"Closed: {code}")
    ]


def test_a_java_program_goes_on_after_one_of_its_objects_was_collected(
    socket_server: SocketServer, java_clinic: Clinic
) -> None:
    socket_server.answers = lambda _: {"parameters": {"ticket": "Zoë 𝄞", "version": "2.3.4"}}
    said = java_clinic("open", "forget", "open", "versions")
    assert said == "Ticket of 6 characters: Zoë 𝄞\n" * 2 + f"Versions {0x10100} {0x20304}\n"


def test_without_a_session_both_say_so(c_clinic: Clinic, java_clinic: Clinic) -> None:
    environment = without("XDG_RUNTIME_DIR")
    assert c_clinic("open", environment).startswith(f"Error 0x{NO_SESSION:08X}: This is no desktop session")
    assert "This is no desktop session" in java_clinic("open", environment=environment)


def test_without_an_agent_both_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, c_clinic: Clinic, java_clinic: Clinic
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert c_clinic("open") == "Error 0x80800003: The agent is not running in this session.\n"
    assert java_clinic("open") == "Error 5: The agent is not running in this session.\n"
