"""What the tests of plugins' hooks share: a broken plugin, a gateway with one plugin, and how a refusal looks."""

from __future__ import annotations

from typing import Any

from gateway.api import Block
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase

NO = Block("no", category="test")


def failing(*args: object) -> Any:
    """Be a broken plugin."""
    raise ZeroDivisionError("a plugin is broken")


class HookTestCase(ScenarioTestCase):
    """Tests with a plugin."""

    def started(
        self, plugin: Base, *, kept: bool = False, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """
        Start a forward proxy with a plugin, an origin and a client.

        @param kept: a connection to the origin is there already.
        """
        gateway = self.forward(settings, plugins={"test": plugin})
        origin = gateway.origin()
        client = gateway.client()
        if kept:
            says, plugin.says = plugin.says, lambda *args: None
            client.send(request(URL + b"before"))
            origin.send(response(b"before"))
            client = gateway.client()
            plugin.says = says
            plugin.asked.clear()
        return gateway, origin, client

    def assertRefused(
        self, gateway: Harness, client: ScriptedClient, expected: int, **columns: object
    ) -> None:
        """The last transaction was refused with this status."""
        gateway.settle()
        self.assertEqual(client.response().status, expected)
        line = gateway.log[-1]
        columns["status"] = expected
        self.assertEqual({name: line[name] for name in columns}, columns)
