"""A token in no reader (SoftHSM), and modules that do what none should: `--reader pkcs11:`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from support.agent import Person, fails
from support.agent_program import run_agent
from support.machine import wait_until
from support.screen import Display
from support.spine import Spine
from support.tokens import SOFTHSM, SoftToken, children
from support.window import WindowOnScreen, text_of

import agent
from agent import Broker, CardIn, Cue, Digest, Fault, Passcode, Purpose, State, TokenReader

TOKEN = CardIn("no reader", b"")
HANGING_AND_CRASHING = [f"{what}:{where}" for what in ("hang", "crash") for where in ("C_Login", "C_Sign")]


@pytest.fixture
def odd(soft_token: SoftToken, odd_module: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """odd("hang:C_Sign") is the --reader of a module that is SoftHSM but for that."""

    def reader(what: str) -> str:
        monkeypatch.setenv("ODD", what)
        return f"pkcs11:token={soft_token.label}?module-path={odd_module}"

    return reader


@pytest.fixture
def at(spine: Spine) -> Iterator[Callable[..., Person]]:
    """at(uri) is somebody with that token."""
    people: list[Person] = []

    def person(uri: str, **parts: Any) -> Person:
        people.append(Person(TokenReader(uri), lambda: Broker(spine.url, spine.ca_file), **parts))
        return people[-1]

    yield person
    for each in people:
        each.close()


def log_in(spine: Spine, reader: str, stdin: str = "123456\n") -> Any:
    options = ["--spine", spine.url, "--ca-file", spine.ca_file, "--reader", reader]
    return run_agent(*options, "login", "--json", "--wait", "10", stdin=stdin)


def test_the_whole_sign_in(soft_token: SoftToken, spine: Spine) -> None:
    done = log_in(spine, soft_token.uri)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["uid"] == "555000000002"
    assert log_in(spine, soft_token.uri, "000000\n").returncode == 5


def test_sha1_where_the_broker_takes_it(soft_token: SoftToken, spine_factory: Any) -> None:
    spine = spine_factory(allow_sha1=True)
    person = Person(TokenReader(soft_token.uri), lambda: Broker(spine.url, spine.ca_file), Digest.SHA1)
    person.types()
    person.sees(State.SIGNED_IN)
    person.close()


@pytest.mark.parametrize("digest", Digest)
@pytest.mark.parametrize(("slot", "what"), [("9A", "nothing"), ("9A", "combined"), ("9C", "nothing")])
def test_signatures_by_either_kind_of_mechanism(
    slot: str, digest: Digest, what: str, odd: Callable[[str], str], soft_token: SoftToken, data: Path
) -> None:
    """Key 9A is RSA, and 9C ECDSA: what modules give as two numbers is DER in a CMS message."""
    soft_token.add(data / "cards" / "one-role", "9C", "02")
    reader = TokenReader(odd(what))
    purpose = {"9A": Purpose.SIGN_IN, "9C": Purpose.COMMITMENT}[slot]
    with reader.open(TOKEN) as token:
        certificate = token.facts(purpose).certificate
        messages = [b"one", b"two"]
        signatures = token.sign(Passcode("123456"), messages, digest, certificate)
    reader.close()
    key: Any = x509.load_der_x509_certificate(certificate.der).public_key()
    algorithm = {Digest.SHA1: hashes.SHA1, Digest.SHA256: hashes.SHA256}[digest]()
    how = (ec.ECDSA(algorithm),) if slot == "9C" else (padding.PKCS1v15(), algorithm)
    for message, signature in zip(messages, signatures, strict=True):
        key.verify(signature, message, *how)


def test_the_passcode_is_typed_on_the_reader(
    odd: Callable[[str], str], at: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAD", "123456")
    person = at(odd("pad"))
    person.sees(State.SIGNED_IN)
    assert State.PASSCODE not in person.states


def test_a_wrong_passcode_typed_on_the_reader_is_not_tried_again_unasked(
    odd: Callable[[str], str], at: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAD", "000000")
    person = at(odd("pad"))
    assert person.problem().fault is Fault.WRONG_PASSCODE
    monkeypatch.setenv("PAD", "123456")
    person.conductor.handle(Cue.DISMISSED)
    person.sees(State.SIGNED_IN)


def test_the_last_try_on_the_reader_is_asked_for(
    odd: Callable[[str], str], at: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAD", "123456")
    person = at(odd("pad last"))
    person.sees(State.CONFIRMING)
    person.conductor.handle(Cue.CONFIRMED)
    person.sees(State.SIGNED_IN)


def test_a_locked_token_is_not_tried(odd: Callable[[str], str], spine: Spine) -> None:
    assert log_in(spine, odd("locked")).returncode == 6


@pytest.mark.parametrize(
    ("result", "fault"), [("0x32", Fault.CARD_REMOVED), ("0x30", Fault.CARD_MUTE), ("0x50", Fault.GIVEN_UP)]
)
def test_what_a_module_says_is_a_fault(result: str, fault: Fault, odd: Callable[[str], str]) -> None:
    reader = TokenReader(odd(f"result:{result}"))
    with fails(fault), reader.open(TOKEN) as token:
        token.sign(Passcode("123456"), [b"a challenge"], Digest.SHA256, token.facts().certificate)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a module as long as a test has, not a minute."""
    monkeypatch.setattr(agent, "MODULE_SECONDS", 2)
    monkeypatch.setattr(agent, "MODULE_START_SECONDS", 2)
    monkeypatch.setattr(agent, "MODULE_SLOW_SECONDS", 0.2)


