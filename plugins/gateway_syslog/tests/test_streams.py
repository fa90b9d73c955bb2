"""Tests of C{gateway_syslog.streams}: connections in memory, on a clock that is told the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import DeliveryFailed
from gateway.testing import FakeServices
from gateway_syslog.streams import (
    AGAIN_SECONDS,
    DOUBT_SECONDS,
    MOST_IN_DOUBT,
    SETTLE_SECONDS,
    Stream,
    framed,
)
from gateway_syslog.ways import PIECE, Written

MOMENT = SETTLE_SECONDS + 0.2


class Wire(StringTransportWithDisconnection):
    """
    The gateway's end of a connection.

    @ivar unread: bytes that the receiver's system has not acknowledged.
    @ivar aborted: it was broken off.
    @ivar written: what was written, each time.
    """

    def __init__(self, protocol: Protocol) -> None:
        super().__init__()
        self.protocol: Any = protocol
        self.unread = 0
        self.aborted = False
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Note it."""
        self.written.append(data)
        super().write(data)

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True
        super().abortConnection()

    def lost(self, error: Exception) -> None:
        """End it from the far side."""
        self.connected = False
        self.protocol.connectionLost(Failure(error))


class StreamTestCase(SynchronousTestCase):
    """Tests with a stream."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wires: list[Wire] = []
        self.refusing: Exception | None = None
        self.unread = 0
        equips = FakeServices(self.clock, lambda event: None)
        self.log: Any = equips.for_plugin("syslog").log
        self.stream = self.made()

    def made(self, *, secured: bool = False) -> Stream:
        """Make a stream."""
        made = Stream(
            self.clock,
            self._connect,
            self.log,
            name="siem",
            secured=secured,
            framing="octets",
            unread=lambda wire: wire.unread,
        )
        self.addCleanup(self._ended, made)
        return made

    def _ended(self, stream: Stream) -> None:
        stream.close()
        # Every wait has ended.
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual([wire for wire in self.wires if wire.connected], [])

    def _connect(self, protocol: Protocol) -> Deferred[Any]:
        if self.refusing is not None:
            raise self.refusing
        wire = Wire(protocol)
        wire.unread = self.unread
        self.wires.append(wire)
        protocol.makeConnection(wire)
        return succeed(protocol)

    def send(self, text: str) -> Deferred[None]:
        """Send a message."""
        return Deferred.fromCoroutine(self.stream.send(message(text)))

    def sent(self, text: str) -> None:
        """Send a message and see that it is delivered."""
        waiting = self.send(text)
        self.pass_by(MOMENT)
        self.successResultOf(waiting)

    def pass_by(self, seconds: float) -> None:
        """Let time go by in small steps."""
        for _ in range(int(seconds / 0.05) + 1):
            self.clock.advance(0.05)

    def why(self, waiting: Deferred[None]) -> str:
        """Give why a notice was not delivered, which another attempt may change."""
        error = self.failureResultOf(waiting, DeliveryFailed).value
        self.assertFalse(error.is_final)
        return str(error)


def message(text: str) -> Written:
    """Give what writes a message; other attempts are numbered."""
    return lambda more: [text.encode() + (b"+%d" % more if more else b"")]


class FramingTests(SynchronousTestCase):
    """RFC 6587."""

    def test_octets(self) -> None:
        """Each message has its length in bytes before it (section 3.4.1)."""
        self.assertEqual(framed([b"<1>a", "é".encode()], "octets"), b"4 <1>a2 \xc3\xa9")

    def test_newline(self) -> None:
        """Each message ends its line, and nothing in it does (section 3.4.2)."""
        self.assertEqual(framed([b"a\nb", b"c"], "newline"), b"a b\nc\n")


class DeliveryTests(StreamTestCase):
    """When a notice counts as delivered."""

    def test_nothing_before(self) -> None:
        """Without an alarm there is no connection."""
        self.pass_by(100)
        self.assertEqual(self.wires, [])

    def test_one_connection(self) -> None:
        """All notices take one connection."""
        self.sent("one")
        self.sent("two")
        self.assertEqual([wire.value() for wire in self.wires], [b"3 one3 two"])

    def test_pieces(self) -> None:
        """Many messages are written in pieces, one in a turn, so that nothing else has to wait for long."""
        asked = []

        def written(more: int) -> Iterator[bytes]:
            for number in range(3 * PIECE):
                asked.append(number)
                yield b"x"

        waiting = Deferred.fromCoroutine(self.stream.send(written))
        # A turn of this clock is one of its calls; more of them are made while it goes on.
        self.assertEqual(len(asked), PIECE)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.pass_by(MOMENT)
        self.successResultOf(waiting)
        self.assertEqual(self.wires[0].written, [b"1 x" * PIECE] * 3)

    def test_broken_between_pieces(self) -> None:
        """A connection that breaks between two pieces has delivered nothing."""
        waiting = Deferred.fromCoroutine(self.stream.send(lambda more: [b"x"] * 3 * PIECE))
        self.wires[0].lost(ConnectionDone())
        self.clock.advance(0)
        self.assertIn("broke", self.why(waiting))

    def test_acknowledged(self) -> None:
        """A notice is delivered when the receiver's system has all of it, and not before."""
        self.sent("one")
        wire = self.wires[0]
        wire.unread = 7
        waiting = self.send("two")
        self.pass_by(5)
        self.assertNoResult(waiting)
        wire.unread = 0
        self.pass_by(0.3)
        self.successResultOf(waiting)

    def test_held(self) -> None:
        """As long as we hold something back because our own system takes no more, it is not delivered."""
        self.sent("one")
        waiting = self.send("two")
        producer: Any = self.wires[0].producer
        producer.pauseProducing()
        self.pass_by(5)
        self.assertNoResult(waiting)
        producer.resumeProducing()
        self.pass_by(0.3)
        self.successResultOf(waiting)

    def test_new_connection_stays(self) -> None:
        """A new connection that closes right after it took a message has not delivered it."""
        waiting = self.send("one")
        self.clock.advance(SETTLE_SECONDS / 2)
        self.wires[0].lost(ConnectionDone())
        self.pass_by(MOMENT)
        self.assertIn("the receiver closed it", self.why(waiting))

    def test_settled_once(self) -> None:
        """An old connection is not watched for that long any more."""
        self.sent("one")
        waiting = self.send("two")
        for _ in range(6):
            self.clock.advance(0.001)
        self.successResultOf(waiting)

    def test_refused(self) -> None:
        """A receiver that can't be reached is a failure, and the next attempt connects anew."""
        self.refusing = ConnectionRefusedError()
        self.assertIn("refused", self.why(self.send("one")))
        self.refusing = None
        self.sent("one")

    def test_broken(self) -> None:
        """A connection that breaks while it is sent on has delivered nothing, and the next attempt takes a new one."""
        self.sent("one")
        self.wires[0].unread = 3
        waiting = self.send("two")
        self.clock.advance(0)
        self.wires[0].lost(ConnectionLost())
        self.pass_by(0.5)
        self.assertIn("broke", self.why(waiting))
        self.clock.advance(DOUBT_SECONDS)

    def test_closed_meanwhile(self) -> None:
        """A connection that the receiver has closed since is not used: it takes one turn to know."""
        self.sent("one")
        waiting = self.send("two")
        self.wires[0].lost(ConnectionDone())
        self.pass_by(MOMENT)
        self.successResultOf(waiting)
        self.assertEqual([wire.value() for wire in self.wires], [b"3 one", b"3 two"])

    def test_cancelled(self) -> None:
        """A delivery that is given up breaks its connection off, so that no half message has another one behind it."""
        self.unread = 100
        waiting = self.send("one")
        self.pass_by(1)
        waiting.cancel()
        self.failureResultOf(waiting)
        self.assertTrue(self.wires[0].aborted)
        self.unread = 0
        self.sent("two")
        self.assertEqual(self.wires[1].value(), b"3 two")

    def test_stopped(self) -> None:
        """The plugin's end closes the connection in order, and nothing is sent any more."""
        self.sent("one")
        self.stream.close()
        self.assertFalse(self.wires[0].connected)
        self.assertFalse(self.wires[0].aborted)
        self.assertIn("stops", self.why(self.send("two")))

    def test_reasons(self) -> None:
        """What TLS fails with is said in words."""
        self.stream = self.made(secured=True)
        fault = SSL.Error([("SSL routines", "", "certificate verify failed")])
        for error, words in (
            (fault, "TLS: certificate verify failed"),
            (VerificationError(errors=[]), "the certificate is for another name"),
            (SSL.Error(), "Error"),
        ):
            waiting = self.send("one")
            self.clock.advance(0)
            self.wires[-1].lost(error)
            self.assertEqual(self.why(waiting), words)

    def test_noise(self) -> None:
        """What a receiver says is ignored."""
        self.sent("one")
        self.wires[0].protocol.dataReceived(b"hello" * 1000)
        self.sent("two")

    def test_handshake(self) -> None:
        """By TLS nothing is sent before the handshake; if it fails, that is said."""
        self.stream = self.made(secured=True)
        waiting = self.send("one")
        self.pass_by(1)
        self.assertEqual(self.wires[0].value(), b"")
        self.wires[0].lost(ValueError("certificate verify failed"))
        self.assertIn("certificate verify failed", self.why(waiting))
        waiting = self.send("one")
        self.wires[1].protocol.handshakeCompleted()
        self.pass_by(MOMENT)
        self.successResultOf(waiting)
        self.assertEqual(self.wires[1].value(), b"3 one")


