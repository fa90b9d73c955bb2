"""A gateway with which all is well is silent (S29, S30): nothing is told for a day, of its start, its traffic or its stop."""

from __future__ import annotations

from typing import Any

from gateway.api import ChannelRules, Event, Notice, Plugin, Services, hookimpl
from gateway.api.events import Notify
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase
from tests.scenarios.test_watches import Readings

_HOUR = 3600.0
#: What is usual for a gateway and not for one of the tests; disks are this machine's own.
_WATCHED = {"watch.every": "10s", "watch.disk": 0}


class Listener(Plugin):
    """
    Hears of every event, and has a channel that is told of each at once.

    @ivar events: that were raised.
    @ivar notices: that were delivered.
    """

    name = "ear"

    def __init__(self, settings: object, services: Services) -> None:
        self.events: list[Event] = []
        self.notices: list[Notice] = []
        rules = ChannelRules(default=Notify.ALWAYS, limit_seconds=0.0)
        services.alarms.channel("everything", self.notices.append, rules)

    @hookimpl()
    def event(self, event: Event) -> None:
        """Note it."""
        self.events.append(event)


class QuietDayTests(ScenarioTestCase):
    """A day of simulated time with the settings that hold where nothing is written."""

    def begun(self, gateway: Harness) -> Listener:
        """Put a gateway on a machine that is well, and give who listens to it."""
        service: Any = gateway.service
        self.machine = Readings()
        readings = service.watches.readings
        readings.host = readings.memory_of = self.machine
        listener: Listener = service.plugins.plugins["ear"]
        return listener

    def hours(self, gateway: Harness, count: int, asked: bytes) -> None:
        """Let hours pass, with some requests in each."""
        gateway.origin(reply=response(b"hello", b"Content-Type: text/plain"))
        for _ in range(count):
            client = gateway.client()
            for _ in range(3):
                client.send(asked)
                gateway.settle()
            gateway.advance(_HOUR)
        self.assertEqual([line["status"] for line in gateway.log], [200] * 3 * count)

    def test_forward(self) -> None:
        """A forward proxy raises nothing, and so tells nothing; neither does its stop."""
        gateway = self.forward(_WATCHED, plugins={"ear": Listener})
        listener = self.begun(gateway)
        self.hours(gateway, 24, request(URL))
        gateway.stop()
        self.assertEqual((listener.events, listener.notices), ([], []))

    def test_reverse(self) -> None:
        """So does a site, in the two hours in which it would repeat what it has to tell four times."""
        gateway = self.reverse(settings=_WATCHED, plugins={"ear": Listener})
        listener = self.begun(gateway)
        self.hours(gateway, 2, request(b"/"))
        gateway.stop()
        self.assertEqual((listener.events, listener.notices), ([], []))

    def test_can_be_heard(self) -> None:
        """What is not well is heard in the same way: the tests above can fail."""
        gateway = self.forward(_WATCHED, plugins={"ear": Listener})
        listener = self.begun(gateway)
        self.machine.used = 99
        gateway.advance(120.0)
        self.assertEqual([event.name for event in listener.events], ["memory_short"])
        (notice,) = listener.notices
        self.assertEqual([alarm.event for alarm in notice.alarms], listener.events)
