"""A CMS as a tree that people can read, however much of it makes sense (RFC 5652, RFC 5280).

asn1crypto's declared structures give the names. What cannot be read is a leaf that says so, with
its bytes, and the rest of the tree stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms, core, x509

from ..login.signed_data import PARSE_ERRORS

_DEEPEST = 40
_LONGEST = 4096
"""Bytes of one value that are shown."""
_BIG = 1 << 64


@dataclass(frozen=True)
class Node:
    """One value with its name; `raw` holds the bytes of values that are bytes."""

    name: str
    kind: str
    text: str = ""
    raw: bytes = b""
    children: tuple[Node, ...] = ()
    unreadable: bool = False

    def outline(self, depth: int = 0) -> str:
        """The tree as indented text."""
        value = self.text or self.raw.hex()
        lines = [f"{'  ' * depth}{self.name}: {self.kind}{' ' if value else ''}{value}"]
        return "\n".join([*lines, *(child.outline(depth + 1) for child in self.children)])


def tree(encoded: bytes) -> Node:
    """Read a ContentInfo as far as it can be read; raises nothing."""
    try:
        return _node("ContentInfo", cms.ContentInfo.load(encoded, strict=True), 0)
    except PARSE_ERRORS as exc:
        return Node("ContentInfo", "not ASN.1", str(exc), encoded[:_LONGEST], unreadable=True)


def _node(name: str, value: Any, depth: int) -> Node:
    if depth > _DEEPEST:
        return Node(name, "deeper than is shown", unreadable=True)
    try:
        return _read(name, value, depth)
    except PARSE_ERRORS as exc:
        raw = getattr(value, "contents", None) or b""
        return Node(name, type(value).__name__, f"cannot be read: {exc}", raw[:_LONGEST], unreadable=True)


def _read(name: str, value: Any, depth: int) -> Node:
    kind = type(value).__name__
    if isinstance(value, x509.Name):
        return Node(name, kind, name_text(value))
    if isinstance(value, core.Choice):
        return _node(name, value.chosen, depth)
    if isinstance(value, core.Any):
        return _node(name, value.parsed, depth + 1)
    if isinstance(value, core.Sequence | core.Set):
        fields = ((key, value[key]) for key in _keys(value))
        present = ((key, item) for key, item in fields if not isinstance(item, core.Void))
        return Node(name, kind, children=tuple(_node(key, item, depth + 1) for key, item in present))
    if isinstance(value, core.SequenceOf | core.SetOf):
        items = (_node(f"[{index}]", item, depth + 1) for index, item in enumerate(value))
        return Node(name, kind, children=tuple(items))
    if isinstance(value, core.ParsableOctetString) and name == "extn_value":
        return _node(name, value.parsed, depth + 1)
    return _leaf(name, kind, value)


def _keys(value: Any) -> list[Any]:
    return [declared[0] for declared in value._fields] or list(range(len(value)))


def _leaf(name: str, kind: str, value: Any) -> Node:
    if isinstance(value, core.ObjectIdentifier):
        known = value.native != value.dotted
        return Node(name, kind, f"{value.native} ({value.dotted})" if known else value.dotted)
    if isinstance(value, core.OctetString | core.ParsableOctetString | core.IntegerOctetString):
        return Node(name, kind, raw=bytes(value)[:_LONGEST])
    if isinstance(value, core.BitString | core.ParsableOctetBitString | core.OctetBitString):
        return _bits(name, kind, value)
    if isinstance(value, core.Null):
        return Node(name, kind)
    native = value.native
    if isinstance(native, datetime):
        return Node(name, kind, native.isoformat(" "))
    if isinstance(native, int) and not isinstance(native, bool) and abs(native) >= _BIG:
        return Node(name, kind, raw=value.contents[:_LONGEST])
    return Node(name, kind, str(native))


def _bits(name: str, kind: str, value: Any) -> Node:
    native = value.native
    if isinstance(native, set):
        return Node(name, kind, ", ".join(sorted(native)))
    return Node(name, kind, raw=value.contents[1 : _LONGEST + 1])


def name_text(value: x509.Name) -> str:
    """A name as people write it, such as "O=nhs, OU=people, CN=555000000002"."""
    pairs = (pair for rdn in value.chosen for pair in rdn)
    short = {"common_name": "CN", "organization_name": "O", "organizational_unit_name": "OU", "country_name": "C"}
    return ", ".join(f"{short.get(pair['type'].native, pair['type'].native)}={pair['value'].native}" for pair in pairs)
