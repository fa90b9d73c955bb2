"""A gateway that is told to stop lets what runs come to its end, and begins nothing new."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class DrainTests(ScenarioTestCase):
    """After the word to stop."""

    def test_idle_connections(self) -> None:
        """Idle connections are closed in order, and no new ones accepted."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        fresh, used = gateway.client(), gateway.client()
        used.send(request(URL))
        stopped = gateway.begin_stop()
        self.assertEqual((fresh.closed, used.closed), ("fin", "fin"))
        self.assertRaises(AssertionError, gateway.client)
        gateway.advance(0.2)
        self.assertTrue(stopped.called)

    def test_running_transaction(self) -> None:
        """A running transaction comes to its end, with Connection: close, then the connection is closed."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        stopped = gateway.begin_stop()
        gateway.advance(10.0)
        self.assertFalse(stopped.called)
        origin.send(response(b"abc"))
        self.assertEqual(
            (client.response().content, client.response().get("connection")), (b"abc", b"close")
        )
        self.assertEqual(client.closed, "fin")
        gateway.advance(0.2)
        self.assertTrue(stopped.called)
        self.assertLine(gateway, outcome="delivered")

    def test_answer_under_way(self) -> None:
        """So does one whose answer has begun; the connection is closed behind it."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        whole = response(b"0123456789")
        origin.send(whole[:-5])
        gateway.begin_stop()
        origin.send(whole[-5:])
        self.assertEqual((client.response().content, client.closed), (b"0123456789", "fin"))

    def test_half_a_head(self) -> None:
        """A request that has begun to come is still served."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        whole = request(URL)
        client.send(whole[:20])
        gateway.begin_stop()
        client.send(whole[20:])
        self.assertEqual((client.response().content, client.closed), (b"abc", "fin"))

    def test_requests_behind(self) -> None:
        """Pipelined requests behind the running one are not begun."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL) * 3)
        gateway.begin_stop()
        origin.send(response(b"abc"))
        self.assertEqual(
            (len(client.responses()), len(origin.requests), client.closed), (1, 1, "fin")
        )

    def test_time_is_up(self) -> None:
        """What has not ended after the drain time is broken off."""
        gateway = self.forward({"timeouts.drain": "20s"})
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        stopped = gateway.begin_stop()
        gateway.advance(19.0)
        self.assertEqual(client.closed, "")
        gateway.advance(3.0)
        self.assertNotEqual(client.closed, "")
        self.assertEqual(origin.connection.closed, "reset")
        self.assertTrue(stopped.called)
        self.assertLine(gateway, outcome="aborted")

    def test_tunnel(self) -> None:
        """A tunnel may go on for the drain time, then it is reset."""
        gateway = self.forward({"timeouts.drain": "20s"})
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        stopped = gateway.begin_stop()
        client.send(b"still")
        self.assertEqual(origin.connection.received, b"still")
        gateway.advance(22.0)
        self.assertEqual((client.closed, origin.connection.closed), ("reset", "reset"))
        self.assertTrue(stopped.called)
        self.assertEqual(gateway.line["notes"], {"tunnel": "gateway"})

    def test_kept_upstream_connections(self) -> None:
        """Kept upstream connections are closed in order at the end."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc"))
        gateway.client().send(request(URL))
        gateway.begin_stop()
        gateway.advance(1.0)
        self.assertEqual(origin.connection.closed, "fin")

    def test_upload_under_way(self) -> None:
        """An upload comes to its end too."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 6", method=b"POST") + b"abc")
        gateway.begin_stop()
        client.send(b"def")
        self.assertEqual((origin.request.content, client.response().content), (b"abcdef", b"ok"))

    def test_answer_that_is_read_slowly(self) -> None:
        """A client that still reads its answer gets all of it."""
        gateway = self.forward({"timeouts.drain": "5m"}, window=4096)
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(bytes(200000)))
        gateway.begin_stop()
        for _ in range(60):
            gateway.advance(1.0)
            client.read(4096)
        client.read_on()
        self.assertEqual(len(client.response().content), 200000)
