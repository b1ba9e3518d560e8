"""The discovery document and the key set (OpenID Connect Discovery 1.0; RFC 7517)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

from ..clients.registry import AUTH_METHODS, SIGNING
from ..identity.assurance import CLASSES
from ..identity.claims import SCOPES
from .messages import as_json

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider

_CLAIMS = (
    "sub iss aud azp acr amr auth_time at_hash c_hash s_hash nonce exp iat sid selected_roleid id_assurance_level "
    "authentication_assurance_level nhsid_useruid uid name given_name family_name display_name title initials "
    "middle_names email idassurancelevel nhsid_nrbac_roles nhsid_user_orgs nhsid_org_roles nhsid_org_memberships "
    "gmc_id nmc_id gphc_id rcn_id gdc_id gmp_id gdp_id consultant_id"
)


def configuration(provider: Provider, asked: BrokerRequest) -> Response:
    """What applications look up first: the issuer as text, endpoints where we are."""
    address = provider.address
    return as_json(
        {
            "issuer": provider.issuer(asked),
            "authorization_endpoint": address(asked, "/authorize"),
            "token_endpoint": address(asked, "/access_token"),
            "userinfo_endpoint": address(asked, "/userinfo"),
            "jwks_uri": address(asked, "/connect/jwk_uri"),
            "end_session_endpoint": address(asked, "/connect/endSession"),
            "scopes_supported": list(SCOPES),
            "claims_supported": _CLAIMS.split(),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "acr_values_supported": list(CLASSES),
            "code_challenge_methods_supported": ["plain", "S256"],
            "id_token_signing_alg_values_supported": list(SIGNING),
            "userinfo_signing_alg_values_supported": list(SIGNING),
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS512", "HS256"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }
    )


def jwk_uri(provider: Provider, asked: BrokerRequest) -> Response:
    """The public keys that tokens are checked with."""
    provider.journal.add("jwks", got={"status": 200})
    return as_json(provider.keys.public())
