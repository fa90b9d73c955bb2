"""What all scenarios share: a forward or a reverse proxy that is stopped and looked over at the end of each test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.service import GatewayService
from gateway.testing.harness import Harness
from gateway.testing.sockets import WINDOW
from tests.effort import spare_what_lasts

#: The origin that most tests need no second one beside.
URL = b"http://origin.example.com/"


class ScenarioTestCase(SynchronousTestCase):
    """Makes gateways; each one must stop in order and have logged every transaction once."""

    def forward(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        plugins: Mapping[str, object] | None = None,
        window: int = WINDOW,
    ) -> Harness:
        """Start a forward proxy."""
        said: dict[str, object] = {"forward.allow_from": ["192.0.2.0/24", "2001:db8::/32"]}
        said.update(settings or {})
        return self._start(said, plugins, window)

    def reverse(
        self,
        site: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
        *,
        sites: list[Mapping[str, object]] | None = None,
        plugins: Mapping[str, object] | None = None,
        window: int = WINDOW,
    ) -> Harness:
        """
        Start a reverse proxy.

        @param site: settings of its one site, which takes every host and has the usual origin unless they say otherwise.
        @param sites: several in place of it.
        """
        usual: dict[str, object] = {
            "host": ["*"],
            "origins": ["http://198.51.100.1"],
            "listen": ["192.0.2.1:80"],
        }
        said: dict[str, object] = {"site": [{**usual, **one} for one in sites or [site or {}]]}
        said.update(settings or {})
        return self._start(said, plugins, window)

    def _start(
        self, settings: Mapping[str, object], plugins: Mapping[str, object] | None, window: int
    ) -> Harness:
        spare_what_lasts()
        made = Harness(
            GatewayService, settings, folder=self.mktemp(), plugins=plugins, window=window
        )
        self.addCleanup(made.stop)
        return made

    def assertLine(self, gateway: Harness, **columns: Any) -> dict[str, Any]:
        """Look at the only line of the access log: these columns have these values."""
        line = gateway.line
        self.assertEqual({name: line[name] for name in columns}, columns, line)
        return line
