"""Nothing that lines go to is ever waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.record.sinks import open_sink, shared_sink


class SinkTests(SynchronousTestCase):
    """A standard output that others hold too."""

    def filled(self, reader: int, writer: int, read: Callable[[], bytes]) -> None:
        """Write until it takes no more, then read and write again; nothing ever waits."""
        self.addCleanup(os.close, writer)
        sink = shared_sink(writer)
        self.addCleanup(sink.close)
        total = 0
        while taken := sink.write(memoryview(b"x" * 10_000)):
            total += taken
        self.assertGreater(total, 4096)
        self.assertTrue(os.get_blocking(writer))
        read()
        self.assertGreater(sink.write(memoryview(b"y")), 0)

    def test_pipe(self) -> None:
        """A pipe that nobody reads is not waited for, and stays as its other holders know it."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.filled(reader, writer, lambda: os.read(reader, 65536))

    def test_socket(self) -> None:
        """So it is with a socket."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.filled(theirs.fileno(), ours.detach(), lambda: theirs.recv(1 << 20))

    def test_pipe_without_a_reader(self) -> None:
        """A pipe whose reader is gone is an error that can be caught."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        sink = shared_sink(writer)
        self.addCleanup(sink.close)
        os.close(reader)
        self.assertRaises(OSError, sink.write, memoryview(b"x"))

    def test_file(self) -> None:
        """A file is written where its other holders left it; closing our side leaves theirs open."""
        with Path(self.mktemp()).open("w+b", buffering=0) as other:
            other.write(b"theirs ")
            sink = shared_sink(other.fileno())
            sink.write(memoryview(b"ours "))
            sink.close()
            other.write(b"theirs")
            other.seek(0)
            self.assertEqual(other.read(), b"theirs ours theirs")

    def test_dash(self) -> None:
        """A dash is the standard output."""
        status = os.fstat(1)
        sink = open_sink("-")
        self.addCleanup(sink.close)
        self.assertEqual(sink.identity, (status.st_dev, status.st_ino))

    def test_named_pipe(self) -> None:
        """A named pipe whose reader sleeps is not waited for."""
        path = self.mktemp()
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        sink = open_sink(path)
        self.addCleanup(sink.close)
        content = memoryview(b"x" * (1 << 20))
        self.assertGreater(sink.write(content), 0)
        self.assertEqual(sink.write(content), 0)

    def test_named_pipe_without_a_reader(self) -> None:
        """A named pipe that nobody reads can't be opened, instead of waiting for a reader."""
        path = self.mktemp()
        os.mkfifo(path)
        self.assertRaises(OSError, open_sink, path)
