"""What operators read of plugins in the metrics: calls, errors, verdicts and the plugins' own numbers, of those in use now."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import CancelledError

from gateway.api import Block, PluginError, Transaction, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.plugins import Base, OnRequest
from tests.scenarios.support import URL, ScenarioTestCase


def read(gateway: Harness) -> dict[tuple[object, ...], float]:
    """Read the numbers of plugins, by name without C{gateway_plugin_} and the labels' values."""
    text = gateway.service.recorder.exposition().text().decode()
    return {
        (sample.name[len("gateway_plugin_") :], *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("gateway_plugin_")
    }


class Tells(Base):
    """Tells what the test says."""

    @hookimpl()
    def counters(self) -> Mapping[str, float]:
        """Ask the test."""
        self.asked.append("counters")
        told: Mapping[str, float] = self.says()
        return told


class Counted(OnRequest):
    """Made anew in a reload."""

    name = "counted"

    def __init__(self, *_: object) -> None:
        super().__init__(lambda txn: Block("no") if txn.request.path == "/no" else None)


class NumbersTests(ScenarioTestCase):
    """F{/metrics}."""

    def ask(self, gateway: Harness, *paths: bytes) -> None:
        """Ask for each of these."""
        for path in paths:
            gateway.client().send(request(URL + path))

    def test_ledger(self) -> None:
        """Every call counts, and every answer by its kind; "no opinion" is none."""
        gateway = self.forward(plugins={"counted": Counted()})
        gateway.origin(reply=response(b"ok"))
        self.ask(gateway, *[b"no"] * 3, *[b"yes"] * 30)
        found = read(gateway)
        self.assertEqual(found["calls_total", "counted", "request_headers"], 33)
        self.assertEqual(found["errors_total", "counted", "request_headers"], 0)
        self.assertEqual(found["verdicts_total", "block", "counted", "request_headers"], 3)
        self.assertEqual([key for key in found if key[0] == "verdicts_total"][1:], [])
        self.assertGreater(found["seconds_total", "counted", "request_headers"], 0)

    def test_errors(self) -> None:
        """What fails counts as an error, whichever way it failed."""

        def fail(txn: Transaction) -> object:
            if txn.request.path == "/raise":
                raise ZeroDivisionError
            return True

        gateway = self.forward(plugins={"test": OnRequest(fail)})
        self.ask(gateway, b"raise", b"lie")
        found = read(gateway)
        self.assertEqual(found["errors_total", "request_headers", "test"], 2)
        self.assertEqual(found["unhealthy", "request_headers", "test"], 0)
        self.flushLoggedErrors(ZeroDivisionError, TypeError, PluginError)

    def test_reload(self) -> None:
        """After a reload the plugins of the new snapshot are told of, who begin at 0."""
        gateway = self.forward(plugins={"counted": Counted})
        gateway.origin(reply=response(b"ok"))
        self.ask(gateway, b"1", b"2")
        self.successResultOf(gateway.reload())
        self.ask(gateway, b"3")
        self.assertEqual(read(gateway)["calls_total", "counted", "request_headers"], 1)

    def test_own_numbers(self) -> None:
        """The hook counters is asked at each scrape, once, and its numbers are told."""
        plugin = Tells(lambda: {"hits_total": 3, "size": 0.5})
        gateway = self.forward(plugins={"test": plugin})
        self.assertEqual(plugin.asked, [])
        found = read(gateway)
        self.assertEqual((found["hits_total", "test"], found["size", "test"]), (3.0, 0.5))
        self.assertEqual(plugin.asked, ["counters"])

    def test_own_numbers_that_fail(self) -> None:
        """A plugin that fails to tell its numbers has none this time; all other numbers are told."""
        errors: list[BaseException] = [ZeroDivisionError(), SystemExit(), CancelledError()]

        def fail() -> Mapping[str, float]:
            raise errors.pop(0)

        gateway = self.forward(plugins={"test": Tells(fail)})
        where = ("counters", "test")
        # Each scrape tells what was before it; to be cancelled is no error.
        for before in (0, 1, 2):
            found = read(gateway)
            self.assertEqual([key for key in found if key[0] in ("hits_total", "size")], [])
            self.assertEqual(found["errors_total", *where], before)
        errors.append(KeyError())
        found = read(gateway)
        self.assertEqual((found["calls_total", *where], found["errors_total", *where]), (3, 2))
        self.flushLoggedErrors(ZeroDivisionError, SystemExit, KeyError)
