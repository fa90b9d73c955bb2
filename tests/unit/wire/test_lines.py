"""Field lines: what is valid, what is known, and what is remembered (RFC 9110 section 5)."""

from __future__ import annotations

import sys
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from gateway.message.forwarding import FORWARDING_FIELDS
from gateway.wire import lines
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.lines import (
    BINDING,
    CONTENT_LENGTH,
    COOKIE,
    FORWARDING,
    HOST,
    KEPT_LENGTH,
    KEPT_LINES,
    LOOKALIKE,
    NOT_IN_TRAILERS,
    KnownLines,
    bad_line_end,
    binds,
    content_length,
    going_on,
    is_binding_challenge,
    joined,
    name_of,
    without_nominated,
)


class KnownLinesTests(SynchronousTestCase):
    """The dictionary of lines."""

    def setUp(self) -> None:
        self.known = KnownLines()

    def test_ordinary(self) -> None:
        """A line of no special meaning is nothing but valid."""
        for line in (b"Accept: */*", b"X:", b"!#$%&'*+-.^_`|~: \xff", b"A:\t b \tc "):
            self.assertIsNone(self.known[line])
            self.assertIn(line, self.known)

    def test_special(self) -> None:
        """A known name in any case gives code, name, bare value and the line as received."""
        found = self.known[b"hOsT:\t example.com \t"]
        assert found is not None
        self.assertEqual(
            (found.code, found.name, found.value, found.line),
            (HOST, b"host", b"example.com", b"hOsT:\t example.com \t"),
        )
        self.assertIs(self.known[b"hOsT:\t example.com \t"], found)

    def test_blanks_inside_a_value(self) -> None:
        """Only white space around a value is no part of it."""
        found = self.known[b"Via: \t1.1 a,\t1.0 b\t"]
        assert found is not None
        self.assertEqual(found.value, b"1.1 a,\t1.0 b")

    def test_length(self) -> None:
        """A Content-Length has its number, any other line has none."""
        length, host = self.known[b"Content-Length: 042"], self.known[b"Host: 42"]
        assert length is not None and host is not None
        self.assertEqual((length.code, length.number, host.number), (CONTENT_LENGTH, 42, -1))

    def test_connection(self) -> None:
        """A Connection has its options in lower case; whether they name fields of the message is known."""
        found = self.known[b"Connection: Keep-Alive ,\tUPGRADE,,te"]
        assert found is not None
        self.assertEqual(found.options, {b"keep-alive", b"upgrade", b"", b"te"})
        self.assertTrue(found.only_usual)
        found = self.known[b"Connection: close, X-Hop"]
        assert found is not None
        self.assertFalse(found.only_usual)

    def test_lookalikes(self) -> None:
        """Every guarded name with other punctuation is a lookalike, whatever it is."""
        for name in (
            b"host",
            b"content-length",
            b"transfer-encoding",
            b"authorization",
            b"content-type",
            *FORWARDING_FIELDS,
        ):
            for line in (
                name.replace(b"-", b"_") + b"_: x",
                b"." + name + b": x",
                name.upper() + b"~:",
            ):
                found = self.known[line]
                assert found is not None
                self.assertEqual(found.code, LOOKALIKE, line)

    def test_the_real_name_is_no_lookalike(self) -> None:
        """The names themselves keep their meaning, or their lack of one."""
        self.assertIsNone(self.known[b"Authorization: x"])
        self.assertIsNone(self.known[b"Content-Type: x"])
        forwarded = self.known[b"X-Forwarded-For: x"]
        assert forwarded is not None
        self.assertEqual(forwarded.code, FORWARDING)

    def test_credentials_of_a_connection(self) -> None:
        """An Authorization by which a connection is authenticated is told apart, in any case, and never kept."""
        for line in (
            b"Authorization: NTLM TlRMTVNTUAAB",
            b"authorization:negotiate\tYII=",
            b"AUTHORIZATION: \t Negotiate",
            b"Authorization: nTLM,",
            b"Authorization: Nego2 YII=",
        ):
            found = self.known[line]
            assert found is not None, line
            self.assertEqual((found.code, found.name), (BINDING, b"authorization"), line)
            self.assertTrue(binds([b"Accept: */*", line]), line)
        for line in (
            b"Authorization: Basic TlRMTQ==",
            b"Authorization: Bearer Negotiate",
            b"Authorization: NTLMv3 x",
            b"Authorization: Negotiate-2 x",
            b"Authorization:",
            b"X-Authorization: NTLM x",
        ):
            self.assertIsNone(self.known[line], line)
            self.assertFalse(binds([line]), line)
        self.assertEqual(list(self.known), [b"X-Authorization: NTLM x"])

    def test_challenge_of_a_connection(self) -> None:
        """Such schemes are found among the challenges of a WWW-Authenticate."""
        for value in ("NTLM", "negotiate YII=", 'Basic realm="x", NTLM', "Basic, Negotiate"):
            self.assertTrue(is_binding_challenge(value), value)
        for value in ('Basic realm="x"', "Bearer", "", "NTLMv3"):
            self.assertFalse(is_binding_challenge(value), value)

    def test_secrets_are_not_kept(self) -> None:
        """Lines with credentials leave nothing behind, in any case and as lookalikes too."""
        for name in (
            b"Authorization",
            b"PROXY-AUTHORIZATION",
            b"cookie",
            b"Set-Cookie",
            b"X-Api-Key",
            b"X-Auth-Token",
            b"Proxy_Authorization",
            b"Authentication-Info",
        ):
            line = name + b": s3cret"
            found = self.known[line]
            self.assertEqual(dict(self.known), {}, line)
            again = self.known[line]
            self.assertEqual(found and found.code, again and again.code)
        cookie = self.known[b"Cookie: a=b"]
        assert cookie is not None
        self.assertEqual((cookie.code, cookie.value), (COOKIE, b"a=b"))

    def test_what_is_wrong_is_not_kept(self) -> None:
        """A line that is refused is refused each time."""
        for line in (
            b"A : b",
            b"",
            b"A",
            b": b",
            b" A: b",
            b"A: \x00",
            b"A\xe9: b",
            b"Content-Length: x",
            b"A: b\r",
            b"A: b\nC: d",
        ):
            for _ in range(2):
                self.assertRaises(RemoteProtocolError, self.known.__getitem__, line)
        self.assertEqual(dict(self.known), {})

    def test_long_lines_are_not_kept(self) -> None:
        """A line up to the limit is kept, a longer one is read anew each time."""
        fits = b"A: " + b"x" * (KEPT_LENGTH - 3)
        self.assertIsNone(self.known[fits])
        self.assertIsNone(self.known[fits + b"x"])
        self.assertEqual(list(self.known), [fits])

    def test_number_of_lines(self) -> None:
        """There are never more lines than the limit; a full dictionary starts anew."""
        for number in range(KEPT_LINES):
            self.known[b"A: %d" % number]
        self.assertEqual(len(self.known), KEPT_LINES)
        self.known[b"A: one more"]
        self.assertEqual(list(self.known), [b"A: one more"])

    def test_a_connection_with_many_options_is_not_kept(self) -> None:
        """A set of options takes many times the room of its line, so only the usual ones stay."""
        many = b"Connection: " + b",".join(b"a%d" % number for number in range(70))
        self.assertLess(len(many), KEPT_LENGTH)
        found = self.known[many]
        assert found is not None
        self.assertEqual(len(found.options), 70)
        self.known[b"Connection: close"]
        self.assertEqual(list(self.known), [b"Connection: close"])

    def test_memory(self) -> None:
        """Full of the longest lines of the dearest kinds it takes no more than is said: 3 MiB."""
        rooms = [b",close" * 60, b"x" * 372]
        names = [b"Connection", b"Via"]
        tracemalloc.start()
        try:
            for number in range(KEPT_LINES):
                kind = number % 2
                made = b"%b: %b" % (names[kind], rooms[kind])
                # Unlike any other by where its white space is, so that each is as long as may be.
                blanks = b"".join(b"\t" if number >> bit & 1 else b" " for bit in range(13))
                self.known[made[: KEPT_LENGTH - 14 - kind].rstrip(b",clos") + blanks]
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        self.assertEqual(len(self.known), KEPT_LINES)
        self.assertLess(taken, 3 << 20)

    def test_one_for_the_process(self) -> None:
        """Requests and responses share one dictionary."""
        self.assertIsInstance(lines.KNOWN_LINES, KnownLines)
        self.assertLessEqual(len(lines.KNOWN_LINES), KEPT_LINES)


