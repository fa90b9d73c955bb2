"""Tests of C{gateway_webhook.bodies}: what is posted."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import AlarmState, Notice
from gateway_webhook.bodies import MOST_BYTES, generic, slack
from gateway_webhook.tests.notices import alarm, notice


def told(given: Notice) -> dict[str, Any]:
    """Write and read."""
    found: dict[str, Any] = json.loads(generic(given))
    return found


def said(given: Notice) -> str:
    """Give the text for a chat."""
    found = json.loads(slack(given))
    assert set(found) == {"text"}, found
    return str(found["text"])


class GenericTests(SynchronousTestCase):
    """JSON."""

    def test_members(self) -> None:
        """Everything that is known of a notice and its alarms is there."""
        one = alarm("text", count=3, state=AlarmState.BEGUN, values={"url": "http://a.example/"})
        self.assertEqual(
            told(notice(one)),
            {
                "version": 1,
                "id": "n-1",
                "node": "gw1.example.com",
                "digest": False,
                "since": "2023-11-14T22:13:18.000000Z",
                "until": "2023-11-14T22:13:20.000000Z",
                "alarms": [
                    {
                        "id": "7f3a-1",
                        "event": "file_refused",
                        "state": "begun",
                        "severity": "warning",
                        "group": "security",
                        "title": "a file was refused",
                        "act": "Look.",
                        "subject": "192.0.2.7",
                        "text": "text",
                        "count": 3,
                        "first": "2023-11-14T22:13:18.000000Z",
                        "last": "2023-11-14T22:13:20.000000Z",
                        "test": False,
                        "fields": {"url": "http://a.example/"},
                        "subjects": {"192.0.2.7": 3},
                    }
                ],
            },
        )

    def test_undescribed(self) -> None:
        """What nobody has described is null, not missing."""
        found = told(notice(alarm(kind=None)))["alarms"][0]
        self.assertEqual((found["group"], found["title"], found["act"]), (None, None, None))

    def test_attempts(self) -> None:
        """It is the same at each attempt."""
        self.assertEqual(generic(notice()), generic(notice(attempt=4)))

    def test_cut(self) -> None:
        """Of what is too long texts are cut, and it says so; all alarms are still there."""
        many = [alarm("x" * 9000, values={"url": "y" * 9000}) for _ in range(100)]
        made = generic(notice(*many))
        found = json.loads(made)
        self.assertLessEqual(len(made), MOST_BYTES)
        self.assertIs(found["truncated"], True)
        self.assertEqual(len(found["alarms"]), 100)
        self.assertTrue(found["alarms"][0]["fields"]["url"].endswith("..."))

    def test_many_fields(self) -> None:
        """Where details are too many they go; the alarms stay."""
        values = {f"field_{number}": "\0" * 99 for number in range(300)}
        found = json.loads(generic(notice(*[alarm(values=values)] * 100)))
        self.assertEqual(len(found["alarms"]), 100)
        self.assertNotIn("fields", found["alarms"][0])


class SlackTests(SynchronousTestCase):
    """Texts for a chat."""

    def test_one(self) -> None:
        """What, where, how often and when in one line, the event's text as code in another."""
        self.assertEqual(
            said(notice(alarm("it was refused", count=3))),
            "*warning: a file was refused* on gw1.example.com, 3 times, 2023-11-14 22:13:20 UTC\n`it was refused`",
        )

    def test_states(self) -> None:
        """An end, a reminder and a test say that they are one."""
        self.assertTrue(said(notice(alarm(state=AlarmState.OVER))).startswith("*over: a file"))
        self.assertIn("refused, goes on*", said(notice(alarm(state=AlarmState.GOES_ON))))
        self.assertTrue(said(notice(alarm(is_test=True))).startswith("*test, warning: "))

    def test_digest(self) -> None:
        """A digest says so first."""
        found = said(notice(alarm(), alarm(), is_digest=True))
        self.assertTrue(found.startswith("*gw1.example.com*: 2 kinds of events\n"))

    @given(st.text(max_size=60))
    def test_any_text(self, text: str) -> None:
        """Whatever strangers chose stays in one line of code, where nothing is a link, a format or a mention."""
        head, *rest = said(notice(alarm(text))).split("\n")
        self.assertLessEqual(len(rest), 1)
        for line in rest:
            self.assertTrue(line.startswith("`") and line.endswith("`"))
            self.assertNotIn("`", line[1:-1])
            self.assertNotIn("<", line)
            self.assertNotIn(">", line)
            self.assertTrue(line.isprintable(), line)

    def test_direction(self) -> None:
        """A name is not shown as another one."""
        found = said(notice(alarm("of invoice\u202excod.exe\u2066 \x1b[2J \ud800")))
        self.assertTrue(found.endswith("`of invoice?xcod.exe? ?[2J ?`"), found)

    def test_calls_nobody(self) -> None:
        """A URL that is made to call everybody in the room does not."""
        found = said(notice(alarm("http://a.example/<!channel>`@all`[b](http://c.example/)")))
        self.assertNotIn("<!channel>", found)
        self.assertEqual(found.count("`"), 2)

    def test_long(self) -> None:
        """Long texts are cut, so that a chat takes the message."""
        found = said(notice(*[alarm("x" * 9000)] * 20))
        self.assertLess(len(found), 16_000)
        self.assertEqual(found.count("...`"), 20)
