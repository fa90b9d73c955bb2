"""Tunnels over real sockets on loopback, between peers that are threads with blocking sockets: they see what any program would see."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gateway.net import transport as ours
from gateway.net.attempt import Attempt
from gateway.net.deadlines import Deadlines
from gateway.net.splice import PipePool
from gateway.net.tunnel import Tunnel, TunnelEnd
from tests.live.peers import reset

PIECE = bytes(range(256)) * 1024
MEGABYTE = 1_000_000
#: What no blocking call of a peer may outlast.
PATIENCE = 30


class Peer:
    """A blocking socket with a few habits; for use in threads."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE)
        self.socket = connected

    def send(self, count: int) -> str:
        """Send so many bytes of a pattern; give their digest."""
        digest = sha256()
        for piece in pattern(count):
            self.socket.sendall(piece)
            digest.update(piece)
        return digest.hexdigest()

    def end(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self) -> tuple[int, str]:
        """Read to the end; give how much came and its digest."""
        digest, count = sha256(), 0
        while piece := self.socket.recv(1 << 18):
            digest.update(piece)
            count += len(piece)
        return count, digest.hexdigest()

    def receive_exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        out = bytearray()
        while len(out) < count:
            piece = self.socket.recv(min(count - len(out), 1 << 18))
            if not piece:
                raise EOFError(f"the end after {len(out)} of {count} bytes")
            out += piece
        return bytes(out)

    def is_reset(self) -> bool:
        """Tell whether the connection ends in a reset; what comes before that is thrown away."""
        try:
            while self.socket.recv(1 << 18):
                pass
        except ConnectionResetError:
            return True
        return False

    def reset(self) -> None:
        """Break the connection."""
        reset(self.socket)


def pattern(count: int) -> Iterator[bytes]:
    """Give pieces that are so many bytes together."""
    while count > 0:
        yield PIECE[:count]
        count -= len(PIECE)


def digest_of(count: int) -> tuple[int, str]:
    """Give what L{Peer.receive} gives for so many bytes of the pattern."""
    digest = sha256()
    for piece in pattern(count):
        digest.update(piece)
    return count, digest.hexdigest()


def open_descriptors() -> int:
    """Count this process's descriptors."""
    return len(os.listdir("/proc/self/fd"))


class Dialled(Protocol):
    """The upstream side until the tunnel takes over."""

    def __init__(self, connected: Callable[[Any], None]) -> None:
        self._connected = connected

    def connectionMade(self) -> None:
        """Tell."""
        self._connected(self.transport)


class Accepted(Protocol):
    """The client side until the tunnel takes over: paused while the upstream is dialled."""

    def __init__(self, accepted: Callable[[Any], None]) -> None:
        self._accepted = accepted

    def connectionMade(self) -> None:
        """Tell."""
        assert self.transport is not None
        self.transport.pauseProducing()  # type: ignore[attr-defined]
        self._accepted(self.transport)


class Acceptor(ServerFactory):
    """Makes L{Accepted}."""

    noisy = False

    def __init__(self, accepted: Callable[[Any], None]) -> None:
        self._accepted = accepted

    def buildProtocol(self, address: object) -> Accepted:
        """Make one."""
        return Accepted(self._accepted)


class LiveTunnelTestCase(TestCase):
    """
    One tunnel between two blocking peers.

    @cvar splice: whether the tunnel may.
    @cvar stock: use Twisted's transports instead of ours.
    """

    splice = True
    stock = False
    timeout = 60

    def setUp(self) -> None:
        self.pipes = PipePool()
        # Time stands still where a test does not move it.
        self.clock = Clock()
        self.ended: Deferred[TunnelEnd] = Deferred()

    async def connect(
        self, inactivity: float = 30, receive_buffer: int | None = None
    ) -> tuple[Peer, Peer]:
        """Make a started tunnel; give the client's and the origin's end."""
        # The reactor that trial starts for each test opens descriptors of its own.
        await deferLater(reactor, 0)
        origin = socket.create_server(("127.0.0.1", 0))
        ready: Deferred[None] = Deferred()

        def accepted(client: Any) -> None:
            def connected(upstream: Any) -> None:
                self.client_transport, self.upstream_transport = client, upstream
                self.tunnel = Tunnel(
                    client,
                    upstream,
                    deadlines=Deadlines(self.clock),
                    inactivity=inactivity,
                    finished=self.ended.callback,
                    splice=self.splice,
                    pipes=self.pipes,
                )
                self.tunnel.start()
                ready.callback(None)

            self._dial(origin.getsockname()[1], connected)

        listening = self._listen(Acceptor(accepted))
        # Two listeners, which are closed again below.
        self.before = open_descriptors() - 2
        client = socket.socket()
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", listening.getHost().port))

        await ready
        server, _ = origin.accept()
        origin.close()
        await listening.stopListening()
        pair = Peer(client), Peer(server)
        for peer in pair:
            self.addCleanup(peer.socket.close)
        return pair

    def _listen(self, factory: ServerFactory) -> Any:
        if self.stock:
            return reactor.listenTCP(0, factory, interface="127.0.0.1")
        return ours.listen(reactor, 0, factory, interface="127.0.0.1")

    def _dial(self, port: int, connected: Callable[[Any], None]) -> None:
        if self.stock:
            connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Dialled(connected))
        else:
            Attempt(
                reactor,
                "127.0.0.1",
                port,
                connected=lambda attempt: connected(attempt.transport(Protocol())),
                failed=lambda attempt, error: self.fail(str(error)),
            ).start()

    def spliced(self) -> bool:
        """Tell whether the tunnel is splicing right now."""
        return self.tunnel._splice is not None

    async def pass_bulk(self, sender: Peer, receiver: Peer, count: int) -> None:
        """Let so many bytes go from one peer to the other."""
        sending = deferToThread(sender.send, count)
        await deferToThread(receiver.receive_exactly, count)
        await sending

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that other threads or the kernel bring about."""
        while not condition():
            await deferLater(reactor, 0.01)

    @staticmethod
    def until_reset(peer: Peer) -> bool:
        """Send until that fails; tell whether a reset was why."""
        try:
            while True:
                peer.socket.sendall(PIECE)
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    async def stuck(self) -> None:
        """Wait until the tunnel takes nothing more from the upstream."""
        seen = -1
        while seen != self.tunnel.down or not seen:
            seen = self.tunnel.down
            await deferLater(reactor, 0.3)

    def nothing_left(self, client: Peer, origin: Peer) -> None:
        """Assert that every descriptor of the tunnel was closed."""
        client.socket.close()
        origin.socket.close()
        self.pipes.close()
        self.assertEqual(self.pipes.open, 0)
        self.assertEqual(open_descriptors(), self.before)


def resident() -> int:
    """Give this process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
