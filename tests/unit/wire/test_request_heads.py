"""What a request head says, beside how long its content is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.playbook import Playbook
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import BINDING_CREDENTIALS, CHUNKED, UNMET_EXPECTATION, End, RequestHead
from gateway.wire.http1_request import RequestParser
from gateway.wire.limits import HeadLimits
from gateway.wire.lines import MAX_FORWARDS, VIA
from tests.unit.wire.reading import Client

#: What a head says by itself, and what its header section says.
OF_HEAD = (
    "raw_method",
    "raw_target",
    "target",
    "minor",
    "scheme",
    "host",
    "port",
    "length",
    "framing",
    "upgrade",
)
OF_SECTION = (
    *(
        "declared",
        "persistent",
        "keep_alive",
        "host_field",
        "expects_continue",
        "demands",
    ),
    *("asked_upgrade", "accepts_trailers", "hop", "received"),
)


def said_by(head: RequestHead) -> dict[str, object]:
    """Give all that a head says, whatever was read before it."""
    said: dict[str, object] = {name: getattr(head, name) for name in OF_HEAD}
    return said | {name: getattr(head.section, name) for name in OF_SECTION}


class Same:
    """Equal to every head that says the same."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, head: RequestHead) -> None:
        self.said = said_by(head)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestHead) and said_by(other) == self.said


def head_of(*lines: bytes, start: bytes = b"GET /a HTTP/1.1", host: bool = True) -> RequestHead:
    """Read a request head without content, whole and then at every cut."""
    if host:
        lines = (b"Host: example.com", *lines)
    data = b"\r\n".join((start, *lines, b"", b""))
    head = RequestParser().receive(data)[0]
    assert isinstance(head, RequestHead)
    same = Same(head)
    script = Playbook(RequestParser).receives(data)
    script.gives(*([same] if head.framing else [same, End()])).at_every_cut()
    return head


class StartTests(SynchronousTestCase):
    """The request line (RFC 9112 section 3)."""

    def test_as_received(self) -> None:
        """Method and target are passed on byte for byte: both are case-sensitive."""
        head = head_of(start=b"Get http://EXAMPLE.com/%7e%7E?a=b|c HTTP/1.1")
        self.assertEqual(head.raw_method, b"Get")
        self.assertEqual(head.target, b"http://EXAMPLE.com/%7e%7E?a=b|c")
        self.assertEqual(head.raw_target, head.target)

    def test_minor_versions(self) -> None:
        """A later minor version is read as HTTP/1.1, an earlier one as HTTP/1.0 (RFC 9110 section 2.5)."""
        minors = [head_of(start=b"GET / HTTP/1.%d" % minor).minor for minor in range(10)]
        self.assertEqual(minors, [0] + [1] * 9)

    def test_fields_as_received(self) -> None:
        """All field lines are there as they came, in their order, those of the connection included."""
        lines = [b"Host: example.com", b"X-B:  2 ", b"x-a:1", b"Connection: close", b"X-B: caf\xe9"]
        self.assertEqual(head_of(*lines, host=False).fields.lines, lines)

    def test_host(self) -> None:
        """Host is the value of its one line; only an HTTP/1.0 request may do without."""
        self.assertEqual(head_of().section.host_field, b"example.com")
        self.assertEqual(
            head_of(b"hOST:\t Example.com:81 \t", host=False).section.host_field, b"Example.com:81"
        )
        self.assertEqual(head_of(b"Host:", host=False).section.host_field, b"")
        self.assertEqual(head_of(start=b"GET / HTTP/1.0", host=False).section.host_field, None)


class FramingTests(SynchronousTestCase):
    """How content is framed (RFC 9112 section 6.3)."""

    def test_none(self) -> None:
        """A request without a length and without chunks has no content, whatever its method."""
        for method in (b"GET", b"POST", b"PUT", b"X"):
            head = head_of(start=method + b" / HTTP/1.1")
            self.assertEqual((head.framing, head.section.declared, head.length), (0, None, 0))

    def test_length(self) -> None:
        """A length is a length, with leading zeros too, up to 18 digits."""
        for text, length in ((b"0", 0), (b"5", 5), (b"007", 7), (b"9" * 18, 10**18 - 1)):
            head = head_of(b"Content-Length: " + text)
            self.assertEqual(
                (head.framing, head.section.declared, head.length), (length, length, length)
            )

    def test_chunks(self) -> None:
        """Chunked content has no declared length."""
        head = head_of(b"Transfer-Encoding: chunked")
        self.assertEqual((head.framing, head.section.declared, head.length), (CHUNKED, None, None))