@pytest.mark.parametrize("what", HANGING_AND_CRASHING)
def test_a_module_that_fails_costs_a_sentence(
    what: str, odd: Callable[[str], str], at: Callable[..., Person], hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = at(odd(what))
    person.types()
    assert person.problem().fault is Fault.MODULE_FAILED
    monkeypatch.setenv("ODD", "")
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.SIGNED_IN)


@pytest.mark.parametrize("what", ["hang:C_Initialize", "crash:C_Initialize", "crash:C_GetTokenInfo"])
def test_a_module_that_fails_from_the_start_is_a_missing_reader(
    what: str, odd: Callable[[str], str], at: Callable[..., Person], hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = at(odd(what))
    person.sees(State.NO_READER)
    assert person.conductor.problem
    assert person.conductor.problem.fault is Fault.MODULE_FAILED
    monkeypatch.setenv("ODD", "")
    person.sees(State.PASSCODE)


def test_a_module_that_hangs_does_not_keep_the_others_from_a_card(
    odd: Callable[[str], str], soft_token: SoftToken, spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start it has a moment, and is asked last from then on."""
    monkeypatch.setattr(agent, "MODULE_START_SECONDS", 0.5)
    hanging = odd("hang:C_GetSlotList").partition("module-path=")[2]
    monkeypatch.setattr(agent, "pkcs11_modules", lambda: [hanging, str(SOFTHSM)])
    person = Person(TokenReader("pkcs11:"), lambda: Broker(spine.url, spine.ca_file))
    person.types()
    person.sees(State.SIGNED_IN)
    person.close()


def test_a_slow_module_is_told_of(odd: Callable[[str], str], hurried: None, caplog: pytest.LogCaptureFixture) -> None:
    reader = TokenReader(odd("hang:C_Sign"))
    with fails(Fault.MODULE_FAILED), reader.open(TOKEN) as token:
        token.sign(Passcode("123456"), [b"a challenge"], Digest.SHA256, token.facts().certificate)
    assert "software is slow" in caplog.text


def test_the_window_is_used_while_a_module_hangs(
    odd: Callable[[str], str], screen: Display, spine: Spine, hurried: None
) -> None:
    window = WindowOnScreen(screen, TokenReader(odd("hang:C_Login")), lambda: Broker(spine.url, spine.ca_file))
    window.signs_in()
    window.sees(State.SIGNING_IN)
    window.waits(lambda: "Cancel" in window.text())
    window.catches_up()
    assert window.conductor.state is State.SIGNING_IN
    window.sees(State.PROBLEM)
    window.waits(lambda: "The card's own software on this PC has failed." in window.text())
    window.close()


def test_the_child_ends_with_the_agent(odd: Callable[[str], str], at: Callable[..., Person]) -> None:
    person = at(odd("nothing"))
    person.sees(State.PASSCODE)
    assert children()
    person.conductor.close()
    wait_until(lambda: not children(), what="the child's end")


def test_no_passcode_in_the_child_s_arguments_or_environment(soft_token: SoftToken) -> None:
    reader = TokenReader(soft_token.uri)
    with reader.open(TOKEN) as token:
        (child,) = children()
        passcode = Passcode("123456")
        token.sign(passcode, [b"a challenge"], Digest.SHA256, token.facts().certificate)
        folder = Path("/proc") / str(child)
        assert b"123456" not in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    with fails(Fault.NO_PASSCODE):
        passcode.padded()


def test_one_of_two_certificates_that_would_do_is_chosen_by_the_person(
    soft_token: SoftToken, data: Path, at: Callable[..., Person], spine: Spine
) -> None:
    soft_token.add(data / "cards" / "three-roles", "9A", "07", "Another")
    person = at(soft_token.uri)
    person.sees(State.CHOOSING_CERTIFICATE)
    facts = person.attempt.facts
    assert facts
    (chosen,) = [each for each in (facts.certificate, *facts.others) if each.label == "Another"]
    person.conductor.use_certificate(chosen)
    person.types()
    person.sees(State.CHOOSING_ROLE)
    assert person.session.uid == "555000000001"
    refused = log_in(spine, soft_token.uri)
    assert (refused.returncode, "Several certificates" in refused.stderr) == (4, True)
    named = log_in(spine, soft_token.uri.replace("?", ";object=Another?"))
    assert json.loads(named.stdout)["uid"] == "555000000001"


def test_a_passcode_is_changed_and_set_anew_by_the_unblocking_code(soft_token: SoftToken, spine: Spine) -> None:
    changed = run_agent("--reader", soft_token.uri, "passcode", stdin="123456\n246810\n")
    assert changed.returncode == 0, changed.stderr
    wrong = run_agent("--reader", soft_token.uri, "unlock", stdin="00000000\n135791\n")
    assert (wrong.returncode, "unblocking code is not right" in wrong.stderr) == (5, True)
    assert run_agent("--reader", soft_token.uri, "unlock", stdin="12345678\n135791\n").returncode == 0
    assert log_in(spine, soft_token.uri, "246810\n").returncode == 5
    assert log_in(spine, soft_token.uri, "135791\n").returncode == 0


def test_a_pc_without_the_library_says_so(soft_token: SoftToken, spine: Spine, tmp_path: Path) -> None:
    (tmp_path / "PyKCS11.py").write_text("raise ImportError\n")
    options = ["--spine", spine.url, "--ca-file", spine.ca_file, "--reader", soft_token.uri]
    done = run_agent(*options, "login", "--wait", "3", PYTHONPATH=str(tmp_path))
    assert (done.returncode, "python3-pykcs11" in done.stderr) == (3, True)


@pytest.mark.parametrize(("path", "code"), [("/nowhere/module.so", 2), ("/tmp", 2), ("/etc/passwd", 3)])
def test_what_is_no_module_is_named(path: str, code: int, spine: Spine, soft_token: SoftToken) -> None:
    done = log_in(spine, f"pkcs11:?module-path={path}")
    assert (done.returncode, path in done.stderr.splitlines()[-1]) == (code, True), done.stderr


def test_a_passcode_in_the_address_is_refused_and_not_repeated(spine: Spine, soft_token: SoftToken) -> None:
    done = log_in(spine, f"{soft_token.uri}&pin-value=123456")
    assert (done.returncode, "123456" in done.stderr) == (2, False)


def test_the_window_asks_which_certificate(soft_token: SoftToken, data: Path, screen: Display, spine: Spine) -> None:
    soft_token.add(data / "cards" / "three-roles", "9A", "07", "Dr A. Khan, hospital")
    window = WindowOnScreen(screen, TokenReader(soft_token.uri), lambda: Broker(spine.url, spine.ca_file))
    window.sees(State.CHOOSING_CERTIFICATE)
    window.picture("certificates")
    (button,) = [
        text for text in map(text_of, window.buttons()) if text.startswith("Dr A. Khan, hospital: 555000000001, until")
    ]
    window.presses("Return")
    window.catches_up()
    assert window.conductor.state is State.CHOOSING_CERTIFICATE
    window.clicks(button)
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)
    assert window.session.uid == "555000000001"
    window.close()


@pytest.mark.parametrize("what", ["crash:C_Initialize", "hang:C_Initialize"])
def test_a_module_that_fails_is_no_obstacle_to_the_next(
    what: str,
    odd: Callable[[str], str],
    odd_module: Path,
    at: Callable[..., Person],
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    odd(what)
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "a.module").write_text(f"module: {odd_module}\n")
    (folder / "b.module").write_text(f"module: {SOFTHSM}\n")
    monkeypatch.setattr(agent, "MODULE_FOLDERS", (folder,))
    person = at("pkcs11:")
    person.types()
    person.sees(State.SIGNED_IN)
