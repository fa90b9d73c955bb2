"""What tests of upstream connections and of their pool share: a transport, who asks, and a pool."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.deadlines import Deadlines
from gateway.net.pool import Pool
from gateway.net.upstream import UpstreamConnection
from gateway.wire.events import ResponseHead
from gateway.wire.limits import HeadLimits

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Wire:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.sent = b""
        self.done: list[str] = []
        self.queued = 0
        self.producer: Any = None
        self.readSize = 0

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.sent += data

    def writeSequence(self, parts: list[bytes]) -> None:
        """Take bytes."""
        self.sent += b"".join(parts)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take a producer."""
        assert streaming and self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Let it go."""
        self.producer = None

    def loseConnection(self) -> None:
        """Note it."""
        self.done.append("close")

    def abortConnection(self) -> None:
        """Note it."""
        self.done.append("reset")

    def pauseProducing(self) -> None:
        """Note it."""
        self.done.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.done.append("resume")


class Asking:
    """
    An answering side that notes what it is told.

    @ivar then: called when the answer is complete.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.then: Any = lambda: None

    def interim(self, head: ResponseHead) -> None:
        """Note it."""
        self.told.append(head.status)

    def answered(self, head: ResponseHead) -> None:
        """Note it."""
        self.told.append(head.status)

    def received(self, data: bytes | memoryview) -> None:
        """Note it."""
        self.told.append(bytes(data))

    def settled(self) -> None:
        """Note it."""
        self.told.append("settled")

    def whole(
        self, head: ResponseHead, content: bytes | memoryview, trailers: tuple[bytes, ...]
    ) -> None:
        """Note all of it."""
        self.told += [head.status, bytes(content)]
        self.ended(trailers)

    def ended(self, trailers: tuple[bytes, ...]) -> None:
        """Note it."""
        self.told.append(("end", *trailers) if trailers else "end")
        self.then()

    def lost(self, error: Exception) -> None:
        """Note what it was."""
        self.told.append(type(error).__name__)


class UpstreamCase(SynchronousTestCase):
    """A pool, and connections of it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.pool = Pool(Deadlines(self.clock), idle_seconds=30.0, per_key=2, limits=HeadLimits())
        self.asking = Asking()

    def connection(self, key: Hashable = "a") -> tuple[UpstreamConnection, Wire]:
        """Make one, with its transport."""
        made = self.pool.new(key)
        wire = Wire()
        made.makeConnection(wire)
        return made, wire

    def asked(self, method: bytes = b"GET") -> tuple[UpstreamConnection, Wire]:
        """Make one that was asked for something."""
        made, wire = self.connection()
        made.ask(method, GET, self.asking)
        return made, wire

    def kept(self, key: Hashable = "a") -> tuple[UpstreamConnection, Wire]:
        """Make one that has had its first answer."""
        made, wire = self.connection(key)
        made.ask(b"GET", GET, Asking())
        made.dataReceived(HELLO)
        return made, wire
