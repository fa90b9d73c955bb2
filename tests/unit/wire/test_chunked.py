"""The chunked coding by itself; what is refused has its table among the vectors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.chunked import EXTENSION_BYTES, LINE_BYTES, ChunkedDecoder
from gateway.wire.errors import RemoteProtocolError

LAST = b"0\r\n\r\n"


def decode(data: bytes, *sizes: int, max_trailers: int = 100) -> tuple[bytes, ChunkedDecoder]:
    """
    Decode in pieces of these sizes, the last one as long as need be, and stop where the message ends.

    What was not decoded then is put behind C{rest}.
    """
    decoder = ChunkedDecoder(max_trailers)
    out = b""
    for size in (*sizes, len(data)):
        out += decoder.receive(data[:size])
        data = data[size:]
        if decoder.done:
            decoder.rest += data
            break
    return out, decoder


class DecodeTests(SynchronousTestCase):
    def test_joined(self) -> None:
        """The content of all chunks that are there comes at once."""
        content, decoder = decode(b"1\r\na\r\n2\r\nbc\r\n" + LAST + b"more")
        self.assertEqual(content, b"abc")
        self.assertTrue(decoder.done)
        self.assertEqual(decoder.rest, b"more")
        self.assertEqual(decoder.trailers, ())

    def test_at_every_cut(self) -> None:
        """Content, trailers and rest are the same wherever the input is cut, at two places too."""
        data = b'3\r\nabc\r\n0a;x="\\"\xff";y\r\n0123456789\r\n00;z\r\nA: 1\r\nB: 2\r\n\r\nGET'
        for first in range(len(data)):
            for second in range(0, len(data) - first, 5):
                content, decoder = decode(data, first, second)
                self.assertEqual(content, b"abc0123456789")
                self.assertTrue(decoder.done)
                self.assertEqual((decoder.trailers, decoder.rest), ((b"A: 1", b"B: 2"), b"GET"))

    def test_content_at_once(self) -> None:
        """Content is given as soon as it is there, the end of its chunk or not."""
        decoder = ChunkedDecoder(0)
        self.assertEqual(decoder.receive(b"a\r\n012"), b"012")
        self.assertEqual(decoder.receive(b"3"), b"3")
        self.assertEqual(decoder.receive(b""), b"")
        self.assertEqual(decoder.receive(b"456789"), b"456789")
        self.assertEqual(decoder.receive(b"\r"), b"")
        self.assertEqual(decoder.receive(b"\n1"), b"")
        self.assertFalse(decoder.done)

    def test_a_large_chunk_is_passed_on(self) -> None:
        """The middle of a large chunk is the very bytes that came, without a copy."""
        decoder = ChunkedDecoder(0)
        decoder.receive(b"100000\r\n")
        data = bytes(65536)
        self.assertIs(decoder.receive(data), data)

    def test_size(self) -> None:
        """A size has up to sixteen digits, and nothing is set aside for it."""
        decoder = ChunkedDecoder(0)
        self.assertEqual(decoder.receive(b"f" * 16 + b"\r\nab"), b"ab")
        self.assertRaises(RemoteProtocolError, ChunkedDecoder(0).receive, b"0" * 17 + b"\r\n")

    def test_line_limit(self) -> None:
        """A chunk-size line may have 1024 bytes with its CRLF, however it comes."""
        fits = b"1;" + b"a" * (LINE_BYTES - 4)
        for data, passes in (
            (fits + b"\r\nx\r\n" + LAST, True),
            (fits + b"a\r\nx\r\n" + LAST, False),
        ):
            for sizes in ((), (LINE_BYTES - 1,), (LINE_BYTES,), (1,) * (LINE_BYTES + 1)):
                if passes:
                    self.assertEqual(decode(data, *sizes)[0], b"x")
                else:
                    self.assertRaises(RemoteProtocolError, decode, data, *sizes)

    def test_line_without_an_end(self) -> None:
        """A chunk-size line that does not end is given up when it is too long."""
        self.assertRaises(RemoteProtocolError, ChunkedDecoder(0).receive, b"1;" + b"a" * LINE_BYTES)

    def test_extension_limit(self) -> None:
        """All extensions of a message together have a limit, so that they can't cost more than the content."""
        line = b"1;" + b"a" * 1000 + b"\r\nx\r\n"
        most = EXTENSION_BYTES // 1001
        self.assertEqual(decode(line * most + LAST)[0], b"x" * most)
        error = self.assertRaises(RemoteProtocolError, decode, line * (most + 1) + LAST)
        self.assertEqual(error.section, "RFC 9112 section 7.1.1")

    def test_trailers(self) -> None:
        """Trailer lines come as received, those that may not be there are dropped."""
        data = b"0\r\nX-A:1\r\nHost: b\r\nX_A: \xe9\r\nCONTENT_LENGTH: 5\r\nExpect: x\r\n\r\n"
        self.assertEqual(decode(data)[1].trailers, (b"X-A:1", b"X_A: \xe9"))

    def test_trailer_limit(self) -> None:
        """A trailer section may be as long as the limit, however it comes, and a longer one is refused."""
        for size, passes in ((20, True), (21, False)):
            data = b"0\r\nA: " + b"a" * (size - 3) + b"\r\n\r\nGET / HTTP/1.1\r\n"
            for sizes in ((), *((cut,) for cut in range(1, len(data))), (1,) * len(data)):
                if passes:
                    self.assertEqual(len(decode(data, *sizes, max_trailers=20)[1].trailers), 1)
                else:
                    self.assertRaises(RemoteProtocolError, decode, data, *sizes, max_trailers=20)

    def test_no_trailers_allowed(self) -> None:
        """With a limit of nothing a message without trailers still ends."""
        self.assertTrue(decode(b"1\r\nx\r\n" + LAST, max_trailers=0)[1].done)
