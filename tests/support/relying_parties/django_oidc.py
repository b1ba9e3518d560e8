"""A Django project in one file that signs people in by mozilla-django-oidc.

    ISSUER=... CLIENT_ID=... CLIENT_SECRET=... PORT=... python django_oidc.py

/ says who is signed in, as JSON; /sign-in, /callback and /logout-token are what its provider must know.
"""

import os
import secrets
import sys
from wsgiref.simple_server import make_server

import django
import requests
from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import SuspiciousOperation
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from jwt import PyJWTError

EVENT = "http://schemas.openid.net/event/backchannel-logout"
PORT = int(os.environ["PORT"])
PROVIDER = requests.get(f"{os.environ['ISSUER']}/.well-known/openid-configuration", timeout=10).json()

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    AUTHENTICATION_BACKENDS=["__main__.Cis2"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mozilla_django_oidc"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    LOGIN_REDIRECT_URL="/",
    OIDC_AUTH_REQUEST_EXTRA_PARAMS={"max_age": 300},
    OIDC_OP_AUTHORIZATION_ENDPOINT=PROVIDER["authorization_endpoint"],
    OIDC_OP_JWKS_ENDPOINT=PROVIDER["jwks_uri"],
    OIDC_OP_TOKEN_ENDPOINT=PROVIDER["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=PROVIDER["userinfo_endpoint"],
    OIDC_RP_CLIENT_ID=os.environ["CLIENT_ID"],
    OIDC_RP_CLIENT_SECRET=os.environ["CLIENT_SECRET"],
    OIDC_RP_SCOPES="openid profile nationalrbacaccess selectedrole",
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_USE_PKCE=True,
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(32),
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
)
django.setup()

from mozilla_django_oidc.auth import OIDCAuthenticationBackend  # noqa: E402 - it wants the settings
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView  # noqa: E402

over: set[str] = set()  # sessions of the provider that have ended


class Cis2(OIDCAuthenticationBackend):
    """People are known by their uid, and keep role and session for the page."""

    def verify_token(self, token: str, **kwargs: str | None) -> dict:
        claims = super().verify_token(token, **kwargs)
        if (claims["iss"], claims["aud"]) != (PROVIDER["issuer"], self.OIDC_RP_CLIENT_ID):
            raise SuspiciousOperation("a token of another issuer or for another application")
        return claims

    def get_userinfo(self, access_token: str, id_token: str, payload: dict) -> dict:
        person = super().get_userinfo(access_token, id_token, payload)
        if person["sub"] != payload["sub"]:
            raise SuspiciousOperation("userinfo is of somebody else")
        roles = {role["person_roleid"]: role["role_name"] for role in person["nhsid_nrbac_roles"]}
        self.request.session.update({"role": roles[payload["selected_roleid"]], "sid": payload["sid"]})
        return person

    def verify_claims(self, claims: dict) -> bool:
        return "sub" in claims

    def filter_users_by_claims(self, claims: dict):
        return self.UserModel.objects.filter(username=claims["sub"])

    def create_user(self, claims: dict):
        return self.UserModel.objects.create_user(claims["sub"])


def home(request: HttpRequest) -> JsonResponse:
    if request.session.get("sid") in over:
        logout(request)
    is_in = request.user.is_authenticated
    return JsonResponse({"uid": request.user.username, "role": request.session["role"]} if is_in else {})


@csrf_exempt
def log_out(request: HttpRequest) -> HttpResponse:
    try:
        claims = Cis2().verify_token(request.POST["logout_token"], nonce=None)
        if EVENT not in claims["events"]:
            raise SuspiciousOperation("not a logout token")
    except (KeyError, PyJWTError, SuspiciousOperation) as exc:
        return HttpResponse(repr(exc), status=400)
    over.add(claims["sid"])
    return HttpResponse()


urlpatterns = [
    path("", home),
    path("sign-in", OIDCAuthenticationRequestView.as_view()),
    path("callback", OIDCAuthenticationCallbackView.as_view(), name="oidc_authentication_callback"),
    path("logout-token", log_out),
]

if __name__ == "__main__":
    call_command("migrate", stdout=sys.stderr)
    make_server("127.0.0.1", PORT, get_wsgi_application()).serve_forever()
