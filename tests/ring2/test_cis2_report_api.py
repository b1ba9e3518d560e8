"""The report over HTTP: as JSON, as XML and as a page; what a probe may hand in, and what not."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from defusedxml import ElementTree
from support.spine import Spine
from support.spine_client import Client

from spine_stub.cis2.conformance.rules import RULES

CLIENT = "example-application"
SEEN = {
    "outcome": "fail",
    "sent": "<script>alert(1)</script>",
    "did": "\0 'it' \"did\"",
    "probe": "wrong-iss",
    "sign_in": "",
}
API = "/stub/api/cis2"


def hand_in(client: Client, body: Any) -> requests.Response:
    return client.http.post(f"{client.url}{API}/probes", json=body, timeout=10)


def report(client: Client, /, **query: str) -> requests.Response:
    return client.http.get(f"{client.url}{API}/report", params={"client": CLIENT, **query}, timeout=10)


def test_a_report_without_any_sign_in_has_every_rule(client: Client) -> None:
    found = report(client).json()
    assert [rule["name"] for rule in found["rules"]] == [rule.name for rule in RULES]
    assert found["counts"] == {"fail": 0, "pass": 0, "not-observed": len(RULES)}


def test_what_a_probe_hands_in_is_in_the_report(client: Client) -> None:
    body = {"client": CLIENT, "problem": "", "evidence": {"id-token-issuer": [SEEN]}}
    assert hand_in(client, body).status_code == 200
    assert report(client).json()["counts"]["fail"] == 1
    suite = ElementTree.fromstring(report(client, format="junit").content).find("testsuite")
    assert suite.get("failures") == "1"
    page = client.get(f"/stub/cis2/report/{CLIENT}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_a_later_probe_takes_the_place_of_an_earlier_one(client: Client) -> None:
    hand_in(client, {"client": CLIENT, "evidence": {"id-token-issuer": [SEEN]}})
    hand_in(client, {"client": CLIENT, "evidence": {}})
    assert report(client).json()["counts"]["fail"] == 0


@pytest.mark.parametrize(
    "body",
    [
        *([], "text", {}),
        *({"client": name, "evidence": {}} for name in ("nobody", [], None)),
        *({"client": CLIENT, "evidence": evidence} for evidence in (None, [], {"no-such-rule": []})),
        *(
            {"client": CLIENT, "evidence": {"errors": found}}
            for found in ({}, [None], [SEEN] * 21, [{**SEEN, "did": 1}])
        ),
        *({"client": CLIENT, "evidence": {}, "problem": problem} for problem in (1, None, "x" * 2001)),
    ],
)
def test_what_is_no_result_of_a_probe_is_refused(client: Client, body: Any) -> None:
    reply = hand_in(client, body)
    assert (reply.status_code, list(reply.json())) == (400, ["error"])
    assert report(client).json()["counts"]["fail"] == 0


@pytest.mark.parametrize("query", [{"client": "nobody"}, {"client": "<b>"}, {"format": "pdf"}])
def test_a_report_that_there_is_not_is_refused(client: Client, query: dict[str, str]) -> None:
    reply = report(client, **query)
    assert (reply.status_code, list(reply.json())) == (400, ["error"])


def test_the_page_of_an_unknown_application_says_which_there_are(client: Client, spine: Spine) -> None:
    spine.cis2.client("another")
    reply = client.get("/stub/cis2/report/<b>")
    assert reply.status_code == 400
    assert "there are: another, example-application" in reply.text
    assert "<b>" not in reply.text
