"""What the fields of OpenID Connect and the claims of CIS2 mean, in a few words each, for people who look at a sign-in.

Where a word says "check", the application is to check it (OpenID Connect Core 1.0, section 3.1.3.7; NHS England's
guidance for CIS2, "Session management" and "Scopes and claims").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

WORDS: Mapping[str, str] = {
    # what an application asks
    "acr_values": "how surely the person must sign in, the best class first",
    "assertion_algorithm": "what the assertion is signed with",
    "auth_method": "how the application said who it is",
    "client_assertion": "a token that the application signed itself, in place of a secret",
    "client_id": "which application asks",
    "code": "what the application changes into tokens, once and within a minute",
    "code_challenge": "PKCE: the hash of what only this application will know",
    "code_verifier": "PKCE: what only this application knows",
    "grant_type": "what is changed into tokens",
    "login_hint": "test bed: who is signed in without being asked",
    "max_age": "after how many seconds a sign-in is too old",
    "prompt": "login: ask again in any case; none: ask nobody",
    "redirect_uri": "where the browser is sent back to",
    "response_type": "CIS2 gives codes only",
    "scope": "which claims are asked for",
    "state": "check: it must come back as it was sent from this browser's session",
    # tokens
    "acr": "check: the class of sign-in that was asked for and satisfied",
    "alg": "check: the algorithm that was registered and no other",
    "amr": "how the person signed in",
    "at_hash": "the left half of the access token's hash",
    "aud": "check: for whom it was made, your client id",
    "auth_time": "check: when the person signed in, less than 5 minutes ago",
    "authentication_assurance_level": "check: how surely the person signed in, 3 for hardware that cannot be phished",
    "azp": "the application that asked for it",
    "c_hash": "the left half of the code's hash",
    "cause": "why the session ended",
    "error": "why there is no code",
    "error_description": "the same in words",
    "events": "check: in a logout token, that this is one",
    "exp": "check: when it ends",
    "iat": "when it was made; check in a logout token: not long ago",
    "id_assurance_level": "check: how surely it is known who the person is",
    "idassurancelevel": "how surely it is known who the person is",
    "iss": "check: who made it, as text, down to :443",
    "jti": "check in a logout token: its own name, taken once only",
    "kid": "which key signed it; has / and + in it",
    "nonce": "check: the one that this browser's session sent",
    "s_hash": "the left half of the state's hash",
    "selected_roleid": "the role that was chosen: an id among nhsid_nrbac_roles",
    "sid": "the session, as a logout token will name it",
    "sub": "who it is; check: the same in ID token and userinfo",
    "typ": "what kind of token it is",
    # userinfo
    "nhsid_nrbac_roles": "every role of the person; which one holds now, selected_roleid says",
    "nhsid_org_memberships": "organisations that the person belongs to, by professional membership",
    "nhsid_org_roles": "roles at organisations, of the old kind",
    "nhsid_user_orgs": "organisations that the person works for",
    "nhsid_useruid": "the person's uid",
    "uid": "the person's uid",
}
_TIMES = ("exp", "iat", "auth_time", "nbf")


def words(name: str, value: Any) -> str:
    """What a field means, with the time that a number of seconds is; nothing where its name says it."""
    said = WORDS.get(name, "")
    if name not in _TIMES or isinstance(value, bool) or not isinstance(value, int | float):
        return said
    try:
        return f"{datetime.fromtimestamp(value, UTC):%d %b %Y, %H:%M:%S} UTC. {said}".strip()
    except (OverflowError, ValueError, OSError):
        return f"no time. {said}".strip()
