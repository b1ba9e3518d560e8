"""The probes, one after the other: an honest sign-in, each fault, each wrong logout token, and a right one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..evidence import Evidence, Outcome
from ..probes import ANOTHER_BROWSER, Must, Probe
from ..rules import RULES, Rule
from .browser import Browser, ProbeError
from .sign_in import Application
from .stub_api import StubApi

Say = Callable[[str], None]

KEYS_SECONDS = 70.0
"""How long an application may go on with the keys that it has."""
_PAUSE = 5.0
_LONGEST = 1000


class NotHonestError(Exception):
    """Why nothing can be probed: what an honest sign-in shows is not what it should."""


class Prober:
    """Probes one application as one person."""

    def __init__(self, stub: StubApi, application: Application, uid: str, role: str, say: Say) -> None:
        """`uid` is who signs in, `role` the id or code of one of that person's roles, where there are several."""
        self._stub, self._application, self._uid, self._role, self._say = stub, application, uid, role, say
        self._asked: Mapping[str, str] = {}
        self._takes_logouts = False
        self.evidence: dict[str, list[Evidence]] = {}
        """What was seen so far, by rule."""
        self.problem = ""

    def run(self) -> None:
        """Make every probe, and hand in what was seen; raises ProbeError when the stub cannot be asked."""
        try:
            self._stub.arrange(self._uid, self._role)
            self._be_honest()
            for rule, probe in _in_order():
                self._note(rule.name, self._seen(probe))
        except (NotHonestError, ProbeError) as exc:
            self.problem = str(exc)[:_LONGEST]
            self._say(self.problem)
        finally:
            self._stub.cease()
            self._stub.keep(self.problem, self.evidence)

    def _be_honest(self) -> None:
        """See that the text says what it should: nothing before an honest sign-in; raises NotHonestError."""
        wanted = f"“{self._application.signed_in}” at {self._application.protected}"
        if self._shows(Browser(self._application.places)):
            raise NotHonestError(f"Somebody who is not signed in sees {wanted} too: it tells nothing.")
        _, is_shown, said = self._signed_in()
        if not is_shown:
            raise NotHonestError(f"An honest sign-in does not show {wanted}. {said}".strip())
        self._asked = self._last_request()
        self._say("an honest sign-in shows the text")

    def _last_request(self) -> Mapping[str, str]:
        asked = [step["sent"] for step in self._stub.steps() if step["endpoint"] == "authorize"]
        if not asked:
            raise NotHonestError("TEXT is shown, but nobody signed in here. Is the application pointed to this stub?")
        return dict(asked[-1])

    def _note(self, rule: str, evidence: Evidence) -> None:
        self.evidence.setdefault(rule, []).append(evidence)
        self._say(f"{evidence.outcome.value:12}  {rule:22}  {evidence.sent}: {evidence.did}")

    def _seen(self, probe: Probe) -> Evidence:
        """Make a probe; what cannot be made was not observed."""
        why = probe.needs(self._asked)
        if why:
            return _evidence(probe, Outcome.NOT_OBSERVED, why)
        try:
            return self._how(probe)(probe)
        except ProbeError as exc:
            return _evidence(probe, Outcome.NOT_OBSERVED, str(exc))

    def _how(self, probe: Probe) -> Callable[[Probe], Evidence]:
        if probe is ANOTHER_BROWSER:
            return self._crosses
        return {Must.STAY: self._ends, Must.END: self._ends, Must.SIGN_IN: self._goes_on}.get(probe.must, self._refuses)

    def _crosses(self, probe: Probe) -> Evidence:
        """Begin a sign-in in one browser, and let another one come back from it; raises ProbeError."""
        if self._application.command:
            raise ProbeError("COMMAND signs in, and the probe cannot stop it on the way")
        first, second = Browser(self._application.places), Browser(self._application.places)
        way_back = first.get(self._application.start, stop=self._asked["redirect_uri"]).location
        if not way_back:
            raise ProbeError("the sign-in did not come back by a redirect")
        self._stub.cease()  # or an application that refuses this one, and begins anew, would sign in after all
        try:
            second.get(way_back)
        finally:
            self._stub.arrange(self._uid, self._role)
        return self._refused(probe, self._shows(second))

    def _refuses(self, probe: Probe) -> Evidence:
        """Sign in while a fault is set; raises ProbeError."""
        _, is_shown, _ = self._with(probe)
        return self._refused(probe, is_shown)

    def _refused(self, probe: Probe, is_shown: bool) -> Evidence:
        """Judge a sign-in that had to be refused. One that was counts only if an honest one succeeds after it."""
        if not is_shown:
            self._honest()
        return _judged(probe, not is_shown, "it signed nobody in", "it showed what only the signed-in see")

    def _goes_on(self, probe: Probe) -> Evidence:
        """Sign in once the keys have changed; raises ProbeError. Libraries ask for keys at most once a minute."""
        _, is_shown, said = self._with(probe)
        begun = time.monotonic()
        while not is_shown and time.monotonic() - begun < KEYS_SECONDS:
            time.sleep(_PAUSE)
            _, is_shown, said = self._signed_in()
        after = f" after {waited:.0f} seconds" if (waited := time.monotonic() - begun) > _PAUSE else ""
        return _judged(probe, is_shown, f"it signed the person in{after}", f"it signed nobody in{after}. {said}")

    def _ends(self, probe: Probe) -> Evidence:
        """End the session of somebody who is signed in, with a logout token wrong or right; raises ProbeError."""
        if probe.must is Must.STAY and not self._takes_logouts:
            raise ProbeError("the application takes no logout token as it should be either")
        self._stub.card_out(self._uid)  # what earlier probes left
        browser = self._honest()
        with self._set(probe):
            told = self._stub.card_out(self._uid)
        if not told:
            raise ProbeError("no logout token was sent: it has no backchannel_logout_uri")
        is_shown, answer = self._shows(browser), _answer(told[-1])
        stayed, ended = f"the person stayed signed in{answer}", f"it signed the person out{answer}"
        if probe.must is Must.STAY:
            return _judged(probe, is_shown, stayed, ended)
        self._takes_logouts = not is_shown
        return _judged(probe, not is_shown, ended, stayed)

    def _with(self, probe: Probe) -> tuple[Browser, bool, str]:
        """Sign in while a fault is set; raises ProbeError where that changed nothing."""
        before = self._stub.last_request()
        with self._set(probe):
            done = self._signed_in()
        if not self._stub.is_delivered(probe, before):
            raise ProbeError("the application did not ask for what the fault changes")
        return done

    def _honest(self) -> Browser:
        """Sign in without a fault; raises ProbeError when that does not succeed."""
        browser, is_shown, said = self._signed_in()
        if not is_shown:
            raise ProbeError(f"an honest sign-in did not succeed then. {said}")
        return browser

    def _signed_in(self) -> tuple[Browser, bool, str]:
        """Sign in with a new browser; returns it, whether it shows the text, and what was said if not."""
        browser = Browser(self._application.places)
        said = self._application.sign_in(browser)
        return browser, self._shows(browser), said

    def _shows(self, browser: Browser) -> bool:
        return self._application.is_shown(self._application.look(browser))

    @contextmanager
    def _set(self, probe: Probe) -> Iterator[None]:
        """Let a probe's fault stand for a while; an honest probe has none."""
        if not probe.fault:
            yield
            return
        number = self._stub.set_fault(probe)
        try:
            yield
        finally:
            self._stub.clear_fault(number)


def _in_order() -> list[tuple[Rule, Probe]]:
    """Every probe, in the order of the rules; those that change keys come last, because they may take a minute."""
    probes = [(rule, probe) for rule in RULES for probe in rule.probes]
    return sorted(probes, key=lambda pair: pair[1].must is Must.SIGN_IN)


def _evidence(probe: Probe, outcome: Outcome, did: str) -> Evidence:
    return Evidence(outcome, probe.sent, did.strip(". ")[:_LONGEST], probe.name)


def _judged(probe: Probe, is_right: bool, right: str, wrong: str) -> Evidence:
    return _evidence(probe, Outcome.PASSED if is_right else Outcome.FAILED, right if is_right else wrong)


def _answer(logout: Mapping[str, Any]) -> str:
    """What the application answered to a logout token, to be put behind a sentence."""
    status, trouble = logout["status"], logout["trouble"]
    return f" (HTTP {status})" if status else f" ({trouble})" if trouble else ""
