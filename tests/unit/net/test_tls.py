"""Tests of L{gateway.net.tls}: two ends of one connection in memory, with every end and every pause."""

from __future__ import annotations

import os
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.net.tls import TlsFailed, TlsTransport
from gateway.net.tls_records import RECORD_BYTES
from tests.opcodes import opcodes
from tests.unit.net.certificates import client_context, server_context


class Pipe:
    """A transport whose bytes wait until the test lets them go."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.state = "open"
        self.paused = False
        self.producer: Any = None
        self.readSize = 65536
        self.queued = 0
        self.reactor = None

    def write(self, data: bytes) -> None:
        """Keep it."""
        if self.state == "open":
            self.out.append(data)

    def loseConnection(self) -> None:
        """Close in order."""
        if self.state == "open":
            self.state = "closed"

    def abortConnection(self) -> None:
        """Reset."""
        if self.state != "reset":
            self.state = "reset"
            self.out.clear()

    def pauseProducing(self) -> None:
        """Note it."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Note it."""
        self.paused = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Note it."""
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget it."""
        self.producer = None

    def getPeer(self) -> str:
        """Name it."""
        return "peer"

    def getHost(self) -> str:
        """Name it."""
        return "host"


@implementer(IHalfCloseableProtocol)
class Above:
    """The protocol above: what it got, in order."""

    def __init__(self) -> None:
        self.got = b""
        self.told: list[str] = []
        self.transport: Any = None
        self.pause_at = -1
        self.answer = b""

    def makeConnection(self, transport: Any) -> None:
        """Take it."""
        self.transport = transport
        self.told.append("made")

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, and say enough if the test wants that."""
        self.got += data
        if 0 <= self.pause_at <= len(self.got):
            self.pause_at = -1
            self.transport.pauseProducing()
        if self.answer:
            answer, self.answer = self.answer, b""
            self.transport.write(answer)

    def readConnectionLost(self) -> None:
        """The other one sends no more."""
        self.told.append("ended")

    def writeConnectionLost(self) -> None:
        """Nothing."""

    def connectionLost(self, reason: Failure) -> None:
        """It is gone."""
        self.told.append("done" if reason.check(ConnectionDone) else "lost")


class End:
    """One end: TLS between a pipe and a protocol."""

    def __init__(self, context: SSL.Context, *, server: bool, name: bytes = b"www.example.com"):
        connection = SSL.Connection(context, None)
        if server:
            connection.set_accept_state()
        else:
            connection.set_tlsext_host_name(name)
            connection.set_connect_state()
        self.pipe = Pipe()
        self.above = Above()
        self.failures: list[TlsFailed] = []
        self.accepts = True
        self.tls = TlsTransport(
            connection,
            self._handshaken,
            lambda tls, failed: self.failures.append(failed),
            accepts=server,
        )

    def _handshaken(self, tls: TlsTransport) -> Any:
        if self.accepts:
            self.above.makeConnection(tls)
            return self.above
        tls.abortConnection()
        return None


class TlsCase(SynchronousTestCase):
    """A client and a server."""

    def setUp(self) -> None:
        self.client = End(client_context(), server=False)
        self.server = End(server_context(), server=True)

    def connect(self) -> None:
        """Shake hands."""
        self.server.tls.makeConnection(self.server.pipe)
        self.client.tls.makeConnection(self.client.pipe)
        self.settle()
        self.assertEqual((self.client.above.told, self.server.above.told), (["made"], ["made"]))

    def settle(self, cut: int = 1 << 30) -> None:
        """Let all bytes go, in pieces of a size, and tell of ends when all before them is delivered."""
        ends = ((self.client, self.server), (self.server, self.client))
        moved = True
        while moved:
            moved = False
            for one, other in ends:
                if one.pipe.out and not other.pipe.paused and other.pipe.state == "open":
                    data = b"".join(one.pipe.out)
                    one.pipe.out = [data[cut:]] if data[cut:] else []
                    other.tls.dataReceived(data[:cut])
                    moved = True

    def cut_off(self, one: End, reason: type[Exception] = ConnectionLost) -> None:
        """Tell an end that its connection is gone."""
        one.tls.connectionLost(Failure(reason()))


class HandshakeTests(TlsCase):
    """Up to the first byte."""

    def test_both_know(self) -> None:
        """When it is done each side has the protocol above, and OpenSSL knows version and name."""
        self.connect()
        self.assertEqual(self.client.tls.connection.get_protocol_version_name(), "TLSv1.3")
        self.assertEqual(self.server.tls.connection.get_servername(), b"www.example.com")
        self.assertEqual((self.client.failures, self.server.failures), ([], []))

    def test_byte_by_byte(self) -> None:
        """It does not matter where the bytes are cut."""
        self.server.tls.makeConnection(self.server.pipe)
        self.client.tls.makeConnection(self.client.pipe)
        self.settle(cut=1)
        self.assertEqual(self.server.above.told, ["made"])

    def test_written_before(self) -> None:
        """What is written before it is done goes with its end."""
        self.client.tls.write(b"early ")
        self.connect()
        self.assertEqual(self.server.above.got, b"early ")

    def test_said_in_the_same_breath(self) -> None:
        """What is said as soon as it is done leaves with its last message, and a server's tickets with its first answer."""
        self.server.above.answer = b"answer"
        made = self.client.above.makeConnection

        def asks(transport: Any) -> None:
            made(transport)
            transport.write(b"request")

        self.client.above.makeConnection = asks  # type: ignore[method-assign]
        self.server.tls.makeConnection(self.server.pipe)
        self.client.tls.makeConnection(self.client.pipe)
        self.server.tls.dataReceived(b"".join(self.client.pipe.out))
        self.client.pipe.out.clear()
        self.client.tls.dataReceived(b"".join(self.server.pipe.out))
        self.server.pipe.out.clear()
        self.assertEqual(len(self.client.pipe.out), 1)
        self.server.tls.dataReceived(self.client.pipe.out.pop())
        self.assertEqual(self.server.above.got, b"request")
        self.assertEqual(len(self.server.pipe.out), 1)
        self.client.tls.dataReceived(self.server.pipe.out.pop())
        self.assertEqual(self.client.above.got, b"answer")
        self.assertIsNotNone(self.client.tls.connection.get_session())

    def test_server_of_tls_1_2(self) -> None:
        """There the client waits for the server's last message, whether anything is said or not."""
        context = server_context()
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        self.server = End(context, server=True)
        self.connect()
        self.assertEqual(self.client.above.told, ["made"])

    def test_not_trusted(self) -> None:
        """A certificate that the client does not trust ends it, and the server is told by which alert."""
        strict = SSL.Context(SSL.TLS_METHOD)
        strict.set_verify(SSL.VERIFY_PEER, lambda *args: bool(args[-1]))
        self.client = End(strict, server=False)
        self.server.tls.makeConnection(self.server.pipe)
        self.client.tls.makeConnection(self.client.pipe)
        self.settle()
        (failed,) = self.client.failures
        self.assertEqual(failed.reason, "certificate verify failed")
        self.assertEqual(self.client.pipe.state, "closed")
        self.assertEqual(self.client.above.told, [])
        (told,) = self.server.failures
        self.assertEqual(told.reason, "tlsv1 alert unknown ca")
        self.assertEqual(self.server.above.told, [])

    def test_garbage(self) -> None:
        """What is no TLS ends it, with an alert for whoever can read one."""
        self.server.tls.makeConnection(self.server.pipe)
        self.server.tls.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        (failed,) = self.server.failures
        self.assertIn("http request", failed.reason)
        self.assertEqual(self.server.pipe.state, "closed")

    def test_peer_goes(self) -> None:
        """A peer that goes in the middle of it is told once, however it goes."""
        for end in ("fin", "reset"):
            self.setUp()
            self.server.tls.makeConnection(self.server.pipe)
            self.client.tls.makeConnection(self.client.pipe)
            if end == "fin":
                self.server.tls.readConnectionLost()
                self.assertEqual(self.server.pipe.state, "reset")
            self.cut_off(self.server)
            (failed,) = self.server.failures
            self.assertEqual(failed.reason, "")
            self.assertEqual(self.server.above.told, [])

    def test_refused_when_done(self) -> None:
        """Whoever judges the handshake may abort the connection; nobody above hears of it."""
        self.client.accepts = False
        self.server.tls.makeConnection(self.server.pipe)
        self.client.tls.makeConnection(self.client.pipe)
        self.settle()
        self.assertEqual(self.client.pipe.state, "reset")
        self.cut_off(self.client)
        self.assertEqual((self.client.above.told, self.client.failures), ([], []))

    def test_given_up(self) -> None:
        """An abort before the end of the handshake is told to nobody."""
        self.server.tls.makeConnection(self.server.pipe)
        self.server.tls.loseConnection()
        self.cut_off(self.server)
        self.assertEqual((self.server.failures, self.server.above.told), ([], []))


