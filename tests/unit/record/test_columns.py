"""Columns of a line that are found in field lines."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.record.columns import Columns
from gateway.wire.events import RequestHead, Section

LINES = [b"Host: a", b"user-agent: one", b"Referer: http://u:p@a.example/?q"]


class AgentAndRefererTests(SynchronousTestCase):
    """User-Agent and Referer."""

    def test_alike(self) -> None:
        """Requests with one section have the same ones, found once and masked as each log says."""
        section = Section(1, LINES, [])
        for mask, referer in ((), b"http://a.example/?q"), (("query",), b"http://a.example/"):
            columns = Columns(mask)
            for _ in range(2):
                head = RequestHead(b"GET", b"/", section)
                agent, found = columns.agent_and_referer(head)
                self.assertEqual(agent, b"one")
                self.assertTrue(found.startswith(referer), found)
                self.assertNotIn(b"u:p", found)
                if mask:
                    self.assertNotIn(b"q", found)

    def test_changed(self) -> None:
        """Of fields that a plugin has changed those are given that they have now, and the next request has its own."""
        section = Section(1, LINES, [])
        columns = Columns()
        changed = RequestHead(b"GET", b"/", section)
        changed.fields.set("User-Agent", "two")
        changed.fields.remove("Referer")
        self.assertEqual(columns.agent_and_referer(changed), (b"two", b""))
        self.assertEqual(columns.agent_and_referer(RequestHead(b"GET", b"/", section))[0], b"one")
