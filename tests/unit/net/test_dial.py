"""Dialling: one address, several, none that works, and giving up, without sockets."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.networks import NetworkSet
from gateway.net.dial import Dialer, Trace
from gateway.net.faults import (
    ConnectionRefused,
    ConnectTimeout,
    DestinationForbidden,
    NameNotFound,
    NameTimeout,
    Unreachable,
)
from gateway.net.guard import Guard

REFUSED = error.ConnectionRefusedError()
NO_ROUTE = error.NoRouteError(errno.ENETUNREACH)
NO_HOST = error.getConnectError((errno.EHOSTUNREACH, "no host"))


class ScriptedResolver:
    """Gives the answers that a test put in; a L{Deferred} that is cancelled is logged."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, ...] | Exception | Deferred[tuple[str, ...]]] = {}
        self.cancelled: list[str] = []

    def resolve(self, name: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        answer = self.answers.get(name, (name,))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pending(self, name: str) -> Deferred[tuple[str, ...]]:
        """Let a name be looked up until the test fires what this gives."""
        made: Deferred[tuple[str, ...]] = Deferred(lambda _: self.cancelled.append(name))
        self.answers[name] = made
        return made


class Recording(Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connectionMade(self) -> None:
        self.told.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.told.append(data.decode("ascii"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.told.append("lost")


class DialCase(SynchronousTestCase):
    """A dialler on a reactor in memory."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.resolver = ScriptedResolver()
        self.dialer = Dialer(self.reactor, self.resolver)
        self.trace = Trace()
        self.made: list[Recording] = []

    def dial(
        self, host: str = "h.example", *, timeout: float = 30, guarded: bool = True
    ) -> Deferred[IProtocol]:
        """Dial port 80."""
        return self.dialer.dial(
            host, 80, self.make, timeout=timeout, guarded=guarded, trace=self.trace
        )

    def make(self) -> Recording:
        """Make a protocol and remember it."""
        self.made.append(Recording())
        return self.made[-1]

    def dialled(self) -> list[str]:
        """Give the addresses that connections were begun to."""
        return [client[0] for client in self.reactor.tcpClients]

    def connect(self, index: int = 0) -> StringTransport:
        """Let an attempt succeed."""
        transport = StringTransport()
        transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
        protocol: Any = self.reactor.tcpClients[index][2].buildProtocol(
            IPv4Address("TCP", "192.0.2.1", 80)
        )
        protocol.makeConnection(transport)
        return transport

    def break_off(self, reason: Exception, index: int = 0) -> None:
        """Let an attempt fail."""
        self.reactor.tcpClients[index][2].clientConnectionFailed(
            self.reactor.connectors[index], Failure(reason)
        )

    def stopped(self) -> list[bool]:
        """Tell for each attempt whether it was stopped."""
        return [connector.stoppedConnecting for connector in self.reactor.connectors]

    def assertNothingLeft(self) -> None:
        """Check that no timer runs."""
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class OneAddressTests(DialCase):
    def test_connects(self) -> None:
        """The result is the protocol, after its connectionMade, and no timer is left."""
        dialling = self.dial("192.0.2.1")
        self.assertNoResult(dialling)
        self.assertEqual(self.reactor.tcpClients[0][:2], ("192.0.2.1", 80))
        self.connect()
        self.assertIs(self.successResultOf(dialling), self.made[0])
        self.assertEqual(self.made[0].told, ["made"])
        self.assertNothingLeft()

    def test_one_timer(self) -> None:
        """While one address is tried nothing is on the clock but the time limit."""
        self.dial("192.0.2.1")
        self.assertEqual([call.getTime() for call in self.reactor.getDelayedCalls()], [30])

    def test_data_and_end(self) -> None:
        """What the transport brings reaches the protocol."""
        self.dial("192.0.2.1")
        protocol: Any = self.reactor.tcpClients[0][2].buildProtocol(None)
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(b"data")
        protocol.connectionLost(Failure(error.ConnectionDone()))
        self.assertEqual(self.made[0].told, ["made", "data", "lost"])

    def test_trace(self) -> None:
        """The trace tells when the name was found, when the connection stood, and the address."""
        found = self.resolver.pending("h.example")
        self.dial()
        self.reactor.advance(1)
        self.assertIsNone(self.trace.resolved_at)
        found.callback(("192.0.2.1",))
        self.reactor.advance(2)
        self.connect()
        trace = self.trace
        self.assertEqual(
            (trace.resolved_at, trace.connected_at, trace.address, trace.attempts),
            (1, 3, "192.0.2.1", 1),
        )

    def test_refused(self) -> None:
        """A refused connection is told as such, with the address in the detail and in the trace."""
        dialling = self.dial()
        self.resolver.answers["h.example"] = ("192.0.2.1",)
        dialling = self.dial()
        self.break_off(REFUSED, 1)
        fault = self.failureResultOf(dialling, ConnectionRefused).value
        self.assertEqual(fault.detail, "192.0.2.1:80: connection refused")
        self.assertEqual((self.trace.address, self.trace.connected_at), ("192.0.2.1", None))

    def test_unreachable(self) -> None:
        """No route, and no answer of a neighbour, are told as unreachable."""
        for index, reason in enumerate((NO_ROUTE, NO_HOST)):
            dialling = self.dial("192.0.2.1")
            self.break_off(reason, index)
            self.failureResultOf(dialling, Unreachable)
        self.assertNothingLeft()

    def test_system_timeout(self) -> None:
        """The kernel's own time-out is told as a time-out."""
        dialling = self.dial("192.0.2.1")
        self.break_off(error.TCPTimedOutError())
        self.failureResultOf(dialling, ConnectTimeout)

    def test_no_source_port(self) -> None:
        """No source port left is our shortage and not the upstream's fault."""
        dialling = self.dial("127.0.0.1")
        self.break_off(error.getConnectError((errno.EADDRNOTAVAIL, "x")))
        fault = self.failureResultOf(dialling).value
        self.assertEqual((fault.status, fault.token), (503, "no_source_port"))

    def test_time_limit(self) -> None:
        """An attempt without an answer ends at the time limit and is stopped."""
        dialling = self.dial("192.0.2.1", timeout=10)
        self.reactor.advance(9.9)
        self.assertNoResult(dialling)
        self.reactor.advance(0.2)
        fault = self.failureResultOf(dialling, ConnectTimeout).value
        self.assertEqual(fault.status, 504)
        self.assertEqual(self.stopped(), [True])
        self.assertNothingLeft()

    def test_connected_too_late(self) -> None:
        """A connection that stands after the end is not taken."""
        dialling = self.dial("192.0.2.1", timeout=10)
        self.reactor.advance(11)
        self.failureResultOf(dialling, ConnectTimeout)
        self.assertIsNone(self.reactor.tcpClients[0][2].buildProtocol(None))
        self.assertEqual(self.made, [])


class NameTests(DialCase):
    def test_unknown_at_once(self) -> None:
        """A name that is known not to exist fails at once, and nothing is left on the clock."""
        self.resolver.answers["h.example"] = NameNotFound("no")
        self.failureResultOf(self.dial(), NameNotFound)
        self.assertNothingLeft()

    def test_unknown_later(self) -> None:
        """The fault of the look-up is the fault of the dial."""
        found = self.resolver.pending("h.example")
        dialling = self.dial()
        found.errback(NameNotFound("no"))
        self.failureResultOf(dialling, NameNotFound)
        self.assertNothingLeft()

    def test_time_limit(self) -> None:
        """The time limit holds for the look-up as well, which is cancelled."""
        self.resolver.pending("h.example")
        dialling = self.dial(timeout=3)
        self.reactor.advance(3)
        self.failureResultOf(dialling, NameTimeout)
        self.assertEqual(self.resolver.cancelled, ["h.example"])
        self.assertNothingLeft()

    def test_fired_already(self) -> None:
        """A look-up that answers by a Deferred which has fired is as good as any."""
        self.resolver.pending("h.example").callback(("192.0.2.1",))
        dialling = self.dial()
        self.connect()
        self.successResultOf(dialling)
        self.assertNothingLeft()

    def test_bug_in_the_resolver(self) -> None:
        """An unexpected error of the look-up is handed on and leaves nothing on the clock."""
        self.resolver.answers["h.example"] = RuntimeError("bug")
        self.failureResultOf(self.dial(), RuntimeError)
        self.assertNothingLeft()


class SeveralAddressesTests(DialCase):
    def several(self, *addresses: str, timeout: float = 30) -> Deferred[IProtocol]:
        """Dial a name with these addresses."""
        self.resolver.answers["h.example"] = addresses
        return self.dial(timeout=timeout)

    def test_order(self) -> None:
        """Families take turns, IPv6 first, each in its own order (RFC 8305 section 4)."""
        self.several("2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2")
        self.reactor.pump([0.25] * 10)
        self.assertEqual(
            self.dialled(), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]
        )

    def test_delay(self) -> None:
        """The second address is tried a quarter of a second after the first, which goes on."""
        self.several("2001:db8::1", "192.0.2.1")
        self.reactor.advance(0.24)
        self.assertEqual(len(self.dialled()), 1)
        self.reactor.advance(0.02)
        self.assertEqual(len(self.dialled()), 2)
        self.assertEqual(self.stopped(), [False, False])

    def test_next_at_once_after_a_failure(self) -> None:
        """When an attempt fails the next begins at once, and its quarter of a second anew."""
        self.several("192.0.2.1", "192.0.2.2", "192.0.2.3")
        self.reactor.advance(0.2)
        self.break_off(REFUSED)
        self.assertEqual(len(self.dialled()), 2)
        self.reactor.advance(0.2)
        self.assertEqual(len(self.dialled()), 2)
        self.reactor.advance(0.06)
        self.assertEqual(len(self.dialled()), 3)

    def test_first_wins(self) -> None:
        """The first connection that stands is the result; the others are stopped at once."""
        dialling = self.several("2001:db8::1", "192.0.2.1", "192.0.2.2")
        self.reactor.advance(0.3)
        self.connect(1)
        self.assertIs(self.successResultOf(dialling), self.made[0])
        self.assertEqual(self.stopped(), [True, False])
        self.assertEqual((self.trace.address, self.trace.attempts), ("192.0.2.1", 2))
        self.assertNothingLeft()

    def test_only_one_protocol(self) -> None:
        """A loser that connects in the same turn gets no protocol."""
        self.several("2001:db8::1", "192.0.2.1")
        self.reactor.advance(0.3)
        self.connect(1)
        self.assertIsNone(self.reactor.tcpClients[0][2].buildProtocol(None))
        self.assertEqual(len(self.made), 1)

    def test_early_loser_can_win(self) -> None:
        """An attempt that was overtaken may still be the first to connect."""
        dialling = self.several("2001:db8::1", "192.0.2.1")
        self.reactor.advance(0.3)
        self.connect(0)
        self.successResultOf(dialling)
        self.assertEqual(self.trace.address, "2001:db8::1")

    def test_all_fail(self) -> None:
        """When every address failed the most telling fault is the result."""
        dialling = self.several("2001:db8::1", "192.0.2.1", "192.0.2.2")
        self.break_off(NO_ROUTE, 0)
        self.break_off(REFUSED, 1)
        self.assertNoResult(dialling)
        self.break_off(error.TCPTimedOutError(), 2)
        self.failureResultOf(dialling, ConnectionRefused)
        self.assertNothingLeft()

    def test_last_running_attempt_is_waited_for(self) -> None:
        """A failure with nothing left to begin doesn't end the attempts that still run."""
        dialling = self.several("192.0.2.1", "192.0.2.2")
        self.reactor.advance(0.3)
        self.break_off(REFUSED, 1)
        self.assertNoResult(dialling)
        self.connect(0)
        self.successResultOf(dialling)

    def test_time_limit(self) -> None:
        """The time limit ends all attempts and those not begun."""
        dialling = self.several("192.0.2.1", "192.0.2.2", "192.0.2.3", timeout=0.4)
        self.reactor.pump([0.2, 0.2, 0.2, 0.2])
        self.failureResultOf(dialling, ConnectTimeout)
        self.assertEqual(self.stopped(), [True, True])
        self.assertNothingLeft()

    def test_no_route_is_remembered(self) -> None:
        """Once IPv6 had no route it comes second for a minute."""
        dialling = self.several("2001:db8::1", "192.0.2.1")
        self.break_off(NO_ROUTE)
        self.connect(1)
        self.successResultOf(dialling)
        self.several("2001:db8::1", "192.0.2.1", timeout=90)
        self.assertEqual(self.dialled()[2:], ["192.0.2.1"])
        self.reactor.advance(61)
        self.several("2001:db8::1", "192.0.2.1")
        self.assertEqual(self.dialled()[-1], "2001:db8::1")

    def test_an_absent_neighbour_is_not_remembered(self) -> None:
        """A host that does not answer on its link says nothing of the family."""
        self.several("2001:db8::1", "192.0.2.1")
        self.break_off(NO_HOST)
        self.several("2001:db8::2", "192.0.2.1")
        self.assertEqual(self.dialled()[-1], "2001:db8::2")


class GuardTests(DialCase):
    def setUp(self) -> None:
        super().setUp()
        self.dialer.guard = Guard(own=lambda: {("192.0.2.80", 80)})

    def test_literal(self) -> None:
        """A forbidden literal address is refused with its rule, and nothing is dialled."""
        fault = self.failureResultOf(self.dial("169.254.169.254"), DestinationForbidden).value
        self.assertEqual((fault.rule, fault.status), ("link_local", 403))
        self.assertEqual(self.dialled(), [])
        self.assertNothingLeft()

    def test_rebinding(self) -> None:
        """A name is judged by the address it has now, not by the one it had a moment ago."""
        self.resolver.answers["h.example"] = ("192.0.2.1",)
        dialling = self.dial()
        self.connect()
        self.successResultOf(dialling)
        self.resolver.answers["h.example"] = ("127.0.0.1",)
        fault = self.failureResultOf(self.dial(), DestinationForbidden).value
        self.assertEqual(fault.rule, "loopback")
        self.assertEqual(self.dialled(), ["192.0.2.1"])

    def test_mixed(self) -> None:
        """Of several addresses the forbidden ones are left out, also when their turn comes later."""
        self.resolver.answers["h.example"] = ("::1", "192.0.2.1", "127.0.0.1")
        dialling = self.dial()
        self.assertEqual(self.dialled(), ["192.0.2.1"])
        self.reactor.advance(1)
        self.break_off(REFUSED)
        self.failureResultOf(dialling, ConnectionRefused)
        self.assertEqual(self.dialled(), ["192.0.2.1"])

    def test_own_listener(self) -> None:
        """A loop to our own listener is refused."""
        fault = self.failureResultOf(self.dial("192.0.2.80"), DestinationForbidden).value
        self.assertEqual(fault.rule, "own_listener")

    def test_allowed(self) -> None:
        """The guard of a new configuration counts at once."""
        self.dialer.guard = Guard(allow=NetworkSet.of("127.0.0.0/8"))
        self.dial("127.0.0.1")
        self.assertEqual(self.dialled(), ["127.0.0.1"])

    def test_unguarded(self) -> None:
        """What the configuration itself names is not judged."""
        self.dial("127.0.0.1", guarded=False)
        self.assertEqual(self.dialled(), ["127.0.0.1"])


class CancellationTests(DialCase):
    def assertCancelled(self, dialling: Deferred[IProtocol]) -> None:
        """Cancel a dial and check that nothing is left of it."""
        dialling.cancel()
        self.failureResultOf(dialling, CancelledError)
        self.assertNothingLeft()

    def test_while_looking_up(self) -> None:
        """The look-up ends with the dial."""
        self.resolver.pending("h.example")
        self.assertCancelled(self.dial())
        self.assertEqual(self.resolver.cancelled, ["h.example"])

    def test_while_connecting(self) -> None:
        """Every attempt is stopped, and no further one begins."""
        self.resolver.answers["h.example"] = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
        dialling = self.dial()
        self.reactor.advance(0.3)
        self.assertCancelled(dialling)
        self.assertEqual(self.stopped(), [True, True])
        self.reactor.advance(1)
        self.assertEqual(len(self.dialled()), 2)

    def test_after_the_end(self) -> None:
        """Cancelling what has ended does nothing."""
        dialling = self.dial("192.0.2.1")
        transport = self.connect()
        dialling.cancel()
        self.successResultOf(dialling)
        self.assertFalse(transport.disconnecting)

    def test_from_within_connection_made(self) -> None:
        """A connection whose dial is cancelled while it is handed over is closed, for nobody owns it."""
        dialling: Deferred[IProtocol]

        class Cancelling(Protocol):
            def connectionMade(self) -> None:
                dialling.cancel()

        dialling = self.dialer.dial("192.0.2.1", 80, Cancelling, timeout=30)
        transport = self.connect()
        self.failureResultOf(dialling, CancelledError)
        self.assertTrue(transport.disconnecting)


class FaultyProtocolTests(DialCase):
    def test_factory(self) -> None:
        """An error of the factory fails the dial, and the connection is closed."""

        def make() -> Protocol:
            raise RuntimeError("bug")

        dialling = self.dialer.dial("192.0.2.1", 80, make, timeout=30)
        transport = self.connect()
        self.failureResultOf(dialling, RuntimeError)
        self.assertTrue(transport.disconnecting)
        self.assertNothingLeft()

    def test_connection_made(self) -> None:
        """An error of connectionMade fails the dial, and the connection is closed."""

        class Faulty(Protocol):
            def connectionMade(self) -> None:
                raise RuntimeError("bug")

        dialling = self.dialer.dial("192.0.2.1", 80, Faulty, timeout=30)
        transport = self.connect()
        self.failureResultOf(dialling, RuntimeError)
        self.assertTrue(transport.disconnecting)
