"""Tests of finding plugins among those that are installed."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import Any
from unittest import mock

from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.config.sections.plugins import Plugins
from gateway.pipeline.loaded import (
    LoadedPlugins,
)
from gateway.pipeline.plugins import load_plugins
from tests.unit.pipeline.plugin_loading import Guard, LoadTestCase


class EntryPointTests(LoadTestCase):
    """Installed plugins are found by their entry points."""

    def setUp(self) -> None:
        """Have a module at hand whose names entry points can name."""
        super().setUp()
        module = ModuleType("gateway_for_tests")
        module.plugin = Guard  # type: ignore[attr-defined]
        sys.modules["gateway_for_tests"] = module
        self.addCleanup(sys.modules.pop, "gateway_for_tests")

    def load_point(self, *values: str) -> LoadedPlugins:
        """Load "guard" where these are installed under the name."""
        points = EntryPoints(EntryPoint("guard", value, "gateway.plugins") for value in values)
        config = Config(plugins=Plugins(enabled=("guard",)))
        # The registry of installed packages is the interpreter's; there is no other way to it.
        with mock.patch(
            "gateway.pipeline.plugins.installed", lambda: points.select(group="gateway.plugins")
        ):
            return load_plugins(config, self.bench.services)

    def fault(self, *values: str) -> str:
        """Load what can't be loaded and give what is said."""
        return str(self.assertRaises(ConfigError, self.load_point, *values))

    def test_found(self) -> None:
        """An entry point of the group names the class; the same one twice is one."""
        self.assertIsInstance(self.load_point("gateway_for_tests:plugin").plugins["guard"], Guard)
        self.load_point("gateway_for_tests:plugin", "gateway_for_tests:plugin")

    def test_bundled(self) -> None:
        """The upload limit is installed with the gateway and enabled without any configuration."""
        loaded = load_plugins(Config(), self.bench.services)
        self.assertEqual(list(loaded.plugins), ["upload_limit"])

    def test_two_of_one_name(self) -> None:
        """Two packages with one name are refused: which would run?"""
        said = self.fault("gateway_for_tests:plugin", "other:plugin")
        self.assertIn("gateway_for_tests:plugin and other:plugin", said)

    def test_missing_dependency(self) -> None:
        """A package that is needed and missing is named."""

        class Finder:
            def find_spec(self, name: str, path: object = None, target: object = None) -> None:
                if name == "gateway_needy":
                    raise ModuleNotFoundError("No module named 'ldap9'", name="ldap9")

        finder: Any = Finder()
        sys.meta_path.insert(0, finder)
        self.addCleanup(sys.meta_path.remove, finder)
        said = self.fault("gateway_needy:plugin")
        self.assertIn('"guard" needs ldap9, which is not installed (pip install ldap9)', said)

    def test_missing_module(self) -> None:
        """An entry point without its module is told apart from a missing dependency."""
        self.assertIn("there is no module gateway_nowhere", self.fault("gateway_nowhere:plugin"))

    def test_missing_name(self) -> None:
        """A module that does not name what its entry point says is refused."""
        self.assertIn("gateway_for_tests names no plug", self.fault("gateway_for_tests:plug"))

    def test_broken_module(self) -> None:
        """A module that fails while it is imported does not take the gateway with it."""

        class Finder:
            def find_spec(self, name: str, path: object = None, target: object = None) -> None:
                if name == "gateway_broken":
                    raise ZeroDivisionError("oops")

        finder: Any = Finder()
        sys.meta_path.insert(0, finder)
        self.addCleanup(sys.meta_path.remove, finder)
        self.assertIn(
            "can't be imported: ZeroDivisionError: oops", self.fault("gateway_broken:plugin")
        )