class ContentTests(TlsCase):
    """Bytes."""

    def test_both_ways(self) -> None:
        """Content of every size arrives as it was, wherever the records are cut."""
        self.connect()
        for size in (0, 1, 1000, RECORD_BYTES, RECORD_BYTES + 1, 300_000):
            data = os.urandom(size)
            self.client.tls.write(data)
            self.server.tls.writeSequence([data[:7], data[7:]])
            self.settle(cut=4099)
            self.assertEqual((self.server.above.got, self.client.above.got), (data, data))
            self.server.above.got = self.client.above.got = b""

    def test_one_write_below(self) -> None:
        """What is written in one piece leaves in one piece."""
        self.connect()
        self.client.tls.write(bytes(200_000))
        self.assertEqual(len(self.client.pipe.out), 1)

    def test_with_the_handshake(self) -> None:
        """A request that comes with the end of the handshake is not left lying."""
        self.server.above.answer = b"hello"
        self.client.tls.write(b"request")
        self.connect()
        self.assertEqual(self.client.above.got, b"hello")

    def test_pause(self) -> None:
        """Whoever pauses gets no more, also not of what was read already, and all of it afterwards."""
        self.connect()
        data = os.urandom(300_000)
        self.server.above.pause_at = 1
        self.client.tls.write(data)
        self.settle()
        self.assertTrue(self.server.pipe.paused)
        got = len(self.server.above.got)
        self.assertLess(got, len(data))
        self.server.tls.resumeProducing()
        self.settle()
        self.assertEqual(self.server.above.got, data)

    def test_resumed_within(self) -> None:
        """Pausing and resuming from within what is handed over keeps the order."""
        self.connect()
        above = self.server.above
        taken = above.dataReceived

        def pausing(data: bytes) -> None:
            above.transport.pauseProducing()
            taken(data)
            above.transport.resumeProducing()

        above.dataReceived = pausing  # type: ignore[method-assign]
        data = os.urandom(200_000)
        self.client.tls.write(data)
        self.settle()
        self.assertEqual(above.got, data)

    def test_producer(self) -> None:
        """A producer is bound to the appetite of the transport below."""
        self.connect()
        self.client.tls.registerProducer("producer", True)
        self.assertEqual(self.client.pipe.producer, "producer")
        self.client.tls.unregisterProducer()
        self.assertIsNone(self.client.pipe.producer)
        self.client.pipe.queued = 7
        self.assertEqual(self.client.tls.queued, 7)

    def test_addresses(self) -> None:
        """Addresses and the size of reads are those of the transport below."""
        self.connect()
        self.assertEqual((self.client.tls.getPeer(), self.client.tls.getHost()), ("peer", "host"))
        self.client.tls.readSize = 9
        self.assertEqual((self.client.pipe.readSize, self.client.tls.readSize), (9, 9))


