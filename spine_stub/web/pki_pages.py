"""What a CA publishes: its certificate and its revocation list (RFC 5280; media types of RFC 2585)."""

from __future__ import annotations

from asn1crypto import pem
from flask import Response

from ..folder import ISSUING, REVOCATION_LIST, ROOT
from ..login.broker import Broker
from .request import Visit


def revocation_list(broker: Broker, _: Visit) -> Response:
    """The issuing CA's list, DER, as it is now."""
    *_, der = pem.unarmor((broker.config.data / REVOCATION_LIST).read_bytes())
    return Response(der, content_type="application/pkix-crl")


def root_certificate(broker: Broker, _: Visit) -> Response:
    """The root, PEM: what clients must trust."""
    return Response((broker.config.data / ROOT).read_bytes(), content_type="application/x-pem-file")


def issuing_certificate(broker: Broker, _: Visit) -> Response:
    """The CA that issues the cards' certificates, PEM."""
    return Response((broker.config.data / ISSUING).read_bytes(), content_type="application/x-pem-file")
