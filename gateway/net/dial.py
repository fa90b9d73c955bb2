"""
Connections to the next hop: from a host name to a connected protocol.

One address is tried at once; several are tried as RFC 8305 says ("happy eyeballs"): families mixed, the next one a
quarter of a second after the last or as soon as that failed, the first to connect wins and the others are closed. The
guard judges each address when its turn comes, so nothing can change between the judgement and the connection.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure

from gateway.api.errors import TransactionError
from gateway.net.attempt import Attempt
from gateway.net.deadlines import Deadline, Deadlines
from gateway.net.faults import (
    ConnectTimeout,
    DestinationForbidden,
    NameTimeout,
    Unreachable,
    connect_fault,
    most_telling,
)
from gateway.net.guard import Guard
from gateway.net.own_addresses import has_source_address
from gateway.net.source_ports import SourcePorts
from gateway.net.stock_attempt import StockAttempt

#: Seconds between two attempts (RFC 8305 section 5).
ATTEMPT_DELAY = 0.25

#: Seconds from which on it does not matter when a time limit is half a second late.
_LONG = 5.0

#: How long IPv6 comes second after it was found to have no route from here, in seconds.
_NO_ROUTE_REMEMBERED = 60.0


class Resolves(Protocol):
    """What the dialler needs of a L{Resolver<gateway.net.resolver.Resolver>}."""

    def resolve(self, name: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        """Give the addresses of a host, or raise or fail with a L{TransactionError}."""


class Trace:
    """
    What became of a dial, for timings and log; filled in when it is over, also when it failed or was cancelled.

    @ivar resolved_at: when the addresses were known, on the reactor's clock; C{None} if they never were.
    @ivar connected_at: when a connection stood; C{None} if none did.
    @ivar address: the address tried last, at the end the one connected to; empty if none was tried.
    @ivar attempts: how many connections were begun.
    """

    __slots__ = ("address", "attempts", "connected_at", "resolved_at")

    def __init__(self) -> None:
        self.resolved_at: float | None = None
        self.connected_at: float | None = None
        self.address = ""
        self.attempts = 0


class Dialer:
    """
    Makes connections.

    @ivar guard: judges every address of a guarded dial; may be replaced at any time.
    @ivar source_ports: chooses source ports; C{None} leaves them to the system.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: Resolves,
        guard: Guard | None = None,
        source_ports: SourcePorts | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """
        Take what every dial needs.

        @param deadlines: keeps the time of dials that have much of it; C{None}: each has a timer of its own.
        @param reactor: our own transport is used on a real one, C{connectTCP} on one in memory, which claims to
            be an L{IReactorFDSet<twisted.internet.interfaces.IReactorFDSet>} too.
        """
        self.guard = guard
        self.source_ports = source_ports
        self.deadlines = deadlines
        self.reactor = reactor
        self.resolver = resolver
        self.ipv6_second_until = float("-inf")
        self.attempt: type[Attempt | StockAttempt] = (
            Attempt if isinstance(reactor, PosixReactorBase) else StockAttempt
        )

    def dial(
        self,
        host: str,
        port: int,
        factory: Callable[[], IProtocol],
        *,
        timeout: float,
        guarded: bool = True,
        trace: Trace | None = None,
    ) -> Deferred[IProtocol]:
        """
        Connect to a host.

        @param host: a name or a literal address.
        @param factory: makes the protocol, once, when a connection stands.
        @param timeout: seconds for all of it, the look-up included.
        @param guarded: whether the guard judges; not for next hops that the configuration itself names.
        @param trace: filled in when it is over.
        @return: fires with the protocol after its C{connectionMade}; fails with a L{NetworkFault
            <gateway.net.faults.NetworkFault>} or L{DestinationForbidden}. Cancelling it ends every attempt.
        """
        result: Deferred[IProtocol] = Deferred(lambda _: dialling.cancel())
        dialling = _Called(
            self,
            host,
            port,
            factory,
            guarded,
            trace,
            result.callback,
            lambda error: result.errback(Failure(error)),
        )
        dialling.begin(timeout)
        return result

    def begin(
        self,
        host: str,
        port: int,
        factory: Callable[[], IProtocol],
        made: Callable[[Any], object],
        failed: Callable[[BaseException], object],
        timeout: float,
        guarded: bool = True,
        trace: Trace | None = None,
    ) -> Dialling:
        """
        Connect to a host as L{dial} does, for who wants to be called back without a L{Deferred}.

        @param made: called with the protocol after its C{connectionMade}.
        @param failed: called with what else a L{dial} fails with. Exactly one of both is called, perhaps before this
            returns; neither after L{Dialling.cancel}.
        """
        dialling = _Called(self, host, port, factory, guarded, trace, made, failed)
        dialling.begin(timeout)
        return dialling

    def in_order(self, addresses: tuple[str, ...]) -> Sequence[str]:
        """
        Mix the families, IPv6 first unless there was no route for it lately (RFC 8305 section 4).

        Within a family the order is kept.
        """
        if len(addresses) == 1:
            return addresses
        six = [address for address in addresses if ":" in address]
        four = [address for address in addresses if ":" not in address]
        if not six or not four:
            return addresses
        pairs = (six, four) if self.reactor.seconds() >= self.ipv6_second_until else (four, six)
        return [address for address in chain.from_iterable(zip_longest(*pairs)) if address]

    def no_route(self, address: str) -> None:
        """Remember that the kernel knew no way to an address."""
        if ":" in address:
            self.ipv6_second_until = self.reactor.seconds() + _NO_ROUTE_REMEMBERED


