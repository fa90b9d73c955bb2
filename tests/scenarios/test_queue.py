"""Requests over an origin's limit wait their turn, for a while and not without bound (S03)."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedOrigin, request, response
from tests.scenarios.support import ScenarioTestCase


class QueueTests(ScenarioTestCase):
    """One origin that takes one request at a time."""

    def _started(self, **site: object) -> tuple[Harness, ScriptedOrigin]:
        gateway = self.reverse({"max_connections": 1, "queue_wait": "5s", **site})
        return gateway, gateway.origin()

    def test_in_turn(self) -> None:
        """Those who wait are served in the order they came, on the connection that is free."""
        gateway, origin = self._started()
        clients = [gateway.client() for _ in range(3)]
        for number, client in enumerate(clients):
            client.send(request(b"/%d" % number))
        for number, client in enumerate(clients):
            self.assertEqual(len(origin.requests), number + 1)
            self.assertEqual(origin.requests[-1].target, b"/%d" % number)
            origin.send(response(b"%d" % number))
            self.assertEqual(client.response().content, b"%d" % number)
        self.assertEqual(len(origin.connections), 1)

    def test_waiting_time(self) -> None:
        """Who waits too long gets 503, and is told when to come again."""
        gateway, origin = self._started()
        first, second = gateway.client(), gateway.client()
        first.send(request(b"/"))
        second.send(request(b"/"))
        gateway.advance(4.5)
        self.assertEqual(second.received, b"")
        gateway.advance(1.0)
        found = second.response()
        self.assertEqual(found.status, 503)
        self.assertRegex(found.get("retry-after") or b"", rb"\A[1-9][0-9]*\Z")
        origin.send(response(b"ok"))
        self.assertEqual(first.response().content, b"ok")
        self.assertEqual([line["reason"] for line in gateway.log], ["overloaded", None])

    def test_full(self) -> None:
        """Who finds the queue full is told so at once."""
        gateway, origin = self._started(queue=1)
        clients = [gateway.client() for _ in range(3)]
        for client in clients:
            client.send(request(b"/"))
        self.assertEqual([len(client.responses()) for client in clients], [0, 0, 1])
        self.assertEqual(clients[2].response().status, 503)
        self.assertIsNotNone(clients[2].response().get("retry-after"))
        self.assertEqual(len(origin.requests), 1)

    def test_client_that_leaves(self) -> None:
        """Who leaves while waiting makes room, and its request is never sent."""
        gateway, origin = self._started(queue=1)
        clients = [gateway.client() for _ in range(3)]
        clients[0].send(request(b"/0"))
        clients[1].send(request(b"/1"))
        clients[1].reset()
        clients[2].send(request(b"/2"))
        origin.send(response(b"0"))
        self.assertEqual([found.target for found in origin.requests], [b"/0", b"/2"])
        origin.send(response(b"2"))
        self.assertEqual(clients[2].response().content, b"2")

    def test_room_after_each_end(self) -> None:
        """However a transaction ends, its place is given back."""
        gateway, origin = self._started()
        for end in ("close", "reset"):
            client = gateway.client()
            client.send(request(b"/"))
            getattr(origin.connection, end)()
            self.assertEqual(client.response().status, 502)
        client = gateway.client()
        client.send(request(b"/"))
        client.reset()
        client = gateway.client()
        client.send(request(b"/", b"Expect: something"))
        self.assertEqual(client.response().status, 417)
        client = gateway.client()
        client.send(request(b"/"))
        origin.send(response(b"ok"))
        self.assertEqual(client.response().content, b"ok")

    def test_upload_that_waits(self) -> None:
        """Content of a request that waits is held back, and goes on with it."""
        gateway, origin = self._started()
        first, second = gateway.client(), gateway.client()
        first.send(request(b"/"))
        content = bytes(range(256)) * 4000
        second.send(request(b"/", method=b"POST", content=content))
        self.assertGreater(second.unsent, 500000)
        origin.send(response())
        self.assertEqual(origin.requests[-1].content, content)
        origin.send(response(b"ok"))
        self.assertEqual(second.response().content, b"ok")

    def test_stop(self) -> None:
        """When the gateway stops, who waits is refused at the latest with the drain's end."""
        gateway, _ = self._started(queue_wait="1000s")
        first, second = gateway.client(), gateway.client()
        first.send(request(b"/"))
        second.send(request(b"/"))
        gateway.stop()
        self.assertNotEqual(second.closed, "")
        self.assertEqual(len(gateway.log), 2)
