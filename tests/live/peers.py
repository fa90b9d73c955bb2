"""
Clients, origins and links for live tests, written with blocking sockets and threads.

They share no code with the gateway, so that both can't agree on the same mistake. An origin does what the path says; a
client reads exactly what is there, byte for byte.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import PATIENCE

_BLOCK = bytes(1 << 16)


class Closed(Exception):
    """The peer closed in order, before what was waited for came."""


@dataclass
class Head:
    """
    First line and fields of a message.

    @ivar first: the three words of the first line.
    @ivar fields: values by name in lower case.
    """

    first: list[str]
    fields: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Give the values of a field in one, empty if there is none."""
        return ", ".join(self.fields.get(name, ()))


@dataclass
class Answer:
    """
    One response.

    @ivar interim: the 1xx responses before it.
    """

    head: Head
    content: bytes = b""
    interim: list[Head] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Give the status code."""
        return int(self.head.first[1])


def reset(connected: socket.socket) -> None:
    """Close with a reset in place of an orderly end."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


class Stream:
    """A connected socket with a buffer, for either side of HTTP/1.1."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE)
        self.socket = connected
        self.unread = b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def _more(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            raise Closed
        self.unread += data

    def exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        parts = []
        while count:
            if not self.unread:
                self._more()
            part, self.unread = self.unread[:count], self.unread[count:]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def line(self) -> bytes:
        """Read up to the end of a line, and give what is before it."""
        while b"\r\n" not in self.unread:
            self._more()
        line, _, self.unread = self.unread.partition(b"\r\n")
        return line

    def head(self) -> Head:
        """Read a head."""
        head = Head(self.line().decode("latin-1").split(" ", 2))
        while line := self.line().decode("latin-1"):
            name, _, value = line.partition(":")
            head.fields.setdefault(name.lower(), []).append(value.strip())
        return head

    def content(self, head: Head, *, to_end: bool) -> bytes:
        """
        Read the content that a head announces.

        @param to_end: without a length it goes to the end of the connection.
        """
        if head.get("transfer-encoding").lower() == "chunked":
            parts = []
            while size := int(self.line().partition(b";")[0], 16):
                parts.append(self.exactly(size))
                assert self.line() == b""
            while self.line():
                pass
            return b"".join(parts)
        if length := head.get("content-length"):
            return self.exactly(int(length))
        return self.rest() if to_end else b""

    def answer(self, method: str = "GET") -> Answer:
        """Read a response to a request of this method."""
        interim = []
        while (head := self.head()).first[1][0] == "1" and head.first[1] != "101":
            interim.append(head)
        bodiless = method in ("HEAD", "CONNECT") or head.first[1] in ("101", "204", "304")
        return Answer(head, b"" if bodiless else self.content(head, to_end=True), interim)

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        parts, self.unread = [self.unread], b""
        while data := self.socket.recv(1 << 18):
            parts.append(data)
        return b"".join(parts)

    def drop(self, count: int, *, pause: float = 0.0) -> int:
        """Read so many bytes, or to the end, and throw them away; give how many there were."""
        dropped = min(count, len(self.unread))
        self.unread = self.unread[dropped:]
        while dropped < count and (data := self.socket.recv(min(count - dropped, 1 << 18))):
            dropped += len(data)
            if pause:
                time.sleep(pause)
        return dropped

    def reset(self) -> None:
        """Break the connection."""
        reset(self.socket)

    def close(self) -> None:
        """Close in order."""
        self.socket.close()


def connected(test: SynchronousTestCase, port: int, source: str = "127.0.0.1") -> Stream:
    """Connect to a port of this machine from one of its addresses; closed when the test ends."""
    stream = Stream(socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)))
    test.addCleanup(stream.close)
    return stream


class Server:
    """
    Accepts connections in a thread, and serves each in one of its own.

    @ivar port: where it listens.
    @ivar accepted: how many connections there were.
    @ivar peers: the address of each one.
    """

    def __init__(
        self, test: SynchronousTestCase, serve: Callable[[Stream], None], port: int = 0
    ) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.peers: list[tuple[str, int]] = []
        self._open: set[Stream] = set()
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self.stop)

    @property
    def accepted(self) -> int:
        """Count the connections there were."""
        return len(self.peers)

    def stop(self) -> None:
        """Listen no more, and break what is open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in list(self._open):
            with contextlib.suppress(OSError):
                stream.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, peer = self._listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.peers.append(peer)
                threading.Thread(target=self._run, args=(Stream(accepted),), daemon=True).start()

    def _run(self, stream: Stream) -> None:
        self._open.add(stream)
        with contextlib.suppress(Closed, OSError):
            self._serve(stream)
        stream.close()
        self._open.discard(stream)


