"""What a response head says, and how its content is framed (RFC 9112 sections 4 and 6.3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import CHUNKED, UNTIL_CLOSE, ResponseHead
from gateway.wire.http1_response import ResponseParser
from tests.unit.wire.reading import our_responses


def head_of(
    *lines: bytes, start: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET"
) -> ResponseHead:
    """Read one response head."""
    parser = ResponseParser()
    parser.expect(method)
    head = parser.receive(b"\r\n".join((start, *lines, b"", b"")))[0]
    assert isinstance(head, ResponseHead)
    return head


class RefusedTests(SynchronousTestCase):
    """A response that could be read in two ways is an upstream's fault and goes no further."""

    def refuse(self, data: bytes, section: str | None = None, method: bytes = b"GET") -> None:
        """Refuse a response at every cut, without ever a complete one, whether the stream ends there or not."""
        parser = ResponseParser()
        parser.expect(method)
        error = self.assertRaises(RemoteProtocolError, parser.receive, data)
        if section is not None:
            self.assertEqual(error.section, section, data)
        for cuts in ([], *([cut] for cut in range(1, min(len(data), 400))), range(len(data))):
            for closes in (False, True):
                reading = our_responses(data, cuts, method=method, closes=closes)
                self.assertTrue(reading.refused, f"{data!r} cut at {cuts}")
                final = [message for message in reading.messages if message.start[0] >= b"200"]
                self.assertFalse(
                    any(message.complete for message in final), f"{data!r} cut at {cuts}"
                )

    def test_status_lines(self) -> None:
        """A status line has HTTP/1.x, one blank, three digits from 100 on, and a reason without control characters."""
        for line in (
            b"HTTP/1.1 099 X",
            b"HTTP/1.1 2000 X",
            b"HTTP/1.1 20 X",
            b"HTTP/1.1 2x0 X",
            b"HTTP/1.1 +200 X",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1\t200 OK",
            b"HTTP/1.1 200\tOK",
            b"HTTP/1.1 200OK",
            b"HTTP/1.1",
            b"HTTP/1.11 200 OK",
            b"HTTP/1. 200 OK",
            b"HTTP/2.0 200 OK",
            b"HTTP/0.9 200 OK",
            b"http/1.1 200 OK",
            b"ICY 200 OK",
            b" HTTP/1.1 200 OK",
            b"HTTP/1.1 200 O\x00K",
            b"HTTP/1.1 200 O\x7fK",
            b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK",
            b"<html>old</html>",
            b"GET / HTTP/1.1",
        ):
            self.refuse(line + b"\r\nContent-Length: 0\r\n\r\n", "RFC 9112 section 4")

    def test_no_status_line(self) -> None:
        """Empty lines, bare line ends and garbage are no beginning of a response."""
        for data in (
            b"\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"\nHTTP/1.1 200 OK\r\n\r\n",
            b"\x00\x01\x02\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n",
            b"HTTP/1.1 200 O\rK\r\n\r\n",
        ):
            self.refuse(data)

    def test_garbage_is_not_waited_for(self) -> None:
        """What can't become HTTP/1 is refused with its first bytes."""
        for data in (b"<", b"HTTPS", b"HTTP/2", b"\x15\x03\x01"):
            parser = ResponseParser()
            parser.expect(b"GET")
            self.assertRaises(RemoteProtocolError, parser.receive, data)

    def test_framing(self) -> None:
        """Two lengths, two codings, both, a coding that is not chunked, chunks in HTTP/1.0: all refused."""
        start = b"HTTP/1.1 200 OK\r\n"
        for lines, section in (
            ((b"Content-Length: 2", b"Content-Length: 2"), "RFC 9112 section 6.3"),
            ((b"Content-Length: 2", b"Content-Length: 3"), "RFC 9112 section 6.3"),
            ((b"Content-Length: 2, 2",), "RFC 9110 section 8.6"),
            ((b"Content-Length: -2",), "RFC 9110 section 8.6"),
            ((b"Content-Length:",), "RFC 9110 section 8.6"),
            ((b"Content-Length: 2", b"Transfer-Encoding: chunked"), "RFC 9112 section 6.3"),
            ((b"Transfer-Encoding: chunked", b"Content-Length: 2"), "RFC 9112 section 6.3"),
            (
                (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
                "RFC 9112 section 6.1",
            ),
            ((b"Transfer-Encoding: gzip, chunked",), "RFC 9112 section 6.1"),
            ((b"Transfer-Encoding: gzip",), "RFC 9112 section 6.1"),
            ((b"Transfer-Encoding: identity",), "RFC 9112 section 6.1"),
            ((b"Transfer-Encoding:",), "RFC 9112 section 6.1"),
            ((b"Transfer-Encoding : chunked",), "RFC 9112 section 5.1"),
            ((b"Content-Length : 2",), "RFC 9112 section 5.1"),
        ):
            self.refuse(start + b"\r\n".join((*lines, b"", b"ok")), section)
            # Also where no content follows: who reads it as a GET's answer must not be misled.
            self.refuse(start + b"\r\n".join((*lines, b"", b"")), section, b"HEAD")
        self.refuse(
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "RFC 9112 section 6.1"
        )

    def test_fields(self) -> None:
        """Field lines are as strict as in requests."""
        for line, section in (
            (b"A: b\r\n c", "RFC 9112 section 5.2"),
            (b"A: b\rSet-Cookie: x", "RFC 9112 section 2.2"),
            (b"A: b\nC: d", "RFC 9112 section 2.2"),
            (b"A: b\x00", "RFC 9110 section 5.5"),
            (b"A\x00: b", "RFC 9110 section 5.1"),
            (b"A : b", "RFC 9112 section 5.1"),
            (b": b", "RFC 9110 section 5.1"),
            (b"A", "RFC 9112 section 5"),
        ):
            self.refuse(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n", section)

    def test_chunks(self) -> None:
        """Chunks are as strict as in requests."""
        start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for content in (
            b"x\r\n",
            b"2\r\nok0\r\n\r\n",
            b"2\nok\r\n0\r\n\r\n",
            b"2 \r\nok\r\n0\r\n\r\n",
            b"0\r\nX\r\n\r\n",
            b"0\r\nX: 1\n\r\n",
        ):
            self.refuse(start + content)


class FramingTests(SynchronousTestCase):
    """RFC 9112 section 6.3, rule by rule."""

    def test_no_content(self) -> None:
        """1xx, 204, 304 and the answer to HEAD have no content, whatever their fields say."""
        for start, method in (
            (b"HTTP/1.1 103 Early Hints", b"GET"),
            (b"HTTP/1.1 204 No Content", b"GET"),
            (b"HTTP/1.1 304 Not Modified", b"GET"),
            (b"HTTP/1.1 200 OK", b"HEAD"),
            (b"HTTP/1.1 404 Not Found", b"HEAD"),
        ):
            for lines in ((), (b"Content-Length: 5",), (b"Transfer-Encoding: chunked",)):
                self.assertEqual(head_of(*lines, start=start, method=method).framing, 0, start)

    def test_declared_where_none_follows(self) -> None:
        """The length that HEAD and 304 declare is kept; 1xx and 204 can't declare one."""
        line = b"Content-Length: 5"
        self.assertEqual(head_of(line, method=b"HEAD").length, 5)
        self.assertEqual(head_of(line, start=b"HTTP/1.1 304 X").length, 5)
        self.assertIsNone(head_of(line, start=b"HTTP/1.1 204 X").length)
        self.assertIsNone(head_of(line, start=b"HTTP/1.1 100 X").length)

    def test_length(self) -> None:
        """A length is a length; 0 is one."""
        for text, length in ((b"0", 0), (b"12", 12), (b"0012", 12)):
            head = head_of(b"Content-Length: " + text)
            self.assertEqual((head.framing, head.length, head.section.length), (length,) * 3)

    def test_chunks(self) -> None:
        """Chunked content declares no length."""
        head = head_of(b"transfer-encoding: Chunked")
        self.assertEqual((head.framing, head.length), (CHUNKED, None))

    def test_until_close(self) -> None:
        """Without either it runs until the close, and the connection is used no more."""
        for start in (b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 500 X"):
            head = head_of(b"Connection: keep-alive", start=start)
            self.assertEqual(
                (head.framing, head.length, head.section.persistent), (UNTIL_CLOSE, None, False)
            )

    def test_connect(self) -> None:
        """A 2xx to CONNECT has no content, whatever it declares; another status has (RFC 9110 section 9.3.6)."""
        for line in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
            self.assertEqual(head_of(line, start=b"HTTP/1.1 299 X", method=b"CONNECT").framing, 0)
        self.assertEqual(
            head_of(b"Content-Length: 5", start=b"HTTP/1.1 407 X", method=b"CONNECT").framing, 5
        )


class HeadTests(SynchronousTestCase):
    """The status line and the fields that are ours to read."""

    def test_status_and_reason(self) -> None:
        """All statuses from 100 to 999 and any reason pass, also none."""
        for start, status, reason in (
            (b"HTTP/1.1 200 OK", 200, b"OK"),
            (b"HTTP/1.1 999 Why not", 999, b"Why not"),
            (b"HTTP/1.1 404 ", 404, b""),
            (b"HTTP/1.1 404", 404, b""),
            (b"HTTP/1.1 200 \tcaf\xe9 ", 200, b"\tcaf\xe9 "),
        ):
            head = head_of(start=start)
            self.assertEqual((head.status, head.reason), (status, reason))

    def test_minor_versions(self) -> None:
        """A later minor version is read as HTTP/1.1 (RFC 9110 section 2.5)."""
        minors = [head_of(start=b"HTTP/1.%d 200 OK" % minor).section.minor for minor in range(10)]
        self.assertEqual(minors, [0] + [1] * 9)

    def test_persistent(self) -> None:
        """HTTP/1.1 goes on unless told to close, HTTP/1.0 ends unless told to go on."""
        length = b"Content-Length: 0"
        for start, option, persistent in (
            (b"HTTP/1.1 200 OK", b"x", True),
            (b"HTTP/1.1 200 OK", b"Close", False),
            (b"HTTP/1.1 200 OK", b"keep-alive, close", False),
            (b"HTTP/1.0 200 OK", b"x", False),
            (b"HTTP/1.0 200 OK", b"Keep-Alive", True),
            (b"HTTP/1.0 200 OK", b"keep-alive, close", False),
        ):
            head = head_of(length, b"Connection: " + option, start=start)
            self.assertEqual(head.section.persistent, persistent, (start, option))
        self.assertFalse(
            head_of(
                length, b"Connection: a", b"Connection: b", b"Connection: close"
            ).section.persistent
        )

    def test_dated(self) -> None:
        """Whether there is a Date decides if we add one."""
        self.assertTrue(head_of(b"DATE: Thu, 01 Jan 1970 00:00:00 GMT").section.dated)
        self.assertFalse(head_of(b"X-Date: 1").section.dated)

    def test_upgrade(self) -> None:
        """Upgrade counts where Connection names it; several lines are one list."""
        start = b"HTTP/1.1 101 Switching Protocols"
        self.assertEqual(
            head_of(b"Upgrade: x", b"Connection: Upgrade", start=start).section.upgrade, b"x"
        )
        self.assertEqual(
            head_of(b"Upgrade: x", b"Upgrade: y", b"Connection: upgrade").section.upgrade, b"x, y"
        )
        self.assertIsNone(head_of(b"Upgrade: x", start=start).section.upgrade)
        self.assertIsNone(head_of(b"Connection: upgrade", start=start).section.upgrade)

    def test_ends_here(self) -> None:
        """Fields of the connection, lookalikes and what Connection names end at this hop."""
        self.assertIsNone(head_of(b"Server: x", b"Set-Cookie: a=b").section.hop)
        for line in (
            b"Connection: close",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: close",
            b"TE: x",
            b"Upgrade: h2c",
            b"Transfer_Encoding: x",
            b"content-length: 0",
            b"Transfer-Encoding: chunked",
        ):
            self.assertEqual(head_of(line, b"X: y").section.hop, {line})
        head = head_of(b"Connection: x-hop", b"X-Hop: 1", b"X: 2")
        self.assertEqual(head.section.hop, {b"Connection: x-hop", b"X-Hop: 1"})

    def test_never_taken_away(self) -> None:
        """A Connection field can't take away what the content means or who may keep it."""
        kept = (
            b"Content-Type: a/b",
            b"Content-Encoding: gzip",
            b"Set-Cookie: a=b",
            b"Cache-Control: private",
            b"Date: x",
            b"Content-Range: x",
        )
        names = b", ".join(line.partition(b":")[0] for line in kept)
        self.assertEqual(
            head_of(b"Connection: " + names, *kept).section.hop, {b"Connection: " + names}
        )

    def test_passed(self) -> None:
        """What goes on are the lines as received, without those that end here."""
        self.assertEqual(
            head_of(b"A:1", b"Connection: c", b"C: 2", b"B:  3").section.passed, b"A:1\r\nB:  3\r\n"
        )
        self.assertEqual(head_of(b"A:1", b"B:2").section.passed, b"A:1\r\nB:2\r\n")
        self.assertEqual(head_of(b"Content-Length: 0").section.passed, b"")


class AgainTests(SynchronousTestCase):
    """The head of the response before is remembered."""

    names = ("status", "reason", "length", "framing", "content")
    shared = ("minor", "persistent", "upgrade", "dated", "hop", "received", "passed")

    def said_by(self, head: ResponseHead) -> dict[str, object]:
        """Give all that a head says by itself."""
        return (
            {name: getattr(head, name) for name in self.names}
            | {name: getattr(head.section, name) for name in self.shared}
            | {"fields": list(head.fields.lines)}
        )

    def test_same_verdict(self) -> None:
        """A head read for the second time says what it says on a fresh connection."""
        for section, content in (
            (b"Content-Length: 2\r\nDate: x\r\n", b"ok"),
            (b"Connection: x, keep-alive\r\nX: 1\r\nContent-Length: 0\r\n", b""),
            (b"Transfer-Encoding: chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
        ):
            data = b"HTTP/1.1 200 Fine\r\n" + section + b"\r\n" + content
            parser = ResponseParser()
            found = []
            for _ in range(3):
                parser.expect(b"GET")
                head, *_content = parser.receive(data)
                assert isinstance(head, ResponseHead)
                found.append(self.said_by(head))
            self.assertEqual(found[1:], found[:1] * 2)

    def test_not_over_methods(self) -> None:
        """The same head means something else as the answer to HEAD."""
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
        parser = ResponseParser()
        for method, content, framing in ((b"GET", b"ok", 2), (b"HEAD", b"", 0), (b"GET", b"ok", 2)):
            parser.expect(method)
            head = parser.receive(data + content)[0]
            assert isinstance(head, ResponseHead)
            self.assertEqual(head.framing, framing)
            self.assertFalse(parser.reading_content)

    def test_what_a_plugin_did(self) -> None:
        """A plugin that changes one response changes no other."""
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: 1\r\n\r\n"
        parser = ResponseParser()
        for _ in range(3):
            parser.expect(b"GET")
            head = parser.receive(data)[0]
            assert isinstance(head, ResponseHead)
            self.assertEqual((head.status, head.reason, head.length), (200, b"OK", 0))
            self.assertEqual(head.fields.lines, [b"Content-Length: 0", b"X: 1"])
            head.status, head.reason, head.length, head.content = 404, b"Gone", 5, b"x"
            head.fields.set("X", "2")
            head.fields.add("Y", "3")
