"""
The plugin: puts the parts together, and knows none of them from within.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path

from gateway.api import (
    Caution,
    ContentSink,
    Maybe,
    Plugin,
    Services,
    SettingFault,
    Stored,
    Surroundings,
    Transaction,
    Validator,
    hookimpl,
)
from gateway_cache.collapsing import Flights
from gateway_cache.confirming import Confirming
from gateway_cache.counts import Counts
from gateway_cache.invalidation import SAFE
from gateway_cache.looking import Looking
from gateway_cache.orders import Orders
from gateway_cache.settings import CacheSettings, Policies
from gateway_cache.spaces import Spaces
from gateway_cache.state import ASKING
from gateway_cache.store import DiskStore, StoreOptions
from gateway_cache.taking import Taking

#: Longer than anybody may wait for another request's answer.
BUDGET_SECONDS = 330.0


class Cache(Plugin):
    """Keep what origins let be kept, and answer with it."""

    name = "cache"
    Settings = CacheSettings

    settings: CacheSettings

    def __init__(self, settings: CacheSettings, services: Services) -> None:
        super().__init__(settings, services)
        seconds = services.clock.seconds
        offset = time.time() - seconds()

        def now() -> float:
            return offset + seconds()

        self.counts = Counts()
        self.policies = Policies(settings)
        options = StoreOptions(
            Path(settings.path), settings.size, settings.max_object, settings.memory
        )
        self.store = DiskStore(options, services)
        self.flights = Flights(services.clock, settings.wait)
        confirming = Confirming(self.store, self.flights, self.counts, now)
        spaces = Spaces(self.policies.of)
        self._looking = Looking(self.store, spaces, self.flights, confirming, self.counts, now)
        self._taking = Taking(self.store, self.flights, self.counts, now, settings.max_object)
        self._orders = Orders(self.store, self.policies, self.counts, now)

    async def start(self) -> None:
        """Open the store; where that can't be, the cache steps aside, says so, and tries again later."""
        await self.store.start()

    async def stop(self) -> None:
        """Write what is still to be written, and close the store."""
        self.flights.stop()
        await self.store.stop()

    def review(self, around: Surroundings) -> Iterable[Caution | SettingFault]:
        """Tell what the configuration around makes of the settings."""
        if around.of_mode("forward") and around.decrypt == "none" and not around.of_mode("reverse"):
            yield Caution(
                "TLS is not decrypted (tls.decrypt), so of https nothing is stored",
                mend="decrypt, or cache what comes by http alone",
            )

    @hookimpl(budget_seconds=BUDGET_SECONDS)
    def cache_lookup(
        self, txn: Transaction
    ) -> Stored | Validator | Awaitable[Stored | Validator | None] | None:
        """Find what answers a request."""
        return self._looking.look(txn)

    @hookimpl(stored=False)
    def response_headers(self, txn: Transaction) -> None:
        """Look at the head of what came from upstream."""
        if not txn.upstream:
            return
        asking = txn.store.get(ASKING)
        if asking is not None:
            self._taking.judge(txn, asking)
        elif txn.request.raw_method not in SAFE:
            policy = self.policies.of(txn.client.mode, txn.request.host)
            if policy is not None:
                self._taking.unsafe(txn, policy)

    @hookimpl()
    def cache_store(self, txn: Transaction) -> ContentSink | None:
        """Take a copy."""
        asking = txn.store.get(ASKING)
        # Of most answers nothing is stored.
        if asking is None or asking.storable is None:
            return None
        return self._taking.take(txn, asking)

    @hookimpl(stored=False)
    def transaction_complete(self, txn: Transaction) -> None:
        """Let nobody wait for what has ended."""
        asking = txn.store.get(ASKING)
        if asking is not None and asking.flight is not None:
            self.flights.failed(asking.flight)

    @hookimpl()
    def counters(self) -> Mapping[str, float]:
        """Give the numbers."""
        store = {f"store_{name}": float(value) for name, value in self.store.stats().items()}
        return {**self.counts.numbers(), **store, "collapsed_total": float(self.flights.collapsed)}

    @hookimpl()
    def order(self, name: str, said: Mapping[str, object]) -> Maybe[Mapping[str, object] | None]:
        """Carry out C{gateway cache}'s orders."""
        return self._orders.carry_out(name, said)
