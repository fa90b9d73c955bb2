"""The console script: what every command has in common."""

from __future__ import annotations

import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.main import COMMANDS, main, parser


class CommandTests(SynchronousTestCase):
    """Every command explains itself."""

    def test_help_has_an_example_and_exit_codes(self) -> None:
        """The help of each command shows a command line that its parser takes, and what its exit codes mean."""
        for command in COMMANDS:
            examples = [
                line.split(" && ")[0].split()
                for line in command.EXAMPLES.splitlines()
                if line.strip().startswith("gateway ")
            ]
            self.assertTrue(examples, command.NAME)
            for example in examples:
                self.assertIs(parser().parse_args(example[1:]).command, command)
            self.assertIn(0, command.EXIT_CODES)

    def test_help_is_printed(self) -> None:
        """C{gateway COMMAND --help} prints it and ends with 0."""
        for command in COMMANDS:
            printed = StringIO()
            with redirect_stdout(printed):
                ended = self.assertRaises(SystemExit, main, [command.NAME, "--help"])
            self.assertEqual(ended.code, 0)
            self.assertIn("Examples:\n  gateway ", printed.getvalue())
            self.assertIn("Exit codes:\n  0  ", printed.getvalue())
        done = run_script("check", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_commands_of_this_version(self) -> None:
        """Help lists the commands that there are."""
        self.assertEqual(
            [command.NAME for command in COMMANDS],
            [
                "init",
                "check",
                "ports",
                "run",
                "reload",
                "plugin",
                "ca",
                "tls",
                "user",
                "cache",
                "scan",
                "quarantine",
                "event",
                "snmp",
                "snmp-agent",
                "version",
            ],
        )

    def test_wrong_command_line(self) -> None:
        """No command, or an unknown one, ends with 2."""
        for arguments in ([], ["chekc"]):
            with redirect_stderr(StringIO()):
                ended = self.assertRaises(SystemExit, main, arguments)
            self.assertEqual(ended.code, 2)
        self.assertEqual(run_script().returncode, 2)

    def test_reader_that_leaves(self) -> None:
        """A reader that leaves early (C{| head -1}) gets no traceback."""
        script = f"{sys.executable} -m gateway.cli.main init -o - | head -1"
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True)
        self.assertEqual((len(done.stdout.splitlines()), done.stderr), (1, ""))

    def test_no_reactor(self) -> None:
        """They answer at once: the help loads no Twisted, and C{gateway check} no service though it makes the plugins."""
        program = (
            "import io, sys, gateway.cli.main; print('twisted' in sys.modules); "
            "gateway.cli.main.main(['check'], io.StringIO()); "
            "print('twisted' in sys.modules, 'gateway.service' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.split(), ["False", "True", "False"])


class VersionTests(SynchronousTestCase):
    """C{gateway version}."""

    def test_lines(self) -> None:
        """One line for each, the gateway first."""
        out = StringIO()
        self.assertEqual(main(["version"], out), 0)
        self.assertRegex(out.getvalue(), r"\Agateway +\d+\.\d+.*\npython +3\.\d+")

    def test_json(self) -> None:
        """The same as JSON."""
        import json

        from gateway import __version__

        out = StringIO()
        self.assertEqual(main(["version", "--json"], out), 0)
        found = json.loads(out.getvalue())
        self.assertEqual(found["gateway"], __version__)
        self.assertIn("twisted", found)


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", *arguments], capture_output=True, text=True
    )
