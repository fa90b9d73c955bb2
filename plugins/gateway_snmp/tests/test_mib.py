"""Tests of the MIB's text; what smilint says of it is told by C{make lint}."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import EventGroup, EventType, Severity
from gateway.api.catalogue import CATALOGUE
from gateway_snmp.mib import text, type_name
from gateway_snmp.tree import (
    ALARM_OBJECTS,
    CHANNEL_OBJECTS,
    FAMILIES,
    PERFORMANCE_OBJECTS,
    STATE_OBJECTS,
)

FILE = Path(__file__).parent.parent / "GATEWAY-MIB.txt"


class MibTests(SynchronousTestCase):
    """GATEWAY-MIB."""

    def test_file(self) -> None:
        """The file in the package is what the catalogue makes of it."""
        self.assertEqual(FILE.read_text(), text())

    def test_events(self) -> None:
        """Each type of the catalogue has an object of its own, whose number nobody else has."""
        found = re.findall(
            r"^(gwIs\w+) OBJECT-IDENTITY.*?::= \{ gwEventTypes (\d+) \}", text(), re.M | re.S
        )
        self.assertEqual(
            sorted(found),
            sorted((type_name(one.name), str(one.number)) for one in CATALOGUE.values()),
        )
        self.assertEqual(len({number for _, number in found}), len(found))
        self.assertNotIn("0", {number for _, number in found})

    def test_tables(self) -> None:
        """Numbers and names are given once, and the columns of a table begin with its index."""
        for table in (ALARM_OBJECTS, STATE_OBJECTS, CHANNEL_OBJECTS, PERFORMANCE_OBJECTS):
            self.assertEqual([one.number for one in table], list(range(1, len(table) + 1)))
        self.assertEqual([one.number for one in FAMILIES], list(range(1, 15)))
        names = re.findall(r"^(gw\w+) (?!::=)", text(), re.M)
        self.assertEqual(len(names), len(set(names)))

    def test_families(self) -> None:
        """Each type of the catalogue is sent as a notification that there is."""
        known = {family.name for family in FAMILIES}
        self.assertEqual({one.trap for one in CATALOGUE.values()} - known, set())

    def test_place(self) -> None:
        """The tree begins where it is told to, with a name for each arc above."""
        self.assertIn("enterprises(1) netSnmp(8072) netSnmpPlaypen(9999) 9999 }", text())
        own = text((1, 3, 6, 1, 4, 1, 99999, 1, 2))
        self.assertIn("enterprises(1) gwArc6(99999) gwArc7(1) 2 }", own)
        self.assertIn("enterprises(1) 5 }", text((1, 3, 6, 1, 4, 1, 5)))

    def test_descriptions(self) -> None:
        """Whatever a type says, its text is ASCII without a quote that would end it; one without a number is left out."""
        told = EventType(
            name="x_y",
            number=7,
            severity=Severity.INFO,
            group=EventGroup.SERVICE,
            title='"quoted"',
            when="ä – … \u2028",
            act="b",
            ends="z",
        )
        unnumbered = EventType(
            name="other",
            severity=Severity.INFO,
            group=EventGroup.SERVICE,
            title="t",
            when="w",
            act="a",
        )
        made = text(types=[told, unnumbered])
        self.assertTrue(made.isascii())
        self.assertEqual(made.count('"') % 2, 0)
        self.assertIn("gwIsXY OBJECT-IDENTITY", made)
        self.assertIn("'quoted'", made)
        self.assertNotIn("gwIsOther", made)
