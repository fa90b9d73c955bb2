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
from gateway_cache.memory import COPY, Copy
from gateway_cache.messages import Asked
from gateway_cache.parts import parts_for
from gateway_cache.policy import Policy
from gateway_cache.ready import ready_of
from gateway_cache.reuse import Fresh, Refused, Stale, Validate, missing, reuse
from gateway_cache.spaces import Spaces
from gateway_cache.state import ASKING, LAST, Asking, for_user, is_for_one
from gateway_cache.vary import select

#: A request looks so often at the most; then it goes on its own.
LOOKS: Final = 4


class Looking:
    """Looks things up for one plugin object."""

    def __init__(
        self,
        store: Store,
        spaces: Spaces,
        flights: Flights,
        confirming: Confirming,
        counts: Counts,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._flights = flights
        self._confirming = confirming
        self._counts = counts
        self._now = now

    def look(
        self, txn: Transaction
    ) -> Stored | Validator | Awaitable[Stored | Validator | None] | None:
        """Find what answers a request, or how to ask whether that still holds."""
        request = txn.request
        client = txn.client
        policy, origin, literal = self._spaces[
            client.mode, request.scheme, request.host, request.port
        ]
        if policy is None:
            return None
        method = request.raw_method
        lines = request.lines()
        last = client.store.get(LAST)
        if last is not None and last.lines is lines and last.method == method:
            asked = last
        elif method == b"GET" or method == b"HEAD":
            asked = client.store[LAST] = Asked(method, lines)
        else:
            return None
        path = request.raw_target
        key = origin + path if literal and path[:1] == b"/" else key_of(request, policy.keys)
        now = self._now()
        if asked.plain and (
            (txn.identity is None and client.certificate is None) or not is_for_one(txn)
        ):
            stored = self._store.ready(key, asked, policy, now)
            if stored is not None:
                self._counts.hits += 1
                return stored
        elif not asked.cacheable or (asked.conditional and for_origin(asked)):
            self._counts.bypassed += 1
            return None
        elif is_for_one(txn):
            asked = for_user(asked, txn)
        # From before the look, so that what is changed meanwhile counts as changed since.
        store = self._store
        since = store.mark()
        found: Stored | Validator | Deferred[Turn] | None
        if not store.lacks(key) and (heads := store.find(key)):
            found = self._choose(heads, txn, asked, key, policy, now, since, None)
        elif asked.plain:
            # As L{_missed} does, of which most has nothing to say here: it refuses none, and has not waited.
            flight = self._flights.join(key)
            if flight is None or type(flight) is Flight:
                asking = txn.store[ASKING] = Asking(
                    asked, key, policy, "uri-miss", now, since, flight
                )
                asking.alone = True
                self._counts.misses += 1
                return None
            found = flight  # type: ignore[assignment]
        else:
            found = self._missed(txn, asked, key, policy, "uri-miss", now, since, None, alone=True)
        if found is None or not isinstance(found, Deferred):
            return found
        return self._wait(txn, asked, key, policy, found)

    def _choose(
        self,
        heads: tuple[Head, ...],
        txn: Transaction,
        asked: Asked,
        key: bytes,
        policy: Policy,
        now: float,
        since: int,
        before: Asking | None,
    ) -> Stored | Validator | Deferred[Turn] | None:
        """
        Answer with one of the variants that are stored, if it may be.

        @param before: what has waited for another request's answer, if it is that which looks again.
        """
        head = select(heads, asked, policy)
        if head is None:
            part = self._part(heads, asked, policy) if asked.has_range else None
            if part is not None:
                return part
            return self._missed(txn, asked, key, policy, "vary-miss", now, since, before)
        verdict = reuse(asked, head, now, policy)
        if isinstance(verdict, Fresh):
            stored = answer(self._store, head, verdict.lines, asked, now)
            if stored is not None:
                self._counts.hits += 1
                copy = head.memo.get(COPY)
                if asked.plain and isinstance(copy, Copy):
                    copy.ready = ready_of(stored, head, policy, verdict.age, now)
                return stored
            return self._missed(txn, asked, key, policy, "uri-miss", now, since, before)
        if isinstance(verdict, Stale):
            refresh = None
            if verdict.refresh and asked.method == b"GET":
                refresh = self._confirming.refresh(asked, head, policy)
            stored = answer(self._store, head, verdict.lines, asked, now, refresh)
            if stored is not None:
                self._counts.stale += 1
                return stored
            return self._missed(txn, asked, key, policy, "uri-miss", now, since, before)
        if isinstance(verdict, Refused):
            self._counts.refused += 1
            return refused(verdict.status, verdict.why, policy.name)
        lines = self._confirming.stands_in(asked, head, policy)
        if lines is not None:
            stored = answer(self._store, head, lines, asked, now)
            if stored is not None:
                self._counts.errors_hidden += 1
                return stored
        return self._validate(txn, asked, heads, head, policy, verdict, now, since, before)

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
        self,
        txn: Transaction,
        asked: Asked,
        key: bytes,
        policy: Policy,
        why: Why,
        now: float,
        since: int,
        before: Asking | None,
        *,
        alone: bool = False,
    ) -> Stored | Deferred[Turn] | None:
        """Let the request go to the origin, or wait for another one that has gone there."""
        refusal = None if asked.plain else missing(asked)
        if refusal is not None:
            self._counts.refused += 1
            return refused(refusal.status, refusal.why, policy.name)
        flight: Flight | None = None
        if asked.shares:
            joined = self._flights.join(key) if before is None else self._join(before, key)
            if isinstance(joined, Deferred):
                return joined
            flight = joined
        asking = Asking(asked, key, policy, why, now, since, flight)
        if alone:
            asking.alone = True
        if before is not None:
            asking.collapsed = True
        txn.store[ASKING] = asking
        self._counts.misses += 1
        return None

    def _validate(
        self,
        txn: Transaction,
        asked: Asked,
        heads: tuple[Head, ...],
        head: Head,
        policy: Policy,
        verdict: Validate,
        now: float,
        since: int,
        before: Asking | None,
    ) -> Validator | Deferred[Turn] | None:
        joined = self._join(before, head.key) if asked.shares else None
        if isinstance(joined, Deferred):
            return joined
        asking = Asking(
            asked,
            head.key,
            policy,
            verdict.why,
            now,
            since,
            joined,
        )
        asking.head = head
        asking.heads = tuple(one for one in heads if one.part is None)
        if before is not None:
            asking.collapsed = True
        txn.store[ASKING] = asking
        self._counts.misses += 1
        return self._confirming.validator(asking, verdict.fields)

    def _join(self, before: Asking | None, key: bytes) -> Flight | Deferred[Turn] | None:
        """Share a request to the origin: it leads others, or waits for one that does, or neither."""
        if before is not None and before.flight is not None:
            # It was told to lead while it waited.
            return before.flight
        return self._flights.join(key)

    async def _wait(
        self, txn: Transaction, asked: Asked, key: bytes, policy: Policy, waiting: Deferred[Turn]
    ) -> Stored | Validator | None:
        """Wait for the answer to another request, then look again."""
        for _ in range(LOOKS):
            turn = await waiting
            now = self._now()
            since = self._store.mark()
            asking = Asking(asked, key, policy, "uri-miss", now, since)
            asking.collapsed = True
            txn.store[ASKING] = asking
            if turn is Turn.ALONE:
                break
            if turn is Turn.LEAD:
                asking.flight = self._flights.led(key)
            heads = self._store.find(key)
            found = (
                self._choose(heads, txn, asked, key, policy, now, since, asking)
                if heads
                else self._missed(
                    txn, asked, key, policy, "uri-miss", now, since, asking, alone=True
                )
            )
            if not isinstance(found, Deferred):
                if isinstance(found, Stored) and asking.flight is not None:
                    # It leads, and needs not go: what it waited for came another way.
                    self._flights.landed(asking.flight)
                return found
            waiting = found
        self._counts.misses += 1
        return None
