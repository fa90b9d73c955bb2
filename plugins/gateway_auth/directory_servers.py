"""
The servers of one directory: which is asked, what follows when it fails, and how it comes back.

The first one whose breaker is closed is asked; if it fails, the next one, within the same time-out. A server that failed
several times in a row is left alone and tried in the background, so that no user waits for it; when it answers, it has its old place
again. Looking names up blocks, and is in the threads of the pool C{directory}. Nobody waits longer than the time-out says, whatever a
server or the system's resolver does.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.defer import TimeoutError as OutOfTime

from gateway.api import Overloaded, Services
from gateway.api.catalogue.identity import DIRECTORY_DOWN, DIRECTORY_UP
from gateway_auth.breaker import Breaker
from gateway_auth.flights import Flights
from gateway_auth.ldap_pool import Link, Pool
from gateway_auth.ldap_settings import LdapSettings, ServerUri
from gateway_auth.ldap_wire import (
    AccountRefused,
    Connects,
    Deadline,
    NoAnswer,
    ServerFailed,
    SocketAddress,
)
from gateway_auth.verifier import Unavailable

T = TypeVar("T")

#: Looks a name up; blocks.
Resolves = Callable[[str, int], Sequence[SocketAddress]]

#: So many pieces of work are under way at once; the others wait in their order.
MOST_AT_ONCE = 32
#: So many may wait.
MOST_WAITING = 2000
#: So long an address is taken for good, seconds.
ADDRESS_SECONDS = 60.0
#: So long a service account that was refused is not tried again: directories lock accounts. A reload tries at once.
ACCOUNT_SECONDS = 300.0
#: Work gives up a little sooner than who waits for it, so that what it knows by then is not lost.
_OF_WORK = 0.9
#: A server that had less than this part of its share of the time-out is not blamed for not answering.
_FAIR = 0.5


def resolved(host: str, port: int) -> Sequence[SocketAddress]:
    """Ask the system for a name's addresses."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


@dataclass(slots=True)
class Server:
    """
    One server.

    @ivar literal: where it is, if C{uri} says so; else empty.
    @ivar why: why it failed last, for the log.
    @ivar addresses: where it was found last, and C{until} when that is good.
    """

    uri: ServerUri
    pool: Pool
    breaker: Breaker
    literal: Sequence[SocketAddress]
    why: str = ""
    addresses: Sequence[SocketAddress] = ()
    until: float = 0.0


