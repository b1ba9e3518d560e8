"""SpineStub and its fixtures: what they give a test, and what they say when one fails."""

from __future__ import annotations

import gc
import tempfile
import threading
from pathlib import Path

import pytest
from examples.made_up_client import MadeUpClient, SignInFailed

from spine_stub import ANYTHING, SpineStub
from spine_stub.errors import DataError
from spine_stub.pytest_plugin import SpineStubFactory

pytest_plugins = ["pytester"]
UID = "555000000002"


@pytest.fixture
def client(spine_stub: SpineStub) -> MadeUpClient:
    return MadeUpClient(spine_stub.url, spine_stub.ca_file)


def says(action: object, *arguments: object, **named: object) -> str:
    with pytest.raises(AssertionError) as caught:
        action(*arguments, **named)  # type: ignore[operator]
    return str(caught.value)


def test_it_fills_a_folder_of_its_own_and_removes_it() -> None:
    with SpineStub(tls=False) as spine:
        data = spine.data
        assert spine.url.startswith("http://127.0.0.1:")
        assert MadeUpClient(spine.url, spine.ca_file).sign_in(UID, spine.card())
    assert not data.exists()


def test_one_that_does_not_run_says_so(tmp_path: Path) -> None:
    for ask in ("url", "faults", "people"):
        with pytest.raises(DataError, match="with SpineStub"):
            getattr(SpineStub(tmp_path), ask)


def test_a_port_in_use_is_said(spine_stub: SpineStub) -> None:
    port = int(spine_stub.url.rpartition(":")[2])
    with pytest.raises(DataError, match=str(port)):
        SpineStub(spine_stub.data, port=port).start()
    gc.collect()


def test_one_that_cannot_start_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DataError, match="xyz"), SpineStub(store="xyz"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_card_that_is_not_there_names_those_that_are(spine_stub: SpineStub) -> None:
    with pytest.raises(DataError, match=r"no card gold; there are: .*one-role"):
        spine_stub.card("gold")


def test_settings_are_those_of_config(spine_stub_factory: SpineStubFactory) -> None:
    assert spine_stub_factory(allow_sha1=True)._stub.broker.config.allow_sha1


def test_waiting_ends_with_the_request(spine_stub: SpineStub, client: MadeUpClient) -> None:
    later = threading.Timer(0.1, client.sign_in, [UID, spine_stub.card()])
    later.start()
    assert spine_stub.wait_for("authvalidate", uid=UID)["uid"] == UID
    later.join()


def test_waiting_in_vain_tells_what_came_instead(spine_stub: SpineStub, client: MadeUpClient) -> None:
    assert says(spine_stub.wait_for, "authvalidate", timeout=0.01).endswith("there was no request")
    client.sign_in(UID, spine_stub.card())
    first = spine_stub.wait_for("authvalidate")
    story = says(spine_stub.wait_for, "authvalidate", after=first, timeout=0.01)
    assert f"POST /login/authvalidate 200 ok uid={UID}" in story


def test_what_differs_is_listed(spine_stub: SpineStub, client: MadeUpClient) -> None:
    client.sign_in(UID, spine_stub.card())
    sent = spine_stub.wait_for("authvalidate")
    sent.assert_sent(uid=str.isdigit, challenge=ANYTHING, card_type=None)
    text = says(sent.assert_sent, mobility="1", service=None, device_id=ANYTHING, uid=str.isalpha)
    assert "mobility: expected '1', received '0'" in text
    assert "service: expected nothing, received 'AUTHENTICATION'" in text
    assert "device_id: expected ANYTHING, received nothing" in text
    assert f"uid: expected isalpha, received '{UID}'" in text
    assert "(the same up to character 0; lengths 40 and" in says(sent.assert_sent, challenge="!" * 40)
    assert "header User-Agent: expected 'X'" in says(sent.assert_header, "User-Agent", "X")
    assert "no parameter 'app_url' was sent" in says(sent.__getitem__, "app_url")


def test_a_refusal_is_explained_down_to_the_bytes(
    spine_stub: SpineStub, client: MadeUpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = client._sign
    monkeypatch.setattr(client, "_sign", lambda challenge, card: sign(challenge[::-1], card))
    with pytest.raises(SignInFailed):
        client.sign_in(UID, spine_stub.card())
    sent = spine_stub.wait_for("authvalidate")
    for text in (says(sent.assert_ok), says(spine_stub.assert_signed_in, UID)):
        assert "refused by: The signed content is the challenge (content-not-the-challenge)" in text
        assert "expected " in text
        assert "received " in text
    assert "nobody signed in as 1" in says(spine_stub.assert_signed_in, "1")


def test_each_test_begins_without_the_one_before(spine_stub: SpineStub, client: MadeUpClient) -> None:
    client.sign_in(UID, spine_stub.card())
    spine_stub.faults.always("http-500")
    spine_stub.clear()
    assert not spine_stub.requests()
    assert not spine_stub.faults.settings()
    assert not spine_stub._stub.broker.store.sessions()


def test_a_failing_test_shows_what_its_client_asked(pytester: pytest.Pytester, spine_stub: SpineStub) -> None:
    pytester.makepyfile(
        f"""
        import pathlib, pytest, requests
        from spine_stub import SpineStub

        @pytest.fixture(scope="session")
        def spine_stub_shared():
            with SpineStub(pathlib.Path({str(spine_stub.data)!r})) as spine:
                yield spine

        def test_it(spine_stub):
            requests.get(spine_stub.url + "/login/authvalidate?uid=1", verify=str(spine_stub.ca_file))
            assert False

        def test_its_own(spine_stub_factory):
            spine = spine_stub_factory(allow_sha1=True)
            requests.get(spine.url + "/login/authvalidate?uid=2", verify=str(spine.ca_file))
            assert False
        """
    )
    result = pytester.runpytest_inprocess("-p", "spine_stub.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
    for uid in (1, 2):
        result.stdout.fnmatch_lines(["*spine stub*", f"*GET /login/authvalidate 200 missing-response uid={uid}*"])
