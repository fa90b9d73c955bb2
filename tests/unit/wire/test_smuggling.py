"""What could be read in two ways is refused, wherever the network cuts it (RFC 9112 section 11.2)."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.playbook import Like, Playbook
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import End, RequestHead
from gateway.wire.http1_request import RequestParser
from tests.unit.wire import vectors
from tests.unit.wire.reading import Client, ours
from tests.unit.wire.vectors import Refused

#: Past this many bytes an input is cut at every tenth offset only.
LONG = 600


def cuts(data: bytes) -> Iterator[list[int]]:
    """Give the ways to cut an input: not at all, once at each offset, and everywhere."""
    yield []
    for cut in range(1, len(data), 1 if len(data) < LONG else len(data) // 50):
        yield [cut]
    yield list(range(len(data)))


class RefusedTests(SynchronousTestCase):
    """One test for each kind of vector."""

    def refuse(self, table: tuple[Refused, ...]) -> None:
        """Run a table: each vector breaks its rule, gets its status, and gives no complete message at any cut."""
        for vector in table:
            error = self.assertRaises(RemoteProtocolError, RequestParser().receive, vector.data)
            self.assertEqual(error.status, vector.status, f"{vector.name}: {error}")
            if vector.section is not None:
                self.assertEqual(error.section, vector.section, f"{vector.name}: {error}")
            for at in cuts(vector.data):
                reading = ours(vector.data, at)
                self.assertTrue(reading.refused, f"{vector.name} cut at {at}: {reading}")
                complete = [message for message in reading.messages if message.complete]
                self.assertEqual(complete, [], f"{vector.name} cut at {at}")

    def test_length_and_chunked(self) -> None:
        """Content-Length and Transfer-Encoding together, and chunks in HTTP/1.0, are refused (RFC 9112 6.1)."""
        self.refuse(vectors.LENGTH_AND_CHUNKED)

    def test_codings(self) -> None:
        """A Transfer-Encoding is the one word chunked in one line, or the message is refused."""
        self.refuse(vectors.CODINGS)

    def test_lengths(self) -> None:
        """A Content-Length is one line of up to 18 digits, or the message is refused."""
        self.refuse(vectors.LENGTHS)

    def test_chunks(self) -> None:
        """Chunks follow the grammar byte by byte, with CRLF and nothing else for line ends."""
        self.refuse(vectors.CHUNKS)

    def test_fields(self) -> None:
        """Field lines follow the grammar: no folding, no bare CR or LF, no blank before the colon, no control characters."""
        self.refuse(vectors.FIELDS)

    def test_request_lines(self) -> None:
        """A request line has two single blanks, a token, visible ASCII and HTTP/1.x."""
        self.refuse(vectors.REQUEST_LINES)

    def test_hosts(self) -> None:
        """HTTP/1.1 has one Host line; two are refused in any version (RFC 9112 section 3.2)."""
        self.refuse(vectors.HOSTS)

    def test_connections(self) -> None:
        """A Connection field may not take away what frames, routes or describes the message."""
        self.refuse(vectors.CONNECTIONS)

    def test_connects(self) -> None:
        """A CONNECT has no content: bytes behind it belong to the tunnel (RFC 9110 section 9.3.6)."""
        self.refuse(vectors.CONNECTS)

    def test_refused_behind_a_good_one(self) -> None:
        """What is refused alone is refused behind a complete request too, which keeps its own reading."""
        for table in vectors.REFUSED.values():
            for vector in table:
                if vector.data.startswith((b"\r\n", b"\n", b"\r")):
                    # Empty lines behind a message are no part of the vector any more.
                    continue
                for first, content in (
                    (vectors.gets(), b""),
                    (vectors.chunked(b"1\r\nx\r\n" + vectors.END), b"x"),
                ):
                    reading = ours(first + vector.data)
                    self.assertTrue(reading.refused, vector.name)
                    self.assertEqual(reading.messages[0].content, content, vector.name)
                    self.assertTrue(reading.messages[0].complete, vector.name)
                    self.assertLessEqual(len(reading.messages), 1, vector.name)

    def test_details_hold_no_bytes_of_the_peer(self) -> None:
        """What an error says goes into logs and pages, so nothing that was received is in it."""
        marker = b"ZZTOP"
        for table in vectors.REFUSED.values():
            for vector in table:
                data = vector.data.replace(b"example.com", marker).replace(b"/a", b"/" + marker)
                error = self.assertRaises(RemoteProtocolError, RequestParser().receive, data)
                self.assertNotIn(marker.decode(), str(error), vector.name)
                self.assertTrue(str(error).isascii() and str(error).isprintable(), vector.name)


class ReadTests(SynchronousTestCase):
    """Valid requests: to refuse everything would be no art."""

    def test_valid(self) -> None:
        """Valid requests are read the same at every cut, each with its own content."""
        for vector in vectors.VALID:
            whole = ours(vector.data)
            self.assertEqual(whole.refused, "", vector.name)
            found = tuple(message.content for message in whole.messages)
            self.assertEqual(found, vector.contents, vector.name)
            self.assertTrue(all(message.complete for message in whole.messages), vector.name)
            for at in cuts(vector.data):
                self.assertEqual(ours(vector.data, at), whole, f"{vector.name} cut at {at}")

    def test_nothing_is_read_out_of_content(self) -> None:
        """A request inside of content stays content, with a length and with chunks."""
        inner = vectors.NEXT
        for data in (
            vectors.posts(b"Content-Length: %d" % len(inner), content=inner),
            vectors.chunked(b"%x\r\n%b\r\n" % (len(inner), inner) + vectors.END),
        ):
            Playbook(Client).receives(data).gives(
                Like(RequestHead, raw_method=b"POST"), inner, End()
            ).calls("next").gives().at_every_cut()
