"""A client that says it sends no more is still owed its answer (RFC 9112 section 9.6)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class HalfCloseTests(ScenarioTestCase):
    """The end of the client's direction."""

    def test_behind_a_request(self) -> None:
        """Behind a complete request it changes nothing but that the connection is closed afterwards."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        client.end()
        self.assertEqual((client.closed, origin.connection.closed), ("", ""))
        origin.send(response(b"abc"))
        self.assertEqual((client.response().content, client.closed), (b"abc", "fin"))
        self.assertLine(gateway, outcome="delivered")

    def test_behind_an_upload(self) -> None:
        """So it is behind complete content."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=b"abc"))
        client.end()
        origin.send(response(b"abc"))
        self.assertEqual((client.response().content, client.closed), (b"abc", "fin"))

    def test_during_a_long_answer(self) -> None:
        """It may come in the middle of the answer, which goes on."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        content = bytes(range(256)) * 4000
        whole = response(content)
        origin.send(whole[:1000])
        client.end()
        origin.send(whole[1000:])
        self.assertEqual((client.response().content, client.closed), (content, "fin"))

    def test_in_the_middle_of_content(self) -> None:
        """In the middle of content it breaks the request off: the upstream never sees a complete one."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 10", method=b"POST") + b"abc")
        client.end()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertFalse(origin.request.complete)
        self.assertNotEqual(client.closed, "")
        self.assertLine(gateway, outcome="aborted", reason="client", bytes_in=3)

    def test_in_the_middle_of_chunks(self) -> None:
        """Chunked content without its last chunk is not complete either."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Transfer-Encoding: chunked", method=b"POST") + b"3\r\nabc\r\n")
        client.end()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertFalse(origin.request.complete)
        self.assertLine(gateway, outcome="aborted", reason="client")

    def test_before_a_request(self) -> None:
        """Without a request there is nothing owed: the connection is closed."""
        gateway = self.forward()
        client = gateway.client()
        client.end()
        self.assertEqual((client.received, client.closed), (b"", "fin"))
        self.assertEqual(gateway.log, [])

    def test_in_the_middle_of_a_head(self) -> None:
        """A head that will never be complete is answered by the close."""
        gateway = self.forward()
        client = gateway.client()
        client.send(b"GET http://origin")
        client.end()
        self.assertEqual(client.closed, "fin")

    def test_behind_half_a_request(self) -> None:
        """Half a request behind a whole one will never be complete: the connection ends with the answer."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL) + request(URL)[:20])
        client.end()
        origin.send(response(b"abc"))
        self.assertEqual((client.response().content, client.closed), (b"abc", "fin"))

    def test_reset_after_it(self) -> None:
        """Who resets after a half-close is gone: the upstream is let go."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        client.end()
        client.reset()
        origin.send(response(bytes(200000)))
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, outcome="aborted", reason="client")
