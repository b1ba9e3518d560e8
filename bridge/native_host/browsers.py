"""Which browsers there are, and where each looks for native messaging hosts and for policies.

Chromium's documentation of native messaging and of policies on Linux; Firefox's native manifests, and policy templates.
A browser in a snap or a flatpak starts no program outside of it: such ones are named, so that nobody wonders.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import HOST_NAME


@dataclass(frozen=True)
class Browser:
    """A browser. `user` is a folder below the user's home, or below XDG_CONFIG_HOME where it begins with `.config`."""

    name: str
    is_firefox: bool
    programs: tuple[str, ...]
    system: Path
    user: Path
    policies: tuple[Path, ...]
    snap: str
    flatpak: str

    def manifest(self, place: Place) -> Path:
        """Return where the host's manifest goes, for all users or for one."""
        return place.below(self.user if place.is_user else self.system) / f"{HOST_NAME}.json"


@dataclass(frozen=True)
class Place:
    """For whom something is installed: all users, or one, whose environment says where their files are.

    `destdir` comes before every path, for those who make packages.
    """

    is_user: bool
    environment: Mapping[str, str]
    destdir: Path = Path("/")

    def below(self, folder: Path) -> Path:
        """Return a folder of the system, or a user's folder that is given as below their home."""
        if folder.parts[:1] == (".config",):
            folder = Path(self.environment.get("XDG_CONFIG_HOME") or self._home / ".config", *folder.parts[1:])
        return self.destdir / (self._home / folder).relative_to("/")

    @property
    def wrapper(self) -> Path:
        """Return where the executable goes that every manifest names."""
        if not self.is_user:
            return self.destdir / "usr/local/lib/lanyard/native-host"
        data = Path(self.environment.get("XDG_DATA_HOME") or self._home / ".local/share")
        return self.destdir / (data / "lanyard/native-host").relative_to("/")

    @property
    def target(self) -> str:
        """Return what the manifests say of the executable: where it is once the package is installed."""
        return str(Path("/") / self.wrapper.relative_to(self.destdir))

    @property
    def bases(self) -> frozenset[Path]:
        """Return the folders that stay however empty they are: those below are there for browsers, or for us."""
        system = ("etc", "etc/opt", "usr/lib", "usr/local/lib")
        own = (self.environment.get(name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"))
        places = (self._home, *filter(None, own)) if self.is_user else system
        return frozenset(self.destdir / str(place).lstrip("/") for place in places)

    @property
    def _home(self) -> Path:
        return Path(self.environment.get("HOME") or Path.home()) if self.is_user else Path("/")


BROWSERS = (
    Browser(
        name="Chromium",
        is_firefox=False,
        programs=("chromium", "chromium-browser"),
        system=Path("/etc/chromium/native-messaging-hosts"),
        user=Path(".config/chromium/NativeMessagingHosts"),
        policies=(Path("/etc/chromium/policies/managed"),),
        snap="chromium",
        flatpak="org.chromium.Chromium",
    ),
    Browser(
        name="Chrome",
        is_firefox=False,
        programs=("google-chrome", "google-chrome-stable"),
        system=Path("/etc/opt/chrome/native-messaging-hosts"),
        user=Path(".config/google-chrome/NativeMessagingHosts"),
        policies=(Path("/etc/opt/chrome/policies/managed"),),
        snap="",
        flatpak="com.google.Chrome",
    ),
    Browser(
        name="Edge",
        is_firefox=False,
        programs=("microsoft-edge", "microsoft-edge-stable"),
        system=Path("/etc/opt/edge/native-messaging-hosts"),
        user=Path(".config/microsoft-edge/NativeMessagingHosts"),
        policies=(Path("/etc/opt/edge/policies/managed"),),
        snap="",
        flatpak="com.microsoft.Edge",
    ),
    Browser(
        name="Firefox",
        is_firefox=True,
        programs=("firefox", "firefox-esr"),
        system=Path("/usr/lib/mozilla/native-messaging-hosts"),
        user=Path(".mozilla/native-messaging-hosts"),
        policies=(
            Path("/etc/firefox/policies"),
            Path("/usr/lib/firefox/distribution"),
            Path("/usr/lib/firefox-esr/distribution"),
        ),
        snap="firefox",
        flatpak="org.mozilla.firefox",
    ),
)


def find_program(browser: Browser, path: str | None = None) -> Path | None:
    """Return the browser's program outside of snap and flatpak, on `path` or on PATH."""
    found = filter(None, (shutil.which(name, path=path) for name in browser.programs))
    return next((Path(each) for each in found if not _is_snap(Path(each))), None)


def _is_snap(program: Path) -> bool:
    """Return whether a program is snap's own, or the script by which Ubuntu's package starts one."""
    if program.parts[:2] == ("/", "snap") or program.resolve().name == "snap":
        return True
    try:
        with program.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith(b"#!") and b"/snap/bin/" in start


def caged(root: Path = Path("/"), home: Path | None = None) -> Iterator[tuple[Browser, str]]:
    """Yield each browser that is there as a snap or a flatpak, with that word."""
    exports = [root / "var/lib/flatpak/exports/bin", (home or Path.home()) / ".local/share/flatpak/exports/bin"]
    for browser in BROWSERS:
        if browser.snap and (root / "snap/bin" / browser.snap).exists():
            yield browser, "snap"
        if any((folder / browser.flatpak).exists() for folder in exports):
            yield browser, "flatpak"
