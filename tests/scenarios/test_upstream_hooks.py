"""Plugins say where a request goes, and judge the connection there (plugin API 1.0)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Route
from gateway.testing.peers import request, response
from tests.scenarios.hooks import NO, HookTestCase
from tests.scenarios.plugins import OnRoute, OnUpstream
from tests.scenarios.support import URL


class RouteTests(HookTestCase):
    """C{select_upstream}."""

    def test_parent(self) -> None:
        """A plugin may send a request through a parent."""
        gateway, _, client = self.started(OnRoute(lambda txn: Route("parent", "203.0.113.8", 3128)))
        parent = gateway.origin("203.0.113.8", 3128, reply=response(b"ok"))
        client.send(request(URL))
        self.assertEqual(parent.request.target, b"http://origin.example.com/")
        self.assertLine(gateway, route="parent", upstream="203.0.113.8:3128", status=200)

    def test_origin(self) -> None:
        """Or to another origin than the target says, which gets the target's name."""
        gateway, _, client = self.started(
            OnRoute(lambda txn: Route("origin", "198.51.100.77", 8000))
        )
        other = gateway.origin("198.51.100.77", 8000, reply=response(b"ok"))
        client.send(request(URL))
        self.assertEqual(
            (other.request.target, other.request.get("host")), (b"/", b"origin.example.com")
        )
        self.assertLine(gateway, route="origin", upstream="198.51.100.77:8000")

    def test_direct(self) -> None:
        """Or directly, though a rule has a parent for it."""
        gateway = self.forward(
            {"forward.parent": [{"url": "http://203.0.113.8:3128"}]},
            plugins={"test": OnRoute(lambda txn: Route("direct"))},
        )
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL))
        self.assertLine(gateway, route="direct", upstream="198.51.100.1:80")

    def test_connect(self) -> None:
        """So it is with tunnels."""
        gateway, _, client = self.started(OnRoute(lambda txn: Route("parent", "203.0.113.8", 3128)))
        parent = gateway.origin("203.0.113.8", 3128)
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        self.assertEqual(parent.connection.requests[0].target, b"origin.example.com:443")

    def test_later(self) -> None:
        """It may take its time."""
        waiting: Deferred[Any] = Deferred()
        gateway, _, client = self.started(OnRoute(lambda txn: waiting))
        other = gateway.origin("198.51.100.77", 8000, reply=response(b"ok"))
        client.send(request(URL))
        waiting.callback(Route("origin", "198.51.100.77", 8000))
        gateway.settle()
        self.assertEqual(len(other.requests), 1)

    def test_site(self) -> None:
        """A site's requests go to its own origins: a plugin that says otherwise is a fault of ours."""
        gateway = self.reverse(
            plugins={"test": OnRoute(lambda txn: Route("origin", "198.51.100.77", 8000))}
        )
        origin = gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(b"/"))
        self.assertEqual((client.response().status, origin.connections), (500, []))

    def test_guard(self) -> None:
        """A way to an origin that a plugin chose is judged by the guard as well."""
        gateway, _, client = self.started(OnRoute(lambda txn: Route("origin", "127.0.0.1", 80)))
        origin = gateway.origin("127.0.0.1")
        client.send(request(URL))
        self.assertEqual((client.response().status, origin.connections), (403, []))


class UpstreamConnectedTests(HookTestCase):
    """C{upstream_connected}."""

    def test_block(self) -> None:
        """A refused address gets nothing sent; the client gets the page, and the log the verdict."""
        plugin = OnUpstream(lambda txn, server: NO)
        gateway, origin, client = self.started(plugin)
        client.send(request(URL))
        self.assertRefused(gateway, client, 403, outcome="refused", reason="test")
        self.assertEqual((origin.connection.received, origin.connection.closed), (b"", "reset"))
        (server,) = plugin.asked
        self.assertEqual(
            (server.host, server.address, server.port), ("origin.example.com", "198.51.100.1", 80)
        )

    def test_later(self) -> None:
        """Until it has said something nothing is sent."""
        for answer, status in ((None, 200), (NO, 403)):
            waiting: Deferred[Any] = Deferred()
            gateway, origin, client = self.started(
                OnUpstream(lambda txn, server, found=waiting: found)
            )
            client.send(request(URL))
            self.assertEqual(origin.connection.received, b"")
            origin.reply = response(b"ok")
            waiting.callback(answer)
            gateway.settle()
            self.assertEqual(client.response().status, status)

    def test_once_for_a_connection(self) -> None:
        """A kept connection was asked about already."""
        plugin = OnUpstream()
        _, origin, client = self.started(plugin)
        origin.reply = response(b"ok")
        client.send(request(URL) * 3)
        self.assertEqual(len(plugin.asked), 1)

    def test_connect(self) -> None:
        """Tunnels are asked about too."""
        gateway, _, client = self.started(OnUpstream(lambda txn, server: NO))
        origin = gateway.origin(port=443)
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        self.assertRefused(gateway, client, 403, outcome="refused")
        self.assertEqual(origin.connection.closed, "reset")

    def test_connect_allowed(self) -> None:
        """A tunnel that may be made is made, at once or later, with what was said meanwhile."""
        for waits in (False, True):
            waiting: Deferred[Any] = Deferred()
            gateway, _, client = self.started(
                OnUpstream(lambda txn, server, found=waiting, waits=waits: found if waits else None)
            )
            origin = gateway.origin(port=443)
            client.send(request(b"origin.example.com:443", method=b"CONNECT"))
            if waits:
                origin.send(b"banner")
                client.send(b"early")
                self.assertEqual((client.received, origin.connection.received), (b"", b""))
                waiting.callback(None)
                gateway.settle()
                self.assertTrue(client.received.endswith(b"\r\n\r\nbanner"))
                self.assertEqual(origin.connection.received, b"early")
            self.assertEqual(client.response(b"CONNECT").status, 200)

    def test_connect_to_who_closes_meanwhile(self) -> None:
        """A server that is gone when the plugin has decided makes no tunnel: 502."""
        waiting: Deferred[Any] = Deferred()
        gateway, _, client = self.started(OnUpstream(lambda txn, server: waiting))
        origin = gateway.origin(port=443)
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        origin.connection.reset()
        waiting.callback(None)
        gateway.settle()
        self.assertEqual(client.response().status, 502)

    def test_client_that_leaves_meanwhile(self) -> None:
        """A client that leaves while the plugin thinks takes the connection with it."""
        gateway, origin, client = self.started(OnUpstream(lambda txn, server: Deferred()))
        client.send(request(URL))
        client.reset()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, outcome="aborted", reason="client")

    def test_upstream_that_closes_meanwhile(self) -> None:
        """An upstream that closes while the plugin thinks has not answered."""
        waiting: Deferred[Any] = Deferred()
        gateway, origin, client = self.started(OnUpstream(lambda txn, server: waiting))
        client.send(request(URL))
        origin.connection.close()
        waiting.callback(None)
        gateway.settle()
        gateway.advance(200.0)
        self.assertEqual(client.response().status, 502)
