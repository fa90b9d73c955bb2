"""
Keys: what is asked for, as one string of bytes (RFC 9111 section 2).

The target is taken as it is sent on, byte for byte: nothing is decoded or put in order unless a rule of the site says
so, for what two spellings mean is the origin's to know.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol
from urllib.parse import urljoin, urlsplit

from gateway_cache.policy import KeyRules

_PORTS = {"http": 80, "https": 443}
_REMEMBERED = 4096
_LONGEST_REFERENCE = 8192

_origins: dict[tuple[str, str, int], bytes] = {}


class Target(Protocol):
    """Where a request goes; a C{gateway.api.Request} is one."""

    @property
    def scheme(self) -> str:
        """In lower case."""

    @property
    def host(self) -> str:
        """In lower case, an IPv6 address without brackets."""

    @property
    def port(self) -> int:
        """Its TCP port."""

    @property
    def raw_target(self) -> bytes:
        """Path and query."""


class Place(NamedTuple):
    """A target that was read out of a URI."""

    scheme: str
    host: str
    port: int
    raw_target: bytes


def key_of(target: Target, rules: KeyRules) -> bytes:
    """Make the key; for a site without rules it is the target URI, with its port."""
    origin = _origins.get((target.scheme, target.host, target.port))
    if origin is None:
        origin = _origin(target.scheme, target.host, target.port)
    path = target.raw_target
    if path[:1] != b"/":
        # No request of a client is so; whoever makes one must not end up with another port's key.
        path = b" " + path
    if b"?" in path and (rules.ignore or rules.ignore_prefixes or rules.sort):
        path = _ruled(path, rules)
    return origin + path


def origin_of(target: Target) -> bytes:
    """Give the prefix that all keys of an origin have."""
    return _origin(target.scheme, target.host, target.port)


def resolve(target: Target, reference: bytes) -> Place | None:
    """
    Read a URI reference against a target (RFC 3986 section 5), as C{Location} has it.

    @return: C{None}: it is none, or not of a scheme that is cached.
    """
    if len(reference) > _LONGEST_REFERENCE or not _is_printable(reference):
        return None
    host = f"[{target.host}]" if ":" in target.host else target.host
    base = f"{target.scheme}://{host}:{target.port}" + target.raw_target.decode("latin-1")
    try:
        parts = urlsplit(urljoin(base, reference.decode("latin-1")))
        port = parts.port
        named = parts.hostname
        path = parts.path.encode("latin-1") or b"/"
        query = parts.query.encode("latin-1")
    except ValueError:
        return None
    if not named or parts.scheme not in _PORTS:
        return None
    if port is None:
        port = _PORTS[parts.scheme]
    return Place(parts.scheme, named, port, path + b"?" + query if query else path)


def same_origin(one: Target, other: Target) -> bool:
    """Tell whether two targets have scheme, host and port in common."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _origin(scheme: str, host: str, port: int) -> bytes:
    named = f"[{host}]" if ":" in host else host
    made = f"{scheme}://{named}:{port}".encode("utf-8", "backslashreplace")
    if len(_origins) >= _REMEMBERED:
        _origins.clear()
    _origins[(scheme, host, port)] = made
    return made


def _ruled(path: bytes, rules: KeyRules) -> bytes:
    before, _, query = path.partition(b"?")
    kept = [
        part
        for part in query.split(b"&")
        if (name := part.partition(b"=")[0]) not in rules.ignore
        and not (rules.ignore_prefixes and name.startswith(rules.ignore_prefixes))
    ]
    if rules.sort:
        # Among parameters of one name the order stays: it may well mean something.
        kept.sort(key=lambda part: part.partition(b"=")[0])
    return before + b"?" + b"&".join(kept) if kept else before


def _is_printable(reference: bytes) -> bool:
    return reference.isascii() and not any(byte <= 0x20 or byte == 0x7F for byte in reference)
