"""
Active checks: each origin of a site is asked for a path every few seconds over a connection of its own.

A check is good if the final status is 2xx or 3xx and comes in time. An origin begins as healthy, C{fall} bad checks in a
row make it unhealthy, C{rise} good ones healthy again; the pool is told of the change and tells others. One check of an
origin at a time, a few bytes read for each. How a connection is made is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import SystemRandom
from typing import Protocol as Shape

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.api.errors import TransactionError
from gateway.config.addresses import Origin
from gateway.message.target import valid_origin_form
from gateway.modes.balance import OriginState, Pool
from gateway.net.dial import Dialer
from gateway.net.upstream_tls import Side, dial_secured


class Terms(Shape):
    """How to check; a site's C{health} table is of this shape."""

    @property
    def path(self) -> str:
        """Origin-form of the target."""

    @property
    def every(self) -> float:
        """Seconds from one check of an origin to the next."""

    @property
    def timeout(self) -> float:
        """Seconds for one, connecting included."""

    @property
    def fall(self) -> int:
        """Bad ones in a row that make an origin unhealthy."""

    @property
    def rise(self) -> int:
        """Good ones in a row that make it healthy."""


class Connect(Shape):
    """Makes a fresh connection to an origin."""

    def __call__(self, origin: Origin, protocol: IProtocol) -> Deferred[IProtocol]:
        """
        Connect the protocol.

        Cancelling gives up; a protocol that is connected nevertheless closes by itself.

        @return: fires with the protocol once it is connected; fails with any error.
        """


def dialing(
    dialer: Dialer,
    timeout: float,
    side: Callable[[str], Side] | None = None,
    verify_host: str = "",
) -> Connect:
    """
    Make the connections of checks by a dialler.

    @param side: makes our side of TLS with an origin of this name, for https origins.
    @param verify_host: that name, where it is not the host of the origin.

    Not guarded: origins are named by the configuration itself.

    @param timeout: seconds for connecting; that of the checks ends them sooner, if it is shorter.
    """

    def connect(origin: Origin, protocol: IProtocol) -> Deferred[IProtocol]:
        if origin.scheme == "https":
            assert side is not None
            return dial_secured(
                dialer,
                origin.host,
                origin.port,
                side(verify_host or origin.host),
                lambda: protocol,
                timeout=timeout,
                guarded=False,
            )
        return dialer.dial(
            origin.host, origin.port, lambda: protocol, timeout=timeout, guarded=False
        )

    return connect


class BadAnswer(Exception):
    """The origin answered a check, but not as a healthy one does."""


