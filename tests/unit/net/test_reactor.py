"""Tests of L{gateway.net.reactor}."""

import contextlib
import os
import socket
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.reactor import SlimEPollReactor


class End:
    """One end of a socket pair that notes its turns and does one thing at the first."""

    def __init__(self, log: list[str], name: str, act: Callable[[], None] | None = None) -> None:
        self._socket, self._peer = socket.socketpair()
        self._socket.setblocking(False)
        self._log = log
        self._name = name
        self.act = act

    def make_readable(self) -> None:
        """Let the other end send something."""
        self._peer.send(b"x")

    def send_and_break_off(self) -> None:
        """Let the other end send something and go away with unread bytes: readable, hung up and in error."""
        self._socket.send(b"unread")
        self._peer.send(b"x")
        self._peer.close()

    def take_number(self, number: int) -> None:
        """Become the owner of a free descriptor's number."""
        os.dup2(self.fileno(), number)
        self._socket.close()
        self._socket = socket.socket(fileno=number)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Free the descriptors."""
        self._socket.close()
        self._peer.close()

    def doRead(self) -> None:
        """Note it, take what is there and act."""
        self._log.append(self._name)
        with contextlib.suppress(BlockingIOError):
            self._socket.recv(100)
        if self.act is not None:
            self.act()

    def connectionLost(self, reason: object) -> None:
        """Note it."""
        self._log.append(f"{self._name} lost")

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it for the log."""
        return self._name


class StaleEventTests(SynchronousTestCase):
    """Events of a descriptor that another event of the same round closed."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = SlimEPollReactor()
        self.addCleanup(self.reactor._poller.close)

    def replaced(self, prepare: Callable[[End], None]) -> End:
        """Make two ends ready; the one that has its turn closes the other, whose number a new one gets."""
        ends = [End(self.log, "first"), End(self.log, "second")]
        new = End(self.log, "new")

        def replace(other: End) -> None:
            number = other.fileno()
            self.reactor.removeReader(other)
            other.close()
            new.take_number(number)
            self.reactor.addReader(new)

        for end, other in (ends, reversed(ends)):
            end.act = lambda other=other: replace(other)
            self.reactor.addReader(end)
        for end in ends:
            prepare(end)
        self.reactor.doPoll(0)
        for end in (*ends, new):
            # Cleaning up runs backwards: out of the reactor first.
            self.addCleanup(end.close)
            self.addCleanup(self.reactor.removeReader, end)
        return new

    def test_readable_number_used_again(self) -> None:
        """A new connection with a closed one's number does not get the closed one's turn."""
        self.replaced(End.make_readable)
        self.assertEqual(len(self.log), 1)
        self.assertNotIn("new", self.log)

    def test_broken_number_used_again(self) -> None:
        """A hang-up of a closed connection does not end the new one that has its number."""
        self.replaced(End.send_and_break_off)
        self.assertNotIn("new lost", self.log)
        self.assertNotIn("new", self.log)

    def test_new_one_has_its_own_turn(self) -> None:
        """The new connection is served in the next round."""
        new = self.replaced(End.make_readable)
        new.make_readable()
        self.reactor.doPoll(0)
        self.assertIn("new", self.log)
