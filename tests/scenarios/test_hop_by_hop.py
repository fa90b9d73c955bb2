"""Fields of a connection end with it (RFC 9110 section 7.6.1); all others pass as they are."""

from __future__ import annotations

from gateway.api import Transaction
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import OnRequest, OnResponse
from tests.scenarios.support import URL, ScenarioTestCase

HOP = (
    b"Connection: keep-alive, X-Only-Here",
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"TE: gzip",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    b"X-Only-Here: yes",
)
HOP_NAMES = {
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"upgrade",
    b"http2-settings",
    b"x-only-here",
}


class RequestTests(ScenarioTestCase):
    """Fields of requests."""

    def test_removed(self) -> None:
        """What belongs to the client's connection, or is named by its Connection field, does not go on."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, *HOP, b"X-Kept: yes"))
        self.assertEqual(HOP_NAMES & set(origin.request.names), set())
        self.assertEqual(origin.request.get("connection"), None)
        self.assertEqual(origin.request.get("x-kept"), b"yes")

    def test_reverse(self) -> None:
        """So it is in reverse mode."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", *HOP, b"X-Kept: yes"))
        self.assertEqual(HOP_NAMES & set(origin.request.names), set())
        self.assertEqual(origin.request.get("x-kept"), b"yes")

    def test_credentials_for_the_proxy(self) -> None:
        """Proxy-Authorization is for us; Authorization is for the origin."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(
            request(URL, b"Proxy-Authorization: Basic Zm9v", b"Authorization: Basic YmFy")
        )
        self.assertEqual(origin.request.get("proxy-authorization"), None)
        self.assertEqual(origin.request.get("authorization"), b"Basic YmFy")

    def test_connection_may_not_name_the_message(self) -> None:
        """A Connection field can't take away what the message means."""
        for name in (b"Host", b"Content-Length", b"Content-Type"):
            gateway = self.forward()
            origin = gateway.origin(reply=response())
            client = gateway.client()
            client.send(request(URL, b"Connection: " + name, method=b"POST", content=b"x"))
            self.assertEqual(client.response().status, 400, name)
            self.assertEqual(origin.connections, [])

    def test_what_a_plugin_has_written(self) -> None:
        """A client can't take out what a plugin tells of it by sending the same and saying that it ends here."""

        def tells(txn: Transaction) -> None:
            txn.request.fields.set("X-Groups", "guests")

        gateway = self.reverse(plugins={"test": OnRequest(tells)})
        origin = gateway.origin(reply=response())
        client = gateway.client()
        for lines in (
            (b"Connection: X-Groups, X-Only-Here", b"X-Groups: guests", b"X-Only-Here: yes"),
            (b"X-Only-Here: yes", b"X-Groups: a", b"X-Groups: guests", b"Connection: x-groups"),
        ):
            client.send(request(b"/", *lines))
            self.assertEqual(origin.requests[-1].all("x-groups"), [b"guests"])
            self.assertEqual(origin.requests[-1].get("connection"), None)
        self.assertEqual(origin.requests[0].get("x-only-here"), None)
        self.assertEqual(origin.requests[1].get("x-only-here"), b"yes")

    def test_order_and_spelling(self) -> None:
        """All other fields keep their order, their spelling and their repetitions."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        lines = (b"X-b: 1", b"x-A: 2", b"X-b:3", b"Accept:   */*")
        gateway.client().send(request(URL, *lines))
        self.assertIn(b"\r\n".join(lines), origin.request.raw)

    def test_lookalikes(self) -> None:
        """Names that an origin could take for a field of the framing are dropped."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, b"Transfer_Encoding: chunked", b"Content.Length: 7"))
        self.assertEqual(origin.request.names, [b"host", b"via"])

    def test_te_trailers(self) -> None:
        """That the client takes trailers is said anew, as a matter of our own connection."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, b"TE: trailers", b"Connection: TE"))
        self.assertEqual(origin.request.get("te"), b"trailers")
        self.assertEqual(origin.request.get("connection"), b"TE")


class ResponseTests(ScenarioTestCase):
    """Fields of responses."""

    def test_removed(self) -> None:
        """What belongs to the origin's connection does not go on."""
        gateway = self.forward()
        gateway.origin(reply=response(b"", *HOP, b"X-Kept: yes"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(HOP_NAMES & set(client.response().names), set())
        self.assertEqual(client.response().get("connection"), None)
        self.assertEqual(client.response().get("x-kept"), b"yes")

    def test_connection_may_not_name_the_message(self) -> None:
        """A Connection field that names what the content means changes nothing."""
        gateway = self.forward()
        gateway.origin(
            reply=response(b"x", b"Connection: Content-Type", b"Content-Type: text/plain")
        )
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().get("content-type"), b"text/plain")

    def test_what_a_plugin_has_written(self) -> None:
        """Nor can a server take out what a plugin adds to its answer."""

        def tells(txn: Transaction) -> None:
            assert txn.response is not None
            txn.response.fields.set("X-Guard", "on")

        gateway = self.forward(plugins={"test": OnResponse(tells)})
        gateway.origin(
            reply=response(
                b"x", b"Connection: X-Guard, X-Only-Here", b"X-Guard: on", b"X-Only-Here: yes"
            )
        )
        client = gateway.client()
        client.send(request(URL))
        answer = client.response()
        self.assertEqual(answer.all("x-guard"), [b"on"])
        self.assertEqual(answer.get("x-only-here"), None)

    def test_interim(self) -> None:
        """So it is in interim responses."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nKeep-Alive: timeout=5\r\nConnection: x-a\r\nX-A: b\r\n\r\n"
        )
        self.assertEqual(client.responses()[0].names, [b"link"])
        origin.send(response())

    def test_end_to_end(self) -> None:
        """Order, spelling and repetitions stay; several Set-Cookie stay several."""
        gateway = self.forward()
        lines = (b"Set-Cookie: a=b", b"X-b: 1", b"set-cookie: c=d", b'ETag:   "x"')
        gateway.origin(reply=response(b"", *lines))
        client = gateway.client()
        client.send(request(URL))
        self.assertIn(b"\r\n".join(lines), client.received)

    def test_server(self) -> None:
        """The Server field is the origin's alone: never changed, never added."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"", b"Server: Apache/1.3 (odd)"))
        client = gateway.client()
        client.send(request(URL))
        origin.reply = response()
        client.send(request(URL))
        client.send(request(b"http://nowhere.example.com/"))
        self.assertEqual(
            [found.all("server") for found in client.responses()], [[b"Apache/1.3 (odd)"], [], []]
        )

    def test_date(self) -> None:
        """An answer without a Date gets one; one that it has stays (RFC 9110 section 6.6.1)."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"", b"Date: Tue, 15 Nov 1994 08:12:31 GMT"))
        client = gateway.client()
        client.send(request(URL))
        origin.reply = response()
        client.send(request(URL))
        first, second = client.responses()
        self.assertEqual(first.get("date"), b"Tue, 15 Nov 1994 08:12:31 GMT")
        self.assertRegex(
            second.get("date") or b"",
            rb"\A[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\Z",
        )

    def test_trailers(self) -> None:
        """Fields that frame or route are not taken from trailers."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(
                b"x",
                trailers=(
                    b"Content-Length: 5",
                    b"X-Sum: 1",
                    b"Set-Cookie: a=b",
                    b"Connection: close",
                ),
            )
        )
        self.assertEqual(client.response().trailers, [(b"x-sum", b"1")])
