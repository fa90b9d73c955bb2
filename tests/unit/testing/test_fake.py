"""Tests of the gateway that authors of plugins test with: what it does, and what it says when a test is wrong."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.api import (
    Aborted,
    Block,
    Client,
    ClientHello,
    Delivered,
    Failed,
    Fields,
    HttpAnswer,
    HttpFailed,
    Plugin,
    PluginError,
    Refused,
    Response,
    Tunnel,
    Tunnelled,
    hookimpl,
)
from gateway.api.settings import HostSet
from gateway.config.faults import ConfigError
from gateway.testing import FakeGateway, FakeOrigin, Message
from tests.unit.testing.plugins import Asks, BlockHosts, BlockHostsSettings, Stubborn

ROOT = Path(gateway.__file__).parent.parent


class AskingTests(SynchronousTestCase):
    """Asking, and what is seen of the answer."""

    def test_refusal(self) -> None:
        """A verdict is the outcome, the client gets its page, the log its line, and the origin nothing."""
        gw = FakeGateway(BlockHosts, BlockHostsSettings(HostSet(["bad.example"])))
        seen = self.successResultOf(gw.get("http://bad.example/"))
        self.assertEqual(seen.outcome, Refused(Block("host is listed")))
        self.assertEqual(seen.verdict, Block("host is listed"))
        self.assertEqual((seen.status, seen.complete), (403, True))
        self.assertIn("host is listed", seen.text)
        self.assertEqual(seen.log["outcome"], "refused")
        self.assertFalse(seen.reached_origin)
        self.assertEqual(gw.origin.requests, [])
        self.assertEqual(gw.log, ["bad.example is listed"])
        gw.stop()

    def test_delivery(self) -> None:
        """What passes comes from the origin, which remembers what it was sent."""
        gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
        page = Response(203, Fields.of([("X-From", "origin")]), b"hello")
        gw.origin["http://good.example/a?b=c"] = page
        seen = self.successResultOf(
            gw.request("PUT", "http://good.example/a?b=c", {"X-To": "origin"}, b"content")
        )
        self.assertEqual(seen.outcome, Delivered())
        self.assertEqual((seen.status, seen.content), (203, b"hello"))
        self.assertEqual(seen.fields.get("x-from"), "origin")
        self.assertTrue(seen.reached_origin)
        request = gw.origin.request
        self.assertEqual((request.method, request.url), (b"PUT", "http://good.example/a?b=c"))
        self.assertEqual((request.get("x-to"), request.content), (b"origin", b"content"))
        gw.stop()

    def test_unknown_page(self) -> None:
        """A URL that the test gave no page for is answered with 404, and the answer says whose it is."""
        seen = FakeGateway(BlockHosts, {"hosts": []}).get("http://good.example/nothing").seen()
        self.assertEqual(seen.status, 404)
        self.assertIn("the test has no page for http://good.example/nothing", seen.text)

    def test_page_by_function(self) -> None:
        """A page may be made of the request, and just content is a 200."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        gw.origin["http://a.example/"] = lambda request: (
            b"you are " + (request.get("user-agent") or b"?")
        )
        self.assertEqual(
            gw.get("http://a.example/", {"User-Agent": "x/1"}).seen().text, "you are x/1"
        )

    def test_head(self) -> None:
        """HEAD gets the length of a page and none of its content."""
        gw = FakeGateway(BlockHosts, {"hosts": []}, origin={"http://a.example/": b"hello"})
        seen = gw.request("HEAD", "http://a.example/").seen()
        self.assertEqual((seen.fields.get("content-length"), seen.content), ("5", b""))

    def test_chunks(self) -> None:
        """Content that is given in pieces has no declared length, and comes whole."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        gw.request("POST", "http://a.example/", content=[b"one", b"two"])
        self.assertEqual(gw.origin.request.framing, "chunked")
        self.assertEqual(gw.origin.request.content, b"onetwo")

    def test_ports_and_spellings(self) -> None:
        """One page has one URL however its default port or empty path is written; another port is another page."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        gw.origin["http://A.example:80"] = b"one"
        gw.origin["http://a.example:8080/"] = b"other"
        self.assertEqual(gw.get("http://a.example/").seen().content, b"one")
        self.assertEqual(gw.get("http://a.example:8080/").seen().content, b"other")
        self.assertIn("http://a.example/", gw.origin)
        del gw.origin["http://a.example/"]
        self.assertNotIn("http://a.example", gw.origin)

    def test_order_of_requests(self) -> None:
        """The origin's requests are in the order in which they came, whatever connection each took."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        for path in "abc":
            gw.get(f"http://{path}.example/{path}")
            gw.get("http://same.example/")
        self.assertEqual(
            [request.target for request in gw.origin.requests],
            [b"/a", b"/", b"/b", b"/", b"/c", b"/"],
        )

    def test_one_connection(self) -> None:
        """Several requests may go over one connection of a client, each with its own result."""
        gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
        gw.origin["http://a.example/"] = b"first"
        client = gw.client()
        one = gw.get("http://a.example/", on=client)
        other = gw.get("http://bad.example/", on=client)
        self.assertEqual((one.seen().content, other.seen().status), (b"first", 403))
        self.assertIs(one.client, other.client)
        self.assertFalse(client.left)
        client.close()
        gw.stop()


class ModeTests(SynchronousTestCase):
    """Tunnels, and the reverse proxy."""

    def test_reverse(self) -> None:
        """In reverse mode clients ask for hosts of a site, and the same pages answer."""
        gw = FakeGateway(
            BlockHosts,
            {"hosts": ["bad.example"]},
            mode="reverse",
            origin={"http://www.example.com/x": b"hello"},
        )
        seen = gw.get("http://www.example.com/x").seen()
        self.assertEqual((seen.content, seen.log["mode"]), (b"hello", "reverse"))
        self.assertEqual(gw.get("http://bad.example/").seen().status, 403)
        self.assertEqual(len(gw.origin.requests), 1)
        gw.stop()

    def test_tunnel(self) -> None:
        """A tunnel stands, takes bytes both ways, and is seen when it has ended."""
        gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
        gw.origin["good.example:443"] = lambda data: data[::-1]
        seen = self.successResultOf(gw.connect("good.example:443", content=b"hello"))
        self.assertEqual(seen.outcome, Tunnelled())
        self.assertEqual((seen.status, seen.content), (200, b"olleh"))
        self.assertTrue(seen.reached_origin)
        self.assertEqual(gw.origin.tunnels, [b"hello"])
        gw.stop()

    def test_client_hello(self) -> None:
        """The plugins are asked in their order what becomes of a TLS connection, by whoever the test says."""

        class Private(Plugin):
            name = "private"

            @hookimpl()
            def client_hello(self, client: Client, hello: ClientHello) -> Tunnel | Block | None:
                if hello.server_name == "broken.example":
                    raise KeyError("broken")
                if client.address == "192.0.2.66":
                    return Block("not from there")
                return Tunnel("private") if hello.server_name == "private.example" else None

        class Later(Plugin):
            name = "later"

            @hookimpl()
            async def client_hello(
                self, client: Client, hello: ClientHello
            ) -> Tunnel | Block | None:
                answer = await self.services.http.request("GET", "https://lists.example/")
                return Block(answer.content.decode()) if answer.content else None

        gw = FakeGateway(Private, plugins=[Later], http={"https://lists.example/": b"listed"})
        private = self.successResultOf(gw.client_hello(ClientHello("private.example")))
        self.assertEqual(private, Tunnel("private"))
        other = ClientHello("www.example")
        self.assertEqual(self.successResultOf(gw.client_hello(other)), Block("listed"))
        asked = gw.client_hello(other, address="192.0.2.66")
        self.assertEqual(self.successResultOf(asked), Block("not from there"))
        asked = gw.client_hello(other, client=Client("192.0.2.66", 1, mode="forward"))
        self.assertEqual(self.successResultOf(asked), Block("not from there"))
        self.failureResultOf(gw.client_hello(ClientHello("broken.example")), PluginError)
        self.flushLoggedErrors(KeyError)
        gw.stop()

    def test_client_hello_of_nobody(self) -> None:
        """Without such a hook there is no opinion, and a gateway that was stopped is not asked."""
        gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
        self.assertIsNone(self.successResultOf(gw.client_hello(ClientHello("www.example"))))
        gw.stop()
        self.assertRaises(AssertionError, gw.client_hello, ClientHello("www.example"))

    def test_refused_tunnel(self) -> None:
        """A tunnel that a plugin refuses never gets to its far end."""
        gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
        seen = gw.connect("bad.example:443", content=b"hello").seen()
        self.assertEqual((seen.status, seen.outcome), (403, Refused(Block("host is listed"))))
        self.assertFalse(seen.reached_origin)
        self.assertEqual(gw.origin.tunnels, [])

    def test_https(self) -> None:
        """A URL of https is refused with the way to ask for a tunnel, both as a request and as a page."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        error = self.assertRaises(ValueError, gw.get, "https://a.example/")
        self.assertIn("gw.connect('a.example')", str(error))
        self.assertRaises(ValueError, gw.origin.__setitem__, "https://a.example/", b"")
        self.assertRaises(ValueError, gw.origin.__setitem__, "a.example", b"")
        self.assertRaises(ValueError, gw.get, "a.example:443")


