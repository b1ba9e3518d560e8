"""The command `chromium`: becomes Chromium with a profile for this session, or prints the policies for it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import ProgramFailed, SettingsError
from ..settings import SYSTEM_FILE, Settings, load, load_file
from .policies import policies_text

FOLDER = "LANYARD_SESSION_DIR"
POLICY_FILE = "/etc/chromium/policies/managed/lanyard-kiosk.json"
SWITCHES = (
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-crash-restore-bubble",
    "--noerrdialogs",
    "--disable-breakpad",
    "--password-store=basic",
)
"""No questions that a new profile would ask, no crash reports, no keyring that would outlive the session."""

_DESCRIPTION = f"""\
Becomes Chromium, for a session that `lanyard-kiosk hooks` has started it in. In {SYSTEM_FILE}:

  [[locked.programs]]
  name = "browser"
  command = ["lanyard-kiosk", "chromium", "https://app.example"]

Profile, cache, downloads and HOME are in the session's folder, in memory, and are wiped when the session ends; nothing
of the user's own profile is read. Chromium leaves room for the agent's bar, unless it is told --full-screen.

Policies close what a shared PC must not offer: other extensions, developer tools, signing in to the browser, saved
passwords, guests, private windows. They count for every Chromium of this PC:

  lanyard-kiosk chromium --policy > {POLICY_FILE}

The bridge's extension is installed by them where kiosk.toml names it, packed with a key of your own (see "On a shared
PC" in docs/applications.md):

  extensions = ["abcdefghijklmnopabcdefghijklmnop;file:///opt/lanyard/update.xml"]
"""


def add_to(commands: Any) -> None:
    """Add the command to an argparse parser's subcommands."""
    parser = commands.add_parser(
        "chromium",
        help="a browser whose profile ends with the session; policies for it",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pages", nargs="*", metavar="URL", help="what to open, http or https")
    parser.add_argument("--full-screen", action="store_true", help="cover the agent's bar too (Chromium's kiosk mode)")
    parser.add_argument("--policy", action="store_true", help="print the policies, start nothing")
    parser.add_argument("--config", type=Path, metavar="FILE", help="read this file in place of the usual two")
    parser.set_defaults(do=run)


def run(options: argparse.Namespace) -> int:
    """Print the policies, or become Chromium. Raises SettingsError, ProgramFailed."""
    settings = load_file(options.config) if options.config else load()
    if options.policy:
        print(policies_text(settings.extensions))
        return 0
    folder = session_folder(os.environ)
    command = chromium_command(settings, folder, options.pages, full_screen=options.full_screen)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.execvpe(command[0], command, chromium_environment(os.environ, folder))  # noqa: S606
    except OSError as error:
        raise ProgramFailed(f"{command[0]} cannot be started: {error.strerror}.") from None


def session_folder(environment: Mapping[str, str]) -> Path:
    """Return where everything of this browser is to be. Raises SettingsError outside of a session."""
    folder = environment.get(FOLDER, "")
    if not folder.startswith("/"):
        raise SettingsError(f"{FOLDER} is not set: `lanyard-kiosk hooks` starts this command, see --help.")
    return Path(folder, "chromium")


def chromium_command(settings: Settings, folder: Path, pages: Sequence[str], *, full_screen: bool) -> list[str]:
    """Return Chromium's command. Raises SettingsError for a page that is none."""
    for page in pages:
        check_page(page)
    size = "--kiosk" if full_screen else "--start-maximized"
    return [*settings.browser, *SWITCHES, f"--user-data-dir={folder / 'profile'}", size, "--", *pages]


def check_page(page: str) -> None:
    """Raises SettingsError for what is no page of the web, such as another option, or a file of this PC."""
    try:
        parts = urlsplit(page)
        is_page = parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:
        is_page = False
    if not is_page:
        raise SettingsError(f"{page} is no page to open: it begins with neither https:// nor http://.")


def chromium_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return an environment in which downloads, caches and recent files land in the session's folder too."""
    homes = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return {name: value for name, value in environment.items() if name not in homes} | {"HOME": str(folder)}
