"""Spliced tunnels over real sockets on loopback, and the moment of going over to splicing."""

from __future__ import annotations

import socket
from hashlib import sha256
from typing import cast

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.deadlines import Deadlines
from gateway.net.splice import PipePool
from gateway.net.tunnel import SPLICE_AFTER_BYTES, EndReason, Tunnel, TunnelEnd
from tests.live.tunnels import MEGABYTE, LiveTunnelTestCase, digest_of


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
