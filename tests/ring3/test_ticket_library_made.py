"""The ticket library as people make and install it: its Makefile, pkg-config, what it exports, its size."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.machine import need
from support.ticket_library import CALLS, SANITIZED, SOURCES, STRICT, compiled, make, run_calls

VERBS = "Initialize Finalize GetGAVersion getTicket getTicketNoAuth getNewTicket destroyTicket getLastError"
FUNCTIONS = {f"_TcktApi_{name}" for name in (*VERBS.split(), "getErrorDescription", "isTerminalServiceSession")}
FUNCTIONS |= {"GetDllVersion"}
METHODS = "initialize finalize getDllVersion getGAVersion getTicketBuf getNewTicketBuf destroyTicket getLastError"
NATIVES = {f"Java_com_gemplus_gemauth_api_GATicket_{name}" for name in (*METHODS.split(), "getErrorDescription")}
TYPES = """
#define TICKET_API_TYPES
#include <TicketApi.h>
_TcktApi_getTicket *get_ticket;
DWORD code = TCK_API_SUCCESS;
"""


def exported(library: Path) -> set[str]:
    need("nm")
    lines = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in lines.splitlines()}


def test_it_exports_what_programs_call_and_nothing_else(ticket_library: Path) -> None:
    need("javac")
    assert exported(ticket_library / "lib/libTicketApiDll.so") == FUNCTIONS | NATIVES


def test_without_java_it_is_built_for_c_and_says_so(tmp_path: Path) -> None:
    need("gcc", "make")
    said = make(f"BUILD={tmp_path}", "JAVA_HOME=/nowhere", "JAVAC=")
    assert "No jni.h under /nowhere/include: the library is built without the methods for Java." in said
    assert [path.name for path in tmp_path.iterdir()] == ["libTicketApiDll.so"]
    assert exported(tmp_path / "libTicketApiDll.so") == FUNCTIONS


def test_java_that_is_installed_later_gets_its_methods(tmp_path: Path) -> None:
    need("gcc", "make", "javac")
    make(f"BUILD={tmp_path}", "JAVA_HOME=/nowhere", "JAVAC=")
    make(f"BUILD={tmp_path}")
    assert exported(tmp_path / "libTicketApiDll.so") == FUNCTIONS | NATIVES
    assert "-shared" not in make(f"BUILD={tmp_path}")


def test_pkg_config_leads_to_a_program(
    ticket_library: Path, socket_server: SocketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("pkg-config")
    monkeypatch.setenv("PKG_CONFIG_PATH", str(ticket_library / "lib/pkgconfig"))
    command = ["pkg-config", "--cflags", "--libs", "TicketApiDll"]
    options = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    program = compiled(tmp_path / "calls", CALLS, *options)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(ticket_library / "lib"))
    assert run_calls(program, "init", "ticket=254")[-1].text == "TICKET"


def test_a_package_is_made_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """As Debian's packages are: installed under DESTDIR, with paths that hold without it."""
    need("gcc", "make", "javac")
    before = os.umask(0o077)
    try:
        make("install", "PREFIX=/usr", "LIBDIR=/usr/lib/x", f"DESTDIR={tmp_path}/root", f"BUILD={tmp_path}/build")
    finally:
        os.umask(before)
    root = tmp_path / "root"
    assert all(path.stat().st_mode & 0o004 for path in root.rglob("*"))  # for other users, whatever the umask is
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == [
        "usr/include/TicketApi.h",
        "usr/lib/x/libTicketApiDll.so",
        "usr/lib/x/pkgconfig/TicketApiDll.pc",
        "usr/share/java/GATicket.jar",
    ]
    assert "prefix=/usr\nlibdir=/usr/lib/x\n" in (root / "usr/lib/x/pkgconfig/TicketApiDll.pc").read_text()


def test_the_class_is_for_java_8_and_newer(ticket_library: Path) -> None:
    need("javac")
    with zipfile.ZipFile(ticket_library / "share/java/GATicket.jar") as jar:
        (name,) = (each for each in jar.namelist() if each.endswith(".class"))
        header = jar.read(name)[:8]
    assert name == "com/gemplus/gemauth/api/GATicket.class"
    assert int.from_bytes(header[6:]) == 52  # the Java Virtual Machine Specification, table 4.1-A


@pytest.mark.parametrize("compiler", ["gcc", "clang", "clang++"])
def test_every_compiler_takes_header_and_source(tmp_path: Path, compiler: str) -> None:
    need(compiler)
    standard = "-std=c++17" if "++" in compiler else "-std=c11"
    program = tmp_path / f"types.{'cpp' if '++' in compiler else 'c'}"
    program.write_text(TYPES)
    command = [compiler, standard, *STRICT[1:], f"-I{SOURCES}", "-c"]
    sources = [program] if "++" in compiler else [program, SOURCES / "TicketApi.c"]
    done = subprocess.run([*command, *map(str, sources)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_strict_compiler_finds_nothing(tmp_path: Path) -> None:
    need("gcc")
    flags = (
        "-Wconversion",
        "-Wshadow",
        "-Wstrict-prototypes",
        "-Wmissing-prototypes",
        "-Wcast-qual",
        "-Wformat=2",
        "-O2",
    )
    compiled(tmp_path / "one", *SANITIZED, *flags, f"-I{SOURCES}", "-shared", "-fPIC", SOURCES / "TicketApi.c")


def test_the_library_stays_small() -> None:
    assert sum(len((SOURCES / name).read_text().splitlines()) for name in ("TicketApi.c", "TicketApi.h")) < 700
    assert max(len(line) for line in (SOURCES / "TicketApi.c").read_text().splitlines()) <= 120


def test_it_is_one_source_and_one_header() -> None:
    assert sorted(path.name for path in SOURCES.glob("*.[ch]")) == ["TicketApi.c", "TicketApi.h"]
    included = re.findall(r"#include ([<\"].*[>\"])", (SOURCES / "TicketApi.c").read_text())
    assert not [name for name in included if not re.fullmatch(r'<[a-z/]+\.h>|"TicketApi\.h"', name)]
