"""Tests of what plugins are given, composed, and of loading plugins with it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Clean,
    Coverage,
    Event,
    HttpFailed,
    Need,
    Overloaded,
    Plugin,
    ScanJob,
    ScanResult,
    Services,
    Side,
    StoreFailed,
    Transaction,
    Whole,
    hookimpl,
)
from gateway.config.faults import ConfigError
from gateway.config.folders import state_folder
from gateway.config.load import load
from gateway.message.via import Via
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.pipeline.loaded import LoadedPlugins, PluginStartError
from gateway.pipeline.plugins import load_plugins
from gateway.plugin_services import PluginServices
from gateway.testing.harness import Names
from gateway.testing.network import MemoryNetwork
from tests.effort import spare_what_lasts


class ServicesTestCase(SynchronousTestCase):
    """Services without threads: what would run in one waits in its queue."""

    def setUp(self) -> None:
        """Compose."""
        self.network = MemoryNetwork()
        self.events: list[Event] = []
        self.services = self.compose()

    def compose(self, **settings: object) -> PluginServices:
        """Compose with some settings."""
        said = {name.replace("__", "."): value for name, value in settings.items()}
        made = PluginServices(
            self.network,
            load(None, said, {}),
            self.events.append,
            deadlines=Deadlines(self.network),
            dialer=lambda: Dialer(self.network, Names()),
            own=list,
            via=lambda: Via("gateway-1"),
            environ={},
            spawn=lambda name, run: None,
        )
        self.addCleanup(made.close)
        return made

    def load(self, *plugins: type[Plugin], **settings: object) -> LoadedPlugins:
        """Load plugins with services of these settings."""
        self.services = self.compose(**settings)
        said: dict[str, object] = {name.replace("__", "."): v for name, v in settings.items()}
        said["plugins.enabled"] = [plugin.name for plugin in plugins]
        config = load(None, said, {})
        return load_plugins(
            config, self.services, extra={plugin.name: plugin for plugin in plugins}
        )

    def numbers(self) -> dict[str, float]:
        """Give the samples of all plugins' metrics by name."""
        return {
            sample.name: sample.value
            for family in self.services.metrics.families()
            for sample in family.samples
        }


