"""Splicing between real sockets, driven by hand instead of by a reactor."""

from __future__ import annotations

import gc
import os
import socket
from select import select
from typing import cast

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gateway.net.splice import Halt, PipePool, Splice
from tests.live.peers import reset


class Interests:
    """
    A reactor that knows who wants to read or write, and polls when it is told to.

    @ivar readers: by descriptor.
    """

    def __init__(self) -> None:
        self.readers: dict[int, IReadDescriptor] = {}
        self.writers: dict[int, IWriteDescriptor] = {}

    def addReader(self, reader: IReadDescriptor) -> None:
        """Remember it."""
        self.readers[reader.fileno()] = reader

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Remember it."""
        self.writers[writer.fileno()] = writer

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Forget it."""
        self.readers.pop(reader.fileno(), None)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Forget it."""
        self.writers.pop(writer.fileno(), None)

    def turn(self) -> None:
        """Tell everybody once, ready or not."""
        for reader in list(self.readers.values()):
            reader.doRead()
        for writer in list(self.writers.values()):
            writer.doWrite()


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """Make two connected TCP sockets that never block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _ = listening.accept()
    for made in (one, other):
        made.setblocking(False)
    return one, other


class SpliceTests(SynchronousTestCase):
    """
    A splice between C{left} and C{right}, seen from their peers.

    @ivar told: what the splice said, in order.
    """

    def setUp(self) -> None:
        self.reactor = Interests()
        self.pipes = PipePool()
        self.told: list[object] = []
        self.client, self.left = connected_pair()
        self.right, self.origin = connected_pair()
        for made in (self.client, self.left, self.right, self.origin):
            self.addCleanup(made.close)
        self.addCleanup(self.pipes.close)
        self.splice = self.between(self.left.fileno(), self.right.fileno())

    def between(self, left: int, right: int) -> Splice:
        """Make a splice between two descriptors."""
        return Splice(
            cast(IReactorFDSet, self.reactor),
            (left, right),
            self.pipes,
            moved=lambda index, count: self.told.append((index, count)),
            halted=lambda index, reason, left: self.told.append((index, reason, left)),
        )

    def start(self) -> None:
        """Start in both directions."""
        self.splice.start((True, True))

    def fill(self) -> int:
        """Send from the client until everything up to the origin is full; give how much went in."""
        sent = 0
        while True:
            try:
                sent += self.client.send(b"x" * 65536)
            except BlockingIOError:
                before = len(self.told)
                self.reactor.turn()
                if len(self.told) == before:
                    return sent

    def drain(self, source: socket.socket) -> int:
        """Read what is there; give how much that was."""
        count = 0
        try:
            while piece := source.recv(1 << 20):
                count += len(piece)
        except BlockingIOError:
            pass
        return count

    def test_interfaces(self) -> None:
        """What the reactor gets is what it needs."""
        self.start()
        for end in self.reactor.readers.values():
            verifyObject(IReadDescriptor, end)
            verifyObject(IWriteDescriptor, end)
            self.assertEqual(end.logPrefix(), "splice")

    def test_no_garbage(self) -> None:
        """Once stopped it is gone with its last reference: the collector finds nothing of it."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.start()
        self.client.send(b"question")
        self.reactor.turn()
        self.splice.stop()
        del self.splice
        self.assertEqual(gc.collect(), 0)

    def test_both_ways(self) -> None:
        """Bytes of each side come out at the other and are told."""
        self.start()
        self.client.send(b"question")
        self.origin.send(b"answer")
        self.reactor.turn()
        self.assertEqual((self.origin.recv(99), self.client.recv(99)), (b"question", b"answer"))
        self.assertEqual(self.told, [(0, 8), (1, 6)])

    def test_nothing_there(self) -> None:
        """Being told to read for nothing changes nothing."""
        self.start()
        self.reactor.turn()
        self.assertEqual(self.told, [])

    def test_one_way(self) -> None:
        """A side that sends no more is not read."""
        self.splice.start((False, True))
        self.assertEqual(list(self.reactor.readers), [self.right.fileno()])

    def test_one_pipe_for_many(self) -> None:
        """While nothing is stuck, one pipe does for everybody and nobody holds it."""
        self.test_both_ways()
        self.assertEqual(self.pipes.open, 1)
        self.assertIsNotNone(self.pipes.take())
        self.assertEqual(self.pipes.open, 1)

    def test_stuck(self) -> None:
        """A side that takes no more stops the reading of the other; what it takes later starts it again."""
        self.start()
        sent = self.fill()
        self.assertNotIn(self.left.fileno(), self.reactor.readers)
        self.assertIn(self.right.fileno(), self.reactor.writers)
        self.assertIn(self.right.fileno(), self.reactor.readers)
        received = 0
        while received < sent:
            received += self.drain(self.origin)
            self.reactor.turn()
        self.assertEqual(received, sent)
        self.assertIn(self.left.fileno(), self.reactor.readers)
        self.assertEqual(self.reactor.writers, {})

    def test_stop_while_stuck(self) -> None:
        """What is stuck when the splice stops is handed over, and its pipe is free again."""
        self.start()
        sent = self.fill()
        left = self.splice.stop()
        taken = sum(cast(tuple[int, int], told)[1] for told in self.told)
        arrived = 0
        # The kernel sends on what it has when there is room again, which may be a moment after all that had come is read.
        while arrived < taken - len(left[0]) and select([self.origin], (), (), 5.0)[0]:
            arrived += self.drain(self.origin)
        arrived += self.drain(self.origin)
        self.assertEqual((len(left[0]) + arrived, left[1]), (taken, b""))
        self.assertGreater(len(left[0]), 0)
        self.assertLessEqual(taken, sent)
        self.assertEqual((self.reactor.readers, self.reactor.writers), ({}, {}))
        pipe = self.pipes.take()
        assert pipe is not None
        self.assertRaises(BlockingIOError, os.read, pipe.read_fd, 1)

    def test_end(self) -> None:
        """The end of one side halts the splice behind its last bytes."""
        self.start()
        self.client.send(b"last")
        self.client.shutdown(socket.SHUT_WR)
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.told, [(0, 4), (0, Halt.END, (b"", b""))])
        self.assertEqual(self.reactor.readers, {})

    def test_source_broken(self) -> None:
        """A reset of the side that is read is told of that side."""
        self.start()
        reset(self.client)
        self.reactor.turn()
        self.assertEqual(self.told, [(0, Halt.BROKEN, (b"", b""))])

    def test_sink_broken(self) -> None:
        """A reset found when bytes are passed on is told of the side they went to, and no pipe is lost."""
        self.splice.start((True, False))
        reset(self.origin)
        self.client.send(b"in vain")
        self.reactor.turn()
        self.assertEqual(self.told, [(0, 7), (1, Halt.BROKEN, (b"", b""))])
        self.assertEqual(self.pipes.open, 0)

    def test_sink_broken_while_stuck(self) -> None:
        """A reset of a side that bytes are stuck for is told of that side, once."""
        self.start()
        self.fill()
        del self.told[:]
        reset(self.origin)
        self.reactor.readers.clear()
        self.reactor.turn()
        self.assertEqual(
            [cast(tuple[object, ...], told)[:2] for told in self.told], [(1, Halt.BROKEN)]
        )

    def test_reactor_reports_loss(self) -> None:
        """A loss that the reactor sees first is told, once, even if both sides are reported."""
        self.start()
        ends = list(self.reactor.readers.values())
        for end in ends:
            end.connectionLost(Failure(CONNECTION_LOST))
        self.assertEqual(self.told, [(0, Halt.BROKEN, (b"", b""))])

    def test_late_calls(self) -> None:
        """A turn of the reactor that comes too late touches nothing."""
        self.start()
        ends = list(self.reactor.readers.values())
        self.client.send(b"kept")
        self.splice.stop()
        for end in ends:
            end.doRead()
            cast(IWriteDescriptor, end).doWrite()
        self.assertEqual((self.told, self.left.recv(99)), ([], b"kept"))

    def test_no_pipe(self) -> None:
        """Without a pipe the splice gives up and has taken nothing."""
        self.pipes = PipePool(limit=0)
        self.splice = self.between(self.left.fileno(), self.right.fileno())
        self.start()
        self.client.send(b"kept")
        self.reactor.turn()
        self.assertEqual(self.told, [(0, Halt.UNABLE, (b"", b""))])
        self.assertEqual(self.left.recv(99), b"kept")

    def test_kernel_unable(self) -> None:
        """What the kernel can't splice from makes the splice give up."""
        source = os.eventfd(1, os.EFD_NONBLOCK)
        self.addCleanup(os.close, source)
        self.splice = self.between(source, self.right.fileno())
        self.start()
        self.reactor.turn()
        self.assertEqual(self.told, [(0, Halt.UNABLE, (b"", b""))])
