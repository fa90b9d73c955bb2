"""Active checks: what is good, what is bad, when the opinion changes, and that nothing is left behind."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.addresses import Origin
from gateway.config.sections.site import Health
from gateway.modes.balance import OriginState, Pool
from gateway.modes.health import HealthChecks
from gateway.net.faults import ConnectionRefused

FIRST = Origin("http", "10.0.1.10", 8000)
SECOND = Origin("http", "10.0.1.11", 8000)
GOOD = b"HTTP/1.1 200 OK\r\n"


class Attempt:
    """
    One connection that a check asked for.

    @ivar cancelled: the check gave up before it was connected.
    """

    def __init__(self, origin: Origin, protocol: IProtocol) -> None:
        self.origin = origin
        self.protocol = protocol
        self.transport = StringTransport()
        self.cancelled = False
        self.connected: Deferred[IProtocol] = Deferred(self._cancel)

    def connect(self) -> None:
        """Let it be connected."""
        self.protocol.makeConnection(self.transport)
        self.connected.callback(self.protocol)

    def answer(self, *pieces: bytes) -> None:
        """Connect and answer."""
        self.connect()
        for piece in pieces:
            self.protocol.dataReceived(piece)

    def _cancel(self, deferred: Deferred[IProtocol]) -> None:
        self.cancelled = True


class HealthCase(SynchronousTestCase):
    """A pool, its checks and what they do."""

    def setUp(self) -> None:
        """Make checks of one origin, every 4 seconds, without jitter."""
        self.clock = Clock()
        self.attempts: list[Attempt] = []
        self.changes: list[tuple[OriginState, bool]] = []
        self.make(FIRST)

    def make(self, *origins: Origin, path: str = "/health?a=b") -> None:
        """Make a pool and its checks."""
        self.pool = Pool("www.example.com", origins, self.clock)
        self.pool.on_change = lambda state, why: self.changes.append((state, state.up))
        terms = Health(path=path, every=4.0, timeout=3.0, fall=3, rise=2)
        self.checks = HealthChecks(
            self.pool, terms, self.connect, self.clock, host="www.example.com", chance=lambda: 0.5
        )

    def connect(self, origin: Origin, protocol: IProtocol) -> Deferred[IProtocol]:
        """Note what is asked for."""
        attempt = Attempt(origin, protocol)
        self.attempts.append(attempt)
        return attempt.connected

    def next(self) -> Attempt:
        """Go on to the next check."""
        before = len(self.attempts)
        for _ in range(50):
            self.clock.advance(0.1)
            if len(self.attempts) > before:
                return self.attempts[-1]
        raise AssertionError("no check came")

    def answers(self, *answers: bytes) -> None:
        """Answer the next checks."""
        for answer in answers:
            self.next().answer(answer)


class QuestionTests(HealthCase):
    """What is asked, and when."""

    def test_request(self) -> None:
        """The path is asked for with the site's Host, over a connection that is not kept."""
        self.checks.start()
        attempt = self.next()
        self.assertEqual(attempt.origin, FIRST)
        attempt.connect()
        self.assertEqual(
            attempt.transport.value(),
            b"GET /health?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: gateway-health\r\n"
            b"Accept: */*\r\nConnection: close\r\n\r\n",
        )

    def test_bad_terms(self) -> None:
        """A path or host that would change the request is an error at once."""
        for path in ("", "x", "/a b", "/a\r\nX: y", "/\xe9", "/#a"):
            self.assertRaises(ValueError, self.make, FIRST, path=path)
        for host in ("", "a b", "a\r\nX: y"):
            self.assertRaises(
                ValueError,
                HealthChecks,
                self.pool,
                Health(path="/"),
                self.connect,
                self.clock,
                host=host,
            )

    def test_first_checks_come_soon(self) -> None:
        """Each origin is asked for the first time within a second."""
        self.make(FIRST, SECOND)
        self.checks.start()
        self.assertEqual(self.attempts, [])
        self.clock.advance(1)
        self.assertEqual([attempt.origin for attempt in self.attempts], [FIRST, SECOND])

    def test_interval(self) -> None:
        """The next check comes the configured time after the last one began, and never before its end."""
        self.checks.start()
        attempt = self.next()
        self.clock.advance(2)
        attempt.answer(GOOD)
        self.clock.advance(1.9)
        self.assertEqual(len(self.attempts), 1)
        self.clock.advance(0.2)
        self.assertEqual(len(self.attempts), 2)
        self.clock.advance(2.9)
        self.assertEqual(len(self.attempts), 2)

    def test_jitter(self) -> None:
        """The system's chance keeps the time between checks within a tenth of what is configured."""
        self.checks = HealthChecks(
            self.pool, Health(path="/", every=4.0), self.connect, self.clock, host="a"
        )
        self.checks.start()
        begun = []
        for _ in range(20):
            self.next().answer(GOOD)
            begun.append(self.clock.seconds())
        gaps = [b - a for a, b in zip(begun, begun[1:], strict=False)]
        self.assertTrue(all(3.5 <= gap <= 4.6 for gap in gaps), gaps)
        self.assertGreater(len({round(gap, 1) for gap in gaps}), 1)


