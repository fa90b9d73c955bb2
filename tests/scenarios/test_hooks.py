"""Plugins decide, and one that fails never lets a request through (plugin API 1.0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from gateway.api import (
    Allow,
    Block,
    Challenge,
    Identity,
    Respond,
    Response,
    Route,
    Stored,
    Validator,
)
from gateway.message.fields import Fields
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import (
    Base,
    Doubled,
    Held,
    OnAuthenticate,
    OnConnect,
    OnEnd,
    OnLookUp,
    OnPage,
    OnRequest,
    OnRequestContent,
    OnResponse,
    OnResponseContent,
    OnRoute,
    OnUpstream,
    Raises,
    RefusesEnd,
    RefusesWord,
    Upper,
)
from tests.scenarios.support import URL, ScenarioTestCase

NO = Block("no", category="test")


def failing(*args: object) -> Any:
    """Be a broken plugin."""
    raise ZeroDivisionError("a plugin is broken")


class HookTestCase(ScenarioTestCase):
    """Tests with a plugin."""

    def started(
        self, plugin: Base, *, kept: bool = False, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """
        Start a forward proxy with a plugin, an origin and a client.

        @param kept: a connection to the origin is there already.
        """
        gateway = self.forward(settings, plugins={"test": plugin})
        origin = gateway.origin()
        client = gateway.client()
        if kept:
            says, plugin.says = plugin.says, lambda *args: None
            client.send(request(URL + b"before"))
            origin.send(response(b"before"))
            client = gateway.client()
            plugin.says = says
            plugin.asked.clear()
        return gateway, origin, client

    def assertRefused(
        self, gateway: Harness, client: ScriptedClient, expected: int, **columns: object
    ) -> None:
        """The last transaction was refused with this status."""
        gateway.settle()
        self.assertEqual(client.response().status, expected)
        line = gateway.log[-1]
        columns["status"] = expected
        self.assertEqual({name: line[name] for name in columns}, columns)


class SecurityTests(HookTestCase):
    """Every hook that may refuse, at once and later, on new and on kept connections."""

    #: Hooks that are asked before the origin is sent anything, with the status of a failure.
    BEFORE: tuple[tuple[type[Base], int], ...] = (
        (OnAuthenticate, 503),
        (OnRequest, 503),
        (OnRequestContent, 503),
        (OnRoute, 502),
    )

    def test_raising(self) -> None:
        """A hook that raises lets nothing through: the origin never sees the request."""
        for kind, status in self.BEFORE:
            for kept in (False, True):
                gateway, origin, client = self.started(kind(failing), kept=kept)
                before = len(origin.requests)
                client.send(request(URL, method=b"POST", content=b"secret"))
                self.assertRefused(gateway, client, status, outcome="failed", reason="plugin_error")
                self.assertEqual(len(origin.requests), before, kind)
                self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_raising_later(self) -> None:
        """So it is with one that raises after a wait."""
        for kind in (OnAuthenticate, OnRequest, OnRoute):
            for kept in (False, True):
                waiting: Deferred[Any] = Deferred()
                gateway, origin, client = self.started(
                    kind(lambda *args, found=waiting: found), kept=kept
                )
                before = len(origin.requests)
                client.send(request(URL))
                self.assertEqual(client.received, b"")
                waiting.errback(ZeroDivisionError("later"))
                gateway.settle()
                self.assertRefused(
                    gateway, client, 502 if kind is OnRoute else 503, outcome="failed"
                )
                self.assertEqual(len(origin.requests), before)
                self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_wrong_answer(self) -> None:
        """So it is with one that answers nonsense, such as a bool."""
        for kind in (OnAuthenticate, OnRequest, OnRoute):
            gateway, origin, client = self.started(kind(lambda *args: True))
            client.send(request(URL))
            self.assertRefused(
                gateway,
                client,
                502 if kind is OnRoute else 503,
                outcome="failed",
                reason="plugin_error",
            )
            self.assertEqual(origin.connections, [])
            self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_out_of_time(self) -> None:
        """So it is with one that does not answer in its time; what it waits for is cancelled."""
        for kept in (False, True):
            cancelled: list[object] = []
            plugin = OnRequest(lambda txn, seen=cancelled: Deferred(seen.append))
            gateway, origin, client = self.started(
                plugin, kept=kept, **{"plugins.test": {"budget": "3s"}}
            )
            before = len(origin.requests)
            client.send(request(URL))
            gateway.advance(2.5)
            self.assertEqual(client.received, b"")
            gateway.advance(1.0)
            self.assertRefused(gateway, client, 503, outcome="failed", reason="plugin_error")
            self.assertEqual((len(origin.requests), len(cancelled)), (before, 1))
            self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_fails_open_where_the_configuration_says_so(self) -> None:
        """Only the configuration can let requests pass a failing plugin."""
        gateway, origin, client = self.started(
            OnRequest(failing),
            **{"plugins.test": {"fail": "open"}},  # type: ignore[arg-type]
        )
        origin.reply = response(b"ok")
        client.send(request(URL))
        self.assertEqual(client.response().status, 200)
        self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_response_hook_that_raises(self) -> None:
        """A hook on the answer that raises lets nothing of the answer through."""
        for kept in (False, True):
            for answer in (response(b"secret"), response(b"secret")[:-1]):
                gateway, origin, client = self.started(OnResponse(failing), kept=False)
                if kept:
                    plugin = OnResponse()
                    gateway, origin, client = self.started(plugin, kept=True)
                    plugin.says = failing
                client.send(request(URL))
                origin.send(answer)
                self.assertRefused(gateway, client, 503, outcome="failed", reason="plugin_error")
                self.assertNotIn(b"secre", client.received)
                self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_upstream_hook_that_raises(self) -> None:
        """A hook on the connection that raises lets nothing be sent on it."""
        gateway, origin, client = self.started(OnUpstream(failing))
        client.send(request(URL))
        self.assertRefused(gateway, client, 503, outcome="failed", reason="plugin_error")
        self.assertEqual(origin.connection.received, b"")
        self.assertEqual(origin.connection.closed, "reset")
        self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_client_hook_that_raises(self) -> None:
        """A hook on the client's connection that raises drops it."""
        gateway, origin, client = self.started(OnConnect(failing))
        client.send(request(URL))
        self.assertEqual((client.received, client.closed, origin.connections), (b"", "reset", []))
        self.assertGreater(len(self.flushLoggedErrors()), 0)


