"""Another origin is tried only while nothing was sent on (RFC 9110 section 9.2.2)."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedOrigin, request, response
from tests.scenarios.support import ScenarioTestCase


class FailoverTests(ScenarioTestCase):
    """Three origins."""

    def _started(self, **site: object) -> tuple[Harness, list[ScriptedOrigin]]:
        gateway = self.reverse(
            {"origins": [f"http://198.51.100.{number}" for number in (1, 2, 3)], **site}
        )
        return gateway, [
            gateway.origin(f"198.51.100.{number}", reply=response(b"%d" % number))
            for number in (1, 2, 3)
        ]

    def test_connect_failure(self) -> None:
        """An origin that refuses is passed over; the client notices nothing, whatever its method."""
        for method, content in ((b"GET", None), (b"POST", b"abc")):
            gateway, origins = self._started()
            origins[0].admitting = False
            client = gateway.client()
            client.send(request(b"/", method=method, content=content))
            self.assertEqual(client.response().status, 200)
            (served,) = [origin for origin in origins if origin.requests]
            self.assertEqual(served.request.content, content or b"")
            upstream = f"198.51.100.{client.response().content.decode()}:80"
            self.assertLine(gateway, status=200, outcome="delivered", upstream=upstream)

    def test_as_often_as_allowed(self) -> None:
        """So many others are tried as the site says, then it is a 502."""
        for retries, status in ((0, 502), (2, 200)):
            gateway, origins = self._started(retries=retries)
            origins[0].admitting = origins[1].admitting = False
            client = gateway.client()
            client.send(request(b"/"))
            self.assertEqual(client.response().status, status, retries)

    def test_all_fail(self) -> None:
        """When all refuse, the page and the log say what was wrong with the last."""
        gateway, origins = self._started(retries=5)
        for origin in origins:
            origin.admitting = False
        client = gateway.client()
        client.send(request(b"/"))
        self.assertEqual(client.response().status, 502)
        self.assertLine(gateway, status=502, outcome="failed", reason="refused")

    def test_many(self) -> None:
        """The site's setting is the limit, and no other number."""
        origins = [f"http://198.51.100.{number}" for number in range(1, 8)]
        gateway = self.reverse({"origins": origins, "retries": 6})
        for number in range(1, 8):
            gateway.origin(f"198.51.100.{number}", reply=response(b"ok")).admitting = number == 7
        for _ in range(7):
            client = gateway.client()
            client.send(request(b"/"))
            self.assertEqual(client.response().status, 200)

    def test_after_sending(self) -> None:
        """
        An origin that took the request and closed may have carried it out: another one is asked only where doing it
        twice is the same as once, and only while no byte of an answer came (RFC 9110 section 9.2.2).
        """
        for method, part, status, asked in (
            (b"GET", b"", 200, 2),
            (b"GET", b"HTTP/1.1 200", 502, 1),
            (b"POST", b"", 502, 1),
        ):
            gateway, origins = self._started()
            origins[0].reply = None
            client = gateway.client()
            client.send(request(b"/", method=method))
            origins[0].send(part)
            origins[0].connection.close()
            self.assertEqual(client.response().status, status)
            requests = [len(origin.requests) for origin in origins]
            self.assertEqual((requests[0], sum(requests)), (1, asked))

    def test_error_of_the_application(self) -> None:
        """A 503 is an answer: it is passed on."""
        gateway, origins = self._started()
        origins[0].reply = response(b"busy", status=b"503 Service Unavailable")
        client = gateway.client()
        client.send(request(b"/"))
        self.assertEqual((client.response().status, client.response().content), (503, b"busy"))

    def test_taken_out(self) -> None:
        """An origin that fails again and again gets no more requests for a while, then again (passive health)."""
        gateway, origins = self._started(health={"fall": 2})
        origins[0].admitting = False
        client = gateway.client()
        for _ in range(12):
            client.send(request(b"/"))
        self.assertEqual({found.status for found in client.responses()}, {200})
        origins[0].admitting = True
        before = len(origins[0].requests)
        client.send(request(b"/") * 6)
        self.assertEqual(len(origins[0].requests), before)
        gateway.advance(6.0)
        client.send(request(b"/") * 6)
        self.assertGreater(len(origins[0].requests), before)

    def test_slow_connect(self) -> None:
        """An origin that does not answer its connection attempt is passed over after the connect limit."""
        gateway, origins = self._started()
        gateway_seconds = gateway.config.timeouts.connect
        origins[0].admitting = None
        client = gateway.client()
        client.send(request(b"/"))
        gateway.advance(gateway_seconds + 1.0)
        self.assertEqual(client.response().status, 200)

    def test_in_turn(self) -> None:
        """Without failures the origins take turns."""
        gateway, origins = self._started()
        client = gateway.client()
        client.send(request(b"/") * 6)
        self.assertEqual([len(origin.requests) for origin in origins], [2, 2, 2])
        self.assertEqual([len(origin.connections) for origin in origins], [1, 1, 1])

    def test_by_client(self) -> None:
        """With client_hash a client stays with its origin."""
        gateway, origins = self._started(balance="client_hash")
        for _ in range(3):
            gateway.client().send(request(b"/") * 2)
        self.assertEqual(sorted(len(origin.requests) for origin in origins), [0, 0, 6])

    def test_by_load(self) -> None:
        """With least_connections a busy origin is spared."""
        gateway, origins = self._started(balance="least_connections")
        origins[0].reply = None
        for _ in range(7):
            gateway.client().send(request(b"/"))
        self.assertEqual(len(origins[0].requests), 1)
