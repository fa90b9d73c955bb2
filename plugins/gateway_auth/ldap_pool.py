"""
Connections to one server that are kept: some are the service account's, for look-ups, some are for logins.

A connection on which users log in is nobody's in particular: each bind replaces the one before it (RFC 4513 section 4), and
nothing but binds is asked on it, or what its user may see within the same piece of work. So a login costs no handshake.

A connection is one piece of work's at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias, TypeVar

from gateway_auth.bind_results import Odd, refusal
from gateway_auth.ldap_binds import Bound, LoginLine, bind_all
from gateway_auth.ldap_settings import LdapSettings, ServerUri
from gateway_auth.ldap_wire import (
    ACTIVE_DIRECTORY,
    AccountRefused,
    Connects,
    Deadline,
    NoAnswer,
    SearchRefused,
    ServerFailed,
    SocketAddress,
    TooMany,
    Wire,
)
from gateway_auth.verifier import Refused, Unavailable

T = TypeVar("T")

#: On so many connections users are bound at the same time where there are as many idle ones; and so many are made.
_BINDS_AT_ONCE, _BINDS_AT_LEAST = 4, 2

Use: TypeAlias = Literal["service", "login"]


class Pool:
    """
    The connections to one server.

    @ivar opened: how many were made.
    """

    def __init__(
        self,
        settings: LdapSettings,
        uri: ServerUri,
        connect: Connects,
        now: Callable[[], float],
    ) -> None:
        """
        Make it, without any.

        @param now: gives seconds.
        """
        self.uri = uri
        self.opened = 0
        self._settings = settings
        self._connect = connect
        self._now = now
        self._idle: dict[Use, list[tuple[Wire, float]]] = {"service": [], "login": []}
        self._is_closed = False
        self._is_ad: bool | None = {"auto": None, "ad": True, "ldap": False}[settings.kind]

    def link(self, addresses: Sequence[SocketAddress], deadline: Deadline) -> Link:
        """Give the server to one piece of work."""
        return Link(self, addresses, deadline)

    def take(self, use: Use) -> Wire | None:
        """Take a kept connection, C{None} if there is none that is fresh enough."""
        limit = self._now() - self._settings.idle
        kept = self._idle[use]
        while kept:
            # The last one is the freshest.
            wire, since = kept.pop()
            if since >= limit and wire.is_open:
                return wire
            wire.close()
        return None

    def give(self, use: Use, wire: Wire) -> None:
        """Keep a connection, or close it if there are enough."""
        if not self._is_closed and len(self._idle[use]) < self._settings.connections:
            self._idle[use].append((wire, self._now()))
        else:
            wire.close()

    def prune(self) -> None:
        """Close what was not used for too long."""
        limit = self._now() - self._settings.idle
        self._drop(lambda since: since < limit)

    def drop(self) -> None:
        """Close all that is idle: the server failed."""
        self._drop(lambda since: True)

    def close(self) -> None:
        """Close all that is idle, and whatever is given back later."""
        self._is_closed = True
        self.drop()

    async def made(self, use: Use, addresses: Sequence[SocketAddress], deadline: Deadline) -> Wire:
        """
        Make a connection.

        @raise ServerFailed: it can't be made.
        @raise AccountRefused: the service account is refused.
        """
        wire = await self._connect(self.uri, addresses, deadline)
        self.opened += 1
        if use == "login" or not self._settings.bind_dn:
            return wire
        try:
            why = refusal(await wire.bind(self._settings.bind_dn, self._settings.secret.reveal()))
        except Odd as odd:
            wire.close()
            raise ServerFailed(f"the service account can't bind: {odd}") from None
        except BaseException:
            wire.close()
            raise
        if why is not None:
            wire.close()
            raise AccountRefused(f"the service account is refused: {why}")
        return wire

    async def is_ad(self, wire: Wire) -> bool:
        """Tell whether it is Active Directory; asked of the server once (RFC 4512 section 5.1)."""
        if self._is_ad is None:
            found = await wire.search(
                "", "(objectClass=*)", ["supportedCapabilities"], limit=1, scope="base"
            )
            able = found[0].attributes.get("supportedcapabilities", ()) if found else ()
            self._is_ad = ACTIVE_DIRECTORY in able
        return self._is_ad

    @property
    def lacks(self) -> bool:
        """Tell whether there are fewer idle connections for logins than are to be ready."""
        wanted = min(self._settings.ready, self._settings.connections)
        return not self._is_closed and len(self._idle["login"]) < wanted

    @property
    def known_kind(self) -> bool | None:
        """Whether it is Active Directory, C{None} while that was not asked."""
        return self._is_ad

    @property
    def idle(self) -> int:
        """How many connections are kept."""
        return sum(map(len, self._idle.values()))

    def _drop(self, is_meant: Callable[[float], bool]) -> None:
        for use, kept in self._idle.items():
            self._idle[use] = [pair for pair in kept if not is_meant(pair[1])]
            for wire, since in kept:
                if is_meant(since):
                    wire.close()


class Link:
    """
    One server, for one piece of work with a deadline.

    @ivar fault: how the server has failed in the middle, where what it had done till then is not lost; C{None}: it has not.
    """

    __slots__ = ("_addresses", "_deadline", "_pool", "fault")

    def __init__(self, pool: Pool, addresses: Sequence[SocketAddress], deadline: Deadline) -> None:
        self.fault: ServerFailed | None = None
        self._pool = pool
        self._addresses = addresses
        self._deadline = deadline

    async def is_ad(self) -> bool:
        """Tell whether the server is Active Directory."""
        known = self._pool.known_kind
        # Nobody has to be bound to ask this.
        return await self.run("login", self._pool.is_ad) if known is None else known

    async def run(self, use: Use, function: Callable[[Wire], Awaitable[T]]) -> T:
        """
        Do something on a connection.

        A kept one may have been closed by the server meanwhile; then it is done once more, on a new one.

        @raise ServerFailed: the server does not do it.
        """
        kept = self._pool.take(use)
        if kept is not None:
            kept.deadline = self._deadline
            try:
                return await self._done(use, kept, function)
            except NoAnswer:
                raise
            except ServerFailed:
                pass
        wire = await self._pool.made(use, self._addresses, self._deadline)
        return await self._done(use, wire, function)

    async def bind_all(self, asked: Sequence[tuple[str, str]]) -> list[Bound]:
        """
        Bind as several users, each by name and password, on several connections for logins; see L{gateway_auth.ldap_binds}.

        @return: for each in their order; if one of them has failed so has the server, and C{fault} says it.
        @raise ServerFailed: there is no connection, and nothing was sent.
        """
        lines: list[LoginLine] = []
        try:
            while len(lines) < min(len(asked), _BINDS_AT_ONCE):
                kept = self._pool.take("login")
                if kept is not None:
                    kept.deadline = self._deadline
                    lines.append(LoginLine(kept, self._login))
                elif len(lines) < _BINDS_AT_LEAST:
                    lines.append(LoginLine(await self._login()))
                else:
                    break
            found = await bind_all(lines, asked)
        except BaseException:
            for line in lines:
                line.wire.close()
            raise
        for line in lines:
            if line.is_sound:
                self._pool.give("login", line.wire)
            else:
                line.wire.close()
        self.fault = next((one for one in found if isinstance(one, ServerFailed)), self.fault)
        return found

    async def make_ready(self) -> None:
        """
        Make the connections for logins that are to be ready, one after another.

        @raise ServerFailed: one can't be made; those before it are kept.
        """
        pool = self._pool
        while pool.lacks:
            pool.give("login", await self._login())

    def _login(self) -> Awaitable[Wire]:
        return self._pool.made("login", self._addresses, self._deadline)

    async def _done(self, use: Use, wire: Wire, function: Callable[[Wire], Awaitable[T]]) -> T:
        try:
            value = await function(wire)
        except (Refused, Unavailable, SearchRefused, TooMany):
            # The server answered, if not as one would like.
            self._pool.give(use, wire)
            raise
        except BaseException:
            wire.close()
            raise
        self._pool.give(use, wire)
        return value
