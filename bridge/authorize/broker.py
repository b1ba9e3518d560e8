"""Asks the broker for a code, and for the keys of its ID tokens, which are kept for when it cannot be reached."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..settings import Settings
from .request import Link, Question, Refusal

_MOST_BYTES = 64 * 1024
_SECONDS = 10
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_MACHINE = Path("/etc/machine-id")


class OpenIdBroker:
    """The broker of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises Refusal when none is configured."""
        if not settings.broker:
            raise Refusal("internal_server_error", "No broker is configured for this: see broker in bridge.toml.")
        self._address = urlsplit(settings.broker)
        try:
            self._trust = ssl.create_default_context(cafile=settings.broker_ca or None)
        except OSError:
            raise Refusal("internal_server_error", f"{settings.broker_ca} is no file of certificates.") from None

    def code(self, link: Link, question: Question, ticket: str) -> str:
        """Return a code for the person whose ticket this is; raises Refusal."""
        fields = {
            "token": ticket,
            "client_id": link.client.id,
            "redirect_uri": link.redirect_uri,
            "state": link.state,
            "nonce": question.nonce,
            "code_challenge": question.challenge,
            "code_challenge_method": "S256",
            "device_id": device_id(),
        }
        code = self._ask("POST", "/openid/authorize", fields).get("code")
        if not isinstance(code, str) or not code:
            raise Refusal("access_denied", "The broker gives no code.")
        return code

    def keep_keys(self) -> None:
        """Write the keys of ID tokens down; raises Refusal."""
        keys = self._ask("GET", "/.well-known/jwks.json", None)
        path = keys_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(keys))
        new.rename(path)

    def _ask(self, method: str, path: str, fields: Mapping[str, str] | None) -> dict[str, Any]:
        """Return the JSON object that is answered; raises Refusal when it is an error, or the broker is not there."""
        body, headers = (urlencode(fields), _FORM) if fields else (None, {})
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=self._trust)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            if reply.status == HTTPStatus.NOT_FOUND:
                raise Refusal("internal_server_error", "The broker does not serve OpenID Connect.")
            content = json.loads(reply.read(_MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            raise Refusal("internal_server_error", "The broker cannot be asked.") from None
        finally:
            connection.close()
        if reply.status != HTTPStatus.OK or not isinstance(content, dict):
            raise Refusal("access_denied", "The broker does not tell this program who you are.")
        return content


def device_id() -> str:
    """What stands for this PC in ID tokens: made of its machine-id, which itself must not be told (machine-id(5))."""
    try:
        machine = _MACHINE.read_bytes().strip()
    except OSError:
        machine = b""
    return hmac.new(machine, b"lanyard device", hashlib.sha256).hexdigest()[:32]


def keys_file() -> Path:
    """Where the keys of ID tokens are kept."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home, "lanyard", "openid-keys.json")
