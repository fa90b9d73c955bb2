r"""
Names of users and entries: the forms in which users write their own, and how a text gets into a filter or a name.

Names come from clients, so whatever could end a value, begin another one or hide in a log is escaped or refused here
(RFC 4514 for distinguished names, RFC 4515 for filters). Knows nothing of connections.
"""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass
from typing import Literal

from gateway_auth.verifier import Refused

#: Longer names are no names.
MAX_NAME = 256

_PLAIN = frozenset(string.ascii_letters + string.digits + ",-._@")
_ESCAPED = [chr(byte) if chr(byte) in _PLAIN else f"\\{byte:02x}" for byte in range(256)]
_DN_SPECIAL = frozenset(',+"\\<>;=#')
_COMMA = re.compile("[,;]")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")
#: Names with one value in each part, without escapes and spaces at ends.
_USUAL_DN = re.compile(
    r"[A-Za-z][A-Za-z0-9-]*=([A-Za-z0-9._@-]+)(?:,[A-Za-z][A-Za-z0-9-]*=[A-Za-z0-9._@-]+)*"
)
_KEYWORD = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)\s*=")


@dataclass(frozen=True, slots=True)
class Login:
    r"""
    A name as a user wrote it.

    @ivar text: all of it.
    @ivar user: without the domain.
    @ivar domain: as written; empty if there is none.
    @ivar form: C{"upn"}: C{user@domain}; C{"down_level"}: C{DOMAIN\user}; C{"plain"}: neither.
    """

    text: str
    user: str
    domain: str = ""
    form: Literal["plain", "upn", "down_level"] = "plain"


def read_login(text: str) -> Login:
    """
    Read a name.

    @raise Refused: C{bad_name}: it is empty, too long, or has characters that nobody can see.
    """
    text = unicodedata.normalize("NFC", text)
    if not text or len(text) > MAX_NAME or not is_clean(text):
        raise Refused("bad_name")
    # Directories take spaces at the ends and doubled ones for nothing: two spellings of one user that look like two.
    if text != text.strip() or "  " in text:
        raise Refused("bad_name")
    if "\\" in text:
        domain, _, user = text.partition("\\")
        if not domain or not user or "\\" in user:
            raise Refused("bad_name")
        return Login(text, user, domain, "down_level")
    user, _, domain = text.rpartition("@")
    if user and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", domain):
        return Login(text, user, domain, "upn")
    return Login(text, text)


def is_clean(text: str) -> bool:
    """Tell whether a text is without control, format and unassigned characters, and has no space but the plain one."""
    if text.isascii():
        return text.isprintable()
    return all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in text)


def escape_filter(text: str) -> str:
    """
    Write a value into a filter (RFC 4515 section 3).

    All is escaped, which is always allowed, but ASCII letters, digits and the signs that names of users and entries are full of: none of
    these means anything to whoever parses a filter.
    """
    return "".join(map(_ESCAPED.__getitem__, text.encode("utf-8")))


def escape_filter_bytes(value: bytes) -> str:
    """Write a value that is no text into a filter."""
    return "".join(f"\\{byte:02x}" for byte in value)


def escape_dn(text: str) -> str:
    """Write a value into a distinguished name (RFC 4514 section 2.4)."""
    last = len(text) - 1
    return "".join(
        f"\\{ord(c):02X}" if c in _DN_SPECIAL or c < " " or (c == " " and index in (0, last)) else c
        for index, c in enumerate(text)
    )


def first_rdn(dn: str) -> str | None:
    """
    Give the value of the first, most specific part of a distinguished name, without its escapes.

    Of a part with several values the common name, else the first.

    @return: C{None} for what is no distinguished name.
    """
    usual = _USUAL_DN.fullmatch(dn)
    if usual is not None:
        return usual[1]
    parts = _split(dn)
    if not parts:
        return None
    values = []
    for part in parts[0]:
        found = _KEYWORD.match(part)
        if found is None:
            return None
        values.append((found[1].lower(), _unescaped(part[found.end() :].strip(" "))))
    if any(_KEYWORD.match(one) is None for part in parts for one in part):
        return None
    return next((value for key, value in values if key == "cn"), values[0][1])


def domain_of(dn: str) -> str:
    """Give the DNS domain that a distinguished name ends with (RFC 2247), in lower case; empty if it has none."""
    labels = [
        found[1]
        for part in _split(dn)
        for one in part
        if (found := re.match(r"(?i)\s*dc=(.+)", one))
    ]
    return ".".join(label.strip().lower() for label in labels)


def _split(dn: str) -> list[list[str]]:
    """Split a name into its parts, and these at their plus signs; escapes stay."""
    if "\\" not in dn:
        return [part.split("+") for part in _COMMA.split(dn)] if dn else []
    parts: list[list[str]] = [[""]]
    index = 0
    while index < len(dn):
        c = dn[index]
        if c == "\\":
            parts[-1][-1] += dn[index : index + 2]
            index += 2
            continue
        if c in ",;":
            parts.append([""])
        elif c == "+":
            parts[-1].append("")
        else:
            parts[-1][-1] += c
        index += 1
    return parts if dn else []


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    made = bytearray()
    index = 0
    while index < len(value):
        if value[index] == "\\" and index + 1 < len(value):
            pair = value[index + 1 : index + 3]
            if _HEX.fullmatch(pair):
                made.append(int(pair, 16))
                index += 3
                continue
            made += value[index + 1].encode("utf-8")
            index += 2
            continue
        made += value[index].encode("utf-8")
        index += 1
    return made.decode("utf-8", "replace")