class PersistenceTests(SynchronousTestCase):
    """Whether the connection is used again (RFC 9112 section 9.3)."""

    def test_http_1_1(self) -> None:
        """HTTP/1.1 goes on unless the client says close."""
        self.assertTrue(head_of().section.persistent)
        self.assertTrue(head_of(b"Connection: keep-alive").section.persistent)
        for line in (
            b"Connection: close",
            b"connection:CLOSE",
            b"Connection: keep-alive, close",
            b"Connection: a,close ,b",
        ):
            self.assertFalse(head_of(line).section.persistent, line)
        self.assertFalse(
            head_of(b"Connection: a", b"Connection: b", b"Connection: close").section.persistent
        )

    def test_http_1_0(self) -> None:
        """HTTP/1.0 ends unless the client says keep-alive, and close is stronger."""
        start = b"GET / HTTP/1.0"
        for lines, keep_alive in (
            ((), False),
            ((b"Connection: keep-alive",), True),
            ((b"Connection: Keep-Alive, Upgrade",), True),
            ((b"Connection: keep-alive, close",), False),
            ((b"Proxy-Connection: keep-alive",), False),
        ):
            head = head_of(*lines, start=start)
            self.assertEqual(
                (head.section.persistent, head.section.keep_alive), (False, keep_alive), lines
            )

    def test_keep_alive_is_of_http_1_0(self) -> None:
        """In HTTP/1.1 nothing follows from keep-alive."""
        self.assertFalse(head_of(b"Connection: keep-alive").section.keep_alive)

    def test_an_option_is_a_whole_word(self) -> None:
        """An option that only contains close is another option."""
        self.assertTrue(head_of(b"Connection: closed, x-close").section.persistent)


class HopTests(SynchronousTestCase):
    """What ends at this hop (RFC 9110 section 7.6.1)."""

    def test_nothing(self) -> None:
        """An ordinary request has nothing that ends here."""
        self.assertIsNone(
            head_of(b"Accept: */*", b"Cookie: a=b", b"X-Connection: close").section.hop
        )

    def test_fields_of_the_connection(self) -> None:
        """Connection, its kin and what frames the message end here in any spelling of case."""
        for line in (
            b"Connection: close",
            b"KEEP-ALIVE: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic eDp5",
            b"TE: trailers",
            b"Upgrade: websocket",
            b"HTTP2-Settings: AAMA",
            b"content-length: 5",
            b"Transfer-Encoding: chunked",
        ):
            self.assertEqual(head_of(line, b"X: y").section.hop, {line})

    def test_nominated(self) -> None:
        """Every line of every name that some Connection field gives ends here."""
        lines = (b"X-Secret: 1", b"x-secret: 2", b"X-Other: 3", b"X-Kept: 4")
        head = head_of(b"Connection: X-Secret ,close", *lines, b"connection:x-OTHER")
        self.assertEqual(
            head.section.hop, {b"Connection: X-Secret ,close", b"connection:x-OTHER", *lines[:3]}
        )

    def test_nominated_but_not_there(self) -> None:
        """Naming a field that is not there, or nothing at all, takes nothing away."""
        self.assertEqual(head_of(b"Connection: X-None, ,").section.hop, {b"Connection: X-None, ,"})
        self.assertEqual(head_of(b"Connection:").section.hop, {b"Connection:"})

    def test_lookalikes(self) -> None:
        """Names that an origin of the CGI kind takes for framing, routing or identity are dropped."""
        for name in (
            b"Transfer_Encoding",
            b"transfer.encoding",
            b"Content_Length",
            b"Content-Length!",
            b"Host_",
            b"X_Forwarded_For",
            b"X-Forwarded_Host",
            b"Proxy_Authorization",
            b"X_Remote_User",
            b"HTTP_2_Settings".replace(b"HTTP_2", b"HTTP2"),
            b"Content_Type",
        ):
            line = name + b": 1"
            self.assertEqual(head_of(line, b"X: y").section.hop, {line})

    def test_no_lookalikes(self) -> None:
        """Other names with unusual characters pass."""
        self.assertIsNone(
            head_of(
                b"X_Custom: 1", b"Content~Lengths: 2", b"X.Y: 3", b"Accept_Encoding: 4"
            ).section.hop
        )

    def test_special(self) -> None:
        """Lines with a meaning of their own are given in order, for those who write the next hop's head."""
        head = head_of(b"Via: 1.0 a", b"X: y", b"Max-Forwards: 3", b"via:1.1 b")
        found = [
            (known.code, known.value)
            for known in head.section.special
            if known.code in (VIA, MAX_FORWARDS)
        ]
        self.assertEqual(found, [(VIA, b"1.0 a"), (MAX_FORWARDS, b"3"), (VIA, b"1.1 b")])


