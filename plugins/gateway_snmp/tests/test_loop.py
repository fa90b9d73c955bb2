"""Tests of the thread that sends, with scripted engines and real sockets on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway_snmp.loop import Engine, Job, SendingThread
from gateway_snmp.notification import Notification
from gateway_snmp.refusals import Refused
from gateway_snmp.settings import Receiver
from gateway_snmp.tests.examples import receiver

#: What no wait may outlast, in seconds.
PATIENCE = 10.0
NOTIFICATION = Notification((1, 3), ())


class ScriptedEngine:
    """Says C{trap} and C{inform}; C{ok} acknowledges, C{no} refuses, C{more} asks for C{again}."""

    def __init__(self) -> None:
        self.is_done = False
        self.given_up = 0
        self.broken: BaseException | None = None

    def trap(self, notification: Notification) -> bytes:
        """Make the message of a trap."""
        if self.broken is not None:
            raise self.broken
        return b"trap"

    def inform(self, notification: Notification) -> bytes:
        """Begin an inform."""
        self.is_done = False
        return b"inform"

    def received(self, datagram: bytes) -> bytes:
        """Take an answer."""
        if datagram == b"no":
            raise Refused("it says no")
        self.is_done = datagram == b"ok"
        return b"again" if datagram == b"more" else b""

    def give_up(self) -> None:
        """Forget the inform."""
        self.given_up += 1


class LoopTestCase(SynchronousTestCase):
    """Tests with a thread."""

    def setUp(self) -> None:
        self.gone: Queue[str] = Queue()
        self.ended: Queue[tuple[str, str]] = Queue()
        self.engines: list[ScriptedEngine] = []

    def there(self) -> socket.socket:
        """Listen."""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.settimeout(PATIENCE)
        self.addCleanup(made.close)
        return made

    def started(
        self, *receivers: Receiver, make: Callable[[Receiver], Engine] | None = None
    ) -> SendingThread:
        """Start a thread, which ends with the test."""
        thread = SendingThread(receivers, make or self._make, self.gone.put)
        thread.start()
        self.addCleanup(self._ends, thread)
        return thread

    def _make(self, to: Receiver) -> Engine:
        self.engines.append(ScriptedEngine())
        return self.engines[-1]

    def _ends(self, thread: SendingThread) -> None:
        thread.stop()
        running = [one for one in threading.enumerate() if one.name == "snmp"]
        for one in running:
            one.join(PATIENCE)
            self.assertFalse(one.is_alive())

    def job(self, to: Any, name: str = "a", *, place: int = 0, is_inform: bool = False) -> Job:
        """Make a job whose end is noted."""
        where = to.getsockname() if isinstance(to, socket.socket) else to
        return Job(
            place,
            (socket.AF_INET, where),
            NOTIFICATION,
            is_inform,
            lambda why: self.ended.put((name, why)),
        )

    def end(self) -> tuple[str, str]:
        """Wait for the end of a job: its name, and why it failed."""
        return self.ended.get(timeout=PATIENCE)

    def assertNothing(self) -> None:
        """No job has ended."""
        self.assertRaises(Empty, self.ended.get_nowait)


class TrapTests(LoopTestCase):
    """Traps."""

    def test_sent(self) -> None:
        """Traps to one receiver leave one after the other, and count as sent."""
        there = self.there()
        thread = self.started(receiver())
        for name in "ab":
            self.assertTrue(thread.submit(self.job(there, name)))
        self.assertEqual([self.end(), self.end()], [("a", ""), ("b", "")])
        self.assertEqual([there.recv(100), there.recv(100)], [b"trap", b"trap"])

    def test_ipv6(self) -> None:
        """A receiver may be reached by IPv6."""
        there = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(there.close)
        there.bind(("::1", 0))
        there.settimeout(PATIENCE)
        thread = self.started(receiver())
        job = self.job(("::1", there.getsockname()[1]))
        job.where = (socket.AF_INET6, job.where[1])
        thread.submit(job)
        self.assertEqual(there.recv(100), b"trap")
        self.assertEqual(self.end(), ("a", ""))

    def test_nobody_there(self) -> None:
        """A machine that says that nobody listens fails the trap, though it has left."""
        there = self.there()
        where = there.getsockname()
        there.close()
        thread = self.started(receiver())
        thread.submit(self.job(where))
        self.assertEqual(self.end(), ("a", "nobody listens at 127.0.0.1:162"))

    def test_unreachable(self) -> None:
        """What the kernel can't send is said."""
        thread = self.started(receiver())
        thread.submit(self.job(("255.255.255.255", 9)))
        name, why = self.end()
        self.assertIn("can't be reached", why)

    def test_engine_that_can_not(self) -> None:
        """A message that can't be made fails without what a library says of it."""
        thread = self.started(receiver())
        there = self.there()
        thread.submit(self.job(there))
        self.end()
        self.engines[0].broken = ValueError("the passphrase is abc")
        thread.submit(self.job(there))
        self.assertEqual(self.end(), ("a", "the message can't be made: ValueError"))
        self.engines[0].broken = None
        thread.submit(self.job(there))
        self.assertEqual(self.end(), ("a", ""))

    def test_engine_that_is_not_made(self) -> None:
        """A receiver whose engine can't be made fails its own notifications, and no other's."""

        def make(to: Receiver) -> Engine:
            if to.address.port == 1:
                raise Refused("its settings are wrong")
            return ScriptedEngine()

        thread = self.started(receiver(port=1), receiver(port=2), make=make)
        there = self.there()
        thread.submit(self.job(there, "a"))
        thread.submit(self.job(there, "b", place=1))
        self.assertEqual({self.end(), self.end()}, {("a", "its settings are wrong"), ("b", "")})


