"""C{gateway event}."""

from __future__ import annotations

import json
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.catalogue import CATALOGUE
from gateway.cli.event import COMMANDS
from gateway.cli.main import main
from tests.unit.cli.answering import AnsweredCase
from tests.unit.cli.shapes import assert_explain_themselves

STATE = {
    "name": "origin_down",
    "subject": "10.0.0.1:80",
    "severity": "warning",
    "text": "origin 10.0.0.1:80 of site a: refused",
    "since": "2026-11-22T14:00:00+00:00",
    "count": 1,
}
CHANNEL = {"name": "mail/ops@example.com", "queued": 3}
OPEN = {
    "ok": True,
    "why": "",
    "count": 1,
    "states": [STATE],
    "channels": [CHANNEL],
    "quiet_until": None,
}


class ShapeTests(SynchronousTestCase):
    """Each command explains itself, as those beside C{event} do."""

    def test_help_has_an_example_and_exit_codes(self) -> None:
        """Each has command lines that its parser takes, and says what its exit codes mean."""
        assert_explain_themselves(self, "event", COMMANDS)


class CatalogueTests(SynchronousTestCase):
    """The commands that need no gateway."""

    def ran(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run a command."""
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["event", *arguments], out, err), code)
        return out.getvalue(), err.getvalue()

    def test_list(self) -> None:
        """Each event of the catalogue is a line below the head, in the order of names."""
        out, _ = self.ran("list")
        names = [line.split()[0] for line in out.splitlines()]
        self.assertEqual(names, ["EVENT", *sorted(CATALOGUE)])

    def test_list_some(self) -> None:
        """Names may have a star, and a least severity leaves others out."""
        chosen = json.loads(self.ran("list", "malware_*", "--json")[0])
        self.assertEqual([one["name"] for one in chosen], ["malware_found", "malware_passed"])
        errors = json.loads(self.ran("list", "--least", "error", "--json")[0])
        self.assertEqual(
            [one["name"] for one in errors],
            sorted(name for name, one in CATALOGUE.items() if one.severity.value == "error"),
        )

    def test_list_none(self) -> None:
        """If there is none that is said, by the exit code too."""
        self.assertEqual(
            self.ran("list", "nothing*", code=1), ("", "no event has such a name and severity\n")
        )

    def test_show(self) -> None:
        """What there is to know is shown: when, what to do, details."""
        out, _ = self.ran("show", "malware_found")
        kind = CATALOGUE["malware_found"]
        flat = " ".join(out.split())
        for said in (kind.title, kind.when, kind.act, kind.subject, kind.trap):
            self.assertIn(said, flat)
        for field in kind.fields:
            self.assertIn(f"{field.name} {field.help} {field.example}", flat)

    def test_show_the_end_of_a_state(self) -> None:
        """Of an event that ends another one both say so."""
        ends = {one.ends: one for one in CATALOGUE.values() if one.ends}
        self.assertTrue(ends)
        for name, ender in ends.items():
            self.assertRegex(self.ran("show", ender.name)[0], rf"ends +{name}\n")
            self.assertRegex(self.ran("show", name)[0], rf"is ended by .*{ender.name}")

    def test_show_json(self) -> None:
        """A program gets the same."""
        shown = json.loads(self.ran("show", "malware_found", "--json")[0])
        self.assertEqual(shown["act"], CATALOGUE["malware_found"].act)
        self.assertEqual(len(shown["fields"]), len(CATALOGUE["malware_found"].fields))

    def test_misspelt(self) -> None:
        """An event that there is not is a wrong command line, and the nearest name is given."""
        for command in ("show", "test"):
            out, err = self.ran(command, "malware_fuond", code=2)
            self.assertEqual(
                (out, err), ("", "there is no event 'malware_fuond'; is it malware_found?\n")
            )
        self.assertIn("gateway event list names them", self.ran("show", "zzz", code=2)[1])


class OrderTests(AnsweredCase):
    """The commands with a gateway at the other end of the socket that gives one answer."""

    def ran(self, *arguments: str, answer: dict[str, Any], code: int = 0) -> tuple[str, str]:
        """Run a command, and give what it wrote."""
        return self.answered(["event", *arguments], answer, code)

    def test_open(self) -> None:
        """What is out of order is a line each, and the exit code says that there is something."""
        out, _ = self.ran("open", answer=OPEN, code=1)
        self.assertEqual(self.orders, [{"order": "event_open"}])
        lines = [line.split(maxsplit=4) for line in out.splitlines()]
        self.assertEqual(lines[0], ["EVENT", "SUBJECT", "SEVERITY", "SINCE", "TEXT"])
        self.assertEqual(lines[1][0:2], ["origin_down", "10.0.0.1:80"])
        self.assertEqual(lines[4], ["mail/ops@example.com", "3"])

    def test_all_well(self) -> None:
        """That nothing is out of order, and that nobody would hear of it, is said."""
        out, _ = self.ran("open", answer={**OPEN, "count": 0, "states": [], "channels": []})
        self.assertEqual(
            out,
            "nothing is out of order\n\nno plugin that is enabled tells anybody of events\n",
        )

    def test_open_cut_and_quiet(self) -> None:
        """More states than are listed are counted, and that it is quiet is said."""
        answer = {**OPEN, "count": 5, "quiet_until": "2026-11-22T16:00:00+00:00"}
        out, _ = self.ran("open", answer=answer, code=1)
        self.assertIn("and 4 more\n", out)
        self.assertIn("quiet until 2026-11-22T16:00:00+00:00", out)

    def test_hostile_text(self) -> None:
        """What others may have chosen can't write to the terminal as it likes."""
        answer = {**OPEN, "states": [{**STATE, "text": "a\x1b[31mb\nc"}]}
        out, _ = self.ran("open", answer=answer, code=1)
        self.assertNotIn("\x1b", out)

    def test_test(self) -> None:
        """What became of each receiver is told; one that failed shows in the exit code."""
        well = {"channel": "mail/ops@example.com", "why": ""}
        out, _ = self.ran(
            "test",
            "malware_found",
            "--to",
            "mail, snmp",
            answer={"ok": True, "why": "", "receivers": [well]},
        )
        self.assertEqual(
            self.orders, [{"order": "event_test", "name": "malware_found", "to": ["mail", "snmp"]}]
        )
        self.assertEqual(out, "mail/ops@example.com  delivered\n")
        bad = {"channel": "snmp/10.0.0.9:162", "why": "no answer"}
        out, _ = self.ran(
            "test",
            "malware_found",
            answer={"ok": True, "why": "", "receivers": [well, bad]},
            code=1,
        )
        self.assertIn("no answer", out)

    def test_quiet(self) -> None:
        """A window is begun, ended and asked for."""
        until = "2026-11-22T16:00:00+00:00"
        out, _ = self.ran("quiet", "90m", answer={"ok": True, "why": "", "until": until})
        self.assertEqual(out, f"quiet until {until}: only security events are told\n")
        out, _ = self.ran("quiet", "--end", answer={"ok": True, "why": "", "until": None})
        self.assertEqual(out, "no maintenance: all events are told\n")
        self.ran("quiet", answer={"ok": True, "why": "", "until": None})
        self.assertEqual(
            self.orders,
            [
                {"order": "event_quiet", "seconds": 5400},
                {"order": "event_quiet", "seconds": 0},
                {"order": "event_quiet"},
            ],
        )

    def test_refused(self) -> None:
        """Why an order was not carried out is said."""
        why = "no plugin that is enabled tells anybody of events"
        out, err = self.ran("test", "malware_found", answer={"ok": False, "why": why}, code=1)
        self.assertEqual((out, err), ("", f"{why}\n"))

    def test_nobody(self) -> None:
        """Where no gateway runs that is said, as JSON too."""
        for arguments in (["open"], ["quiet"], ["test", "malware_found"]):
            out, err = StringIO(), StringIO()
            words = ["event", *arguments, "--config", self.config]
            self.assertEqual(main(words, out, err), 1)
            self.assertIn("no gateway runs here that was started with", err.getvalue())
            self.assertEqual(main([*words, "--json"], out, err), 1)
            self.assertFalse(json.loads(out.getvalue())["ok"])

    def test_wrong_command_line(self) -> None:
        """What can't be meant is refused before anybody is asked."""
        for arguments in (
            [],
            ["show"],
            ["quiet", "soon"],
            ["quiet", "0s"],
            ["quiet", "8d"],
            ["quiet", "1h", "--end"],
        ):
            with redirect_stderr(StringIO()), self.assertRaises(SystemExit) as ended:
                main(["event", *arguments])
            self.assertEqual(ended.exception.code, 2)
