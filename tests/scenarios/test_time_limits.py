"""Every wait has an end: head, idle connection, silent upstream, stalled upload, client that does not read (S05)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase

LIMITS = {
    "timeouts.request_head": "10s",
    "timeouts.client_idle": "20s",
    "timeouts.inactivity": "40s",
    "timeouts.upstream_idle": "15s",
}


class RequestHeadTests(ScenarioTestCase):
    """C{timeouts.request_head}."""

    def test_unfinished_head(self) -> None:
        """A head that does not become complete in time is answered with 408, and the connection closed."""
        gateway = self.forward(LIMITS)
        client = gateway.client()
        client.send(b"GET http://origin.example.com/ HTTP/1.1\r\nHo")
        gateway.advance(9.0)
        self.assertEqual(client.received, b"")
        gateway.advance(2.0)
        self.assertEqual(client.response().status, 408)
        self.assertEqual(client.closed, "fin")
        self.assertLine(gateway, status=408, outcome="failed", reason="request_timeout")

    def test_dripping_head(self) -> None:
        """The time runs from the first byte on: one byte now and then does not prolong it."""
        gateway = self.forward(LIMITS)
        client = gateway.client()
        for byte in b"GET http:":
            client.send(bytes((byte,)))
            gateway.advance(2.0)
        self.assertEqual(client.response().status, 408)

    def test_head_behind_a_request(self) -> None:
        """The second request of a connection has the same time for its head."""
        gateway = self.forward(LIMITS)
        gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(URL) + b"GET http://or")
        gateway.advance(11.0)
        self.assertEqual([found.status for found in client.responses()], [200, 408])


class ClientIdleTests(ScenarioTestCase):
    """C{timeouts.client_idle}."""

    def test_without_a_request(self) -> None:
        """A connection on which nothing comes is closed without a word or a line in the log."""
        gateway = self.forward(LIMITS)
        client = gateway.client()
        gateway.advance(19.0)
        self.assertEqual(client.closed, "")
        gateway.advance(2.0)
        self.assertEqual((client.received, client.closed), (b"", "fin"))
        self.assertEqual(gateway.log, [])

    def test_between_requests(self) -> None:
        """A kept connection is closed in order when no other request comes in time."""
        gateway = self.forward(LIMITS)
        gateway.origin(reply=response(b"one"))
        client = gateway.client()
        for _ in range(3):
            gateway.advance(15.0)
            client.send(request(URL))
        gateway.advance(19.0)
        self.assertEqual(client.closed, "")
        gateway.advance(2.0)
        self.assertEqual(client.closed, "fin")
        self.assertEqual(len(client.responses()), 3)

    def test_upstream_connection(self) -> None:
        """A kept upstream connection is closed after its own time, and the next request gets a new one."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(URL))
        gateway.advance(14.0)
        self.assertEqual(origin.connection.closed, "")
        gateway.advance(2.0)
        self.assertEqual(origin.connection.closed, "fin")
        client.send(request(URL))
        self.assertEqual(len(origin.connections), 2)


