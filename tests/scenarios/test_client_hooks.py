"""Plugins decide about clients: whether they may connect, and who they are (plugin API 1.0)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from gateway.api import Challenge, Identity
from gateway.testing.peers import request, response
from tests.scenarios.hooks import NO, HookTestCase
from tests.scenarios.plugins import OnAuthenticate, OnConnect
from tests.scenarios.support import URL


class ClientConnectedTests(HookTestCase):
    """C{client_connected}."""

    def test_block(self) -> None:
        """A refused client is dropped without a word."""
        gateway, origin, client = self.started(OnConnect(lambda client: NO))
        client.send(request(URL))
        self.assertEqual((client.received, client.closed, origin.connections), (b"", "reset", []))
        self.assertEqual(gateway.log, [])

    def test_later(self) -> None:
        """Until the plugin has said something nothing is read; then all goes on."""
        for answer, status in ((None, 200), (NO, 0)):
            waiting: Deferred[Any] = Deferred()
            gateway, origin, client = self.started(OnConnect(lambda client, found=waiting: found))
            origin.reply = response(b"ok")
            client.send(request(URL))
            self.assertEqual((client.received, origin.connections), (b"", []))
            waiting.callback(answer)
            gateway.settle()
            self.assertEqual(
                [found.status for found in client.responses()], [status] if status else []
            )
            self.assertEqual(client.closed, "" if status else "reset")

    def test_failing_later(self) -> None:
        """A failure after a wait drops the client too."""
        waiting: Deferred[Any] = Deferred()
        gateway, origin, client = self.started(OnConnect(lambda client: waiting))
        client.send(request(URL))
        waiting.errback(ZeroDivisionError())
        gateway.settle()
        self.assertEqual((client.closed, origin.connections), ("reset", []))
        self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_cancelled_by_itself(self) -> None:
        """A plugin that cancels its own asking has said nothing good of the client, at once or later."""

        def cancel(client: object) -> None:
            raise CancelledError

        waiting: Deferred[Any] = Deferred()
        for says in (cancel, lambda client: waiting):
            gateway, origin, client = self.started(OnConnect(says))
            client.send(request(URL))
            waiting.cancel()
            gateway.settle()
            self.assertEqual((client.closed, origin.connections), ("reset", []))
            self.assertEqual(self.flushLoggedErrors(), [])

    def test_client_that_leaves_meanwhile(self) -> None:
        """Who leaves before the answer is gone, whatever it is."""
        waiting: Deferred[Any] = Deferred()
        gateway, _, client = self.started(OnConnect(lambda client: waiting))
        client.reset()
        waiting.callback(NO)
        gateway.settle()
        gateway.advance(60.0)
        self.assertEqual(gateway.connections, 0)

    def test_behind_a_proxy_header(self) -> None:
        """Behind a balancer the client that its header names is asked about, before its request goes anywhere."""
        header = b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n"
        for waits in (False, True):
            waiting: Deferred[Any] = Deferred()
            plugin = OnConnect(lambda client, waits=waits, found=waiting: found if waits else NO)
            gateway = self.reverse(
                {"listen": [{"address": "192.0.2.1:80", "proxy_protocol": True}]},
                {"network.trusted_proxies": ["192.0.2.7"]},
                plugins={"test": plugin},
            )
            origin = gateway.origin(reply=response(b"ok"))
            client = gateway.client()
            client.send(header + request(b"/"))
            self.assertEqual(plugin.asked, ["203.0.113.9"])
            self.assertEqual((client.received, origin.connections), (b"", []), waits)
            if waits:
                waiting.callback(NO)
                gateway.settle()
            self.assertEqual((client.closed, origin.connections), ("reset", []))

    def test_allowed_behind_a_proxy_header(self) -> None:
        """And a request that came with the header is served once it may be."""
        waiting: Deferred[Any] = Deferred()
        gateway = self.reverse(
            {"listen": [{"address": "192.0.2.1:80", "proxy_protocol": True}]},
            {"network.trusted_proxies": ["192.0.2.7"]},
            plugins={"test": OnConnect(lambda client: waiting)},
        )
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n" + request(b"/"))
        waiting.callback(None)
        gateway.settle()
        self.assertEqual(client.response().content, b"ok")


class AuthenticateTests(HookTestCase):
    """C{authenticate}."""

    def test_identity(self) -> None:
        """An identity is the user of the log."""
        gateway, origin, client = self.started(OnAuthenticate(lambda txn: Identity("alice")))
        origin.reply = response(b"ok")
        client.send(request(URL))
        self.assertLine(gateway, user="alice", status=200)

    def test_challenge(self) -> None:
        """A challenge is 407 to a proxy's client, with every way; the connection is kept for the answer."""
        gateway, origin, client = self.started(
            OnAuthenticate(lambda txn: Challenge(("Negotiate", 'Basic realm="x"')))
        )
        client.send(request(URL) + request(URL))
        for found in client.responses():
            self.assertEqual(
                (found.status, found.all("proxy-authenticate")),
                (407, [b"Negotiate", b'Basic realm="x"']),
            )
        self.assertEqual((len(client.responses()), client.closed, origin.connections), (2, "", []))
        self.assertEqual([line["outcome"] for line in gateway.log], ["refused"] * 2)

    def test_challenge_of_a_site(self) -> None:
        """And 401 to a site's."""
        gateway = self.reverse(
            plugins={"test": OnAuthenticate(lambda txn: Challenge(('Basic realm="x"',)))}
        )
        client = gateway.client()
        client.send(request(b"/"))
        found = client.response()
        self.assertEqual((found.status, found.all("www-authenticate")), (401, [b'Basic realm="x"']))

    def test_credentials_are_there(self) -> None:
        """A plugin sees Proxy-Authorization though no origin does."""
        seen: list[str | None] = []
        plugin = OnAuthenticate(
            lambda txn: seen.append(txn.request.fields.get("proxy-authorization"))
        )
        _, origin, client = self.started(plugin)
        client.send(request(URL, b"Proxy-Authorization: Basic Zm9v"))
        self.assertEqual((seen, origin.request.get("proxy-authorization")), (["Basic Zm9v"], None))
        origin.send(response())

    def test_connect(self) -> None:
        """CONNECT is challenged too."""
        gateway, _, client = self.started(OnAuthenticate(lambda txn: Challenge(("Negotiate",))))
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        self.assertEqual(client.response().status, 407)
        self.assertEqual(gateway.network.connecting, 0)
