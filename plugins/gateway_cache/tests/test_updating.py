"""What later responses make of stored ones."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.entry import Head
from gateway_cache.freshness import remaining
from gateway_cache.messages import Answer
from gateway_cache.policy import Policy
from gateway_cache.tests.rules import NOW, POLICY, answer, at, lines
from gateway_cache.updating import (
    confirmed,
    for_this_client,
    freshened,
    identified,
    updated,
)

THEN = NOW - 100
OLD = "Last-Modified: " + at(-9999)


def stored(*fields: str, vary: tuple[str, ...] = (), status: int = 200) -> Head:
    """Make something stored a while ago."""
    date = [] if any(field.startswith("Date:") for field in fields) else ["Date: " + at(-100)]
    return Head(b"k", b"", vary, status, tuple(lines(*fields, *date)), THEN, THEN, 10)


def not_modified(*fields: str) -> Answer:
    """Make a 304 of now."""
    return answer(*fields, "Date: " + at(0), status=304)


def put(head: Head, *fields: str, policy: Policy = POLICY) -> Head | None:
    """Take a 304 into something stored."""
    return updated(head, not_modified(*fields), NOW, NOW, policy)


class IdentifiedTests(SynchronousTestCase):
    """RFC 9111 section 4.3.4: which stored responses a 304 is about."""

    def chosen(self, heads: list[Head], *fields: str, selected: int | None = None) -> list[int]:
        """Give the numbers of those that are identified."""
        head = None if selected is None else heads[selected]
        found = identified(heads, not_modified(*fields), head)
        return [next(n for n, other in enumerate(heads) if other is head) for head in found]

    def test_strong(self) -> None:
        """A strong tag means all that have it, and no other."""
        heads = [
            stored('ETag: "a"'),
            stored('ETag: "b"'),
            stored('ETag: "a"'),
            stored('ETag: W/"a"'),
        ]
        self.assertEqual(self.chosen(heads, 'ETag: "a"'), [0, 2])
        self.assertEqual(self.chosen(heads, 'ETag: "a"', selected=2), [2, 0])
        self.assertEqual(self.chosen(heads, 'ETag: "c"'), [])
        self.assertEqual(self.chosen(heads, 'ETag: "b"', selected=0), [1])

    def test_part(self) -> None:
        """A part is updated too, but only sent where it was selected."""
        parts = [replace(stored('ETag: "a"'), part=(0, 90), status=206) for _ in range(2)]
        heads = [*parts, stored('ETag: "a"'), stored('ETag: "b"')]
        self.assertEqual(self.chosen(heads, 'ETag: "a"', selected=3), [2, 0, 1])
        self.assertEqual(self.chosen(heads, 'ETag: "a"', selected=1), [1, 2, 0])
        self.assertEqual(self.chosen(parts, 'ETag: "a"'), [])

    def test_strong_alone(self) -> None:
        """A strong tag that nothing stored has confirms nothing, though there is only one stored response."""
        self.assertEqual(self.chosen([stored('ETag: "a"')], 'ETag: "b"', selected=0), [])
        self.assertEqual(self.chosen([stored('ETag: "a"', OLD)], 'ETag: "b"', OLD), [])
        self.assertEqual(self.chosen([stored('ETag: W/"a"')], 'ETag: "a"'), [])

    def test_strong_date(self) -> None:
        """A date that is surely strong identifies too, if no tag says otherwise."""
        self.assertEqual(self.chosen([stored('ETag: W/"a"', OLD)], 'ETag: "a"', OLD), [0])
        self.assertEqual(self.chosen([stored(OLD)], 'ETag: "a"', OLD), [0])
        undated = answer('ETag: "a"', OLD, status=304)
        self.assertEqual(identified([stored('ETag: W/"a"', OLD)], undated), [])
        recent = "Last-Modified: " + at(-101)
        self.assertEqual(self.chosen([stored('ETag: W/"a"', recent)], 'ETag: "a"', recent), [])

    def test_weak(self) -> None:
        """A weak tag means the one that was selected, or else the newest that has it."""
        heads = [stored('ETag: "b"'), stored('ETag: W/"a"'), stored('ETag: "a"')]
        self.assertEqual(self.chosen(heads, 'ETag: W/"a"'), [1])
        self.assertEqual(self.chosen(heads, 'ETag: W/"a"', selected=2), [2])
        self.assertEqual(self.chosen(heads, 'ETag: W/"a"', selected=0), [1])
        self.assertEqual(self.chosen(heads, 'ETag: W/"c"', selected=0), [])

    def test_date(self) -> None:
        """So does a date."""
        heads = [stored(OLD), stored(OLD), stored("Last-Modified: " + at(-8888))]
        self.assertEqual(self.chosen(heads, OLD), [0])
        self.assertEqual(self.chosen(heads, OLD, selected=1), [1])
        self.assertEqual(self.chosen(heads[2:], OLD, selected=0), [])

    def test_nothing(self) -> None:
        """A 304 that says nothing can only mean the only one that was asked about."""
        heads = [stored('ETag: "a"'), stored()]
        self.assertEqual(self.chosen(heads, selected=0), [])
        self.assertEqual(self.chosen(heads[:1], selected=0), [0])
        self.assertEqual(self.chosen([]), [])


class UpdatedTests(SynchronousTestCase):
    """RFC 9111 section 3.2."""

    def value(self, head: Head | None, name: str) -> list[str]:
        """Give a field of something stored."""
        assert head is not None
        pairs = (line.decode("latin-1").split(": ", 1) for line in head.lines)
        return [value for key, value in pairs if key.lower() == name.lower()]

    def test_replaced(self) -> None:
        """Fields of the 304 are added, or take the place of all stored ones of that name."""
        for name in ("Test-Header", "X-Test-Header", "Content-Foo", "X-Content-Foo", "Expires"):
            head = stored('ETag: "a"', f"{name}: 1", f"{name.lower()}: 2", "Kept: k")
            newer = put(head, 'ETag: "a"', f"{name.upper()}: 3", f"{name}: 4", "Added: 5")
            self.assertEqual(self.value(newer, name), ["3", "4"])
            self.assertEqual(self.value(newer, "Kept"), ["k"])
            self.assertEqual(self.value(newer, "Added"), ["5"])
            self.assertEqual(self.value(newer, "ETag"), ['"a"'])

    def test_freshness(self) -> None:
        """It is as fresh as the 304 says, from now on."""
        head = stored('ETag: "a"', "Cache-Control: max-age=1")
        newer = put(head, 'ETag: "a"', "Cache-Control: max-age=3600")
        assert newer is not None
        self.assertEqual(int(remaining(newer, NOW, POLICY)), 3600)
        newer = put(head, 'ETag: "a"', "Cache-Control: max-age=3600", "Age: 600")
        assert newer is not None
        self.assertEqual(int(remaining(newer, NOW, POLICY)), 3000)
        self.assertEqual(self.value(newer, "Age"), [])

    def test_no_date(self) -> None:
        """A 304 without a date is of the moment it came (RFC 9110 section 6.6.1)."""
        head = stored('ETag: "a"', "Cache-Control: max-age=60")
        newer = updated(head, answer('ETag: "a"', status=304), NOW, NOW, POLICY)
        assert newer is not None
        self.assertEqual(self.value(newer, "Date"), [at(0)])
        self.assertGreater(remaining(newer, NOW, POLICY), 59)

    def test_never(self) -> None:
        """What the content depends on, and what belongs to a connection, is never taken over."""
        head = stored(
            'ETag: "a"', "Content-Encoding: br", "Content-Range: x", "Vary: A", vary=("a",)
        )
        newer = put(
            head,
            'ETag: "a"',
            "Content-Encoding: gzip",
            "Content-Length: 99",
            "Content-Range: y",
            "Vary: a",
            "Connection: b",
            "B: 1",
            "Keep-Alive: x",
            "Proxy-Authenticate: x",
            "Proxy-Authentication-Info: x",
            "Proxy-Authorization: x",
            "Proxy-Connection: x",
            "TE: x",
            "Transfer-Encoding: chunked",
            "Upgrade: x",
            "Trailer: x",
        )
        assert newer is not None
        self.assertEqual(set(newer.lines) - {b"Date: " + at(0).encode()}, set(head.lines[:-1]))
        self.assertEqual((newer.length, newer.vary), (10, ("a",)))

    def test_vary(self) -> None:
        """Fewer selecting fields change nothing, and further ones make it another response's."""
        head = stored('ETag: "a"', "Vary: A, B", vary=("a", "b"))
        self.assertEqual(self.value(put(head, 'ETag: "a"', "Vary: B"), "Vary"), ["A, B"])
        self.assertEqual(self.value(put(head, 'ETag: "a"'), "Vary"), ["A, B"])
        self.assertIsNone(put(head, 'ETag: "a"', "Vary: A, C"))
        self.assertIsNone(put(head, 'ETag: "a"', "Vary: *"))

    def test_tag_stays_weak(self) -> None:
        """A weak tag does not become strong by a 304, or ranges of different bytes would be put together."""
        newer = put(stored('ETag: W/"a"', OLD), 'ETag: "a"', OLD)
        self.assertEqual(self.value(newer, "ETag"), ['W/"a"'])

    def test_not_for_all(self) -> None:
        """What says that it is not for others any more is not kept for them."""
        head = stored('ETag: "a"', "Cache-Control: public, max-age=1")
        for control in ("private", "no-store", "max-age=60"):
            self.assertIsNone(put(head, 'ETag: "a"', "Cache-Control: " + control), control)
        self.assertIsNotNone(put(head, 'ETag: "a"', "Cache-Control: s-maxage=60"))

    def test_private_field(self) -> None:
        """A field that is for one client alone goes, the rest stays (RFC 9111 section 5.2.2.7)."""
        head = stored('ETag: "a"', "Name: old")
        newer = put(head, 'ETag: "a"', 'Cache-Control: max-age=9, private="name"', "Name: new")
        self.assertEqual(self.value(newer, "Name"), [])

    def test_cookies(self) -> None:
        """A cookie that comes with a 304 is for its client, unless such cookies are stored anyway."""
        head = stored('ETag: "a"', "Cache-Control: max-age=9")
        fields = ('ETag: "a"', "set-cookie: a=1", "Cache-Control: max-age=9")
        self.assertEqual(self.value(put(head, *fields), "Set-Cookie"), [])
        self.assertEqual(for_this_client(head, not_modified(*fields)), [b"set-cookie: a=1"])
        head = replace(head, lines=(*head.lines, b"Set-Cookie: a=0"))
        self.assertEqual(self.value(put(head, *fields), "Set-Cookie"), ["a=1"])
        self.assertEqual(for_this_client(head, not_modified(*fields)), [])

    def test_same_content(self) -> None:
        """What belongs to the content stays, and nothing that was worked out of the old lines."""
        head = replace(stored('ETag: "a"'), verdict="clean", digest=b"d", part=(3, 20), status=206)
        head.memo["rules"] = object()
        newer = put(head, 'ETag: "a"', "Surrogate-Key: x y")
        assert newer is not None
        kept = (newer.verdict, newer.digest, newer.part, newer.status, newer.tags)
        self.assertEqual(kept, ("clean", b"d", (3, 20), 206, ("x", "y")))
        self.assertEqual(newer.memo, {})

    def test_all_with_tag(self) -> None:
        """All that are identified are updated, the one to send first."""
        heads = [stored('ETag: "a"', "N: 1"), stored('ETag: "b"'), stored('ETag: "a"', "N: 2")]
        pairs = confirmed(heads, heads[2], not_modified('ETag: "a"', "N: 3"), NOW, NOW, POLICY)
        self.assertEqual([old for old, _ in pairs], [heads[2], heads[0]])
        self.assertEqual([self.value(new, "N") for _, new in pairs], [["3"], ["3"]])

    @given(
        st.lists(st.binary(max_size=60), max_size=6), st.lists(st.binary(max_size=60), max_size=6)
    )
    def test_anything(self, theirs: list[bytes], ours: list[bytes]) -> None:
        """No bytes raise."""
        head = Head(b"k", b"", (), 200, tuple(ours), THEN, THEN, 1)
        for status in (200, 304):
            updated(head, Answer(status, theirs), NOW, NOW, POLICY)
            freshened((head,), Answer(status, theirs), NOW, NOW, POLICY)
            for_this_client(head, Answer(status, theirs))


