"""The test kit under other runners than trial, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.tutorial import ROOT

_PLAIN_TEST = """
import unittest
from gateway.api import Block, Plugin, Refused, hookimpl
from gateway.testing import FakeGateway


class BlockAll(Plugin):
    name = "block_all"

    @hookimpl()
    def request_headers(self, txn):
        return Block("no")


class PlainTests(unittest.TestCase):
    def test_refused(self):
        with FakeGateway(BlockAll) as gw:
            self.assertEqual(gw.get("http://a.example/").seen().outcome, Refused(Block("no")))


def test_function():
    with FakeGateway(BlockAll) as gw:
        assert gw.get("http://a.example/").seen().status == 403
"""


class RunnerTests(SynchronousTestCase):
    """The kit needs neither trial nor a reactor."""

    def run_python(self, *arguments: str) -> str:
        """Run Python in a folder with a test file, and give what it printed."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "test_plain.py").write_text(_PLAIN_TEST)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_no_reactor(self) -> None:
        """Importing the kit installs no reactor, so that a test may still choose one."""
        code = "import sys, gateway.testing; print('twisted.internet.reactor' in sys.modules)"
        self.assertEqual(self.run_python("-c", code).strip(), "False")

    def test_unittest(self) -> None:
        """Tests run under plain unittest."""
        self.assertIn("Ran 1 test", self.run_python("-m", "unittest", "test_plain"))

    def test_pytest(self) -> None:
        """Tests run under pytest, functions too."""
        if importlib.util.find_spec("pytest") is None:
            # The same function, called as pytest would call it.
            self.run_python("-c", "import test_plain; test_plain.test_function()")
        else:
            self.assertIn(
                "2 passed", self.run_python("-m", "pytest", "-q", "-p", "no:cacheprovider")
            )
