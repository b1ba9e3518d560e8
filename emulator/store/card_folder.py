"""The files of a card folder besides card.json: keys, certificates and other data objects.

Which files there are, and which comes before which, is said in card_json.py.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from asn1crypto import pem, x509

from ..errors import CardError
from ..identifiers import CERTIFICATE_OBJECTS, KeyReference
from ..keys.private_key import PrivateKey, PrivateKeyError
from ..piv import objects
from .durable import read, remove_durably, write_durably

_KEY_OF_OBJECT: dict[int, KeyReference] = {tag: key for key, tag in CERTIFICATE_OBJECTS.items()}
_KEY = re.compile(r"([0-9A-F]{2})\.key\.pem")
_OBJECT = re.compile(r"([0-9A-F]{2,6})\.object")


class CardFolder:
    """One folder. Reading raises CardError, writing OSError; what was written is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keys(self) -> dict[KeyReference, PrivateKey]:
        """Read all private keys."""
        found = (_KEY.fullmatch(name) for name in self._names())
        numbers = [int(match[1], 16) for match in found if match]
        return {KeyReference(key): self._read_key(KeyReference(key)) for key in numbers if key in CERTIFICATE_OBJECTS}

    def contents(self) -> dict[int, bytes]:
        """Read all data objects: by tag, what is inside their tag 53 or their own tag."""
        names = self._names()
        found: dict[int, bytes] = {}
        for tag, key in _KEY_OF_OBJECT.items():
            if f"{key:02X}.cert.pem" in names or f"{key:02X}.cert.gz" in names:
                found[tag] = self._certificate_content(key)
        for match in filter(None, map(_OBJECT.fullmatch, names)):
            found[int(match[1], 16)] = _read(self.path / match[0]) or b""
        return found

    def certificate(self, key: KeyReference) -> x509.Certificate | None:
        """Return a key's certificate, of which no more is checked than that it is one."""
        path = self._path(key, "cert.gz")
        packed = _read(path)
        if packed is not None:
            return _certificate(path, _unpacked(path, packed))
        path = self._path(key, "cert.pem")
        text = _read(path)
        return None if text is None else _certificate(path, _unarmoured(path, text))

    def put_key(self, reference: KeyReference, key: PrivateKey) -> None:
        """Keep a private key, in place of the one there may be."""
        write_durably(self._path(reference, "key.pem"), key.to_pem())

    def remove_key(self, reference: KeyReference) -> None:
        """Forget a private key."""
        remove_durably([self._path(reference, "key.pem")])

    def put(self, tag: int, content: bytes) -> None:
        """Keep a data object, in place of the one there may be; without content remove it."""
        path, stored = self._form(tag, content)
        if content:
            write_durably(path, stored)
        files = [self._object_path(tag)]
        if tag in _KEY_OF_OBJECT:
            files += [self._path(_KEY_OF_OBJECT[tag], kind) for kind in ("cert.gz", "cert.pem")]
        remove_durably([file for file in files if file.exists() and (file != path or not content)])

    def clear(self) -> None:
        """Remove all keys and objects."""
        paths = [entry for entry in self.path.iterdir() if entry.suffix in (".pem", ".gz", ".object")]
        remove_durably(paths)

    def _form(self, tag: int, content: bytes) -> tuple[Path, bytes]:
        """Return file and bytes for an object: a certificate as a certificate, if it is one."""
        key, parts = _KEY_OF_OBJECT.get(tag), objects.stored_certificate(content)
        path = self._object_path(tag)
        if key is None or parts is None:
            return path, content
        stored, compressed = parts
        try:
            der = _unpacked(path, stored) if compressed else stored
            _certificate(path, der)
        except CardError:
            return path, content
        if compressed:
            return self._path(key, "cert.gz"), stored
        return self._path(key, "cert.pem"), pem.armor("CERTIFICATE", der)

    def _certificate_content(self, key: KeyReference) -> bytes:
        certificate = self.certificate(key)
        packed = _read(self._path(key, "cert.gz"))
        if packed is not None:
            return objects.certificate(packed, compressed=True)
        return objects.certificate(certificate.dump()) if certificate else b""

    def _read_key(self, reference: KeyReference) -> PrivateKey:
        path = self._path(reference, "key.pem")
        try:
            return PrivateKey.from_pem(_read(path) or b"")
        except PrivateKeyError as error:
            raise CardError(f"{path}: {error}.") from error

    def _names(self) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self.path))
        except OSError as error:
            raise CardError(f"{self.path}: {error.strerror}.") from error

    def _path(self, key: KeyReference, kind: str) -> Path:
        return self.path / f"{key:02X}.{kind}"

    def _object_path(self, tag: int) -> Path:
        return self.path / f"{tag:02X}.object"


def _unpacked(path: Path, packed: bytes) -> bytes:
    try:
        return objects.decompress(packed)
    except ValueError as error:
        raise CardError(f"{path}: {error}.") from None


def _unarmoured(path: Path, text: bytes) -> bytes:
    try:
        kind, _, der = pem.unarmor(text)
    except ValueError:
        kind, der = None, b""
    if kind != "CERTIFICATE":
        raise CardError(f"{path}: not a certificate in PEM.")
    return bytes(der)


def _certificate(path: Path, der: bytes) -> x509.Certificate:
    try:
        return x509.Certificate.load(der, strict=True)
    except ValueError:
        raise CardError(f"{path}: not a certificate.") from None


def _read(path: Path) -> bytes | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None
