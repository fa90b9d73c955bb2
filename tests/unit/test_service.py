"""Tests of L{gateway.service}: stages that wait for each other, in a start, in a failing start, and in a stop."""

from __future__ import annotations

import contextlib
import io
import signal
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Event, Plugin, Severity, hookimpl
from gateway.api.catalogue.service import ORIGIN_DOWN
from gateway.config.load import load
from gateway.service import GatewayService
from gateway.testing.harness import Harness
from gateway.testing.network import MemoryNetwork
from gateway.testing.peers import request, response

SITE = {"host": ["*"], "listen": ["192.0.2.1:80"], "origins": ["http://198.51.100.1"]}


class Slow(Plugin):
    """
    A plugin that starts and stops when the test says so.

    @ivar starting: fires its start.
    @ivar stopping: fires its stop.
    """

    name = "slow"

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.starting: Deferred[None] = Deferred()
        self.stopping: Deferred[None] = Deferred()

    async def start(self) -> None:
        """Start."""
        self.log.append("start begins")
        await self.starting
        self.log.append("started")

    async def stop(self) -> None:
        """Stop."""
        self.log.append("stop begins")
        await self.stopping
        self.log.append("stopped")


class Echoing(Plugin):
    """A plugin that tells an event of each event."""

    name = "echoing"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.service: Any = None
        self.fails = False

    @hookimpl()
    def event(self, event: Event) -> None:
        """Note it and tell another one, or fail."""
        self.seen.append(event.name)
        if self.fails:
            raise LookupError("a bug")
        self.service.tell(Event("echo", Severity.INFO, "of an event"))