class Dialling(Trace):
    """
    A connection that is being made, and its own trace; whom for is a subclass's to say.

    @ivar over: somebody was told of its end, or is about to be; or it was cancelled.
    """

    __slots__ = (
        "_at_once",
        "_cancelled",
        "_dialer",
        "_factory",
        "_faults",
        "_guard",
        "_host",
        "_limit",
        "_pending",
        "_port",
        "_running",
        "_waiting",
        "over",
    )

    def __init__(
        self, dialer: Dialer, host: str, port: int, factory: Callable[[], IProtocol], guarded: bool
    ) -> None:
        """Nothing happens before L{begin}; see L{Dialer.dial}."""
        # As of Trace.
        self.resolved_at = None
        self.connected_at = None
        self.address = ""
        self.attempts = 0
        self._dialer = dialer
        self._host = host
        self._port = port
        self._factory = factory
        self._guard = dialer.guard if guarded else None
        # Nearly always there are none.
        self._faults: tuple[TransactionError, ...] = ()
        self._limit: IDelayedCall | Deadline | None = None
        # The look-up, and later the time of the next attempt.
        self._pending: Deferred[Any] | IDelayedCall | None = None
        self.over = False
        self._cancelled = False
        # Those that wait for an answer.
        self._running: tuple[Attempt | StockAttempt, ...] = ()
        self._waiting: list[str] = []
        # How an attempt ended that failed before it was waited for.
        self._at_once: OSError | None = None

    def begin(self, timeout: float) -> None:
        """Look the name up and go on from there; once."""
        dialer = self._dialer
        deadlines = dialer.deadlines
        if deadlines is not None and timeout >= _LONG:
            self._limit = deadlines.watch(self._out_of_time, timeout)
        else:
            self._limit = dialer.reactor.callLater(timeout, self._out_of_time)
        try:
            found = dialer.resolver.resolve(self._host)
            if type(found) is tuple:
                self._resolved(found)
                return
        except Exception as error:
            self._end(error)
            return
        assert isinstance(found, Deferred)
        # Before it is asked: it may be there by now.
        self._pending = found
        found.addCallback(self._resolved).addErrback(self._unresolved)

    def cancel(self) -> None:
        """End every attempt and tell nothing; harmless when it is over."""
        self._cancelled = True
        if not self.over:
            self._stop()

    def made(self, protocol: Any) -> None:
        """Take the protocol, after its C{connectionMade}. Of this and L{failed} one is called, and not after L{cancel}."""
        raise NotImplementedError

    def failed(self, error: BaseException) -> None:
        """Learn why there is no connection."""
        raise NotImplementedError

    def _unresolved(self, failure: Failure) -> None:
        assert failure.value is not None
        self._end(failure.value)

    def _resolved(self, addresses: tuple[str, ...]) -> None:
        dialer = self._dialer
        self.resolved_at = dialer.reactor.seconds()
        # Taken from the end.
        self._waiting = [*dialer.in_order(addresses)[::-1]] if len(addresses) > 1 else [*addresses]
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next attempt that is not over before it began."""
        self._pending = None
        waiting = self._waiting
        guard = self._guard
        while waiting:
            address = waiting.pop()
            if guard is not None:
                rule = guard.check(address, self._port)
                if rule is not None:
                    self._faults += (
                        DestinationForbidden(rule, f"{self._host}: not allowed ({rule})"),
                    )
                    continue
            error = self._begin_attempt(address)
            if self.over:
                return
            if error is None:
                if waiting:
                    self._pending = self._dialer.reactor.callLater(ATTEMPT_DELAY, self._go_on)
                return
            self._note(address, error)
        if not self._running:
            self._end(most_telling(self._faults))

    def _begin_attempt(self, address: str) -> OSError | None:
        """Try an address, with several source ports where they are ours to choose; give what failed at once."""
        dialer = self._dialer
        ports = dialer.source_ports
        self.address = address
        self.attempts += 1
        more = 0 if ports is None else ports.retries
        while True:
            attempt = dialer.attempt(
                dialer.reactor,
                address,
                self._port,
                self._connected,
                self._attempt_failed,
                None if ports is None else ports.prepare,
            )
            attempt.start()
            error = self._at_once
            if error is None:
                if not self.over:
                    self._running += (attempt,)
                return None
            self._at_once = None
            if error.errno != errno.EADDRNOTAVAIL or not more:
                return error
            more -= 1

    def _attempt_failed(self, attempt: Attempt | StockAttempt, error: OSError) -> None:
        if attempt not in self._running:
            self._at_once = error
            return
        self._running = tuple(other for other in self._running if other is not attempt)
        self._note(attempt.address, error)
        if self._pending is not None:
            self._pending.cancel()
        self._go_on()

    def _note(self, address: str, error: OSError) -> None:
        fault: TransactionError = connect_fault(error, address, self._port)
        if error.errno == errno.EADDRNOTAVAIL and not has_source_address(address):
            fault = Unreachable(f"{address}: this machine has no address to reach it from")
        if isinstance(fault, Unreachable) and error.errno != errno.EHOSTUNREACH:
            self._dialer.no_route(address)
        self._faults += (fault,)

    def _connected(self, attempt: Attempt | StockAttempt) -> None:
        self._stop(attempt)
        self.address = attempt.address
        self.connected_at = self._dialer.reactor.seconds()
        protocol: IProtocol | None = None
        factory = self._factory
        try:
            protocol = factory()
            transport = attempt.transport(protocol)
        except Exception as error:
            attempt.cancel()
            if getattr(protocol, "transport", None) is not None:
                protocol.transport.abortConnection()  # type: ignore[union-attr]
            if not self._cancelled:
                self.failed(error)
            return
        if self._cancelled:
            # From within connectionMade: the connection has no owner.
            transport.abortConnection()
        else:
            self.made(protocol)

    def _out_of_time(self) -> None:
        self._limit = None
        where = f"{self._host}:{self._port}"
        if self.resolved_at is None:
            self._end(NameTimeout(f"{where}: the name was not found in time"))
        else:
            self._end(ConnectTimeout(f"{where}: no answer to the connection attempt"))

    def _end(self, error: BaseException) -> None:
        # A look-up that we cancel fails when it is over already.
        if not self.over:
            self._stop()
            self.failed(error)

    def _stop(self, best: Attempt | StockAttempt | None = None) -> None:
        """End the look-up, the timers and every attempt but the one that has connected."""
        self.over = True
        limit = self._limit
        if limit is not None:
            self._limit = None
            if type(limit) is Deadline:
                limit.give_back()
            else:
                limit.cancel()
        running, self._running = self._running, ()
        for attempt in running:
            if attempt is not best:
                attempt.cancel()
        if self._waiting:
            self._waiting.clear()
        pending = self._pending
        if pending is not None:
            self._pending = None
            pending.cancel()


class _Called(Dialling):
    """One call of L{Dialer.begin}."""

    __slots__ = ("_failed", "_made", "_traced")

    def __init__(
        self,
        dialer: Dialer,
        host: str,
        port: int,
        factory: Callable[[], IProtocol],
        guarded: bool,
        traced: Trace | None,
        made: Callable[[Any], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        super().__init__(dialer, host, port, factory, guarded)
        self._made = made
        self._failed = failed
        self._traced = traced

    def cancel(self) -> None:
        self._tell()
        super().cancel()

    def made(self, protocol: Any) -> None:
        self._tell()
        self._made(protocol)

    def failed(self, error: BaseException) -> None:
        self._tell()
        self._failed(error)

    def _tell(self) -> None:
        traced = self._traced
        if traced is not None:
            traced.resolved_at = self.resolved_at
            traced.connected_at = self.connected_at
            traced.address = self.address
            traced.attempts = self.attempts
