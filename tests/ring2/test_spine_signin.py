"""A whole sign-in over real HTTPS, and the oddities of real clients."""

from __future__ import annotations

import pytest
from support.spine import Spine
from support.spine_client import field_of, reason


@pytest.mark.parametrize("attributes", [False, True], ids=["bare", "signed-attributes"])
def test_sign_in_gives_a_ticket(spine: Spine, attributes: bool) -> None:
    reply = spine.client().validate(spine.card("three-roles"), attributes=attributes)
    assert reason(reply) is None
    assert field_of(reply.text, "sso_ticket").startswith("AQIC5w")