class AnswerTests(HealthCase):
    """Which answers are good."""

    def assertGood(self, *pieces: bytes) -> None:
        """Assert that an answer counts as good."""
        good, bad = self.checks.good, self.checks.bad
        attempt = self.next()
        attempt.answer(*pieces)
        self.assertEqual((self.checks.good, self.checks.bad), (good + 1, bad), pieces)
        self.assertTrue(attempt.transport.disconnecting, pieces)

    def assertBad(self, *pieces: bytes) -> None:
        """Assert that an answer counts as bad."""
        good, bad = self.checks.good, self.checks.bad
        attempt = self.next()
        attempt.answer(*pieces)
        self.assertEqual((self.checks.good, self.checks.bad), (good, bad + 1), pieces)
        self.assertTrue(attempt.transport.disconnecting, pieces)

    def test_good(self) -> None:
        """2xx and 3xx are good, in one piece or many, from either version, behind interim responses."""
        self.checks.start()
        self.assertGood(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertGood(b"HTTP/1.0 204\r\n")
        self.assertGood(b"HTTP/1.1 301 \r\n")
        self.assertGood(*[bytes([byte]) for byte in GOOD])
        self.assertGood(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n", b"\r\n", GOOD
        )

    def test_bad(self) -> None:
        """Other statuses, and what is no HTTP response, are bad."""
        self.checks.start()
        for answer in (
            b"HTTP/1.1 404 Not Found\r\n",
            b"HTTP/1.1 500 \r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n",
            b"HTTP/1.1 600 x\r\n",
            b"HTTP/2.0 200 OK\r\n",
            b"HTTP/1.1 20 OK\r\n",
            b"HTTP/1.1  200 OK\r\n",
            b"SSH-2.0-x\r\n",
            b"\r\n",
            b"HTTP/1.1 200 O\x00K\r\n",
        ):
            self.assertBad(answer)

    def test_endless(self) -> None:
        """An answer without an end of its line, or of interim responses, is cut off."""
        self.checks.start()
        self.assertBad(*[b"x" * 1000] * 17)
        self.assertBad(b"HTTP/1.1 100 Continue\r\n", *[b"X: " + b"y" * 1000] * 17)

    def test_closed(self) -> None:
        """A connection that ends without an answer is bad, also in the middle of one."""
        self.checks.start()
        for begun in (b"", b"HTTP/1.1 200"):
            attempt = self.next()
            attempt.answer(begun)
            attempt.protocol.connectionLost(connectionDone)
        self.assertEqual(self.checks.bad, 2)

    def test_more_than_the_status(self) -> None:
        """What follows the status line, and the end of the connection, change nothing."""
        self.checks.start()
        attempt = self.next()
        attempt.answer(GOOD, b"X: y\r\n\r\n", b"HTTP/1.1 500 \r\n")
        attempt.protocol.connectionLost(connectionDone)
        self.assertEqual((self.checks.good, self.checks.bad), (1, 0))

    def test_refused(self) -> None:
        """A connection that can't be made is bad, whosever error says so."""
        self.checks.start()
        for error in (
            ConnectionRefused("10.0.1.10:8000: connection refused"),
            ConnectionRefusedError(),
        ):
            self.next().connected.errback(error)
        self.assertEqual(self.checks.bad, 2)

    def test_silence(self) -> None:
        """An origin that isn't connected or doesn't answer in time is bad, and is left."""
        self.checks.start()
        unconnected = self.next()
        self.clock.advance(3)
        self.assertTrue(unconnected.cancelled)
        silent = self.next()
        silent.connect()
        self.clock.advance(3)
        self.assertTrue(silent.transport.disconnecting)
        self.assertEqual(self.checks.bad, 2)

    def test_connected_too_late(self) -> None:
        """A connection that comes after all is closed and asked nothing."""
        self.checks.start()
        attempt = self.next()
        self.clock.advance(3)
        attempt.protocol.makeConnection(attempt.transport)
        self.assertTrue(attempt.transport.disconnecting)
        self.assertEqual(attempt.transport.value(), b"")

    def test_lost_while_connecting(self) -> None:
        """A connection that is lost before it is told to be there is bad and leaves no unread failure."""
        self.checks.start()
        attempt = self.next()
        attempt.protocol.makeConnection(attempt.transport)
        attempt.protocol.connectionLost(Failure(ConnectionRefusedError()))
        attempt.connected.errback(ConnectionRefused("gone"))
        self.assertEqual(self.checks.bad, 1)
        self.assertEqual(self.flushLoggedErrors(), [])


class OpinionTests(HealthCase):
    """When the pool is told."""

    def test_fall(self) -> None:
        """Only as many bad checks in a row as configured make an origin unhealthy."""
        self.checks.start()
        bad = b"HTTP/1.1 503 \r\n"
        self.answers(bad, bad, GOOD, bad, bad)
        self.assertEqual(self.changes, [])
        self.answers(bad)
        state = self.pool.origins[0]
        self.assertEqual(self.changes, [(state, False)])
        self.answers(bad, bad)
        self.assertEqual(len(self.changes), 1)

    def test_rise(self) -> None:
        """Only as many good checks in a row as configured make it healthy again."""
        self.checks.start()
        bad = b"HTTP/1.1 503 \r\n"
        self.answers(bad, bad, bad, GOOD, bad, GOOD)
        self.assertFalse(self.pool.origins[0].healthy)
        self.answers(GOOD)
        self.assertTrue(self.pool.origins[0].healthy)
        self.answers(bad, bad)
        self.assertEqual([up for _, up in self.changes], [False, True])

    def test_a_listener_that_fails(self) -> None:
        """An error of whoever is told of a change is logged, and the checks go on."""

        def broken(state: OriginState, why: str) -> None:
            raise RuntimeError("listener")

        self.pool.on_change = broken
        self.checks.start()
        bad = b"HTTP/1.1 503 \r\n"
        self.answers(bad, bad, bad)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.answers(GOOD, GOOD)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertTrue(self.pool.origins[0].healthy)


class StopTests(HealthCase):
    """The end of the checks."""

    def test_between_checks(self) -> None:
        """Nothing is left on the clock and nothing is asked any more."""
        self.checks.start()
        self.answers(GOOD)
        self.checks.stop()
        self.checks.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_the_middle(self) -> None:
        """A check under way is given up, and counts neither as good nor as bad."""
        self.make(FIRST, SECOND)
        self.checks.start()
        self.clock.advance(1)
        connecting, asked = self.attempts
        asked.connect()
        self.checks.stop()
        self.assertTrue(connecting.cancelled)
        self.assertTrue(asked.transport.disconnecting)
        self.assertEqual((self.checks.good, self.checks.bad), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped_by_the_change(self) -> None:
        """Whoever is told of a change may end the checks at once."""
        self.pool.on_change = lambda state, why: self.checks.stop()
        self.checks.start()
        bad = b"HTTP/1.1 503 \r\n"
        self.answers(bad, bad, bad)
        self.assertEqual(self.clock.getDelayedCalls(), [])
