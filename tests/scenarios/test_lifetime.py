"""Nothing of a transaction is left after its end, and nothing of a connection."""

from __future__ import annotations

import gc
from typing import Any

from gateway.testing.harness import Harness
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import Watcher
from tests.scenarios.support import URL, ScenarioTestCase


class LifetimeTests(ScenarioTestCase):
    """Weak references to every transaction."""

    def _watched(self, **settings: Any) -> tuple[Harness, Watcher]:
        watcher = Watcher()
        return self.forward(settings, plugins={"watcher": watcher}), watcher

    def test_kept_connection(self) -> None:
        """A kept connection keeps nothing of the transaction it carried, without waiting for the collector."""
        gateway, watcher = self._watched()
        gateway.origin(reply=response(b"abc"))
        gc.disable()
        self.addCleanup(gc.enable)
        client = gateway.client()
        for _ in range(3):
            client.send(request(URL))
        self.assertEqual((len(watcher.seen), watcher.alive), (3, 0))

    def test_every_end(self) -> None:
        """However a transaction ended, it is gone without waiting for the collector, though its connection is not."""
        gc.disable()
        self.addCleanup(gc.enable)
        gateway, watcher = self._watched(**{"limits.upload": "5B", "timeouts.inactivity": "10s"})
        origin = gateway.origin(reply=response(b"abc"))
        tunnel = gateway.origin(port=443)
        clients = [gateway.client() for _ in range(9)]
        clients[0].send(request(URL, method=b"POST", content=b"abc"))
        clients[1].send(
            request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(b"abc", b"def")
        )
        clients[2].send(request(b"http://nowhere.example.com/"))
        clients[3].send(b"nonsense\r\n\r\n")
        clients[4].send(request(b"origin.example.com:443", method=b"CONNECT"))
        tunnel.connection.end()
        clients[4].end()
        origin.reply = None
        clients[5].send(request(URL))
        origin.send(response(b"abc")[:-1])
        origin.connection.reset()
        clients[6].send(request(URL))
        clients[6].reset()
        clients[7].send(request(URL))
        gateway.advance(12.0)
        clients[8].send(request(URL))
        origin.send(response(bytes(300000)))
        self.assertEqual((len(watcher.seen), watcher.alive), (9, 0))
        self.assertEqual(len(gateway.log), 9)

    def test_tunnels(self) -> None:
        """So it is with tunnels, those that were never made among them."""
        gc.disable()
        self.addCleanup(gc.enable)
        gateway, watcher = self._watched(**{"timeouts.connect": "10s"})
        tunnel = gateway.origin(port=443)
        asked = request(b"origin.example.com:443", method=b"CONNECT")
        clients = [gateway.client() for _ in range(5)]
        clients[0].send(asked)
        tunnel.connection.end()
        clients[0].end()
        clients[1].send(asked)
        clients[1].reset()
        clients[2].send(request(b"nowhere.example.com:443", method=b"CONNECT"))
        tunnel.admitting = None
        clients[3].send(asked)
        clients[3].reset()
        clients[4].send(asked)
        gateway.advance(12.0)
        self.assertEqual((len(watcher.seen), watcher.alive), (5, 0))
        self.assertEqual(len(gateway.log), 5)

    def test_nothing_on_the_clock(self) -> None:
        """When all connections are closed no timer of theirs runs on."""
        gateway, _ = self._watched()
        gateway.origin(reply=response(b"abc"))
        for _ in range(20):
            client = gateway.client()
            client.send(request(URL))
            client.close()
        gateway.advance(60.0)
        self.assertEqual((gateway.connections, gateway.upstream_connections), (0, 0))
        self.assertTrue(gateway.network.idle)
        before = len(gateway.network.calls)
        gateway.advance(60.0)
        self.assertLessEqual(len(gateway.network.calls), before)

    def test_retried(self) -> None:
        """A transaction that was sent again is gone too."""
        gateway, watcher = self._watched()
        origin = gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        origin.reply = None
        client.send(request(URL))
        origin.connection.close()
        origin.send(response(b"abc"))
        gc.collect()
        self.assertEqual((len(watcher.seen), watcher.alive), (2, 0))
