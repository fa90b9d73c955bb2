"""Tests of the README of filetype: its examples load, and it explains every setting."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_filetype import Filetype, FiletypeSettings
from gateway_filetype.settings import Rule

README = (Path(__file__).parent.parent / "README.md").read_text()


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(found), 1)
        for text in found:
            own: dict[str, Any] = tomllib.loads(text).get("plugins", {}).get("filetype", {})
            gateway = FakeGateway(Filetype, own)
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained, with its default."""
        rows = dict(re.findall(r"^\| `([a-z_]+)`[^|]*\| ([^|]+) \|", README, re.MULTILINE))
        for struct in (
            FiletypeSettings,
            Rule,
        ):
            for setting in dataclasses.fields(struct):
                self.assertIn(setting.name, rows)
