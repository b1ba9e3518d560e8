"""From a browser to the native host: the manifest that it finds, the program that this names, and what it answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile
from typing import IO, Any, cast

from .. import __version__
from ..native_host import HOST_NAME
from ..native_host.browsers import Browser
from ..native_host.frames import BrokenStream, MessageTooLong, encode, read_message
from ..native_host.installing import is_firefox_id
from .findings import Broken, Fault
from .surroundings import Surroundings, inner

SECONDS = 10

_MOST_SAID = 1 << 16


def check_host(browser: Browser, around: Surroundings) -> str:
    """Return what is to be said of a host that answers. Raises Broken."""
    path = _find_manifest(browser, around)
    manifest = _read_manifest(path)
    extension = _check_extension(browser, path, manifest, around)
    program = _check_program(path, manifest)
    version = _speak(_command(browser, path, program, extension), around)
    if version != __version__:
        says = f"{program} is of version {version}, and this program of {__version__}."
        raise Broken(Fault.VERSION_MISMATCH, says)
    return f"{program} answers, by {path}."


def is_users_own(browser: Browser, around: Surroundings) -> bool:
    """Return whether the manifest that the browser takes is in the user's own folder."""
    return browser.manifest(around.places[0]).exists()


def _find_manifest(browser: Browser, around: Surroundings) -> Path:
    paths = [browser.manifest(place) for place in around.places]
    for path in paths:
        if path.exists():
            return path
    raise Broken(Fault.NO_MANIFEST, f"There is neither {paths[0]} nor {paths[1]}.")


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Broken(Fault.MANIFEST_NOT_JSON, f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(manifest, dict) or manifest.get("name") != HOST_NAME or manifest.get("type") != "stdio":
        raise Broken(Fault.MANIFEST_NOT_JSON, f"{path} is no manifest of {HOST_NAME}.")
    return manifest


def _check_extension(browser: Browser, path: Path, manifest: dict[str, Any], around: Surroundings) -> str:
    """Return the id of an extension that the manifest lets in, and that the settings know."""
    known = [each for each in around.settings().extension_ids if is_firefox_id(each) == browser.is_firefox]
    key = "allowed_extensions" if browser.is_firefox else "allowed_origins"
    listed = manifest.get(key)
    for each in known:
        if isinstance(listed, list) and (each if browser.is_firefox else f"chrome-extension://{each}/") in listed:
            return each
    raise Broken(Fault.MANIFEST_WRONG_EXTENSION, f"{path} does not let in the extension {' or '.join(known)}.")


def _check_program(path: Path, manifest: dict[str, Any]) -> Path:
    program = Path(str(manifest.get("path")))
    if not program.is_absolute() or not program.is_file():
        raise Broken(Fault.MANIFEST_WRONG_PATH, f"{path} names {program}, which is not there.")
    if not os.access(program, os.X_OK):
        raise Broken(Fault.HOST_NOT_EXECUTABLE, f"{program} is not executable for you.")
    return program


def _command(browser: Browser, manifest: Path, program: Path, extension: str) -> list[str]:
    """Return how the browser would start the program."""
    if browser.is_firefox:
        return [str(program), str(manifest), extension]
    return [str(program), f"chrome-extension://{extension}/"]


def _speak(command: list[str], around: Surroundings) -> str:
    """Return the version that the program says it has. Raises Broken."""
    with _start(command, around) as process:
        patience = threading.Timer(SECONDS, _kill, [process])
        patience.start()
        try:
            answer = _read_answer(command[0], process)
        finally:
            patience.cancel()
            _kill(process)
    version = inner(answer, "data", "version")
    if isinstance(version, str):
        return _printable(version)
    raise Broken(Fault.HOST_CRASHES, f"{command[0]} answers: {_printable(str(inner(answer, 'errorDescription')))}")


def _start(command: list[str], around: Surroundings) -> subprocess.Popen[bytes]:
    """Start the program with our question on its stdin. Raises Broken."""
    with TemporaryFile() as question:
        question.write(encode({"method": "getBridgeVersion"}))
        question.seek(0)
        environment = dict(around.environment)
        try:
            return subprocess.Popen(
                command, stdin=question, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
            )
        except OSError as error:
            raise Broken(Fault.HOST_CRASHES, f"{command[0]} cannot be started: {error.strerror}.") from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and whatever it has started, which would keep its pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _read_answer(name: str, process: subprocess.Popen[bytes]) -> object:
    try:
        body = read_message(cast(IO[bytes], process.stdout))
        if body is not None:
            return json.loads(body)
    except (BrokenStream, MessageTooLong, ValueError, RecursionError):
        raise Broken(Fault.HOST_CRASHES, f"{name} answers something that is no message.") from None
    code = process.wait()
    if code == -signal.SIGKILL:
        raise Broken(Fault.HOST_MUTE, f"{name} says nothing for {SECONDS} s.")
    said = _last_line(cast(IO[bytes], process.stderr).read(_MOST_SAID))
    raise Broken(Fault.HOST_CRASHES, f"{name} ended with {code}: {said}")


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return _printable(lines[-1]) if lines else "it said nothing."


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:200]
