"""
What is counted of TLS: handshakes, and what became of the connections that could have been decrypted.

Once per connection, never per request. Every label is one of a few words of ours: no name that a peer asks for, and no
text of a plugin's, becomes one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

#: With whom a handshake was.
SIDES: Final = ("client", "upstream")
#: How it ended: with a new session, or one that was taken up again; the certificate was not believed by one of the two;
#: the peer just went; it took too long; anything else.
RESULTS: Final = ("new", "resumed", "refused", "closed", "timeout", "failed")
#: What became of a CONNECT that was looked into, or need not be.
DECISIONS: Final = ("intercept", "tunnel", "block")
#: What led to a decision.
WHYS: Final = frozenset(
    (
        "bad_hello",
        "decrypt_all",
        "decrypt_hosts",
        "http2_only",
        "never_decrypt",
        "not_listed",
        "off",
        "pinned",
        "plugin",
        "plugin_error",
        "unknown_protocol",
    )
)
#: Stands for every word that is not in these lists.
OTHER: Final = "other"


class LeafCache(Protocol):
    """
    What was minted: L{gateway.net.mints.Mints}.

    @ivar hits: leaves that were there.
    @ivar misses: leaves that had to be made.
    @ivar evicted: leaves that gave way to others.
    """

    @property
    def hits(self) -> int: ...  # noqa: D102
    @property
    def misses(self) -> int: ...  # noqa: D102
    @property
    def evicted(self) -> int: ...  # noqa: D102
    def __len__(self) -> int: ...


class TlsCounters:
    """
    The numbers of one process.

    @ivar handshakes: by side and result.
    @ivar seconds: how long the handshakes that succeeded took, by side, the peer's own time and the network's included.
    @ivar decisions: by decision and reason.
    @ivar leaves: called at a scrape, gives the cache of minted certificates; C{None} while there is none.
    """

    __slots__ = ("decisions", "handshakes", "leaves", "seconds")

    def __init__(self) -> None:
        self.handshakes: dict[tuple[str, str], int] = {}
        self.seconds: dict[str, float] = {}
        self.decisions: dict[tuple[str, str], int] = {}
        self.leaves: Callable[[], LeafCache | None] = _none

    def handshake(self, side: str, result: str, seconds: float = 0.0) -> None:
        """
        Count a handshake that has ended.

        @param side: one of L{SIDES}.
        @param result: one of L{RESULTS}.
        @param seconds: how long it took, if it succeeded.
        """
        side = side if side in SIDES else OTHER
        result = result if result in RESULTS else OTHER
        key = side, result
        self.handshakes[key] = self.handshakes.get(key, 0) + 1
        if result in ("new", "resumed"):
            self.seconds[side] = self.seconds.get(side, 0.0) + seconds

    def decided(self, decision: str, why: str) -> None:
        """
        Count what became of a CONNECT.

        @param decision: one of L{DECISIONS}.
        @param why: one of L{WHYS}.
        """
        key = decision if decision in DECISIONS else OTHER, why if why in WHYS else OTHER
        self.decisions[key] = self.decisions.get(key, 0) + 1


def _none() -> None:
    """Nothing is minted."""