class OddPluginTests(HookTestCase):
    """Plugins that do what none should."""

    def test_answer_that_cannot_be_written(self) -> None:
        """A response that is no bytes is a fault of ours to the client, and never looks complete."""
        for kept in (False, True):
            answer = Response(200, Fields(), "text")  # type: ignore[arg-type]
            gateway, _, client = self.started(
                OnRequest(lambda txn, answer=answer: Respond(answer)), kept=kept
            )
            client.send(request(URL))
            self.assertFalse([found for found in client.responses() if found.status == 200])
            self.assertEqual(gateway.log[-1]["reason"], "gateway_error")
            self.assertGreater(len(self.flushLoggedErrors(TypeError)), 0)

    def test_cancels_its_own_wait(self) -> None:
        """A plugin that cancels what it waits for lets nothing through."""
        for kept in (False, True):
            waiting: Deferred[Any] = Deferred()
            gateway, origin, client = self.started(
                OnRequest(lambda txn, found=waiting: found), kept=kept
            )
            before = len(origin.requests)
            client.send(request(URL))
            waiting.cancel()
            gateway.settle()
            self.assertEqual(len(origin.requests), before)
            self.assertEqual([found.status for found in client.responses()], [])
            self.assertNotEqual(client.closed, "")
            self.assertEqual(gateway.log[-1]["outcome"], "aborted")

    def test_page_that_cannot_be_waited_for(self) -> None:
        """A page that is cancelled ends the transaction; nothing is left waiting."""
        waiting: Deferred[Any] = Deferred()
        gateway, _, client = self.started(OnPage(lambda txn, name: waiting))
        client.send(request(b"http://nowhere.example.com/"))
        waiting.cancel()
        gateway.settle()
        self.assertLine(gateway, outcome="aborted", reason="gateway")
        self.assertNotEqual(client.closed, "")

    def test_content_that_breaks_off_while_the_page_is_made(self) -> None:
        """What goes wrong while a page is waited for is no fault of ours: the client gets an answer and no traceback."""
        for bad in (b"nonsense\r\n", None):
            waiting: Deferred[Any] = Deferred()
            settings: Any = {"timeouts.inactivity": "3s", "plugins.test": {"budget": "60s"}}
            gateway, _, client = self.started(
                OnPage(lambda txn, name, found=waiting: found), **settings
            )
            client.send(
                request(
                    b"http://nowhere.example.com/", b"Transfer-Encoding: chunked", method=b"POST"
                )
            )
            if bad is None:
                gateway.advance(5.0)
            else:
                client.send(bad)
            self.assertIn(client.response().status, (400, 408, 502))
            self.assertEqual(len(gateway.log), 1)
            self.assertEqual(self.flushLoggedErrors(), [])


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
        """Content of a refused request is not waited for, and is no request."""
        _, origin, client = self.started(OnRequest(lambda txn: NO))
        client.send(request(URL, b"Content-Length: 1000", method=b"POST") + request(URL) * 3)
        self.assertEqual(
            (len(client.responses()), client.closed, origin.connections), (1, "fin", [])
        )
        self.assertEqual(client.response().get("connection"), b"close")