class UpgradeTests(SynchronousTestCase):
    """Asking for another protocol (RFC 9110 section 7.8)."""

    def test_asked(self) -> None:
        """Upgrade counts where Connection names it; several lines are one list."""
        head = head_of(b"Upgrade: websocket", b"Connection: keep-alive, Upgrade")
        self.assertEqual(head.upgrade, b"websocket")
        head = head_of(b"Connection: upgrade", b"Upgrade: a/1", b"Upgrade: b")
        self.assertEqual(head.upgrade, b"a/1, b")

    def test_not_named(self) -> None:
        """Without the option, and in HTTP/1.0, Upgrade means nothing and ends here all the same."""
        head = head_of(b"Upgrade: websocket")
        self.assertEqual((head.upgrade, head.section.hop), (None, {b"Upgrade: websocket"}))
        head = head_of(b"Upgrade: websocket", b"Connection: Upgrade", start=b"GET / HTTP/1.0")
        self.assertEqual(head.upgrade, None)
        self.assertEqual(head_of(b"Connection: Upgrade").upgrade, None)


class ExpectTests(SynchronousTestCase):
    """Expectations (RFC 9110 section 10.1.1)."""

    def test_continue(self) -> None:
        """100-continue in any case is understood, and travels on."""
        head = head_of(b"Content-Length: 5", b"Expect: 100-Continue")
        self.assertTrue(head.section.expects_continue)
        self.assertEqual(head.section.demands, 0)
        self.assertEqual(head.section.hop, {b"Content-Length: 5"})

    def test_other(self) -> None:
        """Another expectation, alone or beside, is told apart so that it can be refused."""
        for lines in (
            (b"Expect: x",),
            (b"Expect:",),
            (b"Expect: 100-continue, x",),
            (b"Expect: 100-continue", b"Expect: x"),
        ):
            self.assertEqual(head_of(*lines).section.demands, UNMET_EXPECTATION, lines)

    def test_http_1_0(self) -> None:
        """From HTTP/1.0, which knows no interim response, an expectation means nothing and ends here."""
        head = head_of(b"Expect: 100-continue", start=b"POST / HTTP/1.0")
        self.assertEqual((head.section.expects_continue, head.section.demands), (False, 0))
        self.assertEqual(head.section.hop, {b"Expect: 100-continue"})


class CredentialsTests(SynchronousTestCase):
    """Credentials that hold for the connection (RFC 4559 section 6)."""

    def test_binding(self) -> None:
        """They are noted, and travel on."""
        for line in (b"Authorization: NTLM x", b"authorization: negotiate x"):
            head = head_of(line)
            self.assertEqual(head.section.demands, BINDING_CREDENTIALS)
            self.assertEqual(head.section.hop, None)
            self.assertIn(line, head.fields.lines)
        both = head_of(b"Expect: x", b"Authorization: NTLM x").section
        self.assertEqual(both.demands, BINDING_CREDENTIALS | UNMET_EXPECTATION)

    def test_others(self) -> None:
        """Those of a request are nobody's business."""
        self.assertEqual(head_of(b"Authorization: Basic x").section.demands, 0)


class TrailersTests(SynchronousTestCase):
    """Who takes trailers (RFC 9110 section 10.1.4)."""

    def test_accepted(self) -> None:
        """TE: trailers is a list member of its own, in any of the lines."""
        for lines in (
            (b"TE: trailers",),
            (b"te:gzip;q=0.5, Trailers",),
            (b"TE: trailers", b"TE: gzip"),
        ):
            self.assertTrue(head_of(*lines).section.accepts_trailers, lines)

    def test_not_accepted(self) -> None:
        """No TE, or none of trailers, means no."""
        for lines in ((), (b"TE: gzip",), (b"TE: notrailers",), (b"TE:",)):
            self.assertFalse(head_of(*lines).section.accepts_trailers, lines)


