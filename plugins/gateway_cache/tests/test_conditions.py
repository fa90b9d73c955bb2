"""Conditions of a client on something stored, and those sent to the origin."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.conditions import (
    Outcome,
    evaluate,
    for_origin,
    not_modified,
    own_fields,
    same_strong,
    same_weak,
    upstream_fields,
)
from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.tests.rules import NOW, at, lines, request

LINES = st.lists(st.binary(max_size=60), max_size=6)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            (b"If-None-Match", b"if-modified-since", b"If-Match", b"Range", b"If-Range", b"X")
        ),
        st.one_of(
            st.binary(max_size=40),
            st.text(alphabet='W/"abc,* -=bytes0123456789', max_size=30).map(str.encode),
        ),
    ).map(lambda pair: pair[0] + b": " + pair[1]),
    max_size=4,
)


def stored(*fields: str, status: int = 200, length: int = 10, received: float = NOW) -> Head:
    """Make something stored."""
    return Head(b"k", b"", (), status, tuple(lines(*fields)), received, received, length)


class EvaluateTests(SynchronousTestCase):
    """RFC 9110 section 13.2.2, as a cache does it."""

    def judge(self, head: Head, *fields: str, method: bytes = b"GET") -> Outcome:
        """Judge a request."""
        return evaluate(request(*fields, method=method), head, NOW)

    def test_tags(self) -> None:
        """Tags are compared weakly, whichever stands in the list (RFC 9110 sections 8.8.3.2 and 13.1.2)."""
        for tag, given_, matches in (
            ('"a"', '"a"', True),
            ('"a"', 'W/"a"', True),
            ('W/"a"', '"a"', True),
            ('W/"a"', 'W/"a"', True),
            ('"a"', '"b"', False),
            ('"a"', '"a", "1", "2"', True),
            ('"a"', '"1","a","2"', True),
            ('"a"', '"1" ,, W/"2" ,\t"a"', True),
            ('"a"', "*", True),
            ('"a,b"', '"1", "a,b"', True),
            ('"b"', '"a,"b",c"', False),
            ('"a"', '"1" "a"', False),
            ('"a"', 'x, "a"', False),
            ('"a"', "a", False),
            ("a", '"a"', False),
            ('""', '"1", ""', True),
            ('"\xfc"', '"\xfc"', True),
            # What isn't well-formed is the same if it comes back as it was sent.
            ("a", "a", True),
            ('w/"a"', 'w/"a"', True),
            ('W\\"a"', 'W\\"a"', True),
        ):
            outcome = self.judge(stored("ETag: " + tag), "If-None-Match: " + given_)
            expected = Outcome.NOT_MODIFIED if matches else Outcome.SEND
            self.assertIs(outcome, expected, (tag, given_))

    def test_no_tag(self) -> None:
        """A response without a tag, or with two, has none of those that a client names (RFC 9110 section 13.1.2)."""
        for head in (stored(), stored("ETag:"), stored('ETag: "a"', 'ETag: "a"')):
            for value in ('"a"', "", '"a", "a"'):
                self.assertIs(self.judge(head, "If-None-Match: " + value), Outcome.SEND)
            self.assertIs(self.judge(head, "If-None-Match: *"), Outcome.NOT_MODIFIED)

    def test_lines(self) -> None:
        """Several lines are one list (RFC 9110 section 5.3)."""
        head = stored('ETag: "a"')
        outcome = self.judge(head, 'If-None-Match: "1"', 'If-None-Match: "a"')
        self.assertIs(outcome, Outcome.NOT_MODIFIED)

    def test_precedence(self) -> None:
        """Beside If-None-Match nobody looks at If-Modified-Since (RFC 9110 section 13.1.3)."""
        head = stored('ETag: "a"', "Last-Modified: " + at(-5000))
        later, earlier = "If-Modified-Since: " + at(0), "If-Modified-Since: " + at(-10_000)
        self.assertIs(self.judge(head, 'If-None-Match: "a"', earlier), Outcome.NOT_MODIFIED)
        self.assertIs(self.judge(head, 'If-None-Match: "b"', later), Outcome.SEND)

    def test_dates(self) -> None:
        """Something modified at that time or before it is not modified since (RFC 9110 section 13.1.3)."""
        head = stored("Last-Modified: " + at(-3000))
        for since, matches in ((-3000, True), (-2000, True), (-3001, False), (9999, True)):
            outcome = self.judge(head, "If-Modified-Since: " + at(since))
            self.assertIs(outcome, Outcome.NOT_MODIFIED if matches else Outcome.SEND, since)
        head = stored("Last-Modified: Sun, 22 Nov 2026 07:00:00 GMT")
        for form in ("Sunday, 22-Nov-26 07:00:00 GMT", "Sun Nov 22 07:00:00 2026"):
            outcome = self.judge(head, "If-Modified-Since: " + form)
            self.assertIs(outcome, Outcome.NOT_MODIFIED, form)

    def test_no_dates(self) -> None:
        """What can't be read as one date is as if it weren't there (RFC 9110 section 13.1.3)."""
        head = stored("Last-Modified: yesterday")
        self.assertIs(self.judge(head, "If-Modified-Since: yesterday"), Outcome.SEND)
        head = stored("Last-Modified: " + at(-3000))
        twice = "If-Modified-Since: " + at(0)
        self.assertIs(self.judge(head, twice, twice), Outcome.SEND)

    def test_no_last_modified(self) -> None:
        """Without Last-Modified its Date counts, or else when it came (RFC 9111 section 4.3.2)."""
        for head in (stored("Date: " + at(-100)), stored(received=NOW - 100)):
            late, early = "If-Modified-Since: " + at(-99), "If-Modified-Since: " + at(-3000)
            self.assertIs(self.judge(head, late), Outcome.NOT_MODIFIED)
            self.assertIs(self.judge(head, early), Outcome.SEND)

    def test_not_ours(self) -> None:
        """If-Match and If-Unmodified-Since are for the origin to judge (RFC 9111 section 4.3.2)."""
        head = stored('ETag: "a"', "Last-Modified: " + at(-3000))
        for field in ('If-Match: "a"', "If-Match: *", "If-Unmodified-Since: " + at(0)):
            self.assertIs(self.judge(head, field, 'If-None-Match: "a"'), Outcome.FORWARD)
            self.assertTrue(for_origin(request(field)))
        self.assertFalse(for_origin(request('If-None-Match: "a"', 'If-Range: "a"')))

    def test_other_status(self) -> None:
        """What is no success isn't replaced by a 304 (RFC 9110 section 13.2.1)."""
        for status in (301, 404, 410):
            head = stored('ETag: "a"', status=status)
            self.assertIs(self.judge(head, 'If-None-Match: "a"'), Outcome.SEND)

    def test_if_range(self) -> None:
        """If-Range alone holds nothing back (RFC 9110 section 13.1.5)."""
        head = stored('ETag: "a"')
        self.assertIs(self.judge(head, 'If-Range: "a"'), Outcome.SEND)

    @given(FIELDS, LINES)
    def test_anything(self, asked: list[bytes], head: list[bytes]) -> None:
        """Whatever the bytes are, there is an outcome and fields to send."""
        made = Asked(b"GET", asked)
        kept = replace(stored(), lines=(*head, b'ETag: "a"'))
        self.assertIsInstance(evaluate(made, kept, NOW), Outcome)
        not_modified(kept, list(kept.lines))
        upstream_fields(made, {"If-None-Match": '"a"'}, (kept,))

    @given(st.lists(st.text("ab,/W", max_size=4), min_size=1, max_size=5), st.data())
    def test_any_of_list(self, opaque: list[str], data: st.DataObject) -> None:
        """A tag is found in a list if and only if it is one of its members."""
        tags = [data.draw(st.sampled_from(("", "W/"))) + f'"{text}"' for text in opaque]
        wanted = data.draw(st.text("ab,/W", max_size=4))
        outcome = self.judge(stored(f'ETag: "{wanted}"'), "If-None-Match: " + ", ".join(tags))
        self.assertIs(outcome is Outcome.NOT_MODIFIED, wanted in opaque)


