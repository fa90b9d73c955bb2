"""
Orders about users: C{gateway user list}, C{evict} and C{logout}, as they come over the control socket.

What is known of users by the parts of the plugin is gathered here; how it is shown is the command's business. Passwords,
cookies and what stands for them are in no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Protocol

from gateway.api import Clock
from gateway_auth.address_book import Entry, Mark, canonical
from gateway_auth.addresses import AddressCache
from gateway_auth.logouts import Logouts

#: Addresses that one answer lists, shared ones aside, of which there are as many.
MOST_LISTED = 1000

LIST, EVICT, LOGOUT = "user.list", "user.evict", "user.logout"

_LONGEST = 1024


class Forgets(Protocol):
    """A part that knows users beside the address cache, such as whose connections are."""

    def evict(self, who: str) -> int:
        """
        Forget a user, or what is known of an address.

        @return: of how many things it knew.
        """


class UserOrders:
    """Carries out orders."""

    def __init__(
        self,
        addresses: AddressCache,
        logouts: Logouts,
        clock: Clock,
        others: Sequence[Forgets] = (),
    ) -> None:
        """
        Take the parts.

        @param others: those that know users beside the address cache.
        """
        self._addresses = addresses
        self._logouts = logouts
        self._clock = clock
        self._others = others

    async def log_out(self, user: str) -> bool:
        """
        Let nothing count that a user has shown so far: for a user who logs out himself, too.

        @return: whether that survives a restart, too.
        """
        self._evicted(user)
        return await self._logouts.log_out(user)

    async def carry_out(self, name: str, said: Mapping[str, object]) -> Mapping[str, object] | None:
        """Carry out an order, for the hook C{order}; C{None}: it is no order of this kind."""
        if name not in (LIST, EVICT, LOGOUT):
            return None
        who = said.get("who", "")
        if not isinstance(who, str) or len(who) > _LONGEST:
            return {"why": "a user or an address is named by a text"}
        if name == LIST:
            return self._listed(who)
        if not who:
            return {"why": "no user and no address is named"}
        answer = self._evicted(who)
        if name == LOGOUT:
            return {**answer, "survives_restart": await self._logouts.log_out(who)}
        if not answer["addresses"] and not answer["others"]:
            return {**answer, "why": f"nothing is known of {who}"}
        return answer

    def _evicted(self, who: str) -> dict[str, object]:
        addresses = self._addresses.evict(who)
        # Connections are known by the address as it was written when they came.
        spellings = {who, canonical(who)} - {""}
        others = sum(other.evict(name) for other in self._others for name in spellings)
        return {"addresses": list(addresses), "others": others}

    def _listed(self, who: str) -> dict[str, object]:
        entries = self._addresses.entries(who)
        users = [self._user(entry) for entry in islice(entries, MOST_LISTED)]
        # To go through all the rest would keep the reactor; without a name it need not be known to the last one.
        rest = sum(1 for _ in entries) if who else self._addresses.size - len(users)
        address = canonical(who)
        marks = [mark for mark in self._addresses.marks() if not who or mark.address == address]
        return {
            "users": users,
            "count": len(users) + (rest if len(users) == MOST_LISTED else 0),
            "shared": [self._mark(mark) for mark in marks[:MOST_LISTED]],
            "shared_count": len(marks),
        }

    def _user(self, entry: Entry) -> dict[str, object]:
        now = self._clock.seconds()
        return {
            "address": entry.address,
            "user": entry.identity.user,
            "groups": sorted(entry.identity.groups),
            "for": "icap" if entry.key != entry.address else "http",
            "age_seconds": round(now - entry.since, 1),
            "left_seconds": round(entry.until - now, 1),
            "programs": len(entry.programs),
            "on_probation": self._addresses.on_probation(entry),
        }

    def _mark(self, mark: Mark) -> dict[str, object]:
        now = self._clock.seconds()
        return {
            "address": mark.address,
            "reason": mark.reason,
            "age_seconds": round(now - mark.since, 1),
            "left_seconds": round(mark.until - now, 1),
        }
