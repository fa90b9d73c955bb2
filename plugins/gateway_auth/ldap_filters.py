"""
Filters as people write them, as servers read them (RFC 4515 and RFC 4511 section 4.5.1.7).

All kinds of filters there are, and only as the grammar has them, but for spaces between filters, which many people write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway_auth.ldap_ber import OCTETS, SEQUENCE, element

#: Filters within filters.
MAX_DEPTH = 32

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUAL, _SUBSTRINGS, _GREATER, _LESS, _PRESENT, _APPROX, _EXTENSIBLE = (
    *(0xA3, 0xA4, 0xA5, 0xA6),
    *(0x87, 0xA8, 0xA9),
)
_JOINED = {"&": _AND, "|": _OR, "!": _NOT}
_COMPARED = {"=": _EQUAL, ">=": _GREATER, "<=": _LESS, "~=": _APPROX}

_OID = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)"
_ITEM = re.compile(
    rf"\(({_OID}(?:;[A-Za-z0-9-]+)*)?((?:(?i::dn))?)((?::{_OID})?)(:=|[~<>]?=)([^()\0]*)\)"
)
#: What most are: a name and the value it has.
_PLAIN = re.compile(r"\(([A-Za-z][A-Za-z0-9-]*)=([^()*\0]+)\)")
_JOINT = re.compile(r"\(([&|!]) *")
_SPACES = re.compile(" *")
_ESCAPE = re.compile(rb"\\(.{0,2})", re.S)
_BYTES = {b"%02x" % value: bytes((value,)) for value in range(256)}


class BadFilter(ValueError):
    """A text is no filter."""


def encode_filter(text: str) -> bytes:
    """
    Write a filter for servers.

    @raise BadFilter: it is none.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        name, value = plain.groups()
        return element(
            _EQUAL, element(OCTETS, name.encode("ascii")) + element(OCTETS, _value(value))
        )
    made, end = _filter(text, 0, 0)
    if end != len(text):
        raise BadFilter("there is something after the filter")
    return made


def any_of(filters: Sequence[bytes]) -> bytes:
    """Write a filter for what any of some finds."""
    return element(_OR, b"".join(filters))


def all_of(filters: Sequence[bytes]) -> bytes:
    """Write a filter for what each of some finds."""
    return element(_AND, b"".join(filters))


def _filter(text: str, at: int, depth: int) -> tuple[bytes, int]:
    """Give the filter that begins here, and where it ends."""
    found = _ITEM.match(text, at)
    if found is not None:
        return _item(*found.groups()), found.end()
    found = _JOINT.match(text, at)
    if found is None:
        raise BadFilter("there is no filter where one has to be")
    if depth >= MAX_DEPTH:
        raise BadFilter("there are too many filters within filters")
    tag, at, parts = _JOINED[found[1]], found.end(), []
    while not text.startswith(")", at):
        made, at = _filter(text, at, depth + 1)
        parts.append(made)
        at = _after_spaces(text, at)
    if tag == _NOT and len(parts) != 1:
        raise BadFilter("one filter has to follow an exclamation mark")
    return element(tag, b"".join(parts)), at + 1


def _after_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return at if found is None else found.end()


def _item(attribute: str | None, dn: str, rule: str, operator: str, value: str) -> bytes:
    if operator == ":=":
        return _extensible(attribute or "", dn, rule[1:], value)
    if dn or rule or not attribute:
        raise BadFilter("what is compared has no name, or one with colons")
    name = element(OCTETS, attribute.encode("ascii"))
    if "*" not in value:
        return element(_COMPARED[operator], name + element(OCTETS, _value(value)))
    if operator != "=":
        raise BadFilter("an asterisk stands after = alone")
    if value == "*":
        return element(_PRESENT, attribute.encode("ascii"))
    first, *middle, last = value.split("*")
    if "" in middle:
        raise BadFilter("two asterisks follow one another")
    pieces = [element(0x80, _value(first))] if first else []
    pieces += [element(0x81, _value(one)) for one in middle]
    pieces += [element(0x82, _value(last))] if last else []
    return element(_SUBSTRINGS, name + element(SEQUENCE, b"".join(pieces)))


def _extensible(attribute: str, dn: str, rule: str, value: str) -> bytes:
    if "*" in value:
        raise BadFilter("an asterisk stands after = alone")
    if not attribute and not rule:
        raise BadFilter("there is neither an attribute nor a rule for matching")
    made = element(0x81, rule.encode("ascii")) if rule else b""
    made += element(0x82, attribute.encode("ascii")) if attribute else b""
    made += element(0x83, _value(value))
    return element(_EXTENSIBLE, made + (element(0x84, b"\xff") if dn else b""))


def _value(text: str) -> bytes:
    try:
        raw = text.encode("utf-8")
        return _ESCAPE.sub(_unescaped, raw) if b"\\" in raw else raw
    except (KeyError, UnicodeEncodeError):
        raise BadFilter("two hexadecimal digits have to follow a backslash") from None


def _unescaped(found: re.Match[bytes]) -> bytes:
    return _BYTES[found[1].lower()]
