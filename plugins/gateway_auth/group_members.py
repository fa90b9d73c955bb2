"""
By which attributes groups name their members, in one directory: most have groups of one kind alone.

A filter that asks for all kinds makes a server look through every entry, for each login, where it has no index for a kind that nobody
uses. So it is found out now and then whether there is any group of a kind at all. As long as that is not known, or a server does not
want to tell, all kinds are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway_auth.ldap_pool import Link
from gateway_auth.ldap_settings import LdapSettings
from gateway_auth.ldap_wire import AccountRefused, SearchRefused, ServerFailed, TooMany, Wire

#: All kinds: C{groupOfNames}, C{groupOfUniqueNames} and C{posixGroup}, which has names of users and no distinguished names.
ALL: Final = ("member", "uniqueMember", "memberUid")
#: So often it is found out, seconds. What was found is taken for good until it was tried twice more.
MEMBERS_SECONDS: Final = 600.0


class GroupMembers:
    """
    Knows the attributes.

    @ivar turn: stands for the time since it was told to forget; compared by identity.
    """

    __slots__ = ("_known", "_now", "turn")

    def __init__(self, now: Callable[[], float]) -> None:
        """
        Know nothing.

        @param now: gives seconds.
        """
        self._now = now
        self._known: tuple[float, tuple[str, ...]] = (0.0, ALL)
        self.turn = object()

    def get(self) -> tuple[str, ...]:
        """Give the attributes to ask for."""
        until, known = self._known
        return known if self._now() < until else ALL

    def put(self, found: tuple[str, ...], turn: object) -> None:
        """
        Keep what was found out, unless it was told to forget meanwhile.

        @param turn: L{turn} from before the directory was asked.
        """
        if turn is self.turn:
            self._known = self._now() + 2.5 * MEMBERS_SECONDS, found

    def clear(self) -> None:
        """Ask for all until it was found out again."""
        self._known = (0.0, ALL)
        self.turn = object()


async def find_members(link: Link, settings: LdapSettings) -> tuple[str, ...] | None:
    """
    Find out by which attributes there are members.

    Nobody waits for it, and it may be the dearest question that a server is ever asked: that it gives no answer is no failure.

    @return: C{None}: nobody can say, or it is Active Directory, where it is known.
    @raise AccountRefused: the service account is refused, which is not to be tried again soon.
    """
    base = settings.group_base or settings.base

    async def look(wire: Wire) -> tuple[str, ...]:
        return tuple([one for one in ALL if await _is_there(wire, base, one)])

    try:
        return None if await link.is_ad() else await link.run("service", look)
    except AccountRefused:
        raise
    except ServerFailed:
        return None


async def _is_there(wire: Wire, base: str, attribute: str) -> bool:
    try:
        return bool(await wire.search(base, f"({attribute}=*)", (), limit=1))
    except (SearchRefused, TooMany):
        return True
