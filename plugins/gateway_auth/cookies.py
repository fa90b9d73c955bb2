"""
Cookies of the gateway's own among those of an origin (RFC 6265): what they are called, reading, setting and keeping apart.

An origin shall neither see nor set them. So their names are reserved: whatever in a C{Cookie} field could be read as one of
them, however it is spelt, is taken out before a request goes on, and what an origin would set under them is dropped.
Cookies of one host reach all its ports, so the port is part of a name; C{__Host-} keeps siblings below one domain from
setting them, which browsers grant over https alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.api import Fields, Request
from gateway_auth.credentials import named, values

#: What all names begin with, behind C{__Host-}.
NAME: Final = "gateway-auth"

#: More copies of one cookie are not tried: each costs a signature.
MAX_COPIES = 4

# A name as the laxest reader might find it: white space or quotes in front, the "=" of a cookie without a name, another case,
# and the comma that RFC 2965 had between cookies.
_RESERVED = re.compile(r"""(?:^|,)[\s"'=,]*(?:__(?:host|secure)-)?gateway-auth""", re.IGNORECASE)
#: What every line has in it that has one of ours, in lower case.
_MARK: Final = NAME.encode("ascii")


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Whom a cookie is for (RFC 6454).

    @ivar host: in lower case, IPv6 without brackets.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, request: Request) -> Origin:
        """Give a request's; it is none of a CONNECT, which has no scheme."""
        return cls(request.scheme, request.host, request.port)

    def __str__(self) -> str:
        """Write it, always with its port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """Write it as a browser does, the usual port left out."""
        text = str(self)
        for usual in ("http", 80), ("https", 443):
            if (self.scheme, self.port) == usual:
                return text.rpartition(":")[0]
        return text

    def cookie(self, kind: str = "") -> str:
        """
        Name a cookie of ours.

        @param kind: which; the empty one says who the user is.
        """
        name = f"{NAME}-{kind}" if kind else NAME
        if self.scheme == "https":
            return f"__Host-{name}" if self.port == 443 else f"__Host-{name}-{self.port}"
        return name if self.port == 80 else f"{name}-{self.port}"


def copies(fields: Fields, name: str) -> list[str]:
    """
    Give the values of all cookies of a name, L{MAX_COPIES} at the most.

    There are several when somebody has set one for the domain above, or for a path.
    """
    found: list[str] = []
    for value in values(fields.lines, b"\ncookie:"):
        if name not in value:
            continue
        for pair in value.split(";"):
            key, equals, text = pair.partition("=")
            if equals and key.strip(" \t") == name and len(found) < MAX_COPIES:
                found.append(text.strip(" \t"))
    return found


def strip(fields: Fields) -> None:
    """Take everything out of C{Cookie} fields that could be read as a cookie of ours; the others stay as they are."""
    lines = fields.lines
    # One search through all of them is quicker than a look at each.
    if _MARK not in b"\n".join(lines).lower():
        return
    kept = lines
    for line in named(lines, b"\ncookie:"):
        rest = stripped(line)
        if rest is line:
            continue
        if kept is lines:
            kept = lines.copy()
        if rest is None:
            kept.remove(line)
        else:
            kept[kept.index(line)] = rest
    if kept is not lines:
        fields.lines = kept


def stripped(line: bytes) -> bytes | None:
    """Give a C{Cookie} line without what could be read as a cookie of ours; itself if there is none, C{None} if nothing is left."""
    if _MARK not in line.lower():
        return line
    pairs = line[7:].decode("latin-1").split(";")
    others = [pair for pair in pairs if _RESERVED.search(pair) is None]
    if len(others) == len(pairs):
        return line
    rest = ";".join(others).strip(" \t")
    return b"Cookie: " + rest.encode("latin-1") if rest else None


def strip_set(fields: Fields) -> int:
    """
    Drop every C{Set-Cookie} (and the old C{Set-Cookie2}) of an origin's that could set a cookie of ours.

    @return: how many there were.
    """
    if _MARK not in b"\n".join(fields.lines).lower():
        return 0
    dropped = 0
    for name in ("Set-Cookie", "Set-Cookie2"):
        found = fields.get_all(name)
        # What is behind the first ";" are attributes, except for readers that take a comma for the next cookie.
        kept = [value for value in found if _RESERVED.search(value) is None]
        if len(kept) == len(found):
            continue
        dropped += len(found) - len(kept)
        fields.remove(name)
        for value in kept:
            fields.add(name, value)
    return dropped


def set_cookie(
    fields: Fields, origin: Origin, kind: str, value: str, seconds: float, *, same_site: str = "Lax"
) -> None:
    """
    Set a cookie of ours.

    @param seconds: 0 takes it back.
    """
    parts = [
        f"{origin.cookie(kind)}={value}",
        "Path=/",
        f"Max-Age={max(0, int(seconds))}",
        "HttpOnly",
        f"SameSite={same_site}",
    ]
    if origin.scheme == "https":
        parts.append("Secure")
    fields.add("Set-Cookie", "; ".join(parts))
