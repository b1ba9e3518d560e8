"""The logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4) with the claims of the real one's product.

That product, ForgeRock AM, follows the standard's draft 06: the token's `typ` is JWT, where the final standard
recommends logout+jwt. `cause` and `auditTrackingId` are its own claims (its documentation, "Backchannel logout").
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

EVENT = "http://schemas.openid.net/event/backchannel-logout"
"""What makes a token a logout token."""
LIFETIME = timedelta(minutes=2)
"""The standard recommends two minutes at most."""
CAUSES = {
    "card_out": "CLIENT_LOGOUT",
    "logged_out": "CLIENT_LOGOUT",
    "application": "CLIENT_LOGOUT",
    "expired": "SESSION_MAX_TIMEOUT",
    "control": "SESSION_TERMINATION",
}
"""Why a session ended, in the product's words, by the reason that Sessions.end was given."""


def claims(issuer: str, client_id: str, uid: str, sid: str, reason: str, now: datetime) -> dict[str, Any]:
    """What a client is told of a session's end; `reason` is that of Sessions.end."""
    return {
        "iss": issuer,
        "aud": client_id,
        "sub": uid,
        "sid": sid,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "jti": secrets.token_hex(16),
        "events": {EVENT: {}},
        "cause": CAUSES[reason],
        "auditTrackingId": f"{secrets.token_hex(4)}-{secrets.token_hex(10)}-{secrets.randbelow(10**6)}",
    }
