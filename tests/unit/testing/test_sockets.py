"""Sockets in memory behave as a kernel's do, where it matters to a proxy."""

from __future__ import annotations

import errno
import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.sockets import connected_pair

HERE, THERE = ("192.0.2.1", 1), ("192.0.2.2", 2)


class SocketTests(SynchronousTestCase):
    """A pair."""

    def setUp(self) -> None:
        self.near, self.far = connected_pair(HERE, THERE, window=10)

    def test_bytes(self) -> None:
        """Bytes come out in order, as many as asked for."""
        self.assertEqual(self.near.send(b"abc"), 3)
        self.assertEqual(self.near.sendmsg([b"de", b"f"]), 3)
        self.assertEqual((self.far.recv(4), self.far.recv(4)), (b"abcd", b"ef"))

    def test_nothing_there(self) -> None:
        """Reading where nothing is would wait."""
        self.assertFalse(self.near.readable)
        self.assertRaises(BlockingIOError, self.near.recv, 1)

    def test_window(self) -> None:
        """A receiver that does not read holds its sender back."""
        self.assertEqual(self.near.send(bytes(15)), 10)
        self.assertFalse(self.near.writable)
        self.assertRaises(BlockingIOError, self.near.send, b"a")
        self.far.recv(4)
        self.assertTrue(self.near.writable)
        self.assertEqual(self.near.send(bytes(15)), 4)

    def test_half_close(self) -> None:
        """Who shuts its direction down can still read."""
        self.near.send(b"last")
        self.near.shutdown(socket.SHUT_WR)
        self.assertEqual(
            (self.far.recv(9), self.far.recv(9), self.far.recv(9)), (b"last", b"", b"")
        )
        self.far.send(b"more")
        self.assertEqual(self.near.recv(9), b"more")
        self.assertRaises(BrokenPipeError, self.near.send, b"a")

    def test_close(self) -> None:
        """A close in order is an end to the reader, and a reset to who goes on sending."""
        self.near.close()
        self.near.close()
        self.assertEqual(self.far.recv(9), b"")
        self.assertEqual(self.far.send(b"abc"), 3)
        self.assertRaises(ConnectionResetError, self.far.send, b"d")
        self.assertRaises(ConnectionResetError, self.far.recv, 1)

    def test_close_with_unread_bytes(self) -> None:
        """A close with unread bytes is a reset; what the other end has got already can be read."""
        self.near.send(b"kept")
        self.far.send(b"unread")
        self.near.close()
        self.assertEqual(self.far.recv(9), b"kept")
        self.assertRaises(ConnectionResetError, self.far.recv, 9)

    def test_linger(self) -> None:
        """So is one that is not to linger."""
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.near.close()
        self.assertTrue(self.far.broken)
        self.assertRaises(OSError, self.far.shutdown, socket.SHUT_WR)

    def test_closed(self) -> None:
        """A closed socket can do nothing."""
        self.near.close()
        for call in (lambda: self.near.send(b"a"), lambda: self.near.recv(1)):
            self.assertEqual(self.assertRaises(OSError, call).errno, errno.EBADF)

    def test_names(self) -> None:
        """Each end knows both addresses, and has no descriptor."""
        self.assertEqual((self.near.getsockname(), self.near.getpeername()), (HERE, THERE))
        self.assertEqual((self.far.getsockname(), self.far.getpeername()), (THERE, HERE))
        self.assertEqual((self.near.fileno(), self.near.getsockopt(0, 0)), (-1, 0))
