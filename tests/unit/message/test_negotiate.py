"""JSON or HTML."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message.negotiate import prefers_json


class PrefersJsonTests(SynchronousTestCase):
    """L{prefers_json}."""

    def test_json(self) -> None:
        """A higher quality wins, and among equals the range that names it."""
        for accept in (
            "application/json",
            "APPLICATION/JSON",
            "application/problem+json",
            "application/json, text/plain, */*",
            "application/json, */*;q=0.5",
            "text/html;q=0.5, application/json",
            "text/html; q=0.8, application/json; q=0.9",
            "application/json;charset=utf-8",
            "application/json, text/*",
            "application/json;q=0.1, text/html;q=0",
            "text/html;q=x, application/json",
            "image/png, application/json",
            "application/json, application/*;q=0.1, text/html;q=0.5, text/html;q=0.4",
        ):
            self.assertTrue(prefers_json(accept), accept)

    def test_html(self) -> None:
        """Browsers, those who take anything, and those who don't say get HTML."""
        for accept in (
            None,
            "",
            "*/*",
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            "application/*",
            "image/png",
            "text/html, application/json",
            "application/json;q=0.5, text/html",
            "application/json;q=0",
            "application/json;q=0, */*",
            "application/json;q=0.5, */*",
            "application/json;q=2",
            "application/*, text/html, application/json;q=0.1",
            "application/json;q=0.12345",
        ):
            self.assertFalse(prefers_json(accept), accept)

    @settings(deadline=None, derandomize=True)
    @given(st.text("json/html+*,;q=.01 ap", max_size=200))
    def test_anything_is_read(self, accept: str) -> None:
        """Whatever a client sends, there is an answer."""
        self.assertIn(prefers_json(accept), (True, False))
