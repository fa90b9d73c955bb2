"""Tests of C{gateway_syslog.datagrams}: sockets in memory, on a clock that is told the time."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import DeliveryFailed
from gateway.testing import FakeServices
from gateway_syslog.datagrams import NAME_SECONDS, PAUSE_SECONDS, SURE_SECONDS, Datagrams
from gateway_syslog.ways import PIECE

#: Longer than it is waited for a refusal.
MOMENT = 0.1


class FakeSocket:
    """
    A socket.

    @ivar sent: what was sent.
    @ivar errors: what sending raises next, by their numbers.
    @ivar refused: an answer has come back that nobody listens.
    """

    def __init__(self, where: tuple[str, int]) -> None:
        self.where = where
        self.sent: list[bytes] = []
        self.errors: list[int] = []
        self.refused = False
        self.closed = False

    def send(self, data: bytes) -> int:
        """Send, or raise what a test wants."""
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, errno.errorcode[number])
        self.sent.append(data)
        return len(data)

    def getsockopt(self, level: int, option: int) -> int:
        """Give what came back, once."""
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        refused, self.refused = self.refused, False
        return errno.ECONNREFUSED if refused else 0

    def close(self) -> None:
        """Close it."""
        self.closed = True


class DatagramsTests(SynchronousTestCase):
    """UDP."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.sockets: list[FakeSocket] = []
        self.no_way: OSError | None = None
        self.log: Any = FakeServices(self.clock, lambda event: None).for_plugin("syslog").log
        self.way = self.made("192.0.2.8")

    def made(self, host: str) -> Datagrams:
        """Make the way to a receiver."""
        made = Datagrams(self.clock, host, 514, self.log, name="siem", open=self._open)
        self.addCleanup(self._ended, made)
        return made

    def _ended(self, way: Datagrams) -> None:
        way.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual([one for one in self.sockets if not one.closed], [])

    def _open(self, host: str, port: int) -> Any:
        if self.no_way is not None:
            raise self.no_way
        made = FakeSocket((host, port))
        self.sockets.append(made)
        return made

    def send(self, *messages: bytes) -> Deferred[None]:
        """Send messages."""
        return Deferred.fromCoroutine(self.way.send(lambda more: messages))

    def sent(self, *messages: bytes) -> None:
        """Send, and see that it counts as delivered."""
        waiting = self.send(*messages)
        self.clock.advance(MOMENT)
        self.successResultOf(waiting)

    def why(self, waiting: Deferred[None], *, is_final: bool = False) -> str:
        """Give why a notice was not delivered."""
        error = self.failureResultOf(waiting, DeliveryFailed).value
        self.assertEqual(error.is_final, is_final)
        return str(error)

    def test_one_each(self) -> None:
        """Each message is a datagram, by one socket to the receiver."""
        self.sent(b"one", b"two")
        self.sent(b"three")
        (made,) = self.sockets
        self.assertEqual(made.where, ("192.0.2.8", 514))
        self.assertEqual(made.sent, [b"one", b"two", b"three"])

    def test_nobody_listens(self) -> None:
        """It is waited a moment for the answer that nobody listens; the notice is not delivered then."""
        waiting = self.send(b"one")
        self.sockets[0].refused = True
        self.assertNoResult(waiting)
        self.clock.advance(MOMENT)
        self.assertIn("nobody listens", self.why(waiting))
        self.sent(b"one")
        self.assertEqual([one.sent for one in self.sockets], [[b"one"], [b"one"]])

    def test_sure_for_a_while(self) -> None:
        """What follows shortly after is not waited for."""
        self.sent(b"one")
        self.successResultOf(self.send(b"two"))
        self.clock.advance(SURE_SECONDS)
        self.assertNoResult(waiting := self.send(b"three"))
        self.clock.advance(MOMENT)
        self.successResultOf(waiting)

    def test_refused_afterwards(self) -> None:
        """An answer that comes too late for its notice is in the log, and the next notice is watched again."""
        self.sent(b"one")
        self.successResultOf(self.send(b"two"))
        self.sockets[0].refused = True
        waiting = self.send(b"three")
        self.assertNoResult(waiting)
        self.clock.advance(MOMENT)
        self.successResultOf(waiting)
        self.assertIn("may be lost", self.log.texts[0])

    def test_burst(self) -> None:
        """Many datagrams are spread a little."""
        waiting = self.send(*[b"x"] * (PIECE * 3))
        self.assertEqual(len(self.sockets[0].sent), PIECE)
        self.clock.advance(PAUSE_SECONDS)
        self.assertEqual(len(self.sockets[0].sent), PIECE * 2)
        self.clock.advance(PAUSE_SECONDS)
        self.clock.advance(MOMENT)
        self.successResultOf(waiting)
        self.assertEqual(len(self.sockets[0].sent), PIECE * 3)

    def test_full(self) -> None:
        """A network that takes nothing now is tried again; at last it is a failure."""
        self.sent(b"one")
        self.sockets[0].errors = [errno.EAGAIN, errno.ENOBUFS]
        waiting = self.send(b"two")
        for _ in range(2):
            self.clock.advance(PAUSE_SECONDS)
        self.successResultOf(waiting)
        self.sockets[0].errors = [errno.EAGAIN] * 1000
        waiting = self.send(b"three")
        for _ in range(1000):
            self.clock.advance(PAUSE_SECONDS)
        self.assertIn("takes no datagrams", self.why(waiting))

    def test_too_long(self) -> None:
        """A message that no datagram holds is given up, with what to do."""
        self.sent(b"one")
        self.sockets[0].errors = [errno.EMSGSIZE]
        self.assertIn("lower max_size", self.why(self.send(b"two"), is_final=True))

    def test_no_way(self) -> None:
        """A network that is not there is a failure that passes."""
        self.no_way = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.assertIn("unreachable", self.why(self.send(b"one")))
        self.no_way = None
        self.sent(b"one")
        self.sockets[0].errors = [errno.EHOSTUNREACH]
        self.why(self.send(b"two"))
        self.assertTrue(self.sockets[0].closed)

    def test_anew(self) -> None:
        """After a minute the way is looked for anew: a name may have got another address."""
        self.sent(b"one")
        self.clock.advance(NAME_SECONDS)
        self.sent(b"two")
        self.assertEqual([one.closed for one in self.sockets], [True, False])

    def test_no_network(self) -> None:
        """Where no names can be looked up, that is said."""
        self.way = self.made("siem.example.com")
        self.assertIn("no network", self.why(self.send(b"one")))

    def test_stopped(self) -> None:
        """The plugin's end closes the socket; what is under way fails."""
        waiting = self.send(b"one")
        self.way.close()
        self.assertTrue(self.sockets[0].closed)
        self.clock.advance(MOMENT)
        self.assertIn("stops", self.why(waiting))
        self.assertIn("stops", self.why(self.send(b"two")))

    def test_cancelled(self) -> None:
        """A delivery that is given up leaves nothing behind."""
        waiting = self.send(b"one")
        waiting.cancel()
        self.failureResultOf(waiting)
        self.sent(b"two")
