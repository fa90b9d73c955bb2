"""Requests one behind the other: pipelining, content, limits, and what is left after an error."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.playbook import Like, Playbook
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import CHUNKED, END, End, RequestHead
from gateway.wire.http1_request import RequestParser
from gateway.wire.limits import HeadLimits
from tests.unit.wire.reading import Client, ours

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


def asked(number: int) -> Like:
    """Describe the head of a numbered request."""
    return Like(RequestHead, target=b"/%d" % number)


class PipeliningTests(SynchronousTestCase):
    """RFC 9112 section 9.3.2."""

    def test_one_at_a_time(self) -> None:
        """Pipelined requests come one for each call, in order, however they arrive."""
        Playbook(Client).receives(GET % 1 + GET % 2 + GET % 3).gives(asked(1), END).calls(
            "next"
        ).gives(asked(2), END).calls("next").gives(asked(3), END).calls(
            "next"
        ).gives().at_every_cut()

    def test_content_between(self) -> None:
        """The content of one ends exactly where the next one begins."""
        post = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        chunks = b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n"
        Playbook(Client).receives(post + chunks + GET % 3).gives(asked(1), b"abc", END).calls(
            "next"
        ).gives(asked(2), b"def", End((b"X: y",))).calls("next").gives(asked(3), END).at_every_cut()

    def test_the_beginning_of_the_next(self) -> None:
        """A part of the next request waits for its rest."""
        client = Client()
        data = GET % 2
        self.assertEqual(len(client.receive(GET % 1 + data[:9])), 2)
        self.assertEqual(client.parser.rest, data[:9])
        self.assertEqual(client.next(), [])
        self.assertTrue(client.parser.partial)
        self.assertEqual(client.receive(data[9:]), [asked(2), END])
        self.assertFalse(client.parser.partial)

    def test_held_bytes(self) -> None:
        """What is held while an answer is under way is read by next and not before."""
        parser = RequestParser()
        parser.receive(GET % 1)
        for byte in GET % 2 + GET % 3:
            parser.hold(bytes((byte,)))
        self.assertEqual(parser.rest, GET % 2 + GET % 3)
        self.assertEqual(parser.next(), [asked(2), END])
        self.assertEqual(parser.rest, GET % 3)

    def test_received_behind_rest(self) -> None:
        """Bytes that come while some wait are put behind them, never before."""
        parser = RequestParser()
        parser.receive(GET % 1 + GET % 2)
        self.assertEqual(parser.receive(GET % 3), [])
        self.assertEqual(parser.rest, GET % 2 + GET % 3)

    def test_tunnel(self) -> None:
        """What comes behind a CONNECT is kept as it is, HTTP or not."""
        early = b"\x16\x03\x01 GET / HTTP/1.1\r\n\r\n\n"
        parser = RequestParser()
        events = parser.receive(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + early)
        self.assertEqual(events, [Like(RequestHead, raw_method=b"CONNECT"), END])
        parser.hold(early)
        self.assertEqual(parser.rest, early * 2)

    def test_upgrade(self) -> None:
        """What comes behind a request for another protocol is kept too: the answer decides what it is."""
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
        parser = RequestParser()
        parser.receive(request + b"\x81\x00")
        self.assertEqual(parser.rest, b"\x81\x00")

    def test_empty_lines(self) -> None:
        """Up to eight empty lines before each request mean nothing (RFC 9112 section 2.2)."""
        Playbook(Client).receives(b"\r\n" * 8 + GET % 1 + b"\r\n" * 8 + GET % 2).gives(
            asked(1), END
        ).calls("next").gives(asked(2), END).at_every_cut()

    def test_only_empty_lines(self) -> None:
        """Empty lines alone can't keep a connection: the ninth is one too many, wherever it is cut."""
        Playbook(RequestParser).receives(b"\r\n" * 8).gives().receives(b"\r\n").raises(
            RemoteProtocolError, "RFC 9112 section 2.2"
        ).at_every_cut()

    def test_empty_lines_are_no_part_of_a_head(self) -> None:
        """While only empty lines came no request has begun."""
        parser = RequestParser()
        parser.receive(b"\r\n\r\n")
        self.assertFalse(parser.partial)
        self.assertEqual(
            parser.receive(b"G / HTTP/1.0\r\n\r\n"), [Like(RequestHead, target=b"/"), END]
        )


