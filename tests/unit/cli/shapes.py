"""What holds for every command that stands beside others under one name, such as C{gateway ca show}."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from unittest import TestCase

from gateway.cli.main import parser


def assert_explain_themselves(test: TestCase, group: str, commands: Iterable[Any]) -> None:
    """See that each has command lines that its parser takes, and says what its exit codes mean."""
    for command in commands:
        examples = [
            line.split(" > ")[0].split()
            for line in command.EXAMPLES.splitlines()
            if line.strip().startswith(f"gateway {group} ")
        ]
        test.assertTrue(examples, command.NAME)
        for example in examples:
            chosen = parser().parse_args(example[1:])
            test.assertEqual(chosen.command.NAME, group)
            test.assertIs(getattr(chosen, f"{group}_command"), command)
        test.assertIn(0, command.EXIT_CODES)
        test.assertTrue(command.SUMMARY)
