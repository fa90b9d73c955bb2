"""Every transaction has one line in the access log, also the refused, the broken and the malformed, and it is true."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase


class LineTests(ScenarioTestCase):
    """What a line says. That there is one for each, no test can leave without (L{Harness.stop})."""

    def test_bytes_out(self) -> None:
        """Bytes out are all that went to the client, heads and chunks included."""
        for answer in (
            response(b"abc"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(b"abc", b"def", trailers=[b"X-A: b"]),
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"nonsense",
        ):
            gateway = self.forward()
            origin = gateway.origin()
            client = gateway.client()
            client.send(request(URL))
            origin.send(answer)
            origin.connection.end()
            self.assertLine(gateway, bytes_out=len(client.received))

    def test_bytes_in(self) -> None:
        """Bytes in are the content, without its coding."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"abc"))
        client.send(
            request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(b"abcd", b"ef")
        )
        client.send(request(URL))
        self.assertEqual([line["bytes_in"] for line in gateway.log], [3, 6, 0])

    def test_who_and_where(self) -> None:
        """It has the client, the mode, the URL, the way and the upstream."""
        gateway = self.forward()
        gateway.origin(reply=response(b"x", b"Content-Type: text/plain; charset=utf-8"))
        client = gateway.client(port=4711)
        client.send(request(URL + b"a?b", b"User-Agent: test/1", b"Referer: http://a.example.com/"))
        self.assertLine(
            gateway,
            client="192.0.2.7",
            client_port=4711,
            mode="forward",
            site=None,
            url="http://origin.example.com/a?b",
            route="direct",
            upstream="198.51.100.1:80",
            media_type="text/plain",
            user_agent="test/1",
            referer="http://a.example.com/",
        )

    def test_site(self) -> None:
        """In reverse mode it has the site, and the URL as the client saw it."""
        gateway = self.reverse({"host": ["www.example.com"]})
        gateway.origin(reply=response())
        gateway.client().send(request(b"/a", b"Host: www.example.com"))
        self.assertLine(
            gateway,
            mode="reverse",
            site="www.example.com",
            url="http://www.example.com/a",
            route="origin",
        )

    def test_timings(self) -> None:
        """Times are in order: looked up, connected, first byte, end; those of a kept connection have no connect."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL) + request(URL))
        first, second = (line["timings"] for line in gateway.log)
        self.assertLessEqual(first["resolve"], first["connect"])
        self.assertLessEqual(first["connect"], first["first_byte"])
        self.assertLessEqual(first["first_byte"], first["total"])
        self.assertEqual((second["resolve"], second["connect"]), (None, None))
        self.assertIsNotNone(second["first_byte"])

    def test_ids(self) -> None:
        """Each has an id of its own, in the order in which they began."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL) * 5)
        found = [line["id"] for line in gateway.log]
        self.assertEqual((len(set(found)), sorted(found)), (5, found))

    def test_malformed(self) -> None:
        """A request that is none has a line without what it would have said."""
        for raw in (
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET http://bad host/ HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            gateway = self.forward()
            client = gateway.client()
            client.send(raw)
            self.assertLine(
                gateway,
                status=400,
                outcome="failed",
                reason="bad_request",
                bytes_out=len(client.received),
                client="192.0.2.7",
            )

    def test_target_that_means_nothing(self) -> None:
        """A well-formed request whose target means nothing here has no URL in the log."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"/relative") + request(b"ftp://a/b", b"Host: a"))
        self.assertEqual(
            [line["url"] for line in gateway.log], ["error:invalid-request"] * len(gateway.log)
        )
        self.assertEqual(len(client.responses()), len(gateway.log))

    def test_many(self) -> None:
        """However many ways they end on one connection, each has its line, in order."""
        gateway = self.forward()
        gateway.origin(reply=lambda asked: response(asked.target))
        client = gateway.client()
        client.send(
            request(URL)
            + request(b"http://nowhere.example.com/")
            + request(b"http://127.0.0.1/")
            + request(URL, b"Expect: x")
            + request(URL, b"Max-Forwards: 0", method=b"TRACE")
            + request(URL, b"Via: 1.1 gateway-under-test")
            + request(URL)
            + b"junk\r\n\r\n"
        )
        self.assertEqual(
            [(line["status"], line["outcome"], line["reason"]) for line in gateway.log],
            [
                (200, "delivered", None),
                (502, "failed", "name_not_found"),
                (403, "failed", "forbidden_destination"),
                (417, "failed", "expectation_failed"),
                (200, "delivered", None),
                (508, "failed", "loop"),
                (200, "delivered", None),
                (400, "failed", "bad_request"),
            ],
        )

    def test_not_before_the_end(self) -> None:
        """A line is written when its transaction ends, not before."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(response(b"abc")[:-1])
        self.assertEqual(gateway.log, [])
        origin.send(b"c")
        self.assertLine(gateway, outcome="delivered")

    def test_masks(self) -> None:
        """What is to be left out is left out."""
        gateway = self.forward({"log.mask": ["query"]})
        gateway.origin(reply=response())
        gateway.client().send(request(URL + b"a?secret=x"))
        self.assertNotIn("secret", gateway.line["url"])

    def test_counters(self) -> None:
        """The counters see what the log sees."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL) * 3 + request(b"http://nowhere.example.com/"))
        text = gateway.service.recorder.exposition().text().decode()
        counted = [line for line in text.splitlines() if line.startswith("gateway_requests_total")]
        self.assertEqual(sum(float(line.rsplit(" ", 1)[1]) for line in counted), len(gateway.log))
