"""Tests of the use of stored responses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.policy import Policy
from gateway_cache.reuse import (
    Fresh,
    Refused,
    Stale,
    Validate,
    missing,
    on_error,
    reuse,
    validators,
)
from gateway_cache.tests.rules import NOW, POLICY, at, request, stored

TAG = 'ETag: "a"'


def verdict(head: Head, after: float, *fields: str, policy: Policy = POLICY) -> str:
    """Name what becomes of a request some seconds after its response was stored."""
    found = reuse(request(*fields), head, NOW + after, policy)
    if isinstance(found, Stale):
        return "stale, refreshed" if found.refresh else "stale"
    return f"validate: {found.why}" if isinstance(found, Validate) else type(found).__name__.lower()


class ReuseTests(SynchronousTestCase):
    def test_fresh(self) -> None:
        """A response is used while its lifetime is greater than its age (RFC 9111 section 4.2)."""
        head = stored("Cache-Control: max-age=10", TAG)
        self.assertEqual(verdict(head, 9.9), "fresh")
        self.assertEqual(verdict(head, 10), "validate: stale")
        self.assertEqual(verdict(stored("Cache-Control: max-age=0", TAG), 0), "validate: stale")

    def test_age(self) -> None:
        """Each use says how old it is, and changes nothing else (RFC 9111 section 4)."""
        head = stored("Cache-Control: max-age=100", "Age: 30", f"Date: {at(0)}", "Server: x")
        found = reuse(request(), head, NOW + 3.2, POLICY)
        assert isinstance(found, Fresh)
        self.assertEqual(found.age, 33)
        self.assertEqual(
            found.lines,
            [b"Cache-Control: max-age=100", f"Date: {at(0)}".encode(), b"Server: x", b"Age: 33"],
        )

    def test_same_second(self) -> None:
        """Within a second of its age the same answer is given again, later another one."""
        head = stored("Cache-Control: max-age=100")
        first = reuse(request(), head, NOW + 1.1, POLICY)
        self.assertIs(reuse(request(), head, NOW + 1.9, POLICY), first)
        self.assertIsNot(reuse(request(), head, NOW + 2.1, POLICY), first)

    def test_other_policy(self) -> None:
        """What was worked out under one policy does not hold under another."""
        head = stored(f"Last-Modified: {at(-1000)}", f"Date: {at(0)}")
        self.assertEqual(verdict(head, 1, policy=Policy(heuristic=True)), "fresh")
        self.assertEqual(verdict(head, 1), "validate: stale")

    def test_cache_status(self) -> None:
        """A use is told in C{Cache-Status}, behind what caches further up said (RFC 9211)."""
        head = stored("Cache-Control: max-age=100", "Cache-Status: other; hit")
        found = reuse(request(), head, NOW + 1, Policy(name="gw"))
        assert isinstance(found, Fresh)
        self.assertEqual(found.lines[-1], b"Cache-Status: gw; hit; ttl=99")

    def test_no_cache(self) -> None:
        """C{no-cache} is validated however fresh (RFC 9111 section 5.2.2.4)."""
        head = stored("Cache-Control: no-cache, max-age=100", f"Expires: {at(100)}", TAG)
        self.assertEqual(verdict(head, 0), "validate: stale")
        self.assertEqual(verdict(head, 0, "Cache-Control: max-stale"), "validate: stale")
        self.assertEqual(verdict(stored('Cache-Control: no-cache="a", max-age=9'), 1), "fresh")

    def test_request_no_cache(self) -> None:
        """A client may demand validation, unless the setting says no (RFC 9111 sections 5.2.1.4 and 5.4)."""
        head = stored("Cache-Control: max-age=100", TAG)
        for field in ("Cache-Control: No-Cache", "Pragma: no-cache"):
            self.assertEqual(verdict(head, 1, field), "validate: request")
            self.assertEqual(verdict(head, 1, field, policy=Policy(obey_reload=False)), "fresh")

    def test_request_max_age(self) -> None:
        """A client may want nothing older than it says (RFC 9111 section 5.2.1.1)."""
        head = stored("Cache-Control: max-age=10000", "Age: 1800", TAG)
        self.assertEqual(verdict(head, 1, "Cache-Control: max-age=600"), "validate: request")
        self.assertEqual(verdict(head, 1, "Cache-Control: max-age=1900"), "fresh")
        self.assertEqual(verdict(head, 1, "Cache-Control: max-age=600, max-stale=2000"), "fresh")
        new = stored("Cache-Control: max-age=100", TAG)
        self.assertEqual(verdict(new, 0.5, "Cache-Control: max-age=0"), "validate: request")

    def test_request_min_fresh(self) -> None:
        """A client may want what is fresh for some time yet (RFC 9111 section 5.2.1.3)."""
        head = stored("Cache-Control: max-age=1500", "Age: 1000", TAG)
        self.assertEqual(verdict(head, 0, "Cache-Control: min-fresh=1000"), "validate: request")
        self.assertEqual(verdict(head, 0, "Cache-Control: min-fresh=400"), "fresh")

    def test_request_max_stale(self) -> None:
        """A client may take what is stale, unless the origin forbids it (RFC 9111 sections 5.2.1.2, 4.2.4)."""
        head = stored("Cache-Control: max-age=10", TAG)
        self.assertEqual(verdict(head, 15, "Cache-Control: max-stale=5"), "stale")
        self.assertEqual(verdict(head, 16, "Cache-Control: max-stale=5"), "validate: stale")
        self.assertEqual(verdict(head, 16, "Cache-Control: max-stale"), "stale")
        bounded = Policy(stale_most=5.0)
        self.assertEqual(
            verdict(head, 16, "Cache-Control: max-stale", policy=bounded), "validate: stale"
        )
        for directive in ("must-revalidate", "proxy-revalidate", "s-maxage=10"):
            strict = stored(f"Cache-Control: max-age=10, {directive}", TAG)
            self.assertEqual(verdict(strict, 9), "fresh")
            self.assertEqual(verdict(strict, 11, "Cache-Control: max-stale"), "validate: stale")

    def test_only_if_cached(self) -> None:
        """Who wants only what is stored gets a 504 where that does not do (RFC 9111 section 5.2.1.7)."""
        head = stored("Cache-Control: max-age=10", TAG)
        self.assertEqual(verdict(head, 1, "Cache-Control: only-if-cached"), "fresh")
        self.assertEqual(verdict(head, 11, "Cache-Control: only-if-cached"), "refused")
        self.assertEqual(missing(request("Cache-Control: only-if-cached")), Refused(504))
        self.assertIsNone(missing(request()))

    def test_immutable(self) -> None:
        """A reload does not doubt what never changes while it is fresh; C{no-cache} does (RFC 8246 section 2)."""
        head = stored("Cache-Control: max-age=100, immutable", TAG)
        self.assertEqual(verdict(head, 5, "Cache-Control: max-age=0"), "fresh")
        self.assertEqual(verdict(head, 5, "Cache-Control: no-cache"), "validate: request")
        self.assertEqual(verdict(head, 101, "Cache-Control: max-age=0"), "validate: request")
        self.assertEqual(verdict(head, 101), "validate: stale")

    def test_stale_while_revalidate(self) -> None:
        """Within its window it is used and refreshed (RFC 5861 section 3), unless it may never be stale."""
        head = stored("Cache-Control: max-age=1, stale-while-revalidate=4", TAG)
        self.assertEqual(verdict(head, 3), "stale, refreshed")
        self.assertEqual(verdict(head, 5), "validate: stale")
        self.assertEqual(verdict(head, 3, "Cache-Control: min-fresh=1"), "validate: request")
        for directive in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=1"):
            strict = stored(f"Cache-Control: max-age=1, stale-while-revalidate=4, {directive}", TAG)
            self.assertEqual(verdict(strict, 3), "validate: stale", directive)

    def test_stale_with_s_maxage(self) -> None:
        """By setting C{s-maxage} does not keep what says how stale it may be from being so."""
        head = stored("Cache-Control: s-maxage=1, stale-while-revalidate=4", TAG)
        self.assertEqual(
            verdict(head, 3, policy=Policy(stale_with_s_maxage=True)), "stale, refreshed"
        )

    def test_validators(self) -> None:
        """The stored validators go as they came; what is none of them is not sent (RFC 9111 section 4.3.1)."""
        modified = at(-60)
        head = stored("Cache-Control: max-age=1", 'ETag: W/"\xfc"', f"Last-Modified: {modified}")
        fields = {"If-None-Match": 'W/"\xfc"', "If-Modified-Since": modified}
        found = reuse(request(), head, NOW + 2, POLICY)
        assert isinstance(found, Validate)
        self.assertEqual(found.fields, fields)
        self.assertEqual(validators(head, POLICY), fields)
        for wrong in ("ETag: a", 'ETag: "a', "ETag: ", "Last-Modified: yesterday"):
            self.assertEqual(validators(stored("Cache-Control: max-age=9", wrong), POLICY), {})

    @settings(derandomize=True, deadline=None)
    @given(
        st.sampled_from(
            [
                "max-age=50",
                "max-age=50, stale-while-revalidate=20",
                "s-maxage=50, max-age=9",
                "no-cache",
                "max-age=50, must-revalidate",
                "max-age=x",
                "max-age=50, immutable",
            ]
        ),
        st.sampled_from(
            ["", "max-age=20", "min-fresh=10", "max-stale", "max-stale=5", "no-cache", "max-age=0"]
        ),
        st.floats(0, 200),
        st.floats(0, 200),
    )
    def test_monotone(self, origin: str, client: str, first: float, later: float) -> None:
        """What is not fresh does not become so, and what was to be validated is so ever after."""
        head = stored(f"Cache-Control: {origin}", TAG)
        asked = request(f"Cache-Control: {client}") if client else request()
        ranks = {Fresh: 0, Stale: 1, Validate: 2, Refused: 2}
        before = reuse(asked, head, NOW + first, POLICY)
        after = reuse(asked, head, NOW + first + later, POLICY)
        self.assertLessEqual(ranks[type(before)], ranks[type(after)])

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(st.binary(max_size=30), max_size=3), st.lists(st.binary(max_size=30), max_size=3)
    )
    def test_any_bytes(self, client: list[bytes], origin: list[bytes]) -> None:
        """No bytes raise anything, in a request or in what is stored."""
        asked = Asked(b"GET", [b"Cache-Control: " + value for value in client])
        names = (b"Cache-Control: ", b"ETag: ", b"Expires: ")
        made = tuple(name + value for name, value in zip(names, origin, strict=False))
        head = Head(b"k", b"", (), 200, made, NOW, NOW, 0)
        reuse(asked, head, NOW + 1, POLICY)
        on_error(asked, head, NOW + 1, Policy(stale_if_error=60.0))


class ErrorTests(SynchronousTestCase):
    def served(self, head: Head, after: float, *fields: str, policy: Policy = POLICY) -> bool:
        """Tell whether a stored response takes the place of an error."""
        return on_error(request(*fields), head, NOW + after, policy) is not None

    def test_stale_if_error(self) -> None:
        """Within its window a stale response takes the place of an error (RFC 5861 section 4)."""
        head = stored("Cache-Control: max-age=2, stale-if-error=60", TAG)
        self.assertTrue(self.served(head, 61))
        self.assertFalse(self.served(head, 62))
        self.assertFalse(self.served(head, 10, policy=Policy(stale_most=5.0)))

    def test_request(self) -> None:
        """A client may allow it too (RFC 5861 section 4)."""
        head = stored("Cache-Control: max-age=2", TAG)
        self.assertFalse(self.served(head, 5))
        self.assertTrue(self.served(head, 5, "Cache-Control: stale-if-error=60"))

    def test_setting(self) -> None:
        """An operator may allow it where the origin says nothing of it (RFC 9111 section 4.2.4)."""
        policy = Policy(stale_if_error=60.0)
        self.assertTrue(self.served(stored("Cache-Control: max-age=2", TAG), 5, policy=policy))
        said = stored("Cache-Control: max-age=2, stale-if-error=0", TAG)
        self.assertFalse(self.served(said, 5, policy=policy))

    def test_forbidden(self) -> None:
        """What may never be stale is not, whatever happens (RFC 9111 section 4.2.4)."""
        policy = Policy(stale_if_error=60.0)
        for directive in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"):
            head = stored(f"Cache-Control: max-age=2, stale-if-error=60, {directive}", TAG)
            self.assertFalse(self.served(head, 5, policy=policy), directive)
        head = stored("Cache-Control: max-age=2", TAG)
        self.assertFalse(self.served(head, 5, "Cache-Control: no-cache", policy=policy))

    def test_told(self) -> None:
        """It says how long past its freshness it is."""
        head = stored("Cache-Control: max-age=2, stale-if-error=60", TAG, f"Date: {at(0)}")
        found = on_error(request(), head, NOW + 5, Policy(name="gw"))
        assert found is not None
        self.assertEqual(
            found.lines[-2:], [b"Age: 5", b"Cache-Status: gw; hit; ttl=-3; detail=error"]
        )
