"""How a page is made, what browsers are told about it, and the pages that say one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response
from jinja2 import Environment, FileSystemLoader

from ...errors import Unavailable
from ...web.replies import asset, keep_to_its_site

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider

View = Callable[["Provider", "BrokerRequest"], Response]

_FOLDER = Path(__file__).parent
_AGAIN = "Go back to the application and sign in there again."


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, trim_blocks=True)


def page(template: str, status: int, bridge: str = "'none'", **values: Any) -> Response:
    """A page that loads and asks nothing but this server and the bridge, and stays out of frames.

    Where its form leads is not limited: browsers apply form-action to every redirect that follows, and an application
    may lead on from its redirect_uri to wherever it is at home.
    """
    reply = Response(
        _templates().get_template(template).render(values), status, content_type="text/html; charset=UTF-8"
    )
    return keep_to_its_site(
        reply,
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src {bridge}; "
        "base-uri 'none'; frame-ancestors 'none'",
    )


def problem_page(
    title: str, says: str = "", status: int = 400, next_step: str = _AGAIN, ways: Sequence[str] = ()
) -> Response:
    """Say what is wrong where nothing may be sent to an application, and what to do: the step, or ways to take it."""
    values: dict[str, Any] = {"title": title, "says": says, "next_step": next_step, "ways": ways}
    return page("notice.html", status, **values, is_problem=True)


def or_away(view: View) -> View:
    """Let a view say on a page that the directory or the store cannot be asked."""

    @wraps(view)
    def answer(provider: Provider, asked: BrokerRequest) -> Response:
        try:
            return view(provider, asked)
        except Unavailable as exc:
            asked.note(reason=exc.reason, detail=exc.detail)
            return problem_page("Nobody can be looked up just now", exc.detail, 503, "Try again in a minute.")

    return answer


def signed_out_page() -> Response:
    """Say that somebody is signed out, where an application has no page of its own for that."""
    return page("notice.html", 200, title="You are signed out", next_step="You can close this page.")


def static(_: Provider, asked: BrokerRequest) -> Response:
    """A style sheet or a script."""
    return asset(asked.step, _FOLDER / "static")
