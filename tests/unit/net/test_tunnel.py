"""The rules of a tunnel, on transports that only remember."""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gateway.net.deadlines import Deadlines
from gateway.net.tunnel import SPLICE_AFTER_BYTES, EndReason, Tunnel, TunnelEnd


class WholeTransport(StringTransport):
    """
    A transport that can't close one direction alone.

    @ivar said: what it was told, one list for both transports of a test.
    """

    def __init__(self, name: str, said: list[str]) -> None:
        super().__init__(lenient=True)
        self.name = name
        self.said = said
        self.protocol: object = None

    def loseConnection(self) -> None:
        """Remember it."""
        self.said.append(f"{self.name} close")
        super().loseConnection()

    def abortConnection(self) -> None:
        """Remember it."""
        self.said.append(f"{self.name} abort")
        self.disconnected = True

    def full(self) -> None:
        """Have enough for now."""
        assert self.producer is not None
        self.producer.pauseProducing()

    def empty(self) -> None:
        """Have nothing queued any more."""
        assert self.producer is not None
        self.producer.resumeProducing()

    def lose(self, error: Exception) -> None:
        """Be lost, as the reactor would report it."""
        self.connected = False
        self.producer = None
        protocol = self.protocol
        assert IProtocol.providedBy(protocol)
        protocol.connectionLost(Failure(error))

    def turn(self) -> None:
        """Let the reactor do what the transport was told."""
        if not self.connected:
            return
        if self.disconnected:
            self.lose(ConnectionAborted())
        elif self.disconnecting:
            self.lose(ConnectionDone())


class HalfTransport(WholeTransport):
    """A transport that can close one direction alone."""

    def loseWriteConnection(self) -> None:
        """Remember it."""
        self.said.append(f"{self.name} end")


class TunnelTestCase(SynchronousTestCase):
    """A tunnel between two transports that remember."""

    kind: type[WholeTransport] = HalfTransport

    def setUp(self) -> None:
        self.said: list[str] = []
        self.ends: list[TunnelEnd] = []
        self.clock = Clock()
        self.client = self.kind("client", self.said)
        self.upstream = self.kind("upstream", self.said)
        self.deadlines = Deadlines(self.clock)
        self.tunnel = Tunnel(
            self.client,
            self.upstream,
            deadlines=self.deadlines,
            inactivity=10,
            finished=self.ends.append,
        )

    def started(self) -> Tunnel:
        """Start without early bytes."""
        self.tunnel.start()
        return self.tunnel

    def receive(self, transport: WholeTransport, data: bytes) -> None:
        """Let bytes come in."""
        assert IProtocol.providedBy(transport.protocol)
        transport.protocol.dataReceived(data)

    def end(self, transport: WholeTransport) -> None:
        """Let the peer end its direction."""
        assert IHalfCloseableProtocol.providedBy(transport.protocol)
        transport.protocol.readConnectionLost()

    def turn(self) -> None:
        """Let both transports do what they were told."""
        self.client.turn()
        self.upstream.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass in steps smaller than a tick."""
        self.clock.pump([0.2] * round(seconds / 0.2))


class RelayTests(TunnelTestCase):
    """Bytes and counts."""

    def test_interfaces(self) -> None:
        """Each transport gets a protocol that may half-close."""
        self.started()
        for transport in (self.client, self.upstream):
            verifyObject(IProtocol, transport.protocol)
            verifyObject(IHalfCloseableProtocol, transport.protocol)

    def test_both_ways(self) -> None:
        """Bytes of each side go to the other and are counted."""
        tunnel = self.started()
        self.receive(self.client, b"abc")
        self.receive(self.upstream, b"de")
        self.receive(self.client, b"f")
        self.assertEqual((self.upstream.value(), self.client.value()), (b"abcf", b"de"))
        self.assertEqual((tunnel.up, tunnel.down), (4, 2))

    def test_early_bytes(self) -> None:
        """Bytes read before the tunnel began go first and count."""
        self.tunnel.start(b"early", b"reply")
        self.receive(self.client, b" late")
        self.assertEqual((self.upstream.value(), self.client.value()), (b"early late", b"reply"))
        self.assertEqual((self.tunnel.up, self.tunnel.down), (10, 5))

    def test_resumes(self) -> None:
        """Transports that were paused for the set-up read again."""
        self.client.pauseProducing()
        self.started()
        self.assertEqual(self.client.producerState, "producing")

    def test_bulk_without_sockets(self) -> None:
        """Bulk between transports that are no sockets stays a plain relay."""
        self.started()
        piece = b"x" * SPLICE_AFTER_BYTES
        for _ in range(3):
            self.receive(self.client, piece)
        self.assertEqual(self.upstream.value(), piece * 3)


class FirstAnswerTests(TunnelTestCase):
    """A tunnel whose upstream is looked at until it has said three bytes."""

    def setUp(self) -> None:
        super().setUp()
        self.seen = b""

    def look(self, data: bytes) -> bool:
        """Look; what is looked at was passed on before."""
        self.seen += data
        self.assertTrue(self.client.value().endswith(self.seen))
        return len(self.seen) >= 3

    def test_passed_on_and_seen(self) -> None:
        """Bytes are passed on at once, and seen until there are enough."""
        self.tunnel.start(b"", b"", self.look)
        self.receive(self.upstream, b"ab")
        self.receive(self.client, b"xy")
        self.receive(self.upstream, b"cd")
        self.receive(self.upstream, b"ef")
        self.assertEqual(self.client.value(), b"abcdef")
        self.assertEqual(self.upstream.value(), b"xy")
        self.assertEqual(self.seen, b"abcd")
        self.assertEqual((self.tunnel.up, self.tunnel.down), (2, 6))

    def test_spoken_before(self) -> None:
        """Where the upstream has spoken before the tunnel there is nothing to look at."""
        self.tunnel.start(b"", b"hello", self.look)
        self.receive(self.upstream, b"abc")
        self.assertEqual(self.seen, b"")

    def test_ends_meanwhile(self) -> None:
        """The tunnel ends as ever, though not enough was seen."""
        self.tunnel.start(b"", b"", self.look)
        self.receive(self.upstream, b"a")
        self.end(self.upstream)
        self.assertEqual(self.said, ["client end"])
        self.upstream.lose(ConnectionDone())
        self.turn()
        self.assertEqual([end.reason for end in self.ends], [EndReason.UPSTREAM_CLOSED])


class BackPressureTests(TunnelTestCase):
    """Who can't send is not read for."""

    def test_pauses(self) -> None:
        """While one transport has enough, the other is not read; afterwards it is."""
        self.started()
        self.upstream.full()
        self.assertEqual(
            (self.client.producerState, self.upstream.producerState), ("paused", "producing")
        )
        self.upstream.empty()
        self.assertEqual(self.client.producerState, "producing")

    def test_early_bytes_fill(self) -> None:
        """If the early bytes are already too much, the tunnel starts paused."""

        class Full(HalfTransport):
            def write(self, data: bytes) -> None:
                super().write(data)
                self.full()

        self.upstream = Full("upstream", self.said)
        tunnel = Tunnel(
            self.client,
            self.upstream,
            deadlines=self.deadlines,
            inactivity=10,
            finished=self.ends.append,
        )
        tunnel.start(b"much")
        self.assertEqual(
            (self.client.producerState, self.upstream.producerState), ("paused", "producing")
        )

    def test_after_the_end(self) -> None:
        """A side that ended is neither paused nor read again."""
        self.started()
        producer = self.upstream.producer
        assert producer is not None
        self.end(self.client)
        self.client.producerState = "ended"
        producer.pauseProducing()
        producer.resumeProducing()
        self.assertEqual(self.client.producerState, "ended")

    def test_producer_lost(self) -> None:
        """A transport that stops its producer reports its own end; that alone ends nothing."""
        self.started()
        assert self.upstream.producer is not None
        self.upstream.producer.stopProducing()
        self.assertEqual(self.said, [])


