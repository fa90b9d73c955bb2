"""A request goes to its origin and the answer comes back, in both modes."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class ForwardTests(ScenarioTestCase):
    """The forward proxy."""

    def test_get(self) -> None:
        """An absolute-form request goes to the origin in origin-form, and its answer to the client."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        client.send(request(URL + b"a?b=c"))
        self.assertEqual(origin.request.start, b"GET /a?b=c HTTP/1.1")
        self.assertEqual(origin.request.get("host"), b"origin.example.com")
        self.assertEqual(client.response().content, b"hello")
        self.assertEqual(client.closed, "")
        self.assertLine(gateway, outcome="delivered", status=200, method="GET", client="192.0.2.7")


class ReverseTests(ScenarioTestCase):
    """The reverse proxy."""

    def test_get(self) -> None:
        """An origin-form request goes to the site's origin."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        client.send(request(b"/a"))
        self.assertEqual(origin.request.start, b"GET /a HTTP/1.1")
        self.assertEqual(client.response().content, b"hello")
        self.assertLine(gateway, outcome="delivered", status=200, upstream="198.51.100.1:80")