class DoubtTests(StreamTestCase):
    """What was acknowledged, but perhaps not read."""

    def test_sent_again(self) -> None:
        """After a reset the last notice is sent again by itself, with the number of its attempt; once."""
        self.sent("one")
        self.wires[0].lost(ConnectionLost())
        self.pass_by(AGAIN_SECONDS + MOMENT)
        self.assertEqual(self.wires[1].value(), b"5 one+1")
        self.pass_by(60)
        self.assertEqual(len(self.wires), 2)
        self.assertIn("sent again", self.log.texts[0])

    def test_all_in_doubt(self) -> None:
        """All notices of the last seconds are sent again, in order, not those before."""
        self.sent("old")
        self.pass_by(DOUBT_SECONDS)
        self.sent("one")
        self.sent("two")
        self.wires[0].lost(ConnectionLost())
        self.pass_by(AGAIN_SECONDS + MOMENT)
        self.assertEqual(self.wires[1].value(), b"5 one+15 two+1")

    def test_bounded(self) -> None:
        """No more is kept for that than so many notices."""
        for number in range(10, 10 + 2 * MOST_IN_DOUBT):
            waiting = self.send(str(number))
            self.clock.pump([0.01] * 5 if number > 10 else [0.1] * 10)
            self.successResultOf(waiting)
        self.wires[0].lost(ConnectionLost())
        self.pass_by(AGAIN_SECONDS + MOMENT)
        self.assertEqual(self.wires[1].value().count(b"+1"), MOST_IN_DOUBT)

    def test_before_the_next(self) -> None:
        """It is sent before what comes next, so that the order is kept."""
        self.sent("one")
        self.wires[0].lost(ConnectionLost())
        self.sent("two")
        self.assertEqual(self.wires[1].value(), b"5 one+13 two")
        self.pass_by(AGAIN_SECONDS * 2)
        self.assertEqual(len(self.wires), 2)

    def test_until_it_is_there(self) -> None:
        """It is tried until it arrives."""
        self.sent("one")
        self.wires[0].lost(ConnectionLost())
        self.refusing = ConnectionRefusedError()
        self.pass_by(AGAIN_SECONDS * 4)
        self.assertEqual(len(self.wires), 1)
        self.refusing = None
        self.pass_by(AGAIN_SECONDS + MOMENT)
        self.assertRegex(self.wires[1].value(), rb"^5 one\+\d$")

    def test_closed_in_order(self) -> None:
        """A connection that was closed in order was read to its end."""
        self.sent("one")
        self.wires[0].lost(ConnectionDone())
        self.pass_by(AGAIN_SECONDS * 2)
        self.assertEqual(len(self.wires), 1)

    def test_long_ago(self) -> None:
        """What was sent long before the reset is taken for read."""
        self.sent("one")
        self.pass_by(DOUBT_SECONDS)
        self.wires[0].lost(ConnectionLost())
        self.pass_by(AGAIN_SECONDS * 2)
        self.assertEqual(len(self.wires), 1)

    def test_next_waits(self) -> None:
        """A notice that comes while the last one is being sent again waits for that."""
        self.sent("one")
        self.wires[0].lost(ConnectionLost())
        self.pass_by(AGAIN_SECONDS)
        waiting = self.send("two")
        self.pass_by(2 * MOMENT)
        self.successResultOf(waiting)
        self.assertEqual([wire.value() for wire in self.wires], [b"3 one", b"5 one+13 two"])

    def test_stopped(self) -> None:
        """The plugin's end ends this, too."""
        self.sent("one")
        self.wires[0].lost(ConnectionLost())
        self.stream.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
