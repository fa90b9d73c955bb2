"""Tests of invalidation."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.invalidation import invalidated
from gateway_cache.keys import key_of
from gateway_cache.messages import Answer
from gateway_cache.policy import KeyRules
from gateway_cache.tests.rules import TARGET, answer

RULES = KeyRules(ignore=frozenset((b"sid",)))
OWN = key_of(TARGET, RULES)
ORIGIN = b"https://www.example.com:443"


def void(method: bytes, *fields: str, status: int = 200) -> tuple[bytes, ...]:
    """Give what a request makes void."""
    return invalidated(method, TARGET, answer(*fields, status=status), RULES)


class InvalidationTests(SynchronousTestCase):
    def test_unsafe(self) -> None:
        """What is not safe, or unknown, makes its target void (RFC 9111 section 4.4)."""
        for method in (b"POST", b"PUT", b"DELETE", b"PATCH", b"M-SEARCH", b"get"):
            self.assertEqual(void(method), (OWN,), method)
        self.assertEqual(void(b"POST", status=303), (OWN,))

    def test_safe(self) -> None:
        """What is safe does not (RFC 9110 section 9.2.1)."""
        for method in (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"CONNECT"):
            self.assertEqual(void(method), (), method)

    def test_errors(self) -> None:
        """An error changed nothing (RFC 9111 section 4.4)."""
        for status in (100, 400, 404, 500, 503):
            self.assertEqual(void(b"POST", status=status), (), status)

    def test_locations(self) -> None:
        """What the response names of the same origin is void too (RFC 9111 section 4.4)."""
        self.assertEqual(
            void(b"POST", "Location: new?sid=1", "Content-Location: /list"),
            (OWN, ORIGIN + b"/new", ORIGIN + b"/list"),
        )
        self.assertEqual(void(b"POST", "Location: https://www.example.com/path?query=1"), (OWN,))

    def test_other_origins(self) -> None:
        """What it names of another origin stays (RFC 9111 section 4.4)."""
        for location in (
            "http://www.example.com/a",
            "https://example.com/a",
            "https://www.example.com:444/a",
            "//evil.example/a",
            "http://[",
        ):
            self.assertEqual(void(b"DELETE", f"Location: {location}"), (OWN,), location)

    @settings(derandomize=True, deadline=None)
    @given(st.binary(max_size=30), st.binary(max_size=8))
    def test_any_bytes(self, value: bytes, method: bytes) -> None:
        """No bytes raise anything, and no other origin is touched."""
        keys = invalidated(method, TARGET, Answer(200, [b"Location: " + value]), RULES)
        self.assertTrue(all(key.startswith(ORIGIN + b"/") for key in keys))
