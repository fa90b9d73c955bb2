"""A gateway in memory with a cache whose threads are none, so that all it does is done when it is told to."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from typing import Any

from gateway.config.schema import Config
from gateway.service import GatewayService
from gateway.testing import FakeServices
from gateway.testing.harness import Harness
from gateway_cache import Cache
from gateway_cache.settings import CacheSettings
from tests.scenarios.support import ScenarioTestCase


class CachedTestCase(ScenarioTestCase):
    """Makes reverse proxies with a cache."""

    def cached(self, plugins: Mapping[str, object] | None = None) -> Harness:
        """
        Start one.

        @param plugins: others, which are asked before it.
        """
        folder = self.mktemp()

        def compose(config: Config, network: Any, extra_plugins: dict[str, object]) -> Any:
            services = FakeServices(network, lambda event: None).for_plugin("cache")
            settings = CacheSettings(path=os.path.join(folder, "cache"), size=64 << 20)
            plugins = {**extra_plugins, "cache": Cache(settings, services)}
            return GatewayService(config, network, extra_plugins=plugins)

        site = {"host": ["*"], "origins": ["http://198.51.100.1"], "listen": ["192.0.2.1:80"]}
        gateway = Harness(
            compose, {"site": [site]}, folder=folder, plugins={**(plugins or {}), "cache": None}
        )
        self.addCleanup(gateway.stop)
        with contextlib.redirect_stdout(io.StringIO()):
            # It opens its folder.
            gateway.advance(1)
        return gateway