class InformTests(LoopTestCase):
    """Informs."""

    def test_acknowledged(self) -> None:
        """An inform ends when the receiver has acknowledged it, whatever it asked before."""
        there = self.there()
        thread = self.started(receiver(inform=True))
        thread.submit(self.job(there, is_inform=True))
        message, peer = there.recvfrom(100)
        self.assertEqual(message, b"inform")
        there.sendto(b"noise", peer)
        there.sendto(b"more", peer)
        self.assertEqual(there.recv(100), b"again")
        self.assertNothing()
        there.sendto(b"ok", peer)
        self.assertEqual(self.end(), ("a", ""))

    def test_sent_again(self) -> None:
        """An inform without an answer is sent again, so often and no more, and then fails."""
        there = self.there()
        thread = self.started(receiver(inform=True, timeout=0.05, retries=2))
        thread.submit(self.job(there, is_inform=True))
        name, why = self.end()
        self.assertIn("no answer from 127.0.0.1:162 within 0.15 s", why)
        there.setblocking(False)
        for _ in range(3):
            self.assertEqual(there.recv(100), b"inform")
        self.assertRaises(BlockingIOError, there.recv, 100)
        self.assertGreaterEqual(self.engines[0].given_up, 1)

    def test_refused(self) -> None:
        """What the receiver has against it ends the inform at once."""
        there = self.there()
        thread = self.started(receiver(inform=True))
        thread.submit(self.job(there, is_inform=True))
        _, peer = there.recvfrom(100)
        there.sendto(b"no", peer)
        self.assertEqual(self.end(), ("a", "it says no"))

    def test_stranger(self) -> None:
        """An answer from any other address than the receiver's is not heard."""
        there, stranger = self.there(), self.there()
        thread = self.started(receiver(inform=True, timeout=0.2, retries=0))
        thread.submit(self.job(there, is_inform=True))
        _, peer = there.recvfrom(100)
        stranger.sendto(b"ok", peer)
        self.assertIn("no answer", self.end()[1])

    def test_one_does_not_hold_up_another(self) -> None:
        """While one receiver is waited for, another one gets what is for it."""
        silent, there = self.there(), self.there()
        thread = self.started(receiver(inform=True, timeout=60.0), receiver(port=163))
        thread.submit(self.job(silent, "a", is_inform=True))
        silent.recv(100)
        for name in "bc":
            thread.submit(self.job(there, name, place=1))
        self.assertEqual([self.end(), self.end()], [("b", ""), ("c", "")])
        self.assertNothing()

    def test_more_to_do(self) -> None:
        """What comes for a receiver meanwhile changes nothing about the inform that is under way."""
        there, other = self.there(), self.there()
        thread = self.started(receiver(inform=True, timeout=60.0), receiver(port=163))
        for name in "ab":
            thread.submit(self.job(there, name, is_inform=True))
        _, peer = there.recvfrom(100)
        # When this one has ended, those before it were looked at.
        thread.submit(self.job(other, "c", place=1))
        self.assertEqual(self.end(), ("c", ""))
        there.setblocking(False)
        self.assertRaises(BlockingIOError, there.recv, 100)
        there.setblocking(True)
        for name in "ab":
            there.sendto(b"ok", peer)
            self.assertEqual(self.end(), (name, ""))
            if name == "a":
                _, peer = there.recvfrom(100)

    def test_cancelled(self) -> None:
        """What nobody waits for any more ends, and the next one begins."""
        there = self.there()
        thread = self.started(receiver(inform=True, timeout=60.0))
        first, second = self.job(there, "a", is_inform=True), self.job(there, "b", is_inform=True)
        thread.submit(first)
        thread.submit(second)
        there.recv(100)
        first.is_cancelled = True
        thread.wake()
        self.assertEqual(self.end()[0], "a")
        _, peer = there.recvfrom(100)
        there.sendto(b"ok", peer)
        self.assertEqual(self.end(), ("b", ""))


class EndTests(LoopTestCase):
    """The end of the thread."""

    def test_stopped(self) -> None:
        """What it still has to do fails, and it takes no more."""
        there = self.there()
        thread = self.started(receiver(inform=True, timeout=60.0))
        for name in "ab":
            thread.submit(self.job(there, name, is_inform=True))
        there.recv(100)
        thread.stop()
        self.assertEqual({self.end()[0], self.end()[0]}, {"a", "b"})
        self.assertEqual(self.gone.get(timeout=PATIENCE), "")
        self.assertFalse(thread.submit(self.job(there)))
        thread.wake()

    def test_broken(self) -> None:
        """A thread that breaks fails what it had to do, and says so without the words of what broke it."""

        class Broken(ScriptedEngine):
            def received(self, datagram: bytes) -> bytes:
                raise SystemError("the passphrase is abc")

        there = self.there()
        thread = self.started(receiver(inform=True), make=lambda to: Broken())
        thread.submit(self.job(there, "a", is_inform=True))
        thread.submit(self.job(there, "b", is_inform=True))
        _, peer = there.recvfrom(100)
        there.sendto(b"ok", peer)
        why = "the sending thread ended by SystemError"
        self.assertEqual({self.end(), self.end()}, {("a", why), ("b", why)})
        self.assertEqual(self.gone.get(timeout=PATIENCE), why)
        self.assertFalse(thread.submit(self.job(there)))
