"""What a whole gateway tells of itself and its like: resources, the process before it, nodes that differ, its own end."""

from __future__ import annotations

import json
import os
from typing import Any

from gateway.api import Event, Plugin, Services, Severity, hookimpl
from gateway.record.memory import MemoryUse
from gateway.reload import ReloadError
from gateway.service import GatewayService
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase

PEER = "http://198.51.100.9:8081"


class Ear(Plugin):
    """
    Hears of events.

    @ivar heard: them all.
    """

    name = "ear"

    def __init__(self) -> None:
        self.heard: list[Event] = []

    @hookimpl()
    def event(self, event: Event) -> None:
        """Note it."""
        self.heard.append(event)

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [event.name for event in self.heard]


class Readings:
    """Stands in for this machine: in good order until a test says otherwise."""

    def __init__(self) -> None:
        self.overflows = 0
        self.stolen = self.all = 0.0
        self.descriptors = 10
        self.used = 10

    def listen_queue(self) -> tuple[int, int]:
        """Give what the kernel refused."""
        return self.overflows, 0

    def cpu_times(self) -> tuple[float, float]:
        """Give stolen and all time; ten seconds pass between two readings."""
        self.all += 10.0
        return self.stolen, self.all

    def resident_bytes(self) -> int:
        """Give our own memory."""
        return 5

    def open_descriptors(self) -> int:
        """Give open descriptors."""
        return self.descriptors

    def most_descriptors(self) -> int:
        """Give how many there may be."""
        return 100

    def uses(self) -> list[MemoryUse]:
        """Give memory in use."""
        return [MemoryUse("machine", self.used, 100)]


class WatchesCase(ScenarioTestCase):
    """A gateway with a plugin that hears of everything."""

    def started(self, **settings: object) -> Harness:
        """Start one that watches everything but disks, on a machine of the test's."""
        self.ear = Ear()
        said: dict[str, object] = {"watch.every": "10s", "watch.disk": 0}
        said.update({name.replace("__", "."): value for name, value in settings.items()})
        gateway = self.forward(said, plugins={"ear": self.ear})
        service: Any = gateway.service
        self.machine = Readings()
        readings = service.watches.readings
        readings.host = readings.memory_of = self.machine
        return gateway