class EndTests(TlsCase):
    """However it ends."""

    def setUp(self) -> None:
        super().setUp()
        self.connect()

    def test_last_words(self) -> None:
        """Content that is the last is sent with the end in one write, and the close sends nothing more."""
        self.connect()
        self.server.tls.write_last(b"last words")
        self.assertEqual(len(self.server.pipe.out), 1)
        self.server.tls.loseConnection()
        self.assertEqual((len(self.server.pipe.out), self.server.pipe.state), (1, "closed"))
        self.server.pipe.state = "open"
        self.settle()
        self.assertEqual(self.client.above.got, b"last words")
        self.assertEqual(self.client.above.told, ["made", "ended"])
        self.server.tls.write_last(b"too late")
        self.settle()
        self.assertEqual(self.client.above.got, b"last words")

    def test_orderly(self) -> None:
        """A close is said in TLS before the connection goes, and told as an orderly end."""
        self.client.tls.write(b"last")
        self.client.tls.loseConnection()
        self.client.tls.loseConnection()
        self.client.tls.write(b"too late")
        self.settle()
        self.assertEqual(self.client.pipe.state, "closed")
        self.assertEqual(
            (self.server.above.got, self.server.above.told), (b"last", ["made", "ended"])
        )
        self.server.tls.readConnectionLost()
        self.server.tls.loseConnection()
        self.cut_off(self.server, ConnectionDone)
        self.cut_off(self.server, ConnectionDone)
        self.assertEqual(self.server.above.told, ["made", "ended", "done"])

    def test_half_close(self) -> None:
        """Whoever says that it sends no more can still read."""
        self.client.tls.loseWriteConnection()
        self.settle()
        self.assertEqual(self.server.above.told, ["made", "ended"])
        self.server.tls.write(b"answer")
        self.settle()
        self.assertEqual(self.client.above.got, b"answer")

    def test_cut(self) -> None:
        """An end without a word in TLS is a broken connection: somebody may have cut it."""
        self.server.tls.readConnectionLost()
        self.assertEqual(self.server.pipe.state, "reset")
        self.cut_off(self.server)
        self.assertEqual(self.server.above.told, ["made", "lost"])

    def test_damaged(self) -> None:
        """A record that is not whole ends the connection at once, with an alert, and is no orderly end."""
        self.client.tls.write(b"secret")
        data = bytearray(b"".join(self.client.pipe.out))
        self.client.pipe.out.clear()
        data[-1] ^= 1
        self.server.tls.dataReceived(bytes(data))
        self.assertEqual(self.server.above.told, ["made", "lost"])
        self.assertEqual((self.server.above.got, self.server.pipe.state), (b"", "closed"))
        self.settle()
        self.assertEqual(self.client.above.told, ["made", "lost"])

    def test_abort(self) -> None:
        """An abort is one below, too."""
        self.client.tls.abortConnection()
        self.assertEqual(self.client.pipe.state, "reset")

    def test_plain_protocol(self) -> None:
        """A protocol that knows no half-close is closed with the other end."""

        class Plain:
            def makeConnection(self, transport: Any) -> None: ...

            def dataReceived(self, data: bytes) -> None: ...

            def connectionLost(self, reason: Failure) -> None: ...

        self.server.tls.protocol = Plain()
        self.client.tls.loseConnection()
        self.settle()
        self.assertEqual(self.server.pipe.state, "closed")