class Servers:
    """Asks the servers of a directory."""

    def __init__(
        self,
        settings: LdapSettings,
        services: Services,
        connect: Connects,
        probe: Callable[[Link], Coroutine[Any, Any, None]],
        resolve: Resolves = resolved,
    ) -> None:
        """
        Make them; nothing is asked yet.

        @param probe: sees whether a server works.
        """
        self.servers = [
            Server(
                uri,
                Pool(settings, uri, connect, services.clock.seconds),
                Breaker(services.clock, settings.failures, settings.retry),
                _literal(uri),
            )
            for uri in settings.uri
        ]
        self._settings = settings
        self._services = services
        self._probe = probe
        self._resolve = resolve
        self._room = DeferredSemaphore(MOST_AT_ONCE)
        self._lookups: Flights[Sequence[SocketAddress]] = Flights()
        self._is_down = False
        self._share = settings.timeout / len(self.servers)
        metrics = services.metrics
        self._up = metrics.gauge(
            "directory_server_up", "Whether a directory server is asked.", ("server",)
        )
        self._failed = metrics.counter(
            "directory_failures_total", "Failures of directory servers.", ("server",)
        )
        for server in self.servers:
            self._up.set(1.0, server=str(server.uri))
        services.every(settings.retry, self.probe, name="directory_probe", at_once=True)

    @property
    def is_down(self) -> bool:
        """Tell whether no server is left to ask."""
        return not any(server.breaker.is_closed for server in self.servers)

    async def ask(
        self, work: Callable[[Link], Coroutine[Any, Any, T]], seconds: float | None = None
    ) -> T:
        """
        Have a piece of work done by the first server that does it.

        @param seconds: how long that may take; C{None}: as long as the settings say.
        @raise Unavailable: none does, or not in time.
        """
        clock = self._services.clock
        patience = self._settings.timeout if seconds is None else seconds
        end = clock.seconds() + patience
        if len(self._room.waiting) >= MOST_WAITING:
            raise Unavailable("too many logins wait for the directory")
        candidates = [server for server in self.servers if server.breaker.is_closed]
        if not candidates:
            raise Unavailable(f"no server answers: {self._whys()}")
        room = self._room.acquire()
        if not room.called:
            await self._in_time(room, patience, "too many logins")
        try:
            for index, server in enumerate(candidates):
                left = end - clock.seconds()
                if left <= 0:
                    break
                try:
                    # Each has its share, so that a server that hangs leaves some time for the next one.
                    value, fault = await self._try(server, work, left / (len(candidates) - index))
                except ServerFailed as failed:
                    self._note_failure(server, failed)
                    continue
                if fault is None:
                    self._note_success(server)
                else:
                    self._note_failure(server, fault)
                return value
        finally:
            # In a turn of its own: who is let in may leave at once, and let in the next.
            clock.callLater(0, self._room.release)
        raise Unavailable(f"no server answers: {self._whys()}")

    async def probe(self) -> None:
        """Try each server that is left alone, one after another, and have connections ready to the one that is asked."""
        for server in self.servers:
            server.pool.prune()
            if server.breaker.begin_probe():
                try:
                    await self._try(server, self._probe, self._settings.timeout)
                except Exception as error:
                    # Whatever it is: the probe has to end, or there would never be another.
                    self._note_failure(server, error)
                else:
                    self._note_success(server)
        asked = next((server for server in self.servers if server.breaker.is_closed), None)
        if asked is not None and asked.pool.lacks:
            try:
                await self._try(asked, Link.make_ready, self._settings.timeout)
            except Unavailable:
                # Nobody had the time to ask it, which is no fault of its; the next run makes them.
                return
            except ServerFailed as failed:
                self._note_failure(asked, failed)

    def close(self) -> None:
        """Close the connections that are kept; those in use are closed when they are given back."""
        for server in self.servers:
            server.pool.close()

    async def _try(
        self, server: Server, work: Callable[[Link], Coroutine[Any, Any, T]], seconds: float
    ) -> tuple[T, ServerFailed | None]:
        """
        Have one server do a piece of work.

        @return: what it came to, and how the server failed where it did part of it.
        @raise ServerFailed: it does not, or not in time.
        @raise Unavailable: nobody had the time to ask it.
        """
        clock = self._services.clock
        end = clock.seconds() + seconds
        addresses = await self._addresses(server, seconds)
        left = max(end - clock.seconds(), 0.001)
        begun = clock.seconds()
        link = server.pool.link(addresses, Deadline(clock, left * _OF_WORK))

        def had_no_time() -> bool:
            """Tell whether most of it went by before; then the server has not failed."""
            return clock.seconds() - begun < _FAIR * self._share

        try:
            value = await self._in_time(Deferred.fromCoroutine(work(link)), left, "")
        except (_NotInTime, NoAnswer) as late:
            if had_no_time():
                raise Unavailable("more logins than the directory does in time") from None
            raise ServerFailed(str(late) or "no answer in time") from None
        fault = link.fault
        return value, None if isinstance(fault, NoAnswer) and had_no_time() else fault

    async def _addresses(self, server: Server, seconds: float) -> Sequence[SocketAddress]:
        """
        Find out where a server is; an older answer is better than none.

        One thread at the most waits for the system's resolver, for each server, however long that takes.
        """
        uri = server.uri
        if server.literal:
            return server.literal
        if server.addresses and self._services.clock.seconds() < server.until:
            return server.addresses
        try:
            return await self._in_time(
                self._lookups.join(uri, lambda: self._looked_up(server)), seconds * 0.5, ""
            )
        except (_NotInTime, OSError, UnicodeError, Overloaded) as error:
            if server.addresses:
                return server.addresses
            if isinstance(error, Overloaded):
                raise Unavailable(str(error)) from None
            why = "no answer in time" if isinstance(error, _NotInTime) else str(error)
            raise ServerFailed(f"the name {uri.host} can't be looked up: {why}") from None

    async def _looked_up(self, server: Server) -> Sequence[SocketAddress]:
        uri = server.uri
        found = await self._services.threads.run("directory", self._resolve, uri.host, uri.port)
        server.addresses = found
        server.until = self._services.clock.seconds() + ADDRESS_SECONDS
        return found

    async def _in_time(self, waiting: Awaitable[T], seconds: float, what: str) -> T:
        """
        Wait no longer than this.

        @param what: why it takes so long; with it, L{Unavailable} says so.
        @raise _NotInTime: without it.
        """

        async def wait() -> T:
            return await waiting

        clock: Any = self._services.clock
        # Nearly always it is one already.
        answer = waiting if isinstance(waiting, Deferred) else Deferred.fromCoroutine(wait())
        try:
            return await answer.addTimeout(seconds, clock)
        except OutOfTime:
            if what:
                raise Unavailable(f"{what} wait for the directory") from None
            raise _NotInTime from None

    def _note_failure(self, server: Server, error: Exception) -> None:
        name, why = str(server.uri), str(error) or type(error).__name__
        server.why = why
        self._failed.inc(server=name)
        self._services.log.warn("the directory server {server} failed: {why}", server=name, why=why)
        # What is kept was made to a server that is no longer what it was.
        server.pool.drop()
        server.until = 0.0
        wait = ACCOUNT_SECONDS if isinstance(error, AccountRefused) else None
        if not server.breaker.failed(wait_seconds=wait):
            return
        self._up.set(0.0, server=name)
        self._services.log.warn(
            "the directory server {server} is left alone until it answers again", server=name
        )
        if self.is_down and not self._is_down:
            self._is_down = True
            text = f"no directory server answers, so nobody can log in: {self._whys()}"
            self._services.events(DIRECTORY_DOWN(text, self._settings.base))

    def _note_success(self, server: Server) -> None:
        if not server.breaker.succeeded():
            return
        name = str(server.uri)
        self._up.set(1.0, server=name)
        self._services.log.info("the directory server {server} answers again", server=name)
        if self._is_down:
            self._is_down = False
            text = f"the directory server {name} answers again"
            self._services.events(DIRECTORY_UP(text, self._settings.base))

    def _whys(self) -> str:
        return "; ".join(f"{server.uri}: {server.why or 'out of time'}" for server in self.servers)


class _NotInTime(Exception):
    """Nobody waits any longer."""


def _literal(uri: ServerUri) -> Sequence[SocketAddress]:
    try:
        address = ipaddress.ip_address(uri.host)
    except ValueError:
        return ()
    if address.version == 4:
        return [(socket.AF_INET, (uri.host, uri.port))]
    return [(socket.AF_INET6, (uri.host, uri.port, 0, 0))]
