"""Tests of L{gateway.pipeline.packages}: whole packages are read anew, at once and back again."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.packages import Replaced, from_source

NAME = "gateway_reread"


class ReplacedTests(SynchronousTestCase):
    """L{Replaced}, on a package of three modules, of which one uses the next."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.write("one")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        self.addCleanup(self._forget)

    def _forget(self) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] == NAME:
                del sys.modules[name]

    def write(self, text: str) -> None:
        """Write the package; only its innermost module differs."""
        package = self.folder / NAME
        (package / "below").mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(f"from {NAME}.middle import said\n")
        (package / "middle.py").write_text(
            f"from {NAME}.below import word\ndef said():\n    return word.WORD\n"
        )
        (package / "below" / "__init__.py").write_text("")
        (package / "below" / "word.py").write_text(f"WORD = {text!r}\n")

    def test_whole_package(self) -> None:
        """A change deep in the package shows at its top, within the same second and at the same length."""
        old = importlib.import_module(NAME)
        self.write("two")
        Replaced([f"{NAME}.middle"])
        with from_source():
            new = importlib.import_module(NAME)
        self.assertEqual((old.said(), new.said()), ("one", "two"))

    def test_put_back(self) -> None:
        """A new version that is no good goes, and all names mean what they meant before."""
        old = importlib.import_module(NAME)
        self.write("two")
        (self.folder / NAME / "middle.py").write_text("syntax error")
        replaced = Replaced([NAME])
        with from_source():
            self.assertRaises(SyntaxError, importlib.import_module, NAME)
        replaced.put_back()
        self.assertIs(importlib.import_module(NAME), old)
        self.assertIs(sys.modules[f"{NAME}.below.word"], old.said.__globals__["word"])

    def test_never_ours(self) -> None:
        """The gateway itself is not read anew."""
        before = importlib.import_module("gateway.api")
        self.assertEqual(Replaced(["gateway.api"]).packages, frozenset())
        self.assertIs(sys.modules["gateway.api"], before)

    def test_settings_restored(self) -> None:
        """Compiled files are written again afterwards, also after an error."""
        before = sys.dont_write_bytecode, sys.pycache_prefix

        def fail() -> None:
            with from_source():
                raise LookupError

        self.assertRaises(LookupError, fail)
        self.assertEqual((sys.dont_write_bytecode, sys.pycache_prefix), before)
