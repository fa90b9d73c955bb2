"""Every interim response is passed on, at once and in order (RFC 9110 section 15.2)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


class InterimTests(ScenarioTestCase):
    """1xx other than 101."""

    def test_in_order(self) -> None:
        """All come, in order, each as soon as it is there."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        self.assertEqual(client.take(), b"HTTP/1.1 102 Processing\r\n\r\n")
        origin.send(HINTS)
        self.assertEqual(client.take(), HINTS)
        origin.send(b"HTTP/1.1 199 Odd\r\nX-A: b\r\n\r\n" + HINTS + response(b"x"))
        self.assertEqual([found.status for found in client.responses()], [102, 103, 199, 103, 200])

    def test_not_counted_as_the_answer(self) -> None:
        """The log has the final status, and the bytes of all."""
        gateway = self.forward()
        gateway.origin(reply=HINTS + response(b"x"))
        client = gateway.client()
        client.send(request(URL))
        self.assertLine(gateway, status=200, bytes_out=len(client.received))

    def test_http10_client(self) -> None:
        """A client that speaks HTTP/1.0 gets none."""
        gateway = self.forward()
        gateway.origin(reply=HINTS + response(b"x"))
        client = gateway.client()
        client.send(b"GET http://origin.example.com/ HTTP/1.0\r\n\r\n")
        self.assertEqual([found.status for found in client.responses()], [200])

    def test_too_many(self) -> None:
        """A server that never comes to its answer is given up."""
        gateway = self.forward()
        gateway.origin(reply=HINTS * 1000)
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().status, 502)
        self.assertLine(gateway, status=502, reason="upstream_protocol")

    def test_failure_behind_one(self) -> None:
        """An upstream that closes after an interim response has not answered: 502."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(HINTS)
        origin.connection.close()
        self.assertEqual([found.status for found in client.responses()], [103, 502])

    def test_refusal_behind_one(self) -> None:
        """A cut of the upload can still be answered after an interim response."""
        gateway = self.forward({"limits.upload": "3B"})
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Transfer-Encoding: chunked", method=b"PUT") + b"2\r\n12\r\n")
        origin.send(HINTS)
        client.send(b"2\r\n34\r\n")
        self.assertEqual([found.status for found in client.responses()], [103, 413])
