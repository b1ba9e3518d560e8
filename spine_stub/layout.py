"""What lies in DIR, as paths relative to it.

ca.pem              the root: what clients must trust. Its presence says that DIR is complete
ca/                 the broker's own: keys, issuing CA, revocation list
people.toml         people and roles, to be read and edited
cards/NAME/         a demonstration card each; cards.py has the format
sessions.sqlite     sessions and used challenges, unless --store says otherwise
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("ca.pem")
PEOPLE = Path("people.toml")
CARDS = Path("cards")
SESSIONS = Path("sessions.sqlite")

CA = Path("ca")
ROOT_KEY = CA / "root.key.pem"
ISSUING = CA / "issuing.cert.pem"
ISSUING_KEY = CA / "issuing.key.pem"
REVOCATION_LIST = CA / "issuing.crl.pem"
ISSUED = CA / "issued"
"""Certificates issued from requests, one file each, so that they can be revoked."""
CHALLENGE_SECRET = CA / "challenge.secret"
