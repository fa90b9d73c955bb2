"""Tests of the README: its examples load, and it explains every setting with its default."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_clamd import Clamd, ClamdSettings

README = (Path(__file__).parent.parent / "README.md").read_text()


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertEqual(len(found), 2)
        for text in found:
            gateway = FakeGateway(Clamd, tomllib.loads(text)["plugins"]["clamd"])
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained, and its default is the one that holds."""
        rows = dict(re.findall(r"^\| `([a-z_]+)` \| `([^`]+)` \|", README, re.MULTILINE))
        self.assertEqual(list(rows), [field.name for field in dataclasses.fields(ClamdSettings)])
        written = "\n".join(f"{name} = {value}" for name, value in rows.items())
        gateway = FakeGateway(Clamd, tomllib.loads(written))
        self.addCleanup(gateway.stop)
        self.assertEqual(gateway.plugin.settings, ClamdSettings())
