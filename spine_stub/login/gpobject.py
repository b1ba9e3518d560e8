"""Requests as the agents send them: gpOBJECT XML (docs/protocol.md 2).

    <!DOCTYPE USER SYSTEM "gpOBJECT.DTD">
    <gpOBJECT><gpPARAM name="service">ACTIVATION</gpPARAM>...</gpOBJECT>

The DOCTYPE is normal and is never fetched; a document that declares entities is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ..errors import InvalidInput

Message = Mapping[str, str]
"""The parameters of one request by name; surrounding white space is removed."""


def parse(body: bytes) -> Message:
    """Read one gpOBJECT; raises InvalidInput."""
    root = _parse_xml(body)
    if root.tag != "gpOBJECT":
        raise InvalidInput("not-gpobject", "the root element is something else")
    message: dict[str, str] = {}
    for element in root:
        name, value = _read_parameter(element)
        if name in message:
            raise InvalidInput("repeated-parameter", "a gpPARAM name occurs twice")
        message[name] = value
    return message


def require(message: Message, name: str) -> str:
    """The value of a parameter that must be there and not be empty; raises InvalidInput."""
    value = message.get(name, "")
    if not value:
        raise InvalidInput(f"missing-{name.replace('_', '-')}")
    return value


def _parse_xml(body: bytes) -> Element:
    if not body.strip():
        raise InvalidInput("empty-request")
    try:
        root: Element = fromstring(body, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as exc:
        raise InvalidInput("xml-entity-declared") from exc
    except ParseError as exc:
        line, column = exc.position
        raise InvalidInput("xml-not-well-formed", f"line {line}, column {column + 1}") from exc
    except (ValueError, LookupError) as exc:
        raise InvalidInput("xml-not-well-formed", "an encoding that is not known or not usable") from exc
    return root


def _read_parameter(element: Element) -> tuple[str, str]:
    if element.tag != "gpPARAM" or len(element):
        raise InvalidInput("unexpected-element", "only gpPARAM with text inside is expected")
    name = element.get("name")
    if not name:
        raise InvalidInput("unnamed-parameter")
    return name, (element.text or "").strip()
