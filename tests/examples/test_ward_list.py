"""The conformance report on a made-up application: of ten faults it names these ten, and of the mended one none."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from defusedxml import ElementTree
from examples.ward_list import WardList
from examples.ward_list_in_a_hurry import FAULTS, WardListInAHurry
from jwcrypto import jwk
from werkzeug.serving import WSGIRequestHandler, make_server

from spine_stub import SpineStub

CLIENT = "ward-list"
KEY = jwk.JWK.generate(kty="RSA", size=2048, kid="ward-list-1")


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def stub() -> Iterator[SpineStub]:
    with SpineStub() as spine:
        yield spine


@pytest.fixture
def spine(stub: SpineStub) -> SpineStub:
    stub.cis2.reset()
    return stub


@contextmanager
def running(spine: SpineStub, kind: type[WardList]) -> Iterator[str]:
    """Run the application, registered with the stub; its address."""
    application = kind(spine.cis2.issuer, CLIENT, KEY, spine.ca_file)
    server = make_server("127.0.0.1", 0, application.app, threaded=True, request_handler=Quiet)
    address = f"http://127.0.0.1:{server.server_port}"
    spine.cis2.client(
        CLIENT,
        redirect_uris=["http://127.0.0.1/callback"],
        key=KEY.export_to_pem().decode(),
        backchannel_logout_uri=f"{address}/logged-out",
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def probed(spine: SpineStub, address: str, *more: str) -> tuple[int, str]:
    """Run the probe; its exit code, and what it says."""
    command = [sys.executable, "-m", "spine_stub", "--data", str(spine.data), "probe", CLIENT, "--url", spine.url]
    command += ["--protected", address, "--signed-in", "Patients of", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


def test_the_application_of_ten_faults_is_reported_with_these_ten(spine: SpineStub, tmp_path: Path) -> None:
    with running(spine, WardListInAHurry) as address:
        code, said = probed(spine, address, "--junit", str(tmp_path / "r.xml"), "--json", str(tmp_path / "r.json"))
    assert set(spine.cis2.report(CLIENT).failures) == set(FAULTS), said
    assert code == 1
    suite = ElementTree.parse(tmp_path / "r.xml").find("testsuite")
    failures = {case.get("name").partition(":")[0] for case in suite if case.find("failure") is not None}
    assert failures == set(FAULTS)
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["fail"] == len(FAULTS) == 10


def test_the_mended_application_is_reported_with_none(spine: SpineStub) -> None:
    with running(spine, WardList) as address:
        code, said = probed(spine, address)
    report = spine.cis2.report(CLIENT)
    assert report.counts == {"fail": 0, "pass": len(report.findings), "not-observed": 0}, said
    assert code == 0


@pytest.mark.parametrize("rule", FAULTS)
def test_each_fault_alone_is_the_only_one(spine: SpineStub, rule: str) -> None:
    with running(spine, FAULTS[rule]) as address:
        code, said = probed(spine, address)
    assert spine.cis2.report(CLIENT).failures == [rule], said
    assert code == 1