class WaitingTests(SynchronousTestCase):
    """Plugins that wait."""

    def test_answer(self) -> None:
        """A plugin's own request is answered by the mapping of the test, and noted."""
        gw = FakeGateway(Asks, http={"https://lists.example/a.example": b"bad"})
        gw.http["https://lists.example/b.example"] = HttpAnswer(200, Fields(), b"good")
        seen = gw.get("http://a.example/").seen()
        self.assertEqual(seen.outcome, Refused(Block("the score is bad")))
        self.assertEqual(seen.notes, {"score": "bad"})
        self.assertEqual(gw.get("http://b.example/").seen().notes, {"score": "good"})
        self.assertEqual(
            [(asked.method, asked.url) for asked in gw.http.requests],
            [
                ("GET", "https://lists.example/a.example"),
                ("GET", "https://lists.example/b.example"),
            ],
        )
        gw.stop()

    def test_not_yet(self) -> None:
        """While a plugin waits there is no result; when what it waits for fires there is one, without more ado."""
        gw = FakeGateway(Asks)
        waiting: Deferred[bytes] = Deferred()
        gw.http["https://lists.example/a.example"] = waiting
        exchange = gw.get("http://a.example/")
        self.assertNoResult(exchange)
        error = self.assertRaises(AssertionError, exchange.seen)
        self.assertIn("GET http://a.example/ has not ended: it is 0 s on the clock", str(error))
        waiting.callback(b"good")
        self.assertEqual(self.successResultOf(exchange).status, 404)

    def test_budget(self) -> None:
        """Time goes by when the test says so; when the budget is used up the plugin's error rule applies."""
        gw = FakeGateway(Asks)
        gw.http["https://lists.example/a.example"] = Deferred()
        exchange = gw.get("http://a.example/")
        gw.clock.advance(0.49)
        self.assertNoResult(exchange)
        gw.clock.advance(0.02)
        seen = self.successResultOf(exchange)
        assert isinstance(seen.outcome, Failed)
        error = seen.outcome.error
        assert isinstance(error, PluginError)
        self.assertEqual((error.plugin, error.hook, seen.status), ("asks", "request_headers", 503))
        self.assertIsInstance(error.cause, TimeoutError)
        self.assertFalse(seen.reached_origin)
        self.flushLoggedErrors()
        gw.stop()

    def test_fails_open(self) -> None:
        """C{fail} and C{budget} stand among the settings, as in the file."""
        gw = FakeGateway(Asks, {"fail": "open", "budget": "2s"})
        gw.http["https://lists.example/a.example"] = Deferred()
        exchange = gw.get("http://a.example/")
        gw.clock.advance(1.9)
        self.assertNoResult(exchange)
        gw.clock.advance(0.2)
        self.assertTrue(self.successResultOf(exchange).reached_origin)
        self.flushLoggedErrors()

    def test_no_answer_written(self) -> None:
        """A plugin that asks what the test has no answer for is told so, by an error that names the URL."""
        gw = FakeGateway(Asks)
        seen = gw.get("http://a.example/").seen()
        self.assertIn("HttpFailed", repr(seen))
        (failed,) = [
            failure.value for failure in self.flushLoggedErrors() if failure.check(HttpFailed)
        ]
        self.assertIn("the test has no answer for https://lists.example/a.example", str(failed))

    def test_side_by_side(self) -> None:
        """What came to the origin of one request is not taken for another's that was under way at the same time."""
        gw = FakeGateway(Asks)
        waiting: Deferred[bytes] = Deferred()
        gw.http["https://lists.example/bad.example"] = waiting
        gw.http["https://lists.example/a.example"] = b"good"
        refused = gw.get("http://bad.example/")
        passed = gw.get("http://A.example")
        waiting.callback(b"bad")
        self.assertFalse(refused.seen().reached_origin)
        self.assertTrue(passed.seen().reached_origin)

    def test_hang_up(self) -> None:
        """A client that goes away cancels what the plugin waits for, and the transaction ends."""
        cancelled: list[object] = []
        gw = FakeGateway(Asks)
        gw.http["https://lists.example/a.example"] = Deferred(cancelled.append)
        exchange = gw.get("http://a.example/")
        exchange.hang_up()
        seen = self.successResultOf(exchange)
        assert isinstance(seen.outcome, Aborted)
        self.assertEqual((seen.outcome.by, seen.status, len(cancelled)), ("client", 0, 1))
        self.assertEqual(self.flushLoggedErrors(), [])
        gw.stop()

    def test_cancel(self) -> None:
        """Cancelling the Deferred hangs up, and it fires with what is seen of that."""
        gw = FakeGateway(Asks)
        gw.http["https://lists.example/a.example"] = Deferred()
        exchange = gw.get("http://a.example/")
        exchange.cancel()
        self.assertIsInstance(self.successResultOf(exchange).outcome, Aborted)
        self.assertEqual(gw.access_log[0]["outcome"], "aborted")
        gw.stop()

    def test_time_goes_forward(self) -> None:
        """The clock can't be turned back."""
        self.assertRaises(ValueError, FakeGateway(Asks).clock.advance, -1)


