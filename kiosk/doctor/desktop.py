"""The desktop: whether there is a display for the window, which kind it is, and what else it does with smartcards."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from agent import is_wayland

from .findings import Finding, Findings, Trouble
from .surroundings import Surroundings

SUBJECT = "desktop"
_TELLS_OF_LOCKS = {"GNOME", "KDE"}  # which set logind's LockedHint
_GDM = ("/usr/sbin/gdm3", "/usr/sbin/gdm")
_GDM_KEYS = "/etc/dconf/db/gdm.d/*"
_GDM_DATABASE, _GDM_PROFILE = "/etc/dconf/db/gdm", "/etc/dconf/profile/gdm"
_DEBIANS_KEYS = ("/etc/gdm3/greeter.dconf-defaults", "/usr/share/gdm/dconf/*")  # which GDM itself reads as it starts
_OFF = "enable-smartcard-authentication=false"


def look_at_desktop(around: Surroundings) -> Findings:
    """Yield what is to be said of display, session and desktop."""
    yield _display(around)
    yield _session(around)
    if around.settings.kiosk and not find_spec("Xlib"):
        yield Finding("python3-xlib", "It is missing, and the kiosk covers the screen by it.", Trouble.NO_XLIB)
    yield _desktop_sign_in(around)
    if around.settings.enhanced_normal:
        yield _lock_seen(around)


def _display(around: Surroundings) -> Finding:
    """Looked at by a program of its own, because Xlib ends whoever asks a display that refuses."""
    if not find_spec("tkinter"):
        return Finding("display", "The window needs Tk, which is not installed.", Trouble.NO_TK)
    name = around.environment.get("DISPLAY", "")
    if not name:
        return Finding("display", "DISPLAY is not set: there is no screen for the window.", Trouble.NO_DISPLAY)
    look = "import tkinter; root = tkinter.Tk(); print(root.winfo_screenwidth(), root.winfo_screenheight())"
    done = around.run(around.python, "-c", look)
    if done.returncode:
        return Finding("display", f"The display {name} does not let this user in.", Trouble.DISPLAY_REFUSES)
    return Finding("display", f"The display {name} has {' x '.join(done.stdout.split())} pixels.")


def _session(around: Surroundings) -> Finding:
    says = around.environment.get("XDG_SESSION_TYPE", "")
    if not is_wayland(around.environment):
        return Finding("session", "It is an X11 session." if says == "x11" else "It is no Wayland session.")
    trouble = Trouble.WAYLAND_KIOSK if around.settings.kiosk else Trouble.WAYLAND
    return Finding("session", "It is a Wayland session, where no program can cover the screen.", trouble)


def _desktop_sign_in(around: Surroundings) -> Finding:
    """GDM takes every card for its own sign-in, and locks out those with passwords, unless dconf forbids it."""
    subject = "desktop's own smartcard sign-in"
    if not around.has(*_GDM):
        return Finding(subject, "GDM, which has one, is not installed.")
    if _switched_off(around, *_DEBIANS_KEYS):
        return Finding(subject, "It is switched off for GDM.")
    keys = _switched_off(around, _GDM_KEYS)
    if not keys:
        return Finding(subject, "GDM takes any card in the reader for its own.", Trouble.DESKTOP_SIGN_IN)
    if "system-db:gdm" not in around.text(_GDM_PROFILE):
        says = f"It is switched off in {keys[0]}, which {_GDM_PROFILE} does not name."
        return Finding(subject, says, Trouble.DESKTOP_SIGN_IN)
    database = around.path(_GDM_DATABASE)
    if not database.exists() or database.stat().st_mtime < keys[0].stat().st_mtime:
        return Finding(subject, f"It is switched off in {keys[0]}, which does not count yet.", Trouble.DCONF_STALE)
    return Finding(subject, "It is switched off for GDM.")


def _switched_off(around: Surroundings, *patterns: str) -> list[Path]:
    """Return the files with a line that switches it off."""
    files = [path for path in around.find(*patterns) if path.is_file()]
    return [path for path in files if _OFF in path.read_text(errors="replace").splitlines()]


def _lock_seen(around: Surroundings) -> Finding:
    """Enhanced Normal asks for the passcode again after the desktop was locked, where the desktop tells logind."""
    desktop = around.environment.get("XDG_CURRENT_DESKTOP", "")
    if _TELLS_OF_LOCKS & set(desktop.split(":")):
        return Finding("desktop's lock", f"{desktop} tells logind when it locks the screen.")
    says = f"{desktop or 'This desktop'} does not tell logind when it locks the screen (LockedHint)."
    return Finding("desktop's lock", says, Trouble.DESKTOP_LOCK_UNSEEN)
