"""
What is stored of a response, and where its content is: the values that the rules, the store and the plugin share.

Nothing here decides anything. Times are seconds since the epoch, as C{time.time()} gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.api import StoredFile


# Never changed once it is made, but not frozen: that makes it three times as dear to make, as is done for each object stored.
@dataclass(slots=True)
class Head:
    """
    A stored response without its content (RFC 9111 section 3).

    @ivar key: the canonical target URI, and what the rules of a site add to it; all variants of a response have the same.
    @ivar variant: tells the variants of a key apart: the normalised values of the selecting fields; empty without Vary.
    @ivar vary: the names of the selecting fields in lower case, in alphabetical order (RFC 9111 section 4.1).
    @ivar status: of the response; a 206 is a part only.
    @ivar lines: field lines C{b"Name: value"} as they are sent with each answer, without C{Age}, what belonged to the
        connection, and what may not be stored (RFC 9111 section 3.1).
    @ivar requested: when the request for it was begun.
    @ivar received: when its head came.
    @ivar length: of the content, bytes.
    @ivar tags: what it can be purged by besides its URL (C{Surrogate-Key}, C{Cache-Tag}).
    @ivar part: of a 206: first byte and complete length (-1: unknown); C{None} for a whole response.
    @ivar verdict: what a scanner said of the content, and by which engine and patterns; empty: nothing.
    @ivar digest: of the content; empty while that is still coming.
    """

    key: bytes
    variant: bytes
    vary: tuple[str, ...]
    status: int
    lines: tuple[bytes, ...]
    requested: float
    received: float
    length: int
    tags: tuple[str, ...] = ()
    part: tuple[int, int] | None = None
    verdict: str = ""
    digest: bytes = b""
    # What the rules have worked out of the lines, so that they do it once for each object in memory; never stored.
    memo: dict[str, object] = field(default_factory=dict, compare=False, repr=False)


# As L{Head}: one is made for each object that comes from the index.
@dataclass(slots=True)
class Found:
    """
    A stored response with its content; never changed.

    @ivar content: all of it, if it is in memory.
    @ivar file: where it is if it is not.
    """

    head: Head
    content: bytes = b""
    file: StoredFile | None = None
