"""Tests of C{gateway cache}."""

from __future__ import annotations

import io
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli import cache, cache_list, cache_purge, cache_show, cache_stats, orders
from gateway.cli.command import DONE, NOT_DONE
from gateway.cli.main import parser
from tests.unit.cli.shapes import assert_explain_themselves


class CacheTests(SynchronousTestCase):
    """The commands."""

    def run_command(self, answer: dict[str, Any], *arguments: str) -> tuple[int, str, str, Any]:
        """Run one against a gateway that answers so."""
        asked: list[Any] = []

        def ask(options: object, name: str, **said: object) -> dict[str, Any]:
            asked.append((name, said))
            return answer

        for module in (cache_list, cache_purge, cache_show, cache_stats):
            self.patch(module, "asked", ask)
        options = parser().parse_args(["cache", *arguments])
        out, err = io.StringIO(), io.StringIO()
        code = options.command.run(options, out, err)
        return code, out.getvalue(), err.getvalue(), asked[0]

    def test_explain_themselves(self) -> None:
        """Each has examples that can be given, and exit codes."""
        assert_explain_themselves(self, "cache", cache.COMMANDS)

    def test_show(self) -> None:
        """Each variant is a row."""
        stored = {
            "status": 200,
            "bytes": 5,
            "age_seconds": 61,
            "fresh_seconds": -1,
            "because": "max-age",
            "vary": ["accept"],
            "tags": ["one"],
        }
        code, out, _, asked = self.run_command(
            {"ok": True, "stored": [stored]}, "show", "http://a/"
        )
        self.assertEqual((code, asked), (DONE, ("cache.show", {"url": "http://a/", "mode": ""})))
        self.assertEqual(
            out.split()[7:], ["200", "5", "1m", "1s", "stale", "max-age", "accept", "one"]
        )

    def test_list(self) -> None:
        """Each key is a row; nothing is said to be nothing."""
        keys = [{"url": "http://a:80/", "variants": 2, "bytes": 7}]
        _, out, _, _ = self.run_command({"ok": True, "keys": keys, "more": True}, "list")
        self.assertEqual(out.split()[3:6], ["http://a:80/", "2", "7"])
        self.assertIn("and more", out)
        _, out, _, _ = self.run_command({"ok": True, "keys": [], "more": False}, "list")
        self.assertEqual(out, "nothing is stored\n")

    def test_purge(self) -> None:
        """It says how much it was."""
        code, out, _, asked = self.run_command({"ok": True, "purged": 1}, "purge", "--tag", "x")
        self.assertEqual((code, out), (DONE, "1 stored response thrown out\n"))
        self.assertEqual(asked, ("cache.purge", {"url": "", "prefix": "", "tag": "x"}))

    def test_stats(self) -> None:
        """Numbers stand beside their names."""
        answer = {"ok": True, "counts": {"hits_total": 3.0}, "store": {"objects": 2}}
        _, out, _, _ = self.run_command(answer, "stats")
        self.assertEqual(out.split(), ["hits", "3", "objects", "2"])

    def test_not_done(self) -> None:
        """What could not be done is told on the other stream."""
        code, out, err, _ = self.run_command({"ok": False, "why": "no gateway answers"}, "stats")
        self.assertEqual((code, out), (NOT_DONE, ""))
        self.assertIn("no gateway answers", err)

    def test_nobody_answers(self) -> None:
        """A gateway that does not run is an answer, too."""
        folder = self.mktemp()
        options = parser().parse_args(["cache", "stats", "--config", folder])
        self.assertFalse(orders.asked(options, "cache.stats")["ok"])
