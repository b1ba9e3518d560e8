"""Builds Lanyard's two Debian packages from this checkout: `python3 packaging/build.py FOLDER`. It needs dpkg-deb.

`lanyard` is agent, kiosk and bridge; `lanyard-testbed` is what replaces card and sign-in service on a PC for tests.
What they contain is said below; control files and maintainer scripts are in the folders of this one.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
CODE = "usr/share/lanyard"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.po", "*.pot")
# In the place of a command of pip: the code is in a folder of its own, where no other package's is.
COMMAND = """\
#!/usr/bin/python3 -P
import sys

sys.path.insert(0, "/{code}")
from {module} import main

sys.exit(main())
"""


@dataclass(frozen=True)
class Package:
    """What is in a package: parts of the checkout, commands by their module, and single files by their place."""

    name: str
    parts: tuple[str, ...]
    commands: Mapping[str, str]
    pages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)


PACKAGES = (
    Package(
        "lanyard",
        ("agent.py", "bridge", "kiosk", "locale"),
        {"lanyard": "agent", "lanyard-bridge": "bridge.__main__", "lanyard-kiosk": "kiosk.__main__"},
        ("docs/kiosk.md", "docs/modes.md", "docs/safety.md", "docs/applications.md"),
        {
            "kiosk/files/systemd": "usr/lib/systemd/user",
            "kiosk/files/sessions/lanyard-openbox.desktop": "usr/share/xsessions/lanyard-openbox.desktop",
            "kiosk/files/sessions/lanyard-bare.desktop": "usr/share/xsessions/lanyard-bare.desktop",
        },
    ),
    Package(
        "lanyard-testbed",
        ("demo.py", "emulator", "spine_stub"),
        {"lanyard-card": "emulator.cli", "lanyard-spine": "spine_stub.__main__"},
        ("docs/testing-with-the-card.md", "docs/testing-with-the-broker.md"),
    ),
)


def main() -> int:
    """Build what the arguments say, and print the paths of the packages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the packages go")
    parser.add_argument("--version", default=version(), help="another version number, for tests of an upgrade")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        print(build(package, options.folder, options.version))
    return 0


def version() -> str:
    """Return the version number that agent.py has."""
    found = re.search(r'^VERSION = "(.*)"$', (ROOT / "agent.py").read_text(), re.MULTILINE)
    if not found:
        raise SystemExit("agent.py has no VERSION")
    return found[1]


def build(package: Package, folder: Path, number: str) -> Path:
    """Return the path of the package that was built."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        copy_parts(package, root)
        write_commands(package, root)
        write_documents(package, root, number)
        write_control(package, root, number)
        set_modes(root)
        file = folder / f"{package.name}_{number}_all.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", place, str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return file


def copy_parts(package: Package, root: Path) -> None:
    """Copy the code, and the files that go elsewhere."""
    places = {part: f"{CODE}/{part}" for part in package.parts} | dict(package.files)
    for part, place in places.items():
        source, target = ROOT / part, root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_OUT, dirs_exist_ok=True)
        elif source.exists():
            shutil.copy(source, target)


def write_commands(package: Package, root: Path) -> None:
    """Write what is started, and a manual page for each made of what it says with --help."""
    for command, module in package.commands.items():
        write(root / "usr/bin" / command, COMMAND.format(code=CODE, module=module))
        write_zipped(root / f"usr/share/man/man1/{command}.1.gz", manual(command, module))


def manual(command: str, module: str) -> str:
    """Return a manual page in the language of man(7)."""
    asked = [
        sys.executable,
        "-P",
        "-c",
        f"import sys; sys.argv = ['{command}', '--help']; import {module} as m; m.main()",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "78"}
    done = subprocess.run(asked, check=True, capture_output=True, text=True, env=environment)
    text = done.stdout.replace("\\", "\\e").replace("-", "\\-")
    lines = [f"\\&{line}" if line[:1] in (".", "'") else line for line in text.splitlines()]
    head = [f'.TH "{command.upper()}" "1" "" "Lanyard" "User Commands"', ".SH NAME"]
    head += [f"{command} \\- {SHORT[command]}", ".SH DESCRIPTION", ".nf"]
    return "\n".join([*head, *lines, ".fi", ""])


SHORT = {
    "lanyard": "sign in with an NHS smartcard",
    "lanyard-bridge": "carry the ticket of a sign\\-in to browsers and other programs",
    "lanyard-kiosk": "make a shared PC of a PC",
    "lanyard-card": "virtual smartcards for tests",
    "lanyard-spine": "stand\\-in for the sign\\-in service, for tests",
}


def write_documents(package: Package, root: Path, number: str) -> None:
    """Write copyright, changes and the pages that people read."""
    folder = root / "usr/share/doc" / package.name
    write(folder / "copyright", (HERE / "copyright").read_text())
    for page in package.pages:
        if (ROOT / page).exists():
            write(folder / Path(page).name, (ROOT / page).read_text())
    when = format_datetime(datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600")), UTC))
    maintainer = fields(package)["Maintainer"]
    entry = f"lanyard ({number}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n"
    write_zipped(folder / "changelog.gz", f"{entry} -- {maintainer}  {when}\n")


def write_control(package: Package, root: Path, number: str) -> None:
    """Write control, md5sums and the maintainer scripts."""
    folder = root / "DEBIAN"
    sizes = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    text = (HERE / package.name / "control").read_text().replace("@VERSION@", number)
    write(folder / "control", f"{text.rstrip()}\n".replace("@SIZE@", str(sizes // 1024)))
    sums = subprocess.run(["md5sum", *sorted(files(root))], cwd=root, check=True, capture_output=True, text=True)
    write(folder / "md5sums", sums.stdout)
    for script in ("postinst", "prerm"):
        write(folder / script, (HERE / script).read_text().replace("@PACKAGE@", package.name))


def files(root: Path) -> Iterator[str]:
    """Yield the files of a package, without those that tell dpkg about it."""
    for path in root.rglob("*"):
        if path.is_file() and "DEBIAN" not in path.parts:
            yield str(path.relative_to(root))


def fields(package: Package) -> dict[str, str]:
    """Return the single-line fields of a package's control file."""
    text = (HERE / package.name / "control").read_text()
    return dict(re.findall(r"^(\S+): (.*)$", text, re.MULTILINE))


def set_modes(root: Path) -> None:
    """Make programs executable, and nothing else."""
    for path in root.rglob("*"):
        runs = path.is_dir() or (path.read_bytes()[:2] == b"#!" and not is_module(path))
        path.chmod(0o755 if runs else 0o644)


def is_module(path: Path) -> bool:
    """Return whether a file with an interpreter's line is imported and not started."""
    return path.suffix == ".py"


def write(path: Path, text: str) -> None:
    """Write a file, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_zipped(path: Path, text: str) -> None:
    """Write a file in the way that the Debian policy asks for: as small as can be, without a date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    sys.exit(main())
