"""The link that a program opens: OpenID Connect Core 1.0, section 3.1.2.1, with PKCE.

Until client and redirect are known to be registered there is nobody to answer, and so an error is for the person only.
After that it goes to the redirect, under the names that the documentation of 2017 has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from ..errors import BridgeError, TicketCode
from ..registrations import Client

SCHEME = "nhsidentityagent"
MOST_BYTES = 16 * 1024
_MOST_FIELDS = 20
_MOST_STATE = 1024
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class BadLink(BridgeError):
    """A link that nobody can be answered for: not one of ours, or of a program that is not registered."""

    code = TicketCode.INVALID_PARAMETER
    exit_code = 2


class Refusal(BridgeError):
    """An answer that is no code; `name` is invalid_request, access_denied or internal_server_error."""

    exit_code = 13

    def __init__(self, name: str, says: str) -> None:
        super().__init__(says)
        self.name = name


@dataclass(frozen=True)
class Link:
    """Who asks, and where the answer goes; `fields` are what else the link has, not looked at yet."""

    client: Client
    redirect_uri: str
    state: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """What the program wants to know, and what its code is to be bound to."""

    challenge: str
    nonce: str
    hint: str
    """An ID token of before: the program cannot reach its server, and wants a code signed here."""


def read_link(url: str, clients: Iterable[Client]) -> Link:
    """Read who asks and where the answer goes; raises BadLink."""
    fields = _fields(url)
    client = next((each for each in clients if each.id == fields.get("client_id")), None)
    if client is None:
        raise BadLink("The program that asks is not registered on this PC.")
    uri, state = fields.get("redirect_uri", ""), fields.get("state", "")
    if not client.may_redirect_to(uri):
        raise BadLink(f"{client.name} wants the answer at an address that is not registered for it.")
    if len(state) > _MOST_STATE:
        raise BadLink(f"{client.name} sent a state that is too long.")
    return Link(client, uri, state, fields)


def read_question(link: Link) -> Question:
    """Read what is asked; raises Refusal, which the program gets."""
    fields = link.fields
    if fields.get("response_type") != "code" or fields.get("scope") != "openid":
        raise Refusal("invalid_request", "Only a code for the scope openid can be asked for.")
    challenge = fields.get("code_challenge", "")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise Refusal("invalid_request", "The request has no PKCE challenge of the method S256.")
    if len(fields.get("nonce", "")) > _MOST_STATE:
        raise Refusal("invalid_request", "The nonce is too long.")
    return Question(challenge, fields.get("nonce", ""), fields.get("id_token_hint", ""))


def _fields(url: str) -> Mapping[str, str]:
    if len(url) > MOST_BYTES or not url.isascii() or not url.isprintable():
        raise BadLink("That is not a link of ours.")
    try:
        parts = urlsplit(url)
        found = parse_qs(parts.query, strict_parsing=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadLink("That is not a link of ours.") from None
    if (parts.scheme, parts.netloc, parts.path.rstrip("/")) != (SCHEME, "connect", "/authorize"):
        raise BadLink("That is not a link of ours.")
    if any(len(values) != 1 for values in found.values()):
        raise BadLink("The link says something twice.")
    return {name: values[0] for name, values in found.items()}
