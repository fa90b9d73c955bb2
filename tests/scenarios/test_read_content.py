"""A plugin may read a request's content before it decides: nothing goes upstream before, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Allow, Block, BodyFilter, ReadContent, Respond, Response, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase


def _given(verdict: Any, content: bytes) -> Any:
    return verdict


class Reads(Base):
    """
    Reads every request's content.

    @ivar seen: what it was given.
    """

    def __init__(
        self, then: Callable[[bytes], Any] = lambda content: None, limit: int = 100
    ) -> None:
        super().__init__()
        self.seen: list[bytes] = []
        self._then = then
        self._limit = limit

    @hookimpl()
    def request_headers(self, txn: Any) -> ReadContent:
        """Ask for the content."""

        def then(content: bytes) -> Any:
            self.seen.append(content)
            return self._then(content)

        return ReadContent(self._limit, then)


class Doubled(BodyFilter):
    """Passes all content twice."""

    def data(self, data: bytes) -> bytes:
        """Double it."""
        return data * 2


class ReadContentTests(ScenarioTestCase):
    """L{ReadContent}."""

    def gateway(self, plugin: Reads) -> tuple[Harness, ScriptedOrigin]:
        """Start a forward proxy with the plugin, and an origin."""
        gateway = self.forward(plugins={"test": plugin})
        return gateway, gateway.origin(reply=response(b"from the origin"))

    def test_answered(self) -> None:
        """The plugin's answer to the content is sent, and the origin hears of nothing."""
        plugin = Reads(lambda content: Respond(Response(200, content=content.upper())))
        gateway, origin = self.gateway(plugin)
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"a=b"))
        self.assertEqual(client.response().content, b"A=B")
        self.assertEqual(origin.connections, [])
        client.send(request(URL, method=b"POST", content=b"c=d"))
        self.assertEqual([found.content for found in client.responses()], [b"A=B", b"C=D"])
        self.assertEqual(plugin.seen, [b"a=b", b"c=d"])

    def test_goes_on(self) -> None:
        """Without an objection the request goes on with its content, whole and once."""
        for verdict in (None, Allow("fine")):
            plugin = Reads(partial(_given, verdict))
            gateway, origin = self.gateway(plugin)
            client = gateway.client()
            client.send(request(URL, method=b"POST", content=b"hello")[:-2])
            self.assertEqual(origin.connections, [])
            client.send(b"lo")
            self.assertEqual(client.response().content, b"from the origin")
            self.assertEqual(origin.request.content, b"hello")

    def test_chunked(self) -> None:
        """Content without a length is read to its end, and goes on in chunks."""
        plugin = Reads()
        gateway, origin = self.gateway(plugin)
        client = gateway.client()
        client.send(
            request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(b"one", b"two")
        )
        self.assertEqual(plugin.seen, [b"onetwo"])
        self.assertEqual(origin.request.content, b"onetwo")

    def test_no_content(self) -> None:
        """A request without content is judged at once."""
        plugin = Reads()
        gateway, origin = self.gateway(plugin)
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(plugin.seen, [b""])
        self.assertEqual(client.response().status, 200)

    def test_too_much(self) -> None:
        """More than the limit is refused with 413, before it is sent where that is known."""
        plugin = Reads(limit=4)
        gateway, origin = self.gateway(plugin)
        declared = gateway.client()
        declared.send(request(URL, b"Expect: 100-continue", method=b"POST", content=b"12345")[:-5])
        self.assertEqual([found.status for found in declared.responses()], [413])
        client = gateway.client()
        client.send(
            request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(b"123", b"45")
        )
        self.assertEqual(client.response().status, 413)
        self.assertEqual((plugin.seen, origin.connections), ([], []))

    def test_exactly_enough(self) -> None:
        """The limit itself is allowed."""
        plugin = Reads(limit=5)
        gateway, _ = self.gateway(plugin)
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"12345"))
        self.assertEqual(plugin.seen, [b"12345"])

    def test_expect(self) -> None:
        """A client that waits for a 100 gets it from the gateway, once."""
        plugin = Reads()
        gateway, origin = self.gateway(plugin)
        client = gateway.client()
        whole = request(URL, b"Expect: 100-continue", method=b"POST", content=b"hello")
        client.send(whole[:-5])
        self.assertEqual([found.status for found in client.responses()], [100])
        client.send(whole[-5:])
        self.assertEqual([found.status for found in client.responses()], [100, 200])
        self.assertEqual(origin.request.get("expect"), None)

    def test_later(self) -> None:
        """The judgement may take its time."""
        waiting: Deferred[Any] = Deferred()
        plugin = Reads(lambda content: waiting)
        gateway, _ = self.gateway(plugin)
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"hello"))
        self.assertEqual(client.received, b"")
        waiting.callback(Block("not this"))
        gateway.settle()
        self.assertEqual(client.response().status, 403)
        self.assertLine(gateway, outcome="refused", detail="not this")

    def test_failures(self) -> None:
        """A plugin that raises, gives something else, or asks again, fails as in the hook itself."""
        for then in (
            lambda content: 1 / 0,
            lambda content: True,
            lambda content: ReadContent(5, lambda content: None),
        ):
            gateway, origin = self.gateway(Reads(then))
            client = gateway.client()
            client.send(request(URL, method=b"POST", content=b"hello"))
            self.assertEqual(client.response().status, 503)
            self.assertEqual(origin.connections, [])
            self.flushLoggedErrors()

    def test_client_gone(self) -> None:
        """A client that goes in the middle of it ends its transaction."""
        plugin = Reads()
        gateway, _ = self.gateway(plugin)
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"hello")[:-2])
        client.reset()
        self.assertLine(gateway, outcome="aborted")
        self.assertEqual(plugin.seen, [])

    def test_filters_come_after(self) -> None:
        """Filters get the content as if nobody had looked."""

        class Filters(Reads):
            @hookimpl()
            def request_filters(self, txn: Any) -> BodyFilter:
                return Doubled()

        gateway, origin = self.gateway(Filters())
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"hello"))
        self.assertEqual(origin.request.content, b"hellohello")

    def test_limits(self) -> None:
        """No plugin can ask for more than a mebibyte."""
        self.assertRaises(ValueError, ReadContent, (1 << 20) + 1, lambda content: None)
        self.assertRaises(ValueError, ReadContent, -1, lambda content: None)