class FilterTests(HookTestCase):
    """C{request_filters} and C{response_filters}."""

    def test_request(self) -> None:
        """A filter that keeps the length keeps the framing; any other makes chunks."""
        for made, framing, content in (
            (Upper, "length", b"ABC"),
            (Doubled, "chunked", b"abcabc!"),
            (Held, "chunked", b"abc"),
        ):
            _, origin, client = self.started(OnRequestContent(lambda txn, made=made: made()))
            client.send(request(URL, method=b"POST", content=b"abc"))
            self.assertEqual(
                (origin.request.framing, origin.request.content, origin.request.complete),
                (framing, content, True),
            )
            origin.send(response())

    def test_response(self) -> None:
        """So it is with answers, however they come."""
        answers = (
            (response(b"abc"), "length"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc"), "chunked"),
        )
        for made, content in ((Upper, b"ABC"), (Doubled, b"abcabc!"), (Held, b"abc")):
            for whole, framing in answers:
                for cut in (0, 10, len(whole) - 1):
                    for kept in (False, True):
                        _, origin, client = self.started(
                            OnResponseContent(lambda txn, made=made: made()), kept=kept
                        )
                        client.send(request(URL))
                        origin.send(whole[:cut])
                        origin.send(whole[cut:])
                        found = client.response()
                        self.assertTrue(found.complete)
                        self.assertEqual(found.framing, framing if made is Upper else "chunked")
                        if made is Doubled:
                            # Twice each piece; where content is cut is nobody's promise.
                            self.assertEqual((len(found.content), found.content[-1:]), (7, b"!"))
                        else:
                            self.assertEqual(found.content, content)

    def test_several(self) -> None:
        """Several filters work in the configured order."""
        first, second = (
            OnResponseContent(lambda txn: Upper()),
            OnResponseContent(lambda txn: Doubled()),
        )
        second.name = "second"  # type: ignore[misc]
        gateway = self.forward(
            {"plugins.enabled": ["test", "second", "upload_limit"]},
            plugins={"test": first, "second": second},
        )
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().content, b"ABCABC!")

    def test_no_content(self) -> None:
        """Where there is no content there is nothing to filter."""
        plugin = OnResponseContent(lambda txn: Doubled())
        _, origin, client = self.started(plugin)
        client.send(request(URL, method=b"HEAD"))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        client.send(request(URL))
        origin.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        first, second = client.responses(b"HEAD")
        self.assertEqual((first.get("content-length"), second.status), (b"5", 204))
        self.assertEqual(plugin.asked, [])

    def test_trailers(self) -> None:
        """Trailers pass behind filtered content."""
        _, origin, client = self.started(OnResponseContent(lambda txn: Upper()))
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(b"abc", trailers=[b"X-Sum: 1"])
        )
        self.assertEqual(
            (client.response().content, client.response().trailers), (b"ABC", [(b"x-sum", b"1")])
        )

    def test_refused_upload(self) -> None:
        """Refused content never makes a complete request; the client gets the block's page."""
        gateway, origin, client = self.started(OnRequestContent(lambda txn: RefusesWord(b"virus")))
        client.send(request(URL, b"Content-Length: 100", method=b"POST") + b"fine so far")
        client.send(b"virus")
        self.assertRefused(gateway, client, 403, outcome="refused", reason="words")
        self.assertEqual((origin.request.complete, origin.connection.closed), (False, "reset"))
        self.assertNotIn(b"virus", origin.connection.received)

    def test_refused_upload_at_once(self) -> None:
        """If it is there before the origin is asked, the origin is not asked."""
        for kept in (False, True):
            gateway, origin, client = self.started(
                OnRequestContent(lambda txn: RefusesWord(b"virus")), kept=kept
            )
            before = len(origin.requests)
            client.send(request(URL, method=b"POST", content=b"a virus"))
            self.assertRefused(gateway, client, 403, outcome="refused", reason="words")
            self.assertEqual(len(origin.requests), before)

    def test_refused_upload_at_its_end(self) -> None:
        """A refusal at the end of the content keeps the last of it back."""
        gateway, origin, client = self.started(OnRequestContent(lambda txn: RefusesEnd()))
        client.send(request(URL, b"Content-Length: 6", method=b"POST") + b"abc")
        client.send(b"def")
        self.assertRefused(gateway, client, 422, outcome="refused")
        self.assertEqual((origin.request.complete, origin.connection.closed), (False, "reset"))

    def test_refused_response(self) -> None:
        """Refused content of an answer that has begun is cut off; of one that has not, it is a page."""
        whole = response(b"fine so far and then a virus")
        for kept in (False, True):
            gateway, origin, client = self.started(
                OnResponseContent(lambda txn: RefusesWord(b"virus")), kept=kept
            )
            client.send(request(URL))
            origin.send(whole[:-10])
            origin.send(whole[-10:])
            self.assertFalse(client.response().complete)
            self.assertNotEqual(client.closed, "")
            self.assertNotIn(b"virus", client.received)
            self.assertEqual(
                (gateway.log[-1]["outcome"], gateway.log[-1]["reason"]), ("refused", "words")
            )

    def test_refused_response_at_once(self) -> None:
        """What is refused before the head went out gets the page."""
        for kept in (False, True):
            gateway, origin, client = self.started(
                OnResponseContent(lambda txn: RefusesWord(b"virus")), kept=kept
            )
            client.send(request(URL))
            origin.send(response(b"a virus"))
            self.assertRefused(gateway, client, 403, outcome="refused", reason="words")
            self.assertNotIn(b"virus", client.received)

    def test_refused_response_at_its_end(self) -> None:
        """A refusal at the end: the message never becomes complete."""
        for kept in (False, True):
            _, origin, client = self.started(OnResponseContent(lambda txn: RefusesEnd()), kept=kept)
            client.send(request(URL))
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            origin.send(b"def")
            self.assertFalse(client.response().complete)
            self.assertNotEqual(client.closed, "")

    def test_refused_response_and_an_old_client(self) -> None:
        """An HTTP/1.0 client without a length sees a reset."""
        _, origin, client = self.started(OnResponseContent(lambda txn: RefusesEnd()))
        client.send(b"GET http://origin.example.com/ HTTP/1.0\r\n\r\n")
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        origin.send(b"def")
        self.assertEqual(client.closed, "reset")

    def test_broken_request_filter(self) -> None:
        """A filter that breaks lets nothing more through; it is the plugin's fault, in page and log."""
        gateway, origin, client = self.started(OnRequestContent(lambda txn: Raises()))
        client.send(request(URL, b"Content-Length: 6", method=b"POST"))
        client.send(b"abc")
        self.assertFalse(origin.request.complete)
        self.assertEqual(origin.connection.closed, "reset")
        self.assertGreater(len(self.flushLoggedErrors()), 0)
        self.assertRefused(gateway, client, 503, outcome="failed", reason="plugin_error")

    def test_broken_response_filter(self) -> None:
        """So it is with one on the answer."""
        for kept in (False, True):
            for cut in (20, -1, -3):
                gateway, origin, client = self.started(
                    OnResponseContent(lambda txn: Raises()), kept=kept
                )
                client.send(request(URL))
                whole = response(b"abc")
                origin.send(whole[:cut])
                origin.send(whole[cut:])
                self.assertGreater(len(self.flushLoggedErrors()), 0)
                self.assertNotIn(b"abc", client.received)
                self.assertFalse(
                    client.responses()
                    and client.responses()[0].status == 200
                    and client.responses()[0].complete
                )
                self.assertEqual(
                    (gateway.log[-1]["outcome"], gateway.log[-1]["reason"]),
                    ("failed", "plugin_error"),
                )


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


