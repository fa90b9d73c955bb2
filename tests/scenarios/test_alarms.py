"""Alarms through the whole gateway: who hears of what, over reloads and to the end."""

from __future__ import annotations

from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Plugin, Services
from gateway.api.alarms import ChannelRules, Notice
from gateway.api.catalogue.security import MALWARE_FOUND
from gateway.api.catalogue.service import ORIGIN_DOWN, ORIGIN_UP
from gateway.service import GatewayService
from gateway.testing.harness import Harness


class Pager(Plugin):
    """Tells one receiver."""

    name = "pager"
    #: What came: the number of the object that delivered it, and what.
    told: ClassVar[list[tuple[int, str]]] = []
    made: ClassVar[int] = 0

    def __init__(self, settings: object, services: Services) -> None:
        super().__init__(settings, services)
        Pager.made += 1
        self.number = Pager.made
        services.alarms.channel("ops", self.deliver, ChannelRules(most_together=10))

    def deliver(self, notice: Notice) -> None:
        """Take a notice."""
        for alarm in notice.alarms:
            Pager.told.append((self.number, f"{alarm.event.name} {alarm.count}"))


class AlarmTests(SynchronousTestCase):
    """A gateway with one channel."""

    def setUp(self) -> None:
        """Start it."""
        Pager.told.clear()
        Pager.made = 0
        self.gateway = self.start()

    def start(self, settings: dict[str, object] | None = None) -> Harness:
        """Start a gateway."""
        said = {"forward.allow_from": ["192.0.2.0/24"], **(settings or {})}
        made = Harness(GatewayService, said, folder=self.mktemp(), plugins={"pager": Pager})
        self.addCleanup(made.stop)
        return made

    @property
    def service(self) -> GatewayService:
        """What is tested."""
        service = self.gateway.service
        assert isinstance(service, GatewayService)
        return service

    def test_told(self) -> None:
        """What happens is told; much of it in a digest, with the count."""
        for _ in range(1000):
            self.service.tell(MALWARE_FOUND("found", "192.0.2.7"))
        self.gateway.settle()
        self.assertEqual(Pager.told, [(1, "malware_found 1")])
        self.gateway.advance(900)
        self.assertEqual(Pager.told[1:], [(1, "malware_found 999")])

    def test_reload(self) -> None:
        """A reload loses no count, tells nothing twice, and what follows is told by the new object as newly said."""
        for _ in range(3):
            self.service.tell(MALWARE_FOUND("found", "192.0.2.7"))
        self.successResultOf(self.gateway.reload({"notify.digest": "10m"}))
        self.service.tell(MALWARE_FOUND("found", "192.0.2.7"))
        self.gateway.advance(900)
        self.assertEqual(Pager.told[0], (1, "malware_found 1"))
        self.assertEqual(
            [text for _, text in Pager.told[1:] if text.startswith("malware")], ["malware_found 3"]
        )
        self.assertEqual(Pager.told[-1][0], 2)
        self.assertEqual(list(self.service.alarms.channels()), ["pager/ops"])

    def test_channel_goes(self) -> None:
        """Where a reload takes the only channel away nothing of it stays."""
        self.service.tell(ORIGIN_DOWN("down", "a"))
        self.successResultOf(self.gateway.reload({"plugins.enabled": ["upload_limit"]}))
        self.assertEqual(self.service.alarms.channels(), {})
        self.service.tell(ORIGIN_UP("up", "a"))
        self.gateway.advance(3600)
        self.assertEqual(Pager.told, [(1, "origin_down 1")])

    def test_planned_stop(self) -> None:
        """A planned stop tells nothing of itself, nor that what is closed for it is down."""
        self.gateway.stop()
        self.assertEqual(Pager.told, [])
        self.service.tell(ORIGIN_DOWN("down", "a"))
        self.assertEqual(Pager.told, [])

    def test_gathered_at_the_end(self) -> None:
        """Without a folder for state what was gathered is told before the end, for nobody would tell it later."""
        for _ in range(3):
            self.service.tell(MALWARE_FOUND("found", "192.0.2.7"))
        self.gateway.stop()
        self.assertEqual(Pager.told, [(1, "malware_found 1"), (1, "malware_found 2")])

    def test_maintenance(self) -> None:
        """In a window of the configuration only security is told, and what lasts when it is taken away."""
        self.gateway.stop()
        self.gateway = self.start({"notify.maintenance": ["00:00-24:00"]})
        self.service.tell(ORIGIN_DOWN("down", "a"))
        self.service.tell(MALWARE_FOUND("found", "192.0.2.7"))
        self.gateway.advance(100)
        self.assertEqual([text for _, text in Pager.told], ["malware_found 1"])
        self.successResultOf(self.gateway.reload({"notify.maintenance": None}))
        self.gateway.advance(1)
        self.assertIn("origin_down 1", [text for _, text in Pager.told])
