"""Plugins decide about requests, and answer them from a store (plugin API 1.0)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import (
    Allow,
    Block,
    Identity,
    Respond,
    Response,
    Stored,
    Transaction,
    Validator,
    hookimpl,
)
from gateway.message.fields import Fields
from gateway.testing.peers import request, response
from tests.scenarios.hooks import NO, HookTestCase, failing
from tests.scenarios.plugins import Base, OnLookUp, OnRequest, OnResponse
from tests.scenarios.support import URL


class RequestHeadersTests(HookTestCase):
    """C{request_headers}."""

    def test_block(self) -> None:
        """A block is its page with its status; the origin never sees the request."""
        for kept in (False, True):
            gateway, origin, client = self.started(
                OnRequest(lambda txn: Block("listed", category="bad", status=451)), kept=kept
            )
            before = len(origin.requests)
            client.send(request(URL))
            self.assertRefused(gateway, client, 451, outcome="refused", reason="bad")
            self.assertIn(b"listed", client.received)
            self.assertEqual(len(origin.requests), before)

    def test_without_content(self) -> None:
        """Who does not want to know of requests without content is asked about those with some alone, at once or after a wait."""

        class Uploads(Base):
            @hookimpl(without_content=False)
            def request_headers(self, txn: Transaction) -> Block | None:
                self.asked.append(txn.request.raw_method.decode())
                return NO if txn.request.length is None else None

        class Waits(Base):
            name = "waits"

            @hookimpl()
            async def authenticate(self, txn: Transaction) -> Identity:
                return Identity("alice")

        for others in ({}, {"waits": Waits()}):
            uploads = Uploads()
            gateway = self.forward(plugins={**others, "test": uploads})
            gateway.origin(reply=response(b"ok"))
            client = gateway.client()
            for method, lines, content in (
                (b"GET", (), b""),
                (b"POST", (b"Content-Length: 0",), b""),
                (b"PUT", (b"Content-Length: 1",), b"x"),
                (b"POST", (b"Transfer-Encoding: chunked",), b"1\r\nx\r\n0\r\n\r\n"),
            ):
                client.send(request(URL, *lines, method=method) + content)
                gateway.settle()
            self.assertEqual([one.status for one in client.responses()], [200, 200, 200, 403])
            self.assertEqual(uploads.asked, ["PUT", "POST"])

    def test_later(self) -> None:
        """An answer may come later, and be any."""
        for answer, status in ((None, 200), (Allow("fine"), 200), (NO, 403)):
            for kept in (False, True):
                waiting: Deferred[Any] = Deferred()
                gateway, origin, client = self.started(
                    OnRequest(lambda txn, found=waiting: found), kept=kept
                )
                before = len(origin.requests)
                client.send(request(URL))
                self.assertEqual(len(origin.requests), before)
                origin.reply = response(b"ok")
                waiting.callback(answer)
                gateway.settle()
                self.assertEqual(client.response().status, status)

    def test_coroutine(self) -> None:
        """A hook may be a coroutine."""
        waiting: Deferred[None] = Deferred()

        async def wait(txn: object) -> Block:
            await waiting
            return NO

        gateway, origin, client = self.started(OnRequest(wait))
        client.send(request(URL))
        waiting.callback(None)
        gateway.settle()
        self.assertEqual((client.response().status, origin.connections), (403, []))

    def test_content_meanwhile(self) -> None:
        """Content that comes while the plugin thinks goes on afterwards, whole."""
        waiting: Deferred[Any] = Deferred()
        gateway, origin, client = self.started(OnRequest(lambda txn: waiting))
        client.send(request(URL, b"Content-Length: 300000", method=b"POST"))
        client.send(bytes(300000))
        self.assertGreater(client.unsent, 0)
        waiting.callback(None)
        gateway.settle()
        self.assertEqual(origin.request.content, bytes(300000))
        origin.send(response())

    def test_client_that_leaves_meanwhile(self) -> None:
        """A client that leaves while the plugin thinks takes the question with it."""
        for kept in (False, True):
            cancelled: list[object] = []
            gateway, origin, client = self.started(
                OnRequest(lambda txn, seen=cancelled: Deferred(seen.append)), kept=kept
            )
            before = len(origin.requests)
            client.send(request(URL))
            client.reset()
            self.assertEqual((len(cancelled), len(origin.requests)), (1, before))
            self.assertEqual(gateway.log[-1]["outcome"], "aborted")
            self.assertEqual(self.flushLoggedErrors(), [])

    def test_respond(self) -> None:
        """A plugin may answer itself."""
        answer = Response(302, Fields([b"Location: http://login.example.com/"]), b"this way")
        for kept in (False, True):
            gateway, _, client = self.started(OnRequest(lambda txn: Respond(answer)), kept=kept)
            client.send(request(URL) + request(URL))
            self.assertEqual(
                [(found.status, found.content) for found in client.responses()],
                [(302, b"this way")] * 2,
            )
            self.assertEqual(client.responses()[0].get("location"), b"http://login.example.com/")
            self.assertEqual(gateway.log[-1]["outcome"], "refused")

    def test_not_modified(self) -> None:
        """A 304 made here says nothing of a length it does not know (RFC 9110 section 8.6)."""
        _, _, client = self.started(
            OnRequest(lambda txn: Respond(Response(304, Fields([b'ETag: "x"']))))
        )
        client.send(request(URL) + request(URL))
        self.assertEqual(
            [(found.status, found.get("content-length")) for found in client.responses()],
            [(304, None)] * 2,
        )

    def test_changed_fields(self) -> None:
        """What a plugin does to the request's fields the origin gets, each time."""

        def change(txn: Any) -> None:
            txn.request.fields.set("X-Added", "by a plugin")
            txn.request.fields.remove("x-removed")

        for kept in (False, True):
            _, origin, client = self.started(OnRequest(change), kept=kept)
            for _ in range(2):
                client.send(request(URL, b"X-Removed: yes", b"X-Kept: yes"))
                found = origin.requests[-1]
                self.assertEqual(
                    (found.get("x-added"), found.get("x-removed"), found.get("x-kept")),
                    (b"by a plugin", None, b"yes"),
                )
                origin.send(response())

    def test_changes_of_one_request(self) -> None:
        """They are never seen in another request that looks the same."""
        changes = [True]

        def change(txn: Any) -> None:
            if changes.pop():
                txn.request.fields.set("X-Added", "once")
            changes.append(False)

        _, origin, client = self.started(OnRequest(change))
        for _ in range(3):
            client.send(request(URL, b"X-Kept: yes"))
            origin.send(response())
        self.assertEqual([found.get("x-added") for found in origin.requests], [b"once", None, None])

    def test_order(self) -> None:
        """Plugins are asked in the configured order, up to the first verdict."""
        first, second = OnRequest(lambda txn: NO), OnRequest()
        second.name = "second"  # type: ignore[misc]
        gateway = self.forward(
            {"plugins.enabled": ["test", "second", "upload_limit"]},
            plugins={"test": first, "second": second},
        )
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(
            (client.response().status, len(first.asked), len(second.asked)), (403, 1, 0)
        )

    def test_refused_upload(self) -> None:
        """Much content of a refused request is not waited for, and is no request."""
        _, origin, client = self.started(OnRequest(lambda txn: NO))
        client.send(request(URL, b"Content-Length: 10000000", method=b"POST") + request(URL) * 3)
        self.assertEqual(
            (len(client.responses()), client.closed, origin.connections), (1, "fin", [])
        )
        self.assertEqual(client.response().get("connection"), b"close")


