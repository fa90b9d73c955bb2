"""Tests of C{Cache-Status}."""

from __future__ import annotations

import http_sf
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.cache_status import forward_line, hit_line, passed_line


class CacheStatusTests(SynchronousTestCase):
    def test_hit(self) -> None:
        """A hit tells for how long it is fresh yet (RFC 9211 sections 2.1 and 2.4)."""
        self.assertEqual(hit_line("gateway", 376.9), b"Cache-Status: gateway; hit; ttl=376")
        self.assertEqual(
            hit_line("gateway", -1.2, "max-stale"),
            b"Cache-Status: gateway; hit; ttl=-2; detail=max-stale",
        )

    def test_forwarded(self) -> None:
        """What was forwarded tells why, and what came of it (RFC 9211 sections 2.2 to 2.7)."""
        self.assertEqual(forward_line("gw", "uri-miss"), b"Cache-Status: gw; fwd=uri-miss")
        self.assertEqual(
            forward_line(
                "gw", "stale", status=304, ttl=60, stored=True, collapsed=True, detail="a b"
            ),
            b'Cache-Status: gw; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail="a b"',
        )

    def test_passed(self) -> None:
        """What is not stored has the same line, each time, and another one for whatever is different."""
        for detail in ("", "no-store"):
            for collapsed in (True, False):
                for why in ("uri-miss", "vary-miss"):
                    written = forward_line("gw", why, collapsed=collapsed, detail=detail)
                    for _ in range(2):
                        line = passed_line("gw", why, detail, collapsed=collapsed)
                        self.assertEqual(line, written)

    @settings(derandomize=True, deadline=None)
    @given(st.text(min_size=1, max_size=20), st.text(max_size=20))
    def test_any_text(self, name: str, detail: str) -> None:
        """Whatever it is called, the field stays a list of structured fields (RFC 9211 section 2)."""
        for line in (hit_line(name, 1, detail), forward_line(name, "miss", detail=detail)):
            parsed = http_sf.parse(line.partition(b": ")[2], tltype="list")
            assert isinstance(parsed, list)
            self.assertEqual(len(parsed), 1)
