"""CIS2 inside a Python test: `SpineStub().cis2`.

    spine.cis2.discovery_url                      for the application under test, with the id and secret of
    client = spine.cis2.client("mine", redirect_uris=["http://127.0.0.1:5000/callback"])
    spine.cis2.sign_in("555000000001", role="S8000:G8000:R8001")      at the next request, without asking anybody
    spine.cis2.faults.once("wrong-nonce", endpoint="access_token")
    spine.cis2.card_out("555000000001")
    assert [logout.status for logout in spine.cis2.logouts("mine")] == [200]
    assert not spine.cis2.report("mine").failures

docs/testing-with-cis2.md shows it at work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...faults import Faults
from ...folder import ROOT
from .. import REALM
from ..clients.registry import Client
from ..conformance import PERSON
from ..identity.sessions import Session
from ..journal import Step
from ..logout.outbox import Logout
from ..provider import Provider, SettableClock
from . import actions

if TYPE_CHECKING:
    from ..conformance.report import Report

EXAMPLE_REDIRECTS = ("http://127.0.0.1/callback", "http://localhost/callback")
"""What an application may have its browsers sent back to unless it says so: any port of this machine."""


class Cis2:
    """What a test does with CIS2, and asks it. Wishes that cannot be met raise DataError."""

    def __init__(self, provider: Provider, url: str) -> None:
        self._provider = provider
        self._url = url

    @property
    def issuer(self) -> str:
        """The issuer, as text."""
        return self._provider.broker.config.cis2_issuer or f"{self._url}{REALM}"

    @property
    def discovery_url(self) -> str:
        """Where the discovery document is, which names everything else."""
        return f"{self._url}{REALM}/.well-known/openid-configuration"

    @property
    def faults(self) -> Faults:
        """What is to go wrong: `once`, `always` and `clear`."""
        return self._provider.stub.faults

    @property
    def clock(self) -> SettableClock:
        """CIS2's time: `set`, `forward` and `reset`."""
        return self._provider.clock

    def client(self, id: str, redirect_uris: Iterable[str] = EXAMPLE_REDIRECTS, **fields: Any) -> Client:  # noqa: A002
        """Register an application with the fields of clients.toml; one without a key gets a secret."""
        return actions.register(self._provider, {"id": id, "redirect_uris": list(redirect_uris), **fields})

    def sign_in(
        self, uid: str, role: str = "", *, aal: int = 3, mechanism: str = "", client: str = "", standing: bool = False
    ) -> None:
        """Sign a person in at the next request to sign in, of one client or any; a standing one at every request.

        `role` is the id or the code of a role that the person has.
        """
        actions.arrange(
            self._provider, uid, role=role, mechanism=mechanism, aal=aal, client=client, standing=standing
        )  # fmt: skip

    def card_out(self, uid: str = "") -> int:
        """Pull a person's card, or everybody's: sessions end, and applications are told; returns how many ended."""
        return len(actions.card_out(self._provider, uid))

    def sessions(self) -> list[Session]:
        """Who is signed in."""
        return actions.signed_in(self._provider)

    def steps(self, client_id: str = "", sign_in: str = "") -> list[Step]:
        """What applications asked, oldest first, of one client or one sign-in or all."""
        return self._provider.journal.steps(client_id, sign_in)

    def logouts(self, client_id: str = "", timeout: float = 10.0) -> list[Logout]:
        """The logout tokens that were sent and what was answered, once no application is waited for any more."""
        self._provider.outbox.wait(timeout)
        return self._provider.outbox.logouts(client_id)

    def report(self, client_id: str) -> Report:
        """What the application does wrong, as far as it was seen; `failures` has the names of the rules."""
        from ..conformance.pages import report_of  # imported only when it is asked for

        return report_of(self._provider, client_id)

    def probe(
        self, client_id: str, protected: str, signed_in: str, *, start: str = "", uid: str = PERSON, role: str = ""
    ) -> Report:
        """Send the application each fault, as `python3 -m spine_stub probe` does; returns the report.

        `protected` is an address that shows the text `signed_in` to nobody but the signed-in; `start` begins a sign-in.
        """
        # Imported only here: most tests need none of it.
        from ..conformance.probe.browser import Places
        from ..conformance.probe.prober import Prober
        from ..conformance.probe.sign_in import Application
        from ..conformance.probe.stub_api import StubApi

        places = Places(authorities=[self._provider.broker.config.data / ROOT])
        application = Application(protected, signed_in, start or protected, places=places)
        Prober(StubApi(self._url, client_id, places.trust), application, uid, role, lambda _: None).run()
        return self.report(client_id)

    def reset(self) -> None:
        """Forget sessions, faults, requests and registrations, of CIS2 and of the broker; set the clock right."""
        self._provider.stub.clear()

    def story(self) -> str:
        """What happened so far, one line for each step; nothing when nothing did."""
        lines = [_line(step) for step in self.steps()]
        return "CIS2 was asked:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


def _line(step: Step) -> str:
    outcome = f"refused: {step.refused}" if step.refused else str(step.got.get("status", ""))
    outcome += f" fault {step.fault}" if step.fault else ""
    return f"{step.time:%H:%M:%S} {step.endpoint} {step.client_id or '(no client)'} {outcome}".rstrip()
