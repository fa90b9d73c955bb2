"""
Tunnels over real sockets on loopback, plain and spliced.

The peers are threads with blocking sockets, so that what they see is what any program would see. Each class of rules
runs on our own transports and on Twisted's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock, deferLater
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from gateway.net import transport as ours
from gateway.net.deadlines import Deadlines
from gateway.net.splice import PipePool
from gateway.net.tunnel import SPLICE_AFTER_BYTES, EndReason, Tunnel, TunnelEnd
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
            ours.Attempt(
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


class TunnelTests(LiveTunnelTestCase):
    """What holds for every tunnel; here on our transports and with splicing."""

    async def test_bulk_both_ways(self) -> None:
        """200 MB go each way at once, unchanged and counted, and no descriptor is left."""
        client, origin = await self.connect()
        size = 200 * MEGABYTE

        def send_and_end(peer: Peer) -> None:
            peer.send(size)
            peer.end()

        sending = [deferToThread(send_and_end, peer) for peer in (client, origin)]
        receiving = [deferToThread(peer.receive) for peer in (client, origin)]
        self.assertEqual(await gatherResults(receiving), [digest_of(size)] * 2)
        await gatherResults(sending)
        end = await self.ended
        self.assertEqual((end.up, end.down), (size, size))
        self.assertIn(end.reason, (EndReason.CLIENT_CLOSED, EndReason.UPSTREAM_CLOSED))
        self.nothing_left(client, origin)

    async def test_client_ends_first(self) -> None:
        """The client's end reaches the origin behind its bytes, and the answer still comes back whole."""
        await self.half_close(lambda client, origin: (client, origin), EndReason.CLIENT_CLOSED)

    async def test_upstream_ends_first(self) -> None:
        """The origin's end reaches the client behind its bytes, and the client may go on."""
        await self.half_close(lambda client, origin: (origin, client), EndReason.UPSTREAM_CLOSED)

    async def half_close(
        self, order: Callable[[Peer, Peer], tuple[Peer, Peer]], reason: EndReason
    ) -> None:
        """Let one peer send and end, then the other."""
        client, origin = await self.connect()
        first, second = order(client, origin)
        size = 5 * MEGABYTE

        def ask() -> tuple[int, str]:
            first.send(size)
            first.end()
            return first.receive()

        def answer() -> tuple[int, str]:
            asked = second.receive()
            second.send(2 * size)
            second.end()
            return asked

        answering = deferToThread(answer)
        self.assertEqual(await deferToThread(ask), digest_of(2 * size))
        self.assertEqual(await answering, digest_of(size))
        end = await self.ended
        self.assertEqual(end.reason, reason)
        self.assertEqual({end.up, end.down}, {size, 2 * size})
        self.nothing_left(client, origin)

    async def test_client_resets(self) -> None:
        """A reset of the client in the middle of bulk reaches the origin as a reset."""
        client, origin = await self.connect()
        await self.broken(client, origin, EndReason.CLIENT_RESET)

    async def test_upstream_resets(self) -> None:
        """A reset of the origin in the middle of bulk reaches the client as a reset."""
        client, origin = await self.connect()
        await self.broken(origin, client, EndReason.UPSTREAM_RESET)

    async def broken(self, one: Peer, other: Peer, reason: EndReason) -> None:
        """Let one peer send bulk and break."""
        await self.pass_bulk(one, other, 2 * MEGABYTE)
        one.reset()
        self.assertTrue(await deferToThread(other.is_reset))
        end = await self.ended
        self.assertEqual(end.reason, reason)
        self.assertEqual(end.up + end.down, 2 * MEGABYTE)
        self.nothing_left(one, other)

    async def test_reset_while_stuck(self) -> None:
        """A reader that takes nothing and then breaks is noticed although its bytes are stuck."""
        client, origin = await self.connect()
        sending = deferToThread(self.until_reset, origin)
        await self.stuck()
        client.reset()
        self.assertTrue(await sending)
        self.assertEqual((await self.ended).reason, EndReason.CLIENT_RESET)
        self.nothing_left(client, origin)

    async def test_slow_reader(self) -> None:
        """A client that does not read stops the origin; the gateway holds little, and all arrives later."""
        client, origin = await self.connect(receive_buffer=1 << 15)
        size = 64 * MEGABYTE
        memory = resident()

        def send_and_end() -> None:
            origin.send(size)
            origin.end()

        sending = deferToThread(send_and_end)
        await self.stuck()
        self.assertLess(self.tunnel.down, size // 2)
        self.assertLess(resident() - memory, 2 * MEGABYTE)
        client.end()
        received = await deferToThread(client.receive)
        await sending
        self.assertEqual(received, digest_of(size))
        self.assertEqual((await self.ended).down, size)
        self.nothing_left(client, origin)

    async def test_small_messages_after_bulk(self) -> None:
        """After bulk, single bytes go to and fro at once."""
        client, origin = await self.connect()
        await self.pass_bulk(client, origin, MEGABYTE)

        def ask() -> None:
            for _ in range(200):
                client.socket.sendall(b"?")
                client.receive_exactly(1)
            client.end()

        def answer() -> None:
            for _ in range(200):
                origin.receive_exactly(1)
                origin.socket.sendall(b"!")
            origin.receive()
            origin.end()

        answering = deferToThread(answer)
        await deferToThread(ask)
        await answering
        self.assertEqual(await self.ended, TunnelEnd(MEGABYTE + 200, 200, EndReason.CLIENT_CLOSED))
        self.nothing_left(client, origin)

    async def test_inactivity(self) -> None:
        """After bulk and then silence both peers are reset."""
        client, origin = await self.connect(inactivity=60)
        await self.pass_bulk(client, origin, MEGABYTE)
        self.clock.pump([0.25] * 230)
        self.assertFalse(self.ended.called)
        self.clock.pump([0.25] * 20)
        self.assertTrue(await deferToThread(client.is_reset))
        self.assertTrue(await deferToThread(origin.is_reset))
        self.assertEqual(await self.ended, TunnelEnd(MEGABYTE, 0, EndReason.INACTIVITY))
        self.nothing_left(client, origin)

    async def test_inactivity_of_a_slow_reader(self) -> None:
        """A reader that takes what the kernel holds for it is active; one that stops is not."""
        client, origin = await self.connect(inactivity=60, receive_buffer=1 << 15)
        await deferToThread(origin.send, MEGABYTE)
        origin.end()
        await self.until(lambda: self.tunnel.down == MEGABYTE)
        await deferToThread(client.receive_exactly, MEGABYTE // 4)
        self.clock.pump([0.25] * 4 * 61)
        for _ in range(2):
            await deferToThread(client.receive_exactly, MEGABYTE // 4)
            self.clock.pump([0.25] * 4 * 16)
        self.assertFalse(self.ended.called)
        self.clock.pump([0.25] * 4 * 61)
        self.assertEqual(await self.ended, TunnelEnd(0, MEGABYTE, EndReason.INACTIVITY))
        self.assertTrue(await deferToThread(client.is_reset))
        self.nothing_left(client, origin)

    async def test_closed_by_us(self) -> None:
        """A tunnel closed with bytes stuck in it resets both peers and frees everything."""
        client, origin = await self.connect()
        sending = deferToThread(self.until_reset, origin)
        await self.stuck()
        self.tunnel.close()
        self.assertTrue(await sending)
        self.assertTrue(await deferToThread(client.is_reset))
        self.assertEqual((await self.ended).reason, EndReason.GATEWAY)
        self.nothing_left(client, origin)

    async def test_closed_behind_our_back(self) -> None:
        """If somebody aborts a transport all the same, the tunnel ends and frees everything."""
        client, origin = await self.connect()
        await self.pass_bulk(client, origin, MEGABYTE)
        self.client_transport.abortConnection()
        self.assertTrue(await deferToThread(origin.is_reset))
        self.assertEqual((await self.ended).reason, EndReason.CLIENT_RESET)
        self.nothing_left(client, origin)


class SpliceTests(LiveTunnelTestCase):
    """What is particular to splicing."""

    async def test_splices(self) -> None:
        """Bulk goes over to splicing, a few bytes don't."""
        client, origin = await self.connect()
        await self.pass_bulk(client, origin, 1000)
        self.assertFalse(self.spliced())
        await self.pass_bulk(client, origin, MEGABYTE)
        self.assertTrue(self.spliced())
        self.tunnel.close()
        await self.ended

    async def test_splices_half_open(self) -> None:
        """A download goes on spliced after the client has ended its direction."""
        client, origin = await self.connect()
        client.end()
        await self.pass_bulk(origin, client, MEGABYTE)
        self.assertTrue(self.spliced())
        origin.end()
        self.assertEqual(await deferToThread(client.receive), (0, sha256().hexdigest()))
        self.assertEqual(await self.ended, TunnelEnd(0, MEGABYTE, EndReason.CLIENT_CLOSED))
        self.nothing_left(client, origin)

    async def test_end_while_the_other_is_stuck(self) -> None:
        """Bytes stuck in a pipe when the other side ends arrive, in order and whole."""
        client, origin = await self.connect()
        size = 64 * MEGABYTE

        def send_and_end() -> None:
            origin.send(size)
            origin.end()

        sending = deferToThread(send_and_end)
        await self.stuck()
        self.assertTrue(self.spliced())
        client.end()
        # Not "until it does not splice": if the client's socket takes a little more by now, it splices again at once.
        await self.until(lambda: self.tunnel._client.ended)
        self.assertEqual(await deferToThread(client.receive), digest_of(size))
        await sending
        await self.ended
        self.nothing_left(client, origin)

    async def test_closed_behind_our_back_while_stuck(self) -> None:
        """If somebody aborts a transport while bytes are stuck in a pipe, the pipe is freed all the same."""
        client, origin = await self.connect()
        sending = deferToThread(self.until_reset, origin)
        await self.stuck()
        self.assertTrue(self.spliced())
        self.client_transport.abortConnection()
        self.assertTrue(await sending)
        self.assertEqual((await self.ended).reason, EndReason.CLIENT_RESET)
        self.nothing_left(client, origin)

    async def test_out_of_pipes(self) -> None:
        """Without a pipe the tunnel goes on as a plain relay, and does not ask again at each read."""
        asked: list[None] = []

        class NoPipes(PipePool):
            def take(self) -> None:
                asked.append(None)

        self.pipes = NoPipes()
        client, origin = await self.connect()
        size = 20 * MEGABYTE

        def send_and_end() -> None:
            client.send(size)
            client.end()

        sending = deferToThread(send_and_end)
        self.assertEqual(await deferToThread(origin.receive), digest_of(size))
        await sending
        origin.end()
        self.assertEqual(await self.ended, TunnelEnd(size, 0, EndReason.CLIENT_CLOSED))
        self.assertIn(len(asked), range(1, 6))
        self.nothing_left(client, origin)


class PlainTunnelTests(TunnelTests):
    """Our transports, never spliced."""

    splice = False


class StockTunnelTests(TunnelTests):
    """Twisted's transports, spliced."""

    stock = True

    async def test_splices(self) -> None:
        """Bulk goes over to splicing although Twisted's transports never write at once."""
        client, origin = await self.connect()
        await self.pass_bulk(client, origin, 50 * MEGABYTE)
        self.assertTrue(self.spliced())
        self.tunnel.close()
        await self.ended


class StockPlainTunnelTests(TunnelTests):
    """Twisted's transports, never spliced."""

    stock = True
    splice = False


class GoOverTests(SynchronousTestCase):
    """The moment of going over to splicing, on real sockets that nobody polls."""

    def setUp(self) -> None:
        self.peers: list[socket.socket] = []

    def transport(self, reactor: object) -> Connection:
        """Make a transport whose peer is the next of C{peers}."""
        peer, own = socket.socketpair()
        peer.setblocking(False)
        self.peers.append(peer)
        made = Connection(own, Protocol(), cast(IReactorFDSet, reactor))
        made.connected = 1
        self.addCleanup(peer.close)
        self.addCleanup(own.close)
        return made

    def start(self, client: Connection, upstream: Connection) -> Tunnel:
        """Start a tunnel between them."""
        tunnel = Tunnel(
            client,
            upstream,
            deadlines=Deadlines(Clock()),
            inactivity=60,
            finished=lambda end: None,
        )
        tunnel.start()
        return tunnel

    def test_nothing_overtakes(self) -> None:
        """Bytes in hand that the kernel does not take are queued, and splicing has to wait."""
        reactor = MemoryReactor()
        client, upstream = self.transport(reactor), self.transport(reactor)
        tunnel = self.start(client, upstream)
        room = SPLICE_AFTER_BYTES
        upstream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        client.protocol.dataReceived(bytes(room))
        self.assertIsNone(tunnel._splice)
        arrived = len(self.peers[1].recv(room))
        upstream.doWrite()
        self.assertGreater(arrived, 0)
        arrived += len(self.peers[1].recv(room))
        while upstream.dataBuffer:
            upstream.doWrite()
            arrived += len(self.peers[1].recv(room))
        self.assertEqual(arrived, room)

    def test_two_reactors(self) -> None:
        """Transports of two reactors are never spliced."""
        client, upstream = self.transport(MemoryReactor()), self.transport(MemoryReactor())
        tunnel = self.start(client, upstream)
        client.protocol.dataReceived(bytes(SPLICE_AFTER_BYTES))
        upstream.doWrite()
        client.protocol.dataReceived(b"more")
        self.assertIsNone(tunnel._splice)
        self.assertEqual(tunnel.up, SPLICE_AFTER_BYTES + 4)

    def test_goes_over(self) -> None:
        """With nothing queued the bytes in hand are sent and the descriptors change hands."""
        reactor = MemoryReactor()
        client, upstream = self.transport(reactor), self.transport(reactor)
        tunnel = self.start(client, upstream)
        client.protocol.dataReceived(bytes(SPLICE_AFTER_BYTES - 1))
        received = 0
        while upstream._tempDataLen or upstream.dataBuffer:
            upstream.doWrite()
            received += len(self.peers[1].recv(SPLICE_AFTER_BYTES))
        client.protocol.dataReceived(b"last")
        self.assertEqual(self.peers[1].recv(99), b"last")
        self.assertIsNotNone(tunnel._splice)
        self.assertNotIn(client, reactor.readers)
        self.assertEqual(
            {reader.fileno() for reader in reactor.readers}, {client.fileno(), upstream.fileno()}
        )


def resident() -> int:
    """Give this process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
