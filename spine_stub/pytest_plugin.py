"""Fixtures for tests of clients of the broker. Where Lanyard is installed, pytest loads them by itself.

spine_stub          a broker, cleared before each test; shared by all of them, so that it costs a second once.
                    spine_stub.cis2 is CIS2 beside it, for tests of applications
spine_stub_factory  spine_stub_factory(allow_sha1=True) starts another one with settings of Config

A test that fails with one of them shows what its client asked, and why the broker refused it.
The broker is imported by the fixtures and not before, so that a test run without it pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import SpineStub

_STUBS = pytest.StashKey["list[SpineStub]"]()
"""The brokers that a test has asked for."""
SpineStubFactory = Callable[..., "SpineStub"]


@pytest.fixture(scope="session")
def spine_stub_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpineStub]:
    """The one broker of the test run. Tests want `spine_stub`."""
    from .testing import SpineStub

    with SpineStub(tmp_path_factory.mktemp("spine-stub") / "data") as spine:
        yield spine


@pytest.fixture
def spine_stub(request: pytest.FixtureRequest, spine_stub_shared: SpineStub) -> SpineStub:
    """A broker that remembers nothing of the test before; people and cards that tests add stay."""
    spine_stub_shared.clear()
    request.node.stash.setdefault(_STUBS, []).append(spine_stub_shared)
    return spine_stub_shared


@pytest.fixture
def spine_stub_factory(request: pytest.FixtureRequest, spine_stub_shared: SpineStub) -> Iterator[SpineStubFactory]:
    """Start brokers with other settings, in the folder of the shared one; all are stopped after the test."""
    from .testing import SpineStub

    with ExitStack() as running:

        def start(data: Path | None = None, **settings: Any) -> SpineStub:
            spine = running.enter_context(SpineStub(data or spine_stub_shared.data, **settings))
            request.node.stash.setdefault(_STUBS, []).append(spine)
            return spine

        yield start


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add to a failed test what its client asked."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and report.when == "call":
        report.sections += [("spine stub", spine.story()) for spine in item.stash.get(_STUBS, [])]
