"""
Sending, as the reactor's thread sees it: a Deferred for each notification, and a thread that is started anew if it ended.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Counter, Log, Overloaded, Threads
from gateway.api.alarms import DeliveryFailed
from gateway_snmp.loop import Engine, Job, SendingThread
from gateway_snmp.notification import Notification
from gateway_snmp.settings import Receiver

Post = Callable[..., object]


class Sender:
    """Sends to all receivers of one plugin object."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        make: Callable[[Receiver], Engine],
        post: Post,
        log: Log,
        restarts: Counter,
    ) -> None:
        """
        Prepare; nothing is started.

        @param make: makes a receiver's engine, in the thread.
        @param post: has a function called in the reactor's thread, from any other.
        @param restarts: counts threads that ended unasked.
        """
        self._receivers = receivers
        self._make = make
        self._post = post
        self._log = log
        self._restarts = restarts
        self._thread: SendingThread | None = None
        self._stopping: Deferred[None] | None = None

    def start(self) -> None:
        """Start the thread, which imports the library and prepares the engines."""
        thread: SendingThread

        def gone(why: str) -> None:
            self._post(self._gone, thread, why)

        self._thread = thread = SendingThread(self._receivers, self._make, gone)
        thread.start()

    def stop(self) -> Deferred[None]:
        """End the thread; fires when it has ended, and what it had to do has failed."""
        stopping = self._stopping = Deferred()
        if self._thread is None:
            stopping.callback(None)
        else:
            self._thread.stop()
        return stopping

    def send(
        self, place: int, where: tuple[int, Any], notification: Notification, *, is_inform: bool
    ) -> Deferred[None]:
        """
        Send to the receiver of this number, after what it gets already.

        @param where: family and address of the socket.
        @return: fires when a trap has left or an inform was acknowledged; fails with L{DeliveryFailed}. Cancelling it
            takes back what was not sent yet.
        """
        thread = self._thread

        def cancel(_: object) -> None:
            job.is_cancelled = True
            if self._thread is not None:
                self._thread.wake()

        sent: Deferred[None] = Deferred(cancel)

        def ended(why: str) -> None:
            self._post(_fire, sent, why)

        job = Job(place, where, notification, is_inform, ended)
        if self._stopping is not None:
            _fire(sent, "the plugin was stopped")
        elif thread is None or not thread.submit(job):
            self.start()
            assert self._thread is not None
            self._thread.submit(job)
        return sent

    def _gone(self, thread: SendingThread, why: str) -> None:
        if why:
            self._restarts.inc()
            self._log.error("{why}; the next notification starts another", why=why)
        if self._thread is thread:
            self._thread = None
            if self._stopping is not None:
                self._stopping.callback(None)


def _fire(sent: Deferred[None], why: str) -> None:
    if sent.called:
        return
    if why:
        sent.errback(DeliveryFailed(why))
    else:
        sent.callback(None)


async def resolve(receiver: Receiver, threads: Threads) -> tuple[int, Any]:
    """
    Find the address of a receiver, by the system's resolver unless it is one already.

    @raise DeliveryFailed: there is none.
    """
    address = receiver.address
    try:
        literal = ipaddress.ip_address(address.host)
    except ValueError:
        pass
    else:
        family = socket.AF_INET6 if literal.version == 6 else socket.AF_INET
        return family, (address.host, address.port)
    try:
        found = await threads.run("directory", _look_up, address.host, address.port)
    except Overloaded as error:
        raise DeliveryFailed(str(error)) from None
    except OSError as error:
        raise DeliveryFailed(
            f"the name {address.host} has no address: {error.strerror or type(error).__name__}"
        ) from None
    return found


def _look_up(host: str, port: int) -> tuple[int, Any]:
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    return family, where
