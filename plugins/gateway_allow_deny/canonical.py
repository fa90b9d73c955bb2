"""
One spelling for each host, and every path that an origin may read out of one spelling.

A host has a canonical form (WHATWG URL section 3.5, by Ada: percent-encoding, case, IDNA, the forms of IPv4), so two spellings
of one host are one text here. A path has none: whether C{%2F} parts segments, whether C{//} is C{/} and what C{;x} means is
each origin's own matter. So a path is given in all its likely readings, and the lists match any of them to deny and all
of them to allow.

Knows neither lists nor transactions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote_to_bytes

import can_ada

_MAX_NAME = 253
#: Percent-encoded, a name is three times as long.
_MAX_WRITTEN = 3 * _MAX_NAME + 2
#: A path that is still percent-encoded after so many rounds was written to be misread.
_MAX_ROUNDS = 4

# What is in canonical form already: most hosts, so they need no parser. An A-label could be a false one.
_PLAIN = re.compile(r"(?!xn--)[a-z0-9_-]{1,63}(?:\.(?!xn--)[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# Whatever ends the host of a URL or is dropped from it without a word would let one host be two.
_FOREIGN = re.compile(r"[\x00-\x20\x7f/?#@\\|^<>\[\]]")

# What every origin reads alike: most paths.
_SIMPLE_PATH = re.compile(rb"(?:/[0-9A-Za-z_~-][0-9A-Za-z_.~-]*)*/?")

_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")


def canonical_host(text: str) -> str | None:
    """
    Give the one spelling of a host: a name in lower-case ASCII without the last dot, or an address as L{canonical_address}.

    @param text: a host without port; an IPv6 address with or without brackets.
    @return: C{None}: no host, or one that could be read as two different ones.
    """
    if len(text) > _MAX_WRITTEN:
        return None
    return text if len(text) <= _MAX_NAME and is_plain(text) else _parsed(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> str | None:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in inner:
        return canonical_address(inner)
    if not text or _FOREIGN.search(text):
        return None
    try:
        host = can_ada.parse(f"http://{text}/").hostname
    except ValueError:
        return None
    host = host.removesuffix(".")
    if len(host) > _MAX_NAME or not _NAME.fullmatch(host):
        return None
    # Ada has made an address of everything that ends in a number.
    return canonical_address(host) if _NUMBER.fullmatch(host) else host


def is_plain(text: str) -> bool:
    """Tell of a text of at most 253 characters whether it is the canonical form of a name, without making sure of the rest."""
    return _PLAIN.fullmatch(text) is not None and _NUMBER.fullmatch(text) is None


def canonical_address(text: str) -> str | None:
    """
    Give the one spelling of an IP address; what maps an IPv4 address (RFC 4291 section 2.5.5.2) is that one.

    @param text: without brackets; a zone is refused.
    @return: C{None}: it is none.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    return address.compressed


def addresses_within(address: str) -> tuple[str, ...]:
    """
    Give an address and the IPv4 address that it stands for, where a translator or a tunnel would go there.

    NAT64 (RFC 6052), 6to4 (RFC 3056) and IPv4-compatible addresses (RFC 4291 section 2.5.5.1).

    @param address: canonical.
    """
    if ":" not in address:
        return (address,)
    found = IPv6Address(address)
    number = int(found)
    if found.sixtofour is not None:
        return (address, found.sixtofour.compressed)
    if found in _NAT64 or (found in _COMPATIBLE and number > 0xFFFF):
        return (address, IPv4Address(number & 0xFFFFFFFF).compressed)
    return (address,)


def path_readings(raw: bytes) -> tuple[bytes, ...] | None:
    """
    Give a path as different origins read it, without the slash at its end.

    @param raw: as it stands in a request, without the query.
    @return: at least one; C{b""} is the root. C{None}: it is encoded so often that nobody can say what it means.
    """
    if _SIMPLE_PATH.fullmatch(raw):
        return (raw.removesuffix(b"/"),)
    once = unquote_to_bytes(raw)
    whole = once
    for _ in range(_MAX_ROUNDS):
        decoded = unquote_to_bytes(whole)
        if decoded == whole:
            break
        whole = decoded
    else:
        return None
    # RFC 3986 has an encoded slash as a character like any other.
    kept = unquote_to_bytes(re.sub(rb"%(2f|5c)", rb"%25\1", raw, flags=re.IGNORECASE))
    once = once.replace(b"\\", b"/")
    whole = re.sub(rb";[^/]*", b"", whole.replace(b"\\", b"/"))
    return tuple(
        dict.fromkeys(
            (_resolved(kept), _resolved(once), _resolved(whole), b"".join(_segments(once)))
        )
    )


def _segments(path: bytes) -> list[bytes]:
    """Give the segments that are not empty, each behind its slash."""
    return [b"/" + segment for segment in path.split(b"/") if segment]


def _resolved(path: bytes) -> bytes:
    """Resolve dot segments (RFC 3986 section 5.2.4)."""
    kept: list[bytes] = []
    for segment in _segments(path):
        if segment == b"/..":
            if kept:
                kept.pop()
        elif segment != b"/.":
            kept.append(segment)
    return b"".join(kept)