class InactivityTests(ScenarioTestCase):
    """C{timeouts.inactivity}."""

    def test_silent_upstream(self) -> None:
        """An upstream that does not answer in time is given up: 504, and its connection reset."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        gateway.advance(39.0)
        self.assertEqual(client.received, b"")
        gateway.advance(2.0)
        self.assertEqual(client.response().status, 504)
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, status=504, outcome="failed", reason="upstream_timeout")

    def test_connection_after_504(self) -> None:
        """After a 504 the client's connection goes on."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        gateway.advance(41.0)
        origin.reply = response(b"back")
        client.send(request(URL))
        self.assertEqual([found.status for found in client.responses()], [504, 200])

    def test_response_that_stalls(self) -> None:
        """An answer that stops in the middle is broken off, and the client can see it."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(response(b"0123456789")[:-5])
        gateway.advance(41.0)
        self.assertFalse(client.response().complete)
        self.assertNotEqual(client.closed, "")
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, status=200, outcome="failed", reason="upstream_timeout")

    def test_slow_response(self) -> None:
        """An answer that takes long but moves is not broken off, however long it takes."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for digit in b"0123456789":
            gateway.advance(30.0)
            origin.send(bytes((digit,)))
        self.assertEqual(client.response().content, b"0123456789")
        self.assertLine(gateway, outcome="delivered")

    def test_slow_upload(self) -> None:
        """An upload that takes long but moves is not broken off either."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin(reply=response(b"taken"))
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 10", method=b"POST"))
        for digit in b"0123456789":
            gateway.advance(30.0)
            client.send(bytes((digit,)))
        self.assertEqual(origin.request.content, b"0123456789")
        self.assertEqual(client.response().content, b"taken")

    def test_interim_responses(self) -> None:
        """A server that says 102 now and then is working, not silent."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        for _ in range(3):
            gateway.advance(30.0)
            origin.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        origin.send(response(b"done"))
        self.assertEqual([found.status for found in client.responses()], [102, 102, 102, 200])

    def test_stalled_upload(self) -> None:
        """Content that stops coming is answered with 408, and the upstream never sees a complete request."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 10", method=b"POST") + b"01234")
        gateway.advance(41.0)
        self.assertEqual(client.response().status, 408)
        self.assertEqual(client.closed, "fin")
        self.assertFalse(origin.request.complete)
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, status=408, outcome="failed", reason="request_timeout", bytes_in=5)

    def test_upload_that_the_upstream_does_not_take(self) -> None:
        """An upstream that reads no more of an upload is the one that is silent: 504."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 1000000", method=b"POST"))
        origin.connection.stop_reading()
        client.send(bytes(1000000))
        gateway.advance(82.0)
        self.assertEqual(client.response().status, 504)
        self.assertLine(gateway, status=504, reason="upstream_timeout")

    def test_client_that_does_not_read(self) -> None:
        """A client that takes no more of its answer is cut off, and the upstream with it."""
        gateway = self.forward(LIMITS)
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(bytes(1000000)))
        gateway.advance(82.0)
        self.assertEqual(client.closed, "reset")
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, outcome="aborted", reason="client")

    def test_client_that_reads_slowly(self) -> None:
        """A client that takes its answer slowly, but steadily, gets all of it."""
        gateway = self.forward(LIMITS, window=8192)
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        content = bytes(range(256)) * 4096
        origin.send(response(content))
        for _ in range(200):
            gateway.advance(1.0)
            client.read(8192)
        client.read_on()
        self.assertEqual(client.response().content, content)
        self.assertLine(gateway, outcome="delivered")


class SlowReaderTests(ScenarioTestCase):
    """What was handed to the transport is not yet with the client."""

    def _slowly(self, *lines: bytes) -> bool:
        """Let a client read the last of a response slowly; tell whether it got all."""
        gateway = self.forward(LIMITS, window=4096)
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL, *lines))
        content = bytes(60000)
        origin.send(response(content))
        for _ in range(60):
            gateway.advance(1.0)
            client.read(1024)
        client.read_on()
        return client.response().content == content

    def test_tail_of_a_closing_connection(self) -> None:
        """A connection that is to be closed is not cut while its client still takes bytes."""
        self.assertTrue(self._slowly(b"Connection: close"))

    def test_tail_of_a_kept_connection(self) -> None:
        """A kept connection is not idle while its client still takes bytes."""
        self.assertTrue(self._slowly())


class ConnectTests(ScenarioTestCase):
    """C{timeouts.connect}."""

    def test_no_answer_to_the_connection_attempt(self) -> None:
        """A host that does not answer at all makes 504 after the connect limit."""
        gateway = self.forward({"timeouts.connect": "7s"})
        gateway.origin().admitting = None
        client = gateway.client()
        client.send(request(URL))
        gateway.advance(6.0)
        self.assertEqual(client.received, b"")
        gateway.advance(1.5)
        self.assertEqual(client.response().status, 504)
        self.assertLine(gateway, status=504, reason="connect_timeout", upstream="198.51.100.1:80")

    def test_client_that_leaves_meanwhile(self) -> None:
        """A client that leaves while its connection is being made ends the attempt."""
        gateway = self.forward()
        gateway.origin().admitting = None
        client = gateway.client()
        client.send(request(URL))
        client.reset()
        self.assertTrue(gateway.network.idle)
        self.assertLine(gateway, outcome="aborted", reason="client", status=0)


class LingerTests(ScenarioTestCase):
    """The two-step close (RFC 9112 section 9.6)."""

    def test_what_is_read_is_bounded_in_time(self) -> None:
        """After a refusal the rest of an upload is read and dropped for a while, then the connection is cut."""
        gateway = self.forward({"limits.upload": "10B"})
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 100000", method=b"POST"))
        self.assertEqual((client.response().status, client.closed), (413, "fin"))
        client.send(bytes(1000))
        self.assertEqual(gateway.connections, 1)
        gateway.advance(6.0)
        self.assertEqual(gateway.connections, 0)

    def test_what_is_read_is_bounded_in_bytes(self) -> None:
        """And no more than a mebibyte of it is read."""
        gateway = self.forward({"limits.upload": "10B"})
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 100000000", method=b"POST"))
        client.send(bytes(2 << 20))
        self.assertEqual(gateway.connections, 0)
