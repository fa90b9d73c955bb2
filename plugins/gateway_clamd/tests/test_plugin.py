"""Tests of the plugin in a gateway, and of what it says of itself."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Response, Services, Side, Surroundings, Whole
from gateway.testing import FakeGateway, FakeServices, check_plugin
from gateway_clamd import Clamd, ClamdSettings, plugin
from gateway_clamd.settings import address
from gateway_clamd.tests.plugin_case import PluginTestCase
from gateway_clamd.tests.scripted import BAD, ScriptedClamd

URL = "http://www.example.com/a"


class GatewayTests(SynchronousTestCase):
    """A whole gateway with a scripted clamd."""

    def setUp(self) -> None:
        clamd = self.clamd = ScriptedClamd()

        class Scripted(Clamd):
            """The plugin, which reaches nobody but the scripted clamd."""

            def __init__(self, settings: ClamdSettings, services: Services) -> None:
                clamd.clock = services.clock
                super().__init__(settings, services, connect=clamd.connect)

        self.gateway = FakeGateway(Scripted, {})
        self.addCleanup(self.gateway.stop)
        self.gateway.clock.advance(0.1)

    def get(self, content: bytes) -> Any:
        """Fetch something."""
        self.gateway.origin[URL] = Response(200, content=content)
        waiting = self.gateway.get(URL)
        self.gateway.clock.advance(1.0)
        return self.successResultOf(waiting)

    def test_downloads(self) -> None:
        """What is clean arrives, what is bad does not, and the log says which."""
        seen = self.get(b"hello")
        self.assertEqual((seen.status, seen.content), (200, b"hello"))
        self.assertEqual(seen.notes["scan_response"], "clean")
        seen = self.get(b"hello" + BAD)
        self.assertEqual((seen.status, seen.verdict.category), (403, "scan_infected"))
        self.assertNotIn(BAD, seen.content)
        self.assertEqual(seen.notes["scan_found"], "Win.Test.Bad-1")

    def test_out_of_order(self) -> None:
        """Without a clamd nothing passes, and the client hears at once that it is not its fault."""
        self.clamd.kill()
        self.gateway.clock.advance(20.0)
        seen = self.get(b"hello")
        self.assertEqual((seen.status, seen.verdict.category), (503, "scan_engine_error"))


class ReadinessTests(PluginTestCase):
    """What load balancers hear."""

    def test_no_clamd(self) -> None:
        """The process is not ready before a clamd was tried out and while none can be used, unless that is not required."""
        plugin = self.made(begin=False)
        self.assertIn("/one is unknown", plugin.not_ready() or "")
        self.pass_by(0.1)
        self.assertIsNone(plugin.not_ready())
        self.clamd.kill()
        self.pass_by(20.0)
        self.assertIn("/one is down", plugin.not_ready() or "")

    def test_not_required(self) -> None:
        """Where content passes without a scan, traffic may come."""
        plugin = self.made(begin=False, required=False)
        self.assertIsNone(plugin.not_ready())


class OwnTests(PluginTestCase):
    """What it says of itself."""

    def test_check(self) -> None:
        """The kit finds nothing to mend."""
        self.assertEqual(check_plugin(Clamd), [])

    def test_need(self) -> None:
        """Everything is needed whole, as far as some clamd takes it."""
        self.clamd.max_stream = 3_000_000
        self.made(begin=False, descriptors=False)
        txn: Any = None
        self.assertEqual(self.plugin.content_need(txn, Side.REQUEST), Whole(512 << 20))
        self.pass_by(0.1)
        need = self.plugin.content_need(txn, Side.RESPONSE)
        assert isinstance(need, Whole)
        self.assertLessEqual(need.max_bytes, 3_000_000)

    def test_caution(self) -> None:
        """Content that goes to another machine in clear is worth a word."""
        equips = FakeServices(self.clock, self.events.append)
        for written, count in (
            (("unix:/run/c",), 0),
            (("tcp:127.0.0.1:3310", "tcp:[::1]:3310"), 0),
            (("tcp:10.0.0.7:3310",), 1),
        ):
            settings = ClamdSettings(address=tuple(map(address, written)))
            made = Clamd(settings, equips.for_plugin("clamd"))
            self.assertEqual(len(list(made.review(Surroundings()))), count)
            equips.stop()

    def test_stop(self) -> None:
        """When it is stopped, nobody is kept waiting; twice is no fault."""
        self.made(connections=1)
        self.clamd.holds = True
        waiting = [self.scan(b"one"), self.scan(b"two")]
        self.pass_by(0.1)
        self.plugin.stop()
        self.plugin.stop()
        self.pass_by(0.1)
        for one in waiting:
            self.assertEqual(getattr(self.successResultOf(one), "reason", None), "engine_error")
        self.assertEqual((self.clamd.scanned, self.told()), ([b"one"], []))

    def test_entry_point(self) -> None:
        """The package names its plugin, under the name that the configuration uses."""
        self.assertIs(plugin, Clamd)
        self.assertEqual(plugin.name, "clamd")
