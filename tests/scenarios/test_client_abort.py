"""A client that goes away takes its transaction with it: the upstream learns it at once."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class ClientAbortTests(ScenarioTestCase):
    """At each stage."""

    def test_before_the_answer(self) -> None:
        """While the origin thinks: its connection is reset, and the line has no status."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        client.reset()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertEqual((gateway.connections, gateway.upstream_connections), (0, 0))
        self.assertLine(
            gateway,
            status=0,
            outcome="aborted",
            reason="client",
            bytes_out=0,
            upstream="198.51.100.1:80",
        )

    def test_in_the_middle_of_the_answer(self) -> None:
        """While content flows: the line has the status and the bytes up to then."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(response(b"0123456789")[:-5])
        client.reset()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(
            gateway, status=200, outcome="aborted", reason="client", bytes_out=len(client.received)
        )

    def test_while_it_does_not_read(self) -> None:
        """While the origin is held back."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(bytes(1000000)))
        client.reset()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, status=200, outcome="aborted", reason="client")

    def test_while_the_name_is_looked_up(self) -> None:
        """While there is no connection yet."""
        from twisted.internet.defer import Deferred

        gateway = self.forward()
        cancelled: list[object] = []
        gateway.names.known["slow.example.com"] = Deferred(cancelled.append)
        client = gateway.client()
        client.send(request(b"http://slow.example.com/"))
        client.reset()
        self.assertEqual(len(cancelled), 1)
        self.assertLine(gateway, status=0, outcome="aborted", reason="client")

    def test_between_requests(self) -> None:
        """Between requests nobody is concerned; the upstream connection stays."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL))
        client.reset()
        self.assertEqual(origin.connection.closed, "")
        self.assertLine(gateway, outcome="delivered")

    def test_with_requests_waiting(self) -> None:
        """Requests behind the running one are not begun."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL) * 3)
        client.reset()
        self.assertEqual(len(origin.requests), 1)
        self.assertLine(gateway, outcome="aborted")

    def test_other_transactions(self) -> None:
        """Another client's transaction with the same origin goes on."""
        gateway = self.forward()
        origin = gateway.origin()
        one, other = gateway.client(), gateway.client()
        one.send(request(URL))
        other.send(request(URL))
        one.reset()
        origin.connections[1].send(response(b"abc"))
        self.assertEqual(other.response().content, b"abc")
