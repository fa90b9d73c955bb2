"""What the tests of the check of plugins share: packages that are written for one test."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Plugin
from gateway.testing import check_plugin

_number = itertools.count()
_HEAD = """
from dataclasses import dataclass
from typing import Annotated
from twisted.internet.defer import CancelledError
from gateway.api import *
from gateway.api.settings import Help, Secret, SecretText
"""


class CheckTestCase(SynchronousTestCase):
    """Writes a plugin to a file of its own, as an author does."""

    #: What stands beside the plugin.
    readme: str | None = "What it does."

    def made(self, body: str, **names: object) -> type[Plugin]:
        """Import a module with this text, which may use these names, and give its C{Checked}."""
        folder = Path(self.mktemp())
        folder.mkdir()
        name = f"gateway_checked_{next(_number)}"
        file = folder / f"{name}.py"
        file.write_text(_HEAD + dedent(body))
        (folder / "pyproject.toml").write_text("")
        if self.readme is not None:
            (folder / "README.md").write_text(self.readme)
        module = ModuleType(name)
        module.__file__ = str(file)
        vars(module).update(names)
        sys.modules[name] = module
        self.addCleanup(sys.modules.pop, name)
        exec(compile(file.read_text(), str(file), "exec"), vars(module))
        found: type[Plugin] = module.__dict__["Checked"]
        return found

    def finding(self, body: str, settings: object = None) -> str:
        """Check a plugin that has one fault, and give the finding."""
        found = check_plugin(self.made(body), settings)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].endswith("."), found[0])
        return found[0]


GOOD = """
    @dataclass(frozen=True, slots=True)
    class Settings:
        seconds: Annotated[float, Help("How often to refresh.")] = 60.0
        token: Annotated[SecretText | None, Help("For the service.")] = None

    class Counts(BodyFilter):
        changes_length = False

    class Checked(Plugin):
        name = "checked"
        Settings = Settings

        def start(self):
            self.services.every(self.settings.seconds, self.refresh, at_once=True)

        async def refresh(self):
            answer = await self.services.http.request("GET", "http://lists.example/")
            await self.services.store.set("list", answer.content)

        @hookimpl()
        def client_connected(self, client):
            return None

        @hookimpl()
        async def request_headers(self, txn):
            try:
                listed = await self.services.store.get(txn.request.host)
            except CancelledError:
                raise
            except Exception:
                listed = None
            return None if listed is None else Block("listed")

        @hookimpl()
        def response_filters(self, txn):
            return Counts()

        @hookimpl()
        def page(self, txn, name):
            return None

        @hookimpl()
        def event(self, event):
            pass
"""