class CompleteTests(HookTestCase):
    """C{transaction_complete}."""

    def _ends(self, do: Callable[[Harness, ScriptedOrigin, ScriptedClient], object]) -> list[Any]:
        plugin = OnEnd()
        gateway, origin, client = self.started(plugin)
        do(gateway, origin, client)
        return plugin.asked

    def test_once_each(self) -> None:
        """Every transaction is told of once, at its end, however it ended."""
        url = URL.decode()

        def delivered(gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient) -> None:
            origin.reply = response(b"ok")
            client.send(request(URL) * 2)

        def failed(gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient) -> None:
            client.send(request(b"http://nowhere.example.com/"))

        def aborted(gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient) -> None:
            client.send(request(URL))
            client.reset()

        def broken(gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient) -> None:
            client.send(request(URL))
            origin.send(response(b"ok")[:-1])
            origin.connection.reset()

        def malformed(gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient) -> None:
            client.send(b"nonsense\r\n\r\n")

        def tunnelled(gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient) -> None:
            gateway.origin(port=443)
            client.send(request(b"origin.example.com:443", method=b"CONNECT"))
            client.reset()

        self.assertEqual(self._ends(delivered), [(url, "Delivered", 200, "ENDED")] * 2)
        self.assertEqual(
            self._ends(failed), [("http://nowhere.example.com/", "Failed", 502, "ENDED")]
        )
        self.assertEqual(self._ends(aborted), [(url, "Aborted", 0, "ENDED")])
        self.assertEqual(self._ends(broken), [(url, "Aborted", 200, "ENDED")])
        self.assertEqual(self._ends(malformed), [("error:invalid-request", "Failed", 400, "ENDED")])
        self.assertEqual(
            self._ends(tunnelled), [("origin.example.com:443", "Tunnelled", 200, "ENDED")]
        )

    def test_failing(self) -> None:
        """One that fails harms nobody."""
        gateway, origin, client = self.started(OnEnd(failing))
        origin.reply = response(b"ok")
        client.send(request(URL) * 2)
        self.assertEqual(len(client.responses()), 2)
        self.assertEqual([line["outcome"] for line in gateway.log], ["delivered"] * 2)
        self.assertEqual(len(self.flushLoggedErrors()), 2)

    def test_before_the_log(self) -> None:
        """It comes before the line is written, so notes made there are in it."""
        gateway, origin, client = self.started(OnEnd(lambda txn: txn.notes.update(seen="yes")))
        origin.reply = response(b"ok")
        client.send(request(URL))
        self.assertEqual(gateway.line["notes"], {"seen": "yes"})
