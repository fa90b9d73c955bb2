"""Tests of the README and of the operator's page: examples load, and every setting is explained with its default."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_mail import Mail, MailSettings
from gateway_mail.letters import Letter, Told
from gateway_mail.settings import Receiver
from gateway_mail.templates import built_in_files

README = (Path(__file__).parent.parent / "README.md").read_text()

#: The operator's page; it is in the repository alone.
PAGE = Path(__file__).parents[3] / "docs" / "mail.md"


class ReadmeTests(SynchronousTestCase):
    """C{README.md}."""

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        self.assertEqual(len(found), 2)
        for text in found:
            gateway = FakeGateway(Mail, tomllib.loads(text)["plugins"]["mail"])
            self.addCleanup(gateway.stop)
            self.assertEqual(gateway.cautions, [])

    def test_settings(self) -> None:
        """Every setting is explained, and its default is the one that holds."""
        settings, receiver = README.split("A receiver's table:")
        rows = dict(re.findall(r"^\| `([a-z_]+)` \| `?([^`|]+?)`? \|", settings, re.MULTILINE))
        self.assertEqual(
            set(rows), {field.name.rstrip("_") for field in dataclasses.fields(MailSettings)}
        )
        said = [f"{name} = {value}" for name, value in rows.items() if value[0] in '"0']
        self.assertEqual(len(rows) - len(said), 4)
        written = "\n".join(['to = ["a@example.com"]', 'server = "smtp.example.com"', *said])
        gateway = FakeGateway(Mail, tomllib.loads(written))
        self.addCleanup(gateway.stop)
        plain = FakeGateway(Mail, {"to": ["a@example.com"], "server": "smtp.example.com"})
        self.addCleanup(plain.stop)
        self.assertEqual(gateway.plugin.settings, plain.plugin.settings)
        own = re.findall(r"^\| `([a-z_]+)` \|", receiver, re.MULTILINE)
        self.assertEqual(own, [field.name for field in dataclasses.fields(Receiver)])


class PageTests(SynchronousTestCase):
    """F{docs/mail.md}."""

    def setUp(self) -> None:
        self.text = PAGE.read_text()

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with, and its template works."""
        folder = Path(self.mktemp()).absolute()
        (folder / "events").mkdir(parents=True)
        (folder / "mail.pw").write_text("x")
        template = re.search(r"^```jinja\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        assert template is not None
        (folder / "events" / "malware_found.txt").write_text(template[1])
        found = re.findall(r"^```toml\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        self.assertEqual(len(found), 4)
        for text in found:
            said = text.replace("/etc/gateway/mail.pw", str(folder / "mail.pw"))
            said = said.replace("/etc/gateway/mail", str(folder))
            gateway = FakeGateway(Mail, tomllib.loads(said)["plugins"]["mail"])
            self.addCleanup(gateway.stop)
            cautions = [one for one in gateway.cautions if "nothing uses" not in one]
            self.assertEqual(cautions, [])

    def test_facts(self) -> None:
        """What templates are given is all in the table, and nothing else is."""
        named = set(re.findall(r"`((?:letter|alarm)\.[a-z_]+)`", self.text))
        there = {f"letter.{field.name}" for field in dataclasses.fields(Letter)} | {"letter.alarm"}
        there |= {f"alarm.{field.name}" for field in dataclasses.fields(Told)}
        # That of the letter says the same.
        self.assertEqual(named, there - {"alarm.is_test"})

    def test_templates(self) -> None:
        """Every built-in template is named."""
        for name in built_in_files():
            if not name.startswith("events/"):
                self.assertIn(f"`{name}`", self.text)
