"""Tests of notices as bytes."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.stored import Unreadable, events, rank, to_bytes, to_notice
from gateway.api.alarms import AlarmState
from gateway.api.catalogue import CATALOGUE
from gateway.api.catalogue.service import CHANNEL_DOWN
from gateway.api.events import Event, Severity
from tests.unit.alarms.notices import notice


class StoredTests(SynchronousTestCase):
    """There and back."""

    def test_round_trip(self) -> None:
        """A notice comes back as it was, with the type that its event has now and the attempt it is told."""
        made = notice("1", count=7)
        alarm = replace(
            made.alarms[0],
            event=CHANNEL_DOWN("wörds\n", "mail/a@example.com", why="refused", queued="3"),
            type=CHANNEL_DOWN,
            state=AlarmState.GOES_ON,
            is_test=True,
        )
        made = replace(made, alarms=(alarm, *made.alarms), is_digest=True)
        self.assertEqual(to_notice(to_bytes(made), 5, CATALOGUE.get), replace(made, attempt=5))

    def test_no_type(self) -> None:
        """An event that nobody describes any more comes back without a type."""
        made = replace(notice("1"), alarms=(replace(notice("1").alarms[0], type=CHANNEL_DOWN),))
        (alarm,) = to_notice(to_bytes(made), 1, CATALOGUE.get).alarms
        self.assertIsNone(alarm.type)

    def test_any_text(self) -> None:
        """What is no text, or none that can be written, is made to some."""
        event = Event("x", Severity.INFO, "name \udcff", "\ud800", {"count": 5})  # type: ignore[dict-item]
        made = replace(notice("1"), alarms=(replace(notice("1").alarms[0], event=event),))
        (alarm,) = to_notice(to_bytes(made), 1, CATALOGUE.get).alarms
        self.assertEqual(
            (alarm.event.text, alarm.event.subject, alarm.event.values),
            ("name \\udcff", "\\ud800", {"count": "5"}),
        )

    def test_unreadable(self) -> None:
        """What is no notice is said to be none."""
        for body in (b"", b"{}", b"[]", b"\xff", to_bytes(notice("1"))[:-1]):
            self.assertRaises(Unreadable, to_notice, body, 1, CATALOGUE.get)

    def test_worth(self) -> None:
        """A notice matters as its worst alarm does, and stands for the events of all."""
        info, error = notice("1", Severity.INFO, 3), notice("2", Severity.ERROR, 4)
        both = replace(info, alarms=info.alarms + error.alarms)
        self.assertEqual((rank(info), rank(both), events(both)), (0, 2, 7))