class CostTests(TlsCase):
    """What TLS adds to a message, counted in opcodes: the same on every machine and at every load."""

    def test_one_record(self) -> None:
        """A message of one record is read by one question and sent by one call; nothing is asked twice."""
        self.connect()

        class Mute:
            """Takes and sends for nothing."""

            def dataReceived(self, data: bytes) -> None:
                """Take it."""

            def write(self, data: bytes) -> None:
                """Take it."""

        server = self.server.tls
        server.protocol = Mute()
        messages = []
        for _ in range(64):
            self.client.tls.write(b"request")
            messages.append(self.client.pipe.out.pop())

        def reads() -> None:
            for message in messages:
                server.dataReceived(message)

        def writes() -> None:
            for _ in messages:
                server.write(b"answer")

        self.assertLessEqual(opcodes(reads) / 64, 96)
        self.assertLessEqual(opcodes(writes) / 64, 90)


class WithinTests(SynchronousTestCase):
    """TLS within TLS."""

    def test_both_ways(self) -> None:
        """One of these is a transport for another."""
        outer = TlsCase("setUp")
        outer.setUp()
        outer.connect()
        inner_client = End(client_context(), server=False)
        inner_server = End(server_context(), server=True)
        outer.client.tls.protocol = inner_client.tls
        outer.server.tls.protocol = inner_server.tls
        inner_server.tls.makeConnection(outer.server.tls)
        inner_client.tls.makeConnection(outer.client.tls)
        inner_client.tls.write(b"deep")
        outer.settle()
        self.assertEqual(inner_server.above.got, b"deep")
        inner_client.tls.loseConnection()
        outer.settle()
        self.assertEqual(inner_server.above.told, ["made", "ended"])
