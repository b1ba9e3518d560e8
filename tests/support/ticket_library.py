"""The ticket library as its users have it, built once for the run, and programs that call it.

Fixtures: ticket_library is installed by its Makefile; ticket_calls is ticket_calls.c with the library's source, under
the sanitizers; impatient_calls has shorter limits.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.machine import need
from support.source import ROOT

SOURCES = ROOT / "bridge" / "clients" / "c"
CALLS = Path(__file__).with_name("ticket_calls.c")
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")

NO_SESSION, NO_AGENT, NO_ANSWER, TOO_SMALL, BUSY = 0x80800002, 0x80800003, 0x80100007, 0x80100004, 0x80100006
NOT_INITIALISED, WRONG_PARAMETER, BAD_HANDLE, AGENT_FAILED = 0x80100002, 0x80100003, 0x80100005, 0x8010000A
# Every code of the Windows agent, with the one that a Java program sees for it.
JAVA_CODES = {
    **dict.fromkeys((0x80100001, 0x80100003, 0x80100006, 0x80100007, 0x80100008), 1),
    **dict.fromkeys((0x80800002, *range(0x80800004, 0x80800008)), 2),
    0x80100002: 3,
    0x80100004: 4,
    0x80100005: 7,
    0x80400001: 8,
    0x80800001: 6,
    **dict.fromkeys((0x80400005, 0x80800003), 5),
    **dict.fromkeys((0x80400002, 0x80400004, 0x80400006, 0x80400007), 9),
    **dict.fromkeys((0x80100009, *range(0x80200001, 0x80200008), 0x80400003, 0x80400008), 10),
    **dict.fromkeys((0x8010000A, 0x8010000B), 0x100),
}


@dataclass(frozen=True)
class Result:
    """What one call returned: its result, and of a call with a buffer the used size and what the buffer holds."""

    call: str
    code: int
    used: int = 0
    text: str = ""


Calls = Callable[..., list[Result]]


def compiled(program: Path, *arguments: str | Path) -> Path:
    """Compile a C program with every warning an error, and return it."""
    command = ["gcc", *STRICT, *map(str, arguments), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return program


def linked(program: Path, library: Path, source: Path) -> Path:
    """Compile a C program for the library that is installed under a prefix."""
    options = ("-O2", "-Wl,-z,now", f"-Wl,-rpath,{library / 'lib'}", f"-I{library / 'include'}", f"-L{library / 'lib'}")
    return compiled(program, *options, source, "-lTicketApiDll")


def run_calls(*command: str | Path, **options: object) -> list[Result]:
    """Run a ticket_calls program, which must end well and say nothing but results."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload]
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    lines = re.findall(r"^(\w+) ([0-9A-F]+)(?: (\d+) (.*))?$", done.stdout, re.MULTILINE)
    return [Result(call, int(code, 16), int(used or 0), text) for call, code, used, text in lines]


@pytest.fixture(scope="session")
def ticket_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the prefix under which `make install` put the library, its header, its pkg-config file and its jar."""
    need("gcc", "make")
    folder = tmp_path_factory.mktemp("ticket-library")
    make("install", f"PREFIX={folder / 'usr'}", f"BUILD={folder / 'build'}", "CFLAGS=-O2 -g -Werror")
    return folder / "usr"


def make(*arguments: str) -> str:
    """Run the library's Makefile, which must warn of nothing; return what it said."""
    done = subprocess.run(["make", "-C", str(SOURCES), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def ticket_calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Return what makes calls of the library, one after another, in a program of their own under the sanitizers."""
    return _calls(tmp_path_factory.mktemp("ticket-calls"))


@pytest.fixture(scope="session")
def impatient_calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Return ticket_calls with limits that are a hundred times shorter."""
    return _calls(tmp_path_factory.mktemp("impatient-calls"), "-DMILLISECONDS=10")


def _calls(folder: Path, *options: str) -> Calls:
    need("gcc")
    program = compiled(folder / "calls", *SANITIZED, *options, f"-I{SOURCES}", CALLS, SOURCES / "TicketApi.c")
    return lambda *calls, **options: run_calls(*at_fixed_addresses(), program, *calls, **options)


@functools.cache
def at_fixed_addresses() -> tuple[str, ...]:
    """Return what to put before a program with sanitizers: older ones fail where newer kernels put memory at random."""
    works = subprocess.run(["setarch", "--addr-no-randomize", "true"], capture_output=True).returncode == 0
    return ("setarch", "--addr-no-randomize") if works else ()


def without(*names: str) -> dict[str, str]:
    """Return this process's environment without some variables."""
    return {name: value for name, value in os.environ.items() if name not in names}
