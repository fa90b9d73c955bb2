"""Tests of L{gateway.net.reactor}."""

import contextlib
import errno
import os
import socket
import time
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


class EventTestCase(SynchronousTestCase):
    """A reactor whose rounds the test turns, and what its ends note."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = SlimEPollReactor()
        self.addCleanup(self.reactor._poller.close)


class StaleEventTests(EventTestCase):
    """Events of a descriptor that another event of the same round closed."""

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


class DispatchTests(EventTestCase):
    """What becomes of an event that is not stale."""

    def end(self, act: Callable[[], None] | None = None) -> End:
        """Make an end that is read from."""
        made = End(self.log, "end", act)
        self.addCleanup(made.close)
        self.reactor.addReader(made)
        return made

    def test_fault(self) -> None:
        """What a descriptor raises is logged and ends it, and no other one."""

        def fail() -> None:
            raise LookupError("a bug")

        failing, other = self.end(fail), self.end()
        for each in (failing, other):
            each.make_readable()
        self.reactor.doPoll(0)
        self.assertEqual(sorted(self.log), ["end", "end", "end lost"])
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        self.assertEqual(self.reactor.getReaders().count(failing), 0)
        self.assertIn(other, self.reactor.getReaders())
        self.reactor.removeReader(other)

    def test_hang_up(self) -> None:
        """A hang-up with bytes still unread lets them be read first."""
        end = self.end()
        end.make_readable()
        end._peer.close()
        self.reactor.doPoll(0)
        self.assertEqual(self.log[0], "end")

    def test_interrupted(self) -> None:
        """A signal that comes while it waits ends the wait and nothing else."""

        class Interrupted:
            def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
                raise InterruptedError(errno.EINTR, "a signal")

        poller, self.reactor._poller = self.reactor._poller, Interrupted()
        self.reactor.doPoll(0)
        self.reactor._poller = poller

    def test_clock(self) -> None:
        """Its clock is one that nobody can set."""
        before = time.monotonic()
        self.assertTrue(before <= self.reactor.seconds() <= time.monotonic())


class RegistrationTests(SynchronousTestCase):
    """Who is watched for what."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = SlimEPollReactor()
        self.addCleanup(self.reactor._poller.close)
        self.end = End(self.log, "end")
        self.addCleanup(self.end.close)

    def test_turn(self) -> None:
        """What was watched for room is watched for bytes alone from then on."""
        self.reactor.addWriter(self.end)
        self.reactor.turn(self.end)
        self.end.make_readable()
        self.reactor.doPoll(0)
        self.assertEqual(self.log, ["end"])
        self.assertNotIn(self.end, self.reactor.getWriters())
        self.assertIn(self.end, self.reactor.getReaders())

    def test_turn_otherwise(self) -> None:
        """It is watched for bytes alone also where room was not watched for, or bytes were as well."""
        for before in ([], [self.reactor.addReader, self.reactor.addWriter]):
            for watch in before:
                watch(self.end)
            self.reactor.turn(self.end)
            self.assertIn(self.end, self.reactor.getReaders())
            self.assertNotIn(self.end, self.reactor.getWriters())

    def test_forget(self) -> None:
        """One that is forgotten hears of nothing, and its number is free; again is harmless."""
        self.reactor.addReader(self.end)
        self.reactor.addWriter(self.end)
        for _ in range(2):
            self.reactor.forget(self.end)
        self.end.make_readable()
        self.reactor.doPoll(0)
        self.assertEqual(self.log, [])
        self.assertNotIn(self.end, self.reactor.getReaders() + self.reactor.getWriters())
        self.reactor.addReader(self.end)
        self.reactor.doPoll(0)
        self.assertEqual(self.log, ["end"])

    def test_both(self) -> None:
        """Who reads and writes and then stops one of them goes on with the other."""
        self.reactor.addReader(self.end)
        self.reactor.addWriter(self.end)
        self.reactor.removeWriter(self.end)
        self.assertIn(self.end, self.reactor.getReaders())
        self.reactor.addWriter(self.end)
        self.reactor.removeReader(self.end)
        self.assertEqual(self.reactor.getReaders().count(self.end), 0)
        self.assertIn(self.end, self.reactor.getWriters())

    def test_file(self) -> None:
        """A file, which epoll does not take, is read and forgotten as in the stock reactor."""
        with open(__file__, "rb") as file:
            self.reactor.addReader(file)
            self.assertIn(file, self.reactor.getReaders())
            self.reactor.forget(file)
            self.assertNotIn(file, self.reactor.getReaders())


