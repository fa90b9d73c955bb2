"""Via names every hop, and a request that comes back is told by it (RFC 9110 section 7.6.3)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class ViaTests(ScenarioTestCase):
    """Both directions."""

    def test_request(self) -> None:
        """Our entry comes behind those that are there, with the version the message came in."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, b"Via: 1.0 first, 1.1 second"))
        self.assertEqual(
            origin.request.all("via"), [b"1.0 first, 1.1 second", b"1.1 gateway-under-test"]
        )

    def test_http10_request(self) -> None:
        """An HTTP/1.0 request is said to be one."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(b"GET http://origin.example.com/ HTTP/1.0\r\n\r\n")
        self.assertEqual(origin.request.all("via"), [b"1.0 gateway-under-test"])
        self.assertEqual(origin.request.start, b"GET / HTTP/1.1")

    def test_response(self) -> None:
        """So is it in responses."""
        gateway = self.reverse()
        gateway.origin(reply=b"HTTP/1.0 200 OK\r\nVia: 1.1 behind\r\nContent-Length: 0\r\n\r\n")
        client = gateway.client()
        client.send(request(b"/"))
        self.assertEqual(client.response().all("via"), [b"1.1 behind", b"1.0 gateway-under-test"])

    def test_loop(self) -> None:
        """A request that was here before is answered with 508 and goes nowhere."""
        for mode in (self.forward, self.reverse):
            gateway = mode()
            origin = gateway.origin(reply=response())
            client = gateway.client()
            target = URL if mode == self.forward else b"/"
            client.send(
                request(target, b"Via: 1.1 a, 1.1 gateway-under-test (comment)", b"Via: 1.1 b")
            )
            self.assertEqual(client.response().status, 508)
            self.assertEqual(origin.connections, [])
            self.assertLine(gateway, status=508, outcome="failed", reason="loop")

    def test_connect_loop(self) -> None:
        """A CONNECT that was here before is refused too."""
        gateway = self.forward()
        client = gateway.client()
        client.send(
            request(b"origin.example.com:443", b"Via: 1.1 gateway-under-test", method=b"CONNECT")
        )
        self.assertEqual(client.response(b"CONNECT").status, 508)

    def test_name_in_a_comment(self) -> None:
        """Our name in a comment, or as a part of another name, is no loop."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, b"Via: 1.1 a (1.1 gateway-under-test), 1.1 gateway-under-test-2"))
        self.assertEqual(client.response().status, 200)
