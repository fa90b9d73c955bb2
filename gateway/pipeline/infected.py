"""
Which URLs gave something infected a while ago, so that the next one who asks is refused before anything is held.

It is a shortcut and never the protection itself: what is not remembered is scanned as ever. What is remembered must not
refuse something else, so the key is the URL together with what the origin says its content is known by: C{ETag}, else
C{Last-Modified}, with the declared length (RFC 9110 section 8.8). Where an origin says neither, the URL may give
something else at any time, and is remembered for L{UNSURE_SECONDS} at the most.

Nothing here grows with what clients ask for: the number of entries is bounded, the least recently used goes first, and
each is small, whatever the peer sends.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from gateway.api.messages import Response
from gateway.api.services import Clock
from gateway.api.transaction import Transaction

if TYPE_CHECKING:
    from gateway.pipeline.judged import Judged

#: How long a URL is remembered whose origin says nothing by which its content is known.
UNSURE_SECONDS: Final = 600.0

#: Of a URL, and of each text of a result, no more is kept.
_MOST_URL = 300
_MOST_TEXT = 160
#: Stands for a query, which may hold secrets.
_QUERY: Final = "?…"

_RANGE = re.compile("bytes [0-9]+-[0-9]+/([0-9]+)")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Listed:
    """
    One remembered URL, for people.

    @ivar url: without its query, and shortened.
    @ivar known_by: what the origin says its content is known by: C{etag}, C{modified}, C{length} or C{nothing}.
    @ivar judged: what was found; its texts are shortened.
    @ivar left_seconds: until it is forgotten.
    @ivar refused: how often somebody was refused for it.
    """

    url: str
    known_by: str
    judged: Judged
    left_seconds: float
    refused: int


@dataclass(slots=True)
class _Entry:
    base: bytes
    url: str
    known_by: str
    judged: Judged
    since: float
    refused: int = 0


class InfectedUrls:
    """
    The memory; to be used from the reactor's thread.

    @ivar max: entries at the most; 0: nothing is remembered.
    @ivar entries: always the same object, so whoever only has to know that there are none can hold on to it.
    """

    def __init__(
        self,
        clock: Clock,
        max: int = 10_000,
        ttl: float = 4 * 3600.0,
        *,
        before: InfectedUrls | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Begin with nothing, or with what another one remembers.

        @param ttl: seconds, from when it was found last.
        @param before: one with other bounds; what it remembers is remembered here too, and the other way round, as
            transactions of two snapshots of the configuration run side by side.
        @param wall: seconds since 1970, for people.
        """
        self.max = max
        self._clock = clock
        self._ttl = ttl
        self._wall = wall
        # By URL and validator, each as a digest of 16 bytes; the least recently used first.
        self.entries: OrderedDict[bytes, _Entry] = (
            OrderedDict() if before is None else before.entries
        )

    def __len__(self) -> int:
        """Count the entries, those that are out of date and not yet thrown out too."""
        return len(self.entries)

    def remember(self, url: str, validator: str, judged: Judged) -> None:
        """
        Remember what was found; anew, if it was remembered.

        @param validator: as L{validator_of} gives it.
        """
        if not self.max:
            return
        url = canonical(url)
        key = _key(url, validator)
        base = url.partition("?")[0]
        old = self.entries.pop(key, None)
        shown = _shortened(base, _MOST_URL) + (_QUERY if "?" in url else "")
        kind = validator.partition(":")[0] or "nothing"
        small = _small(judged, self._wall())
        refused = 0 if old is None else old.refused
        self.entries[key] = _Entry(_digest(base), shown, kind, small, self._now, refused)
        while len(self.entries) > self.max:
            self.entries.popitem(last=False)

    def known(self, url: str, validator: str) -> Judged | None:
        """
        Tell what was found there, with C{judged.found} set to when; C{None}: nothing is known.

        Whoever is told so refuses it: that is counted.
        """
        # The usual case: nothing bad has come by.
        if not self.entries or not self.max:
            return None
        key = _key(canonical(url), validator)
        entry = self.entries.get(key)
        if entry is None:
            return None
        if self._left(entry) <= 0:
            del self.entries[key]
            return None
        self.entries.move_to_end(key)
        entry.refused += 1
        return entry.judged

    def list(self) -> list[Listed]:
        """List what is remembered, the most recently used first."""
        return list(self._listed())

    def purge(self, url: str | None = None) -> int:
        """
        Forget.

        @param url: only this one, whatever its content was known by; without a query, with whatever query. C{None}: all.
        @return: how many entries that were.
        """
        if url is None:
            count = len(self.entries)
            self.entries.clear()
            return count
        url = canonical(url.removesuffix(_QUERY))
        digest = _digest(url)
        gone = [
            key
            for key, entry in self.entries.items()
            if key.startswith(digest) or entry.base == digest
        ]
        for key in gone:
            del self.entries[key]
        return len(gone)

    @property
    def _now(self) -> float:
        return self._clock.seconds()

    def _left(self, entry: _Entry) -> float:
        sure = entry.known_by in ("etag", "modified")
        return entry.since + (self._ttl if sure else min(self._ttl, UNSURE_SECONDS)) - self._now

    def _listed(self) -> Iterator[Listed]:
        for key, entry in reversed(list(self.entries.items())):
            left = self._left(entry)
            if left <= 0:
                del self.entries[key]
            else:
                yield Listed(entry.url, entry.known_by, entry.judged, left, entry.refused)


def address_of(txn: Transaction) -> tuple[str, str] | None:
    """
    Give URL and validator of a transaction's response, as L{InfectedUrls} takes them.

    @return: C{None} if what was found says nothing of the URL: what comes in answer to anything but a GET depends on what
        was sent with it, and an error is not what the URL stands for.
    """
    response = txn.response
    if (
        response is None
        or txn.request.raw_method != b"GET"
        or response.status not in (200, 203, 206)
    ):
        return None
    return txn.request.url, validator_of(response)


def validator_of(response: Response) -> str:
    """
    Give what an origin says the content of a response is known by; empty if it says nothing.

    A part is known by what the whole is known by (RFC 9110 section 14.4): who was cut off must not get the rest of it.
    """
    known = response.fields
    for name, kind in (("etag", "etag"), ("last-modified", "modified")):
        value = known.get(name)
        if value:
            # Without the length: a part names it where the whole, in chunks, had not.
            return f"{kind}:{value}"
    length = "" if response.length is None else str(response.length)
    if response.status == 206:
        part = known.get("content-range") or "several"
        found = _RANGE.fullmatch(part)
        length = part if found is None else found[1]
    return f"length:{length}" if length else ""


def canonical(url: str) -> str:
    """Write a URL in the one way of several that mean the same to every origin (RFC 3986 section 6.2.2)."""
    if "%" not in url:
        return url
    return _ESCAPE.sub(_unescaped, url)


def _unescaped(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _key(url: str, validator: str) -> bytes:
    return _digest(url) + _digest(validator)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _small(judged: Judged, found: float) -> Judged:
    """Shorten what came from a peer: the name of a member may be as long as its sender likes."""
    return replace(
        judged,
        found=found,
        why=_shortened(judged.why, _MOST_TEXT),
        name=_shortened(judged.name, _MOST_TEXT),
        engine=_shortened(judged.engine, _MOST_TEXT),
        patterns=_shortened(judged.patterns, _MOST_TEXT),
        member=_shortened(judged.member, _MOST_TEXT),
    )


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