class Leaver(End):
    """One that is to be closed."""

    def part(self) -> None:
        """Note it and act."""
        self._log.append(f"{self._name} parts")
        if self.act is not None:
            self.act()


class PartingTests(SynchronousTestCase):
    """L{SlimEPollReactor.part_soon}."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = SlimEPollReactor()
        self.addCleanup(self.reactor._poller.close)

    def leaver(self, act: Callable[[], None] | None = None) -> Leaver:
        """Make one that is read."""
        made = Leaver(self.log, "one", act)
        self.addCleanup(made.close)
        self.reactor.addReader(made)
        return made

    def test_next_turn(self) -> None:
        """It is closed at the beginning of the next turn, once, and what came for it is nobody's."""
        one = self.leaver()
        one.make_readable()
        self.reactor.part_soon(one)
        self.assertEqual(self.log, [])
        self.assertNotIn(one, self.reactor.getReaders())
        for _ in range(2):
            self.reactor.doPoll(0)
        self.assertEqual(self.log, ["one parts"])

    def test_fault(self) -> None:
        """One that fails is logged, and the next is closed."""

        def fail() -> None:
            raise LookupError("a bug")

        for act in (fail, None):
            self.reactor.part_soon(self.leaver(act))
        self.reactor.doPoll(0)
        self.assertEqual(self.log, ["one parts", "one parts"])
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_end_of_all(self) -> None:
        """Who is still to be closed when everybody is disconnected is told as the others are, and once."""
        self.reactor.part_soon(self.leaver())
        self.reactor.disconnectAll()
        self.reactor.doPoll(0)
        self.assertEqual(self.log, ["one lost"])

    def test_what_follows(self) -> None:
        """What one sets going, a timer or another's end, comes before any waiting; at the end of the loop too."""
        other = self.leaver()

        def act() -> None:
            self.reactor.part_soon(other)
            self.reactor.callLater(0, self.reactor.crash)

        self.reactor.callLater(0, self.reactor.part_soon, self.leaver(act))
        late = self.reactor.callLater(60, self.fail)
        self.reactor.startRunning(installSignalHandlers=False)
        self.reactor.mainLoop()
        self.assertEqual(self.log, ["one parts", "one parts"])
        late.cancel()


class LoopTests(SynchronousTestCase):
    """The loop, on a reactor of its own."""

    def test_in_turn(self) -> None:
        """Timers run when they are due, what they plan as well, and a stop ends the loop at once."""
        reactor = SlimEPollReactor()
        self.addCleanup(reactor._poller.close)
        seen: list[str] = []

        def second() -> None:
            seen.append("second")
            reactor.callLater(0, third)

        def third() -> None:
            seen.append("third")
            reactor.crash()

        reactor.callLater(0.01, seen.append, "first")
        reactor.callLater(0.02, second)
        late = reactor.callLater(60, seen.append, "too late")
        reactor.startRunning(installSignalHandlers=False)
        reactor.mainLoop()
        self.assertEqual(seen, ["first", "second", "third"])
        late.cancel()

    def test_fault(self) -> None:
        """What a round fails with is logged, and the next one comes."""
        reactor = SlimEPollReactor()
        self.addCleanup(reactor._poller.close)
        rounds: list[float | None] = []

        def poll(timeout: float | None) -> None:
            rounds.append(timeout)
            if len(rounds) == 2:
                reactor.crash()
            else:
                raise LookupError("a bug")

        reactor.doPoll = poll  # type: ignore[method-assign]
        reactor.startRunning(installSignalHandlers=False)
        reactor.mainLoop()
        self.assertEqual(len(rounds), 2)
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
