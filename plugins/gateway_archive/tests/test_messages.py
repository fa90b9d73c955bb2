"""Tests of the messages between the gateway and its child processes."""

from __future__ import annotations

import os
import socket
import struct
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.messages import BadMessage, TooLate, receive, send


class MessageTests(SynchronousTestCase):
    """What goes over a socket."""

    def setUp(self) -> None:
        """Have both ends of one."""
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def test_all_of_it(self) -> None:
        """Words, bytes and files come as they went."""
        fd = os.memfd_create("test")
        os.write(fd, b"content")
        send(self.ours, {"a": [1, "\udc80x"]}, [b"one", b"two"], [fd, fd])
        os.close(fd)
        message = receive(self.theirs, monotonic() + 5)
        self.assertEqual((message.words, message.data), ({"a": [1, "\udc80x"]}, b"onetwo"))
        self.assertEqual([os.pread(one, 99, 0) for one in message.files], [b"content"] * 2)
        message.close()

    def test_nothing(self) -> None:
        """The wait for a message has an end."""
        self.assertRaises(TooLate, receive, self.theirs, monotonic() + 0.01)

    def test_gone(self) -> None:
        """The end of the other side is an error, before a message and in one."""
        self.ours.sendall(struct.pack(">IIH", 10, 0, 0) + b"{}")
        self.ours.close()
        self.assertRaises(BadMessage, receive, self.theirs, monotonic() + 5)
        self.assertRaises(BadMessage, receive, self.theirs, monotonic() + 5)

    def test_nonsense(self) -> None:
        """What is no message is an error, without being waited for or kept."""
        for data in (
            struct.pack(">IIH", 1 << 30, 0, 0),
            struct.pack(">IIH", 2, 1 << 31, 0) + b"{}",
            struct.pack(">IIH", 2, 0, 3) + b"{}",
            struct.pack(">IIH", 2, 0, 0) + b"[]",
            struct.pack(">IIH", 2, 0, 0) + b"\xff\xff",
            struct.pack(">IIH", 4000, 0, 0) + b"[" * 4000,
        ):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.sendall(data)
                self.assertRaises(BadMessage, receive, theirs, monotonic() + 5)
