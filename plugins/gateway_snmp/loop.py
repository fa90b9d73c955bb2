"""
The thread that sends: one for all receivers, with a loop of its own over their sockets.

pysnmp computes for milliseconds, and longer when it is imported; none of that may happen in the reactor's thread. Each
receiver has its own engine and its own queue, so one that does not answer holds up nobody else. Whatever ends the thread
fails what it had to do, and the next notification starts another one.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway_snmp.identity import Identity
from gateway_snmp.notification import Notification
from gateway_snmp.refusals import Refused
from gateway_snmp.settings import Receiver
from gateway_snmp.tree import NOTIFICATIONS, PLAYPEN

#: How long after a trap a router or the receiver's machine has to say that nobody is there, in seconds.
GRACE_SECONDS: Final = 0.2
#: How long the thread waits when nothing is to be done; only cancelled work is looked for then.
_IDLE_SECONDS: Final = 60.0
_MOST_BYTES: Final = 65535


class Engine(Protocol):
    """What makes and understands messages: L{gateway_snmp.engine.ReceiverEngine}."""

    is_done: bool

    def trap(self, notification: Notification) -> bytes:
        """Make the message of a trap."""

    def inform(self, notification: Notification) -> bytes:
        """Begin an inform."""

    def received(self, datagram: bytes) -> bytes:
        """Take an answer, and give what to say next."""

    def give_up(self) -> None:
        """Forget the inform that is under way."""


@dataclass(slots=True, eq=False)
class Job:
    """
    One notification to one receiver.

    @ivar place: its number among the receivers.
    @ivar where: family and address of the socket to be connected.
    @ivar is_inform: wait until it is acknowledged.
    @ivar ended: called once in the thread, with why it was not sent; empty: it was.
    @ivar is_cancelled: nobody waits for it any more.
    """

    place: int
    where: tuple[int, Any]
    notification: Notification
    is_inform: bool
    ended: Callable[[str], None]
    is_cancelled: bool = False


class SendingThread:
    """The thread, as the reactor's thread sees it; it can be given work from any thread."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        make: Callable[[Receiver], Engine],
        gone: Callable[[str], None],
    ) -> None:
        """
        Prepare; L{start} starts it.

        @param make: makes a receiver's engine; called in the thread.
        @param gone: called in the thread when it ends, with why; empty: it was told to.
        """
        self._receivers = receivers
        self._make = make
        self._gone = gone
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._is_over = False
        self._is_told_to_stop = False
        self._waker, self._wakes = socket.socketpair()
        self._waker.setblocking(False)
        self._wakes.setblocking(False)

    def start(self) -> None:
        """Start it."""
        threading.Thread(target=self._run, name="snmp", daemon=True).start()

    def submit(self, job: Job) -> bool:
        """Give it work; C{False}: it has ended and takes none."""
        with self._lock:
            if self._is_over:
                return False
            self._jobs.append(job)
        self.wake()
        return True

    def stop(self) -> None:
        """End it soon; what it still has to do fails."""
        self._is_told_to_stop = True
        self.wake()

    def wake(self) -> None:
        """Let it look at what has changed."""
        # A full buffer wakes it as well.
        with contextlib.suppress(OSError):
            self._waker.send(b".")

    def _run(self) -> None:
        why = ""
        exchanges: list[_Exchanges] = []
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wakes, selectors.EVENT_READ)
                for receiver in self._receivers:
                    if self._is_told_to_stop:
                        return
                    exchanges.append(_Exchanges(receiver, self._make, selector))
                while not self._is_told_to_stop:
                    self._turn(selector, exchanges)
        except BaseException as error:
            # Its text may be anything.
            why = f"the sending thread ended by {type(error).__name__}"
        finally:
            self._end(exchanges, why)

    def _turn(self, selector: selectors.BaseSelector, exchanges: list[_Exchanges]) -> None:
        now = time.monotonic()
        due = min((one.deadline for one in exchanges), default=now + _IDLE_SECONDS)
        for key, _ in selector.select(max(0.0, min(due - now, _IDLE_SECONDS))):
            if key.fileobj is self._wakes:
                self._wakes.recv(4096)
            else:
                key.data.readable()
        while True:
            with self._lock:
                job = self._jobs.popleft() if self._jobs else None
            if job is None:
                break
            exchanges[job.place].add(job)
        now = time.monotonic()
        for one in exchanges:
            one.look(now)

    def _end(self, exchanges: list[_Exchanges], why: str) -> None:
        with self._lock:
            self._is_over = True
            left = list(self._jobs)
            self._jobs.clear()
            self._waker.close()
        self._wakes.close()
        said = why or "the plugin was stopped"
        for one in exchanges:
            one.fail_all(said)
        for job in left:
            job.ended(said)
        self._gone(why)