class LookUpTests(HookTestCase):
    """C{cache_lookup}."""

    def test_stored(self) -> None:
        """A stored response is delivered, and no origin asked."""
        stored = Stored(Response(200, Fields([b"ETag: x"]), b"from a store"))
        gateway, origin, client = self.started(OnLookUp(lambda txn: stored))
        client.send(request(URL) + request(URL))
        self.assertEqual([found.content for found in client.responses()], [b"from a store"] * 2)
        self.assertEqual(origin.connections, [])
        self.assertEqual([line["outcome"] for line in gateway.log], ["delivered"] * 2)

    def test_stored_and_upload(self) -> None:
        """Content of a request that is answered so is dropped."""
        stored = Stored(Response(200, Fields(), b"from a store"))
        _, _, client = self.started(OnLookUp(lambda txn: stored))
        client.send(request(URL, method=b"POST", content=b"abc") + request(URL))
        self.assertEqual(len(client.responses()), 2)

    def test_judged(self) -> None:
        """A stored response is judged like one from an origin."""

        class Both(OnLookUp, OnResponse):
            pass

        plugin = Both(
            lambda txn: Stored(Response(200, Fields(), b"secret")) if txn.response is None else NO
        )
        _, _, client = self.started(plugin)
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)
        self.assertNotIn(b"secret", client.received)

    def test_validator(self) -> None:
        """A validator is added to the request."""
        gateway, origin, client = self.started(
            OnLookUp(lambda txn: Validator({"If-None-Match": '"x"'}))
        )
        client.send(request(URL))
        self.assertEqual(origin.request.get("if-none-match"), b'"x"')
        origin.send(response())
        self.assertEqual(len(gateway.log), 1)

    def test_failing(self) -> None:
        """A store that fails is as one that has nothing."""
        _, origin, client = self.started(OnLookUp(failing))
        origin.reply = response(b"ok")
        client.send(request(URL))
        self.assertEqual(client.response().content, b"ok")
        self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_not_for_tunnels(self) -> None:
        """A tunnel is not looked up."""
        plugin = OnLookUp()
        gateway, _, client = self.started(plugin)
        gateway.origin(port=443)
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        self.assertEqual(plugin.asked, [])

    def test_later(self) -> None:
        """It may take its time."""
        waiting: Deferred[Any] = Deferred()
        gateway, origin, client = self.started(OnLookUp(lambda txn: waiting))
        client.send(request(URL))
        waiting.callback(Stored(Response(200, Fields(), b"at last")))
        gateway.settle()
        self.assertEqual((client.response().content, origin.connections), (b"at last", []))
