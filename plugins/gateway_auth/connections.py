"""
What a client connection has shown of itself: Negotiate and NTLM name the user of a connection and not of a request.

Such an identity holds for what comes by the same connection, and so it must be one user's connection. Where another proxy
stands between, which may mix its users' requests on one connection, nothing is remembered: a request that says so by
C{Via}, C{Forwarded} or C{X-Forwarded-For}, one from a trusted proxy, whether it names its client or not, and one from a network in
C{shared} (RFC 9110 section 11.7, RFC 4559 section 6). What is remembered is kept with the connection and ends with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final
from weakref import WeakSet

from gateway.api import Identity, Key, Transaction
from gateway.api.services import Clock
from gateway.api.settings import Duration, Help, Networks, NetworkSet

#: Fields by which proxies name themselves (RFC 9110 section 7.6.3) or those behind them (RFC 7239).
PROXY_FIELDS: Final = ("via", "forwarded", "x-forwarded-for")

# They are looked for in the lines, for an index of the fields would cost each request more than all the rest here.
_FORWARDED_BY = re.compile(f"(?:{'|'.join(PROXY_FIELDS)}):".encode("ascii"), re.IGNORECASE)
_FIRST = b"vVfFxX"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """C{[plugins.auth.connections]}: connections that were authenticated as such, by Negotiate or NTLM."""

    lifetime: Annotated[
        Duration,
        Help(
            "So long a connection is its user's; then the client is asked again, which with Negotiate nobody notices. "
            "A ticket that ends earlier ends it earlier."
        ),
    ] = 7200.0
    shared: Annotated[
        Networks,
        Help(
            "Proxies that send several users' requests by one connection and hide it, as they add no `Via`. A connection from "
            "there is nobody's: Negotiate holds for one request, NTLM is not offered.",
            '["10.0.0.9/32"]',
        ),
    ] = NetworkSet()


class Shown:
    """
    Who a connection's user is (a L{Proof<gateway_auth.repeats.Proof>}).

    @ivar until: on the monotonic clock; 0 when it was taken back.
    @ivar address: what the client's address was, which never changes.
    """

    __slots__ = ("__weakref__", "address", "identity", "until")

    def __init__(self, identity: Identity, until: float, address: str) -> None:
        self.identity = identity
        self.until = until
        self.address = address


#: Whose a connection is, in its store.
SHOWN: Key[Shown] = Key("auth.connection")

# All of the process: connections outlive a reload, and so does the wish to evict their users.
_ALL: WeakSet[Shown] = WeakSet()


class Connections:
    """Remembers whose connections are."""

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def is_shared(self, txn: Transaction) -> bool:
        """Tell whether the connection may carry the requests of several users."""
        client = txn.client
        if client.by_proxy or client.peer in self._settings.shared:
            return True
        found = _FORWARDED_BY.match
        return any(line[0] in _FIRST and found(line) for line in txn.request.fields.lines)

    def identity(self, txn: Transaction) -> Identity | None:
        """Give whose connection it is that a request came by; C{None} if nobody knows or not any more."""
        shown = self.shown(txn)
        return None if shown is None else shown.identity

    def shown(self, txn: Transaction) -> Shown | None:
        """Give what says whose connection it is; C{None} as of L{identity}."""
        shown = txn.client.store.get(SHOWN)
        if shown is None or self._clock.seconds() >= shown.until:
            return None
        if shown.address != txn.client.address or self.is_shared(txn):
            return None
        return shown

    def remember(self, txn: Transaction, identity: Identity, seconds: float | None = None) -> None:
        """
        Keep whose connection it is, unless several users may share it.

        @param seconds: how long the credentials are good for; C{None}: they do not say.
        """
        self.forget(txn)
        if self.is_shared(txn):
            return
        lifetime = self._settings.lifetime
        if seconds is not None:
            lifetime = min(lifetime, seconds)
        shown = Shown(identity, self._clock.seconds() + lifetime, txn.client.address)
        txn.client.store[SHOWN] = shown
        _ALL.add(shown)

    def forget(self, txn: Transaction) -> None:
        """Take back what is known of a connection: somebody tries to be another one, or failed to be anyone."""
        shown = txn.client.store.get(SHOWN)
        if shown is not None:
            shown.until = 0.0
            _ALL.discard(shown)

    def evict(self, who: str) -> int:
        """
        Take back what is known of all connections of a user or an address.

        @return: how many they were.
        """
        found = [shown for shown in _ALL if who in (shown.identity.user, shown.address)]
        for shown in found:
            shown.until = 0.0
            _ALL.discard(shown)
        return len(found)
