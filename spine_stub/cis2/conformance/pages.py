"""The report on one application, for programs and for CI; and where the probe hands in what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, request

from ...errors import DataError
from ...web.request import json_object
from ..provider import Provider
from .evidence import Evidence
from .junit import to_junit
from .report import Probed, Report, make_report
from .rules import RULES

_MOST_EVIDENCE = 20
_LONGEST = 2000
_FORMS = ("json", "junit")


def report_of(provider: Provider, client_id: str) -> Report:
    """What is known of an application now; raises DataError when there is none of that id."""
    if provider.clients.get(client_id) is None:
        there = ", ".join(sorted(client.id for client in provider.clients.all()))
        raise DataError(f"there is no client {client_id!r}; there are: {there or 'none'}")
    probed = provider.probed.get(client_id, Probed())
    return make_report(client_id, provider.journal.steps(client_id), probed, provider.clock())


def report(provider: Provider) -> Response:
    """GET report?client=ID as JSON, with &format=junit as XML; raises DataError."""
    found = report_of(provider, request.args.get("client", ""))
    form = request.args.get("format", "json")
    if form not in _FORMS:
        raise DataError(f"format is one of {', '.join(_FORMS)}")
    return Response(to_junit(found), mimetype="application/xml") if form == "junit" else jsonify(found.as_json())


def keep_probes(provider: Provider) -> Response:
    """POST probes: {"client", "problem", "evidence": {rule: [...]}} in place of what was kept; raises DataError."""
    body = json_object(request)
    client_id, problem = body.get("client"), body.get("problem", "")
    if not isinstance(client_id, str) or provider.clients.get(client_id) is None:
        raise DataError(f"there is no client {client_id!r}")
    if not isinstance(problem, str) or len(problem) > _LONGEST:
        raise DataError("problem is not a short text")
    provider.probed[client_id] = Probed(problem, _evidence(body.get("evidence")))
    return jsonify(kept=True)


def _evidence(given: Any) -> Mapping[str, list[Evidence]]:
    known = {rule.name for rule in RULES}
    if not isinstance(given, dict) or not known >= given.keys():
        raise DataError("evidence is not an object with the names of rules")
    if not all(isinstance(found, list) and len(found) <= _MOST_EVIDENCE for found in given.values()):
        raise DataError(f"the evidence of a rule is not a list of at most {_MOST_EVIDENCE}")
    return {name: [Evidence.read(each) for each in found] for name, found in given.items()}
