"""Tests of the README: its examples load, and it explains every setting."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_cache import Cache, CacheSettings
from gateway_cache.settings import SiteRule

README = (Path(__file__).parent.parent / "README.md").read_text()
#: Defaults that are written in units.
_WRITTEN = {
    "path": "/var/cache/gateway",
    "size": "4 GiB",
    "memory": "128 MiB",
    "max_object": "64 MiB",
    "wait": "10 s",
    "negative": "0 s",
    "stale_if_error": "1 h",
    "stale_most": "7 d",
    "targeted": "CDN-Cache-Control",
    "hosts": "`*`",
    "host": "-",
}


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(found), 1)
        for text in found:
            own: dict[str, Any] = tomllib.loads(text)["plugins"]["cache"]
            gateway = FakeGateway(Cache, {**own, "path": self.mktemp()})
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained, with its default."""
        rows = dict(re.findall(r"^\| `([a-z_]+)`[^|]*\| ([^|]+) \|", README, re.MULTILINE))
        for struct in (CacheSettings, SiteRule):
            for setting in dataclasses.fields(struct):
                self.assertIn(setting.name, rows)
                written: dict[Any, str] = {(): "[]", None: "not set"}
                default = _WRITTEN.get(setting.name)
                if default is None:
                    default = written.get(setting.default, str(setting.default))
                self.assertEqual(default, rows[setting.name], setting.name)

    def test_units(self) -> None:
        """Those in units are the settings' own."""
        made = CacheSettings()
        self.assertEqual((made.size, made.memory, made.max_object), (4 << 30, 128 << 20, 64 << 20))
        self.assertEqual((made.wait, made.stale_most), (10, 7 * 86_400))
        self.assertEqual((made.negative, made.stale_if_error), (0, 3600))
        self.assertEqual((made.targeted, made.hosts.patterns), (("CDN-Cache-Control",), ("*",)))
