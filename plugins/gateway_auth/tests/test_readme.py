"""Tests of the README and of docs/auth.md: their examples load, and every setting of the plugin's own is explained."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

from gateway.testing import FakeGateway
from gateway_auth import Auth, AuthSettings
from gateway_auth.settings import LimiterSettings, NetworkRule, SiteSettings
from gateway_auth.tests.local_users import LocalUsersTestCase

README = (Path(__file__).parent.parent / "README.md").read_text()
PAGE = Path(__file__).parents[3] / "docs" / "auth.md"


class ReadmeTests(LocalUsersTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        text = README + (PAGE.read_text() if PAGE.exists() else "")
        found = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(found), 2)
        for example in found:
            example = example.replace("/etc/gateway/users", str(self.users))
            example = example.replace("/etc/gateway/groups", str(self.groups))
            own: dict[str, Any] = tomllib.loads(example)["plugins"]["auth"]
            gateway = FakeGateway(Auth, own)
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained."""
        rows = re.findall(r"^\| `([a-z_]+)`[^|]*\| ([^|]+) \|", README, re.MULTILINE)
        names = {name for name, _ in rows}
        for struct in (AuthSettings, NetworkRule, LimiterSettings, SiteSettings):
            for setting in dataclasses.fields(struct):
                self.assertIn(setting.name.rstrip("_"), names)
