"""The orders about events: what is out of order, a try of the channels, a maintenance window."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.admin.events import event_orders, sample
from gateway.api import ChannelRules, Notice, Plugin, Services
from gateway.api.alarms import DeliveryFailed
from gateway.api.catalogue import CATALOGUE
from gateway.api.catalogue.service import ORIGIN_DOWN, ORIGIN_UP
from gateway.testing.fake import FakeGateway


class Channels(Plugin):
    """
    Two receivers, of which one never takes anything.

    @ivar got: what the other one got.
    """

    name = "channels"

    def __init__(self, settings: object, services: Services) -> None:
        self.got: list[Notice] = []
        services.alarms.channel("good", self.got.append, ChannelRules())
        services.alarms.channel("bad", self.refuse, ChannelRules())

    def refuse(self, notice: Notice) -> None:
        """Fail."""
        raise DeliveryFailed("it does not answer")


class EventOrderTests(SynchronousTestCase):
    """L{event_orders}."""

    def setUp(self) -> None:
        self.gateway = FakeGateway(Channels)
        self.addCleanup(self.gateway.stop)
        self.service: Any = self.gateway._composed
        self.orders = event_orders(self.service.alarms)
        self.plugin: Any = self.service.plugins.plugins["channels"]

    def order(self, name: str, /, **said: Any) -> dict[str, Any]:
        """Carry an order out; what it gives can be written as JSON."""

        async def carried_out() -> dict[str, Any]:
            return await self.orders[name](said)

        answering = Deferred.fromCoroutine(carried_out())
        self.gateway.clock.advance(60.0)
        found: dict[str, Any] = json.loads(json.dumps(self.successResultOf(answering)))
        return found

    def test_nothing(self) -> None:
        """While all is well there is nothing but the channels, with what waits for each."""
        self.assertEqual(
            self.order("event_open"),
            {
                "ok": True,
                "why": "",
                "count": 0,
                "states": [],
                "channels": [
                    {"name": "channels/bad", "queued": 0},
                    {"name": "channels/good", "queued": 0},
                ],
                "quiet_until": None,
            },
        )

    def test_open(self) -> None:
        """A state is there from its beginning to its end."""
        self.gateway.tell(ORIGIN_DOWN("it is down", "a 10.0.0.1:80"))
        (state,) = self.order("event_open")["states"]
        since = state.pop("since")
        self.assertRegex(since, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
        self.assertEqual(
            state,
            {
                "name": "origin_down",
                "subject": "a 10.0.0.1:80",
                "severity": ORIGIN_DOWN.severity.value,
                "text": "it is down",
                "count": 1,
            },
        )
        self.gateway.tell(ORIGIN_UP("it is up", "a 10.0.0.1:80"))
        self.assertEqual(self.order("event_open")["states"], [])

    def test_test(self) -> None:
        """One real alarm goes to each receiver at once, marked as a test; who did not take it is named with why."""
        answer = self.order("event_test", name="malware_found")
        self.assertEqual(
            answer["receivers"],
            [
                {"channel": "channels/bad", "why": "it does not answer"},
                {"channel": "channels/good", "why": ""},
            ],
        )
        (notice,) = self.plugin.got
        (alarm,) = notice.alarms
        self.assertTrue(alarm.is_test)
        self.assertEqual(alarm.event, sample(CATALOGUE["malware_found"]))

    def test_test_of_nobody(self) -> None:
        """A channel that there is not is named, and so are those that there are; nothing is sent."""
        answer = self.order("event_test", name="malware_found", to=["mail", "channels"])
        self.assertEqual(
            (answer["ok"], answer["why"]),
            (False, "no channel of mail; there are those of channels"),
        )
        self.assertEqual(self.plugin.got, [])

    def test_misunderstood(self) -> None:
        """What is no event, no list of channels or no span of time is refused."""
        for name, said in (
            ("event_test", {}),
            ("event_test", {"name": "no_such_event"}),
            ("event_test", {"name": 5}),
            ("event_test", {"name": "malware_found", "to": "mail"}),
            ("event_test", {"name": "malware_found", "to": [1]}),
            ("event_quiet", {"seconds": -1}),
            ("event_quiet", {"seconds": 8 * 86400}),
            ("event_quiet", {"seconds": True}),
            ("event_quiet", {"seconds": "1h"}),
        ):
            self.assertFalse(self.order(name, **said)["ok"], f"{name} {said}")
        self.assertIsNone(self.order("event_quiet")["until"])

    def test_quiet(self) -> None:
        """A window begins and ends by order, and by itself."""
        self.assertIsNotNone(self.order("event_quiet", seconds=3600)["until"])
        self.assertIsNotNone(self.order("event_open")["quiet_until"])
        self.assertIsNone(self.order("event_quiet", seconds=0)["until"])
        self.assertIsNotNone(self.order("event_quiet", seconds=3600)["until"])
        self.gateway.clock.advance(3600.0)
        self.assertIsNone(self.order("event_quiet")["until"])

    def test_samples(self) -> None:
        """Each event of the catalogue can be tried, with all its details."""
        for kind in CATALOGUE.values():
            made = sample(kind)
            self.assertEqual((made.name, made.severity), (kind.name, kind.severity))
            self.assertEqual(list(made.values), [field.name for field in kind.fields])
