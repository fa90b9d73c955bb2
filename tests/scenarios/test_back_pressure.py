"""Whoever does not read holds back whoever sends, and memory stays bounded in between."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase

#: What the gateway may hold of one direction: its own buffers and both windows, generously.
MOST = 1 << 20


class DownloadTests(ScenarioTestCase):
    """From the origin to the client."""

    def test_client_that_does_not_read(self) -> None:
        """Of an answer that its client does not read only so much is taken in; the rest comes when it reads on."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        content = bytes(range(256)) * 20000
        origin.send(response(content))
        self.assertGreater(origin.connection.unsent, len(content) - MOST)
        client.read_on()
        self.assertEqual(client.response().content, content)

    def test_connection_is_used_again(self) -> None:
        """An upstream connection that was held back is kept, and reads the next answer."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(bytes(1000000)))
        client = gateway.client()
        for _ in range(3):
            client.stop_reading()
            client.send(request(URL))
            client.read_on()
        self.assertEqual([len(found.content) for found in client.responses()], [1000000] * 3)
        self.assertEqual(len(origin.connections), 1)

    def test_chunked(self) -> None:
        """So it is with chunks."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        piece = bytes(range(256)) * 64
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*[piece] * 200)
        )
        self.assertGreater(origin.connection.unsent, len(piece) * 200 - MOST)
        client.read_on()
        self.assertEqual(client.response().content, piece * 200)

    def test_large_in_one_read(self) -> None:
        """An answer that comes whole in one read while others wait for the client waits behind them."""
        gateway = self.forward(window=1 << 20)
        content = bytes(range(256)) * 800
        gateway.origin(reply=response(content))
        client = gateway.client()
        client.stop_reading()
        gateway.settle()
        for _ in range(8):
            client.send(request(URL))
        client.read_on()
        self.assertEqual([found.content for found in client.responses()], [content] * 8)

    def test_other_clients(self) -> None:
        """One client that does not read keeps no other one waiting."""
        gateway = self.forward()
        gateway.origin(reply=response(bytes(1000000)))
        lazy, other = gateway.client(), gateway.client()
        lazy.stop_reading()
        lazy.send(request(URL))
        other.send(request(URL))
        self.assertTrue(other.response().complete)


class UploadTests(ScenarioTestCase):
    """From the client to the origin."""

    def test_origin_that_does_not_read(self) -> None:
        """Of an upload that its origin does not read only so much is taken in; the rest goes when it reads on."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"taken"))
        client = gateway.client()
        content = bytes(range(256)) * 20000
        client.send(request(URL, b"Content-Length: %d" % len(content), method=b"POST"))
        origin.connection.stop_reading()
        client.send(content)
        self.assertGreater(client.unsent, len(content) - MOST)
        origin.connection.read_on()
        self.assertEqual(origin.request.content, content)
        self.assertEqual(client.response().content, b"taken")

    def test_no_connection_yet(self) -> None:
        """Before there is an upstream connection only so much of the content is taken in."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"taken"))
        origin.admitting = None
        client = gateway.client()
        content = bytes(range(256)) * 4000
        client.send(request(URL, method=b"POST", content=content))
        self.assertGreater(client.unsent, len(content) - MOST)
        origin.admitting = True
        gateway.advance(0.1)
        self.assertEqual(origin.request.content, content)
        self.assertEqual(client.response().content, b"taken")

    def test_request_behind_it(self) -> None:
        """After an upload that was held back the connection goes on with its next request."""
        gateway = self.forward()
        origin = gateway.origin(reply=lambda asked: response(b"%d" % len(asked.content)))
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 200000", method=b"POST"))
        origin.connection.stop_reading()
        client.send(bytes(200000) + request(URL))
        origin.connection.read_on()
        self.assertEqual([found.content for found in client.responses()], [b"200000", b"0"])

    def test_reset_behind_it(self) -> None:
        """A client that leaves after an upload that was held back is noticed, though its content is complete."""
        gateway = self.forward(window=1 << 20)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 300000", method=b"POST"))
        gateway.network.window = 0
        origin.connection.stop_reading()
        client.send(bytes(300000))
        origin.connection.read_on()
        self.assertTrue(origin.request.complete)
        client.reset()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, outcome="aborted", reason="client")


class TunnelTests(ScenarioTestCase):
    """Both ways at once."""

    def test_both_ways(self) -> None:
        """Each direction of a tunnel is held back by itself."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        client.stop_reading()
        origin.send(bytes(2000000))
        self.assertGreater(origin.connection.unsent, 2000000 - MOST)
        client.send(b"up")
        self.assertEqual(origin.connection.received, b"up")
        client.read_on()
        self.assertEqual(client.received.count(b"\0"), 2000000)