class FreshenedTests(SynchronousTestCase):
    """RFC 9111 section 4.3.5: the answer to a HEAD."""

    def kept(self, head: Head, *fields: str, status: int = 200) -> str:
        """Say what becomes of something stored."""
        found = freshened((head,), answer(*fields, status=status), NOW, NOW, POLICY)
        return "updated" if found.updated else "outdated" if found.outdated else "left"

    def test_table(self) -> None:
        """It holds if validators and length are the same, as far as the answer has them."""
        control = "Cache-Control: max-age=9"
        head = stored('ETag: "a"', OLD, control)
        for fields, expected in (
            ((control,), "updated"),
            ((control, 'ETag: "a"', OLD, "Content-Length: 10"), "updated"),
            ((control, 'ETag: "b"'), "outdated"),
            ((control, 'ETag: W/"a"'), "outdated"),
            ((control, "Last-Modified: " + at(0)), "outdated"),
            ((control, "Content-Length: 11"), "outdated"),
            ((control, "Content-Length: 10", "Content-Length: 10"), "outdated"),
            (("Cache-Control: no-store",), "outdated"),
        ):
            self.assertEqual(self.kept(head, *fields), expected, fields)
        self.assertEqual(self.kept(stored(control), control, 'ETag: "a"'), "outdated")

    def test_fields(self) -> None:
        """Its fields take the place of the stored ones, which otherwise stay."""
        head = stored("Cache-Control: max-age=2", "Template-A: 1", "B: 1")
        fields = ("Template-A: 2", "Cache-Control: max-age=1000", "Content-Length: 10")
        found = freshened((head,), answer(*fields), NOW, NOW, POLICY)
        ((old, new),) = found.updated
        self.assertIs(old, head)
        self.assertIn(b"Template-A: 2", new.lines)
        self.assertIn(b"B: 1", new.lines)
        self.assertNotIn(b"Content-Length: 10", new.lines)
        self.assertGreater(remaining(new, NOW, POLICY), 990)

    def test_part(self) -> None:
        """The length is that of the whole, if a part knows it."""
        control = "Cache-Control: max-age=9"
        head = replace(stored(control), part=(3, 50), status=206)
        self.assertEqual(self.kept(head, control, "Content-Length: 50"), "updated")
        self.assertEqual(self.kept(head, control, "Content-Length: 10"), "outdated")
        head = replace(head, part=(3, -1))
        self.assertEqual(self.kept(head, control, "Content-Length: 10"), "updated")

    def test_other_status(self) -> None:
        """Only a 200 says anything, and only of what would be one."""
        self.assertEqual(self.kept(stored(), "A: 1", status=410), "left")
        self.assertEqual(self.kept(stored(status=404), "Cache-Control: max-age=9"), "outdated")
