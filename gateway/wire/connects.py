"""
Heads of CONNECT requests that came before, whole, and what was made of them (RFC 9110 section 9.3.6).

A browser makes a new connection for each tunnel, so no connection sees the same head twice; but all of them ask for the
same hosts in the same words. Heads with credentials are never kept, for none of their lines is (L{KnownLines}).
"""

from __future__ import annotations

from gateway.wire.events import RequestHead, Section
from gateway.wire.lines import KNOWN_LINES

#: How many heads are kept, and how long one may be: at worst about a megabyte in all, usually half of that.
KEPT_HEADS = 512
KEPT_LENGTH = 768


class KnownConnects(dict[bytes, tuple[bytes, Section]]):
    """
    Of heads, from the request line to the empty line, the target and the header section.

    The limits that they were held against go with them: who has others needs another memory.
    """

    __slots__ = ()

    def keep(self, data: bytes, head: RequestHead) -> None:
        """Remember a head, unless it is long, or has a line or user information that is not to be kept."""
        section = head.section
        if (
            len(data) > KEPT_LENGTH
            or b"@" in head.target
            or not all(line in KNOWN_LINES for line in section.received)
        ):
            return
        if len(self) >= KEPT_HEADS:
            # Cheaper than any order of leaving; whoever floods it makes us parse, as without it.
            self.clear()
        self[data] = head.target, section
