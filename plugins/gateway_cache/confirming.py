"""
What the origin says of something stored: a 304 confirms it, an error may be hidden by it, and anything else takes its place.

Also the requests that the gateway makes by itself for what was sent past its time (RFC 5861 section 3).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

from gateway.api import Response, Stored, Transaction, UpstreamError, Validator
from gateway_cache.answering import answer
from gateway_cache.cache_status import forward_line
from gateway_cache.collapsing import Flights
from gateway_cache.conditions import own_fields, upstream_fields
from gateway_cache.contract import Store
from gateway_cache.counts import Counts
from gateway_cache.entry import Head
from gateway_cache.freshness import plan_of
from gateway_cache.messages import Answer, Asked
from gateway_cache.policy import Policy
from gateway_cache.reuse import ERRORS, on_error, validators
from gateway_cache.state import ASKING, Asking
from gateway_cache.updating import confirmed, for_this_client

#: So long an origin that has failed is not asked again for something that may stand in for it, seconds.
FAILING_SECONDS = 2.0
#: So long one refresh of a key keeps others from beginning, seconds.
REFRESH_SECONDS = 30.0
_MOST_REFRESHING = 10_000


class Confirming:
    """Asks origins about what is stored, for one plugin object."""

    def __init__(
        self, store: Store, flights: Flights, counts: Counts, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._flights = flights
        self._counts = counts
        self._now = now
        self._refreshing: OrderedDict[bytes, float] = OrderedDict()

    def validator(self, asking: Asking, fields: Mapping[str, str | None]) -> Validator | None:
        """
        Give what asks whether something stored still holds.

        @param fields: that validate it; may be empty. An error of the origin can be hidden by it all the same.
        @return: C{None}: the client has conditions of its own, and nothing here would make anything of the answer.
        """
        head = asking.head
        assert head is not None
        others = [other for other in asking.heads if other is not head]
        wanted = upstream_fields(asking.asked, fields, others)
        if not wanted and asking.asked.conditional:
            return None
        if "If-None-Match" not in wanted:
            # A date asks about the one alone.
            asking.heads = (head,)
        return Validator(wanted, partial(self._answered, asking, head))

    def stands_in(self, asked: Asked, head: Head, policy: Policy) -> list[bytes] | None:
        """Give the lines of something stored whose origin has failed a moment ago; C{None}: the origin is to be asked."""
        until = head.memo.get("failing")
        if not isinstance(until, float):
            return None
        now = self._now()
        stale = on_error(asked, head, now, policy) if now < until else None
        return None if stale is None else stale.lines

    def refresh(self, asked: Asked, head: Head, policy: Policy) -> Validator | None:
        """Give what refreshes something that is sent past its time; C{None}: that is under way already."""
        now = self._now()
        refreshing = self._refreshing
        if refreshing.get(head.key, 0.0) > now:
            return None
        refreshing[head.key] = now + REFRESH_SECONDS
        refreshing.move_to_end(head.key)
        if len(refreshing) > _MOST_REFRESHING:
            refreshing.popitem(last=False)
        asking = Asking(asked, head.key, policy, "stale", now, self._store.mark())
        asking.head = head
        asking.heads = (head,)
        fields = own_fields(asked, validators(head, policy))
        return Validator(fields, partial(self._refreshed, asking, head))

    def _refreshed(
        self, asking: Asking, head: Head, txn: Transaction, came: Response | UpstreamError
    ) -> Stored | None:
        self._refreshing.pop(head.key, None)
        txn.store[ASKING] = asking
        return self._answered(asking, head, txn, came)

    def _answered(
        self, asking: Asking, head: Head, txn: Transaction, came: Response | UpstreamError
    ) -> Stored | None:
        now = asking.received = self._now()
        if isinstance(came, Response):
            if came.status == 304:
                return self._confirmed(asking, head, came, now)
            if came.status not in ERRORS:
                return None
        stale = on_error(asking.asked, head, now, asking.policy)
        if stale is None:
            return None
        stored = answer(self._store, head, stale.lines, asking.asked, now)
        if stored is not None:
            head.memo["failing"] = now + FAILING_SECONDS
            self._counts.errors_hidden += 1
            self._settled(asking)
        return stored

    def _confirmed(self, asking: Asking, head: Head, came: Response, now: float) -> Stored | None:
        """Take the fields of a 304 into what is stored (RFC 9111 section 4.3.4)."""
        policy = asking.policy
        said = Answer(304, came.fields.lines)
        pairs = confirmed(asking.heads, head, said, asking.requested, now, policy)
        if not pairs:
            return None
        for old, renewed in pairs:
            self._store.update(old, renewed)
        newer = pairs[0][1]
        plan = plan_of(newer, policy)
        age = plan.age(now)
        lines = [*newer.lines, *for_this_client(head, said), b"Age: %d" % age]
        if policy.name:
            ttl = plan.lifetime - age
            lines.append(
                forward_line(
                    policy.name, asking.why, status=304, ttl=ttl, collapsed=asking.collapsed
                )
            )
        stored = answer(self._store, newer, lines, asking.asked, now)
        if stored is not None:
            self._counts.validated += 1
            self._settled(asking)
        return stored

    def _settled(self, asking: Asking) -> None:
        asking.settled = True
        if asking.flight is not None:
            self._flights.landed(asking.flight)
