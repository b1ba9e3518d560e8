"""The end session endpoint (OpenID Connect RP-Initiated Logout 1.0): an application ends the session of its user.

As at the real provider the ID token must come along, and the address to go back to must be registered: nobody is led
anywhere else. Whoever has the ID token may end its session, so nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Response

from ...web.replies import REASON_HEADER
from .. import REALM
from ..identity.sessions import COOKIE
from ..sign_in.looks import problem_page, signed_out_page
from ..tokens.reading import BadToken, verified
from .messages import single

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..clients.registry import Client
    from ..provider import Provider


class NotEnded(Exception):
    """A request that ends nothing; why, in a sentence."""


def end_session(provider: Provider, asked: BrokerRequest) -> Response:
    """End a session, and go back to the application or say so on a page."""
    parameters, problem = single(asked.values)
    client_id = ""
    try:
        if problem:
            raise NotEnded(problem)
        client_id, sid = _hint(provider, parameters)
        reply = _way_back(provider.clients.get(client_id), parameters)
    except NotEnded as exc:
        provider.journal.add("end_session", client_id=client_id, sent=parameters, got={"status": 400}, refused=str(exc))
        reply = problem_page("Nobody is signed out by this", str(exc))
        reply.headers[REASON_HEADER] = str(exc)
        return reply
    _end(provider, sid, client_id, parameters, reply)
    if provider.sessions.of_cookie(asked.cookies.get(COOKIE)) is None:  # else somebody else has signed in since
        reply.delete_cookie(COOKIE, path=asked.path_prefix + REALM)
    return reply


def _end(provider: Provider, sid: str, client_id: str, parameters: Mapping[str, str], reply: Response) -> None:
    session = provider.sessions.get(sid)
    sign_in = session.clients.get(client_id, "") if session else ""
    got = {"status": reply.status_code, "location": reply.headers.get("Location", ""), "ended": session is not None}
    provider.journal.add("end_session", sign_in=sign_in, client_id=client_id, sent=parameters, got=got)
    provider.sessions.end(sid, "application")


def _hint(provider: Provider, parameters: Mapping[str, str]) -> tuple[str, str]:
    """The client and the session of the ID token that came along, which may have expired; raises NotEnded."""
    if not parameters.get("id_token_hint"):
        raise NotEnded("id_token_hint is missing")
    try:
        claims = verified(parameters["id_token_hint"], provider.keys)
    except BadToken as exc:
        raise NotEnded(f"id_token_hint: {exc}") from exc
    client_id, sid = claims.get("aud"), claims.get("sid")
    if claims.get("tokenName") != "id_token" or not isinstance(client_id, str) or not isinstance(sid, str):
        raise NotEnded("id_token_hint is no ID token")  # a fault may have left claims out
    if parameters.get("client_id", client_id) != client_id:
        raise NotEnded("client_id is not that of the ID token")
    return client_id, sid


def _way_back(client: Client | None, parameters: Mapping[str, str]) -> Response:
    """The reply of a session that is ended; raises NotEnded."""
    address = parameters.get("post_logout_redirect_uri")
    if not address:
        return signed_out_page()
    if client is None or not client.may_go_back_to(address):
        raise NotEnded("post_logout_redirect_uri is not one of those registered for this client")
    state = urlencode({"state": parameters["state"]}) if parameters.get("state") else ""
    joined = f"{address}{'&' if '?' in address else '?'}{state}" if state else address
    return Response("", 302, {"Location": joined, "Referrer-Policy": "no-referrer"})