class GivenTests(ServicesTestCase):
    """What one plugin object gets, and what it shares."""

    def test_generations(self) -> None:
        """A new object of a plugin goes on with the numbers of the one before it, and has jobs of its own."""
        old, new = self.services.for_plugin("a"), self.services.for_plugin("a")
        old.metrics.counter("seen", "Seen.").inc()
        new.metrics.counter("seen", "Seen.").inc()
        self.assertEqual(self.numbers()["gateway_plugin_a_seen_total"], 2)
        ran: list[str] = []
        self.services.start_plugin(old)
        self.services.start_plugin(new)
        old.every(1.0, lambda: ran.append("old"))
        new.every(1.0, lambda: ran.append("new"))
        self.services.stop_plugin(old)
        self.services.stop_plugin(old)
        self.network.pass_time(1.5)
        self.assertEqual(ran, ["new"])

    def test_failing_job(self) -> None:
        """A job that fails is counted, and logged without secrets."""

        def refresh() -> None:
            raise RuntimeError("GET http://bob:hunter2@a/ failed")

        given = self.services.for_plugin("a")
        self.services.start_plugin(given)
        given.every(1.0, refresh)
        self.network.pass_time(2.5)
        numbers = self.numbers()
        self.assertEqual(numbers["gateway_job_runs_total"], 2)
        self.assertEqual(numbers["gateway_job_failures_total"], 2)
        # The log took its text, not the exception: trial would have found that.
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_pools(self) -> None:
        """Pools are as large as the configuration says, and follow another one."""
        services = self.compose(threads__scan={"workers": 1, "queue": 0})
        self.assertNoResult(services.threads.run("scan", divmod, 1, 1))
        self.failureResultOf(services.threads.run("scan", divmod, 1, 1), Overloaded)
        services.follow(load(None, {"threads.scan": {"workers": 2, "queue": 0}}, {}))
        self.assertNoResult(services.threads.run("scan", divmod, 1, 1))

    def test_state_folder(self) -> None:
        """The setting wins over systemd's folder; without either nothing is written."""
        set_so = load(None, {"gateway.state": "/var/lib/one"}, {})
        environ = {"STATE_DIRECTORY": "/var/lib/two:/var/lib/three"}
        self.assertEqual(state_folder(set_so, environ), "/var/lib/one")
        self.assertEqual(state_folder(load(None, {}, {}), environ), "/var/lib/two")
        self.assertEqual(state_folder(load(None, {}, {}), {}), "")

    def test_close(self) -> None:
        """At the end jobs, requests, threads and store are over; a store that was not used needs no thread."""
        given = self.services.for_plugin("a")
        self.services.start_plugin(given)
        given.every(1.0, lambda: None)
        waiting: Deferred[Any] = given.http.request("GET", "http://origin.example.com/")  # type: ignore[assignment]
        self.successResultOf(self.services.close())
        self.assertEqual(self.failureResultOf(waiting, HttpFailed).value.reason, "closed")
        kept: Deferred[Any] = given.store.get("x")  # type: ignore[assignment]
        self.failureResultOf(kept, StoreFailed)
        run: Deferred[Any] = given.threads.run("disk", divmod, 1, 1)  # type: ignore[assignment]
        self.failureResultOf(run, Overloaded)
        self.network.pass_time(60)
        self.assertTrue(self.network.idle)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_hanging_disk(self) -> None:
        """A disk that hangs does not keep the process from ending."""
        kept: Deferred[Any] = self.services.for_plugin("a").store.get("x")  # type: ignore[assignment]
        closing = self.services.close()
        self.assertNoResult(closing)
        self.network.pass_time(5.1)
        self.successResultOf(closing)
        kept.addErrback(lambda failure: None)


class Busy(Plugin):
    """Begins a job when it is made."""

    name = "busy"

    def __init__(self, settings: object, services: Services) -> None:
        super().__init__(settings, services)
        services.every(1.0, lambda: None)


class NoStart(Plugin):
    """Begins a job, and then does not start."""

    name = "no_start"

    def start(self) -> None:
        """Fail."""
        self.services.every(1.0, lambda: None)
        raise RuntimeError("no directory")


class Misspelt(Plugin):
    """Is refused at load."""

    name = "misspelt"

    @hookimpl()
    def request_header(self, txn: object) -> None:
        """Never called."""


