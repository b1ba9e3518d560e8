"""What lies in DIR, as paths relative to it.

ca.pem              the root: what clients must trust. Its presence says that DIR is complete
ca/                 the broker's own: keys, issuing CA, revocation list
people.toml         people and roles, to be read and edited
cards/NAME/         a demonstration card each; cards.py has the format
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("ca.pem")
PEOPLE = Path("people.toml")
CARDS = Path("cards")

CA = Path("ca")
ROOT_KEY = CA / "root.key.pem"
ISSUING = CA / "issuing.cert.pem"
ISSUING_KEY = CA / "issuing.key.pem"
REVOCATION_LIST = CA / "issuing.crl.pem"
CHALLENGE_KEY = CA / "challenge.key.pem"
CHALLENGE_SECRET = CA / "challenge.secret"
