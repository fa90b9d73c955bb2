"""Plugins decide about answers, and make pages of their own (plugin API 1.0)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Allow, Response
from gateway.message.fields import Fields
from gateway.testing.peers import request, response
from tests.scenarios.hooks import NO, HookTestCase, failing
from tests.scenarios.plugins import OnPage, OnResponse
from tests.scenarios.support import URL


class ResponseHeadersTests(HookTestCase):
    """C{response_headers}."""

    def test_block(self) -> None:
        """A refused answer is replaced by a page; nothing of it reaches the client."""
        for kept in (False, True):
            for answer in (
                response(b"secret"),
                response(b"secret")[:-1],
                b"HTTP/1.1 200 OK\r\n\r\nsecret",
            ):
                gateway, origin, client = self.started(OnResponse(lambda txn: NO), kept=kept)
                client.send(request(URL))
                origin.send(answer)
                self.assertRefused(
                    gateway,
                    client,
                    403,
                    outcome="refused",
                    reason="test",
                    upstream="198.51.100.1:80",
                )
                self.assertNotIn(b"secre", client.received)
                client.send(request(URL, method=b"HEAD"))
                self.assertEqual(len(origin.requests), 2 + kept)
                origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")

    def test_later(self) -> None:
        """An answer may come later; until then the client gets nothing, then all of it, and the origin is asked once."""
        for verdict, status in ((None, 200), (Allow("fine"), 200), (NO, 403)):
            for kept in (False, True):
                for cut in (0, 10, -1, -3):
                    waiting: Deferred[Any] = Deferred()
                    gateway, origin, client = self.started(
                        OnResponse(lambda txn, found=waiting: found), kept=kept
                    )
                    whole = response(b"secret")
                    client.send(request(URL))
                    before = len(origin.requests)
                    origin.send(whole[:cut])
                    origin.send(whole[cut:])
                    self.assertEqual(client.received, b"")
                    waiting.callback(verdict)
                    gateway.settle()
                    self.assertEqual(
                        (client.response().status, client.response().complete), (status, True)
                    )
                    if status == 200:
                        self.assertEqual(client.response().content, b"secret")
                    self.assertEqual(len(origin.requests), before, (verdict, kept, cut))
                    self.assertEqual(gateway.log[-1]["status"], status)

    def test_head_that_came_alone(self) -> None:
        """An answer that was held for the verdict is sent as soon as it is in, though nothing more comes for now."""
        for kept in (False, True):
            waiting: Deferred[Any] = Deferred()
            gateway, origin, client = self.started(
                OnResponse(lambda txn, found=waiting: found), kept=kept
            )
            client.send(request(URL))
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            waiting.callback(None)
            gateway.settle()
            self.assertEqual(client.response().content, b"abc")

    def test_much_content_meanwhile(self) -> None:
        """While the plugin thinks only so much of the content is taken in."""
        waiting: Deferred[Any] = Deferred()
        gateway, origin, client = self.started(OnResponse(lambda txn: waiting))
        client.send(request(URL))
        origin.send(response(bytes(2000000)))
        self.assertGreater(origin.connection.unsent, 1000000)
        waiting.callback(None)
        gateway.settle()
        self.assertEqual(len(client.response().content), 2000000)

    def test_upstream_that_breaks_off_meanwhile(self) -> None:
        """An answer that breaks off while the plugin thinks does not look complete."""
        for how in ("close", "reset"):
            for kept in (False, True):
                waiting: Deferred[Any] = Deferred()
                gateway, origin, client = self.started(
                    OnResponse(lambda txn, found=waiting: found), kept=kept
                )
                client.send(request(URL))
                origin.send(response(b"secret")[:-1])
                getattr(origin.connection, how)()
                waiting.callback(None)
                gateway.settle()
                found = client.responses()
                self.assertFalse(found and found[0].status == 200 and found[0].complete)
                self.assertTrue(client.closed or found[0].status == 502)

    def test_client_that_leaves_meanwhile(self) -> None:
        """A client that leaves while the plugin thinks takes the question and the answer with it."""
        for kept in (False, True):
            for cut in (-1, 1000):
                cancelled: list[object] = []
                gateway, origin, client = self.started(
                    OnResponse(lambda txn, seen=cancelled: Deferred(seen.append)), kept=kept
                )
                client.send(request(URL))
                origin.send(response(b"secret")[:cut])
                client.reset()
                self.assertEqual(len(cancelled), 1)
                self.assertEqual(gateway.log[-1]["outcome"], "aborted")
                self.assertEqual(self.flushLoggedErrors(), [])

    def test_changed_fields(self) -> None:
        """What a plugin does to the answer's fields the client gets, and nobody else later."""
        turns = [False, True]

        def change(txn: Any) -> None:
            if turns and turns.pop():
                txn.response.fields.set("X-Added", "by a plugin")
                txn.response.fields.remove("x-removed")

        _, origin, client = self.started(OnResponse(change))
        origin.reply = response(b"ok", b"X-Removed: yes", b"X-Kept: yes")
        for _ in range(3):
            client.send(request(URL))
        found = [
            (one.get("x-added"), one.get("x-removed"), one.get("x-kept"))
            for one in client.responses()
        ]
        self.assertEqual(found, [(b"by a plugin", None, b"yes")] + [(None, b"yes", b"yes")] * 2)

    def test_not_for_tunnels(self) -> None:
        """Neither a CONNECT nor an upgrade has an answer to judge."""
        plugin = OnResponse()
        gateway, origin, client = self.started(plugin)
        gateway.origin(port=443)
        client.send(request(URL, b"Connection: Upgrade", b"Upgrade: websocket"))
        origin.send(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        gateway.client().send(request(b"origin.example.com:443", method=b"CONNECT"))
        self.assertEqual(plugin.asked, [])


class PageTests(HookTestCase):
    """C{page}."""

    def test_own_page(self) -> None:
        """A plugin may give a page of its own."""
        plugin = OnPage(lambda txn, name: Response(418, Fields([b"X-Page: mine"]), b"my page"))
        gateway, _, client = self.started(plugin)
        client.send(request(b"http://nowhere.example.com/"))
        self.assertEqual((client.response().status, client.response().content), (418, b"my page"))
        self.assertEqual(plugin.asked, ["name_not_found"])
        self.assertLine(gateway, status=418, outcome="failed", reason="name_not_found")

    def test_failing(self) -> None:
        """One that fails gets the built-in page."""
        _, _, client = self.started(OnPage(failing))
        client.send(request(b"http://nowhere.example.com/"))
        self.assertEqual(client.response().status, 502)
        self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_later(self) -> None:
        """It may take its time."""
        waiting: Deferred[Any] = Deferred()
        gateway, _, client = self.started(OnPage(lambda txn, name: waiting))
        client.send(request(b"http://nowhere.example.com/"))
        self.assertEqual(client.received, b"")
        waiting.callback(Response(418, Fields(), b"my page"))
        gateway.settle()
        self.assertEqual(client.response().content, b"my page")

    def test_client_that_leaves_meanwhile(self) -> None:
        """A client that leaves before its page is there has left; nothing else is logged."""
        gateway, _, client = self.started(OnPage(lambda txn, name: Deferred()))
        client.send(request(b"http://nowhere.example.com/"))
        client.reset()
        self.assertLine(gateway, outcome="aborted", reason="client", status=0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_malformed_request(self) -> None:
        """What is no request gets a page too."""
        plugin = OnPage()
        _, _, client = self.started(plugin)
        client.send(b"nonsense\r\n\r\n")
        self.assertEqual((client.response().status, plugin.asked), (400, ["bad_request"]))
