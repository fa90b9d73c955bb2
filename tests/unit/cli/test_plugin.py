"""C{gateway plugin}: what its commands have in common."""

from __future__ import annotations

import sys
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.main import main, parser
from gateway.cli.plugin import COMMANDS
from tests.unit.cli.shapes import assert_explain_themselves


class PluginCommandTests(SynchronousTestCase):
    """Each command explains itself, as those beside C{plugin} do."""

    def test_commands_of_this_version(self) -> None:
        """Help lists the commands that there are."""
        self.assertEqual(
            [command.NAME for command in COMMANDS], ["list", "show", "order", "new", "check"]
        )

    def test_help_has_an_example_and_exit_codes(self) -> None:
        """Each has command lines that its parser takes, and says what its exit codes mean."""
        assert_explain_themselves(self, "plugin", COMMANDS)

    def test_json(self) -> None:
        """Each can write for a program."""
        for command in COMMANDS:
            needed = ["x"] if command.NAME in ("show", "new", "check") else []
            self.assertTrue(parser().parse_args(["plugin", command.NAME, *needed, "--json"]).json)

    def test_no_command(self) -> None:
        """C{gateway plugin} alone is a wrong command line."""
        self.patch(sys, "stderr", StringIO())
        self.assertEqual(self.assertRaises(SystemExit, main, ["plugin"]).code, 2)
