"""
Origins as a site's pool knows them, and the three ways to choose one.

A way to choose is called for every request, so it is a plain call that allocates nothing; it knows neither who is up nor
who has room: it is given those that come into question.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

from gateway.config.addresses import Origin
from gateway.config.sections.site import Balance


class OriginState:
    """
    One origin of a pool.

    @ivar origin: as configured.
    @ivar address: the same as text.
    @ivar id: how a sticky cookie calls it; the address where there is none.
    @ivar open: transactions under way.
    @ivar healthy: the active checks' opinion; C{True} without them.
    @ivar failures: requests that failed in a row.
    @ivar outage: seconds of the last time out, from which the next one is reckoned; 0.0 after a success.
    @ivar out_until: failures keep it out until then, on the pool's clock; 0.0 if they don't.
    @ivar served: transactions it was chosen for, since the start.
    @ivar failed: failures, since the start.
    """

    __slots__ = (
        "address",
        "failed",
        "failures",
        "healthy",
        "id",
        "open",
        "origin",
        "out_until",
        "outage",
        "served",
    )

    def __init__(self, origin: Origin, id: str) -> None:
        self.origin = origin
        self.address = str(origin)
        self.id = id
        self.open = 0
        self.healthy = True
        self.failures = 0
        self.outage = 0.0
        self.out_until = 0.0
        self.served = 0
        self.failed = 0

    @property
    def up(self) -> bool:
        """Whether it gets its share of requests."""
        return self.healthy and not self.out_until

    def __repr__(self) -> str:
        """Show the address and what is known."""
        return f"<OriginState {self.address} {'up' if self.up else 'down'} open={self.open}>"


class Choice(Protocol):
    """A way to choose."""

    def __call__(self, client_address: str, candidates: tuple[OriginState, ...]) -> OriginState:
        """Choose among one or more."""

    def renew(self, candidates: tuple[OriginState, ...]) -> None:
        """Learn which tuple will be the usual one from now on."""


class RoundRobin:
    """One after the other."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, client_address: str, candidates: tuple[OriginState, ...]) -> OriginState:
        """Choose the next one."""
        turn = self._turn
        self._turn = turn + 1
        return candidates[turn % len(candidates)]

    def renew(self, candidates: tuple[OriginState, ...]) -> None:
        """Go on where it was."""


class LeastConnections:
    """The one with the fewest transactions under way; equals take turns."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, client_address: str, candidates: tuple[OriginState, ...]) -> OriginState:
        """Choose, beginning one further each time, or an idle site would load its first origin alone."""
        count = len(candidates)
        turn = self._turn % count
        self._turn = turn + 1
        best = candidates[turn]
        for i in range(turn + 1, turn + count):
            state = candidates[i % count]
            if state.open < best.open:
                best = state
        return best

    def renew(self, candidates: tuple[OriginState, ...]) -> None:
        """Have nothing to forget."""


class ClientHash:
    """
    By the client's address, so that a client stays with its origin.

    Rendezvous hashing: each origin has a weight for each client and the heaviest takes it. Whoever leaves moves only the
    clients it had, whoever joins only those it gets, and every gateway with the same origins decides alike.
    """

    __slots__ = ("_candidates", "_known")

    def __init__(self) -> None:
        self._candidates: tuple[OriginState, ...] = ()
        self._known: dict[str, OriginState] = {}

    def __call__(self, client_address: str, candidates: tuple[OriginState, ...]) -> OriginState:
        """Choose; answers for the usual candidates are remembered."""
        if candidates is not self._candidates:
            return _heaviest(client_address, candidates)
        best = self._known.get(client_address)
        if best is None:
            best = _heaviest(client_address, candidates)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[client_address] = best
        return best

    def renew(self, candidates: tuple[OriginState, ...]) -> None:
        """Forget the answers for others."""
        self._candidates = candidates
        self._known.clear()


def choice(balance: Balance) -> Choice:
    """Make the way to choose that a setting names."""
    match balance:
        case "round_robin":
            return RoundRobin()
        case "least_connections":
            return LeastConnections()
        case "client_hash":
            return ClientHash()


_MAX_KNOWN = 8192


def _heaviest(client_address: str, candidates: tuple[OriginState, ...]) -> OriginState:
    def weight(state: OriginState) -> bytes:
        return blake2b(f"{client_address} {state.address}".encode(), digest_size=8).digest()

    return max(candidates, key=weight)
