"""Tests of plugins that are refused at the start, with what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.api import (
    API_VERSION,
    NONE,
    AdminPage,
    Block,
    Event,
    Maybe,
    Need,
    Plugin,
    ScanJob,
    ScanResult,
    Services,
    Side,
    Transaction,
    hookimpl,
)
from gateway.api.events import EventGroup, EventType, Severity
from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.config.sections.plugins import Plugins
from gateway.pipeline.plugins import load_plugins
from tests.unit.pipeline.plugin_loading import Guard, LoadTestCase


class RefusalTests(LoadTestCase):
    """What is refused before anything is started."""

    def test_unknown(self) -> None:
        """A name that is not installed is refused with the nearest one, or with all there are."""
        near, far = self.faults(Guard, enabled=("gaurd", "zzzzzz"))
        self.assertEqual(near, 'no plugin "gaurd" is installed (did you mean "guard"?)')
        self.assertIn('no plugin "zzzzzz" is installed (installed: ', far)
        self.assertIn("guard", far)

    def test_place(self) -> None:
        """A fault names its place in the list."""
        error = self.assertRaises(ConfigError, self.load, Guard, enabled=("guard", "other"))
        self.assertEqual(error.faults[0].path, "plugins.enabled[1]")

    def test_not_a_plugin(self) -> None:
        """Only a Plugin's subclass, or an object of one, is a plugin."""
        config = Config(plugins=Plugins(enabled=("x",)))
        error = self.assertRaises(
            ConfigError, load_plugins, config, self.bench.services, extra={"x": dict}
        )
        self.assertIn("is no subclass of gateway.api.Plugin", str(error))

    def test_other_name(self) -> None:
        """A plugin has one name everywhere."""
        config = Config(plugins=Plugins(enabled=("x",)))
        error = self.assertRaises(
            ConfigError, load_plugins, config, self.bench.services, extra={"x": Guard}
        )
        self.assertIn('"x" calls itself "guard"', str(error))

    def test_version(self) -> None:
        """A plugin for a later minor or another major version is refused; one for an earlier minor is not."""
        major, minor = API_VERSION
        for requires in ((major, minor + 1), (major + 1, 0)):

            class Newer(Guard):
                requires_api = requires

            (fault,) = self.faults(Newer)
            self.assertIn(f"needs gateway.api {requires[0]}.{requires[1]}", fault)

    def test_event_types(self) -> None:
        """What a plugin says of its events must not stand for what the gateway says of its own, nor twice for itself."""

        def said(*types: EventType) -> list[str]:
            class Saying(Guard):
                event_types = types

            return self.faults(Saying)

        def one(name: str, **more: Any) -> EventType:
            about = {
                "severity": Severity.INFO,
                "group": EventGroup.SERVICE,
                "title": "t",
                "when": "w",
            }
            return EventType(name=name, **{**about, "act": "a", **more})

        Guard.event_types = (one("guard_down"), one("guard_up", ends="guard_down"))
        self.addCleanup(setattr, Guard, "event_types", ())
        self.load(Guard)
        for types, what in (
            ((one("guard_down"), one("guard_down")), "describes an event twice"),
            ((one("Guard down"),), "has no good name"),
            ((one("origin_down"),), "is in gateway.api.catalogue"),
            ((one("guard_down", number=7),), "has a number"),
            ((one("guard_up", ends="origin_down"),), "ends origin_down, which is not among"),
            (("guard_down",), "guard_down is no EventType"),
        ):
            (fault,) = said(*types)
            self.assertIn(what, fault)

    def test_misspelt_hook(self) -> None:
        """A mark on a method that no hook is named like is refused with the nearest name; all of them at once."""

        class Misspelt(Plugin):
            name = "misspelt"

            @hookimpl()
            def request_header(self, txn: Transaction) -> None:
                """Never called."""

            @hookimpl()
            def zzz(self) -> None:
                """Never called."""

        faults = self.faults(Misspelt, Guard)
        self.assertEqual(
            sorted(faults),
            [
                '"misspelt": there is no hook request_header (did you mean request_headers?)',
                '"misspelt": there is no hook zzz',
            ],
        )

    def test_unmarked(self) -> None:
        """A hook that is overridden without the mark would never be called, so it is refused."""

        class Unmarked(Plugin):
            name = "unmarked"

            def request_headers(self, txn: Transaction) -> Block | None:
                return None

        (fault,) = self.faults(Unmarked)
        self.assertIn("overrides request_headers without @hookimpl()", fault)

    def test_arguments(self) -> None:
        """A hook that takes other arguments than specified is refused, whether more or fewer."""

        class More(Plugin):
            name = "more"

            @hookimpl()
            def request_headers(self, txn: Transaction, depth: Any) -> None:  # type: ignore[override]
                """Never called."""

        class Fewer(Plugin):
            name = "fewer"

            @hookimpl()
            def request_headers(self) -> None:  # type: ignore[override]
                """Never called."""

        (more,) = self.faults(More)
        self.assertIn("depth", more)
        (fewer,) = self.faults(Fewer)
        self.assertEqual(fewer, '"fewer": request_headers must take (self, txn)')

    def test_not_called_yet(self) -> None:
        """A hook that this version never calls is not left out in silence."""

        class Pages(Plugin):
            name = "pages"

            @hookimpl()
            def admin_pages(self) -> Sequence[AdminPage]:
                return ()

        (fault,) = self.faults(Pages)
        self.assertIn(
            "implements admin_pages, which this version of the gateway never calls", fault
        )

    def test_scanner_that_nothing_is_given(self) -> None:
        """So it is with a scanner where nothing is ever held, and with a hold for no scanner."""

        class Scanner(Plugin):
            name = "scanner"

            @hookimpl(thread="scan")
            def scan_content(self, job: ScanJob) -> Maybe[ScanResult | None]:
                return None

        class Needs(Plugin):
            name = "needs"

            @hookimpl()
            def content_need(self, txn: Transaction, side: Side) -> Need:
                return NONE

        (fault,) = self.faults(Scanner)
        self.assertIn('"scanner" implements scan_content, and no plugin content_need', fault)
        (fault,) = self.faults(Needs)
        self.assertIn('"needs" implements content_need, and no plugin scan_content', fault)

        class Unpacks(Plugin):
            name = "unpacks"

            @hookimpl()
            def unpack_content(self, job: Any) -> None:
                """Never called."""

        (fault,) = self.faults(Unpacks)
        self.assertIn('"unpacks" implements unpack_content, and no plugin scan_content', fault)
        loaded = self.load(Scanner, Needs)
        self.assertIsNotNone(loaded.plans.scan_content)

    def test_async_where_none_can_wait(self) -> None:
        """A hook whose answer can't wait is refused as an async def."""

        class Waits(Plugin):
            name = "waits"

            @hookimpl()
            async def transaction_complete(self, txn: Transaction) -> None:  # type: ignore[override]
                """Never called."""

        (fault,) = self.faults(Waits)
        self.assertIn("the answer of transaction_complete can't wait", fault)

    def test_threads(self) -> None:
        """A thread is refused for a hook that is given something that changes, and for a coroutine."""

        class Threaded(Plugin):
            name = "threaded"

            @hookimpl(thread="scan")
            def request_headers(self, txn: Transaction) -> None:
                """Never called."""

            @hookimpl(thread="scan")
            async def event(self, event: Event) -> None:
                """Never called."""

        faults = self.faults(Threaded)
        self.assertIn(
            "request_headers can't run in a thread (only unpack_content, scan_content, event can",
            faults[0],
        )
        self.assertIn("event runs in a thread (write it as a plain function)", faults[1])

    def test_fails_to_be_made(self) -> None:
        """An exception of its constructor is told as a fault."""

        class Broken(Plugin):
            name = "broken"

            def __init__(self, settings: Any, services: Services) -> None:
                raise RuntimeError("no key file")

        (fault,) = self.faults(Broken)
        self.assertEqual(fault, '"broken" can\'t be made: RuntimeError: no key file')

    def test_all_at_once(self) -> None:
        """Faults of several plugins are told together."""

        class Unmarked(Plugin):
            name = "unmarked"

            def page(self, txn: Transaction, name: str) -> None:
                return None

        self.assertEqual(
            len(self.faults(Unmarked, Guard, enabled=("unmarked", "nope", "guard"))), 2
        )

    def test_properties_are_left_alone(self) -> None:
        """Looking for hooks runs no code of the plugin."""

        class Lazy(Guard):
            @property
            def expensive(self) -> int:
                raise AssertionError("was run")

        self.assertEqual(list(self.load(Lazy).plugins), ["guard"])
