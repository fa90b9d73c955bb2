"""Tests of the README and of C{docs/webhook.md}: examples load, defaults hold, and the example of verification does."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import Secret
from gateway.testing import FakeGateway
from gateway_webhook import Webhook
from gateway_webhook.bodies import generic
from gateway_webhook.settings import Receiver, url
from gateway_webhook.signing import signature
from gateway_webhook.tests.notices import THEN, alarm, notice

FOLDER = Path(__file__).parent.parent
README = (FOLDER / "README.md").read_text()
PAGE = (FOLDER.parent.parent / "docs" / "webhook.md").read_text()

KEY = "a key of the tests that is long enough"


def shown(text: str, language: str) -> list[str]:
    """Give the examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class ReadmeTests(SynchronousTestCase):
    """C{README.md} and C{docs/webhook.md}."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        (self.folder / "hook.key").write_text(KEY)
        (self.folder / "hook.auth").write_text("Bearer x")
        (self.folder / "chat.url").write_text("https://chat.example.com/hooks/abc\n")

    def gateway(self, text: str) -> FakeGateway:
        """Start with an example; its files are in a folder."""
        text = re.sub(r'file = "', f'file = "{self.folder}/', text)
        gw = FakeGateway(Webhook, tomllib.loads(text)["plugins"]["webhook"])
        self.addCleanup(gw.stop)
        return gw

    def test_examples(self) -> None:
        """Every example is a configuration that the gateway starts with."""
        found = [*shown(README, "toml"), *shown(PAGE, "toml")]
        self.assertEqual(len(found), 4)
        for text in found:
            self.assertNotEqual(self.gateway(text).services.alarms.receivers, ())

    def test_settings(self) -> None:
        """Every setting is explained, and its default is the one that holds."""
        rows = dict(re.findall(r"^\| `([a-z_]+)` \| (?:`([^`]+)` )?\|", README, re.MULTILINE))
        self.assertEqual(list(rows), [field.name for field in dataclasses.fields(Receiver)])
        where = "https://a.example"
        written = ", ".join(
            f"{name} = {value}" for name, value in rows.items() if value not in ("", '""')
        )
        gw = self.gateway(f'[plugins.webhook]\nto = [{{ url = "{where}", {written} }}]')
        settings: Any = gw.plugin.settings
        self.assertEqual(settings.to, (Receiver(url(Secret(where))),))

    def test_members(self) -> None:
        """The example of a content has the members that there are, and the tables explain each."""
        (text,) = shown(PAGE, "json")
        example = json.loads(text)
        made = json.loads(generic(notice(alarm())))
        self.assertEqual(list(example), list(made))
        self.assertEqual(list(example["alarms"][0]), list(made["alarms"][0]))
        explained = set(
            re.findall(r"`([a-z]+)`", " ".join(re.findall(r"^\| (`.*?) \|", PAGE, re.M)))
        )
        self.assertEqual({*made, *made["alarms"][0]} - {"since", "until"} - explained, set())

    def test_verification(self) -> None:
        """The example takes what the gateway signs, and nothing that was changed, is old or has another key."""
        found: dict[str, Any] = {}
        (code,) = [one for one in shown(PAGE, "python") if "is_genuine" in one]
        exec(compile(code, "docs/webhook.md", "exec"), found)
        is_genuine: Callable[..., bool] = found["is_genuine"]
        body = generic(notice())
        field = signature([Secret("another one"), Secret(KEY)], int(THEN), body)
        self.assertTrue(is_genuine(field, body, KEY, THEN + 10))
        self.assertTrue(is_genuine(field, body, "another one", THEN))
        self.assertFalse(is_genuine(field, body + b" ", KEY, THEN))
        self.assertFalse(is_genuine(field, body, "a wrong one", THEN))
        self.assertFalse(is_genuine(field, body, KEY, THEN + 301))
        self.assertFalse(is_genuine(field.replace("t=17", "t=18"), body, KEY, THEN))
        for strange in (
            "",
            "t=",
            "v1=",
            "t=x,v1=y",
            "t=1,t=2,v1=é",
            "t=1700000000,v1=é",
            field.partition(",")[0],
        ):
            self.assertFalse(is_genuine(strange, body, KEY, THEN), strange)
