"""The conformance report on a made-up application: of ten faults it names these ten, and of the mended one none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from defusedxml import ElementTree
from examples.ward_list import WardList
from examples.ward_list_in_a_hurry import FAULTS, WardListInAHurry
from support.ward_list import CLIENT, probe, running

from spine_stub import SpineStub


@pytest.fixture(scope="module")
def stub() -> Iterator[SpineStub]:
    with SpineStub() as spine:
        yield spine


@pytest.fixture
def spine(stub: SpineStub) -> SpineStub:
    stub.clear()
    return stub


def test_the_application_of_ten_faults_is_reported_with_these_ten(spine: SpineStub, tmp_path: Path) -> None:
    with running(spine, WardListInAHurry) as address:
        code, said = probe(spine, address, "--junit", str(tmp_path / "r.xml"), "--json", str(tmp_path / "r.json"))
    assert sorted(spine.cis2.report(CLIENT).failures) == sorted(FAULTS), said
    assert code == 1
    suite = ElementTree.parse(tmp_path / "r.xml").find("testsuite")
    failures = {case.get("name").partition(":")[0] for case in suite if case.find("failure") is not None}
    assert failures == set(FAULTS)
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["fail"] == len(FAULTS) == 10


def test_the_mended_application_is_reported_with_none(spine: SpineStub) -> None:
    with running(spine, WardList) as address:
        code, said = probe(spine, address)
    report = spine.cis2.report(CLIENT)
    assert report.counts == {"fail": 0, "pass": len(report.findings), "not-observed": 0}, said
    assert code == 0


@pytest.mark.long
@pytest.mark.parametrize("rule", FAULTS)
def test_each_fault_alone_is_the_only_one(spine: SpineStub, rule: str) -> None:
    with running(spine, FAULTS[rule]) as address:
        code, said = probe(spine, address)
    assert spine.cis2.report(CLIENT).failures == [rule], said
    assert code == 1
