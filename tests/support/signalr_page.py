"""A page that was written for NHS Credential Management: it asks the port service, then SignalR by long polling."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from bridge.credential_management.port_service import PORTS
from bridge.loopback.owner import owner_of_listener
from support.bridge import PAGE, Reply, ask

FORM = "application/x-www-form-urlencoded; charset=UTF-8"
Message = dict[str, Any]


def port_service(path: str, origin: str = PAGE) -> Reply:
    """Ask each listed port, as pages do, and return the bridge's answer."""
    for port in PORTS:
        if owner_of_listener(port) is not None:
            return ask(port, "GET", f"/PRS/{path}", Origin=origin, **{"Sec-Fetch-Mode": "cors"})
    pytest.fail("nobody listens on a listed port")


class Page:
    """A page with a SignalR client, which asks by long polling as the JavaScript client 2.4 does."""

    def __init__(self) -> None:
        self.port = port_service("GetPortNumber").json["portData"]["portNumber"]
        named = self.get("negotiate", clientProtocol="2.1", connectionData='[{"name":"signinghub"}]').json
        self.token: str = named["ConnectionToken"]
        self.negotiated: Message = named

    def get(self, step: str, origin: str = PAGE, **query: str) -> Reply:
        return ask(self.port, "GET", f"/signalr/{step}?{urlencode(query)}", Origin=origin)

    def post(self, step: str, body: bytes = b"", origin: str = PAGE, content_type: str = FORM) -> Reply:
        path = f"/signalr/{step}?transport=longPolling&clientProtocol=2.1&connectionToken={quote(self.token)}"
        return ask(self.port, "POST", path, body, **{"Origin": origin, "Content-Type": content_type})

    def invoke(
        self, *arguments: Any, hub: str = "signingHub", method: str = "requestToSign", number: int = 0
    ) -> Message:
        """Call a hub's method; the answer is that of the send."""
        call = json.dumps({"H": hub, "M": method, "A": list(arguments), "I": number})
        reply = self.post("send", urlencode({"data": call}).encode())
        assert reply.status == 200, reply.body
        return dict(reply.json)

    def sign(self, algorithm: str = "RS256", **more: Any) -> Message:
        """Ask for two signatures; the hub's result."""
        return dict(self.invoke(request(algorithm=algorithm, **more))["R"])


def request(**fields: Any) -> str:
    payloads = [{"id": "one", "payload": "a text"}, {"id": "two", "payload": "é"}]
    asked = {"algorithm": "RS256", "requestType": 1, "version": 1, "flags": 0, "payloads": payloads, **fields}
    return base64.b64encode(json.dumps(asked).encode()).decode()
