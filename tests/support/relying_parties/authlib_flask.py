"""An application that signs people in by Authlib's client for Flask.

    ISSUER=... CLIENT_ID=... CLIENT_SECRET=... PORT=... python authlib_flask.py

/ says who is signed in, as JSON; /sign-in, /callback and /logout-token are what its provider must know.
"""

import os
import secrets
from wsgiref.simple_server import make_server

from authlib.integrations.flask_client import OAuth
from authlib.oidc.core import IDToken
from flask import Flask, redirect, request, session

EVENT = "http://schemas.openid.net/event/backchannel-logout"
PORT = int(os.environ["PORT"])
HOME = f"http://127.0.0.1:{PORT}"

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
cis2 = OAuth(app).register(
    "cis2",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{os.environ['ISSUER']}/.well-known/openid-configuration",
    client_kwargs={
        "scope": "openid profile nationalrbacaccess selectedrole",
        "token_endpoint_auth_method": "client_secret_post",
        "code_challenge_method": "S256",
    },
)
over: set[str] = set()  # sessions of the provider that have ended


class LogoutToken(IDToken):
    """A logout token has the claims of an ID token that matter, an event and no nonce."""

    def validate(self, now: float | None = None, leeway: float = 0) -> None:
        super().validate(now, leeway)
        if EVENT not in self.get("events", {}) or "nonce" in self:
            raise ValueError("not a logout token")


@app.get("/")
def home() -> dict[str, str]:
    if session.get("sid") in over:
        session.clear()
    return {name: session[name] for name in ("uid", "role") if name in session}


@app.get("/sign-in")
def sign_in():
    return cis2.authorize_redirect(f"{HOME}/callback", max_age=300)


@app.get("/callback")
def callback():
    token = cis2.authorize_access_token()
    claims, person = token["userinfo"], cis2.userinfo(token=token)
    roles = {role["person_roleid"]: role["role_name"] for role in person["nhsid_nrbac_roles"]}
    session.update(uid=person["sub"], role=roles[claims["selected_roleid"]], sid=claims["sid"])
    return redirect("/")


@app.post("/logout-token")
def log_out():
    wanted = {
        "iss": {"essential": True, "value": cis2.load_server_metadata()["issuer"]},
        "aud": {"essential": True, "value": cis2.client_id},
    }
    try:
        claims = cis2.parse_id_token({"id_token": request.form["logout_token"]}, None, wanted, LogoutToken)
    except Exception as exc:  # whatever of a token is wrong
        return str(exc), 400
    over.add(claims["sid"])
    return ""


if __name__ == "__main__":
    make_server("127.0.0.1", PORT, app).serve_forever()
