"""Guards that hold for every test, and the fixtures of tests/support."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# The machine may be slow, and what CI says about a commit must be the same tomorrow.
hypothesis.settings.register_profile("lanyard", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("lanyard")

pytest_plugins = [
    f"support.{name}"
    for name in (
        "reader",
        "screen",
        "spine",
        "emulator",
        "agent",
        "agent_program",
        "kept",
        "two_readers",
        "agent_socket",
        "ticket_socket",
        "bridge",
        "native_program",
        "ticket_library",
        "tokens",
        "lying_broker",
        "window",
        "kiosk",
        "workplace",
        "servers",
        "cis2_logout",
        "browser",
        "bridge_pc",
        "hooks",
        "settings",
        "extension",
        "programs",
        "debian",
        "container",
        "own_network",
        "installed",
        "kiosk_pc",
        "screen_reader",
        "relying_party",
    )
    if importlib.util.find_spec(f"support.{name}")
] + ["emulator.pytest_plugin", "spine_stub.pytest_plugin"]


def pytest_configure() -> None:
    """Do not run twice on one Python, see tox.ini; let signals reach what the tests start."""
    # What nohup or a shell without job control starts ignores some of them, and so would all its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    tested = Path(os.environ.get("LANYARD_TESTED_PYTHON", "/none"))
    if tested.exists() and tested.samefile(sys.executable):
        pytest.exit("env py runs this very Python", returncode=0)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings, cards and test CA of whoever runs the tests out of them, and safe."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LANYARD_")]:
            if name not in ("LANYARD_CHROOTS", "LANYARD_REQUIRE_ALL"):
                patch.delenv(name)
        patch.delenv("XDG_RUNTIME_DIR", raising=False)  # where the person's own agent is
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


@pytest.fixture(autouse=True)
def no_unexpected_errors(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test during which anything was logged at ERROR, unless it is marked `logs_errors`."""
    yield
    if request.node.get_closest_marker("logs_errors"):
        return
    errors = [
        f"{record.name}: {record.getMessage()}"
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.levelno >= logging.ERROR
    ]
    assert not errors, "logged at ERROR:\n" + "\n".join(errors)


@pytest.fixture(autouse=True)
def no_swallowed_tk_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test during which a Tk callback raised: Tk itself only prints such errors."""
    try:
        import tkinter
    except ImportError:
        yield
        return
    errors: list[BaseException] = []
    monkeypatch.setattr(tkinter.Tk, "report_callback_exception", lambda self, kind, error, trace: errors.append(error))
    yield
    if errors:
        raise AssertionError("a Tk callback raised") from errors[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the third ring: its files take longest, and at the end one worker would be busy with them alone."""
    items.sort(key=lambda item: "ring3" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Leave garbage to this thread alone, between the tests.

    Whichever thread needs memory next may collect, and Tcl aborts the process when a closed
    window is freed in another thread than its own. What is loaded by now is never garbage.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Generator[None, Any, None]:
    """Collect what the test has left, a window above all, and do not look again at what is still in use after it."""
    yield
    gc.collect()
    gc.freeze()


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"LANYARD_REQUIRE_ALL=1 forbids: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Turn a skipped test into a failed one where everything is required."""
    outcome = yield
    if os.environ.get("LANYARD_REQUIRE_ALL") == "1":
        _fail_if_skipped(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, None]:
    """Turn a file that skips itself into a failure where everything is required."""
    outcome = yield
    if os.environ.get("LANYARD_REQUIRE_ALL") == "1":
        _fail_if_skipped(outcome.get_result())
