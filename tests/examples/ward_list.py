"""A made-up application of somebody else: a ward's list of patients, for those whom CIS2 has signed in.

    WardList(issuer, client_id, key, ca_file).app      the WSGI application

It does what an application under CIS2 must do; each thing that can be forgotten is a method of its own.
ward_list_in_a_hurry.py forgets ten of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from flask import Flask, Response, redirect, request, session
from jwcrypto import jwk, jws
from jwcrypto.common import JWException

Claims = Mapping[str, Any]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
LEEWAY = 60
"""Seconds that two clocks may differ by."""


class NotSignedIn(Exception):
    """Why somebody is not signed in, or a logout token is not believed."""


class WardList:
    """The application."""

    scopes = ("openid", "profile", "nationalrbacaccess", "selectedrole")
    oldest = timedelta(minutes=5)
    """How long ago the person may have signed in."""
    level = 3

    def __init__(self, issuer: str, client_id: str, key: jwk.JWK, ca_file: Path) -> None:
        self.client_id, self.key, self.ca_file = client_id, key, str(ca_file)
        self.provider = self.get(f"{issuer}/.well-known/openid-configuration").json()
        self.keys = jwk.JWKSet()
        self.visits: dict[str, Claims] = {}
        """Who is signed in, by what their browser's cookie says."""
        self.used: set[str] = set()
        """The logout tokens that were taken."""
        self.app = Flask("ward_list")
        self.app.secret_key = secrets.token_bytes(32)
        self.app.register_error_handler(NotSignedIn, lambda exc: (f"Not signed in: {exc}\n", 403))
        self.app.add_url_rule("/", view_func=self.home)
        self.app.add_url_rule("/login", view_func=self.login)
        self.app.add_url_rule("/callback", view_func=self.callback)
        self.app.add_url_rule("/logged-out", view_func=self.logged_out, methods=["POST"])

    # Pages

    def home(self) -> str | Response:
        """The patients, for those who are signed in; the way to CIS2 for the rest."""
        visit = self.visits.get(session.get("visit", ""))
        if visit is None:
            return redirect("/login")
        return f"<h1>Patients of {visit['role']['org_code']}</h1><p>You are {visit['name']}. <a href=/>Again</a></p>"

    def login(self) -> Response:
        """Send the browser to CIS2, and remember what it was sent with."""
        sent = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        session["sent"] = sent
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.scopes), "state": sent["state"], "nonce": sent["nonce"], "acr_values": "AAL3_ANY",
            "max_age": self.max_age(), "code_challenge": _challenge(sent["verifier"]), "code_challenge_method": "S256",
        }  # fmt: skip
        return redirect(f"{self.provider['authorization_endpoint']}?{urlencode(asked)}")

    def callback(self) -> Response:
        """Sign in whoever comes back from CIS2; raises NotSignedIn."""
        sent = session.pop("sent", None)
        if sent is None:
            raise NotSignedIn("this browser did not ask")
        self.check_state(sent)
        if "code" not in request.args:
            raise NotSignedIn(request.args.get("error", "no code"))
        tokens = self.redeem(request.args["code"], sent["verifier"])
        claims = self.verified(tokens["id_token"])
        self.check_id_token(claims, sent)
        about = self.get(self.provider["userinfo_endpoint"], tokens["access_token"]).json()
        self.check_subject(claims, about)
        session["visit"] = secrets.token_urlsafe(32)
        self.visits[session["visit"]] = {
            "sub": claims["sub"], "sid": claims["sid"], "name": about["name"], "role": self.role(claims, about),
        }  # fmt: skip
        return redirect("/")

    def logged_out(self) -> tuple[str, int]:
        """Take a logout token from CIS2."""
        try:
            claims = self.verified(request.form.get("logout_token", ""))
            self.check_logout(claims)
        except NotSignedIn as exc:
            return f"{exc}\n", 400
        over = [key for key, visit in self.visits.items() if self.is_over(visit, claims)]
        for key in over:
            del self.visits[key]
        return "", 200

    @property
    def redirect_uri(self) -> str:
        return f"{request.host_url}callback"

    # What is asked of CIS2

    def max_age(self) -> str:
        return str(int(self.oldest.total_seconds()))

    def redeem(self, code: str, verifier: str) -> Claims:
        """Change the code into tokens; raises NotSignedIn."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri,
            "code_verifier": verifier, "client_assertion_type": ASSERTION, "client_assertion": self.assertion(),
        }  # fmt: skip
        reply = requests.post(self.provider["token_endpoint"], data=form, verify=self.ca_file, timeout=10)
        return dict(_checked(reply).json())

    def assertion(self) -> str:
        """Say who we are, signed with our key."""
        now = int(time.time())
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": self.provider["token_endpoint"],
            "iat": now, "exp": now + 60, "jti": secrets.token_hex(16),
        }  # fmt: skip
        signed = jws.JWS(json.dumps(claims))
        signed.add_signature(self.key, None, json.dumps(self.assertion_header()))
        return str(signed.serialize(compact=True))

    def assertion_header(self) -> Claims:
        return {"alg": "RS256", "typ": "JWT", "kid": self.key["kid"]}

    def get(self, url: str, access_token: str = "") -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        return _checked(requests.get(url, headers=headers, verify=self.ca_file, timeout=10))

    # What is checked

    def check_state(self, sent: Claims) -> None:
        """That this is the answer to what this browser asked; raises NotSignedIn."""
        if not secrets.compare_digest(request.args.get("state", ""), sent["state"]):
            raise NotSignedIn("the state is another one")

    def verified(self, token: str) -> Claims:
        """The claims of a token that CIS2 signed; raises NotSignedIn."""
        try:
            read = jws.JWS()
            read.allowed_algs = ["RS256"]
            read.deserialize(token)
            read.verify(self.signing_key(str(read.jose_header.get("kid"))))
            return dict(json.loads(read.payload))
        except (JWException, ValueError, TypeError) as exc:
            raise NotSignedIn("the signature is not CIS2's") from exc

    def signing_key(self, kid: str) -> jwk.JWK:
        """CIS2's key of this name; one that is new is looked up."""
        if self.keys.get_key(kid) is None:
            self.keys = jwk.JWKSet.from_json(self.get(self.provider["jwks_uri"]).text)
        key = self.keys.get_key(kid)
        if key is None:
            raise NotSignedIn("CIS2 has no such key")
        return key

    def check_id_token(self, claims: Claims, sent: Claims) -> None:
        """Raises NotSignedIn for a token that is not for us, not now, or says too little."""
        self.check_issuer(claims)
        self.check_times(claims)
        if claims.get("nonce") != sent["nonce"]:
            raise NotSignedIn("the nonce is another one")
        self.check_auth_time(claims)
        self.check_level(claims)

    def check_issuer(self, claims: Claims) -> None:
        if not self.is_for_us(claims):
            raise NotSignedIn("the token is another issuer's, or for another application")

    def is_for_us(self, claims: Claims) -> bool:
        is_of_cis2 = claims.get("iss") == self.provider["issuer"]
        return is_of_cis2 and claims.get("aud") in (self.client_id, [self.client_id])

    def check_times(self, claims: Claims) -> None:
        now = time.time()
        begins = max(claims.get("iat", now), claims.get("nbf", 0))
        if not begins - LEEWAY <= now < claims.get("exp", 0) + LEEWAY:
            raise NotSignedIn("the token has expired, or holds only later")

    def check_auth_time(self, claims: Claims) -> None:
        if claims.get("auth_time", 0) < time.time() - self.oldest.total_seconds() - LEEWAY:
            raise NotSignedIn("the person signed in too long ago")

    def check_level(self, claims: Claims) -> None:
        if not str(claims.get("acr")).startswith("AAL3") or self.level_of(claims) < self.level:
            raise NotSignedIn("the assurance level is too low")

    def level_of(self, claims: Claims) -> int:
        """The level, which comes as a number or as text."""
        level = str(claims.get("authentication_assurance_level"))
        return int(level) if level.isdigit() else 0

    def check_subject(self, claims: Claims, about: Claims) -> None:
        if about.get("sub") != claims["sub"]:
            raise NotSignedIn("userinfo is about somebody else")

    def role(self, claims: Claims, about: Claims) -> Claims:
        """The role that the person has selected; raises NotSignedIn."""
        roles = about.get("nhsid_nrbac_roles", [])
        roles = roles if isinstance(roles, list) else [roles]
        found = [role for role in roles if role["person_roleid"] == claims.get("selected_roleid")]
        if not found:
            raise NotSignedIn("the selected role is not one of the person's")
        return dict(found[0])

    def check_logout(self, claims: Claims) -> None:
        """Raises NotSignedIn for what is no logout token for us, of now, and new."""
        if not self.is_for_us(claims):
            raise NotSignedIn("the logout token is another issuer's, or for another application")
        self.check_kind(claims)
        if not time.time() - 300 <= claims.get("iat", 0) <= time.time() + LEEWAY:
            raise NotSignedIn("the logout token is an old one")
        if claims.get("jti") in {None, *self.used} or not ("sub" in claims or "sid" in claims):
            raise NotSignedIn("the logout token was used before, or is about nobody")
        self.used.add(claims["jti"])

    def check_kind(self, claims: Claims) -> None:
        if not isinstance(claims.get("events", {}).get(LOGOUT), dict) or "nonce" in claims:
            raise NotSignedIn("this is no logout token")

    def is_over(self, visit: Claims, claims: Claims) -> bool:
        return bool(visit["sid"] == claims["sid"] if "sid" in claims else visit["sub"] == claims["sub"])


def _challenge(verifier: str) -> str:
    """RFC 7636, section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _checked(reply: requests.Response) -> requests.Response:
    if reply.status_code != 200:
        raise NotSignedIn(f"CIS2 answered {reply.status_code}")
    return reply
