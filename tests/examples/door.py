"""A made-up program of somebody else: the lock of a door that opens for known PIV cards.

It reads the card's certificate of key 9E and has that key sign a random number (SP 800-73-4 Part 1,
section 3.2.3), which needs no passcode. It uses pyscard, and knows nothing of virtual cards.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

SELECT_PIV = bytes.fromhex("00A4040005A00000030800")
CERTIFICATE_9E = bytes.fromhex("00CB3FFF055C035FC10100")
SIGN_WITH_9E = bytes.fromhex("0087119E26 7C24 8200 8120")


class StaysShutError(Exception):
    """Why the door does not open."""


def who_is_there(connection: Any, known: set[str]) -> str:
    """Return the uid of the card; raise StaysShutError unless it is known and genuine."""
    try:
        certificate = _certificate(connection)
        challenge = os.urandom(32)
        answer = _exchange(connection, SIGN_WITH_9E + challenge + b"\0")
        # 7C len 82 len signature
        certificate.public_key().verify(answer[4:], challenge, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        raise StaysShutError("the card is not genuine") from None
    except StaysShutError:
        raise
    except Exception as error:
        raise StaysShutError(f"the card cannot be read: {error}") from error
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if name.value not in known:
        raise StaysShutError("nobody we know")
    return str(name.value)


def _certificate(connection: Any) -> Any:
    _exchange(connection, SELECT_PIV)
    data_object = _exchange(connection, CERTIFICATE_9E)
    start = data_object.index(b"\x70\x82") + 4
    length = int.from_bytes(data_object[start - 2 : start], "big")
    if len(data_object) < start + length:
        raise StaysShutError("the certificate is cut off")
    return x509.load_der_x509_certificate(data_object[start : start + length])


def _exchange(connection: Any, command: bytes) -> bytes:
    data, sw1, sw2 = connection.transmit(list(command))
    whole = bytes(data)
    while sw1 == 0x61:
        data, sw1, sw2 = connection.transmit([0x00, 0xC0, 0x00, 0x00, sw2])
        whole += bytes(data)
    if (sw1, sw2) != (0x90, 0x00):
        raise StaysShutError(f"the card says {sw1:02X}{sw2:02X}")
    return whole


if __name__ == "__main__":
    from smartcard.System import readers

    door = readers()[0].createConnection()
    door.connect()
    print("come in,", who_is_there(door, known={"555000000001"}))
