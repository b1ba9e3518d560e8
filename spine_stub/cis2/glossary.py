"""What the fields of OpenID Connect and the claims of CIS2 mean, in a few words each, for people who look at a sign-in.

Where they say "check", the application is to check it (OpenID Connect Core 1.0, section 3.1.3.7; NHS England's
guidance for CIS2, "Session management" and "Scopes and claims").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MEANINGS: Mapping[str, str] = {
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
    "state": "check that it comes back as this browser's session sent it",
    # tokens
    "acr": "check that it is a class that you asked for",
    "alg": "check that it is the one that was registered",
    "amr": "how the person signed in",
    "at_hash": "the left half of the access token's hash",
    "aud": "check that it was made for you: your client id",
    "auth_time": "check that the person signed in less than 5 minutes ago",
    "authentication_assurance_level": "check how surely the person signed in: 3 is hardware that cannot be phished",
    "azp": "the application that asked for it",
    "c_hash": "the left half of the code's hash",
    "cause": "why the session ended",
    "error": "why there is no code",
    "error_description": "the same in words",
    "events": "check that it says that this is a logout token",
    "exp": "check that it is not over",
    "iat": "when it was made; check that a logout token is not old",
    "id_assurance_level": "check how surely it is known who the person is",
    "idassurancelevel": "how surely it is known who the person is",
    "iss": "check who made it, as text, down to :443",
    "jti": "check that no token of this name was taken before",
    "kid": "which key signed it; has / and + in it",
    "nonce": "check that it is the one that this browser's session sent",
    "s_hash": "the left half of the state's hash",
    "selected_roleid": "the role that was chosen: an id among nhsid_nrbac_roles",
    "sid": "the session, as a logout token will name it",
    "sub": "who it is; check that ID token and userinfo say the same",
    "typ": "what kind of token it is",
    # userinfo
    "nhsid_nrbac_roles": "every role of the person; which one holds now, selected_roleid says",
    "nhsid_org_memberships": "organisations that the person belongs to, by professional membership",
    "nhsid_org_roles": "roles at organisations, of the old kind",
    "nhsid_user_orgs": "organisations that the person works for",
    "nhsid_useruid": "the person's uid",
    "uid": "the person's uid",
}
IN_ASSERTIONS: Mapping[str, str] = {
    "alg": "what the application signed it with",
    "aud": "for whom it was made: the token endpoint",
    "exp": "when it ends: 5 minutes after it was made at most",
    "iat": "when it was made",
    "iss": "who made it: your client id",
    "jti": "its own name, used once only",
    "kid": "which of the application's keys signed it",
    "sub": "who it is about: your client id",
}
"""What the same fields mean in the assertion of an application (RFC 7523, section 3)."""
_TIMES = ("exp", "iat", "auth_time", "nbf")


def meaning(name: str, value: Any, part: str = "") -> str:
    """What a field means, with the time that a number of seconds is; nothing where its name says it.

    `part` is the part of a step that it stands in, such as "assertion_claims".
    """
    said = (IN_ASSERTIONS if part.startswith("assertion") else MEANINGS).get(name, "")
    if name not in _TIMES or isinstance(value, bool) or not isinstance(value, int | float):
        return said
    try:
        return f"{datetime.fromtimestamp(value, UTC):%d %b %Y, %H:%M:%S} UTC. {said}".strip()
    except (OverflowError, ValueError, OSError):
        return f"no time. {said}".strip()
