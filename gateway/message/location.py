"""
References in a response that name the origin by an address its clients can't use: Location, Content-Location, Refresh.

Changed only where a setting says so: an origin that is told the right Host and X-Forwarded-Proto answers rightly by
itself, and a gateway that guesses breaks those that do. Relative references and other places are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.message.target import DEFAULT_PORTS, format_authority

_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_REFRESH = re.compile(rb"([0-9.]*[ \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?(['\"]?))(.*)", re.IGNORECASE)


class OriginReferences:
    """The spellings of a site's origins in an absolute URL."""

    __slots__ = ("_known",)

    def __init__(self, origins: Iterable[tuple[str, str, int]]) -> None:
        """
        Learn the origins.

        @param origins: scheme, host (lower case, no brackets) and port of each.
        """
        known: set[bytes] = set()
        for scheme, host, port in origins:
            known.add(scheme.encode("ascii") + b"://" + format_authority(scheme, host, port))
            if DEFAULT_PORTS.get(scheme) == port:
                # No scheme has port 0: this spells the port out.
                bare = format_authority(scheme, host, 0)[:-1]
                known.add(scheme.encode("ascii") + b"://" + bare + str(port).encode("ascii"))
        self._known = frozenset(known)

    def rewrite(self, value: bytes, public: bytes) -> bytes:
        """
        Give the value of Location or Content-Location as the client shall read it.

        Scheme and authority are compared in any case; path, query and fragment stay.

        @param public: scheme and authority that the client asked, such as C{b"https://www.example.com"}.
        @return: the very object C{value} if it names no origin of ours.
        """
        found = _ABSOLUTE.match(value)
        if found is None or found[0].lower() not in self._known:
            return value
        return public + value[found.end() :]

    def rewrite_refresh(self, value: bytes, public: bytes) -> bytes:
        """Give the value of Refresh (C{5; url=http://...}) as the client shall read it."""
        found = _REFRESH.fullmatch(value)
        if found is None:
            return value
        reference = found[3]
        rewritten = self.rewrite(reference, public)
        return value if rewritten is reference else found[1] + rewritten
