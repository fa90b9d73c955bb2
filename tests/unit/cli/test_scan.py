"""C{gateway scan}."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli import orders, scan, scan_test, scan_urls, scan_urls_list, scan_urls_purge
from gateway.cli.command import DONE, NOT_DONE
from gateway.cli.main import parser
from gateway.cli.visible import visible
from tests.unit.cli.shapes import assert_explain_themselves

LISTED = {
    "url": "http://www.example.com/\N{RIGHT-TO-LEFT OVERRIDE}exe.txt",
    "known_by": "etag",
    "reason": "infected",
    "name": "EICAR",
    "member": None,
    "engine": "clamd",
    "patterns": "1.4/27800",
    "found": "2027-01-15T08:00:00+00:00",
    "left_seconds": 61,
    "refused": 2,
}


class ScanTests(SynchronousTestCase):
    """The commands."""

    def run_command(self, answer: dict[str, Any], *arguments: str) -> tuple[int, str, str, Any]:
        """Run one against a gateway that answers so."""
        asked: list[Any] = []

        def ask(options: object, name: str, **said: object) -> dict[str, Any]:
            asked.append((name, said))
            return answer

        for module in (scan_urls_list, scan_urls_purge):
            self.patch(module, "answered", ask)
        options = parser().parse_args(["scan", "urls", *arguments])
        out, err = io.StringIO(), io.StringIO()
        code = options.command.run(options, out, err)
        return code, out.getvalue(), err.getvalue(), asked[0]

    def test_explain_themselves(self) -> None:
        """Each has examples that can be given, and exit codes."""
        assert_explain_themselves(self, "scan", scan.COMMANDS)
        for command in scan_urls.COMMANDS:
            examples = [
                line.split()[1:]
                for line in command.EXAMPLES.splitlines()
                if line.startswith("  gateway scan urls ")
            ]
            self.assertTrue(examples)
            for example in examples:
                self.assertIs(parser().parse_args(example).scan_urls_command, command)

    def test_list(self) -> None:
        """Each URL is a row; nothing of it drives the terminal."""
        answer = {"ok": True, "why": "", "most": 5, "count": 3, "urls": [LISTED]}
        code, out, _, asked = self.run_command(answer, "list")
        self.assertEqual((code, asked), (DONE, ("scan_urls", {})))
        row = out.splitlines()[1]
        self.assertIn("EICAR", row)
        self.assertIn("clamd 1.4/27800", row)
        self.assertIn("1m 1s", row)
        self.assertIn("http://www.example.com/\\u202eexe.txt", row)
        self.assertIn("and 2 more", out)

    def test_list_of_nothing(self) -> None:
        """That there is nothing is said, and whether there can be something."""
        nothing = {"ok": True, "why": "", "most": 5, "count": 0, "urls": []}
        self.assertEqual(self.run_command(nothing, "list")[1], "no URL is remembered\n")
        self.assertIn("is 0", self.run_command({**nothing, "most": 0}, "list")[1])

    def test_json(self) -> None:
        """A program gets the answer as it is."""
        answer = {"ok": True, "why": "", "most": 5, "count": 1, "urls": [LISTED]}
        self.assertEqual(json.loads(self.run_command(answer, "list", "--json")[1]), answer)

    def test_purge(self) -> None:
        """One URL, or all; one of them has to be said."""
        answer = {"ok": True, "why": "", "purged": 1}
        code, out, _, asked = self.run_command(answer, "purge", "http://a/")
        self.assertEqual((code, out), (DONE, "1 URL forgotten\n"))
        self.assertEqual(asked, ("scan_urls", {"purge": "http://a/"}))
        answer["purged"] = 2
        _, out, _, asked = self.run_command(answer, "purge", "--all")
        self.assertEqual((out, asked[1]), ("2 URLs forgotten\n", {"purge": True}))
        for wrong in ([], ["--all", "http://a/"]):
            with self.assertRaises(SystemExit), redirect_stderr(io.StringIO()):
                parser().parse_args(["scan", "urls", "purge", *wrong])

    def test_not_done(self) -> None:
        """What could not be done is told on the other stream."""
        code, out, err, _ = self.run_command({"ok": False, "why": "no gateway answers"}, "list")
        self.assertEqual((code, out, err), (NOT_DONE, "", "no gateway answers\n"))

    def test_nobody_answers(self) -> None:
        """A gateway that does not run is an answer, too."""
        options = parser().parse_args(["scan", "urls", "list", "--config", self.mktemp()])
        self.assertFalse(orders.answered(options, "scan_urls")["ok"])


class TestFileTests(SynchronousTestCase):
    """C{gateway scan test}."""

    ANSWER: ClassVar[dict[str, Any]] = {
        "ok": True,
        "why": "",
        "result": "infected",
        "action": "block",
        "because": "malware was found: EICAR in a\x1b[2J",
        "name": "EICAR",
        "member": "a\x1b[2J",
        "engine": "clamd",
        "patterns": "",
        "size": 5,
        "sha256": "00",
        "count": 3,
        "pieces": [
            {"member": "", "size": 5, "said": ["clamd: clean"]},
            {"member": "a\x1b[2J", "size": 2, "said": []},
        ],
    }

    def run_command(self, **more: Any) -> tuple[int, str, str]:
        """Run it against a gateway that answers so."""
        answer = {**self.ANSWER, **more}
        asked: list[Any] = []

        def ask(options: object, name: str, **said: object) -> dict[str, Any]:
            asked.append((name, said))
            return answer

        self.patch(scan_test, "answered", ask)
        options = parser().parse_args(["scan", "test", "sample"])
        out, err = io.StringIO(), io.StringIO()
        code = options.command.run(options, out, err)
        self.assertEqual(asked, [("scan_test", {"file": os.path.abspath("sample")})])
        return code, out.getvalue(), err.getvalue()

    def test_shown(self) -> None:
        """The result, what would follow, and what was said of each piece; nothing drives the terminal."""
        code, out, _ = self.run_command()
        self.assertEqual(code, NOT_DONE)
        for line in ("result   infected", "action   block", "member   a\\x1b[2J"):
            self.assertIn(line, out)
        self.assertNotIn("\x1b", out)
        self.assertIn("(the file)", out)
        self.assertIn("and 1 more", out)

    def test_codes(self) -> None:
        """The exit code says whether it would pass."""
        self.assertEqual(self.run_command(action="warn")[0], DONE)
        code, out, err = self.run_command(ok=False, why="no")
        self.assertEqual((code, out, err), (NOT_DONE, "", "no\n"))


class VisibleTests(SynchronousTestCase):
    """L{visible}."""

    def test_visible(self) -> None:
        """What is printable stays, whatever its script; the rest is shown as its number."""
        self.assertEqual(visible("f\xfcr \u6f22"), "f\xfcr \u6f22")
        self.assertEqual(visible("a\x1b[2J\nb\u202e\x9b"), "a\\x1b[2J\\nb\\u202e\\x9b")
