"""Tests of L{gateway.net.reactor.HeldSends}: what is written in a busy round of the reactor leaves at its end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from gateway.net.reactor import _MOST_HELD
from gateway.net.splice import bare_socket
from gateway.net.transport import _HELD_BYTES
from tests.unit.net.transports import Notes, TransportCase


class Acting(Notes):
    """A protocol that does what a test says when something comes."""

    act: Callable[[Any], None] | None = None

    def dataReceived(self, data: bytes) -> None:
        """Act."""
        super().dataReceived(data)
        if self.act is not None:
            self.act(self.transport)


class HeldSendsTests(TransportCase):
    """Several connections that are read in one round."""

    def connected(self, count: int) -> tuple[list[Acting], list[socket.socket]]:
        """Give so many connections, and their peers."""
        port, factory = self.listening(lambda: Acting(self.log))
        peers = [self.peer(port) for _ in range(count)]
        self.until(lambda: len(factory.made) == count)
        for peer in peers:
            peer.setblocking(False)
        self.open.extend(protocol.transport.socket for protocol in factory.made)
        return factory.made, peers

    def round(self, peers: list[socket.socket]) -> None:
        """Let the peers say something, and the reactor turn once when all of it is there."""
        for peer in peers:
            peer.send(b"x")
        self.assertEqual(len(self.reactor._poller.poll(5, 1000)), len(peers))
        self.reactor.doPoll(5)

    def got(self, peer: socket.socket) -> bytes:
        """Give what came."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            return peer.recv(1 << 20)
        return b""

    def test_at_the_end(self) -> None:
        """No answer leaves while others are made; then all do, whole and in order."""
        protocols, peers = self.connected(3)
        seen: list[bytes] = []

        def act(transport: Any) -> None:
            transport.write(b"one, ")
            transport.writeSequence([b"two", b", three"])
            self.assertEqual(transport.queued, 15)
            seen.extend(self.got(peer) for peer in peers)

        for protocol in protocols:
            protocol.act = act
        self.round(peers)
        self.assertEqual(seen, [b""] * 9)
        self.assertEqual([self.got(peer) for peer in peers], [b"one, two, three"] * 3)
        self.assertEqual([protocol.transport.queued for protocol in protocols], [0] * 3)

    def test_afterwards(self) -> None:
        """What no peer waits for is done when all is sent; what fails of it is logged and keeps nothing else from its turn."""
        protocols, peers = self.connected(2)
        sends = self.reactor.sends
        seen: list[list[bytes]] = []

        def afterwards() -> None:
            self.assertFalse(sends.open)
            seen.append([self.got(peer) for peer in peers])

        def act(transport: Any) -> None:
            transport.write(b"answer")
            if sends.open and not sends.afterwards:
                sends.afterwards += [lambda: 1 / 0, afterwards]

        for protocol in protocols:
            protocol.act = act
        self.round(peers)
        self.assertEqual(seen, [[b"answer"] * 2])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(sends.afterwards, [])

    def test_alone(self) -> None:
        """The answer to a round's only event leaves at once."""
        protocols, peers = self.connected(1)
        seen: list[bytes] = []

        def act(transport: Any) -> None:
            transport.write(b"answer")
            seen.append(self.got(peers[0]))

        protocols[0].act = act
        self.round(peers)
        self.assertEqual(seen, [b"answer"])

    def test_most(self) -> None:
        """So many connections are held back and no more."""
        protocols, peers = self.connected(_MOST_HELD + 2)
        seen: list[int] = []

        def act(transport: Any) -> None:
            transport.write(b"answer")
            seen.append(sum(bool(self.got(peer)) for peer in peers))

        for protocol in protocols:
            protocol.act = act
        self.round(peers)
        self.assertEqual(seen, [0] * _MOST_HELD + [_MOST_HELD, 0])
        self.assertEqual(sum(bool(self.got(peer)) for peer in peers), 2)

    def test_much(self) -> None:
        """Long messages leave at once, and what was held back before them leaves with them."""
        protocols, peers = self.connected(2)
        seen: list[int] = []

        def act(transport: Any) -> None:
            transport.write(b"head")
            transport.write(bytes(_HELD_BYTES))
            transport.writeSequence([bytes(_HELD_BYTES), bytes(_HELD_BYTES), b"x"])
            seen.append(sum(len(self.got(peer)) for peer in peers))

        for protocol in protocols:
            protocol.act = act
        self.round(peers)
        self.assertEqual(seen, [4 + 3 * _HELD_BYTES + 1] * 2)

    def test_closed(self) -> None:
        """A connection that is closed, reset or half closed right after a write has sent it before."""
        protocols, peers = self.connected(4)
        closes: list[Callable[[Any], None]] = [
            lambda transport: transport.loseConnection(),
            lambda transport: transport.abortConnection(),
            lambda transport: transport.loseWriteConnection(),
            lambda transport: self.assertIsNotNone(bare_socket(transport)),
        ]
        seen: list[bytes] = []
        for protocol, peer, close in zip(protocols, peers, closes, strict=True):

            def act(
                transport: Any,
                peer: socket.socket = peer,
                close: Callable[[Any], None] = close,
            ) -> None:
                transport.write(b"last")
                close(transport)
                seen.append(self.got(peer))

            protocol.act = act
        self.round(peers)
        self.assertEqual(seen, [b"last"] * 4)

    def test_failing(self) -> None:
        """A producer that raises when it is paused keeps nobody else's answer back."""
        protocols, peers = self.connected(3)

        class Failing:
            def pauseProducing(self) -> None:
                raise ZeroDivisionError

            def stopProducing(self) -> None:
                """Nothing."""

        def act(transport: Any) -> None:
            transport.write(b"answer")
            if transport is protocols[0].transport:
                # What the kernel does not take is queued, and that pauses.
                transport.bufferSize = 0
                transport.registerProducer(Failing(), True)
                transport.socket.shutdown(socket.SHUT_WR)

        for protocol in protocols:
            protocol.act = act
        self.round(peers)
        self.assertEqual([self.got(peer) for peer in peers[1:]], [b"answer"] * 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_lost(self) -> None:
        """One whose connection is lost before the round ends is left out."""
        protocols, peers = self.connected(2)

        def act(transport: Any) -> None:
            transport.write(b"answer")
            for protocol in protocols:
                if protocol.transport is not transport:
                    self.reactor._disconnectSelectable(protocol.transport, OSError(), False)

        for protocol in protocols:
            protocol.act = act
        self.round(peers)
        self.assertEqual(sorted(self.got(peer) for peer in peers), [b"", b"answer"])
        self.assertEqual(len(self.log), 3)
