"""Lanyard as pip installs it: a wheel in a virtual environment of its own. The fixture is `installed`.

The environment borrows the dependencies of the Python that runs the tests, so that nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = [
    name for name in ("agent.py", "demo.py", "bridge", "emulator", "kiosk", "spine_stub") if (ROOT / name).exists()
]
BUILD = "import setuptools.build_meta, sys; print(setuptools.build_meta.build_wheel(sys.argv[1]))"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with nothing but the wheel in it."""

    wheel: Path
    bin: Path

    def run(self, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in a folder, with settings and data of its own."""
        return subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=folder,
            env=self.environment(folder),
            capture_output=True,
            text=True,
        )

    def environment(self, folder: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
        return kept | {"PATH": f"{self.bin}:{os.environ['PATH']}", "XDG_DATA_HOME": str(folder / "data")}


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel with every warning an error, and install it."""
    if importlib.util.find_spec("setuptools") is None or _setuptools_is_too_old():
        pytest.skip("needs setuptools 77, which pyproject.toml asks for")
    folder = tmp_path_factory.mktemp("installed")
    wheel = _build(folder / "source", folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    program = python.parent / "pytest"
    program.write_text(f"#!{python}\nimport sys, pytest\nsys.exit(pytest.console_main())\n")
    program.chmod(0o755)
    (packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in paths))
    return Installed(wheel, python.parent)


def _setuptools_is_too_old() -> bool:
    import setuptools

    return int(setuptools.__version__.partition(".")[0]) < 77


def _build(source: Path, destination: Path) -> Path:
    source.mkdir()
    for name in (*SHIPPED, "locale", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-W", "error", "-c", BUILD, str(destination)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return destination / built.stdout.split()[-1]
