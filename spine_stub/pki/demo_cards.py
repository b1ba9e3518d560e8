"""The demonstration cards: folders of plain files that the emulator takes as smartcards.

    cards/NAME/card.json        passcode, unblocking code, tries, GUID, expiry
    cards/NAME/9A.key.pem       PKCS#8, not encrypted: test keys; so for 9C, 9D, 9E
    cards/NAME/9A.cert.pem      X.509, subject O=nhs, OU=people, CN=<uid>

A card's certificates have no critical extension and no BOOLEAN TRUE: one client re-encodes them
with an encoder that writes TRUE as 01 and so breaks the signature (docs/clients.md, "From the card").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from pathlib import Path

from cryptography import x509

from ..config import RandomBytes
from ..folder import write_private
from .authority import Extension, Issuer, PrivateKey, Validity, certificate_pem, key_pem, key_usage, name

PASSCODE = "123456"
UNBLOCKING_CODE = "12345678"
TRIES = 3

_PIV_CARD_AUTHENTICATION = x509.ObjectIdentifier("2.16.840.1.101.3.6.8")
"""id-PIV-cardAuth of FIPS 201: the card is there, nothing is said of a passcode."""

_LIFE = timedelta(days=2 * 365)


class Slot(Enum):
    """A PIV key reference with what its certificate is for (SP 800-73-4 part 1, table 4b)."""

    AUTHENTICATION = "9A"
    SIGNATURE = "9C"
    KEY_MANAGEMENT = "9D"
    CARD_AUTHENTICATION = "9E"

    @property
    def extensions(self) -> list[Extension]:
        """What the certificate of this slot says of its use; nothing is critical."""
        if self is Slot.AUTHENTICATION:
            return [(key_usage("digital_signature"), False)]
        if self is Slot.SIGNATURE:
            # OpenSC lets a key verify only where its certificate says digitalSignature.
            return [(key_usage("digital_signature", "content_commitment"), False)]
        if self is Slot.KEY_MANAGEMENT:
            return [(key_usage("key_agreement"), False)]
        return [(key_usage("digital_signature"), False), (x509.ExtendedKeyUsage([_PIV_CARD_AUTHENTICATION]), False)]


@dataclass(frozen=True)
class CardPlan:
    """What is special about one demonstration card."""

    name: str
    uid: str
    days_left: int = _LIFE.days
    revoked: bool = False
    tries_left: int = TRIES
    rsa_signature: bool = False
    """Whether 9C is RSA 2048 and not P-256: some applications sign with nothing else."""

    @property
    def rsa_slots(self) -> list[Slot]:
        """The slots that have RSA 2048 keys; the others have P-256."""
        return [Slot.AUTHENTICATION, Slot.SIGNATURE] if self.rsa_signature else [Slot.AUTHENTICATION]

    def validity(self, now: datetime) -> Validity:
        """Ends with a day, so that "14 days left" holds all through the first day."""
        today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
        end = today + timedelta(days=self.days_left + 1, seconds=-1)
        return Validity(min(end - _LIFE, today - timedelta(days=1)), end)


DEMONSTRATION_CARDS = (
    CardPlan("three-roles", "555000000001"),
    CardPlan("one-role", "555000000002"),
    CardPlan("forty-roles", "555000000003"),
    CardPlan("no-role", "555000000004"),
    CardPlan("expiring", "555000000005", days_left=14),
    CardPlan("expired", "555000000006", days_left=-1),
    CardPlan("revoked", "555000000007", revoked=True),
    CardPlan("locked", "555000000008", tries_left=0),
    CardPlan("prescriber", "555000000099", rsa_signature=True),
)


def write_card(
    folder: Path, plan: CardPlan, keys: Mapping[Slot, PrivateKey], issuing: Issuer, now: datetime, random: RandomBytes
) -> list[x509.Certificate]:
    """Make the card's folder and everything in it; return the certificates."""
    folder.mkdir(mode=0o700)
    validity = plan.validity(now)
    certificates = []
    for slot, key in keys.items():
        subject = name("people", plan.uid)
        certificate = issuing.issue(subject, key.public_key(), validity, slot.extensions)
        write_private(folder / f"{slot.value}.key.pem", key_pem(key))
        write_private(folder / f"{slot.value}.cert.pem", certificate_pem(certificate))
        certificates.append(certificate)
    description = _describe(plan, validity, random(16).hex())
    write_private(folder / "card.json", json.dumps(description, indent=2).encode() + b"\n")
    return certificates


def _describe(plan: CardPlan, validity: Validity, guid: str) -> dict[str, object]:
    return {
        "passcode": PASSCODE,
        "unblocking_code": UNBLOCKING_CODE,
        "tries": TRIES,
        "tries_left": plan.tries_left,
        "unblocking_tries": TRIES,
        "unblocking_tries_left": TRIES,
        "guid": guid,
        "expires": validity.not_after.date().isoformat(),
    }
