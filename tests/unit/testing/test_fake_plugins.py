"""Tests of the gateway that authors of plugins test with: what each sort of plugin finds in it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Block, Event, Failed, Refused, Severity, StoreFailed
from gateway.api.settings import Secret
from gateway.testing import FakeGateway
from tests.unit.testing.plugins import (
    BlockHosts,
    Censors,
    Connects,
    Hashes,
    Remembers,
    Responds,
    Scans,
    Tells,
    TellsSettings,
    Writes,
    WritesToo,
)


class ServiceTests(SynchronousTestCase):
    """The plugin's services, as a test sees them."""

    def test_store(self) -> None:
        """What the plugin keeps can be looked at and prepared, and is gone when its time is up."""
        gw = FakeGateway(Remembers, store={"192.0.2.9": b"was here"})
        store: Any = gw.services.store
        self.assertEqual(gw.get("http://a.example/", address="192.0.2.9").seen().status, 403)
        self.assertEqual(gw.get("http://a.example/").seen().status, 404)
        self.assertEqual(store["192.0.2.7"], b"was here")
        self.assertEqual(list(store), ["192.0.2.7", "192.0.2.9"])
        self.assertEqual(gw.get("http://a.example/").seen().status, 403)
        gw.clock.advance(30.0)
        self.assertNotIn("192.0.2.7", store)
        error = self.assertRaises(KeyError, store.__getitem__, "192.0.2.7")
        self.assertIn("there are: 192.0.2.9", str(error))
        gw.stop()

    def test_store_fails(self) -> None:
        """A test can let the store fail."""
        gw = FakeGateway(Remembers)
        store: Any = gw.services.store
        store.failing = StoreFailed("failed", "the disk is full")
        self.assertEqual(gw.get("http://a.example/").seen().status, 503)
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)
        store.failing = None
        self.flushLoggedErrors()
        self.assertEqual(gw.get("http://a.example/").seen().status, 404)

    def test_metrics(self) -> None:
        """Numbers are looked at by the names and labels that the plugin gave them."""
        gw = FakeGateway(Remembers)
        metrics: Any = gw.services.metrics
        gw.get("http://a.example/")
        gw.get("http://a.example/")
        self.assertEqual(metrics.value("seen", host="a.example"), 2.0)
        self.assertEqual(metrics.value("seen_total", host="a.example"), 2.0)
        self.assertEqual(metrics.value("seen", host="b.example"), 0.0)
        self.assertEqual(metrics.value("size_count"), 2.0)
        self.assertEqual(metrics.value("size_sum"), 10.0)
        error = self.assertRaises(KeyError, metrics.value, "other")
        self.assertIn("made were: seen, size", str(error))

    def test_jobs(self) -> None:
        """Jobs run as time goes by, and end with the gateway."""
        gw = FakeGateway(Remembers, store={"x": b"y"})
        every: Any = gw.services.every
        (job,) = every.jobs
        self.assertEqual((job.name, job.runs), ("forget", 0))
        gw.clock.advance(60.0)
        self.assertEqual((job.runs, len(gw.services.store)), (1, 0))  # type: ignore[arg-type]
        gw.stop()
        self.assertEqual(gw.clock.getDelayedCalls(), [])

    def test_failing_job(self) -> None:
        """What a job raises is noted and logged, and it runs again."""
        gw = FakeGateway(Remembers)
        every: Any = gw.services.every
        store: Any = gw.services.store
        store.failing = StoreFailed("failed", "the disk is full")
        gw.clock.advance(120.0)
        self.assertEqual([name for name, _ in every.errors], ["forget", "forget"])
        self.assertIn("the job forget failed", gw.log[0])
        self.assertEqual(gw.log[0].level, "error")

    def test_events(self) -> None:
        """Events of the plugin and of the gateway are noted, each once."""
        gw = FakeGateway(Remembers, {"fail": "open"})
        gw.get("http://a.example/")
        gw.get("http://a.example/")
        again, refused = gw.events
        self.assertEqual(
            again, Event("again", Severity.INFO, "somebody is here again", "192.0.2.7")
        )
        self.assertEqual((refused.name, refused.subject), ("policy_violation", "192.0.2.7"))
        store: Any = gw.services.store
        store.failing = StoreFailed("failed", "the disk is full")
        for _ in range(5):
            gw.get("http://a.example/")
        self.assertEqual([event.name for event in gw.events[2:]], ["plugin_unhealthy"])
        self.flushLoggedErrors()

    def test_log_keeps_secrets(self) -> None:
        """The log is the real one, so a test sees that no secret gets into it."""
        gw = FakeGateway(Tells, TellsSettings(Secret("correct-horse-battery")))
        self.assertEqual(len(gw.log), 1)
        self.assertNotIn("correct-horse-battery", gw.log[0])

    def test_threads(self) -> None:
        """What is given to a pool runs in the same turn, and can be held up, or refused by a full pool."""
        gw = FakeGateway(Hashes)
        self.assertEqual(gw.get("http://a.example/").seen().notes, {"hash": "97"})
        self.assertEqual([(ran.pool, ran.name) for ran in gw.threads.ran], [("disk", "_hash")])
        gw.threads.hold()
        exchange = gw.get("http://a.example/")
        self.assertNoResult(exchange)
        gw.threads.release()
        self.assertEqual(exchange.seen().status, 404)
        gw.threads.full.add("disk")
        seen = gw.get("http://a.example/").seen()
        self.assertIn("Overloaded", repr(seen))
        self.flushLoggedErrors()
        gw.stop()


