"""Tests of the README: its examples load, and it explains every setting with its default."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_snmp import Snmp, SnmpSettings
from gateway_snmp.settings import Receiver
from gateway_snmp.tests.examples import AUTH, COMMUNITY, PRIV

README = (Path(__file__).parent.parent / "README.md").read_text()
_HEAD = r"^\| `([a-z_]+)` \| (.+?) \|"


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        for name, secret in (
            ("snmp-auth", AUTH),
            ("snmp-priv", PRIV),
            ("snmp-community", COMMUNITY),
        ):
            # Relative to the folder of the configuration, which is the current one here.
            Path(name).write_text(f"{secret}\n")
            self.addCleanup(Path(name).unlink)
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertEqual(len(found), 1)
        for text in found:
            gateway = FakeGateway(Snmp, tomllib.loads(text)["plugins"]["snmp"])
            self.addCleanup(gateway.stop)

    def test_settings(self) -> None:
        """Every setting is explained, and its default is the one that holds."""
        section, _, rest = README.partition("## Settings")[2].partition("Each receiver has:")
        rows = dict(re.findall(_HEAD, section, re.MULTILINE))
        self.assertEqual(list(rows), [field.name for field in dataclasses.fields(SnmpSettings)])
        written = "\n".join(f"{name} = {value.strip('`')}" for name, value in rows.items())
        gateway = FakeGateway(Snmp, tomllib.loads(written))
        self.addCleanup(gateway.stop)
        self.assertEqual(gateway.plugin.settings, SnmpSettings())
        keys = [name for name, _ in re.findall(_HEAD, rest, re.MULTILINE)]
        self.assertEqual(keys, [field.name for field in dataclasses.fields(Receiver)])
