"""The page about a sign-in by CIS2: what each step sent and got, tokens taken apart, why it was refused."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from flask import Response, render_template

from ..cis2.glossary import meaning
from ..cis2.sign_ins import TITLES, sign_in_of, state_of, trouble_of
from ..stub import Stub
from . import timeline
from .pages import gone

_PARTS: Mapping[str, str] = defaultdict(
    str,
    {
        "assertion_header": "Header of the assertion that it signed",
        "assertion_claims": "Claims of the assertion that it signed",
        "claims": "Claims",
        "id_token_header": "Header of the ID token",
        "id_token_claims": "Claims of the ID token",
    },
)
"""What stands over the parts of a step that are objects."""
_SHORT = 80
"""A value that is longer has a line for each of its parts."""


def sign_in(stub: Stub, sign_in_id: str) -> Response | str:
    """One sign-in to an application in full."""
    missed = timeline.missed(stub)
    found = sign_in_of(stub.cis2.journal.steps(), sign_in_id) if stub.cis2 else None
    if stub.cis2 is None or found is None:
        return gone("This sign-in is not kept any more, or there was none.")
    return render_template(
        "openid_sign_in.html",
        sign_in=found,
        name=timeline.name_of(stub, found),
        client=stub.cis2.clients.get(found.client_id),
        titles=TITLES,
        parts=_PARTS,
        meaning_of=meaning,
        shown=_shown,
        state_of=state_of,
        trouble_of=trouble_of,
        missed=missed,
    )


def _shown(value: Any) -> str:
    """A value as a page has it."""
    if isinstance(value, str):
        return value
    short = json.dumps(value, ensure_ascii=False)
    return short if len(short) <= _SHORT else json.dumps(value, ensure_ascii=False, indent=2)