class Outside(MemoryNetwork):
    """A network that remembers whether it was stopped, and what is to come after that."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = 0
        self.triggers: list[tuple[object, ...]] = []

    def stop(self) -> None:
        """Count it."""
        self.stops += 1

    def addSystemEventTrigger(self, *args: object, **kwargs: object) -> None:
        """Keep it."""
        self.triggers.append(args)


class ServiceCase(SynchronousTestCase):
    """A service on a network in memory, which a test starts itself."""

    def setUp(self) -> None:
        self.network = Outside()
        self.said = io.StringIO()
        for number in (signal.SIGUSR1, signal.SIGHUP):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def made(self, settings: dict[str, Any] | None = None, **plugins: object) -> GatewayService:
        """Compose."""
        said = {
            "admin.health": "",
            "log.access": "",
            "plugins.enabled": [*plugins, "upload_limit"],
            "watch.every": 0,
            **(settings or {}),
        }
        return GatewayService(load(None, said, {}), self.network, extra_plugins=plugins)

    def start(self, service: GatewayService) -> str:
        """Start it; give what it says."""
        with contextlib.redirect_stdout(self.said):
            service.startService()
            self.network.settle()
        return self.said.getvalue()

    def stop(self, service: GatewayService) -> None:
        """Stop it, which must succeed, and see that it leaves nothing."""
        stopping = service.stopService()
        self.network.pass_time(service.config.timeouts.drain + 5)
        self.successResultOf(stopping)
        self.assertEqual((self.network.ports, self.network.getDelayedCalls()), ([], []))


class StartTests(ServiceCase):
    """Starts that succeed."""

    def test_composed(self) -> None:
        """Before the start nothing listens and nothing is on the clock."""
        self.made({"site": [{**SITE, "health": "/up"}], "admin.health": "192.0.2.1:8081"})
        self.assertEqual((self.network.ports, self.network.getDelayedCalls()), ([], []))

    def test_greeting(self) -> None:
        """Each listener is named with a command that works for it, and the log with its place."""
        text = self.start(
            self.made(
                {
                    "forward.listen": ["192.0.2.1:8080"],
                    "site": [
                        SITE,
                        {**SITE, "host": ["*.example.com"], "listen": ["192.0.2.1:81"]},
                        {**SITE, "host": ["www.example.com"], "listen": ["[2001:db8::1]:80"]},
                    ],
                    "admin.health": "192.0.2.1:8081",
                    "log.access": "/var/log/gateway/access.log",
                }
            )
        )
        for line in (
            "forward proxy on 192.0.2.1:8080     try: curl -x http://192.0.2.1:8080 http://example.com/",
            "reverse proxy on 192.0.2.1:80     try: curl http://192.0.2.1:80/",
            "reverse proxy on 192.0.2.1:81     try: curl -H Host:www.example.com http://192.0.2.1:81/",
            "reverse proxy on [2001:db8::1]:80     try: curl -H Host:www.example.com http://[2001:db8::1]:80/",
            "health and metrics on 192.0.2.1:8081     try: curl http://192.0.2.1:8081/readyz",
            "access log: /var/log/gateway/access.log",
        ):
            self.assertIn(f"  {line}\n", text)

    def test_places_of_the_log(self) -> None:
        """Standard output and no log at all have words."""
        self.assertIn("access log: off\n", self.start(self.made()))
        self.said.truncate(0)
        self.network = Outside()
        self.assertIn("access log: standard output\n", self.start(self.made({"log.access": "-"})))

    def test_plugins_first(self) -> None:
        """No port is open before every plugin is up, and then the gateway is ready."""
        log: list[str] = []
        plugin = Slow(log)
        service = self.made(slow=plugin)
        self.start(service)
        self.network.pass_time(1)
        self.assertEqual((log, self.network.ports), (["start begins"], []))
        with contextlib.redirect_stdout(self.said):
            plugin.starting.callback(None)
        self.assertEqual(self.network.ports, [("127.0.0.1", 8080)])
        self.assertTrue(service.readiness.is_ready)

    def test_readiness(self) -> None:
        """It is ready as long as its listeners are open and it does not stop."""
        service = self.made()
        self.start(service)
        self.assertTrue(service.readiness.is_ready)
        closing = Deferred.fromCoroutine(service.listeners.close_clients())
        self.network.settle()
        self.successResultOf(closing)
        self.assertEqual(service.readiness.report()["listeners"], "closed: 127.0.0.1:8080")
        self.stop(service)
        self.assertIn("stops", service.readiness.report()["draining"] or "")


class FailingStartTests(ServiceCase):
    """Starts that fail."""

    def fails(self, service: GatewayService) -> str:
        """Start it; give the words it ends with."""
        ended = self.assertRaises(SystemExit, self.start, service)
        return str(ended.code)

    def test_address_taken(self) -> None:
        """The listener is named, and why."""
        self.start(self.made())
        line = self.fails(self.made())
        self.assertRegex(line, r"^gateway: forward: can't listen on 127\.0\.0\.1:8080: .*taken")
        self.assertNotIn("\n", line)

    def test_admin_address_taken(self) -> None:
        """The health listener is named by its setting."""
        self.start(self.made({"admin.health": "127.0.0.1:8081"}))
        line = self.fails(
            self.made({"forward.listen": ["127.0.0.1:1"], "admin.health": "127.0.0.1:8081"})
        )
        self.assertIn("gateway: admin.health: can't listen on 127.0.0.1:8081", line)

    def test_plugin(self) -> None:
        """A plugin that does not start is named, and no port is opened."""

        class Failing(Slow):
            name = "failing"

            async def start(self) -> None:
                raise LookupError("no data base")

        plugin = Failing([])
        plugin.stopping.callback(None)
        self.assertEqual(
            self.fails(self.made(failing=plugin)),
            "gateway: plugin failing did not start: LookupError: no data base",
        )
        self.assertEqual(self.network.ports, [])

    def test_user(self) -> None:
        """An account that is not there is a fault too."""
        self.assertIn(
            "no user no-such-user", self.fails(self.made({"gateway.user": "no-such-user"}))
        )

    def test_later(self) -> None:
        """A start that fails when the reactor runs already stops that, and the process's status says so."""
        plugin = Slow([])
        self.start(self.made(slow=plugin))
        plugin.starting.errback(LookupError("no data base"))
        plugin.stopping.callback(None)
        self.network.pass_time(1)
        self.assertEqual(self.network.stops, 1)
        self.assertEqual(
            [(*trigger[:2], *trigger[3:]) for trigger in self.network.triggers],
            [("after", "shutdown", 1)],
        )

    def test_stopped_while_starting(self) -> None:
        """A stop that comes while a plugin still starts ends all the same, and nothing is opened after it."""
        log: list[str] = []
        plugin = Slow(log)
        service = self.made(slow=plugin)
        self.start(service)
        stopping = service.stopService()
        plugin.stopping.callback(None)
        self.network.pass_time(1)
        self.successResultOf(stopping)
        with contextlib.redirect_stdout(self.said), contextlib.suppress(Exception):
            plugin.starting.callback(None)
        self.network.settle()
        self.assertEqual((self.network.ports, self.network.getDelayedCalls()), ([], []))