class PluginTests(SynchronousTestCase):
    """Every sort of plugin has its place."""

    def test_several(self) -> None:
        """Plugins run in the order given, each with services of its own."""
        gw = FakeGateway(Writes, plugins=[WritesToo, (BlockHosts, {"hosts": ["bad.example"]})])
        self.assertEqual(list(gw.plugins), ["writes", "writes_too", "block_hosts"])
        self.assertEqual(gw.get("http://a.example/").seen().notes, {"order": "wt"})
        self.assertEqual(gw.get("http://bad.example/").seen().status, 403)
        self.assertIs(gw.plugins["writes_too"].services, gw.services_of("writes_too"))
        self.assertIsNot(gw.services, gw.services_of("writes_too"))
        self.assertIs(gw.plugin, gw.plugins["writes"])
        gw.stop()

    def test_client_connected(self) -> None:
        """A connection that is dropped before any request has no outcome and no line, and that is seen, too."""
        gw = FakeGateway(Connects)
        seen = gw.get("http://a.example/", address="192.0.2.66").seen()
        self.assertEqual((seen.outcome, seen.status, seen.log), (None, 0, {}))
        self.assertFalse(seen.reached_origin)
        gw.stop()

    def test_identity(self) -> None:
        """Who is asking is in the log's line."""
        gw = FakeGateway(Connects)
        seen = gw.get("http://a.example/", {"Authorization": "x"}).seen()
        self.assertEqual(seen.log["user"], "alice")

    def test_parent(self) -> None:
        """A request that a plugin sends to a parent comes there in its form, and the page answers all the same."""
        gw = FakeGateway(Connects, origin={"http://www.far.example/": b"far"})
        self.assertEqual(gw.get("http://www.far.example/").seen().content, b"far")
        self.assertEqual(gw.origin.request.target, b"http://www.far.example/")
        gw.stop()

    def test_address(self) -> None:
        """A test says which address a name has, and the request is not sent where the plugin refuses that."""
        gw = FakeGateway(Connects)
        gw.origin.addresses["rebound.example"] = "203.0.113.5"
        seen = gw.get("http://rebound.example/").seen()
        self.assertEqual((seen.verdict, seen.reached_origin), (Block("rebound"), False))
        gw.stop()

    def test_unreachable(self) -> None:
        """Hosts can be down or have no address."""
        gw = FakeGateway(Connects)
        gw.origin.down.add("down.example")
        gw.origin.unknown.add("nowhere.example")
        self.assertEqual(gw.get("http://down.example/").seen().status, 502)
        self.assertIn(gw.get("http://nowhere.example/").seen().status, (502, 504))
        self.assertEqual(gw.origin.requests, [])
        gw.stop()

    def test_filters(self) -> None:
        """What a filter changes the client gets changed; what it refuses the origin never gets whole."""
        gw = FakeGateway(Censors, origin={"http://a.example/": b"hello"})
        self.assertEqual(gw.get("http://a.example/").seen().content, b"HELLO")
        seen = gw.request("POST", "http://a.example/", content=[b"the ", b"secret"]).seen()
        self.assertEqual(seen.outcome, Refused(Block("a secret")))
        self.assertEqual(
            [request.complete for request in gw.origin.requests if request.method == b"POST"],
            [False] * seen.reached_origin,
        )
        gw.stop()

    def test_context(self) -> None:
        """It is a context manager, which stops it."""
        with FakeGateway(Remembers) as gw:
            gw.get("http://a.example/")
        self.assertRaises(AssertionError, gw.get, "http://a.example/")

    def test_object(self) -> None:
        """A plugin that was made already is taken as it is."""
        plugin = Responds()
        gw = FakeGateway(plugin)
        self.assertIs(gw.plugin, plugin)
        seen = gw.get("http://a.example/").seen()
        self.assertEqual((seen.content, seen.reached_origin), (b"mine", False))
        gw.stop()


class ScanTests(SynchronousTestCase):
    """Plugins that need content whole."""

    def test_infected_response(self) -> None:
        """What is found in a response keeps all of it from the client, and the pool notes the call."""
        gw = FakeGateway(Scans, origin={"http://a.example/": b"a heron", "http://b.example/": b"b"})
        seen = gw.get("http://a.example/").seen()
        self.assertIsInstance(seen.outcome, Refused)
        self.assertNotIn(b"a heron", seen.content)
        self.assertEqual(gw.get("http://b.example/").seen().content, b"b")
        self.assertEqual([ran.pool for ran in gw.threads.ran].count("scan"), 2)
        gw.stop()

    def test_infected_upload(self) -> None:
        """What is found in an upload never comes to the origin."""
        gw = FakeGateway(Scans)
        seen = gw.request("POST", "http://a.example/", content=[b"a her", b"on"]).seen()
        self.assertIsInstance(seen.outcome, Refused)
        self.assertFalse(seen.reached_origin)
        gw.stop()

    def test_busy_threads(self) -> None:
        """While every thread is busy there is no answer; when the budget is used up it is refused."""
        gw = FakeGateway(Scans, {"budget": "5s"}, origin={"http://a.example/": b"hello"})
        gw.threads.hold()
        exchange = gw.get("http://a.example/")
        self.assertNoResult(exchange)
        gw.clock.advance(6.0)
        self.assertIsInstance(self.successResultOf(exchange).outcome, Failed)
        self.flushLoggedErrors()
