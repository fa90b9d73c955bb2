"""
Tunnels over real sockets on loopback, plain and spliced.

Each class of rules runs on our own transports and on Twisted's.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from gateway.net.tunnel import EndReason, TunnelEnd
from tests.live.tunnels import MEGABYTE, LiveTunnelTestCase, Peer, digest_of, resident


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
