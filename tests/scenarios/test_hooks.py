"""Plugins decide, and one that fails never lets a request through (plugin API 1.0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Respond, Response
from gateway.message.fields import Fields
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, request, response
from tests.scenarios.hooks import HookTestCase, failing
from tests.scenarios.plugins import (
    Base,
    OnAuthenticate,
    OnConnect,
    OnEnd,
    OnPage,
    OnRequest,
    OnRequestContent,
    OnResponse,
    OnRoute,
    OnUpstream,
)
from tests.scenarios.support import URL


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
