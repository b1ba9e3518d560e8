"""The pages about one sign-in, sessions, faults and settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from flask import Response, make_response, render_template, request

from ..cis2 import NOT_SERVED
from ..cis2.control.actions import card_out, signed_in
from ..errors import DataError, Unavailable
from ..explain.explanation import explain
from ..faults import TLS
from ..people.directory import Person
from ..stub import Stub
from ..web.request import current
from . import actions, timeline

BAD_REQUEST = 400
_NOT_FOUND = 404
_MOST_SESSIONS = 200


def hex_bytes(content: bytes, other: bytes | None = None) -> Iterator[tuple[str, bool]]:
    """Each byte as it is shown, and whether it differs from the one of `other`."""
    for index, value in enumerate(content):
        yield f"{value:02x}", other is not None and other[index : index + 1] != bytes([value])


def notice(title: str, words: str, code: int) -> Response:
    """A page that says one thing."""
    return Response(render_template("notice.html", title=title, words=words), code)


def wrong(page: Response | str) -> Response:
    """A page again, which says what was wrong with its form."""
    reply = make_response(page)
    reply.status_code = BAD_REQUEST
    return reply


def back(path: str) -> Response:
    """Show a page after a change."""
    return Response("", 303, {"Location": path})


def gone(words: str) -> Response:
    """Say that something is not here, or not any more."""
    return notice("Not here", words, _NOT_FOUND)


def sign_in(stub: Stub, number: int) -> Response | str:
    """One sign-in in full."""
    missed = timeline.missed(stub)
    found = stub.record.sign_in(number)
    if found is None:
        return gone(f"Sign-in {number} is not kept any more, or there was none.")
    return render_template("sign_in.html", sign_in=found, explanation=explain(stub.broker, found), missed=missed)


def sessions(stub: Stub) -> str:
    """The live sessions."""
    found = list(actions.sessions(stub).items())
    shown = found[:_MOST_SESSIONS]
    openid = signed_in(stub.cis2)[-_MOST_SESSIONS:] if stub.cis2 else []
    uids = {session.uid for _, session in shown} | {session.uid for session in openid}
    return render_template(
        "sessions.html",
        sessions=shown,
        count=len(found),
        people=_people(stub, uids),
        limits=stub.broker.store.limits,
        openid=openid,
    )


def end_session(stub: Stub) -> Response:
    """End one."""
    actions.end_session(stub, request.form)
    return back("/stub/sessions")


def pull_card(stub: Stub) -> Response:
    """End a session of CIS2 as when the card is pulled."""
    if stub.cis2:
        card_out(stub.cis2, sid=request.form.get("sid", "") or "none")
    return back("/stub/sessions")


def faults(stub: Stub, problem: str = "") -> str:
    """The faults that are set, and the form to set one."""
    return render_template(
        "faults.html",
        settings=stub.faults.settings(),
        kinds=stub.faults.kinds,
        titles={kind.name: kind.title for kind in stub.faults.kinds},
        endpoints=stub.faults.endpoints,
        tls=TLS,
        is_authority_revoked=stub.registration.is_authority_revoked,
        problem=problem,
        form=request.form,
    )


def set_fault(stub: Stub) -> Response:
    """Set a fault, or say what is wrong with it."""
    values = {name: value for name, value in request.form.items() if name != "when"}
    if request.form.get("when") == "standing":
        values.pop("times", None)
    try:
        actions.set_fault(stub, values)
    except DataError as exc:
        return wrong(faults(stub, str(exc)))
    return back("/stub/faults")


def clear_faults(stub: Stub) -> Response:
    """Clear one or all."""
    actions.clear_faults(stub, request.form)
    return back("/stub/faults")


def set_authority(stub: Stub) -> Response:
    """Revoke the issuing CA for a reason, or take that back where none is given."""
    reason = request.form.get("revoked", "")
    if reason:
        stub.registration.revoke_authority(reason)
    else:
        stub.registration.restore_authority()
    return back("/stub/faults")


def settings(stub: Stub) -> str:
    """What to write where, to point clients here."""
    config, cis2 = stub.broker.config, stub.cis2
    asked = current()
    clients = cis2.clients.all() if cis2 else []
    return render_template(
        "settings.html",
        base=asked.base,
        console=f"{asked.host_url}stub/",
        ca_file=config.data / "ca.pem",
        config=config,
        cis2=cis2,
        not_served=NOT_SERVED,
        issuer=cis2.issuer(asked) if cis2 else "",
        address=cis2.address(asked) if cis2 else "",
        client=next((client for client in clients if client.secret), None),
    )


def conformance(stub: Stub, client_id: str) -> Response | str:
    """What an application does right and wrong under CIS2."""
    if stub.cis2 is None:
        return gone(f"{NOT_SERVED}.")
    # Imported only when it is asked for, because every start would wait for it.
    from ..cis2.conformance.evidence import Outcome
    from ..cis2.conformance.pages import report_of

    report, client = report_of(stub.cis2, client_id), stub.cis2.clients.get(client_id)
    return render_template("conformance.html", report=report, client=client, outcomes=Outcome)


def _people(stub: Stub, uids: Iterable[str]) -> Mapping[str, Person]:
    """Who has these uids, as far as the directory can say now."""
    people: dict[str, Person] = {}
    with suppress(Unavailable):
        for uid in uids:
            person = stub.broker.directory.person(uid)
            if person:
                people[uid] = person
    return people