class ContentTests(SynchronousTestCase):
    """Content is passed on as it comes and is never changed."""

    def test_length(self) -> None:
        """Content of a length is given at once, in pieces as they come, and then the end."""
        parser = RequestParser()
        self.assertEqual(
            parser.receive(b"PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), [asked(1)]
        )
        self.assertTrue(parser.reading_content)
        self.assertEqual(parser.receive(b"ab"), [b"ab"])
        self.assertEqual(parser.receive(b""), [])
        self.assertEqual(parser.receive(b"cdeGET"), [b"cde", END])
        self.assertFalse(parser.reading_content)
        self.assertEqual(parser.rest, b"GET")

    def test_every_byte(self) -> None:
        """All 256 bytes pass, with a length and with chunks."""
        content = bytes(range(256))
        start = b"PUT /1 HTTP/1.1\r\nHost: a\r\n"
        Playbook(RequestParser).receives(start + b"Content-Length: 256\r\n\r\n" + content).gives(
            Like(RequestHead, framing=256), content, END
        ).at_every_cut()
        Playbook(RequestParser).receives(
            start + b"Transfer-Encoding: chunked\r\n\r\n100\r\n" + content + b"\r\n0\r\n\r\n"
        ).gives(Like(RequestHead, framing=CHUNKED), content, END).at_every_cut()

    def test_a_large_length(self) -> None:
        """A length is only a number: nothing is set aside for it."""
        parser = RequestParser()
        parser.receive(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n")
        self.assertEqual(parser.receive(b"x" * 100), [b"x" * 100])

    def test_trailers(self) -> None:
        """Trailers come with the end; those that frame, route or authenticate are dropped (RFC 9110 section 6.5.1)."""
        body = b"0\r\nX-Sum: 1\r\nHost: b\r\ntransfer-encoding: x\r\nAuthorization: y\r\nTransfer_Encoding: z\r\nDate: d\r\n\r\n"
        Playbook(RequestParser).receives(
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        ).gives(Like(RequestHead), End((b"X-Sum: 1", b"Date: d"))).at_every_cut()

    def test_nominated_trailers(self) -> None:
        """A Connection field takes away trailers of the names it gives too (RFC 9110 section 7.6.1)."""
        head = b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, close\r\nTransfer-Encoding: chunked\r\n\r\n"
        Playbook(RequestParser).receives(head + b"0\r\nx-hop: 1\r\nX-End: 2\r\n\r\n").gives(
            Like(RequestHead), End((b"X-End: 2",))
        ).at_every_cut()
        Playbook(RequestParser).receives(head + b"0\r\nx-hop: 1\r\n\r\n").gives(
            Like(RequestHead), END
        ).at_every_cut()


class ErrorTests(SynchronousTestCase):
    """What is left after an error: nothing."""

    def test_nothing_more_is_read(self) -> None:
        """After an error in a head or in content even a perfect request is refused."""
        for bad in (
            b"GET /\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nA\n",
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n",
            b"\r\n" * 9,
        ):
            parser = RequestParser()
            self.assertRaises(RemoteProtocolError, parser.receive, bad)
            for _ in range(2):
                self.assertRaises(RemoteProtocolError, parser.receive, GET % 1)
            self.assertEqual(parser.rest, b"")
            self.assertEqual(parser.next(), [])

    def test_no_content_is_expected(self) -> None:
        """After an error nobody is told to wait for content."""
        parser = RequestParser()
        parser.receive(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertTrue(parser.reading_content)
        self.assertRaises(RemoteProtocolError, parser.receive, b"x\r\n")
        self.assertFalse(parser.reading_content)
        self.assertFalse(parser.partial)

    def test_error_of_the_next(self) -> None:
        """A pipelined request that is refused leaves the one before alone."""
        Playbook(Client).receives(GET % 1 + b"GET\r\n\r\n").gives(asked(1), END).calls(
            "next"
        ).raises(RemoteProtocolError, "RFC 9112 section 3").at_every_cut()


class AtOnceTests(SynchronousTestCase):
    """What is wrong is refused with the byte that makes it so, and not waited for."""

    head = b"PUT / HTTP/1.1\r\nHost: a\r\n"
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n"

    def test_line_ends(self) -> None:
        """A bare CR or LF in a head, a chunk-size line or trailers, also where a read ends between CR and what follows."""
        for good, bad in (
            (self.head + b"A: b", b"\n"),
            (self.head + b"A: b\r", b"C"),
            (self.head + b"A: b\r", b"\r"),
            (b"GET / HTTP/1.1\r", b"\r"),
            (self.chunks + b"1", b"\n"),
            (self.chunks + b"1\r", b"x"),
            (self.chunks + b"1\r\nx", b"y"),
            (self.chunks + b"1\r\nx\r", b"\r"),
            (self.chunks + b"0\r\nA: b", b"\n"),
            (self.chunks + b"0\r\nA: b\r", b"C"),
            (self.chunks + b"0\r\n\r", b"\r"),
        ):
            parser = RequestParser()
            parser.receive(good)
            error = self.assertRaises(RemoteProtocolError, parser.receive, bad)
            self.assertIn(error.section, ("RFC 9112 section 2.2", "RFC 9112 section 7.1"))

    def test_request_lines(self) -> None:
        """A request line, once it is complete, and a first byte that no method has."""
        parser = RequestParser()
        parser.receive(b"GET / HTTP/1.1 \r")
        self.assertRaises(RemoteProtocolError, parser.receive, b"\n")
        for byte in b'\x00\x16 \t\x7f\xff("':
            self.assertRaises(RemoteProtocolError, RequestParser().receive, bytes((byte,)))


class LimitTests(SynchronousTestCase):
    """Limits hold to the byte and wherever the network cuts."""

    limits = HeadLimits(head=200, target=40, fields=4, trailers=30)

    def make(self) -> RequestParser:
        """Make a parser with small limits."""
        return RequestParser(self.limits)

    def read(self, data: bytes, status: int = 0) -> None:
        """Read a request at every cut: it passes, or is refused with this status."""
        for cuts in ([], *([cut] for cut in range(1, len(data))), range(len(data))):
            reading = ours(data, cuts, self.limits)
            self.assertEqual(bool(reading.refused), bool(status), f"cut at {cuts}: {reading}")
            parser = self.make()
            if status:
                error = self.assertRaises(RemoteProtocolError, parser.receive, data)
                self.assertEqual((error.status, bool(error.section)), (status, True))

    def test_target(self) -> None:
        """A target may be as long as the limit, and a longer one is answered with 414."""
        self.read(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 39))
        self.read(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 40), 414)

    def test_target_without_an_end(self) -> None:
        """A request line that does not end is refused before it fills the memory."""
        parser = self.make()
        parser.receive(b"GET /" + b"x" * 150)
        error = self.assertRaises(RemoteProtocolError, parser.receive, b"x" * 20)
        self.assertEqual((error.status, error.page), (414, "uri_too_long"))

    def test_method_without_an_end(self) -> None:
        """A method that does not end is no long target."""
        error = self.assertRaises(RemoteProtocolError, self.make().receive, b"X" * 300)
        self.assertEqual((error.status, error.page), (501, "not_implemented"))

    def test_head(self) -> None:
        """A head may be as long as the limit, its last CRLFCRLF not counted, and a longer one gets 431."""
        start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
        self.read(start + b"x" * (200 - len(start)) + b"\r\n\r\n")
        self.read(start + b"x" * (201 - len(start)) + b"\r\n\r\n", 431)

    def test_head_without_an_end(self) -> None:
        """A head that does not end gets 431."""
        parser = self.make()
        error = self.assertRaises(
            RemoteProtocolError, parser.receive, b"GET / HTTP/1.1\r\nX: " + b"x" * 300
        )
        self.assertEqual((error.status, error.page), (431, "too_large_head"))

    def test_fields(self) -> None:
        """As many field lines as the limit pass, one more gets 431."""
        start = b"GET / HTTP/1.1\r\nHost: a\r\n"
        self.read(start + b"A: b\r\n" * 3 + b"\r\n")
        self.read(start + b"A: b\r\n" * 4 + b"\r\n", 431)

    def test_trailers(self) -> None:
        """A trailer section may be as long as the limit, and a longer one gets 431."""
        start = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        self.read(start + b"X: " + b"x" * 27 + b"\r\n\r\n")
        self.read(start + b"X: " + b"x" * 28 + b"\r\n\r\n", 431)

    def test_trailer_lines(self) -> None:
        """A trailer section may have as many lines as a head, and one more gets 431."""
        start = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        self.read(start + b"A: b\r\n" * 4 + b"\r\n")
        self.read(start + b"A:b\r\n" * 5 + b"\r\n", 431)

    def test_trailers_without_an_end(self) -> None:
        """A trailer section that does not end gets 431."""
        parser = self.make()
        parser.receive(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        parser.receive(b"X: " + b"x" * 30)
        error = self.assertRaises(RemoteProtocolError, parser.receive, b"x")
        self.assertEqual(error.status, 431)

    def test_defaults(self) -> None:
        """Without settings: 64 KiB of head, 16 KiB of target, 200 lines, 8 KiB of trailers, 64 interim responses."""
        self.assertEqual(HeadLimits(), HeadLimits(65536, 16384, 200, 8192, 64))
