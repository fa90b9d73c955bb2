"""
Upstream connections that are kept for the next request (RFC 9112 section 9.3), by where they lead and by which rules.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Any

from gateway.net.deadlines import Deadlines
from gateway.net.owner import OwnKey
from gateway.net.upstream import UpstreamConnection
from gateway.wire.limits import HeadLimits

#: Keys that are compared to find one that is not needed.
_SAMPLED = 16


class Pool:
    """
    Kept connections by key, and how many there are of each.

    @ivar idle: how many wait for use now.
    @ivar open: how many are open, used ones included.
    @ivar made: how many were ever made.
    @ivar reused: how many exchanges found a kept one.
    @ivar idle_seconds: how long a connection is kept without use.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        *,
        idle_seconds: float = 30.0,
        per_key: int = 64,
        keys: int = 1000,
        limits: HeadLimits,
    ) -> None:
        """
        Begin empty.

        @param idle_seconds: how long a connection is kept without use (S05).
        @param per_key: how many are kept for one next hop; more are closed when they fall idle.
        @param keys: for how many next hops some are kept; for one more those of another are closed, which were not used
            for long.
        """
        self._deadlines = deadlines
        self.idle_seconds = idle_seconds
        self._per_key = per_key
        self._keys = keys
        self._limits = limits
        self._kept: dict[Any, list[UpstreamConnection]] = {}
        self._all: set[UpstreamConnection] = set()
        self.made = 0
        self.reused = 0

    def __len__(self) -> int:
        """Give the number of open connections, used ones included."""
        return len(self._all)

    @property
    def idle(self) -> int:
        """How many wait for use now."""
        return sum(map(len, self._kept.values()))

    def take(self, key: Any) -> UpstreamConnection | None:
        """Give the one used last, which is the least likely to be closing; C{None} if there is none."""
        kept = self._kept.get(key)
        if not kept:
            return None
        self.reused += 1
        return kept.pop()

    def keeps(self, key: Any) -> bool:
        """Tell whether one is there to be taken."""
        return bool(self._kept.get(key))

    def new(self, key: Any) -> UpstreamConnection:
        """Make a connection object for a transport that is being dialled."""
        made = UpstreamConnection(key, self, self._limits)
        if type(key) is OwnKey:
            key.owner.add(made)
        self._all.add(made)
        self.made += 1
        return made

    def keep(self, connection: UpstreamConnection) -> None:
        """Take one back whose exchange ended cleanly."""
        kept = self._kept.get(connection.key)
        if kept is None:
            if type(connection.key) is OwnKey and connection.key.owner.gone:
                connection.close()
                return
            if len(self._kept) >= self._keys:
                self._make_room()
            kept = self._kept[connection.key] = []
        if len(kept) >= self._per_key:
            connection.close()
            return
        kept.append(connection)
        if connection.deadline is None:
            connection.deadline = self._deadlines.watch(connection.expired, self.idle_seconds)
        connection.since = self._deadlines.now

    def left(self, connection: UpstreamConnection) -> float:
        """Tell for how many seconds one is kept on, if nobody takes it."""
        return connection.since + self.idle_seconds - self._deadlines.now

    def forget(self, connection: UpstreamConnection) -> None:
        """Let one go that is closing or was given away; more than once is harmless."""
        self._all.discard(connection)
        if type(connection.key) is OwnKey:
            connection.key.owner.forget(connection)
        kept = self._kept.get(connection.key)
        if kept is not None:
            if connection in kept:
                kept.remove(connection)
            if not kept:
                del self._kept[connection.key]

    def _make_room(self) -> None:
        """
        Close what is kept for one key: of a few, for that which was not used for longest.

        A true order of use would have to be kept up at each request, for what nearly never happens.
        """
        sampled = list(islice(self._kept, _SAMPLED))
        idlest = min(sampled, key=self._since)
        for key in sampled:
            # The next time others have their turn.
            self._kept[key] = self._kept.pop(key)
        for connection in list(self._kept[idlest]):
            connection.close()
        self._kept.pop(idlest, None)

    def _since(self, key: Any) -> float:
        """Tell since when the last connection of a key is kept; those in use count for nothing here."""
        kept = self._kept[key]
        return kept[-1].since if kept else -inf

    def unlist(self, key: Any) -> None:
        """Forget a key that no connection is kept under just now."""
        if self._kept.get(key) == []:
            del self._kept[key]

    def factory(self, key: Any) -> Callable[[], UpstreamConnection]:
        """Give a maker of connections for a dialler."""
        return lambda: self.new(key)

    def retire(self) -> None:
        """Keep no connection any more: those in use are closed when their exchange ends."""
        self._per_key = 0
        self.close()

    def close(self) -> None:
        """Close all that are idle."""
        for kept in list(self._kept.values()):
            for connection in list(kept):
                connection.close()