class ResourceTests(WatchesCase):
    """Resources."""

    def test_nothing(self) -> None:
        """A gateway in good order tells of nothing, neither while it runs nor when it stops."""
        gateway = self.started()
        gateway.advance(3600)
        gateway.stop()
        self.assertEqual(self.ear.names, [])

    def test_connections(self) -> None:
        """Clients that nearly use up limits.connections are told of; stopping the gateway, which ends them, is no end of it."""
        gateway = self.started(limits__connections=10, timeouts__client_idle="1h")
        for _ in range(9):
            gateway.client()
        gateway.advance(10)
        (event,) = self.ear.heard
        self.assertEqual(
            (event.name, event.subject, dict(event.values)),
            (
                "connections_short",
                "all",
                {"open": "9", "most": "10", "share": "90 %", "bound": "90%"},
            ),
        )
        gateway.stop()
        self.assertEqual(self.ear.names, ["connections_short"])

    def test_connections_end(self) -> None:
        """When there is room again that is told."""
        gateway = self.started(limits__connections=10, timeouts__client_idle="15s")
        for _ in range(9):
            gateway.client()
        gateway.advance(40)
        self.assertEqual(self.ear.names, ["connections_short", "connections_free"])

    def test_listener(self) -> None:
        """The limit of a listener is watched as well."""
        gateway = self.started(
            forward__listen=[{"address": "192.0.2.1:8080", "max_connections": 2}],
            timeouts__client_idle="1h",
        )
        gateway.client()
        gateway.client()
        gateway.advance(10)
        self.assertEqual([event.subject for event in self.ear.heard], ["192.0.2.1:8080"])

    def test_machine(self) -> None:
        """What the machine lacks is told, each once, and that it is over."""
        gateway = self.started()
        self.machine.used, self.machine.descriptors = 90, 95
        for _ in range(30):
            self.machine.stolen += 5
            self.machine.overflows += 1
            gateway.advance(10)
        began = ["memory_short", "descriptors_short", "cpu_stolen", "listen_overflow"]
        self.assertEqual(sorted(self.ear.names), sorted(began))
        self.machine.used, self.machine.descriptors = 10, 10
        gateway.advance(400)
        over = ["memory_free", "descriptors_free", "cpu_returned", "listen_calm"]
        self.assertEqual(sorted(self.ear.names[4:]), sorted(over))

    def test_lag(self) -> None:
        """A reactor that is late all the time is told, and that it is in time again."""
        gateway = self.started()
        for _ in range(60):
            gateway.network.rightNow += 1.5
            gateway.settle()
        self.assertEqual(self.ear.names, ["reactor_slow"])
        gateway.advance(120)
        self.assertEqual(self.ear.names, ["reactor_slow", "reactor_quick"])

    def test_reload(self) -> None:
        """A reload that switches a bound off ends what was told of it; one that sets it anew begins it."""
        gateway = self.started(limits__connections=10, timeouts__client_idle="1h")
        for _ in range(9):
            gateway.client()
        gateway.advance(10)
        gateway.reload({"watch.connections": 0})
        gateway.advance(10)
        self.assertIn("connections_free", self.ear.names)
        gateway.reload({"watch.connections": "50%"})
        gateway.advance(10)
        self.assertEqual(
            [name for name in self.ear.names if name.startswith("connections")],
            ["connections_short", "connections_free", "connections_short"],
        )

    def test_off(self) -> None:
        """A gateway whose watches are off has no timer for them."""
        gateway = self.started(watch__every=0)
        service: Any = gateway.service
        self.assertFalse(service.watches.is_running)