class ContentLengthTests(SynchronousTestCase):
    """RFC 9110 section 8.6."""

    def test_numbers(self) -> None:
        """Up to 18 ASCII digits, leading zeros among them."""
        for text, number in (
            (b"0", 0),
            (b"00", 0),
            (b"7", 7),
            (b"9" * 18, 10**18 - 1),
            (b"0" * 17 + b"1", 1),
        ):
            self.assertEqual(content_length(text), number)
            self.assertLess(number, sys.maxsize)

    def test_no_numbers(self) -> None:
        """Everything that Python's int would take and the grammar does not is refused."""
        for text in (
            b"",
            b" 5",
            b"5 ",
            b"+5",
            b"-5",
            b"5_0",
            b"0x5",
            b"\xd9\xa5",
            b"\xb2",
            b"5\n",
            b"0" * 19,
            b"9" * 5000,
        ):
            error = self.assertRaises(RemoteProtocolError, content_length, text)
            self.assertEqual((error.section, error.status), ("RFC 9110 section 8.6", 400))


class SmallTests(SynchronousTestCase):
    """The rest of the module."""

    def test_name_of(self) -> None:
        """A name is what is before the first colon, in lower case."""
        self.assertEqual(name_of(b"X-A:b:c"), b"x-a")

    def test_bad_line_end(self) -> None:
        """A CR or LF by itself is bad; one whose partner may still come is not."""
        for data, bad in (
            (b"a\r\nb\r\n", False),
            (b"a\r", False),
            (b"\n", True),
            (b"a\nb", True),
            (b"a\rb", True),
            (b"\r\r\n", True),
            (b"\r\n\n", True),
        ):
            self.assertEqual(bad_line_end(data, 0, len(data)), bad, data)
        # What is before the part that is looked at counts as well.
        self.assertFalse(bad_line_end(b"a\r\nb", 2, 4))
        self.assertTrue(bad_line_end(b"a\r\nb", 1, 2) or bad_line_end(b"a\n", 1, 2))

    def test_joined(self) -> None:
        """Options of several lines are one set, and the sets that lines share stay as they are."""
        one, two = frozenset((b"a",)), frozenset((b"b",))
        both = joined(one, two)
        self.assertEqual(joined(both, frozenset((b"c",))), {b"a", b"b", b"c"})
        self.assertEqual((one, two), ({b"a"}, {b"b"}))

    def test_without_nominated(self) -> None:
        """Trailers named by any Connection line go, the others stay in order."""
        trailers = (b"A: 1", b"B: 2", b"a: 3", b"C: 4")
        self.assertEqual(without_nominated(trailers, [b"Host: x"]), trailers)
        found = without_nominated(trailers, [b"Connection: a", b"connection: C"])
        self.assertEqual(found, (b"B: 2",))

    def test_going_on(self) -> None:
        """A line that ends here goes on where a plugin has written it, unless it is one of the connection's own."""
        received = [b"Connection: X-A", b"X-A: 1", b"X-B: 2"]
        ended = set(received[:2])
        self.assertEqual(going_on([*received, b"X-C: 3"], received, ended), [b"X-B: 2", b"X-C: 3"])
        written = [bytes(bytearray(line)) for line in received]
        self.assertEqual(going_on(written, received, ended), [b"X-A: 1", b"X-B: 2"])

    def test_not_in_trailers(self) -> None:
        """What frames, routes, authenticates or describes the content is never taken from a trailer."""
        for name in (
            b"content-length",
            b"transfer-encoding",
            b"host",
            b"connection",
            b"authorization",
            b"cookie",
            b"set-cookie",
            b"content-type",
            b"content-encoding",
            b"x-forwarded-for",
            b"trailer",
            b"expect",
            b"te",
        ):
            self.assertIn(name, NOT_IN_TRAILERS)