class AgainTests(SynchronousTestCase):
    """The header section of the request before is remembered."""

    def heads(self, *requests: bytes) -> list[RequestHead]:
        """Read requests on one connection."""
        client = Client()
        heads = []
        for request in requests:
            events = client.receive(request)
            heads.append(events[0])
            self.assertEqual(client.next(), [])
        return heads  # type: ignore[return-value]

    def test_same_verdict(self) -> None:
        """A head read for the second time says what it says on a fresh connection."""
        for section in (
            b"Host: a\r\n",
            b"Host: a\r\nConnection: close\r\nUpgrade: x\r\n",
            b"Host: a\r\nContent-Length: 0\r\nTE: trailers\r\nExpect: 100-continue\r\n",
            b"Host: a\r\nConnection: upgrade, x\r\nUpgrade: websocket\r\nX: 1\r\n",
        ):
            one = b"GET /1 HTTP/1.1\r\n" + section + b"\r\n"
            two = b"PUT /2 HTTP/1.1\r\n" + section + b"\r\n"
            again = self.heads(one, two)[1]
            fresh = self.heads(two)[0]
            self.assertEqual(said_by(again), said_by(fresh))
            self.assertEqual(again.fields.lines, fresh.fields.lines)

    def test_other_lines(self) -> None:
        """A head that differs from the one before in any of its lines says what it says on a fresh connection."""
        usual = [b"Host: a", b"X: 1", b"Cookie: a=1", b"Proxy-Authorization: Basic eDp5", b"Y: 2"]
        others = (
            *(b"X: 2", b"Authorization: Basic eDp5", b"Authorization: NTLM x", b"X-Api-Key: 1"),
            *(b"Cookie: a=2", b"Content-Length: 0", b"Connection: close", b"Connection: x, y"),
            *(
                b"TE: trailers",
                b"Expect: x",
                b"Expect: 100-continue",
                b"Via: 1.1 a",
                b"Trailer_: a",
            ),
            *(b"Transfer-Encoding: chunked", b"Host_: a", b"Proxy-Authorization: Basic eHp5"),
        )
        for first in (
            [],
            [b"Connection: upgrade, y"],
            [b"Content-Length: 0"],
            [b"Expect: 100-continue"],
        ):
            lines = [*usual, *first]
            for place in range(1, len(lines)):
                for other in others:
                    changed = [*lines[:place], other, *lines[place + 1 :]]
                    for one, two in ((lines, changed), (changed, lines)):
                        self.assert_read_alike(one, two)

    def test_differing(self) -> None:
        """Where a head differs from the one before is known where that was the very one before it, and concerns nothing of the connection."""
        usual = [b"Host: a", b"X: 1", b"User-Agent: a", b"Y: 2"]
        for other, differ in (
            (b"User-Agent: b", [False, False, True, False]),
            (b"Z: 3", [False, False, True, False]),
            (b"X: 1", [False, False, True, False]),
            (b"Authorization: Basic eDp5", [False, False, True, False]),
            # Of these a meaning is known.
            (b"Cookie: a=1", None),
            (b"Connection: x", None),
            (b"Via: 1.1 a", None),
            (b"Content-Length: 0", None),
            (b"User-Agent: a\r\nZ: 3", None),
        ):
            changed = [*usual[:2], other, usual[3]]
            one, two, again = (
                b"GET /%d HTTP/1.1\r\n%b\r\n\r\n" % (number, b"\r\n".join(lines))
                for number, lines in enumerate((usual, changed, changed))
            )
            first, second, third = self.heads(one, two, again)
            before = first.lines()
            self.assertIsNone(first.differing(before), other)
            self.assertEqual(second.differing(before), differ, other)
            # It is the same section.
            self.assertIs(third.lines(), second.lines())
            self.assertEqual(third.differing(before), differ, other)
            self.assertIsNone(second.differing([*before]), other)
            self.assertIsNone(second.differing(second.lines()), other)

    def test_differing_when_changed(self) -> None:
        """Of lines that a plugin has changed it is not known, until they are as received again; of fields that were only read it is."""
        one, two = (b"GET / HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % number for number in (1, 2))
        first, second = self.heads(one, two)
        received = second.fields.lines
        self.assertEqual(second.differing(first.lines()), [False, True])
        second.fields.set("X", "3")
        self.assertIsNone(second.differing(first.lines()))
        second.fields.lines = received
        self.assertEqual(second.differing(first.lines()), [False, True])

    def assert_read_alike(self, one: list[bytes], two: list[bytes]) -> None:
        """See that the second of two heads is read as if it were the first; there is no second one if the first is refused."""
        before, after = (
            b"GET / HTTP/1.1\r\n%b\r\n\r\n" % b"\r\n".join(head) for head in (one, two)
        )
        client = Client()
        if isinstance(self.read(client, before), str):
            return
        self.assertEqual(self.read(client, after), self.read(Client(), after), (one, two))

    def read(self, client: Client, request: bytes) -> object:
        """Read one request; gives what its head says, or why it is refused."""
        try:
            head = client.receive(request)[0]
            if b"chunked" in request:
                client.receive(b"0\r\n\r\n")
        except RemoteProtocolError as error:
            return str(error)
        client.next()
        assert isinstance(head, RequestHead)
        return said_by(head), [(known.code, known.line) for known in head.section.special]

    def test_invalid_among_others(self) -> None:
        """A line that is not valid is refused, whatever else is as it was."""
        good = b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
        for line in (b"X : 1", b"X", b"X: \0", b" X: 1"):
            client = Client()
            client.receive(good)
            client.next()
            with self.assertRaises(RemoteProtocolError):
                client.receive(good.replace(b"X: 1", line))

    def test_any_request_line(self) -> None:
        """Before a header section that was there before, a request line is read or refused as it is before any."""
        section = b"\r\nHost: a\r\nX: 1\r\n\r\n"
        for line in (
            *(b"GET / HTTP/1.1", b"GET /a?b=c HTTP/1.1", b"GET * HTTP/1.1", b"GET a HTTP/1.1"),
            *(b"GET / HTTP/1.0", b"GET / HTTP/1.2", b"GET / HTTP/1.10", b"GET / http/1.1"),
            *(b"GET HTTP/1.1", b"GET  HTTP/1.1", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1"),
            *(
                b"GET /a b HTTP/1.1",
                b"GET /\t HTTP/1.1",
                b"GET /\x7f HTTP/1.1",
                b"GET /\x80 HTTP/1.1",
            ),
            *(b"GET /\r HTTP/1.1", b"GET /\n HTTP/1.1", b"GET /\0 HTTP/1.1", b" GET / HTTP/1.1"),
            *(b"GET / HTTP/1.1\r\nY: HTTP/1.1", b"GET /\r\nY: 1 HTTP/1.1", b"get / HTTP/1.1"),
            *(b"HEAD / HTTP/1.1", b"GETS / HTTP/1.1", b"GET", b"GET ", b""),
            b"GET /%b HTTP/1.1" % (b"a" * 9000),
        ):
            client = Client()
            client.receive(b"GET /before HTTP/1.1" + section)
            client.next()
            self.assertEqual(
                self.read(client, line + section), self.read(Client(), line + section), line
            )

    def test_not_over_versions(self) -> None:
        """The same fields mean something else in another version: HTTP/1.1 needs no keep-alive."""
        section = b"Host: a\r\nConnection: keep-alive\r\n\r\n"
        one, two = self.heads(b"GET / HTTP/1.1\r\n" + section, b"GET / HTTP/1.0\r\n" + section)
        self.assertEqual(
            (one.minor, one.section.persistent, one.section.keep_alive), (1, True, False)
        )
        self.assertEqual(
            (two.minor, two.section.persistent, two.section.keep_alive), (0, False, True)
        )

    def test_limits(self) -> None:
        """A longer request line before a remembered section is held to all limits."""
        limits = HeadLimits(head=60, target=30)
        section = b"Host: a\r\nX: 1234567890\r\n\r\n"
        for length, refused in ((1, False), (25, False), (26, True), (31, True)):
            request = b"G /%b HTTP/1.1\r\n" % (b"x" * (length - 1)) + section
            for before in (b"G / HTTP/1.1\r\n" + section, b""):
                parser = RequestParser(limits)
                parser.receive(before)
                if refused:
                    error = self.assertRaises(RemoteProtocolError, parser.receive, request)
                    self.assertEqual(error.status, 431, (length, before))
                else:
                    self.assertEqual(len(parser.receive(request)), 2, (length, before))

    def test_empty_lines_between(self) -> None:
        """Empty lines before each of many requests are never too many for one of them."""
        client = Client()
        for _ in range(30):
            self.assertEqual(client.receive(b"\r\n"), [])
            self.assertEqual(len(client.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")), 2)
            client.next()

    def test_own_fields(self) -> None:
        """A plugin that changes one request's fields changes no other's."""
        data = b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
        client = Client()
        first = client.receive(data)[0]
        assert isinstance(first, RequestHead)
        first.fields.set("X", "2")
        first.fields.add("Y", "3")
        client.next()
        second = client.receive(data)[0]
        assert isinstance(second, RequestHead)
        self.assertEqual(second.fields.lines, [b"Host: a", b"X: 1"])

    def test_upgrade_once_ignored(self) -> None:
        """That an upgrade was ignored once says nothing about the next request."""
        data = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
        client = Client()
        first = client.receive(data)[0]
        assert isinstance(first, RequestHead)
        first.upgrade = None
        client.next()
        second = client.receive(data)[0]
        assert isinstance(second, RequestHead)
        self.assertEqual(second.upgrade, b"x")