class JobTests(ServicesTestCase):
    """Jobs end with their plugin, however that ends."""

    def test_stop(self) -> None:
        """Stopped."""
        loaded = self.load(Busy)
        self.successResultOf(Deferred.fromCoroutine(loaded.start()))
        self.assertEqual(len(self.network.getDelayedCalls()), 1)
        self.successResultOf(Deferred.fromCoroutine(loaded.stop()))
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_never_started(self) -> None:
        """Made to look whether it can be: nothing runs, and nothing keeps the object alive."""
        spare_what_lasts()
        found = weakref.ref(self.load(Busy).plugins["busy"])
        self.assertEqual(self.network.getDelayedCalls(), [])
        gc.collect()
        self.assertIsNone(found())

    def test_failed_start(self) -> None:
        """It or another one did not start, be it before or after its turn."""
        for plugins in ((Busy, NoStart), (NoStart, Busy)):
            starting = Deferred.fromCoroutine(self.load(*plugins).start())
            self.failureResultOf(starting, PluginStartError)
            self.assertEqual(self.network.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """It or another one is refused at load."""
        self.assertRaises(ConfigError, self.load, Busy, Misspelt)
        self.assertEqual(self.network.getDelayedCalls(), [])


def scanner(fail: Any, pool: str = "scan") -> type[Plugin]:
    """Make a plugin that scans in a thread."""

    class Scanner(Plugin):
        name = "scanner"

        @hookimpl()
        def content_need(self, txn: Transaction, side: Side) -> Need:
            return Whole(1024)

        @hookimpl(thread=pool, fail=fail)
        def scan_content(self, job: ScanJob) -> ScanResult | None:
            return Clean("test", "1", Coverage(job.size, True))

    return Scanner


class OverloadTests(ServicesTestCase):
    """What becomes of hooks when their pool is full."""

    def fault(self, load: Callable[[], object]) -> str:
        """Give the only fault."""
        (fault,) = self.assertRaises(ConfigError, load).faults
        return f"{fault.message} ({fault.mend})"

    def full(self, overload: str, fail: Any) -> Any:
        """Load a scanner, fill its pool, and call its hook."""
        table = {"workers": 1, "queue": 0, "overload": overload}
        loaded = self.load(scanner(fail), threads__scan=table)
        self.assertNoResult(self.services.threads.run("scan", divmod, 1, 1))
        return self.scan(loaded)

    def scan(self, loaded: LoadedPlugins) -> Any:
        """Call the hook that runs in the pool."""
        (step,) = (step for step in loaded._steps if step.hook == "scan_content")
        return step.function(object())

    def test_block(self) -> None:
        """C{block} fails at once, whatever the error rule then makes of it."""
        for rule in ("closed", "open"):
            self.failureResultOf(self.full("block", rule), Overloaded)

    def test_bypass(self) -> None:
        """C{bypass} is no opinion, but not in silence: it is counted, and told when it begins."""
        answer = Deferred.fromCoroutine(self.full("bypass", "open"))
        self.assertIsNone(self.successResultOf(answer))
        self.assertEqual([event.name for event in self.events], ["pool_full"])
        refused = {
            sample.labels["pool"]: sample.value
            for family in self.services.families()
            for sample in family.samples
            if sample.name == "gateway_pool_refused_total"
        }
        self.assertEqual(refused, {"scan": 1, "directory": 0, "disk": 0, "store": 0, "alarms": 0})

    def test_bypass_of_what_fails_closed(self) -> None:
        """C{bypass} is refused at load where it would let by what must be judged; the file can say otherwise."""
        said = self.fault(lambda: self.full("bypass", None))
        self.assertIn('"bypass" would let by what scan_content of "scanner" must judge', said)
        self.assertIn('say fail = "open" in [plugins.scanner]', said)
        table = {"overload": "bypass"}
        self.load(scanner(None), threads__scan=table, plugins__scanner={"fail": "open"})
        self.fault(
            lambda: self.load(
                scanner("open"), threads__scan=table, plugins__scanner={"fail": "closed"}
            )
        )

    def test_own_failure(self) -> None:
        """A full pool that the function itself ran into is no bypass of this one."""

        class Deep(Plugin):
            name = "deep"

            @hookimpl()
            def content_need(self, txn: Transaction, side: Side) -> Need:
                return Whole(1024)

            @hookimpl(thread="scan", fail="open")
            def scan_content(self, job: ScanJob) -> ScanResult | None:
                raise Overloaded("directory", "full")

        loaded = self.load(Deep, threads__scan={"overload": "bypass"})
        answer = Deferred.fromCoroutine(self.scan(loaded))
        pool = self.services.threads.pools["scan"]
        pool._queue.put(None)
        pool._work()
        self.network.settle()
        self.network.advance(0)
        self.failureResultOf(answer, Overloaded)

    def test_unknown_pool(self) -> None:
        """A pool that does not exist is found at load, not at the first call."""
        said = self.fault(lambda: self.load(scanner(None, "scna")))
        self.assertIn(
            'a thread pool "scna", which does not exist (one of scan, directory, disk)', said
        )
