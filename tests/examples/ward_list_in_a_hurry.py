"""The ward list as it is when there was no time: ten faults, as public code has them, each in a class of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from examples.ward_list import WardList
from flask import Response

Claims = Mapping[str, Any]


class NoAuthTime(WardList):
    """max_age was sent, so what can go wrong."""

    def check_auth_time(self, claims: Claims) -> None:
        pass


class MaxAgeInMilliseconds(WardList):
    """As every other time in the program."""

    def max_age(self) -> str:
        return str(int(self.oldest.total_seconds() * 1000))


class StateNeverChecked(WardList):
    def check_state(self, sent: Claims) -> None:
        pass


class NoLevelIsLevelThree(WardList):
    """A test environment once had no levels."""

    def check_level(self, claims: Claims) -> None:
        super().check_level({"acr": "AAL3_ANY", "authentication_assurance_level": 3, **claims})


class FirstRole(WardList):
    """Most people have one."""

    def role(self, claims: Claims, about: Claims) -> Claims:
        roles = about["nhsid_nrbac_roles"]
        return dict(roles[0] if isinstance(roles, list) else roles)


class UserinfoOfAnybody(WardList):
    def check_subject(self, claims: Claims, about: Claims) -> None:
        pass


class AnyTokenLogsOut(WardList):
    """It is signed by CIS2 and has a sid; some have an auditTrackingId in place of a jti."""

    def check_kind(self, claims: Claims) -> None:
        pass

    def check_logout(self, claims: Claims) -> None:
        super().check_logout({"jti": claims.get("auditTrackingId"), **claims})


class GrowingScopes(WardList):
    """A default that is shared between requests."""

    def login(self) -> Response:
        self.scopes += ("associatedorgs",)
        return super().login()


class AnyIssuer(WardList):
    """With its port it never compared equal."""

    def check_issuer(self, claims: Claims) -> None:
        super().check_issuer({**claims, "iss": self.provider["issuer"]})


class NamelessKey(WardList):
    """There is only one key."""

    def assertion_header(self) -> Claims:
        return {"alg": "RS256"}


FAULTS: dict[str, type[WardList]] = {
    "auth-time-checked": NoAuthTime,
    "max-age": MaxAgeInMilliseconds,
    "state-checked": StateNeverChecked,
    "assurance-checked": NoLevelIsLevelThree,
    "selected-role": FirstRole,
    "userinfo-subject": UserinfoOfAnybody,
    "logout-kind": AnyTokenLogsOut,
    "scopes": GrowingScopes,
    "id-token-issuer": AnyIssuer,
    "assertion-key": NamelessKey,
}
"""Each fault by the rule that it breaks."""


class WardListInAHurry(*FAULTS.values()):
    """All ten."""
