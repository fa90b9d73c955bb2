"""Plugins are told where an address or a connection may stand for several people."""

from __future__ import annotations

from typing import Any

from gateway.api import hookimpl
from gateway.testing.peers import request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase


class Sees(Base):
    """Writes down what it is told of each request's client."""

    @hookimpl()
    def request_headers(self, txn: Any) -> None:
        """Write it down."""
        client = txn.client
        self.asked.append((client.address, client.by_proxy, client.shared))


class SharedClientTests(ScenarioTestCase):
    """C{Client.shared} and C{Client.by_proxy}."""

    def seen(self, settings: dict[str, object], *lines: bytes) -> list[Any]:
        """Send a request through a gateway with settings, and give what its plugin was told."""
        plugin = Sees()
        gateway = self.forward(settings, plugins={"test": plugin})
        gateway.origin(reply=response(b"abc"))
        gateway.client().send(request(URL, *lines))
        return plugin.asked

    def test_usual(self) -> None:
        """An address of nobody in particular is one client's."""
        self.assertEqual(self.seen({}), [("192.0.2.7", False, False)])
        elsewhere: dict[str, object] = {"network.shared_networks": ["198.51.100.0/24"]}
        self.assertEqual(self.seen(elsewhere), [("192.0.2.7", False, False)])

    def test_shared_network(self) -> None:
        """In a shared network the address may be several people's, a connection is one's."""
        settings: dict[str, object] = {"network.shared_networks": ["192.0.2.0/24"]}
        self.assertEqual(self.seen(settings), [("192.0.2.7", False, True)])

    def test_trusted_proxy(self) -> None:
        """A trusted proxy's connection may be several people's; whom it names has an address of his own."""
        settings: dict[str, object] = {"network.trusted_proxies": ["192.0.2.7"]}
        self.assertEqual(self.seen(settings), [("192.0.2.7", True, True)])
        named = b"X-Forwarded-For: 192.0.2.99"
        self.assertEqual(self.seen(settings, named), [("192.0.2.99", True, False)])
        settings["network.shared_networks"] = ["192.0.2.96/28"]
        self.assertEqual(self.seen(settings, named), [("192.0.2.99", True, True)])

    def test_reload(self) -> None:
        """Connections that stay are told anew."""
        plugin = Sees()
        gateway = self.forward(plugins={"test": plugin})
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        gateway.reload({"network.shared_networks": ["192.0.2.0/24"]})
        client.send(request(URL))
        self.assertEqual([shared for _, _, shared in plugin.asked], [False, True])
