"""
What the cache remembers of a transaction between its hooks, and of a connection between its requests.
"""

from __future__ import annotations

from gateway.api import Key, Transaction
from gateway_cache.cache_status import Why
from gateway_cache.collapsing import Flight
from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.policy import Policy
from gateway_cache.storable import Storable


class Asking:
    """
    One request that nothing stored has answered, or not yet.

    @ivar asked: the request.
    @ivar key: what its answer is stored under.
    @ivar policy: the rules for it.
    @ivar why: why the origin is asked, as C{Cache-Status} says it.
    @ivar requested: when it was begun, seconds since the epoch.
    @ivar received: when the answer's head came; 0.0: it has not.
    @ivar since: the store's mark from before it was looked for.
    @ivar alone: nothing at all was found of the key.
    @ivar flight: others wait for what it brings; C{None}: nobody can.
    @ivar collapsed: it has waited for another request itself.
    @ivar head: what is stored and to be validated.
    @ivar heads: all variants that the origin is asked about with it.
    @ivar storable: what is to be stored of the answer; C{None}: nothing, or that is not known yet.
    @ivar lines: the answer's field lines as the cache has left them; C{None}: it has not seen them.
    @ivar status_line: the one of them that the cache has added.
    @ivar settled: something stored answers it after all.
    """

    # What most requests never come to is here once for all of them, as one of these is made for each.
    head: Head | None = None
    heads: tuple[Head, ...] = ()
    received = 0.0
    alone = False
    collapsed = False
    storable: Storable | None = None
    lines: list[bytes] | None = None
    status_line = b""
    settled = False

    def __init__(
        self,
        asked: Asked,
        key: bytes,
        policy: Policy,
        why: Why,
        requested: float,
        since: int,
        flight: Flight | None = None,
    ) -> None:
        self.asked = asked
        self.key = key
        self.policy = policy
        self.why: Why = why
        self.requested = requested
        self.since = since
        self.flight = flight


def is_for_one(txn: Transaction) -> bool:
    """
    Tell whether the origin is told whose the request is, though nothing in the request says so.

    A reverse proxy tells origins who its user is, by fields of its own; what they answer may be for him alone, as with
    C{Authorization} (RFC 9111 section 3.5). An origin behind the forward proxy never learns of him.
    """
    client = txn.client
    return client.mode == "reverse" and (txn.identity is not None or client.certificate is not None)


def for_user(asked: Asked, txn: Transaction) -> Asked:
    """Make a request that counts as one with C{Authorization}: that of the one user whose it is."""
    if txn.identity is not None:
        user = txn.identity.user.encode("utf-8", "surrogatepass")
    else:
        user = repr(txn.client.certificate).encode("utf-8", "replace")
    made = Asked(asked.method, asked.lines)
    made.plain = False
    made.wanted[b"authorization"] = [*made.wanted.get(b"authorization", ()), b"user " + user]
    return made


#: Of a transaction.
ASKING: Key[Asking] = Key("cache.asking")
#: Of a client's connection: its last request, for the next one is often the same.
LAST: Key[Asked] = Key("cache.last")
