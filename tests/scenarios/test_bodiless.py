"""Responses that have no content: to HEAD, 204, 205 and 304 (RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase


class BodilessTests(ScenarioTestCase):
    """Where the end of the head is the end."""

    def test_head(self) -> None:
        """The answer to a HEAD has the length of what a GET would give, and nothing behind it."""
        gateway = self.forward()
        origin = gateway.origin(reply=b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        client = gateway.client()
        client.send(request(URL, method=b"HEAD"))
        self.assertEqual(client.response(b"HEAD").get("content-length"), b"1000")
        self.assertTrue(client.received.endswith(b"\r\n\r\n"))
        origin.reply = response(b"next")
        client.send(request(URL))
        self.assertEqual([found.content for found in client.responses(b"HEAD")], [b"", b"next"])
        self.assertEqual(len(origin.connections), 1)

    def test_head_of_chunked(self) -> None:
        """A HEAD's answer that would be chunked ends with its head as well."""
        gateway = self.forward()
        origin = gateway.origin(reply=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client = gateway.client()
        client.send(request(URL, method=b"HEAD"))
        self.assertTrue(client.received.endswith(b"\r\n\r\n"))
        client.send(request(URL, method=b"HEAD"))
        self.assertEqual(len(client.responses(b"HEAD", b"HEAD")), 2)
        self.assertEqual(len(origin.connections), 1)

    def test_content_behind_a_head(self) -> None:
        """Content that a server sends to a HEAD nevertheless never reaches the client, nor the next answer."""
        gateway = self.forward()
        origin = gateway.origin(
            reply=response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!")
        )
        client = gateway.client()
        client.send(request(URL, method=b"HEAD"))
        self.assertNotIn(b"evil", client.received)
        origin.reply = response(b"good")
        client.send(request(URL))
        self.assertEqual(client.responses(b"HEAD")[1].content, b"good")
        self.assertEqual(len(origin.connections), 2)

    def test_no_content(self) -> None:
        """A 204 has neither content nor length, whatever its origin says."""
        gateway = self.forward()
        origin = gateway.origin(reply=b"HTTP/1.1 204 No Content\r\n\r\n")
        client = gateway.client()
        for _ in range(2):
            client.send(request(URL, method=b"DELETE"))
        for found in client.responses():
            self.assertEqual(
                (found.status, found.get("content-length"), found.get("transfer-encoding")),
                (204, None, None),
            )
        self.assertEqual(len(origin.connections), 1)

    def test_no_content_with_a_length(self) -> None:
        """Bytes behind a 204 are nobody's answer: they go nowhere and the connection is not used again."""
        gateway = self.forward()
        origin = gateway.origin(reply=b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil")
        client = gateway.client()
        client.send(request(URL) + request(URL))
        self.assertEqual([found.status for found in client.responses()], [204, 204])
        self.assertNotIn(b"evil", client.received)
        self.assertEqual(
            [found.get("content-length") for found in client.responses()], [None, None]
        )
        self.assertEqual(len(origin.connections), 2)

    def test_not_modified(self) -> None:
        """A 304 keeps the length of what it stands for and has no content."""
        gateway = self.forward()
        origin = gateway.origin(
            reply=b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 500\r\n\r\n'
        )
        client = gateway.client()
        client.send(request(URL, b'If-None-Match: "x"') + request(URL))
        self.assertEqual(
            [(found.status, found.get("content-length")) for found in client.responses()],
            [(304, b"500")] * 2,
        )
        self.assertEqual(len(origin.connections), 1)

    def test_not_modified_without_length(self) -> None:
        """A 304 without a length gets none, and no chunks."""
        gateway = self.forward()
        gateway.origin(reply=b"HTTP/1.1 304 Not Modified\r\n\r\n")
        client = gateway.client()
        client.send(request(URL))
        found = client.response()
        self.assertEqual(
            (found.get("content-length"), found.get("transfer-encoding")), (None, None)
        )
        self.assertEqual(client.closed, "")

    def test_reset_content(self) -> None:
        """A 205 is framed like any other answer; a length of 0 is its usual content."""
        gateway = self.forward()
        gateway.origin(reply=response(status=b"205 Reset Content"))
        client = gateway.client()
        client.send(request(URL) + request(URL))
        self.assertEqual(
            [(found.status, found.content) for found in client.responses()], [(205, b"")] * 2
        )

    def test_empty_content(self) -> None:
        """Content of no length is content all the same: length 0 and no bytes, or the last chunk alone."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL))
        origin.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked()
        client.send(request(URL))
        self.assertEqual(
            [(found.content, found.complete) for found in client.responses()], [(b"", True)] * 2
        )

    def test_head_to_our_own_pages(self) -> None:
        """A page of ours in answer to HEAD has its length and no content."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"http://nowhere.example.com/", method=b"HEAD"))
        found = client.response(b"HEAD")
        self.assertEqual(found.status, 502)
        self.assertGreater(int(found.get("content-length") or 0), 100)
        self.assertTrue(client.received.endswith(b"\r\n\r\n"))