class _Exchanges:
    """
    What goes on with one receiver: one notification at a time.

    @ivar deadline: when to L{look} again.
    """

    def __init__(
        self,
        receiver: Receiver,
        make: Callable[[Receiver], Engine],
        selector: selectors.BaseSelector,
    ) -> None:
        self.deadline = float("inf")
        self._receiver = receiver
        self._selector = selector
        self._waiting: deque[Job] = deque()
        self._job: Job | None = None
        self._socket: socket.socket | None = None
        self._message = b""
        self._left = 0
        self._engine: Engine | None = None
        self._fault = ""
        try:
            self._engine = make(receiver)
        except Exception as error:
            self._fault = _said(error)

    def add(self, job: Job) -> None:
        """Take another notification; L{look} begins with it."""
        self._waiting.append(job)
        if self._job is None:
            self.deadline = 0.0

    def look(self, now: float) -> None:
        """Do what is due."""
        if self._job is not None and self._job.is_cancelled:
            self._end("nobody waits for it any more")
        if self._job is not None and now >= self.deadline:
            self._late(now)
        while self._job is None and self._waiting:
            self._begin(self._waiting.popleft(), now)

    def readable(self) -> None:
        """Take what came: an answer, or word that nobody is there."""
        if self._socket is None or self._job is None or self._engine is None:
            return
        try:
            datagram = self._socket.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(self._unreachable(error))
            return
        if not self._job.is_inform:
            return
        try:
            answer = self._engine.received(datagram)
        except Refused as error:
            self._end(str(error))
            return
        if self._engine.is_done:
            self._end("")
        elif answer:
            self._left = self._receiver.retries
            self._say(answer)

    def fail_all(self, why: str) -> None:
        """End everything."""
        if self._job is not None:
            self._end(why)
        while self._waiting:
            self._waiting.popleft().ended(why)

    def _begin(self, job: Job, now: float) -> None:
        if job.is_cancelled:
            job.ended("nobody waits for it any more")
            return
        self._job = job
        if self._engine is None:
            self._end(self._fault)
            return
        self._left = self._receiver.retries
        family, address = job.where
        try:
            message = (
                self._engine.inform(job.notification)
                if job.is_inform
                else self._engine.trap(job.notification)
            )
            # Connected, so that only the receiver is heard, and what routers say of it.
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect(address)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        except OSError as error:
            self._end(self._unreachable(error))
            return
        except Exception as error:
            self._end(_said(error))
            return
        self._say(message)

    def _say(self, message: bytes) -> None:
        assert self._socket is not None and self._job is not None
        self._message = message
        try:
            self._socket.send(message)
        except OSError as error:
            self._end(self._unreachable(error))
            return
        wait = self._receiver.timeout if self._job.is_inform else GRACE_SECONDS
        self.deadline = time.monotonic() + wait

    def _late(self, now: float) -> None:
        assert self._job is not None
        if not self._job.is_inform:
            self._end("")
        elif self._left:
            self._left -= 1
            self._say(self._message)
        else:
            to = self._receiver
            seconds = to.timeout * (to.retries + 1)
            self._end(
                f"no answer from {to.address} within {seconds:g} s: it is not there, or does not accept the "
                f"{'community' if to.version != '3' else 'user with these passphrases'}"
            )

    def _unreachable(self, error: OSError) -> str:
        if isinstance(error, ConnectionRefusedError):
            return f"nobody listens at {self._receiver.address}"
        return (
            f"{self._receiver.address} can't be reached: {error.strerror or type(error).__name__}"
        )

    def _end(self, why: str) -> None:
        job, self._job = self._job, None
        self.deadline = 0.0 if self._waiting else float("inf")
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None
        if self._engine is not None and job is not None and job.is_inform:
            with contextlib.suppress(Exception):
                self._engine.give_up()
        if job is not None:
            job.ended(why)


def _said(error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error)
    # A library's exceptions may quote keys.
    return f"the message can't be made: {type(error).__name__}"


def engines(identity: Identity) -> Callable[[Receiver], Engine]:
    """Give what makes the engines of one start; the library is imported when the first one is made."""

    def make(receiver: Receiver) -> Engine:
        from gateway_snmp.engine import ReceiverEngine

        made = ReceiverEngine(receiver, identity)
        # The first message takes ten times as long as the others, so it is one that is not sent.
        made.trap(Notification((*PLAYPEN, NOTIFICATIONS, 1), ()))
        return made

    return make