class StopTests(ServiceCase):
    """Stops; the rules of draining are in C{tests.scenarios.test_drain}."""

    def test_order(self) -> None:
        """Ports are closed and clients gone before a plugin is stopped; the pages of health answer until then."""
        log: list[str] = []
        plugin = Slow(log)
        plugin.starting.callback(None)
        service = self.made({"admin.health": "192.0.2.1:8081"}, slow=plugin)
        self.start(service)
        client = self.network.open(("127.0.0.1", 8080), ("127.0.0.1", 1))
        assert client is not None
        self.network.settle()
        stopping = service.stopService()
        self.assertEqual(self.network.ports, [("192.0.2.1", 8081)])
        self.network.pass_time(10)
        self.assertEqual(log[2:], ["stop begins"])
        self.assertNoResult(stopping)
        plugin.stopping.callback(None)
        self.network.settle()
        self.successResultOf(stopping)
        self.assertEqual((self.network.ports, self.network.getDelayedCalls()), ([], []))

    def test_nothing_left(self) -> None:
        """A start and a stop leave nothing behind: no port, no timer, no signal."""
        before = signal.getsignal(signal.SIGUSR1)
        service = self.made({"site": [{**SITE, "health": "/up"}], "admin.health": "192.0.2.1:8081"})
        self.start(service)
        self.assertNotEqual(signal.getsignal(signal.SIGUSR1), before)
        self.stop(service)
        self.assertEqual(signal.getsignal(signal.SIGUSR1), before)

    def test_hurry(self) -> None:
        """Whoever is told to hurry waits for nothing that runs, but for its line in the log."""
        gateway = Harness(
            GatewayService,
            {"forward.allow_from": ["192.0.2.0/24"], "timeouts.drain": "300s"},
            folder=self.mktemp(),
        )
        gateway.origin()
        client = gateway.client()
        client.send(request(b"http://origin.example.com/"))
        stopping = gateway.begin_stop()
        gateway.advance(10)
        self.assertNoResult(stopping)
        service: Any = gateway.service
        service._hurry()
        gateway.advance(0.2)
        self.successResultOf(stopping)
        self.assertEqual(client.closed, "reset")
        self.assertEqual([line["outcome"] for line in gateway.log], ["aborted"])


class RunningTests(ServiceCase):
    """What the service does in between."""

    def test_event_of_an_event(self) -> None:
        """An event that comes from telling one goes to no plugin: two that tell of each other would never end."""
        plugin = Echoing()
        plugin.service = service = self.made(echoing=plugin)
        self.start(service)
        service.tell(Event("one", Severity.INFO, "first"))
        service.tell(Event("two", Severity.INFO, "second"))
        self.assertEqual(plugin.seen, ["one", "two"])
        self.stop(service)

    def test_event_before_the_start(self) -> None:
        """What is raised before everything has started waits for those who are told, in its order."""
        plugin = Echoing()
        plugin.service = service = self.made(echoing=plugin)
        service.tell(Event("one", Severity.INFO, "first"))
        service.tell(Event("two", Severity.INFO, "second"))
        self.assertEqual(plugin.seen, [])
        self.start(service)
        self.assertEqual(plugin.seen, ["one", "two"])
        self.stop(service)

    def test_event_while_all_is_closed(self) -> None:
        """That something is down is no event once we close what we use; that content was quarantined still is one."""
        late, plugin = Slow([]), Echoing()
        plugin.service = service = self.made(echoing=plugin, slow=late)
        self.start(service)
        with contextlib.redirect_stdout(self.said):
            late.starting.callback(None)
            self.network.settle()
        stopping = service.stopService()
        self.network.settle()
        self.assertNoResult(stopping)
        service.tell(ORIGIN_DOWN("closed by ourselves", "a"))
        service.tell(Event("content_quarantined", Severity.INFO, "kept"))
        self.assertEqual(plugin.seen, ["content_quarantined"])
        late.stopping.callback(None)
        self.network.settle()
        self.successResultOf(stopping)

    def test_event_hook_that_fails(self) -> None:
        """A plugin that fails on an event concerns nobody, and is told of the next one."""
        plugin = Echoing()
        plugin.fails = True
        service = self.made(echoing=plugin)
        self.start(service)
        for _ in range(2):
            service.tell(Event("one", Severity.INFO, "first"))
        self.assertEqual(plugin.seen, ["one", "one"])
        self.stop(service)
        self.flushLoggedErrors(LookupError)

    def test_all_connections(self) -> None:
        """The limit of connections holds over all listeners together."""
        gateway = Harness(
            GatewayService,
            {
                "forward.allow_from": ["192.0.2.0/24"],
                "forward.listen": ["192.0.2.1:8080", "192.0.2.1:8081"],
                "limits.connections": 3,
            },
            folder=self.mktemp(),
        )
        self.addCleanup(gateway.stop)
        gateway.origin(reply=response(b"abc"))
        clients = [gateway.client(listener=number % 2) for number in range(4)]
        self.assertEqual([client.closed for client in clients], ["", "", "", "fin"])
        clients[0].close()
        again = gateway.client(listener=1)
        again.send(request(b"http://origin.example.com/"))
        self.assertEqual(again.response().content, b"abc")

    def test_new_log(self) -> None:
        """SIGUSR1 goes on in a new file, in the reactor's own time."""
        path = Path(self.mktemp())
        service = self.made({"log.access": str(path.absolute())})
        self.start(service)
        path.rename(f"{path}.1")
        signal.raise_signal(signal.SIGUSR1)
        self.network.pass_time(1)
        self.assertTrue(path.exists())
        self.stop(service)
