"""The serialiser (RFC 9112)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.write import (
    CONTINUE,
    LAST_CHUNK,
    chunk,
    last_chunk,
    request_head,
    response_head,
    section,
)


class WriteTests(SynchronousTestCase):
    def test_request(self) -> None:
        """A request head is HTTP/1.1 and has its lines as they are."""
        fields = section([b"Host: a", b"X:  \xe9"])
        self.assertEqual(
            request_head(b"GET", b"/a?b", fields),
            b"GET /a?b HTTP/1.1\r\nHost: a\r\nX:  \xe9\r\n\r\n",
        )

    def test_response(self) -> None:
        """A response head is HTTP/1.1; a reason that is not given is the registered one, or none."""
        fields = section([b"A: b"])
        self.assertEqual(response_head(200, b"", fields), b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
        self.assertEqual(response_head(200, b"Fine", fields), b"HTTP/1.1 200 Fine\r\nA: b\r\n\r\n")
        self.assertEqual(response_head(599, b"", b""), b"HTTP/1.1 599 \r\n\r\n")

    def test_section(self) -> None:
        """Each line of a section has its CRLF; no lines are no bytes."""
        self.assertEqual(section([b"A: 1", b"B: 2"]), b"A: 1\r\nB: 2\r\n")
        self.assertEqual(section(()), b"")

    def test_chunk(self) -> None:
        """A chunk has its size in hexadecimal digits."""
        self.assertEqual(chunk(b"x" * 26), b"1a\r\n" + b"x" * 26 + b"\r\n")

    def test_an_empty_chunk_is_none(self) -> None:
        """No content makes no chunk: its size of 0 would end the message."""
        self.assertEqual(chunk(b""), b"")

    def test_last_chunk(self) -> None:
        """The last chunk ends the message, with trailers or without."""
        self.assertEqual(last_chunk(()), LAST_CHUNK)
        self.assertEqual(last_chunk(iter((b"A: 1", b"B: 2"))), b"0\r\nA: 1\r\nB: 2\r\n\r\n")

    def test_continue(self) -> None:
        """The answer to an expectation is a whole response head."""
        self.assertEqual(CONTINUE, response_head(100, b"Continue", b""))
