"""Applications' key sets at an address: fetched with care, read with care."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from jwcrypto import jwk
from support.cis2 import NOT_VALID, Application, private_key, refused, register
from support.spine import Spine

from spine_stub.cis2.provider import Provider


@pytest.fixture(scope="module")
def key() -> jwk.JWK:
    return private_key()


@pytest.fixture(scope="module")
def other_key() -> jwk.JWK:
    return private_key()


class KeySets(ThreadingHTTPServer):
    """An application's server with its key set, at /jwks; /moved leads there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _KeySet)
        self.content = b'{"keys": []}'
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks"

    def publish(self, **keys: jwk.JWK) -> None:
        entries = [{**key.export_public(as_dict=True), "kid": kid, "use": "sig"} for kid, key in keys.items()]
        self.content = json.dumps({"keys": entries}).encode()


class _KeySet(BaseHTTPRequestHandler):
    server: KeySets

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        is_moved = self.path == "/moved"
        self.send_response(302 if is_moved else 200)
        if is_moved:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def key_sets() -> Iterator[KeySets]:
    with KeySets() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def publishing(spine: Spine, provider: Provider, key_sets: KeySets, key: jwk.JWK) -> Application:
    """An application with its key set at an address."""
    key_sets.publish(first=key)
    register(provider, jwks_uri=key_sets.url)
    return Application(spine.url, spine.ca_file, key=key, kid="first", clock=spine.clock)


def test_a_key_set_is_fetched_once(publishing: Application, key_sets: KeySets) -> None:
    for _ in range(3):
        assert publishing.token(publishing.code()).status_code == 200
    assert key_sets.asked == ["/jwks"]


def test_a_kid_must_be_there_and_known(publishing: Application, key: jwk.JWK) -> None:
    for kid, why in ((None, "has no kid"), ("second", "no key with kid 'second'; it has: 'first'")):
        publishing.kid = kid
        *said, reason = refused(publishing, publishing.assertion(key=key))
        assert (tuple(said), why in reason) == (NOT_VALID, True)


def test_a_new_key_is_found(
    publishing: Application, key_sets: KeySets, provider: Provider, other_key: jwk.JWK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spine_stub.cis2.clients.keys._WAIT_SECONDS", 0.0)
    assert publishing.token(publishing.code()).status_code == 200
    key_sets.publish(second=other_key)
    publishing.key, publishing.kid = other_key, "second"
    assert publishing.token(publishing.code()).status_code == 200


def test_a_redirect_is_not_followed(publishing: Application, key_sets: KeySets, provider: Provider) -> None:
    register(provider, jwks_uri=key_sets.url.replace("/jwks", "/moved"))
    *said, why = refused(publishing, publishing.assertion())
    assert (tuple(said), "answers HTTP 302" in why) == (NOT_VALID, True)
    assert key_sets.asked == ["/moved"]


def key_set(*entries: dict[str, str]) -> bytes:
    return json.dumps({"keys": [{"kid": "first", **entry} for entry in entries]}).encode()


BAD_KEY_SETS = {
    "nothing": b"", "text": b"x", "list": b"[]", "number": b'{"keys": 5}',
    "deep": b"[" * 50_000, "large": b"x" * 100_000,
    "nameless": b'{"keys": [{}]}', "many": key_set(*[{"kty": "RSA"}] * 60), "empty": key_set({"kty": "RSA"}),
    "secret": key_set({"kty": "oct", "k": "eA"}), "short": key_set({"kty": "RSA", "n": "AQ", "e": "AQAB"}),
    "off the curve": key_set({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}),
}  # fmt: skip


@pytest.mark.parametrize("content", BAD_KEY_SETS.values(), ids=BAD_KEY_SETS)
def test_a_bad_key_set_is_refused(publishing: Application, key_sets: KeySets, content: bytes) -> None:
    key_sets.content = content
    assert refused(publishing, publishing.assertion())[:3] == NOT_VALID


def test_a_private_key_in_a_key_set_is_said(publishing: Application, key_sets: KeySets, key: jwk.JWK) -> None:
    key_sets.content = json.dumps({"keys": [{**key.export(private_key=True, as_dict=True), "kid": "first"}]}).encode()
    assert "private key" in refused(publishing, publishing.assertion())[3]


def test_another_host_is_not_asked(spine: Spine, provider: Provider, key: jwk.JWK) -> None:
    register(provider, jwks_uri="http://192.0.2.1/jwks")
    application = Application(spine.url, spine.ca_file, key=key, kid="first", clock=spine.clock)
    assert "--allow-host does not name it" in refused(application, application.assertion())[3]
