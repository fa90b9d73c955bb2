"""Tests of L{gateway.wire.connects}: a CONNECT head that came before means what it would mean anew, and no secret is kept."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.connects import KEPT_HEADS, KEPT_LENGTH, KnownConnects
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import END, RequestHead
from gateway.wire.http1_request import RequestParser
from gateway.wire.limits import DEFAULT_LIMITS, HeadLimits

HOST = b"Host: origin.example.com:443"


def connect(*lines: bytes, minor: int = 1, target: bytes = b"origin.example.com:443") -> bytes:
    """Write a head."""
    return b"\r\n".join((b"CONNECT %b HTTP/1.%d" % (target, minor), *lines, b"", b""))


def told(head: RequestHead) -> dict[str, object]:
    """Give all that a head says, but for what it is made of."""
    section = head.section
    return {
        "fields": head.fields.lines,
        **{
            name: getattr(part, name)
            for part in (head, section)
            for name in type(part).__slots__
            if name not in ("own_fields", "section", "special", "way")
        },
        **{
            name: getattr(head, name)
            for name in ("raw_method", "raw_target", "minor", "scheme", "host", "port", "length")
        },
    }


class KnownConnectsTests(SynchronousTestCase):
    """Several connections, one memory."""

    def setUp(self) -> None:
        """Nothing is known."""
        self.connects = KnownConnects()

    def head(self, data: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> RequestHead:
        """Read a head, the first one of its connection."""
        head, end = RequestParser(limits, self.connects).receive(data)
        assert isinstance(head, RequestHead)
        self.assertIs(end, END)
        return head

    def test_means_the_same(self) -> None:
        """What is known is told as what is read anew; only what a head may be changed in is its own."""
        for data in (
            connect(HOST),
            connect(HOST, minor=0),
            connect(minor=0),
            connect(HOST, b"Connection: close", b"User-Agent: A", b"X: 1"),
            connect(HOST, b"Proxy-Connection: keep-alive", minor=0),
            connect(HOST, b"Via: 1.1 other", b"Upgrade: websocket", b"Connection: upgrade"),
            connect(HOST, b"Expect: 100-continue", b"TE: trailers", b"Connection: te"),
        ):
            alone = RequestParser().receive(data)[0]
            assert isinstance(alone, RequestHead)
            first, again = self.head(data), self.head(data)
            self.assertEqual(told(first), told(alone), data)
            self.assertEqual(told(again), told(alone), data)
            self.assertIs(again.section, first.section, data)
            self.assertIsNot(again.fields, first.fields, data)

    def test_every_byte_counts(self) -> None:
        """A head that differs in a byte is another one."""
        self.head(connect(HOST))
        other = self.head(connect(HOST, target=b"origin.example.com:444"))
        self.assertEqual(other.target, b"origin.example.com:444")
        self.assertEqual(self.head(connect(HOST.lower())).fields.lines, [HOST.lower()])

    def test_no_secrets(self) -> None:
        """A head with a line that is not kept is not kept, nor is any part of it."""
        for secret in (
            b"Proxy-Authorization: Basic dTpw",
            b"Authorization: Negotiate YII",
            b"Cookie: a=b",
            b"X-Api-Key: k",
            b"Proxy_Authorization: Basic dTpw",
            b"Connection: x-secret",
        ):
            self.head(connect(HOST, secret))
            self.assertEqual(self.connects, {}, secret)
        # It is refused, but not here.
        self.head(connect(HOST, target=b"user:password@origin.example.com:443"))
        self.assertEqual(self.connects, {})

    def test_refused(self) -> None:
        """What can't be read is refused each time, and not known."""
        for lines in ((), (HOST, HOST), (HOST, b"Content-Length: 1"), (HOST, b"A : b")):
            for _ in range(2):
                parser = RequestParser(DEFAULT_LIMITS, self.connects)
                self.assertRaises(RemoteProtocolError, parser.receive, connect(*lines))
        self.assertEqual(self.connects, {})

    def test_other_methods(self) -> None:
        """Of other requests nothing is known but to their own connection."""
        self.head(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.connects, {})

    def test_only_whole(self) -> None:
        """It is known by a read that has the head and nothing else; in any other the rest is dealt with as ever."""
        data = connect(HOST)
        self.head(data)
        parser = RequestParser(DEFAULT_LIMITS, self.connects)
        self.assertEqual(len(parser.receive(data + b"early")), 2)
        self.assertEqual(parser.rest, b"early")
        for cut in range(1, len(data)):
            parser = RequestParser(DEFAULT_LIMITS, self.connects)
            self.assertEqual(parser.receive(data[:cut]), [])
            self.assertEqual(len(parser.receive(data[cut:])), 2, cut)

    def test_in_the_middle(self) -> None:
        """Bytes like a known head are no request where none can begin."""
        data = connect(HOST)
        self.head(data)
        upload = b"POST http://a/ HTTP/1.1\r\nHost: a\r\nX: %b\r\nContent-Length: %d\r\n\r\n"
        parser = RequestParser(DEFAULT_LIMITS, self.connects)
        parser.receive(upload % (b"x" * 4096, len(data)))
        self.assertEqual(parser.receive(data), [data, END])
        parser = RequestParser(DEFAULT_LIMITS, self.connects)
        parser.receive(b"GET http://a/ HT")
        self.assertRaises(RemoteProtocolError, parser.receive, data)
        self.assertRaises(RemoteProtocolError, parser.receive, data)

    def test_bounded(self) -> None:
        """There are never more than so many, and a long one is none of them."""
        for number in range(KEPT_HEADS + 1):
            self.head(connect(HOST, target=b"a:%d" % number))
            self.assertLessEqual(len(self.connects), KEPT_HEADS)
        self.assertEqual(len(self.connects), 1)
        self.connects.clear()
        longest = KEPT_LENGTH - len(connect(HOST, b"X: ")) - len(b"X: \r\n")
        pair = b"X: " + b"x" * (longest // 2), b"X: " + b"x" * (longest - longest // 2)
        self.head(connect(HOST, pair[0], pair[1] + b"y"))
        self.assertEqual(self.connects, {})
        self.head(connect(HOST, *pair))
        self.assertEqual(len(self.connects), 1)

    def test_renewed(self) -> None:
        """A connection that goes over to other limits knows what goes with these."""
        data = connect(HOST)
        self.head(data)
        parser = RequestParser(DEFAULT_LIMITS, self.connects)
        parser.renew(HeadLimits(target=8), KnownConnects())
        self.assertEqual(self.assertRaises(RemoteProtocolError, parser.receive, data).status, 414)