class Origin(Server):
    """
    An origin that does what the first part of the path says::

        /hello          200 with its name      /status/204   that status, without content
        /echo           the request's content  /chunked      content in chunks, with a trailer
        /hints          103 before the answer  /close        the answer ends the connection
        /bytes/N        N bytes                /slow/N       N pieces, one every 0.1 s
        /stall          no answer              /late/N       the answer after N tenths of a second
        /deaf           reads no content       /plain        ends with the connection, without a length
        /sink           how much content came

    @ivar name: what it calls itself.
    @ivar seen: the heads of all requests.
    @ivar received: bytes of content it has read.
    """

    def __init__(self, test: SynchronousTestCase, name: str = "origin", port: int = 0) -> None:
        self.name = name
        self.seen: list[Head] = []
        self.received = 0
        self.released = threading.Event()
        super().__init__(test, self._requests, port)

    def stop(self) -> None:
        """Stop, and let go those who stall."""
        self.released.set()
        super().stop()

    def _requests(self, stream: Stream) -> None:
        while True:
            head = stream.head()
            self.seen.append(head)
            what, _, argument = head.first[1].lstrip("/").partition("?")[0].partition("/")
            content = b""
            if what == "deaf":
                self.released.wait(60)
                return
            if head.get("expect").lower() == "100-continue":
                stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if what == "sink":
                # Not kept, it may be large.
                content = b"%d" % stream.drop(int(head.get("content-length")))
                what = "echo"
            else:
                content = stream.content(head, to_end=False)
                self.received += len(content)
            if not self._answer(stream, head, what, argument, content):
                return

    def _answer(self, stream: Stream, head: Head, what: str, argument: str, content: bytes) -> bool:
        """Answer one request and tell whether the connection goes on."""
        is_head = head.first[0] == "HEAD"

        def whole(body: bytes, more: bytes = b"", status: bytes = b"200 OK") -> None:
            stream.send(
                b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n" % (status, more, len(body))
                + (b"" if is_head else body)
            )

        if what == "status":
            stream.send(b'HTTP/1.1 %s Status\r\nETag: "a"\r\n\r\n' % argument.encode())
        elif what == "echo":
            whole(content)
        elif what == "chunked":
            stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n")
            if not is_head:
                stream.send(b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nSum: 11\r\n\r\n")
        elif what == "hints":
            stream.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
            whole(b"hinted")
        elif what == "close":
            whole(b"bye", b"Connection: close\r\n")
            return False
        elif what == "plain":
            stream.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
            return False
        elif what == "bytes":
            self._zeros(stream, int(argument))
        elif what == "slow":
            stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (int(argument) * 10))
            for _ in range(int(argument)):
                time.sleep(0.1)
                stream.send(b"0123456789")
        elif what == "late":
            time.sleep(int(argument) / 10)
            whole(self.name.encode())
        elif what == "stall":
            self.released.wait(60)
            return False
        else:
            whole(self.name.encode())
        return True

    def _zeros(self, stream: Stream, count: int) -> None:
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count)
        while count:
            stream.send(_BLOCK[:count])
            count -= min(count, len(_BLOCK))


class Link(Server):
    """
    A long, fast line to a port of this machine: what goes in comes out later, at a limited rate.

    @ivar carried: bytes it has delivered, both directions together.
    """

    def __init__(self, test: SynchronousTestCase, to: int, *, delay: float, rate: float) -> None:
        """
        Listen.

        @param delay: seconds in each direction.
        @param rate: bytes a second in each direction.
        """
        self._to = to
        self._delay = delay
        self._rate = rate
        self.carried = 0
        super().__init__(test, self._carry)

    def _carry(self, near: Stream) -> None:
        far = socket.create_connection(("127.0.0.1", self._to), PATIENCE)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._direction, args=(far, near.socket), daemon=True)
        back.start()
        self._direction(near.socket, far)
        back.join()
        far.close()

    def _direction(self, source: socket.socket, sink: socket.socket) -> None:
        """Take in at the line's rate what was not delivered yet, and deliver each piece when its time has come."""
        line: deque[tuple[float, bytes]] = deque()
        ready = threading.Condition()

        def deliver() -> None:
            while True:
                with ready:
                    while not line:
                        ready.wait()
                    due, data = line.popleft()
                time.sleep(max(due - time.monotonic(), 0))
                if not data:
                    with contextlib.suppress(OSError):
                        sink.shutdown(socket.SHUT_WR)
                    return
                with contextlib.suppress(OSError):
                    sink.sendall(data)
                self.carried += len(data)

        delivering = threading.Thread(target=deliver, daemon=True)
        delivering.start()
        free_at = time.monotonic()
        data = b"x"
        while data:
            try:
                data = source.recv(1 << 17)
            except OSError:
                data = b""
            free_at = max(free_at, time.monotonic()) + len(data) / self._rate
            with ready:
                line.append((free_at + self._delay, data))
                ready.notify()
            # The line holds no more than fits on it.
            time.sleep(max(free_at - time.monotonic() - 0.01, 0))
        delivering.join()
