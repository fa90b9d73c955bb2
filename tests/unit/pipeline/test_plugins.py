"""Tests of making plugins: their order, their settings, and what happens when they fail."""

from __future__ import annotations

import gc
from typing import Any, cast
from weakref import ref

from gateway.api import (
    Block,
    Event,
    Plugin,
    Services,
    Transaction,
    hookimpl,
)
from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.config.sections.plugins import Plugins, Rule
from gateway.pipeline.plugins import load_plugins
from tests.unit.pipeline.builders import transaction
from tests.unit.pipeline.plugin_loading import Guard, Limited, LimitSettings, LoadTestCase, Second


class OrderTests(LoadTestCase):
    """The configuration is the only source of what runs and in which order."""

    def test_order(self) -> None:
        """The first in the list is asked first."""
        for names in (("guard", "second"), ("second", "guard")):
            loaded = self.load(Guard, Second, enabled=names)
            plan = loaded.plans.request_headers
            assert plan is not None
            self.assertEqual(plan(transaction()), Block(names[0]))
            self.assertEqual(tuple(loaded.plugins), names)

    def test_only_enabled_ones_run(self) -> None:
        """What is at hand but not enabled is not made."""
        loaded = self.load(Guard, Second, enabled=("second",))
        self.assertEqual(list(loaded.plugins), ["second"])

    def test_none(self) -> None:
        """Without plugins no hook has a plan."""
        self.assertIsNone(self.load().plans.request_headers)

    def test_not_ready(self) -> None:
        """What plugins have against traffic is told with their names; one that fails has nothing."""

        class Unready(Guard):
            why: str | None = None

            @hookimpl()
            def not_ready(self) -> str | None:
                if self.why == "raise":
                    raise RuntimeError("no idea")
                return self.why

        names = ("a", "b", "c")
        loaded = self.load(*[type(name, (Unready,), {"name": name}) for name in names])
        self.assertIsNone(loaded.not_ready())
        self.assertIsNone(self.load(Guard).not_ready())
        for name, why in (("a", "no engine"), ("b", "raise"), ("c", "no directory")):
            cast(Unready, loaded.plugins[name]).why = why
        self.assertEqual(loaded.not_ready(), "a: no engine; c: no directory")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_made_already(self) -> None:
        """An object is taken as it is."""
        made = Guard(None, self.bench.services.for_plugin("guard"))
        self.assertIs(self.load(made).plugins["guard"], made)

    def test_loads_apart(self) -> None:
        """A load knows nothing of those before it, good or refused, and keeps none of their plugins."""

        class Misspelt(Guard):
            name = "misspelt"

            @hookimpl()
            def request_heeders(self, txn: Transaction) -> None:
                """A hook that there is not."""

        for _ in range(2):
            before = self.load(Guard)
            self.assertRaises(ConfigError, self.load, Second, Misspelt)
            self.assertEqual([step.plugin for step in self.load(Second)._steps], ["second"])
            gone = ref(before.plugins["guard"])
            del before
            gc.collect()
            self.assertIsNone(gone())

    def test_services(self) -> None:
        """A plugin gets the services with a log of its own."""
        services: Services = self.load(Guard).plugins["guard"].services
        self.assertIs(services.clock, self.bench.clock)
        self.assertIn("guard", getattr(services.log, "namespace"))  # noqa: B009


class SettingsTests(LoadTestCase):
    """Settings come from the plugin's own table."""

    def load_with(self, table: dict[str, object]) -> Any:
        """Load a plugin with this table and give its settings."""
        config = Config(plugins=Plugins(enabled=("limited",), tables={"limited": table}))
        loaded = load_plugins(config, self.bench.services, extra={"limited": Limited})
        return loaded.plugins["limited"].settings

    def test_read(self) -> None:
        """Settings are read by their kind; those not said have their defaults."""
        self.assertEqual(self.load_with({"limit": "1KiB"}), LimitSettings(1024))
        self.assertEqual(self.load_with({}), LimitSettings(7))

    def test_faults(self) -> None:
        """Faults of a plugin's table are told like all others, with path and nearest name."""
        error = self.assertRaises(ConfigError, self.load_with, {"limt": "1KiB"})
        self.assertIn("plugins.limited.limt: unknown key", str(error))
        self.assertIn('"limit"', str(error))


class RuleTests(LoadTestCase):
    """Configuration over mark over table."""

    def step_of(self, plugin: type[Plugin], rule: Rule | None = None) -> Any:
        """Give the one step of a plugin."""
        rules = {} if rule is None else {plugin.name: rule}
        config = Config(plugins=Plugins(enabled=(plugin.name,), rules=rules))
        loaded = load_plugins(config, self.bench.services, extra={plugin.name: plugin})
        return loaded._steps[0]

    def test_precedence(self) -> None:
        """The configuration's word beats the mark, which beats the table."""

        class Marked(Plugin):
            name = "marked"

            @hookimpl(fail="open", budget_seconds=0.5)
            def request_headers(self, txn: Transaction) -> None:
                return None

        for plugin, rule, expected in (
            (Guard, None, ("closed", 5.0)),
            (Marked, None, ("open", 0.5)),
            (Marked, Rule(fail="closed", budget=2.0), ("closed", 2.0)),
            (Guard, Rule(fail="open"), ("open", 5.0)),
        ):
            step = self.step_of(plugin, rule)
            self.assertEqual((step.fail, step.budget_seconds), expected)

    def test_thread(self) -> None:
        """A hook marked with a pool runs there, and its answer is waited for."""

        class Scanner(Plugin):
            name = "announcer"

            @hookimpl(thread="disk")
            def event(self, event: Event) -> None:
                told.append(event)

        told: list[object] = []
        plan = self.load(Scanner).plans.event
        assert plan is not None
        plan("it")  # type: ignore[arg-type]
        self.assertEqual((told, self.bench.threads.ran), (["it"], ["disk"]))
