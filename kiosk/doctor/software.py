"""This PC's software for smartcards: pcscd, the PKCS#11 modules of cards' makers, and other programs that use cards."""

from __future__ import annotations

import errno
import os
import socket
from importlib.util import find_spec
from pathlib import Path

from agent import AgentError, Fault, PcscContext, pkcs11_modules

from .findings import Finding, Findings, Stop, Trouble
from .surroundings import Surroundings

_SERVICE, _MODULES, _PROGRAMS = "smartcard service", "middleware", "other programs"
_SOCKET = "/run/pcscd/pcscd.comm"
_DAEMON = ("/usr/sbin/pcscd", "/sbin/pcscd")
_MASK = "/etc/systemd/system/pcscd.socket"
_LIBRARY = "libpcsclite"
_GNUPG = "scdaemon"  # which takes readers for itself, without pcscd
_OURS = ("agent.py", "lanyard", "kiosk")  # in the command line


def look_at_service(around: Surroundings) -> Findings:
    """Yield whether the service lets the agent in."""
    if around.settings.reader.startswith("embedded"):
        yield Finding(_SERVICE, "The reader of the demonstration needs none.")
        return
    try:
        _ask(around)
    except OSError:
        raise Stop(Finding(_SERVICE, "libpcsclite is not on this PC.", Trouble.NO_LIBRARY)) from None
    except AgentError as error:
        raise Stop(_why_not(error, around)) from None
    yield Finding(_SERVICE, "pcscd answers, and lets this user in.")


def can_be_asked(around: Surroundings) -> bool:
    """Return whether readers and cards can be looked at."""
    try:
        _ask(around)
    except (OSError, AgentError):
        return False
    return True


def _ask(around: Surroundings) -> None:
    """Open a connection to the service, and close it. Raises OSError without a library, AgentError."""
    PcscContext(around.library()).close()


def _why_not(error: AgentError, around: Surroundings) -> Finding:
    if error.fault is Fault.SERVICE_REFUSES:
        return Finding(_SERVICE, "pcscd runs, and polkit does not let this user in.", Trouble.SERVICE_REFUSES)
    trouble, says = _why_silent(around)
    return Finding(_SERVICE, f"{says} ({error.technical})", trouble)


def _why_silent(around: Surroundings) -> tuple[Trouble, str]:
    """Return why nobody answers, from what lies on the PC."""
    if not around.has(*_DAEMON):
        return Trouble.SERVICE_NOT_INSTALLED, "pcscd is not installed."
    mask = around.path(_MASK)
    if mask.is_symlink() and os.readlink(mask) == os.devnull:
        return Trouble.SERVICE_MASKED, "pcscd is installed, and its socket is masked: it may not start."
    place = around.path(around.environment.get("PCSCLITE_CSOCK_NAME", _SOCKET))
    if not place.exists():
        return Trouble.SERVICE_STOPPED, f"pcscd is installed and does not run: there is no {place}."
    if _connect(str(place)) in (errno.EACCES, errno.EPERM):
        return Trouble.SERVICE_SOCKET_CLOSED, f"This user may not open {place}."
    return Trouble.SERVICE_DEAD, f"Nobody answers at {place}: pcscd has died or hangs."


def _connect(place: str) -> int:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1)
        try:
            return link.connect_ex(place)
        except OSError:  # a timeout, or a path that is too long
            return errno.ETIMEDOUT


def look_at_modules(around: Surroundings) -> Findings:
    """Yield which modules there are, and whether the agent can use them where it is to."""
    wanted = around.settings.reader.startswith("pkcs11:")
    modules = pkcs11_modules()
    if wanted and not find_spec("PyKCS11"):
        yield Finding(_MODULES, "The agent is to use PKCS#11, and PyKCS11 is missing.", Trouble.NO_TOKEN_LIBRARY)
    if wanted and not modules and "module-path" not in around.settings.reader:
        yield Finding(_MODULES, "The agent is to use PKCS#11, and p11-kit knows no module.", Trouble.NO_MODULE)
    for module in modules:
        if Path(module).is_absolute() and not Path(module).exists():
            yield Finding(_MODULES, f"p11-kit names {module}, which is not there.", Trouble.MODULE_MISSING)
    known = ", ".join(Path(module).name for module in modules)
    yield Finding(_MODULES, f"p11-kit knows: {known}." if known else "None is installed, and PIV cards need none.")


def look_at_programs(around: Surroundings) -> Findings:
    """Yield which programs have the smartcard library loaded, as far as this user may see that."""
    names = {name for folder, name in around.processes() if name == _GNUPG or _uses_cards(around, folder)}
    if _GNUPG in names:
        yield Finding(_PROGRAMS, "GnuPG's scdaemon runs, and takes readers for itself.", Trouble.CARD_TAKEN_BY_GNUPG)
    if others := sorted(names - {_GNUPG, "pcscd"}):
        yield Finding(_PROGRAMS, f"These use smartcards too: {', '.join(others)}.", Trouble.OTHER_PROGRAMS)
    if not names - {"pcscd"}:
        yield Finding(_PROGRAMS, "No other program of this user uses smartcards.")


def _uses_cards(around: Surroundings, folder: Path) -> bool:
    """Return whether a process has the library loaded, and is none of ours."""
    place = f"/{folder.relative_to(around.root)}"
    if folder.name == str(os.getpid()) or _LIBRARY not in around.text(f"{place}/maps"):
        return False
    return not any(name in around.text(f"{place}/cmdline") for name in _OURS)
