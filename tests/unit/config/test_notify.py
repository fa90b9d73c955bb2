"""Tests of C{[notify]}."""

from __future__ import annotations

from gateway.config.changes import changes
from gateway.config.windows import window
from tests.unit.config.files import FilesTestCase


class NotifyTests(FilesTestCase):
    """What can be said, and what not."""

    def test_said(self) -> None:
        """Everything that may be said is read."""
        notify = self.load(
            "[notify]\n"
            'planned_stop = true\nlimit = 0\nrepeat = "1h"\ndigest = "5m"\nqueue = 5\nkeep = "1d"\n'
            'maintenance = ["Sun 02:00-04:00"]\nevents = { malware_found = "always" }\n'
        ).notify
        self.assertEqual(
            (notify.planned_stop, notify.limit, notify.repeat, notify.digest),
            (True, 0.0, 3600.0, 300.0),
        )
        self.assertEqual((notify.queue, notify.keep), (5, 86400.0))
        self.assertEqual(notify.maintenance, (window("Sun 02:00-04:00"),))
        self.assertEqual(notify.events, {"malware_found": "always"})

    def test_faults(self) -> None:
        """What is wrong is said with its line, and how to mend it, all at once."""
        faults = self.faults(
            "[notify]\n"
            'digest = "0s"\nmaintenance = ["Sun 02:00-04:00", "Sunn 1-2", "Xun 02:00-04:00"]\n'
            'events = { malware_found = "allways", "Bad*" = "never", x = 3 }\n'
        )
        self.assertEqual(len(faults), 6, faults)
        told = "\n".join(faults)
        for text in (
            "gateway.toml:2: notify.digest: a duration of 0",
            'notify.maintenance[1]: "Sunn 1-2" is no time of maintenance (write it like',
            'notify.maintenance[2]: "Xun" is no day of the week (did you mean "Sun"?',
            'notify.events.malware_found: "allways" is no way to tell of an event (did you mean "always"?',
            '"Bad*" is no name of an event (lower case, digits and _; no patterns here)',
            "notify.events.x: expected a way to tell of it, found a whole number",
        ):
            self.assertIn(text, told)

    def test_no_table(self) -> None:
        """Ways stand in a table."""
        (fault,) = self.faults('[notify]\nevents = ["malware_found"]\n')
        self.assertIn("expected a table, found an array", fault)

    def test_changes(self) -> None:
        """A reload tells what changes, as it is written."""
        before, after = (
            self.load(""),
            self.load(
                '[notify]\nmaintenance = ["Sun 02:00-04:00"]\n[notify.events]\nplugin_x = "never"\n'
            ),
        )
        self.assertEqual(
            [(change.path, change.before, change.after) for change in changes(before, after)],
            [
                ("notify.events", "{}", '{ plugin_x = "never" }'),
                ("notify.maintenance", "[]", '["Sun 02:00-04:00"]'),
            ],
        )
