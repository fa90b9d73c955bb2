"""Responses on one connection: interim ones, content, the close, other protocols, and what nobody asked for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.playbook import Like, Playbook
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import END, UNTIL_CLOSE, End, ResponseHead, ResponseSection
from gateway.wire.http1_response import ResponseParser
from gateway.wire.limits import HeadLimits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asked(method: bytes = b"GET", limits: HeadLimits | None = None) -> ResponseParser:
    """Make a parser that waits for the answer to one request."""
    parser = ResponseParser(limits or HeadLimits())
    parser.expect(method)
    return parser


def status(number: int) -> Like:
    """Describe a head by its status."""
    return Like(ResponseHead, status=number)


class ContentTests(SynchronousTestCase):
    """Content comes as it is framed and is never changed."""

    def test_length(self) -> None:
        """A response with a length is complete with its last byte."""
        Playbook(asked()).receives(OK).gives(status(200), b"ok", END).at_every_cut()

    def test_large(self) -> None:
        """Large content that came in one read is a view of it, the first time, again, and behind an interim one."""
        content = bytes(range(256)) * 256
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + content
        parser = ResponseParser()
        for before in (b"", b"", b"HTTP/1.1 100 X\r\n\r\n"):
            parser.expect(b"GET")
            *_heads, view, end = parser.receive(before + data)
            assert isinstance(view, memoryview)
            self.assertEqual((bytes(view), end), (content, END))
            self.assertFalse(parser.reading_content)
            self.assertEqual(parser.rest, b"")

    def test_large_in_two_reads(self) -> None:
        """Cut anywhere it is the same content."""
        content = bytes(range(256)) * 256
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + content
        for cut in (1, 30, len(data) - len(content), 40000, len(data) - 1):
            parser = asked()
            events = [*parser.receive(data[:cut]), *parser.receive(data[cut:])]
            found = b"".join(event for event in events if isinstance(event, bytes | memoryview))
            self.assertEqual((found, events[-1]), (content, END))

    def test_no_content(self) -> None:
        """Where no content follows the response is complete with its head."""
        for method, head in (
            (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
            (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (b"GET", b"HTTP/1.1 204 X\r\n\r\n"),
            (b"GET", b"HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n"),
            (b"GET", b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n"),
        ):
            Playbook(asked(method)).receives(head).gives(Like(ResponseHead), END).at_every_cut()

    def test_chunks(self) -> None:
        """Chunks come joined, trailers with the end, and those that may not be there are dropped."""
        Playbook(asked()).receives(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-hop\r\n\r\n"
            b"1\r\no\r\n1;x\r\nk\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nX-Hop: 2\r\n\r\n"
        ).gives(status(200), b"ok", End((b"X-Sum: 1",))).at_every_cut()

    def test_until_close(self) -> None:
        """Without a length the close is the end, also of nothing; it comes once."""
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        Playbook(asked()).receives(head + b"o").receives(b"k").calls("closed").gives(
            Like(ResponseHead, framing=UNTIL_CLOSE), b"ok", END
        ).calls("closed").gives().at_every_cut()
        Playbook(asked()).receives(head).calls("closed").gives(status(200), END).at_every_cut()

    def test_one_behind_the_other(self) -> None:
        """A kept connection carries one response for each request."""
        Playbook(ResponseParser).calls("expect", b"GET").receives(OK).gives(
            status(200), b"ok", END
        ).calls("expect", b"HEAD").receives(OK[:-2]).gives(status(200), END).calls(
            "expect", b"PUT"
        ).receives(b"HTTP/1.1 204 X\r\n\r\n").gives(status(204), END).at_every_cut()


class RestTests(SynchronousTestCase):
    """What nobody asked for shows in rest, so that the connection is not used again (RFC 9112 section 9.2)."""

    def test_behind_the_end(self) -> None:
        """Bytes behind a complete response are no response."""
        for method, data in (
            (b"GET", OK + OK),
            (b"GET", OK + b"x"),
            (b"GET", b"HTTP/1.1 204 X\r\nContent-Length: 4\r\n\r\nevil"),
            (b"GET", b"HTTP/1.1 304 X\r\nContent-Length: 4\r\n\r\nevil"),
            (b"HEAD", OK),
            (b"GET", b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"),
            (b"GET", b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\nx"),
        ):
            for cut in range(1, len(data) + 1):
                parser = asked(method)
                events = [*parser.receive(data[:cut]), *parser.receive(data[cut:])]
                self.assertEqual(len([e for e in events if isinstance(e, ResponseHead)]), 1, data)
                self.assertEqual(events[-1], END)
                self.assertTrue(parser.rest, f"{data!r} cut at {cut}")

    def test_bounded(self) -> None:
        """An upstream that sends and sends after its answer fills no memory."""
        parser = asked()
        parser.receive(OK)
        for _ in range(100):
            self.assertEqual(parser.receive(b"x" * 1000), [])
        self.assertEqual(len(parser.rest), 1000)

    def test_before_any_request(self) -> None:
        """A response to nothing is none."""
        parser = ResponseParser()
        self.assertEqual(parser.receive(OK), [])
        self.assertEqual(parser.rest, OK)


class InterimTests(SynchronousTestCase):
    """1xx responses (RFC 9110 section 15.2)."""

    def test_in_order(self) -> None:
        """Any number of interim responses comes before the final one, each with its fields."""
        Playbook(asked()).receives(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 X\r\n\r\n"
            + OK
        ).gives(
            status(100),
            Like(ResponseHead, status=103, section=Like(ResponseSection, received=[b"Link: </a>"])),
            status(199),
            status(200),
            b"ok",
            END,
        ).at_every_cut()

    def test_before_head(self) -> None:
        """They come before the answer to HEAD and to CONNECT too."""
        Playbook(asked(b"HEAD")).receives(b"HTTP/1.1 100 X\r\n\r\n" + OK[:-2]).gives(
            status(100), status(200), END
        ).at_every_cut()
        Playbook(asked(b"CONNECT")).receives(b"HTTP/1.1 102 X\r\n\r\nHTTP/1.1 200 X\r\n\r\n").gives(
            status(102), status(200)
        ).at_every_cut()

    def test_limit(self) -> None:
        """As many as the limit pass, one more is a fault; the count begins anew with each request."""
        limits = HeadLimits(interim=2)
        one = b"HTTP/1.1 100 X\r\n\r\n"
        Playbook(lambda: ResponseParser(limits)).calls("expect", b"GET").receives(
            one * 2 + OK
        ).gives(status(100), status(100), status(200), b"ok", END).calls("expect", b"GET").receives(
            one * 2 + OK
        ).gives(status(100), status(100), status(200), b"ok", END).calls("expect", b"GET").receives(
            one * 3
        ).raises(
            RemoteProtocolError, "RFC 9110 section 15.2", after=[status(100)] * 3
        ).at_every_cut()


class ClosedTests(SynchronousTestCase):
    """The end of the connection (RFC 9112 section 8)."""

    def test_cut_off(self) -> None:
        """A response cut off anywhere is never complete, and the close says so."""
        for data in (
            OK,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
            b"HTTP/1.1 100 X\r\n\r\n" + OK,
        ):
            for cut in range(1, len(data)):
                parser = asked()
                self.assertNotIn(END, parser.receive(data[:cut]))
                self.assertRaises(RemoteProtocolError, parser.closed)

    def test_a_head_cut_off(self) -> None:
        """Without its empty line a head is none, even if it would run until the close."""
        data = b"HTTP/1.1 200 OK\r\n\r\n"
        for cut in range(1, len(data)):
            parser = asked()
            self.assertEqual(parser.receive(data[:cut]), [])
            error = self.assertRaises(RemoteProtocolError, parser.closed)
            self.assertEqual(error.section, "RFC 9112 section 8")

    def test_without_an_answer(self) -> None:
        """A close before any byte of an answer is told apart: the request may be sent again."""
        parser = asked()
        self.assertFalse(parser.started)
        self.assertEqual(parser.closed(), [])
        parser.receive(b"H")
        self.assertTrue(parser.started)

    def test_started_is_of_the_request(self) -> None:
        """On a kept connection only bytes of this answer count."""
        parser = asked()
        parser.receive(OK)
        self.assertTrue(parser.started)
        parser.expect(b"GET")
        self.assertFalse(parser.started)
        self.assertEqual(parser.closed(), [])

    def test_between_messages(self) -> None:
        """A close behind a complete response says nothing."""
        parser = asked()
        parser.receive(OK)
        self.assertEqual(parser.closed(), [])

    def test_after_an_error(self) -> None:
        """A response that was broken stays so when the connection ends."""
        for bad in (
            b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ):
            parser = asked()
            self.assertRaises(RemoteProtocolError, parser.receive, bad)
            self.assertFalse(parser.reading_content)
            self.assertRaises(RemoteProtocolError, parser.closed)
            self.assertRaises(RemoteProtocolError, parser.receive, OK)
            self.assertEqual(parser.rest, b"")


class SwitchTests(SynchronousTestCase):
    """Where HTTP ends: 101 and the 2xx to CONNECT."""

    def test_101(self) -> None:
        """After a 101 no end comes, and every byte behind it is kept in its order."""
        head = b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        self.keeps(asked, head, b"\x81\x02HTTP/1.1 200 OK\r\n\r\n", 101)

    def test_connect(self) -> None:
        """After the 2xx to CONNECT every byte is the tunnel's, whatever length was declared."""
        head = b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\n"
        self.keeps(lambda: asked(b"CONNECT"), head, b"\x16\x03\x01abc", 200)

    def keeps(self, make: object, head: bytes, more: bytes, number: int) -> None:
        """Read a head and what is behind it, cut everywhere."""
        data = head + more
        for cut in range(1, len(data) + 1):
            parser = make()  # type: ignore[operator]
            events = [*parser.receive(data[:cut]), *parser.receive(data[cut:])]
            self.assertEqual(events, [status(number)])
            self.assertEqual(parser.rest, more)
            self.assertFalse(parser.reading_content)
            self.assertEqual(parser.closed(), [])
        parser = make()  # type: ignore[operator]
        for byte in data:
            parser.receive(bytes((byte,)))
        self.assertEqual(parser.rest, more)

    def test_not_remembered(self) -> None:
        """That a 2xx to CONNECT has no end holds for the same bytes again."""
        parser = ResponseParser()
        for _ in range(2):
            parser.expect(b"CONNECT")
            self.assertEqual(parser.receive(b"HTTP/1.1 200 X\r\n\r\n"), [status(200)])

    def test_refused_connect(self) -> None:
        """Another answer to CONNECT is an ordinary response."""
        Playbook(asked(b"CONNECT")).receives(
            b"HTTP/1.1 407 X\r\nContent-Length: 2\r\n\r\nno"
        ).gives(status(407), b"no", END).at_every_cut()


