"""
What becomes of everybody who is known: he is counted by how he was known, and noted at his address where addresses are believed.

Knows nothing of how he has shown who he is.
"""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import Final

from gateway.api import Clock, Identity, Key, Transaction
from gateway_auth.addresses import AddressCache
from gateway_auth.policy import Policy

#: Seconds after which an address's user is noted again on a connection that goes on.
NOTE_SECONDS: Final = 5.0

#: Which user a connection's address was noted for, and when.
_NOTED: Key[tuple[str, float]] = Key("auth.noted")


class Known:
    """
    Counts and notes.

    @ivar counts: requests by the identity's source; for who counts without a call, too.
    """

    __slots__ = ("_addresses", "_seconds", "counts")

    def __init__(self, addresses: AddressCache, clock: Clock) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)
        self._addresses = addresses
        self._seconds = clock.seconds

    def count(self, identity: Identity) -> Identity:
        """Count one request, and give whose it is."""
        self.counts[identity.source] += 1
        return identity

    def note(self, txn: Transaction, policy: Policy, identity: Identity) -> float:
        """
        Note at his address who has shown in this very request who he is.

        @return: when that has to be done again, on the monotonic clock.
        """
        if not policy.believes_address:
            return inf
        store, now = txn.client.store, self._seconds()
        noted = store.get(_NOTED)
        if noted is None or noted[0] != identity.user or now - noted[1] >= NOTE_SECONDS:
            noted = store[_NOTED] = identity.user, now
            self._addresses.put(txn, identity)
        return noted[1] + NOTE_SECONDS
