"""TRACE, OPTIONS and Max-Forwards (RFC 9110 sections 7.6.2, 9.3.7 and 9.3.8)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class MaxForwardsTests(ScenarioTestCase):
    """How far a request goes."""

    def test_counted_down(self) -> None:
        """TRACE and OPTIONS go on with one less."""
        for method in (b"TRACE", b"OPTIONS"):
            gateway = self.forward()
            origin = gateway.origin(reply=response())
            gateway.client().send(request(URL, b"Max-Forwards: 3", method=method))
            self.assertEqual(origin.request.get("max-forwards"), b"2")

    def test_other_methods(self) -> None:
        """Other methods keep it as it is."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, b"Max-Forwards: 0"))
        self.assertEqual(origin.request.get("max-forwards"), b"0")

    def test_trace_ends_here(self) -> None:
        """A TRACE whose count is used up is reflected as it came, without secrets."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(
            request(
                URL,
                b"Max-Forwards: 0",
                b"X-A: b",
                b"Cookie: a=b",
                b"Authorization: Basic x",
                method=b"TRACE",
            )
        )
        found = client.response()
        self.assertEqual((found.status, found.get("content-type")), (200, b"message/http"))
        self.assertTrue(found.content.startswith(b"TRACE http://origin.example.com/ HTTP/1.1\r\n"))
        self.assertIn(b"X-A: b\r\n", found.content)
        self.assertNotIn(b"Cookie", found.content)
        self.assertNotIn(b"Authorization", found.content)
        self.assertEqual(origin.connections, [])
        self.assertLine(gateway, method="TRACE", status=200, outcome="delivered", route="none")

    def test_options_ends_here(self) -> None:
        """An OPTIONS whose count is used up is answered for ourselves."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(URL, b"Max-Forwards: 0", method=b"OPTIONS"))
        self.assertEqual(client.response().status, 200)
        self.assertIn(b"GET", client.response().get("allow") or b"")
        self.assertEqual(client.response().get("content-length"), b"0")

    def test_bad_count(self) -> None:
        """A count that is none, or two of them, is malformed."""
        for lines in (
            (b"Max-Forwards: -1",),
            (b"Max-Forwards: x",),
            (b"Max-Forwards: 1", b"Max-Forwards: 2"),
        ):
            gateway = self.forward()
            client = gateway.client()
            client.send(request(URL, *lines, method=b"TRACE"))
            self.assertEqual(client.response().status, 400, lines)

    def test_trace_with_content(self) -> None:
        """A TRACE must not have content."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(URL, method=b"TRACE", content=b"x"))
        self.assertEqual(client.response().status, 400)

    def test_connection_afterwards(self) -> None:
        """Answers of ours leave the connection in use."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL, b"Max-Forwards: 0", method=b"TRACE") + request(URL))
        self.assertEqual([found.status for found in client.responses()], [200, 200])

    def test_content_with_the_last_hop(self) -> None:
        """Content of an OPTIONS that ends here is read and dropped, and what is behind it served."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(
            request(URL, b"Max-Forwards: 0", method=b"OPTIONS", content=b"{}") + request(URL)
        )
        self.assertEqual([found.status for found in client.responses()], [200, 200])


class OptionsTests(ScenarioTestCase):
    """OPTIONS of a whole server."""

    def test_asterisk_to_a_site(self) -> None:
        """OPTIONS * goes to the origin as that."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"*", method=b"OPTIONS"))
        self.assertEqual(origin.request.start, b"OPTIONS * HTTP/1.1")

    def test_url_without_path(self) -> None:
        """OPTIONS of a URL without a path becomes OPTIONS * at the last proxy (RFC 9112 section 3.2.4)."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"http://origin.example.com", method=b"OPTIONS"))
        self.assertEqual(origin.request.start, b"OPTIONS * HTTP/1.1")

    def test_asterisk_of_other_methods(self) -> None:
        """Nothing else has the target *."""
        for mode in (self.forward, self.reverse):
            gateway = mode()
            client = gateway.client()
            client.send(request(b"*", method=b"GET"))
            self.assertEqual(client.response().status, 400)