class FaultTests(SynchronousTestCase):
    """What a test hears that is itself at fault."""

    def test_settings(self) -> None:
        """Settings have the faults that a file would have, with the nearest name."""
        error = self.assertRaises(ConfigError, FakeGateway, BlockHosts, {"host": []})
        self.assertIn("plugins.block_hosts.hosts: is missing", str(error))
        self.assertIn('did you mean "hosts"?', str(error))

    def test_no_plugin(self) -> None:
        """What is no plugin, or has no name, is refused by what it is."""
        error = self.assertRaises(TypeError, FakeGateway, BlockHostsSettings)
        self.assertIn("is no plugin", str(error))
        error = self.assertRaises(TypeError, FakeGateway, Plugin)
        self.assertIn("Plugin has no name", str(error))

    def test_start_fails(self) -> None:
        """A plugin that does not start is named, with its own error behind it."""
        error = self.assertRaises(AssertionError, FakeGateway, Stubborn)
        self.assertIn("the gateway does not start", str(error))
        self.assertIn("stubborn", str(error))

    def test_start_succeeds(self) -> None:
        """What a plugin asks in start() can be answered from the beginning."""
        gw = FakeGateway(Stubborn, http={"http://lists.example/": b"list"})
        self.assertEqual(gw.get("http://a.example/").seen().status, 404)

    def test_start_waits(self) -> None:
        """Whoever asks a gateway that waits for its plugin is told so."""
        gw = FakeGateway(Stubborn, http={"http://lists.example/": Deferred()})
        error = self.assertRaises(AssertionError, gw.get, "http://a.example/")
        self.assertIn("some plugin still waits in start()", str(error))

    def test_wrong_page(self) -> None:
        """A page that is none is refused when it is asked for, by its URL."""
        origin = FakeOrigin({"http://a.example/": lambda request: 5})  # type: ignore[dict-item]
        message = Message(b"GET / HTTP/1.1", [(b"host", b"a.example")])
        error = self.assertRaises(AssertionError, origin.answer, message)
        self.assertIn("5 is no answer for http://a.example/", str(error))

    def test_not_one_request(self) -> None:
        """Who asks for the only request is told what came instead."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        error = self.assertRaises(AssertionError, lambda: gw.origin.request)
        self.assertIn("but nothing", str(error))
        gw.get("http://a.example/")
        gw.get("http://b.example/x")
        error = self.assertRaises(AssertionError, lambda: gw.origin.request)
        self.assertIn("GET http://a.example/, GET http://b.example/x", str(error))

    def test_lines(self) -> None:
        """A field that would be two lines is refused, for that is a thing to send by hand."""
        gw = FakeGateway(BlockHosts, {"hosts": []})
        self.assertRaises(ValueError, gw.get, "http://a.example/", {"X": "a\r\nY: b"})

    def test_repr(self) -> None:
        """A failing test shows a line: status, outcome and the beginning of the content."""
        gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
        exchange = gw.get("http://bad.example/")
        self.assertIn("<Seen 403 Refused(verdict=Block(why='host is listed'", repr(exchange.seen()))
        self.assertLess(len(repr(exchange.seen())), 400)
        self.assertIn("GET http://bad.example/: <Seen 403", repr(exchange))
