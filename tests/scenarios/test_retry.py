"""A kept connection that turns out to be dead: who may ask again (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1)."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, request, response
from tests.scenarios.support import URL, ScenarioTestCase


class RetryTests(ScenarioTestCase):
    """The first request of each test makes the connection that fails the second one."""

    def _kept(self) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(URL))
        origin.reply = None
        return gateway, origin, client

    def test_idempotent(self) -> None:
        """A request that may be repeated is, on a new connection."""
        for method in (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"):
            for how in ("close", "reset"):
                gateway, origin, client = self._kept()
                client.send(request(URL + b"again", method=method))
                getattr(origin.connection, how)()
                self.assertEqual(len(origin.connections), 2, (method, how))
                self.assertEqual(origin.connection.request.start, method + b" /again HTTP/1.1")
                origin.send(b"HTTP/1.1 204 No Content\r\n\r\n")
                self.assertEqual(
                    [found.status for found in client.responses(b"GET", method)], [200, 204]
                )
                self.assertEqual(gateway.log[1]["outcome"], "delivered")

    def test_not_idempotent(self) -> None:
        """Any other request might be carried out twice: 502."""
        for method in (b"POST", b"PATCH", b"LOCK"):
            gateway, origin, client = self._kept()
            client.send(request(URL, method=method))
            origin.connection.close()
            self.assertEqual(len(origin.connections), 1)
            self.assertEqual([found.status for found in client.responses()], [200, 502])
            self.assertEqual(gateway.log[1]["reason"], "upstream_closed")

    def test_with_content(self) -> None:
        """Content is gone once it was sent: 502."""
        _, origin, client = self._kept()
        client.send(request(URL, method=b"PUT", content=b"abc"))
        origin.connection.close()
        self.assertEqual(len(origin.connections), 1)
        self.assertEqual([found.status for found in client.responses()], [200, 502])

    def test_after_a_part_of_the_head(self) -> None:
        """A server that has begun to answer has seen the request: 502."""
        for how in ("close", "reset"):
            _, origin, client = self._kept()
            client.send(request(URL))
            origin.send(b"HTTP/1.1 2")
            getattr(origin.connection, how)()
            self.assertEqual(len(origin.connections), 1, how)
            self.assertEqual([found.status for found in client.responses()], [200, 502])

    def test_after_an_interim_response(self) -> None:
        """So has one that sent an interim response."""
        _, origin, client = self._kept()
        client.send(request(URL))
        origin.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        origin.connection.close()
        self.assertEqual(len(origin.connections), 1)
        self.assertEqual([found.status for found in client.responses()], [200, 103, 502])

    def test_after_the_head(self) -> None:
        """An answer that broke off is never asked for again behind the client's back."""
        _, origin, client = self._kept()
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        origin.connection.close()
        self.assertEqual(len(origin.connections), 1)

    def test_fresh_connection(self) -> None:
        """A connection that was never used before has no excuse: 502."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.connection.close()
        self.assertEqual(len(origin.connections), 1)
        self.assertEqual(client.response().status, 502)
        self.assertLine(gateway, status=502, outcome="failed", reason="upstream_closed")

    def test_malformed_answer(self) -> None:
        """An answer that is none is not asked for again."""
        _, origin, client = self._kept()
        client.send(request(URL))
        origin.send(b"nonsense\r\n\r\n")
        self.assertEqual(len(origin.connections), 1)
        self.assertEqual([found.status for found in client.responses()], [200, 502])

    def test_all_kept_ones_are_dead(self) -> None:
        """However many kept connections fail one after the other, a fresh one is tried at last."""
        gateway = self.forward()
        origin = gateway.origin()
        clients = [gateway.client() for _ in range(6)]
        for one in clients:
            one.send(request(URL))
        for connection in list(origin.connections):
            connection.send(response(b"one"))
        client = clients[0]
        client.send(request(URL))
        for _ in range(6):
            busy = [
                found for found in origin.connections if len(found.requests) > 1 and not found.left
            ]
            if not busy:
                break
            busy[-1].close()
        self.assertEqual(len(origin.connections), 7)
        origin.send(response(b"two"))
        self.assertEqual([found.content for found in client.responses()], [b"one", b"two"])

    def test_reverse(self) -> None:
        """So it is with the origins of a site, and the request is the same the second time."""
        gateway = self.reverse({"sticky": "cookie"})
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(b"/"))
        cookie = (client.response().get("set-cookie") or b"").partition(b";")[0]
        origin.reply = None
        client.send(
            request(
                b"/again",
                b"Cookie: a=b; " + cookie,
                b"X-Request-Id: mine",
                b"X-Forwarded-For: 203.0.113.1",
            )
        )
        first = origin.requests[-1].raw
        origin.connection.close()
        self.assertEqual(len(origin.connections), 2)
        self.assertEqual(origin.requests[-1].raw, first)
        self.assertEqual(origin.requests[-1].get("cookie"), b"a=b")
        origin.send(response(b"two"))
        self.assertEqual([found.content for found in client.responses()], [b"one", b"two"])
