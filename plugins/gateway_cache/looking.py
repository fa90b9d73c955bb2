"""
What is stored for a request: the hook C{cache_lookup}.

Most requests find something fresh, or nothing that anybody else asks for at the same time; these are answered at once. Who
has to wait for another request's answer does so in a coroutine, and looks again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.internet.defer import Deferred

from gateway.api import Stored, Transaction, Validator
from gateway_cache.answering import answer, answer_part, refused
from gateway_cache.cache_status import Why
from gateway_cache.collapsing import Flight, Flights, Turn
from gateway_cache.conditions import for_origin
from gateway_cache.confirming import Confirming
from gateway_cache.contract import Store
from gateway_cache.counts import Counts
from gateway_cache.entry import Head
from gateway_cache.keys import key_of
from gateway_cache.messages import Asked, asked_of
from gateway_cache.parts import parts_for
from gateway_cache.policy import Policy
from gateway_cache.reuse import Fresh, Refused, Stale, Validate, missing, reuse
from gateway_cache.state import ASKING, LAST, Asking, for_user, is_for_one
from gateway_cache.vary import select

#: A request looks so often at the most; then it goes on its own.
LOOKS: Final = 4


class Looking:
    """Looks things up for one plugin object."""

    def __init__(
        self,
        store: Store,
        flights: Flights,
        confirming: Confirming,
        counts: Counts,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._flights = flights
        self._confirming = confirming
        self._counts = counts
        self._now = now

    def look(
        self, txn: Transaction, policy: Policy
    ) -> Stored | Validator | Awaitable[Stored | Validator | None] | None:
        """Find what answers a request, or how to ask whether that still holds."""
        request = txn.request
        method = request.raw_method
        if method != b"GET" and method != b"HEAD":
            return None
        store = txn.client.store
        asked = asked_of(method, request.fields.lines, store.get(LAST))
        store[LAST] = asked
        if not asked.cacheable or (asked.conditional and for_origin(asked)):
            self._counts.bypassed += 1
            return None
        if is_for_one(txn):
            asked = for_user(asked, txn)
        key = key_of(request, policy.keys)
        found = self._find(txn, asked, key, policy)
        return self._wait(txn, asked, key, policy, found) if isinstance(found, Deferred) else found

    def _find(
        self, txn: Transaction, asked: Asked, key: bytes, policy: Policy
    ) -> Stored | Validator | Deferred[Turn] | None:
        """Look once."""
        heads = self._store.find(key)
        head = select(heads, asked, policy) if heads else None
        if head is None:
            part = self._part(heads, asked, policy) if asked.has_range and heads else None
            if part is not None:
                return part
            return self._missed(txn, asked, key, policy, "vary-miss" if heads else "uri-miss")
        now = self._now()
        verdict = reuse(asked, head, now, policy)
        if isinstance(verdict, Fresh):
            stored = answer(self._store, head, verdict.lines, asked, now)
            if stored is not None:
                self._counts.hits += 1
                return stored
            return self._missed(txn, asked, key, policy, "uri-miss")
        if isinstance(verdict, Stale):
            refresh = None
            if verdict.refresh and asked.method == b"GET":
                refresh = self._confirming.refresh(asked, head, policy)
            stored = answer(self._store, head, verdict.lines, asked, now, refresh)
            if stored is not None:
                self._counts.stale += 1
                return stored
            return self._missed(txn, asked, key, policy, "uri-miss")
        if isinstance(verdict, Refused):
            self._counts.refused += 1
            return refused(verdict.status, verdict.why, policy.name)
        lines = self._confirming.stands_in(asked, head, policy)
        if lines is not None:
            stored = answer(self._store, head, lines, asked, now)
            if stored is not None:
                self._counts.errors_hidden += 1
                return stored
        return self._validate(txn, asked, heads, head, policy, verdict)

    def _part(self, heads: tuple[Head, ...], asked: Asked, policy: Policy) -> Stored | None:
        """Look for a part that has what is asked for."""
        now = self._now()
        for head in parts_for(heads, asked, policy):
            verdict = reuse(asked, head, now, policy)
            if isinstance(verdict, Fresh):
                stored = answer_part(self._store, head, verdict.lines, asked)
                if stored is not None:
                    self._counts.hits += 1
                    return stored
        return None

    def _missed(
        self, txn: Transaction, asked: Asked, key: bytes, policy: Policy, why: Why
    ) -> Stored | Deferred[Turn] | None:
        refusal = missing(asked)
        if refusal is not None:
            self._counts.refused += 1
            return refused(refusal.status, refusal.why, policy.name)
        joined = self._join(txn, asked, key)
        if isinstance(joined, Deferred):
            return joined
        self._go(txn, Asking(asked, key, policy, why, self._now(), self._store.mark(), joined))
        return None

    def _validate(
        self,
        txn: Transaction,
        asked: Asked,
        heads: tuple[Head, ...],
        head: Head,
        policy: Policy,
        verdict: Validate,
    ) -> Validator | Deferred[Turn] | None:
        joined = self._join(txn, asked, head.key)
        if isinstance(joined, Deferred):
            return joined
        asking = Asking(
            asked,
            head.key,
            policy,
            verdict.why,
            self._now(),
            self._store.mark(),
            joined,
            head=head,
            heads=tuple(one for one in heads if one.part is None),
        )
        self._go(txn, asking)
        return self._confirming.validator(asking, verdict.fields)

    def _join(self, txn: Transaction, asked: Asked, key: bytes) -> Flight | Deferred[Turn] | None:
        """Share a request to the origin, where what it brings can answer others too."""
        if (
            asked.method != b"GET"
            or asked.has_range
            or asked.conditional
            or asked.control.no_store
            or asked.control.no_cache
        ):
            return None
        before = txn.store.get(ASKING)
        if before is not None and before.flight is not None:
            # It was told to lead while it waited.
            return before.flight
        return self._flights.join(key)

    def _go(self, txn: Transaction, asking: Asking) -> None:
        """Let the request go to the origin."""
        store = txn.store
        asking.collapsed = store.get(ASKING) is not None
        store[ASKING] = asking
        self._counts.misses += 1

    async def _wait(
        self, txn: Transaction, asked: Asked, key: bytes, policy: Policy, waiting: Deferred[Turn]
    ) -> Stored | Validator | None:
        """Wait for the answer to another request, then look again."""
        for _ in range(LOOKS):
            turn = await waiting
            asking = Asking(asked, key, policy, "uri-miss", self._now(), self._store.mark())
            asking.collapsed = True
            txn.store[ASKING] = asking
            if turn is Turn.ALONE:
                break
            if turn is Turn.LEAD:
                asking.flight = self._flights.led(key)
            found = self._find(txn, asked, key, policy)
            if not isinstance(found, Deferred):
                if isinstance(found, Stored) and asking.flight is not None:
                    # It leads, and needs not go: what it waited for came another way.
                    self._flights.landed(asking.flight)
                return found
            waiting = found
        self._counts.misses += 1
        return None
