"""
What a connection costs over real sockets, counted in opcodes: accepted, connected, relayed and closed.

No HTTP is spoken here: what a whole tunnel costs is in L{tests.scenarios.test_tunnel_cost}, over sockets in memory.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from gateway.net.attempt import Attempt
from gateway.net.deadlines import Deadlines
from gateway.net.tunnel import EndReason, Tunnel, TunnelEnd
from gateway.net.tunnel_hop import TunnelHop
from tests.opcodes import opcodes
from tests.unit.net.transports import TransportCase

#: Tunnels before the one that is counted: by then nothing is made for the first time.
_BEFORE = 4


class CostTests(TransportCase):
    """One connection at a time on a reactor that is turned by hand."""

    def setUp(self) -> None:
        super().setUp()
        self.count = 0

    def counted(self, call: Callable[[], object]) -> None:
        """Count what a call executes, but for the test's own."""
        self.count += opcodes(call, without="/tests/")

    def poll(self) -> None:
        """Let the reactor deal with what comes next."""
        self.counted(lambda: self.reactor.doPoll(5))

    def test_tunnel(self) -> None:
        """Two connections and the relay between them, with a message each way, cost no more than 2,370 opcodes."""
        origin = socket.create_server(("127.0.0.1", 0))
        self.open.append(origin)
        address: tuple[str, int] = origin.getsockname()
        port, factory = self.listening()
        deadlines = Deadlines(self.reactor)
        ends: list[TunnelEnd] = []

        def connected(attempt: Attempt) -> None:
            hop = TunnelHop()
            attempt.transport(hop)  # type: ignore[arg-type]
            client = factory.made[-1].transport
            Tunnel(
                client, hop.transport, deadlines=deadlines, inactivity=60, finished=ends.append
            ).start(reading=True)

        def failed(attempt: Attempt, error: OSError) -> None:
            self.fail(str(error))

        def one() -> None:
            self.count = 0
            client = socket.create_connection(("127.0.0.1", port.getHost().port), 5)
            self.poll()
            attempt = Attempt(self.reactor, *address, connected, failed)
            self.counted(attempt.start)
            self.poll()
            server, _ = origin.accept()
            client.sendall(b"ping")
            self.poll()
            self.assertEqual(server.recv(10), b"ping")
            server.sendall(b"pong")
            self.poll()
            self.assertEqual(client.recv(10), b"pong")
            client.close()
            self.poll()
            self.assertEqual(server.recv(10), b"")
            server.close()
            self.poll()

        for _ in range(_BEFORE + 1):
            one()
        self.assertEqual(ends, [TunnelEnd(4, 4, EndReason.CLIENT_CLOSED)] * (_BEFORE + 1))
        self.assertLessEqual(self.count, 2370)

    def test_close(self) -> None:
        """A connection that is closed with all sent costs no more than 790 opcodes, from its accept to its end."""
        port, factory = self.listening()
        for _ in range(_BEFORE + 1):
            self.count = 0
            client = socket.create_connection(("127.0.0.1", port.getHost().port), 5)
            self.poll()
            transport = factory.made[-1].transport
            self.counted(lambda: transport.write(b"bye"))  # noqa: B023 - called at once
            self.counted(transport.loseConnection)
            self.counted(lambda: self.reactor.doPoll(0))
            self.assertEqual((client.recv(10), client.recv(10)), (b"bye", b""))
            client.close()
        self.assertEqual(self.log, ["made", "lost: ConnectionDone"] * (_BEFORE + 1))
        self.assertLessEqual(self.count, 790)
