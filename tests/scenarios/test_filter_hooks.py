"""Plugins change content on its way, or break it off (plugin API 1.0)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.hooks import HookTestCase
from tests.scenarios.plugins import (
    Doubled,
    Held,
    OnRequestContent,
    OnResponseContent,
    Raises,
    RefusesEnd,
    RefusesWord,
    Upper,
)
from tests.scenarios.support import URL


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
