"""Tests of the README and of C{docs/syslog.md}: examples load, defaults hold, and messages are as they are shown."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway_syslog import Syslog, cef, records
from gateway_syslog.rfc5424 import FACILITIES, Header
from gateway_syslog.settings import Receiver, address
from gateway_syslog.tests.notices import alarm, notice, read
from gateway_syslog.tests.pairs import pair
from gateway_syslog.texts import Room

FOLDER = Path(__file__).parent.parent
README = (FOLDER / "README.md").read_text()
PAGE = (FOLDER.parent.parent / "docs" / "syslog.md").read_text()


def shown(text: str, language: str) -> list[str]:
    """Give the examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class ReadmeTests(SynchronousTestCase):
    """C{README.md} and C{docs/syslog.md}."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        certificate, key = pair()
        for name, content in (
            ("gw1.pem", certificate),
            ("syslog-ca.pem", certificate),
            ("gw1.key", key),
        ):
            (self.folder / name).write_bytes(content)

    def gateway(self, text: str) -> FakeGateway:
        """Start with an example; its files are in a folder."""
        text = re.sub(r'(file|trust|certificate) = "', rf'\1 = "{self.folder}/', text)
        gw = FakeGateway(Syslog, tomllib.loads(text)["plugins"]["syslog"])
        self.addCleanup(gw.stop)
        return gw

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = [*shown(README, "toml"), *shown(PAGE, "toml")]
        self.assertEqual(len(found), 5)
        for text in found:
            self.assertNotEqual(self.gateway(text).services.alarms.receivers, ())

    def test_settings(self) -> None:
        """Every setting is explained, and its default is the one that holds."""
        rows = dict(re.findall(r"^\| `([a-z_]+)` \| (?:`([^`]+)` )?\|", README, re.MULTILINE))
        self.assertEqual(list(rows), [field.name for field in dataclasses.fields(Receiver)])
        written = ", ".join(
            f"{name} = {value}" for name, value in rows.items() if value not in ("", '""')
        )
        text = f'to = [{{ address = "a.example", {written} }}]'
        gw = FakeGateway(Syslog, tomllib.loads(text))
        self.addCleanup(gw.stop)
        settings: Any = gw.plugin.settings
        self.assertEqual(settings.to, (Receiver(address("a.example")),))

    def test_facilities(self) -> None:
        """Every facility is named."""
        (row,) = re.findall(r"^\| `facility` .*$", README, re.MULTILINE)
        self.assertEqual(
            [name for name in FACILITIES if f'"{name}"' not in row],
            [f"local{number}" for number in range(1, 7)],
        )

    def test_messages(self) -> None:
        """The examples of messages can be read, and have what the gateway writes."""
        rfc5424, cef_text = (
            text.strip() for text in shown(PAGE, "text") if text.startswith(("<", "CEF:"))
        )
        found = read(rfc5424.encode())
        given = alarm(subject="10.1.2.3", url="http://files.example.com/a.zip", action="block")
        about = notice(given)
        made = read(Header(16, 1, "gateway@32473").message(given, about, Room()))
        self.assertEqual(
            {name: list(params) for name, params in found.elements.items()},
            {name: list(params) for name, params in made.elements.items()},
        )
        keys = re.findall(r"(?:\||\s)([A-Za-z0-9]+)=", cef_text)
        self.assertEqual(
            keys,
            re.findall(r"(?:\||\s)([A-Za-z0-9]+)=", cef.message(given, about, Room()).decode()),
        )
        (text,) = shown(PAGE, "json")
        self.assertEqual(
            list(json.loads(text)), list(json.loads(records.message(given, about, Room())))
        )

    def test_parameters(self) -> None:
        """Every parameter and every key that there may be is explained."""
        given = alarm(count=2, is_test=True, subject="10.1.2.3", values={"url": "http://a/b"})
        about = replace(notice(given), attempt=2)
        short = Room(4096)
        element = read(Header(16, 1, "gateway@32473").message(given, about, short)).elements
        names = set(element["gateway@32473"])
        names |= set(
            re.findall(r"(?:\||\s)([A-Za-z0-9]+)=", cef.message(given, about, short).decode())
        )
        names |= set(json.loads(records.message(given, about, short)))
        explained = set(re.findall(r"`([A-Za-z0-9]+)`", PAGE))
        self.assertEqual(names - explained, set())
