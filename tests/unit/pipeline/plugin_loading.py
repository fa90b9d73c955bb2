"""What the tests of loading plugins share: small plugins, and a configuration that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Block,
    Plugin,
    Transaction,
    hookimpl,
)
from gateway.api.settings import Help, Size
from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.config.sections.plugins import Plugins
from gateway.pipeline.loaded import (
    LoadedPlugins,
)
from gateway.pipeline.plugins import load_plugins
from tests.unit.pipeline.builders import Bench


class Guard(Plugin):
    """Blocks everything, by a name of its own."""

    name = "guard"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        """Block."""
        return Block(self.name)


class Second(Guard):
    """Another one."""

    name = "second"


@dataclass(frozen=True)
class LimitSettings:
    """One setting."""

    limit: Annotated[Size, Help("A limit.")] = 7


class Limited(Plugin):
    """Has a setting."""

    name = "limited"
    Settings = LimitSettings


class LoadTestCase(SynchronousTestCase):
    """Loads plugins without installing any."""

    def setUp(self) -> None:
        """Make what they are made with."""
        self.bench = Bench()

    def load(self, *plugins: object, enabled: tuple[str, ...] | None = None) -> LoadedPlugins:
        """Load classes or objects by their own names."""
        extra = {plugin.name: plugin for plugin in plugins}  # type: ignore[attr-defined]
        names = tuple(extra) if enabled is None else enabled
        config = Config(plugins=Plugins(enabled=names))
        return load_plugins(config, self.bench.services, extra=extra)

    def faults(self, *plugins: object, enabled: tuple[str, ...] | None = None) -> list[str]:
        """Load what can't be loaded and give what is said about it."""
        error = self.assertRaises(ConfigError, self.load, *plugins, enabled=enabled)
        return [
            f"{fault.message} ({fault.mend})" if fault.mend else fault.message
            for fault in error.faults
        ]
