"""Tests of variants."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.policy import KeyRules, Policy
from gateway_cache.tests.rules import POLICY, request, stored
from gateway_cache.vary import matches, select, select_parts, selecting_names, variant_of

FRESH = "Cache-Control: max-age=60"


def matched(
    vary: str, before: list[str], now: list[str], *fields: str, policy: Policy = POLICY
) -> bool:
    """Tell whether what was stored for one request answers another one."""
    head = stored(FRESH, f"Vary: {vary}", *fields, asked=request(*before), policy=policy)
    return matches(head, request(*now), policy)


class VaryTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Names are put in one order and case; those that match nothing are told (RFC 9111 section 4.1)."""
        self.assertEqual(selecting_names(None, POLICY), ())
        self.assertEqual(selecting_names([b"Foo, bar", b",foo"], POLICY), ("bar", "foo"))
        for value in (b"*", b", *", b"a b", b"a:", b"\xfc", b"x-forwarded-for"):
            self.assertIsNone(selecting_names([b"foo", value], POLICY), value)
        many = b",".join(b"a%d" % number for number in range(40))
        self.assertIsNone(selecting_names([many], POLICY))

    def test_match(self) -> None:
        """All selecting fields have to be the same, or not there in both (RFC 9111 section 4.1)."""
        self.assertTrue(matched("Foo", ["Foo: 1", "Other: 2"], ["FOO: 1", "Other: 3"]))
        self.assertFalse(matched("Foo", ["Foo: 1"], ["Foo: 2"]))
        self.assertFalse(matched("Foo", [], ["Foo: 1"]))
        self.assertFalse(matched("Foo", ["Foo: 1"], []))
        self.assertFalse(matched("Foo", [], ["Foo: "]))
        self.assertTrue(matched("Foo, Bar", ["Foo: 1"], ["Foo: 1"]))
        self.assertFalse(matched("Foo, Bar", ["Foo: 1", "Bar: abc"], ["Bar: abcde", "Foo: 1"]))

    def test_no_confusion(self) -> None:
        """Values do not run into one another."""
        self.assertFalse(matched("A, B", ["A: 1", "B: 2"], ["A: 1, 2"]))
        self.assertFalse(matched("A, B", ["A: 1"], ["B: 1"]))

    def test_lists(self) -> None:
        """Lines are combined, blanks and empty members count for nothing (RFC 9111 section 4.1)."""
        self.assertTrue(matched("Foo", ["Foo: 1, 2"], ["Foo: 1", "Foo: 2"]))
        self.assertTrue(matched("Foo", ["Foo: 1,2"], ["Foo:  1, ,2 "]))
        self.assertFalse(matched("Foo", ["Foo: 1, 2"], ["Foo: 2, 1"]))
        self.assertFalse(matched("Foo", ['Foo: "1, 2"'], ['Foo: "1,2"']))

    def test_single(self) -> None:
        """Fields that are no lists are taken as they are: they may tell users apart."""
        self.assertFalse(matched("Cookie", ["Cookie: a=1, 2"], ["Cookie: a=1,2"]))
        self.assertFalse(matched("Cookie", ["Cookie: a=1, b=2"], ["Cookie: a=1", "Cookie: b=2"]))

    def test_languages(self) -> None:
        """Order and case of languages count for nothing, preference does (RFC 9110 section 12.5.4)."""
        vary = "Accept-Language"
        for now in ("de, en", "eN, De", " en ,   de", "en;q=1, de;Q=1.000"):
            self.assertTrue(matched(vary, [f"{vary}: en, de"], [f"{vary}: {now}"]), now)
        for now in ("en", "en, de;q=0.9", "en, de, fr", "en, de;x=1", "en-GB, de"):
            self.assertFalse(matched(vary, [f"{vary}: en, de"], [f"{vary}: {now}"]), now)

    def test_preferred_language(self) -> None:
        """What is stored in the one language preferred to all others is taken, by setting."""
        before = ["Accept-Language: en, de"]
        wanted = ["Accept-Language: fr;q=0.5, de;q=1.0"]
        content = "Content-Language: DE"
        self.assertTrue(matched("Accept-Language", before, wanted, content))
        self.assertFalse(
            matched(
                "Accept-Language", before, wanted, content, policy=Policy(select_language=False)
            )
        )
        self.assertFalse(matched("Accept-Language", before, wanted, "Content-Language: de, en"))
        self.assertFalse(matched("Accept-Language", before, wanted))
        for now in ("fr, de", "de-AT, de;q=0.9", "de;q=0", "de;q=x"):
            self.assertFalse(
                matched("Accept-Language", before, [f"Accept-Language: {now}"], content), now
            )
        both = "Accept-Language, Foo"
        self.assertFalse(matched(both, [*before, "Foo: 1"], [*wanted, "Foo: 2"], content))
        self.assertTrue(matched(both, [*before, "Foo: 1"], [*wanted, "Foo: 1"], content))

    def test_codings(self) -> None:
        """Order and case of codings count for nothing (RFC 9110 section 12.5.3)."""
        vary = "Accept-Encoding"
        self.assertTrue(matched(vary, [f"{vary}: gzip, br"], [f"{vary}: BR,GZIP"]))
        self.assertFalse(matched(vary, [f"{vary}: gzip, br"], [f"{vary}: gzip, br;q=0"]))

    def test_cookies(self) -> None:
        """A site may tell variants apart by cookies, and what was stored before matches nothing then."""
        policy = Policy(keys=KeyRules(cookies=("lang",)))
        one = stored(FRESH, asked=request("Cookie: x=1; lang=de"), policy=policy)
        self.assertEqual(one.vary, ("cookie:lang",))
        self.assertTrue(matches(one, request("Cookie: lang=de;x=2"), policy))
        self.assertFalse(matches(one, request("Cookie: lang=en"), policy))
        self.assertFalse(matches(one, request("Cookie: xlang=de"), policy))
        self.assertFalse(matches(one, request(), policy))
        self.assertFalse(matches(stored(FRESH), request("Cookie: lang=de"), policy))

    def test_said_by_a_proxy(self) -> None:
        """What a proxy in front says of a request tells variants apart, though no C{Vary} names it."""
        for name in ("X-Forwarded-Proto", "x-forwarded-HOST", "X-Forwarded-Prefix"):
            one = stored(FRESH, asked=request(f"{name}: a"))
            self.assertEqual(one.vary, (name.lower(),))
            self.assertTrue(matches(one, request(f"{name}: a"), POLICY))
            self.assertFalse(matches(one, request(f"{name}: b"), POLICY))
            self.assertFalse(matches(one, request(), POLICY))
            self.assertFalse(matches(stored(FRESH), request(f"{name}: a"), POLICY))

    def test_forwarded(self) -> None:
        """Of C{Forwarded} counts what was asked for and not who did (RFC 7239 section 4)."""
        one = stored(FRESH, asked=request('Forwarded: for=192.0.2.1;proto=https;host="a:1"'))
        self.assertTrue(
            matches(one, request('Forwarded: For="[::1]";Proto=https;Host="a:1"'), POLICY)
        )
        self.assertFalse(
            matches(one, request('Forwarded: for=192.0.2.1;proto=http;host="a:1"'), POLICY)
        )
        self.assertFalse(matches(one, request(), POLICY))

    def test_select(self) -> None:
        """The newest that matches is chosen, and never a part (RFC 9111 section 4)."""
        new = stored(FRESH, "Vary: Foo", asked=request("Foo: 2"))
        old = stored(FRESH)
        part = stored(
            FRESH, "Content-Range: bytes 0-1/9", asked=request("Range: bytes=0-1"), status=206
        )
        self.assertIs(select((part, new, old), request("Foo: 2"), POLICY), new)
        self.assertIs(select((part, new, old), request("Foo: 3"), POLICY), old)
        self.assertIsNone(select((part, new), request(), POLICY))
        self.assertEqual(select_parts((part, new, old), request(), POLICY), (part,))

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(st.binary(max_size=20), max_size=4), st.lists(st.binary(max_size=20), max_size=4)
    )
    def test_any_bytes(self, vary: list[bytes], values: list[bytes]) -> None:
        """No bytes raise anything, and a request always matches itself."""
        names = selecting_names([b"foo", b"accept-language", *vary], POLICY)
        lines = [b"Foo: " + value for value in values]
        lines += [b"Accept-Language: " + value for value in values]
        used = names or ("accept-language", "cookie", "foo")
        variant = variant_of(used, Asked(b"GET", lines))
        head = Head(b"k", variant, used, 200, (), 0.0, 0.0, 0)
        self.assertIs(select((head,), Asked(b"HEAD", list(lines)), POLICY), head)
        other = Asked(b"GET", [*lines, b"Foo: another"])
        self.assertIsNone(select((head,), other, POLICY))
