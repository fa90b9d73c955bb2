"""Tests of what an alarm becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Event, Severity
from gateway.api.alarms import AlarmState
from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventGroup
from gateway_snmp.notification import (
    IWSVA_PERFORMANCE,
    IWSVA_SECURITY,
    IWSVA_VIRUS,
    Notification,
    date_and_time,
    of_alarm,
    of_numbers,
    text_bytes,
)
from gateway_snmp.tests.examples import alarm
from gateway_snmp.tree import ALARM_OBJECTS, NO_TYPE, PLAYPEN, family

BASE = (1, 3, 6, 1, 4, 1, 99999, 7)


def values(notification: Notification, base: tuple[int, ...] = BASE) -> dict[str, Any]:
    """Give what it carries by the names of the MIB."""
    names = {(*base, 1, 1, one.number, 0): one.name for one in ALARM_OBJECTS}
    return {names[one.oid]: one.value for one in notification.varbinds}


class AlarmTests(SynchronousTestCase):
    """An alarm as a notification."""

    def test_values(self) -> None:
        """Everything that is known of an alarm is carried, in the order of the MIB."""
        made = of_alarm(alarm(state=AlarmState.GOES_ON, is_test=True), "node-1", BASE)
        self.assertEqual(made.oid, (*BASE, 0, 1))
        self.assertEqual(
            values(made),
            {
                "gwEventName": b"malware_found",
                "gwEventType": (*BASE, 3, 1),
                "gwEventSeverity": 3,
                "gwEventText": b"malware was found",
                "gwEventSubject": b"10.1.2.3",
                "gwEventState": 3,
                "gwEventCount": 3,
                "gwEventFirst": date_and_time(1e9),
                "gwEventLast": date_and_time(1e9 + 0.5),
                "gwEventId": b"a-1",
                "gwEventDetails": b"name=Eicar; url=http://files.example.com/a",
                "gwNode": b"node-1",
                "gwEventTest": 1,
            },
        )
        self.assertEqual(list(values(made)), [one.name for one in ALARM_OBJECTS])

    def test_every_type(self) -> None:
        """Each type of the catalogue is sent as the notification that it names, with its own OID."""
        for one in CATALOGUE.values():
            made = of_alarm(alarm(one), "n", PLAYPEN)
            self.assertEqual(family(one.trap).name, one.trap)
            self.assertEqual(made.oid, (*PLAYPEN, 0, family(one.trap).number))
            self.assertEqual(values(made, PLAYPEN)["gwEventType"], (*PLAYPEN, 3, one.number))

    def test_unknown_type(self) -> None:
        """An event that nobody has described is sent as another one, of no type."""
        unknown = replace(alarm(), type=None, event=Event("x", Severity.INFO, "text"))
        made = of_alarm(unknown, "n", BASE)
        self.assertEqual(made.oid, (*BASE, 0, 14))
        self.assertEqual(values(made)["gwEventType"], NO_TYPE)

    def test_subjects(self) -> None:
        """What most of several events were about comes first among the details."""
        subjects = {f"10.0.0.{number}": number for number in range(1, 8)}
        made = values(of_alarm(alarm(subjects=subjects), "n", BASE))
        self.assertTrue(
            made["gwEventDetails"].startswith(b"most about 10.0.0.7 (7), 10.0.0.6 (6), "),
            made["gwEventDetails"],
        )

    def test_bounds(self) -> None:
        """Texts are cut for the datagram, what matters least first, and numbers stay within theirs."""
        event = Event("x", Severity.INFO, "t" * 400, "s" * 400, {"a": "d" * 400})
        whole = values(of_alarm(alarm(event=event, count=1 << 40), "n", BASE))
        self.assertEqual(len(whole["gwEventText"]), 255)
        self.assertEqual(whole["gwEventCount"], (1 << 32) - 1)
        for most in (1300, 1100, 900, 800):
            made = of_alarm(alarm(event=event), "n", BASE, most_bytes=most)
            self.assertLessEqual(made.size, most)
            self.assertGreater(made.size, most - 40)
        short = values(of_alarm(alarm(event=event), "n", BASE, most_bytes=1000))
        self.assertEqual(len(short["gwEventDetails"]), 32)
        self.assertEqual(len(short["gwEventSubject"]), 255)

    def test_iwsva(self) -> None:
        """In the style of IWSVA security events have its OIDs, the others those of our MIB."""
        for one in CATALOGUE.values():
            made = of_alarm(alarm(one), "n", BASE, is_iwsva=True)
            if one.group is not EventGroup.SECURITY:
                self.assertEqual(made.oid, (*BASE, 0, family(one.trap).number))
            elif one.trap == "gwMalware":
                self.assertEqual(made.oid, IWSVA_VIRUS)
            else:
                self.assertEqual(made.oid, IWSVA_SECURITY)

    def test_numbers(self) -> None:
        """Numbers are carried as far as they are known, within their bounds."""
        made = of_numbers({"gwCpuPercent": 7, "gwMemoryUsed": 1 << 40}, BASE)
        self.assertEqual(made.oid, (*BASE, 0, 15))
        self.assertEqual(
            [(one.oid, one.value) for one in made.varbinds],
            [((*BASE, 1, 4, 1, 0), 7), ((*BASE, 1, 4, 2, 0), (1 << 32) - 1)],
        )
        self.assertEqual(of_numbers({}, BASE, is_iwsva=True).oid, IWSVA_PERFORMANCE)


class ValueTests(SynchronousTestCase):
    """Texts and times."""

    def test_texts(self) -> None:
        """A text is one line of what can be seen, and is cut at a character."""
        self.assertEqual(text_bytes("a\r\n b\tc"), b"a b c")
        self.assertEqual(text_bytes("\ud800"), b"?")
        self.assertEqual(text_bytes("a\x1b[31mb\u202ec\x00d"), b"a?[31mb?c?d")
        for length in range(250, 260):
            made = text_bytes("a" + "ä" * length)
            self.assertLessEqual(len(made), 255)
            self.assertTrue(made.decode().endswith("…"))
        self.assertEqual(text_bytes("a" * 255), b"a" * 255)

    def test_times(self) -> None:
        """A time is DateAndTime in UTC, to the tenth of a second."""
        # 2001-09-09 01:46:40.7
        self.assertEqual(
            date_and_time(1_000_000_000.75), bytes([7, 209, 9, 9, 1, 46, 40, 7]) + b"+\0\0"
        )
