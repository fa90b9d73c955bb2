"""
Tests of L{gateway.net.transport}.

Over sockets on loopback and a reactor of their own, which is turned by hand and never runs.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Any

from gateway.net.attempt import Attempt
from gateway.net.transport import JOIN_BYTES, Outgoing, listen
from tests.unit.net.transports import MUCH, Factory, Notes, Producer, TransportCase


class WritingTests(TransportCase):
    """L{ImmediateConnection.write} and its like."""

    def test_at_once(self) -> None:
        """What is written is with the peer before the reactor turns."""
        protocol, peer = self.accepted()
        protocol.transport.write(b"hello ")
        protocol.transport.writeSequence([b"wor", b"ld"])
        self.assertEqual(peer.recv(100), b"hello world")
        self.assertEqual(protocol.transport.queued, 0)

    def test_all_and_in_order(self) -> None:
        """What the kernel does not take is queued, and what is written after it stays behind it."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(MUCH)
        queued = transport.queued
        self.assertTrue(0 < queued < len(MUCH))
        transport.write(b"after")
        transport.writeSequence([b" that", b"!"])
        self.assertEqual(transport.queued, queued + 11)
        self.assertEqual(self.read(peer, len(MUCH) + 11), MUCH + b"after that!")
        self.assertEqual(transport.queued, 0)
        transport.write(b"at once again")
        self.assertEqual(peer.recv(100), b"at once again")

    def read(self, peer: socket.socket, count: int) -> bytes:
        """Read so many bytes while the reactor turns."""
        peer.setblocking(False)
        data = bytearray()

        def more() -> bool:
            with contextlib.suppress(BlockingIOError):
                data.extend(peer.recv(1 << 20))
            return len(data) >= count

        self.until(more)
        return bytes(data)

    def test_long_sequences(self) -> None:
        """A sequence too long to be joined goes out by one call, is cut where the kernel stops, and nothing is lost."""
        protocol, peer = self.accepted()
        piece = MUCH[: JOIN_BYTES // 2 + 1]
        protocol.transport.writeSequence([piece, piece])
        self.assertEqual(self.read(peer, 2 * len(piece)), 2 * piece)
        parts = [MUCH[:1_000_001], MUCH[1_000_001:7_000_000], b"", MUCH[7_000_000:]]
        protocol.transport.writeSequence(iter(parts))
        self.assertGreater(protocol.transport.queued, 0)
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        # More parts than sendmsg takes.
        many = [b"%04d" % number * 20 for number in range(2000)]
        protocol.transport.writeSequence(many)
        self.assertEqual(self.read(peer, 160_000), b"".join(many))

    def test_paged(self) -> None:
        """A head and the content of a file arrive as one, whatever the kernel takes of them at once, and in order."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        self.assertTrue(transport.sends_pages)
        descriptor = os.memfd_create("content")
        self.addCleanup(os.close, descriptor)
        for content in (MUCH[:100_000], MUCH):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content, 0)
            whole = b"".join([b"head", content] * 3)
            for _ in range(3):
                transport.write_paged(b"head", content, descriptor)
            transport.write(b"after")
            self.assertEqual(self.read(peer, len(whole) + 5), whole + b"after")
            self.assertEqual(transport.queued, 0)

    def test_paged_behind(self) -> None:
        """What waits for the end of a busy round goes before it; where no file can be sent from, the bytes are."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport._held = b"held "
        transport.write_paged(b"head", b"content", -1)
        self.assertEqual(self.read(peer, 16), b"held headcontent")
        self.assertEqual(transport.queued, 0)

    def test_paged_broken(self) -> None:
        """To a broken connection it tells nobody from within; the reactor does, once."""
        protocol, peer = self.accepted()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        protocol.transport.write_paged(b"head", b"content", -1)
        self.assertEqual(self.log, ["made"])
        self.until(lambda: len(self.log) > 1)
        self.assertEqual(self.log, ["made", "lost: ConnectionLost"])
        protocol.transport.write_paged(b"head", b"content", -1)
        self.turn()
        self.assertEqual(len(self.log), 2)

    def test_producer(self) -> None:
        """A push producer is paused when something is queued and resumed when it is sent."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.registerProducer(Producer(self.log), True)
        transport.write(b"small")
        self.assertNotIn("pause", self.log)
        transport.write(MUCH)
        self.assertEqual(self.log[-1], "pause")
        self.read(peer, len(MUCH) + 5)
        self.until(lambda: self.log[-1] == "resume")
        self.assertEqual(self.log.count("pause"), 1)

    def test_pull_producer(self) -> None:
        """A pull producer is asked for more as often as it gives something, by whichever call."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.registerProducer(Producer(self.log, transport, 3), False)
        self.assertEqual(self.read(peer, 18), b"piece " * 3)
        self.until(lambda: self.log.count("resume") == 4)
        parts = [bytes(JOIN_BYTES), b"x"]
        pulled = Producer(self.log)
        transport.registerProducer(pulled, False)
        at = self.log.count("resume")
        transport.writeSequence(parts)
        self.read(peer, JOIN_BYTES + 1)
        self.until(lambda: self.log.count("resume") > at)
        transport.unregisterProducer()
        transport.write(b"at once again")
        self.assertEqual(peer.recv(100), b"at once again")

    def test_broken(self) -> None:
        """
        A write to a broken connection tells nobody from within; the reactor does, once, and as what it is.

        The write has taken the socket's error, and the read that follows finds what looks like an orderly end.
        """
        protocol, peer = self.accepted()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        protocol.transport.write(b"x")
        protocol.transport.writeSequence([bytes(JOIN_BYTES), b"x"])
        self.assertEqual(self.log, ["made"])
        self.until(lambda: len(self.log) > 1)
        self.turn()
        self.assertEqual(self.log, ["made", "lost: ConnectionLost"])
        protocol.transport.write(b"x")
        self.turn()
        self.assertEqual(len(self.log), 2)

    def test_orderly_close(self) -> None:
        """A close waits for what is queued, takes nothing more, and is an end for the peer."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(MUCH)
        transport.loseConnection()
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        self.until(lambda: self.log[-1] == "lost: ConnectionDone")
        peer.setblocking(True)
        self.assertEqual(peer.recv(10), b"")

    def test_close_with_all_sent(self) -> None:
        """
        With nothing queued it is closed in the next turn, and nobody is told from within the call.

        Neither room nor anything else is waited for meanwhile, and what is written until then goes first.
        """
        for last in (b"", b" and this", MUCH):
            protocol, peer = self.accepted()
            transport = protocol.transport
            transport.write(b"this")
            transport.loseConnection()
            self.assertNotIn(transport, self.reactor.getReaders() + self.reactor.getWriters())
            transport.write(last)
            transport.loseConnection()
            self.assertEqual(self.log[-1], "made")
            self.reactor.doPoll(0)
            if last is not MUCH:
                self.assertEqual(self.log[-1], "lost: ConnectionDone")
            self.assertEqual(self.read(peer, 4 + len(last)), b"this" + last)
            self.until(lambda: self.log[-1] == "lost: ConnectionDone")
            self.assertEqual(self.log[-2], "made")
            self.assertEqual(self.read_end(peer), b"")

    def read_end(self, peer: socket.socket) -> bytes:
        """Read once, and wait for it."""
        peer.setblocking(True)
        return peer.recv(10)

    def test_close_and_more(self) -> None:
        """Until it is closed it can still be reset; a half-close is part of the close."""
        protocol, peer = self.accepted()
        protocol.transport.loseConnection()
        protocol.transport.abortConnection()
        self.until(lambda: len(self.log) > 1)
        self.assertEqual(self.log[1:], ["lost: ConnectionAborted"])
        self.assertRaises(ConnectionResetError, peer.recv, 10)

        protocol, peer = self.accepted()
        transport = protocol.transport
        # By a timer, behind which it is closed before the next timer is looked at.
        for end in (transport.loseConnection, transport.abortConnection):
            self.reactor.callLater(0, end)
        self.until(lambda: self.log[-1] != "made")
        self.assertEqual(self.log[-1], "lost: ConnectionAborted")
        self.assertRaises(ConnectionResetError, peer.recv, 10)

        protocol, peer = self.accepted()
        protocol.transport.loseConnection()
        protocol.transport.loseWriteConnection()
        self.until(lambda: self.log[-1] == "lost: ConnectionDone")
        self.assertEqual(peer.recv(10), b"")

    def test_close_waits_for_its_producer(self) -> None:
        """Who is fed only when asked is closed when there is no more."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.registerProducer(Producer(self.log, transport, 3), False)
        transport.loseConnection()
        self.assertEqual(self.read(peer, 18), b"piece " * 3)
        self.until(lambda: self.log[-1] == "lost: ConnectionDone")

    def test_close_at_once(self) -> None:
        """With everything sent a connection is closed before the call is over, and its protocol hears nothing of it."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(b"bye")
        self.assertTrue(transport.close_at_once())
        self.assertEqual(transport.connected, 0)
        self.assertNotIn(transport, self.reactor.getReaders())
        self.assertFalse(transport.close_at_once())
        self.turn()
        self.assertEqual(self.log, ["made"])
        self.assertEqual((peer.recv(10), peer.recv(10)), (b"bye", b""))

    def test_close_at_once_behind_our_end(self) -> None:
        """So is one whose direction we have ended already, at once or behind what was queued."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.loseWriteConnection()
        self.assertTrue(transport.close_at_once())
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(MUCH)
        transport.loseWriteConnection()
        self.assertFalse(transport.close_at_once())
        self.read(peer, len(MUCH))
        self.until(lambda: self.log[-1] == "write lost")
        self.assertTrue(transport.close_at_once())

    def test_not_at_once(self) -> None:
        """What is queued keeps it open, and so does a close under way."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(MUCH)
        self.assertFalse(transport.close_at_once())
        transport.loseConnection()
        self.assertFalse(transport.close_at_once())
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        self.until(lambda: self.log[-1] == "lost: ConnectionDone")

    def test_abort(self) -> None:
        """An abort throws away what is queued and resets the connection."""
        protocol, peer = self.accepted()
        protocol.transport.write(MUCH)
        protocol.transport.abortConnection()
        self.until(lambda: len(self.log) > 1)
        self.assertEqual(self.log[1:], ["lost: ConnectionAborted"])

        def read_all() -> None:
            while peer.recv(1 << 20):
                pass

        self.assertRaises(ConnectionResetError, read_all)

    def test_half_close(self) -> None:
        """The end of our direction is told at once if nothing is queued, else behind it, and once however often said."""
        protocol, peer = self.accepted()
        protocol.transport.loseWriteConnection()
        self.assertEqual(self.log, ["made", "write lost"])
        protocol.transport.loseWriteConnection()
        self.assertEqual(peer.recv(10), b"")
        peer.sendall(b"still heard")
        self.until(lambda: protocol.data)
        protocol.transport.write(b"too late")
        self.turn()
        self.assertEqual(self.log.count("write lost"), 1)

        protocol, peer = self.accepted()
        protocol.transport.write(MUCH)
        protocol.transport.loseWriteConnection()
        self.assertEqual(self.log[-1], "made")
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        self.until(lambda: self.log[-1] == "write lost")


class ReadingTests(TransportCase):
    """L{ImmediateConnection.doRead}."""

    def test_size(self) -> None:
        """One read takes as much as the protocol has said, and no more."""
        protocol, peer = self.accepted()
        reads: list[int] = []
        protocol.dataReceived = lambda data: reads.append(len(data))  # type: ignore[method-assign]
        protocol.transport.readSize = 10_000
        peer.sendall(bytes(25_000))
        self.until(lambda: sum(reads) == 25_000)
        self.assertEqual(max(reads), 10_000)

    def test_ends(self) -> None:
        """The peer's end of writing, its close and its reset are told apart."""
        protocol, peer = self.accepted()
        peer.shutdown(socket.SHUT_WR)
        self.until(lambda: self.log[-1] == "read lost")
        protocol.transport.write(b"you still hear me")
        self.assertEqual(peer.recv(100), b"you still hear me")
        protocol, peer = self.accepted()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        self.until(lambda: self.log[-1] == "lost: ConnectionLost")

    def test_fault_of_the_protocol(self) -> None:
        """What a protocol raises ends its connection, is logged, and concerns no other one."""
        protocol, peer = self.accepted()

        def fail(data: bytes) -> None:
            raise LookupError("a bug")

        protocol.dataReceived = fail  # type: ignore[method-assign]
        peer.sendall(b"x")
        self.until(lambda: self.log[-1].startswith("lost"))
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        peer.settimeout(5)
        self.assertIn(self.end_of(peer), ("end", "reset"))

    def end_of(self, peer: socket.socket) -> str:
        """Say how a connection ends."""
        try:
            return "data" if peer.recv(10) else "end"
        except ConnectionResetError:
            return "reset"


class BufferTests(TransportCase):
    """Socket buffers (S04)."""

    def test_left_to_the_system(self) -> None:
        """Neither buffer is set on any socket of ours, for that would switch the kernel's tuning off."""
        ours, _ = self.listening()
        theirs = socket.create_server(("127.0.0.1", 0))
        self.open.append(theirs)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.assertEqual(
                ours.socket.getsockopt(socket.SOL_SOCKET, option),
                theirs.getsockopt(socket.SOL_SOCKET, option),
            )
        protocol, peer = self.accepted()
        outgoing = self.outgoing(theirs)
        stock = socket.create_connection(theirs.getsockname())
        self.open.append(stock)
        accepted = []
        for _ in range(2):
            accepted.append(theirs.accept()[0])
            self.open.append(accepted[-1])
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.assertEqual(
                outgoing.socket.getsockopt(socket.SOL_SOCKET, option),
                stock.getsockopt(socket.SOL_SOCKET, option),
            )
            self.assertEqual(
                protocol.transport.socket.getsockopt(socket.SOL_SOCKET, option),
                accepted[1].getsockopt(socket.SOL_SOCKET, option),
            )

    def test_no_delay(self) -> None:
        """Small writes are not held back: accepted, made or adopted, TCP_NODELAY is on."""
        theirs = socket.create_server(("127.0.0.1", 0))
        self.open.append(theirs)
        protocol, _ = self.accepted()
        for each in (protocol.transport, self.outgoing(theirs), self.adopted(theirs)):
            self.assertEqual(each.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)

    def test_attributes(self) -> None:
        """What a connection usually goes through gives it no attribute that it did not begin with."""
        theirs = socket.create_server(("127.0.0.1", 0))
        self.open.append(theirs)
        protocol, _ = self.accepted()
        for each in (protocol.transport, self.outgoing(theirs)):
            before = set(vars(each))
            each.registerProducer(Producer(self.log), True)
            each.write(b"some")
            each.unregisterProducer()
            each.loseWriteConnection()
            self.assertTrue(each.close_at_once())
            self.assertLessEqual(set(vars(each)), before)

    def outgoing(self, to: socket.socket) -> Outgoing:
        """Connect to a listener by an L{Attempt}."""
        made: list[Outgoing] = []
        address, port = to.getsockname()
        Attempt(
            self.reactor,
            address,
            port,
            connected=lambda attempt: made.append(attempt.transport(Notes([]))),  # type: ignore[arg-type]
            failed=lambda attempt, error: self.fail(str(error)),
        ).start()
        self.until(lambda: made)
        self.open.append(made[0].socket)
        return made[0]

    def adopted(self, listener: socket.socket) -> Any:
        """Serve a listener that was made elsewhere; give the transport of a connection to it."""
        # What waits there from before is served too.
        factory = Factory(lambda: Notes([]))
        port = listen(self.reactor, 0, factory, adopted=listener.fileno())
        self.open.append(port.socket)
        self.assertEqual(port.getHost().port, listener.getsockname()[1])
        peer = self.peer(port)
        self.until(
            lambda: any(
                made.transport.getPeer().port == peer.getsockname()[1] for made in factory.made
            )
        )
        for made in factory.made:
            self.open.append(made.transport.socket)
        return factory.made[-1].transport
