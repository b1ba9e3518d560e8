"""The faults of CIS2 that have a name: a new one is a new line of `kinds`.

They are the stub's own kind of fault: each takes the normal reply, takes the token in it apart, changes it and signs it
anew with the provider's key. So nothing is wrong with it but the one thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faults import Kind
from . import id_tokens, logout_tokens, redirects

if TYPE_CHECKING:
    from ..provider import Provider


def kinds(provider: Provider) -> tuple[Kind, ...]:
    """The faults of a provider, in the order in which they are offered."""
    return (*redirects.kinds(), *id_tokens.kinds(provider), *logout_tokens.kinds(provider))