class CloseTests(TunnelTestCase):
    """Ends in order."""

    def test_client_first(self) -> None:
        """The client's end is passed on, the answer still comes, and then both are closed."""
        self.started()
        self.receive(self.client, b"question")
        self.end(self.client)
        self.assertEqual(self.said, ["upstream end"])
        self.receive(self.upstream, b"answer")
        self.assertEqual(self.client.value(), b"answer")
        self.end(self.upstream)
        self.assertEqual(self.said, ["upstream end", "upstream close", "client close"])
        self.assertEqual(self.ends, [])
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(8, 6, EndReason.CLIENT_CLOSED)])

    def test_upstream_first(self) -> None:
        """The upstream's end is passed on and the client may go on sending."""
        self.started()
        self.end(self.upstream)
        self.receive(self.client, b"more")
        self.end(self.client)
        self.turn()
        self.assertEqual(self.said[0], "client end")
        self.assertEqual(self.upstream.value(), b"more")
        self.assertEqual(self.ends, [TunnelEnd(4, 0, EndReason.UPSTREAM_CLOSED)])

    def test_no_producer_left(self) -> None:
        """A transport told to close has no producer that could keep it open."""
        self.started()
        self.end(self.client)
        self.assertIsNone(self.upstream.producer)
        self.end(self.upstream)
        self.assertIsNone(self.client.producer)

    def test_whole_close(self) -> None:
        """A connection that closes both directions at once closes the other after what is queued."""
        self.started()
        self.client.lose(ConnectionDone())
        self.assertEqual(self.said, ["upstream close"])
        self.receive(self.upstream, b"too late")
        self.turn()
        self.assertEqual(self.client.value(), b"")
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.CLIENT_CLOSED)])


