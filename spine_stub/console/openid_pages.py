"""The pages about sign-ins to applications by CIS2: what each step sent and got, tokens taken apart, why refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, render_template

from ..cis2.sign_ins import TITLES, sign_in_of
from ..cis2.words import words
from ..stub import Stub
from . import timeline
from .pages import gone

TITLES_OF_TOKENS = {
    "assertion_header": "The application's assertion: header",
    "assertion_claims": "The application's assertion: claims",
    "claims": "Claims",
    "header": "Token: header",
    "id_token_claims": "ID token: claims",
    "id_token_header": "ID token: header",
}
"""What stands over the parts of a step that are objects."""


def sign_in(stub: Stub, sign_in_id: str) -> Response | str:
    """One sign-in to an application in full."""
    missed = timeline.missed(stub)
    found = sign_in_of(stub.cis2.journal.steps(), sign_in_id) if stub.cis2 else None
    if stub.cis2 is None or found is None:
        return gone("This sign-in to an application is not kept any more, or there was none.")
    return render_template(
        "openid_sign_in.html",
        sign_in=found,
        name=timeline.name_of(stub, found),
        titles=TITLES,
        parts=TITLES_OF_TOKENS,
        words=words,
        plain=plain,
        shown=shown,
        missed=missed,
        client=stub.cis2.clients.get(found.client_id),
    )


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of a step's content is shown as lines."""
    return {name: value for name, value in content.items() if not isinstance(value, dict)}


def shown(value: Any) -> str:
    """A value as a page has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
