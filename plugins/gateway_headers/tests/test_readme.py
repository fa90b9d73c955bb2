"""Tests of the README: its examples load, and it explains every setting."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_headers import Headers, HeadersSettings
from gateway_headers.presets import Tenants
from gateway_headers.rules import Rule

README = (Path(__file__).parent.parent / "README.md").read_text()


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(found), 1)
        for text in found:
            own: dict[str, Any] = tomllib.loads(text).get("plugins", {}).get("headers", {})
            gateway = FakeGateway(Headers, own)
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained, with its default."""
        rows = dict(re.findall(r"^\| `([a-z_]+)`[^|]*\| ([^|]+) \|", README, re.MULTILINE))
        for struct in (
            Rule,
            Tenants,
        ):
            for setting in dataclasses.fields(struct):
                self.assertIn(setting.name, rows)
                if isinstance(setting.default, str):
                    self.assertIn(f'"{setting.default}"', rows[setting.name])
        for setting in dataclasses.fields(HeadersSettings):
            self.assertIn(f"`{setting.name}`", README)
