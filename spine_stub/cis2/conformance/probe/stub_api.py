"""The running stub, as the probe sees it: its JSON API."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from ..evidence import Evidence
from ..probes import Probe
from .browser import SECONDS, ProbeError

_CIS2 = "/stub/api/cis2"


class StubApi:
    """The JSON API of one stub, about one of its clients. Every method raises ProbeError."""

    def __init__(self, url: str, client_id: str, trust: ssl.SSLContext, token: str = "") -> None:
        self.client_id = client_id
        self._url, self._token = url.rstrip("/"), token
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trust))

    def arrange(self, uid: str, role: str = "") -> None:
        """Let every sign-in to the client be this person's, in this role, at once, until `cease`."""
        self._post(f"{_CIS2}/sign-in", uid=uid, role=role, client=self.client_id, standing=True)

    def cease(self) -> None:
        """Let people sign in by the page again."""
        self._post(f"{_CIS2}/sign-in/clear", client=self.client_id)

    def card_out(self, uid: str) -> Sequence[Mapping[str, Any]]:
        """End the person's sessions, as pulling the card does; returns what the client was told and answered."""
        before = max((each["number"] for each in self._logouts()), default=0)
        self._post(f"{_CIS2}/card-out", uid=uid)
        return [each for each in self._logouts() if each["number"] > before]

    def set_fault(self, probe: Probe) -> int:
        """Let a fault stand for the client; returns its number."""
        set_now = self._post(
            "/stub/api/faults", fault=probe.fault, value=probe.value, endpoint=probe.endpoint, client=self.client_id
        )
        return int(set_now["faults"][0]["number"])

    def clear_fault(self, number: int) -> None:
        self._post("/stub/api/faults/clear", number=number)

    def steps(self) -> Sequence[Mapping[str, Any]]:
        """What the client did so far, oldest first."""
        return list(self._get(f"{_CIS2}/steps?client={quote(self.client_id, safe='')}")["steps"])

    def last_request(self) -> int:
        """The number of the newest request that the stub keeps."""
        return max((each["number"] for each in self._requests()), default=0)

    def is_delivered(self, probe: Probe, after: int) -> bool:
        """Whether a fault made a reply to a request after the one of that number."""
        return any(each["fault"] == probe.name for each in self._requests(after))

    def keep(self, problem: str, evidence: Mapping[str, Sequence[Evidence]]) -> None:
        """Hand in what was seen: the stub puts it into its report."""
        seen = {rule: [each.as_json() for each in found] for rule, found in evidence.items()}
        self._post(f"{_CIS2}/probes", client=self.client_id, problem=problem, evidence=seen)

    def report(self, form: str = "json") -> str:
        """The stub's report on the client."""
        return self._send(f"{_CIS2}/report?client={quote(self.client_id, safe='')}&format={form}", None)

    def _requests(self, after: int = 0) -> Sequence[Mapping[str, Any]]:
        return list(self._get(f"/stub/api/requests?after={after}")["requests"])

    def _logouts(self) -> Sequence[Mapping[str, Any]]:
        """The logout tokens that were sent to the client, once it has answered."""
        return list(self._get(f"{_CIS2}/logouts?client={quote(self.client_id, safe='')}")["logouts"])

    def _get(self, path: str) -> Any:
        return _json(self._send(path, None))

    def _post(self, path: str, **fields: Any) -> Any:
        return _json(self._send(path, json.dumps(fields).encode()))

    def _send(self, path: str, body: bytes | None) -> str:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            request = Request(self._url + path, body, headers)  # noqa: S310 - the options' own address
            with self._opener.open(request, timeout=SECONDS) as reply:
                return str(reply.read().decode("utf-8", "replace"))
        except HTTPError as error:
            with error:
                said = error.read(2000).decode("utf-8", "replace").strip()
            raise ProbeError(f"the stub says no to {path.partition('?')[0]}: {_sentence(said)}") from error
        except (OSError, HTTPException, ValueError) as exc:
            why = getattr(exc, "reason", None) or exc
            raise ProbeError(f"the stub at {self._url} does not answer: {why}") from exc


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ProbeError("the stub answered something that is not JSON: is it a stub?") from exc


def _sentence(said: str) -> str:
    """The sentence in an error's JSON, or the text."""
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return said
