"""Personalisation: making cards, bringing keys and certificates to them, taking them away.

Every card appears and disappears whole: it is made beside the others and moved among them. Nothing
is overwritten unless that is asked for. The functions raise CardError, with one plain sentence.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509

from ..errors import CardError
from ..identifiers import CERTIFICATE_OBJECTS, Algorithm, KeyReference
from ..keys import certificates
from ..keys.key_pairs import from_pair, generate, key_pair
from ..keys.private_key import PrivateKeyError
from ..piv import objects
from .card import CARDS, Card, open_card, printable, summary
from .card_folder import CardFolder
from .card_json import CARD_FILE, CardFile, new_card_file
from .durable import check_folder

LAYOUT = {
    KeyReference.AUTHENTICATION: Algorithm.RSA_2048,
    KeyReference.SIGNATURE: Algorithm.ECC_P256,
    KeyReference.KEY_MANAGEMENT: Algorithm.ECC_P256,
    KeyReference.CARD_AUTHENTICATION: Algorithm.ECC_P256,
}
"""The keys of a new card: every client that was tried finds its way with them."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DAYS = 730
"""How long a card lasts that is made for a key from elsewhere."""
_UID = re.compile(r"[ -~]{1,64}")


def issue(
    data: Path, name: str, uid: str | None, days: int, layout: Mapping[KeyReference, Algorithm], self_signed: bool
) -> Card:
    """Make a card with new keys, and, unless a CA will do that, with self-signed certificates."""
    uid = uid or "5559" + "".join(secrets.choice("0123456789") for _ in range(8))
    if not _UID.fullmatch(uid):
        raise CardError("A uid has 1 to 64 characters of ASCII, by rights 12 digits.")
    with _new_card(data, name) as folder:
        new_card_file(folder.path, days, uid=uid)
        for reference, algorithm in layout.items():
            key = generate(algorithm)
            folder.put_key(reference, key)
            if self_signed:
                signed = certificates.self_signed(uid, reference, key_pair(key), days)
                folder.put(CERTIFICATE_OBJECTS[reference], objects.certificate(signed))
    return open_card(data, name)


def requests(card: Card) -> bytes:
    """Return a PKCS#10 request in PEM for each key of a card, one after the other."""
    uid = card.file.uid or summary(card.folder).uid or card.name
    return b"".join(certificates.request(uid, reference, key_pair(key)) for reference, key in sorted(card.keys.items()))


def take_certificates(card: Card, text: bytes) -> tuple[list[KeyReference], list[str]]:
    """Put each certificate with its key; return those keys, and a sentence about each certificate of another."""
    pairs = {reference: key_pair(key) for reference, key in card.keys.items()}
    taken, left_out = [], []
    for certificate in certificates.read_certificates(text):
        places = [reference for reference, pair in pairs.items() if certificates.is_for(certificate, pair)]
        for reference in places:
            card.put_object(CERTIFICATE_OBJECTS[reference], objects.certificate(certificates.to_der(certificate)))
        taken += places
        left_out += [] if places else [_left_out(certificate)]
    if not taken:
        raise CardError(f"None of the certificates is for a key of {card.name}.")
    return taken, left_out


def import_pkcs12(
    data: Path, name: str, content: bytes, password: bytes | None, reference: KeyReference, replace: bool = False
) -> list[str]:
    """Put key and certificate of a PKCS#12 file in a place of a card, a new one if there is none.

    Returns a sentence about each certificate that has no place on the card, those of other keys and of CAs.
    """
    pair, certificate, others = certificates.read_pkcs12(content, password)
    try:
        key = from_pair(pair)
    except PrivateKeyError as error:
        raise CardError(f"The key cannot be put on a card: {error}.") from None
    if not (data / CARDS / name / CARD_FILE).exists():
        with _new_card(data, name) as folder:
            new_card_file(folder.path, _DAYS)
            folder.put_key(reference, key)
    card = open_card(data, name)
    if reference in card.keys and card.keys[reference].der != key.der and not replace:
        raise CardError(f"{name} already has a key {reference:02X}; --replace puts this one in its place.")
    card.put_key(reference, key)
    content = objects.certificate(certificates.to_der(certificate)) if certificate else b""
    card.put_object(CERTIFICATE_OBJECTS[reference], content)
    missing = (
        [] if certificate else [f"The file has no certificate for this key, so {name} has none of {reference:02X}."]
    )
    return missing + [_left_out(other) for other in others]


def export_pkcs12(card: Card, reference: KeyReference, password: bytes | None) -> bytes:
    """Return a PKCS#12 file with a key and its certificate."""
    if reference not in card.keys:
        raise CardError(f"{card.name} has no key {reference:02X}.")
    certificate = CardFolder(card.folder).certificate(reference)
    der = certificate.dump() if certificate else None
    return certificates.write_pkcs12(card.name, key_pair(card.keys[reference]), der, password)


def copy(data: Path, name: str, new_name: str) -> Card:
    """Make a card with the same keys, certificates and codes, but a GUID of its own."""
    old = open_card(data, name)
    with _new_card(data, new_name) as folder:
        shutil.copytree(old.folder, folder.path, dirs_exist_ok=True)
        CardFile(folder.path).update(guid=secrets.token_hex(16))
    return open_card(data, new_name)


def delete(data: Path, name: str) -> None:
    """Destroy a card, also one that cannot be opened."""
    folder = data / CARDS / _checked(name)
    if not (folder / CARD_FILE).exists():
        open_card(data, name)  # says which cards there are
    with _workshop(data) as bin_:
        folder.rename(bin_ / name)


@contextlib.contextmanager
def _new_card(data: Path, name: str) -> Iterator[CardFolder]:
    """Make a folder beside the cards; when the block succeeds it is the card with this name."""
    folder = data / CARDS / _checked(name)
    if folder.exists():
        raise CardError(f"There is a card {name} already; `delete {name}` first, or take another name.")
    for place in (data, folder.parent):
        check_folder(place)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _workshop(data) as workshop:
        new = workshop / name
        new.mkdir(mode=0o700)
        yield CardFolder(new)
        new.rename(folder)


@contextlib.contextmanager
def _workshop(data: Path) -> Iterator[Path]:
    """A folder on the same disk that goes away with all that is in it."""
    with tempfile.TemporaryDirectory(prefix=".card-", dir=data) as folder:
        yield Path(folder)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CardError(f'"{name}" is no name for a card: letters, digits and . _ - only, at most 64.')
    return name


def _left_out(certificate: x509.Certificate) -> str:
    whose = printable(certificate.subject.rfc4514_string())
    return f"Left out, because it is for another key: the certificate of {whose}."