class WholeCloseTests(TunnelTestCase):
    """Transports without half-close."""

    kind = WholeTransport

    def test_end(self) -> None:
        """Where one direction can't be closed alone, the connection is."""
        self.started()
        self.end(self.upstream)
        self.assertEqual(self.said, ["client close"])


class ResetTests(TunnelTestCase):
    """Broken connections."""

    def test_client(self) -> None:
        """A reset of the client resets the upstream."""
        self.started()
        self.receive(self.client, b"abc")
        self.client.lose(ConnectionLost())
        self.assertEqual((self.said, self.ends), (["upstream abort"], []))
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(3, 0, EndReason.CLIENT_RESET)])

    def test_upstream(self) -> None:
        """A reset of the upstream resets the client."""
        self.started()
        self.upstream.lose(ConnectionLost())
        self.turn()
        self.assertEqual(self.said, ["client abort"])
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.UPSTREAM_RESET)])

    def test_after_an_end(self) -> None:
        """A reset after one side's end is the reason all the same: not all may have arrived."""
        self.started()
        self.end(self.client)
        self.client.lose(ConnectionLost())
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.CLIENT_RESET)])

    def test_both(self) -> None:
        """The first of two resets is the reason, and the tunnel ends once."""
        self.started()
        self.upstream.lose(ConnectionLost())
        self.client.lose(ConnectionLost())
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.UPSTREAM_RESET)])

    def test_late_bytes(self) -> None:
        """What comes in after the tunnel was cut goes nowhere."""
        self.started()
        self.client.lose(ConnectionLost())
        self.receive(self.upstream, b"late")
        self.end(self.upstream)
        self.assertEqual(self.said, ["upstream abort"])
        self.assertEqual(self.tunnel.down, 0)

    def test_lost_before_start(self) -> None:
        """A connection that broke before the tunnel began resets the other one."""
        self.upstream.connected = False
        self.tunnel.start(b"early")
        self.assertEqual((self.said, self.ends), (["client abort"], []))
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.UPSTREAM_RESET)])

    def test_both_lost_before_start(self) -> None:
        """If both broke before, the end is told, but not from within start."""
        self.client.connected = self.upstream.connected = False
        self.tunnel.start()
        self.assertEqual(self.ends, [])
        self.wait(1)
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.CLIENT_RESET)])


class InactivityTests(TunnelTestCase):
    """Tunnels nobody uses."""

    def test_silent(self) -> None:
        """Without a byte from either side both connections are reset."""
        self.started()
        self.wait(9)
        self.assertEqual(self.said, [])
        self.wait(2)
        self.assertEqual(self.said, ["client abort", "upstream abort"])
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.INACTIVITY)])

    def test_one_way_is_enough(self) -> None:
        """Bytes in one direction keep the tunnel open."""
        self.started()
        for transport in (self.client, self.upstream, self.upstream):
            self.wait(9)
            self.receive(transport, b".")
        self.assertEqual(self.said, [])

    def test_queued_bytes_sent(self) -> None:
        """A slow reader that empties the queue keeps the tunnel open."""
        self.started()
        self.client.full()
        self.wait(9)
        self.client.empty()
        self.wait(9)
        self.assertEqual(self.said, [])

    def test_half_open(self) -> None:
        """A tunnel with one direction ended does not live for ever."""
        self.started()
        self.end(self.client)
        self.wait(11)
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.INACTIVITY)])

    def test_never_read_to_the_end(self) -> None:
        """A peer that takes no more of what is queued at the end is cut off too."""
        self.started()
        self.end(self.client)
        self.end(self.upstream)
        self.wait(11)
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.INACTIVITY)])

    def test_nothing_left(self) -> None:
        """After the end no time limit is left behind but one that waits for somebody else."""
        self.started()
        self.client.lose(ConnectionLost())
        self.turn()
        self.assertEqual(len(self.deadlines.spare), 1)
        self.wait(11)
        self.assertEqual(len(self.deadlines), 0)


class GatewayTests(TunnelTestCase):
    """Ends that we want."""

    def test_close(self) -> None:
        """A tunnel that we close is reset on both sides, and its end is told afterwards."""
        tunnel = self.started()
        self.receive(self.client, b"abc")
        tunnel.close()
        self.assertEqual((self.said, self.ends), (["client abort", "upstream abort"], []))
        self.turn()
        self.assertEqual(self.ends, [TunnelEnd(3, 0, EndReason.GATEWAY)])

    def test_close_again(self) -> None:
        """Closing twice, or after the end, changes nothing."""
        tunnel = self.started()
        tunnel.close()
        tunnel.close(EndReason.INACTIVITY)
        self.turn()
        tunnel.close()
        self.assertEqual(self.said, ["client abort", "upstream abort"])
        self.assertEqual(self.ends, [TunnelEnd(0, 0, EndReason.GATEWAY)])

    def test_names(self) -> None:
        """Reasons read in the access log as they are called."""
        self.assertEqual(f"{EndReason.CLIENT_CLOSED}", "client_closed")