class TagTests(SynchronousTestCase):
    """RFC 9110 section 8.8.3.2."""

    def test_table(self) -> None:
        """The examples of the section."""
        for one, other, strong, weak in (
            (b'W/"1"', b'W/"1"', False, True),
            (b'W/"1"', b'W/"2"', False, False),
            (b'W/"1"', b'"1"', False, True),
            (b'"1"', b'"1"', True, True),
            (b"", b"", False, False),
            (b"1", b"1", False, False),
        ):
            self.assertEqual((same_strong(one, other), same_weak(one, other)), (strong, weak))


class NotModifiedTests(SynchronousTestCase):
    """RFC 9110 section 15.4.5."""

    def test_fields(self) -> None:
        """What a 304 must have stays, and what describes content that isn't there goes."""
        kept = lines(
            'ETag: "a"',
            "Date: x",
            "Cache-Control: max-age=1",
            "Content-Location: /a",
            "Expires: x",
            "Vary: a",
            "Server: s",
            "Content-Security-Policy: x",
            "Age: 3",
        )
        gone = lines("Content-Type: a/b", "content-length: 3", "Content-Encoding: gzip")
        gone += lines("Last-Modified: x", "Content-Language: de", "Content-Range: x")
        self.assertEqual(not_modified(stored(), gone + kept), kept)

    def test_last_modified(self) -> None:
        """Without a tag the date tells which response is meant."""
        self.assertEqual(
            not_modified(stored(), lines("Last-Modified: x", "Content-Type: a/b")),
            lines("Last-Modified: x"),
        )

    def test_again(self) -> None:
        """For the same list it gives the same one, and for another one another."""
        head, sent = stored(), lines("A: 1")
        made = not_modified(head, sent)
        self.assertIs(not_modified(head, sent), made)
        self.assertEqual(not_modified(head, lines("A: 2")), lines("A: 2"))


