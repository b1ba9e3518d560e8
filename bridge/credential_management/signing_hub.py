"""Credential Management's hub signingHub: its method requestToSign has the person sign with the card's second key.

The argument is base64 of JSON: {"algorithm": "RS1" or "RS256", "requestType": 1, "version": 1, "flags": 0, "payloads":
[{"id", "payload"}]}. The result has certificate, signatures (each with its id), failed_signatures, status_code,
status_string, message and timestamp. What is signed of a payload is its text in UTF-8: whether the real program decodes
it first is not public. Two of its error codes are; every other cause has the first of them, with words of its own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from ..agent_socket import PATIENCE, AgentSocket
from ..errors import AgentBroken, BridgeError, TicketCode
from ..loopback.tickets import Agents, BadRequest

NAME = "signinghub"
INTERNAL_ERROR, NO_CERTIFICATE = 0x53494703, 0x53494705
MOST_PAYLOADS = 100
MOST_ID = 200
SIGN_SECONDS = 300
_METHOD = "requesttosign"
_DIGESTS = {"RS1": "sha1", "RS256": "sha256"}
_WITHOUT_CARD = {
    TicketCode.NO_READER,
    TicketCode.CARD_NOT_SUPPORTED,
    TicketCode.CARD_NOT_VALID,
    TicketCode.NO_CERTIFICATE,
    TicketCode.NO_KEY,
}


class Sha1Refused(BridgeError):
    """The page wants RS1, whose digest is SHA-1, and this PC does not allow it."""

    code = TicketCode.METHOD_NOT_SUPPORTED


class NotRsa(BridgeError):
    """The card has signed, but by an elliptic curve."""

    code = TicketCode.NO_KEY


@dataclass(frozen=True)
class SigningRequest:
    """What is to be signed, by id."""

    digest: str
    payloads: tuple[tuple[str, str], ...]


class SigningHub:
    """Carries what pages want signed to the agent, which asks the person."""

    def __init__(self, agents: Agents, *, allow_sha1: bool) -> None:
        self._agents, self._allow_sha1 = agents, allow_sha1

    async def __call__(self, request: web.Request, origin: str, method: str, arguments: list[Any]) -> dict[str, Any]:
        """Return the result, be it one of an error; raises BadRequest for another method."""
        if method.lower() != _METHOD or len(arguments) != 1:
            raise BadRequest("The hub has the method requestToSign only, with one argument.")
        try:
            wanted = read_request(arguments[0])
            self._check(wanted)
            answer = await self._agents.ask(request, lambda agent, page: _sign(agent, page, origin, wanted))
            return success(answer, wanted)
        except BridgeError as error:
            return failure(error)

    def _check(self, wanted: SigningRequest) -> None:
        if wanted.digest == "sha1" and not self._allow_sha1:
            raise Sha1Refused("RS1 signs with SHA-1, which this PC does not allow: see allow_sha1 in bridge.toml.")


def read_request(argument: object) -> SigningRequest:
    """Read requestToSign's argument; raises BadRequest."""
    try:
        text = base64.b64decode(str(argument).encode("ascii"), validate=True)
        asked = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        raise BadRequest("Failed to process inbound JSON request: it is not base64 of JSON.") from None
    if not isinstance(asked, dict) or (asked.get("version"), asked.get("requestType")) != (1, 1):
        raise BadRequest("Failed to process inbound JSON request: it is not of version 1 and requestType 1.")
    algorithm = asked.get("algorithm")
    if not isinstance(algorithm, str) or algorithm not in _DIGESTS:
        raise BadRequest(f"The algorithm is none of {', '.join(_DIGESTS)}.")
    return SigningRequest(_DIGESTS[algorithm], _read_payloads(asked.get("payloads")))


def _read_payloads(found: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_PAYLOADS:
        raise BadRequest(f"There must be 1 to {MOST_PAYLOADS} payloads.")
    return tuple(_read_payload(each) for each in found)


def _read_payload(found: object) -> tuple[str, str]:
    name, payload = (found.get("id"), found.get("payload")) if isinstance(found, dict) else (None, None)
    if not isinstance(name, str) or len(name) > MOST_ID or not isinstance(payload, str) or not payload:
        raise BadRequest("A payload needs an id and a text.")
    try:
        payload.encode()
    except UnicodeEncodeError:
        raise BadRequest("A payload is not text.") from None
    return name, payload


def success(answer: dict[str, Any], wanted: SigningRequest) -> dict[str, Any]:
    """Shape the agent's answer to SignPayloads as pages expect it.

    Raises AgentBroken when it is not whole, and NotRsa: both algorithms are RSASSA-PKCS1-v1_5.
    """
    certificate, signatures = answer.get("certificate"), answer.get("signatures")
    if not isinstance(certificate, str) or not _are_texts(signatures, len(wanted.payloads)):
        raise AgentBroken("The agent's answer has not one signature for each payload.")
    if not _is_rsa(certificate):
        raise NotRsa("The card's second key is none of RSA, which the page asks for.")
    named = zip(wanted.payloads, signatures or (), strict=True)
    return {
        "certificate": certificate,
        "signatures": [{"id": name, "signature": signature} for (name, _), signature in named],
        "failed_signatures": [],
        "status_code": 0,
        "status_string": "OK",
        "message": "",
        "timestamp": _now(),
    }


def failure(error: BridgeError) -> dict[str, Any]:
    """Shape an error as pages expect it."""
    code = NO_CERTIFICATE if error.code in _WITHOUT_CARD else INTERNAL_ERROR
    return {
        "certificate": "",
        "signatures": None,
        "failed_signatures": None,
        "status_code": code,
        "status_string": "ERROR",
        "message": f"{error} Error Code: (0x{code:08X})",
        "timestamp": _now(),
    }


def _sign(agent: AgentSocket, page: Any, origin: str, wanted: SigningRequest) -> dict[str, Any]:
    count = len(wanted.payloads)
    asked = {
        "origin": origin,
        "summary": "1 document of this page" if count == 1 else f"{count} documents of this page",
        "payloads": [base64.b64encode(text.encode()).decode() for _, text in wanted.payloads],
        "digest": wanted.digest,
    }
    return agent.call("SignPayloads", asked, PATIENCE + SIGN_SECONDS, page)


def _is_rsa(certificate: str) -> bool:
    """Whether a certificate, DER in base64, is one of an RSA key; raises AgentBroken when it is none."""
    try:
        read = x509.load_der_x509_certificate(base64.b64decode(certificate, validate=True))
        return isinstance(read.public_key(), rsa.RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise AgentBroken("The agent's answer has no certificate.") from None


def _are_texts(found: object, count: int) -> bool:
    return isinstance(found, Sequence) and len(found) == count and all(isinstance(each, str) for each in found)


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
