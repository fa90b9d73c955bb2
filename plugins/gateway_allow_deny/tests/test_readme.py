"""Tests of the README: its examples load, and it explains every setting."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_allow_deny import AllowDeny, AllowDenySettings

README = (Path(__file__).parent.parent / "README.md").read_text()


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(found), 1)
        for text in found:
            own: dict[str, Any] = tomllib.loads(text).get("plugins", {}).get("allow_deny", {})
            for number, _ in enumerate(own.get("deny_files", ())):
                path = Path(self.mktemp()).resolve()
                path.write_text("listed.example\n")
                own["deny_files"][number] = str(path)
            gateway = FakeGateway(AllowDeny, own)
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained, with its default."""
        rows = dict(re.findall(r"^\| `([a-z_]+)`[^|]*\| ([^|]+) \|", README, re.MULTILINE))
        for struct in (AllowDenySettings,):
            for setting in dataclasses.fields(struct):
                self.assertIn(setting.name, rows)
                written: dict[Any, str] = {(): "[]", None: "not set"}
                default = written.get(setting.default, str(setting.default))
                self.assertIn(default, rows[setting.name])