class UpstreamTests(SynchronousTestCase):
    """RFC 9111 section 4.3.1."""

    BOTH = {"If-None-Match": '"a"', "If-Modified-Since": "x"}

    def test_plain(self) -> None:
        """All validators of what is stored are sent (RFC 9110 section 8.8.1)."""
        self.assertEqual(upstream_fields(request(), self.BOTH), self.BOTH)

    def test_clients_own(self) -> None:
        """The conditions of the client are not mixed with those of the cache."""
        asked = request('If-None-Match: "b"', "If-Modified-Since: y")
        self.assertEqual(upstream_fields(asked, self.BOTH), self.BOTH)
        self.assertEqual(
            upstream_fields(asked, {"If-None-Match": '"a"'}),
            {"If-None-Match": '"a"', "If-Modified-Since": None},
        )
        self.assertEqual(
            upstream_fields(asked, {"If-Modified-Since": "x"}),
            {"If-None-Match": None, "If-Modified-Since": "x"},
        )
        self.assertEqual(upstream_fields(asked, {}), {})

    def test_not_ours(self) -> None:
        """A condition for the origin goes there alone."""
        self.assertEqual(upstream_fields(request('If-Match: "b"'), self.BOTH), {})

    def test_variants(self) -> None:
        """Tags of all variants may be asked about, each once, but not those of parts (RFC 9111 section 4.3.2)."""
        others = [
            stored('ETag: "b"'),
            stored('ETag: "a"'),
            stored('ETag: W/"c"'),
            stored("ETag: d"),
            replace(stored('ETag: "part"'), part=(0, 20)),
            stored('ETag: "b"'),
        ]
        fields = upstream_fields(request(), {"If-None-Match": '"a"'}, others)
        self.assertEqual(fields, {"If-None-Match": '"a", "b", W/"c"'})
        self.assertEqual(
            upstream_fields(request(), {}, others), {"If-None-Match": '"b", "a", W/"c"'}
        )
        # Who has only a date can't be confirmed beside tags.
        dated = {"If-Modified-Since": "x"}
        self.assertEqual(upstream_fields(request(), dated, others), dated)

    def test_bound(self) -> None:
        """Not any number of variants is asked about."""
        others = [stored(f'ETag: "{number}"') for number in range(1000)]
        value = upstream_fields(request(), {}, others)["If-None-Match"]
        assert value is not None
        self.assertEqual(len(value.split(",")), 32)
        others = [stored(f'ETag: "{number}{"x" * 1000}"') for number in range(9)]
        value = upstream_fields(request(), {}, others)["If-None-Match"]
        assert value is not None
        self.assertLess(len(value), 2100)

    def test_own(self) -> None:
        """A refresh of the gateway's own has nothing of the client's conditions and range."""
        asked = request("Range: bytes=0-1", 'If-Range: "b"', 'If-None-Match: "b"')
        self.assertEqual(
            own_fields(asked, {"If-None-Match": '"a"'}),
            {"If-None-Match": '"a"', "If-Range": None, "Range": None},
        )