class LimitTests(SynchronousTestCase):
    """Limits hold to the byte and wherever the network cuts."""

    limits = HeadLimits(head=100, fields=3, trailers=20)

    def test_head(self) -> None:
        """A head may be as long as the limit, its last CRLFCRLF not counted."""
        start = b"HTTP/1.1 204 X\r\nA: "
        for size, fits in ((100, True), (101, False)):
            data = start + b"a" * (size - len(start)) + b"\r\n\r\n"
            script = Playbook(asked(limits=self.limits)).receives(data)
            if fits:
                script.gives(status(204), END).at_every_cut()
            else:
                script.raises(RemoteProtocolError, "RFC 9110 section 5.4").at_every_cut()

    def test_head_without_an_end(self) -> None:
        """A head that does not end is given up."""
        parser = asked(limits=self.limits)
        self.assertRaises(
            RemoteProtocolError, parser.receive, b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200
        )

    def test_fields(self) -> None:
        """As many field lines as the limit pass, one more does not."""
        start = b"HTTP/1.1 204 X\r\n"
        Playbook(asked(limits=self.limits)).receives(start + b"A: b\r\n" * 3 + b"\r\n").gives(
            status(204), END
        ).at_every_cut()
        Playbook(asked(limits=self.limits)).receives(start + b"A: b\r\n" * 4 + b"\r\n").raises(
            RemoteProtocolError, "RFC 9110 section 5.4"
        ).at_every_cut()

    def test_trailers(self) -> None:
        """A trailer section may be as long as the limit."""
        start = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "
        Playbook(asked(limits=self.limits)).receives(start + b"a" * 17 + b"\r\n\r\n").gives(
            status(200), End((b"A: " + b"a" * 17,))
        ).at_every_cut()
        Playbook(asked(limits=self.limits)).receives(start + b"a" * 18 + b"\r\n\r\n").raises(
            RemoteProtocolError, "RFC 9110 section 5.4", after=[status(200)]
        ).at_every_cut()
