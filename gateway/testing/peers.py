"""
Scripted clients and origins: the two far ends of a gateway under test.

They do what the test says and nothing else: send bytes, stop reading, close in order or by reset; and they remember what
came. An origin may have a standing reply, for tests in which it is only scenery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from gateway.testing.messages import Message, read_requests, read_responses
from gateway.testing.network import MemoryNetwork
from gateway.testing.sockets import MemorySocket

#: A whole response, or what makes one of a request.
Reply: TypeAlias = bytes | Callable[[Message], bytes]

_READ_BYTES = 65536


class ScriptedPeer:
    """
    One far end of a connection.

    @ivar received: everything that came so far.
    """

    def __init__(self, network: MemoryNetwork, socket: MemorySocket) -> None:
        self._network = network
        self._socket = socket
        self._received = bytearray()
        self._taken = 0
        self._outbox = bytearray()
        self._ending = False
        self._left_to_read: int | None = None
        self._seen = ""
        network.agents.append(self)

    # What a test says.

    def send(self, data: bytes) -> None:
        """Send, as fast as the gateway reads."""
        self._outbox += data
        self._act_on()
        self._network.settle()

    def end(self) -> None:
        """Say that no more comes (half-close) when all is sent; reading goes on."""
        self._ending = True
        self._act_on()
        self._network.settle()

    def close(self) -> None:
        """Close in order, now; unread bytes make it a reset, as in a kernel."""
        self._socket.close()
        self._leave()

    def reset(self) -> None:
        """Break the connection off."""
        self._socket.unread += b"."
        self._socket.close()
        self._leave()

    def stop_reading(self) -> None:
        """Leave what comes in the window, which fills up."""
        self._left_to_read = 0

    def read(self, count: int) -> None:
        """Read so many bytes more and stop again."""
        self._left_to_read = (self._left_to_read or 0) + count
        self._network.settle()

    def read_on(self) -> None:
        """Read everything again."""
        self._left_to_read = None
        self._network.settle()

    # What a test looks at.

    @property
    def received(self) -> bytes:
        """Everything that came so far."""
        return bytes(self._received)

    def take(self) -> bytes:
        """Give what came since the last call."""
        taken = bytes(self._received[self._taken :])
        self._taken = len(self._received)
        return taken

    @property
    def closed(self) -> str:
        """How the gateway ended its direction: C{"fin"}, C{"reset"}, or C{""} while it has not."""
        if self._seen:
            return self._seen
        # Who does not read sees a reset nevertheless, but not the end behind unread bytes.
        return "reset" if self._socket.broken else ""

    @property
    def address(self) -> tuple[str, int]:
        """The address and port of this end, as the gateway sees them."""
        return self._socket.getsockname()

    @property
    def left(self) -> bool:
        """This end was closed or reset by the test."""
        return self._socket.closed

    @property
    def unsent(self) -> int:
        """Bytes to send that the gateway's window did not take."""
        return len(self._outbox)

    # What the network asks.

    def ready(self) -> bool:
        """Tell whether there is anything to do."""
        socket = self._socket
        if socket.closed:
            return False
        if (self._outbox or self._ending) and socket.writable:
            return True
        return not self._seen and self._left_to_read != 0 and socket.readable

    def act(self) -> None:
        """Send and read what can be."""
        socket = self._socket
        if socket.closed:
            return
        try:
            if self._outbox and socket.writable:
                with memoryview(self._outbox) as unsent:
                    sent = socket.send(unsent)
                del self._outbox[:sent]
            if self._ending and not self._outbox:
                self._ending = False
                socket.shutdown(1)
        except OSError:
            # It will be read, too: that is where it is noted.
            self._outbox.clear()
            self._ending = False
        if not self._seen and self._left_to_read != 0 and socket.readable:
            self._read()
        if self._seen and not self._outbox and not self._ending:
            # Nothing more comes, so nobody has to ask for it at every step.
            self._rest()

    def _act_on(self) -> None:
        if self not in self._network.agents and not self._socket.closed:
            self._network.agents.append(self)

    def _rest(self) -> None:
        if self in self._network.agents:
            self._network.agents.remove(self)

    def _read(self) -> None:
        count = _READ_BYTES if self._left_to_read is None else min(_READ_BYTES, self._left_to_read)
        try:
            data = self._socket.recv(count)
        except OSError:
            self._seen = "reset"
            return
        if not data:
            self._seen = "fin"
            return
        if self._left_to_read is not None:
            self._left_to_read -= len(data)
        self._received += data
        self._came()

    def _came(self) -> None:
        """Something was read."""

    def _leave(self) -> None:
        self._rest()
        self._network.settle()


