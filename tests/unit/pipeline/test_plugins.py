"""Tests of finding, checking and making plugins."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import Annotated, Any, cast
from unittest import mock

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

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
from gateway.api.settings import Help, Size
from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.config.sections.plugins import Plugins, Rule
from gateway.pipeline.loaded import (
    START_SECONDS,
    STOP_SECONDS,
    LoadedPlugins,
    PluginStartError,
)
from gateway.pipeline.plugins import load_plugins
from tests.unit.pipeline.builders import Bench, transaction


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


class StartTests(LoadTestCase):
    """Starting and stopping."""

    def setUp(self) -> None:
        """Make three plugins that note what happens to them."""
        super().setUp()
        self.seen: list[str] = []
        self.answers: dict[str, Any] = {}
        seen, answers = self.seen, self.answers

        class Noting(Plugin):
            def start(self) -> Maybe[None]:
                return self.note("start")

            def stop(self) -> Maybe[None]:
                return self.note("stop")

            def note(self, what: str) -> Maybe[None]:
                call = f"{what} {self.name}"
                seen.append(call)
                answer = answers.get(call)
                if isinstance(answer, BaseException):
                    raise answer
                assert answer is None or isinstance(answer, Awaitable)
                return answer

        classes = [type(name, (Noting,), {"name": name}) for name in ("a", "b", "c")]
        self.loaded = self.load(*classes)

    def test_order(self) -> None:
        """They start in order and stop the other way round."""
        self.successResultOf(Deferred.fromCoroutine(self.loaded.start()))
        self.successResultOf(Deferred.fromCoroutine(self.loaded.stop()))
        self.assertEqual(self.seen, ["start a", "start b", "start c", "stop c", "stop b", "stop a"])

    def test_one_after_the_other(self) -> None:
        """A plugin starts when those before it are up."""
        waiting: Deferred[None] = Deferred()
        self.answers["start a"] = waiting
        started = Deferred.fromCoroutine(self.loaded.start())
        self.assertEqual(self.seen, ["start a"])
        waiting.callback(None)
        self.successResultOf(started)

    def test_up_at_once(self) -> None:
        """A start that waited for nothing after all is as good as a plain one."""
        self.answers["start a"] = succeed(None)
        self.successResultOf(Deferred.fromCoroutine(self.loaded.start()))
        self.assertEqual(self.seen, ["start a", "start b", "start c"])

    def test_failure(self) -> None:
        """When one fails to start, it and those before it are stopped, and who it was is said."""
        self.answers["start b"] = RuntimeError("port taken")
        started = Deferred.fromCoroutine(self.loaded.start())
        error = self.failureResultOf(started, PluginStartError).value
        self.assertEqual(
            (error.plugin, str(error)), ("b", "plugin b did not start: RuntimeError: port taken")
        )
        self.assertEqual(self.seen, ["start a", "start b", "stop b", "stop a"])

    def test_too_long(self) -> None:
        """A start that never ends is a failure."""
        self.answers["start a"] = Deferred()
        started = Deferred.fromCoroutine(self.loaded.start())
        self.bench.clock.advance(START_SECONDS)
        self.failureResultOf(started, PluginStartError)

    def test_given_up(self) -> None:
        """A start that is broken off from outside stops what was started and is no plugin's fault."""
        self.answers["start b"] = Deferred()
        coroutine = self.loaded.start()
        coroutine.send(None)
        self.assertRaises(KeyboardInterrupt, coroutine.throw, KeyboardInterrupt())
        self.assertEqual(self.seen[-2:], ["stop b", "stop a"])

    def test_stop_goes_on(self) -> None:
        """One that does not stop, or too slowly, keeps no other from stopping."""
        self.answers["stop c"] = RuntimeError("no")
        self.answers["stop b"] = Deferred()
        stopped = Deferred.fromCoroutine(self.loaded.stop())
        self.bench.clock.advance(STOP_SECONDS)
        self.successResultOf(stopped)
        self.assertEqual(self.seen, ["stop c", "stop b", "stop a"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError, TimeoutError)), 2)


class LedgerTests(LoadTestCase):
    """What is kept of each plugin."""

    def test_summed(self) -> None:
        """Calls and errors of all its hooks are summed, and a hook that only fails is named."""

        class Failing(Guard):
            name = "failing"

            @hookimpl(fail="open")
            def response_headers(self, txn: Transaction) -> None:
                raise KeyError("no")

        loaded = self.load(Guard, Failing)
        plans = loaded.plans
        assert plans.request_headers is not None and plans.response_headers is not None
        plans.request_headers(transaction())
        for _ in range(5):
            plans.response_headers(transaction())
        first, second = loaded.ledgers()
        self.assertEqual(
            (first.plugin, first.calls, first.errors, first.unhealthy), ("guard", 1, 0, ())
        )
        self.assertEqual(
            (second.calls, second.errors, second.unhealthy), (5, 5, ("response_headers",))
        )
        self.flushLoggedErrors(KeyError)

    def test_without_hooks(self) -> None:
        """A plugin without a hook has a ledger of nothing."""
        (ledger,) = self.load(Limited).ledgers()
        self.assertEqual(
            (ledger.calls, ledger.worst_seconds, ledger.worst_wait_seconds), (0, 0.0, 0.0)
        )
