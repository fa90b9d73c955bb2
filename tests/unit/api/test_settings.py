"""Tests of what a plugin's settings are written with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import settings
from gateway.api.settings import (
    ConfigError,
    Help,
    Hosts,
    HostSet,
    Networks,
    NetworkSet,
    Ports,
    PortSet,
)
from gateway.config.load import load, load_plugin_settings


@dataclass(frozen=True, slots=True)
class Settings:
    """Sets with defaults."""

    hosts: Annotated[Hosts, Help("Hosts.")] = HostSet(["*.example.com"])
    networks: Annotated[Networks, Help("Networks.")] = NetworkSet.of("10.0.0.0/8")
    ports: Annotated[Ports, Help("Ports.")] = PortSet.of(443, "8000-8099")


class SetTests(SynchronousTestCase):
    """Sets of hosts, networks and ports."""

    def read(self, table: dict[str, object]) -> Settings:
        """Read a plugin's table."""
        return load_plugin_settings(load(None, {"plugins.x": table}, {}), "x", Settings, {})

    def test_same_as_written(self) -> None:
        """A default in the code is what the same text in a file gives."""
        written = {
            "hosts": ["*.example.com"],
            "networks": ["10.0.0.0/8"],
            "ports": [443, "8000-8099"],
        }
        self.assertEqual(self.read(written), Settings())
        self.assertEqual(self.read({}), Settings())

    def test_faults(self) -> None:
        """What is wrong is in one error, all at once, that a plugin's tests can name."""
        error = self.assertRaises(
            ConfigError, self.read, {"ports": [0], "networks": ["10.0.0.1/8"]}
        )
        self.assertEqual(len(error.faults), 2)

    def test_names(self) -> None:
        """Every public name is there."""
        for name in settings.__all__:
            self.assertTrue(hasattr(settings, name), name)
