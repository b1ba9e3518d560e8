"""A relying party of CIS2 that checks all that one must, and says by name what it refuses.

    client = StrictClient(issuer, "example-application", "example-secret", "http://127.0.0.1:5000/callback")
    browser goes to client.begin(); comes back to an address with a code
    visit = client.finish(address)             who it is, in which role
    client.log_out(logout_token)               from a back-channel logout request; ends those visits

The checks are those of OpenID Connect Core 1.0, section 3.1.3.7, of OpenID Connect Back-Channel Logout 1.0, section
2.6, and of NHS England's guidance for CIS2. `leave_out` names checks that are not made: so tests see which one refuses.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from jwcrypto import jwk, jws
from jwcrypto.common import JWException, base64url_decode

ALGORITHM = "RS256"
SCOPES = "openid profile nationalrbacaccess selectedrole"
MOST_AGE = 300  # seconds that an authentication may be old; asked for, and checked too: a browser can strip it
RECENT = 120  # seconds that a logout token may be old
LEEWAY = 30  # seconds by which clocks may differ
LEVEL = 3
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPES = ("logout+jwt", "JWT", None)
Claims = Mapping[str, Any]


class Refused(Exception):
    """The check that failed, and what was found."""

    def __init__(self, rule: str, found: object = "") -> None:
        super().__init__(f"{rule}: {found}")
        self.rule = rule


@dataclass(frozen=True)
class Visit:
    """Somebody who is signed in."""

    sub: str
    sid: str
    role: Claims


class StrictClient:
    """One client, with one browser at a time."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        secret: str,
        redirect_uri: str,
        ca_file: str | None = None,
        now: Callable[[], float] = time.time,
        leave_out: Collection[str] = (),
    ) -> None:
        self.issuer, self.client_id, self.secret, self.redirect_uri = issuer, client_id, secret, redirect_uri
        self.now, self.leave_out = now, set(leave_out)
        self._ca_file, self.patience = ca_file, 10.0  # seconds
        self.found = self._asked("GET", f"{issuer}/.well-known/openid-configuration")
        self._check("iss", self.found.get("issuer") == issuer, self.found.get("issuer"))
        self._keys = jwk.JWKSet()
        self._used: set[str] = set()
        self.visits: dict[str, Visit] = {}

    def begin(self, **more: str) -> str:
        """Return where the browser goes."""
        self._state, self._nonce = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        asked = {"response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri}
        asked |= {"scope": SCOPES, "state": self._state, "nonce": self._nonce, "acr_values": f"AAL{LEVEL}_ANY"}
        return f"{self.found['authorization_endpoint']}?{urlencode({**asked, 'max_age': str(MOST_AGE), **more})}"

    def finish(self, address: str) -> Visit:
        """Sign in whoever's browser came back to this address; raises Refused."""
        given = dict(parse_qsl(urlsplit(address).query))
        self._check("state", secrets.compare_digest(given.get("state", ""), self._state), given.get("state"))
        if "code" not in given:
            raise Refused("error", given.get("error"))
        form = {"grant_type": "authorization_code", "code": given["code"], "redirect_uri": self.redirect_uri}
        form |= {"client_id": self.client_id, "client_secret": self.secret}
        tokens = self._asked("POST", self.found["token_endpoint"], data=form)
        claims = self._verified(tokens["id_token"])
        self._check_id_token(claims)
        self.id_token = str(tokens["id_token"])  # for the end session endpoint
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        about = self._asked("GET", self.found["userinfo_endpoint"], headers=bearer)
        self._check("userinfo sub", about.get("sub") == claims["sub"], about.get("sub"))
        visit = Visit(claims["sub"], claims["sid"], self._role(claims, about))
        self.visits[visit.sid] = visit
        return visit

    def log_out(self, token: str) -> None:
        """End the visits that a logout token is about; raises Refused."""
        claims = self._verified(token, LOGOUT_TYPES)
        self._check_origin(claims)
        events = claims.get("events")
        self._check("events", isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict), events)
        self._check("no nonce", "nonce" not in claims, claims.get("nonce"))
        self._check("iat recent", self.now() - _seconds(claims, "iat") < RECENT, claims.get("iat"))
        self._check("sub or sid", bool(claims.get("sid") or claims.get("sub")), claims)
        name = claims.get("jti")
        self._check("jti once", isinstance(name, str) and name not in self._used, name)
        self._used.add(str(name))
        sid, sub = claims.get("sid"), claims.get("sub")
        over = [v.sid for v in self.visits.values() if (v.sid == sid if sid else v.sub == sub)]
        self.visits = {sid: visit for sid, visit in self.visits.items() if sid not in over}

    def _check_id_token(self, claims: Claims) -> None:
        self._check_origin(claims)
        self._check("nonce", claims.get("nonce") == self._nonce, claims.get("nonce"))
        age = self.now() - _seconds(claims, "auth_time")
        self._check("auth_time", age < MOST_AGE + LEEWAY, f"{age:.0f} seconds ago")
        self._check("assurance", _level(claims) >= LEVEL, claims.get("acr"))

    def _check_origin(self, claims: Claims) -> None:
        """From whom, for whom, and when: of every token."""
        self._check("iss", claims.get("iss") == self.issuer, claims.get("iss"))
        self._check("aud", claims.get("aud") in (self.client_id, [self.client_id]), claims.get("aud"))
        self._check("exp", self.now() - LEEWAY < _seconds(claims, "exp"), claims.get("exp"))
        begins = max(_seconds(claims, "iat"), claims.get("nbf", 0))
        self._check("not before", 0 < begins <= self.now() + LEEWAY, begins)

    def _role(self, claims: Claims, about: Claims) -> Claims:
        """The role that was selected; never the first of the list."""
        roles = about.get("nhsid_nrbac_roles", [])
        roles = [roles] if isinstance(roles, dict) else roles
        held: dict[str, Claims] = {role["person_roleid"]: role for role in roles}
        selected = claims.get("selected_roleid")
        self._check("role", selected in held, selected)
        return held.get(str(selected), {})

    def _verified(self, token: str, types: Collection[str | None] = ("JWT", None)) -> Claims:
        """Return a token's claims, once its signature is checked."""
        try:
            header, payload, _ = token.split(".")
            head, claims = (json.loads(base64url_decode(part)) for part in (header, payload))
        except ValueError as exc:
            raise Refused("token", exc) from exc
        self._check("typ", head.get("typ") in types, head.get("typ"))
        self._check("alg", head.get("alg") == ALGORITHM, head.get("alg"))
        if "signature" not in self.leave_out:
            self._check_signature(token, head)
        return dict(claims)

    def _check_signature(self, token: str, head: Mapping[str, Any]) -> None:
        read = jws.JWS()
        read.allowed_algs = [head.get("alg")]
        try:
            read.deserialize(token, self._key(head.get("kid", "")))
        except (JWException, ValueError) as exc:
            raise Refused("signature", exc) from exc

    def _key(self, kid: str) -> jwk.JWK:
        """The provider's key of this name: asked for anew when it is not known, because keys change."""
        if self._keys.get_key(kid) is None and not ("new keys" in self.leave_out and self._keys["keys"]):
            fetched = self._asked("GET", self.found["jwks_uri"])
            self._keys = jwk.JWKSet.from_json(json.dumps(fetched))
        found = self._keys.get_key(kid)
        if found is None:
            raise Refused("signature", f"no key {kid}")
        return found

    def _check(self, rule: str, holds: bool, found: object) -> None:
        if not holds and rule not in self.leave_out:
            raise Refused(rule, found)

    def _asked(self, method: str, address: str, **options: Any) -> Any:
        with requests.Session() as http:
            http.trust_env = False  # the environment's CAs would be taken in place of ours
            try:
                reply = http.request(method, address, verify=self._ca_file or True, timeout=self.patience, **options)
                if reply.status_code != 200:
                    raise Refused("error", f"{reply.status_code} {reply.text[:200]}")
                return reply.json()
            except requests.RequestException as exc:  # nobody there, too late, or no JSON
                raise Refused("error", exc) from exc


def _seconds(claims: Claims, name: str) -> float:
    """A time among the claims; 0, which is long ago, where there is none."""
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _level(claims: Claims) -> int:
    """The lower of the two levels that a token states; 0 where it lacks one. Levels come as numbers or as text."""
    stated = str(claims.get("acr"))[3:4], str(claims.get("authentication_assurance_level"))
    return min(int(level) if level.isdigit() else 0 for level in stated)