class ScriptedClient(ScriptedPeer):
    """A client of the gateway."""

    def responses(self, *methods: bytes) -> list[Message]:
        """
        Take apart what came.

        @param methods: of the requests sent, where they are not GET.
        """
        return read_responses(self.received, methods, ended=self.closed == "fin")

    def response(self, method: bytes = b"GET") -> Message:
        """
        Give the one final response that came.

        @raise AssertionError: none came, or more than one.
        """
        final = [found for found in self.responses(method) if found.start and _status(found) >= 200]
        if len(final) != 1:
            raise AssertionError(f"{len(final)} responses in {self.received!r}")
        return final[0]


class OriginConnection(ScriptedPeer):
    """One connection that the gateway made to an origin."""

    def __init__(
        self, network: MemoryNetwork, socket: MemorySocket, origin: ScriptedOrigin
    ) -> None:
        super().__init__(network, socket)
        self._origin = origin
        # Where the requests begin that are not answered yet, and how many bytes it takes to look again.
        self._begin = 0
        self._enough = 0

    @property
    def requests(self) -> list[Message]:
        """The requests that came."""
        return read_requests(self.received)

    @property
    def request(self) -> Message:
        """
        The one request that came.

        @raise AssertionError: none came, or more than one.
        """
        found = self.requests
        if len(found) != 1:
            raise AssertionError(f"{len(found)} requests in {self.received!r}")
        return found[0]

    def _came(self) -> None:
        reply = self._origin.reply
        if reply is None:
            return
        if len(self._received) < self._enough:
            return
        for request in read_requests(bytes(self._received[self._begin :])):
            if not request.complete:
                # Long content must not be taken apart at every piece of it.
                length = request.get("content-length") if request.framing == "length" else None
                if length is not None:
                    self._enough = len(self._received) + int(length) - len(request.content)
                return
            self._begin += len(request.raw)
            self._outbox += reply if isinstance(reply, bytes) else reply(request)


class ScriptedOrigin:
    """
    A server that the gateway may connect to.

    @ivar connections: all that were made, in order.
    @ivar reply: what each complete request is answered with; C{None}: the test answers itself.
    @ivar admitting: C{True}; C{False} refuses connections, C{None} leaves them unanswered.
    """

    def __init__(
        self, network: MemoryNetwork, address: str, port: int, reply: Reply | None = None
    ) -> None:
        self.connections: list[OriginConnection] = []
        self.reply = reply
        self.admitting: bool | None = True
        self._network = network
        network.stations[address, port] = self

    @property
    def connection(self) -> OriginConnection:
        """
        The last connection that was made.

        @raise AssertionError: there was none.
        """
        if not self.connections:
            raise AssertionError("the gateway did not connect")
        return self.connections[-1]

    @property
    def requests(self) -> list[Message]:
        """All requests on all connections."""
        return [request for connection in self.connections for request in connection.requests]

    @property
    def request(self) -> Message:
        """
        The only request that came.

        @raise AssertionError: none came, or more than one.
        """
        found = self.requests
        if len(found) != 1:
            raise AssertionError(f"{len(found)} requests came")
        return found[0]

    def send(self, data: bytes) -> None:
        """Send on the last connection."""
        self.connection.send(data)

    def admits(self) -> bool | None:
        """Tell the network whether a connection is accepted."""
        return self.admitting

    def accept(self, socket: MemorySocket) -> None:
        """Take a connection."""
        self.connections.append(OriginConnection(self._network, socket, self))


def response(content: bytes = b"", *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """Write a response with a length."""
    return _message(b"HTTP/1.1 " + status, content, lines)


def request(
    target: bytes, *lines: bytes, method: bytes = b"GET", content: bytes | None = None
) -> bytes:
    """
    Write a request.

    @param target: an absolute URI or a path; the Host field is made of the former, C{site.example.com} without.
    """
    if target[:7] == b"http://":
        host = target[7:].partition(b"/")[0]
    else:
        host = target if method == b"CONNECT" else b"site.example.com"
    start = b"%b %b HTTP/1.1" % (method, target)
    if not any(line[:5].lower() == b"host:" for line in lines):
        lines = (b"Host: " + host, *lines)
    if content is None:
        return b"\r\n".join([start, *lines, b"", b""])
    return _message(start, content, lines)


def chunked(*chunks: bytes, trailers: Sequence[bytes] = ()) -> bytes:
    """Write content in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in chunks)
    return body + b"0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n"


def _message(start: bytes, content: bytes, lines: Sequence[bytes]) -> bytes:
    return b"\r\n".join([start, *lines, b"Content-Length: %d" % len(content), b"", content])


def _status(message: Message) -> int:
    parts = message.start.split(b" ")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