class HealthChecks:
    """
    The checks of one pool.

    @ivar good: checks that were, since the start, over all origins.
    @ivar bad: likewise.
    """

    _log = Logger()

    def __init__(
        self,
        pool: Pool,
        terms: Terms,
        connect: Connect,
        clock: IReactorTime,
        *,
        host: str,
        chance: Callable[[], float] | None = None,
    ) -> None:
        """
        Prepare; nothing is asked before L{start}.

        @param host: value of Host in the request: what the site's clients send.
        @param chance: gives numbers from 0 to 1, which keep several gateways out of step; C{None}: the system's.
        @raise ValueError: path or host can't stand in a request.
        """
        path = terms.path.encode()
        if not valid_origin_form(path):
            raise ValueError(f"{terms.path!r} is not a path that can be asked for")
        if not re.fullmatch(r"[!-~]+", host):
            raise ValueError(f"{host!r} is not a host")
        self.good = 0
        self.bad = 0
        self._pool = pool
        self._terms = terms
        self._connect = connect
        self._clock = clock
        self._chance = SystemRandom().random if chance is None else chance
        self._request = (
            b"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: gateway-health\r\nAccept: */*\r\n"
            b"Connection: close\r\n\r\n" % (path, host.encode("ascii"))
        )
        self._watches: list[_Watch] = []

    def start(self) -> None:
        """Begin; every origin is asked for the first time within a second, but not all at once."""
        for state in self._pool.origins:
            watch = _Watch(state)
            self._watches.append(watch)
            self._later(watch, self._chance() * min(1.0, self._terms.every))

    def stop(self) -> None:
        """End all checks, those under way included; nothing is left on the clock. More than once is harmless."""
        watches, self._watches = self._watches, []
        for watch in watches:
            watch.stop()

    def _later(self, watch: _Watch, seconds: float) -> None:
        watch.timer = self._clock.callLater(seconds, self._begin, watch)

    def _begin(self, watch: _Watch) -> None:
        watch.timer = None
        begun = self._clock.seconds()
        watch.running = running = Deferred.fromCoroutine(self._ask(watch.state))
        running.addTimeout(self._terms.timeout, self._clock)
        running.addErrback(self._why)
        running.addCallback(self._judge, watch, begun)
        running.addErrback(self._broken, watch)

    async def _ask(self, state: OriginState) -> str | None:
        """Ask once: C{None} for a good answer."""
        probe = _Probe(self._request)
        try:
            await self._connect(state.origin, probe)
            status = await probe.status
        finally:
            probe.give_up()
        return None if 200 <= status <= 399 else f"status {status}"

    def _why(self, failure: Failure) -> str | None:
        """Turn the failure of a check into words; C{""} if it was stopped."""
        error = failure.value
        if isinstance(error, CancelledError):
            return ""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._terms.timeout:g} s"
        if isinstance(error, TransactionError):
            return error.detail or error.page
        if isinstance(error, BadAnswer):
            return str(error)
        return type(error).__name__

    def _judge(self, why: str | None, watch: _Watch, begun: float) -> None:
        watch.running = None
        if why == "" or watch not in self._watches:
            return
        # A tenth more or less, for gateways that were started together would else ask together for ever.
        interval = self._terms.every * (0.9 + 0.2 * self._chance())
        self._later(watch, max(interval - (self._clock.seconds() - begun), _SHORTEST_PAUSE))
        if why is None:
            self.good += 1
            if watch.passed(self._terms.rise):
                self._pool.checked(watch.state, healthy=True, why="its checks are good again")
        else:
            self.bad += 1
            if watch.failed(self._terms.fall):
                self._pool.checked(watch.state, healthy=False, why=f"its checks fail: {why}")

    def _broken(self, failure: Failure, watch: _Watch) -> None:
        """Who listens to the pool raised; the next check is on the clock already."""
        self._log.failure(
            "the result of checking {origin} could not be told", failure, origin=watch.state.address
        )


class _Watch:
    """
    The checks of one origin.

    @ivar timer: for the next one.
    @ivar running: the one under way.
    """

    __slots__ = ("_row", "running", "state", "timer")

    def __init__(self, state: OriginState) -> None:
        self.state = state
        self.timer: IDelayedCall | None = None
        self.running: Deferred[str | None] | None = None
        # Results in a row that contradict what is believed.
        self._row = 0

    def passed(self, rise: int) -> bool:
        """Count a good one; tell whether the opinion changes by it."""
        return self._count(contradicts=not self.state.healthy, enough=rise)

    def failed(self, fall: int) -> bool:
        """Count a bad one; tell whether the opinion changes by it."""
        return self._count(contradicts=self.state.healthy, enough=fall)

    def _count(self, *, contradicts: bool, enough: int) -> bool:
        self._row = self._row + 1 if contradicts else 0
        if self._row < enough:
            return False
        self._row = 0
        return True

    def stop(self) -> None:
        """Leave nothing behind."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.running is not None:
            self.running.cancel()


class _Probe(Protocol):
    """
    One question; reads no further than the status line of the final response.

    @ivar status: fires with the status, or fails with L{BadAnswer}.
    """

    transport: ITCPTransport | None = None

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._data = b""
        self._over = False
        self.status: Deferred[int] = Deferred()

    def connectionMade(self) -> None:
        """Ask."""
        if self._over:
            self._abort()
            return
        if self.transport is not None:
            self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        """Look for a status line behind any interim responses (RFC 9110 section 15.2)."""
        if self._over:
            return
        self._data += data
        while True:
            line, end, _ = self._data.partition(b"\r\n")
            if not end:
                break
            found = _STATUS_LINE.fullmatch(line)
            if found is None:
                self._fail("what it sent is no HTTP response")
                return
            status = int(found[1])
            if status >= 200 or status == 101:
                self._over = True
                self.status.callback(status)
                return
            _, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                break
            self._data = rest
        if len(self._data) > _MAX_HEAD:
            self._fail("its answer has no end of a line in sight")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note a connection that ended without an answer."""
        if not self._over:
            self._fail("it closed the connection without an answer")

    def give_up(self) -> None:
        """Close, whether or not there was an answer, and whether or not anybody still waits for one."""
        self._over = True
        self.status.addErrback(lambda _: 0)
        self._abort()

    def _fail(self, why: str) -> None:
        self._over = True
        self.status.errback(BadAnswer(why))

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


_SHORTEST_PAUSE = 0.1
_MAX_HEAD = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
