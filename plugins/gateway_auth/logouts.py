"""
Users who were logged out: what they have shown before no longer counts, wherever it turns up.

A signed cookie is good until it ends, whoever holds it, for nobody keeps a list of cookies. So it is kept who was logged
out when, and a cookie from before that moment is none. It is in the plugin's store, for a cookie outlives a restart; other
nodes do not hear of it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable

from gateway.api import Services, StoreFailed
from gateway_auth.lasting import lasting

#: Users that are kept; the one who was logged out first is forgotten first.
MOST = 10_000

#: So long it is kept; no cookie lives longer.
KEPT_SECONDS = 30 * 86400.0

_PREFIX = "logout/"


class Logouts:
    """Knows since when what a user has shown counts."""

    def __init__(self, services: Services, now: Callable[[], float]) -> None:
        """
        Know of nobody before L{load}, but of those whom an object before a reload knew.

        @param now: seconds since the epoch.
        """
        self._services = services
        self._now = now
        self._moments: OrderedDict[str, float] = lasting(
            services.clock, "logouts", None, OrderedDict
        )

    async def load(self) -> None:
        """
        Read what a process before has kept; for C{start}.

        @raise StoreFailed: nobody can say who was logged out.
        """
        store = self._services.store
        for key in await store.keys(_PREFIX):
            raw = await store.get(key)
            if raw is not None:
                self._note(key.removeprefix(_PREFIX), float(json.loads(raw)))

    def is_over(self, user: str, since: float) -> bool:
        """
        Tell whether something that a user has shown no longer counts.

        @param since: when he did, seconds since the epoch.
        """
        moment = self._moments.get(user.casefold())
        return moment is not None and since <= moment

    async def log_out(self, user: str) -> bool:
        """
        Let nothing count that a user has shown so far.

        @return: whether that survives a restart, too.
        """
        name, moment = user.casefold(), self._now()
        self._note(name, moment)
        try:
            await self._services.store.set(
                f"{_PREFIX}{name}", json.dumps(moment).encode(), KEPT_SECONDS
            )
        except StoreFailed as error:
            self._services.log.error(
                "that a user was logged out is known until the next restart alone: {why}", why=error
            )
            return False
        return True

    def _note(self, name: str, moment: float) -> None:
        moments = self._moments
        moments[name] = max(moment, moments.get(name, 0.0))
        moments.move_to_end(name)
        while len(moments) > MOST:
            moments.popitem(last=False)