class ProcessTests(WatchesCase):
    """This process and the one before it."""

    def left(self, **said: object) -> str:
        """Make a folder for state in which a process of another boot has left its marker."""
        folder: str = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        marker = {"pid": 4711, "born": 5, "boot": "another", "space": "pid:[1]", "started": 0.0}
        with open(os.path.join(folder, "running-abc"), "w") as file:
            json.dump({**marker, **said}, file)
        return folder

    def test_abnormal_restart(self) -> None:
        """That the process before this one had ended abnormally is told before all that the start itself tells."""
        folder = self.left()

        class Starting(Plugin):
            """Tells of something while it starts."""

            name = "starting"

            def __init__(self, settings: object, services: Any) -> None:
                self.services = services

            async def start(self) -> None:
                """Tell."""
                self.services.events(
                    Event(name="pool_full", severity=Severity.WARNING, text="full")
                )

        self.ear = Ear()
        gateway = self.forward(
            {"gateway.state": folder}, plugins={"starting": Starting, "ear": self.ear}
        )
        self.assertEqual(self.ear.names, ["abnormal_restart", "pool_full"])
        self.assertEqual(self.ear.heard[0].values["likely"], "reboot")
        self.assertNotIn("running-abc", os.listdir(folder))
        gateway.stop()
        self.assertEqual(self.ear.names, ["abnormal_restart", "pool_full"])
        self.assertEqual(
            [name for name in os.listdir(folder) if "running" in name], [], "a marker is left"
        )

    def test_abnormal_restart_to_channels(self) -> None:
        """Channels are given it before all that the start itself tells, and when their plugins have been started."""
        taken: list[str] = []

        class Desk:
            """Notes what comes to the real one."""

            def __init__(self, desk: Any) -> None:
                self.desk = desk

            def __getattr__(self, name: str) -> Any:
                return getattr(self.desk, name)

            def take(self, event: Event) -> None:
                """Note it."""
                taken.append(event.name)
                self.desk.take(event)

        class Starting(Plugin):
            """Tells of something while it starts."""

            name = "starting"

            def __init__(self, settings: object, services: Services) -> None:
                self.services = services

            async def start(self) -> None:
                """Tell."""
                self.services.events(Event("pool_full", Severity.WARNING, "full"))
                taken.append("started")

        def composed(*args: Any, **more: Any) -> Any:
            service: Any = GatewayService(*args, **more)
            service.alarms = Desk(service.alarms)
            return service

        gateway = Harness(
            composed,
            {"gateway.state": self.left()},
            folder=self.mktemp(),
            plugins={"starting": Starting},
        )
        self.addCleanup(gateway.stop)
        self.assertEqual(taken, ["started", "abnormal_restart", "pool_full"])

    def test_stop_with_a_check_under_way(self) -> None:
        """An origin whose check we break off when we stop is not down."""
        self.ear = Ear()
        gateway = self.reverse(
            {"health": {"path": "/up", "every": "1s", "fall": 1}},
            {"watch.every": "10s"},
            plugins={"ear": self.ear},
        )
        origin = gateway.origin(reply=b"")
        gateway.advance(1.5)
        self.assertTrue(origin.requests)
        gateway.stop()
        self.assertEqual(self.ear.names, [])

    def test_cut_short(self) -> None:
        """A process that was killed while it drained had been stopped."""
        self.started(gateway__state=self.left(stopping=True))
        self.assertEqual(self.ear.names, ["stop_cut_short"])

    def test_planned(self) -> None:
        """A planned start and stop are told where that is wanted, the stop while there still are those who are told."""
        gateway = self.started(notify__planned_stop=True)
        self.assertEqual(self.ear.names, ["planned_start"])
        gateway.stop()
        self.assertEqual(self.ear.names, ["planned_start", "planned_stop"])

    def test_reload_while_stopping(self) -> None:
        """That a gateway that stops takes no reload is nothing that operators have to hear of."""
        gateway = self.started()
        client = gateway.client()
        gateway.origin()
        client.send(request(URL))
        gateway.begin_stop()
        self.failureResultOf(gateway.reload({"limits.fields": 100}), ReloadError)
        client.reset()
        gateway.stop()
        self.assertEqual(self.ear.names, [])


class PeerTests(WatchesCase):
    """Other nodes, asked through the gateway's own client."""

    def peer(self, config: str) -> None:
        """Let the peer answer with this hash."""
        said = json.dumps({"config": config, "instance": "other", "node": "gw2"})
        self.answer = response(said.encode())

    def test_drift(self) -> None:
        """A node that differs is told after five minutes, and when it is alike again."""
        gateway = self.started(cluster__peers=[PEER])
        self.peer("b" * 64)
        origin = gateway.origin("198.51.100.9", 8081, reply=lambda *_: self.answer)
        gateway.advance(420)
        self.assertEqual(
            [(event.name, event.subject) for event in self.ear.heard], [("config_drift", PEER)]
        )
        self.assertTrue(origin.requests)
        service: Any = gateway.service
        self.peer(service._identity().config)
        gateway.advance(61)
        self.assertEqual(self.ear.names, ["config_drift", "config_alike"])

    def test_unreachable(self) -> None:
        """A node that can't be asked is told after five minutes, and when it can be."""
        gateway = self.started(cluster__peers=[PEER])
        gateway.advance(420)
        self.assertEqual(self.ear.names, ["peer_unreachable"])
        service: Any = gateway.service
        self.peer(service._identity().config)
        gateway.origin("198.51.100.9", 8081, reply=lambda *_: self.answer)
        gateway.advance(61)
        self.assertEqual(self.ear.names, ["peer_unreachable", "peer_reachable"])

    def test_stop(self) -> None:
        """When the gateway stops it asks nobody any more, and that tells nothing."""
        gateway = self.started(cluster__peers=[PEER])
        gateway.advance(59)
        gateway.stop()
        self.assertEqual(self.ear.names, [])
