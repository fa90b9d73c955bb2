"""Tests of the plugin: its channels, its start, its orders, and what it says of its settings."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import util
from queue import Queue
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Caution, Overloaded, SettingFault, Severity, Surroundings
from gateway.api.alarms import ChannelRules, DeliveryFailed
from gateway.api.catalogue import CATALOGUE
from gateway.api.events import Notify
from gateway.api.settings import ConfigError, EventSet
from gateway.testing import FakeGateway, FakeServices, check_plugin
from gateway_snmp import Snmp, SnmpSettings
from gateway_snmp.loop import Engine
from gateway_snmp.mib import text
from gateway_snmp.notification import Notification
from gateway_snmp.numbers import Look, between
from gateway_snmp.reader import parse
from gateway_snmp.refusals import Refused
from gateway_snmp.sender import Sender, resolve
from gateway_snmp.settings import Address, Receiver
from gateway_snmp.tests.examples import AUTH, COMMUNITY, PRIV, notice, receiver


class ScriptedSender:
    """
    Takes the place of the thread.

    @ivar sent: what was to be sent: the number of the receiver, where, and what.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[int, Any, Notification, bool]] = []
        self.failure = ""

    def send(
        self, place: int, where: Any, notification: Notification, *, is_inform: bool
    ) -> Deferred[None]:
        """Note it."""
        self.sent.append((place, where, notification, is_inform))
        answer: Deferred[None] = Deferred()
        if self.failure:
            answer.errback(DeliveryFailed(self.failure))
        else:
            answer.callback(None)
        return answer

    def stop(self) -> Deferred[None]:
        """End."""
        answer: Deferred[None] = Deferred()
        answer.callback(None)
        return answer


class Channels:
    """Takes the place of the core."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[Any, ChannelRules]] = {}
        self.queued = 0

    def channel(self, receiver: str, deliver: Any, rules: ChannelRules = ChannelRules()) -> Any:  # noqa: B008  # as the protocol
        """Keep it."""
        self.made[receiver] = (deliver, rules)
        return self


class PluginTests(SynchronousTestCase):
    """The plugin."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.equips = FakeServices(self.clock, lambda event: None)
        self.channels = Channels()

    def made(self, *receivers: Receiver, **settings: Any) -> Snmp:
        """Make the plugin, with a sender that is scripted."""
        services: Any = self.equips.for_plugin("snmp")
        object.__setattr__(services, "alarms", self.channels)
        made = Snmp(
            SnmpSettings(to=receivers, **settings),
            services,
            look=lambda where, at: Look(at, parse("gateway_requests_total 5"), 7),
        )
        self.sender = ScriptedSender()
        made._sender = self.sender  # type: ignore[assignment]
        return made

    def delivered(self, to: Receiver) -> Deferred[None]:
        """Have a notice delivered."""
        deliver, _ = self.channels.made[str(to.address)]
        return Deferred.fromCoroutine(deliver(notice()))

    def test_channels(self) -> None:
        """Each receiver is a channel with its own rules, and time enough for its answers."""
        self.made(
            receiver(port=1),
            receiver(
                "3",
                port=2,
                inform=True,
                timeout=4.0,
                retries=1,
                least=Severity.ERROR,
                events=EventSet(["malware_*"]),
                notify={"malware_found": Notify.ALWAYS},
                digest=60.0,
                limit=5.0,
            ),
        )
        self.assertEqual(list(self.channels.made), ["127.0.0.1:1", "127.0.0.1:2"])
        _, plain = self.channels.made["127.0.0.1:1"]
        _, rules = self.channels.made["127.0.0.1:2"]
        self.assertEqual((plain.least, plain.digest_seconds), (Severity.INFO, None))
        self.assertEqual((rules.least, rules.digest_seconds), (Severity.ERROR, 60.0))
        self.assertEqual((rules.limit_seconds, rules.most_together), (5.0, 1))
        self.assertEqual(rules.notify, {"malware_found": Notify.ALWAYS})
        self.assertFalse(rules.wants(CATALOGUE["origin_down"]("x")))
        self.assertGreater(rules.timeout_seconds, 4.0 * 2 * 3)

    def test_delivered(self) -> None:
        """A notice goes to the address of its receiver, as a trap or an inform."""
        one, two = receiver(port=1), receiver(port=2, inform=True)
        self.made(one, two)
        self.successResultOf(self.delivered(two))
        self.successResultOf(self.delivered(one))
        self.assertEqual(
            [(place, where[1], is_inform) for place, where, _, is_inform in self.sender.sent],
            [(1, ("127.0.0.1", 2), True), (0, ("127.0.0.1", 1), False)],
        )

    def test_not_delivered(self) -> None:
        """Why it was not is handed on; a plugin that does not send fails at once."""
        one = receiver()
        made = self.made(one)
        self.sender.failure = "nobody listens"
        self.assertEqual(
            str(self.failureResultOf(self.delivered(one), DeliveryFailed).value), "nobody listens"
        )
        made._sender = None
        self.failureResultOf(self.delivered(one), DeliveryFailed)

    def test_no_receiver(self) -> None:
        """Without a receiver nothing is started, opened or asked for, and nothing can be wrong."""
        made = self.made(metrics_every=10.0)
        made._sender = None
        self.successResultOf(Deferred.fromCoroutine(made.start()))
        self.assertIsNone(made.identity)
        (caution,) = made.review(Surroundings())
        self.assertEqual(caution.key, ("to",))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.successResultOf(Deferred.fromCoroutine(made.stop()))

    def test_without_the_library(self) -> None:
        """Without pysnmp it is refused with the configuration, and at the start, and the extra is named."""
        made = self.made(receiver())
        found = util.find_spec

        def without(name: str) -> Any:
            return None if name == "pysnmp" else found(name)

        self.patch(util, "find_spec", without)
        (fault,) = made.review(Surroundings())
        assert isinstance(fault, SettingFault)
        self.assertIn("gateway[snmp]", fault.mend)
        error = self.failureResultOf(Deferred.fromCoroutine(made.start()), RuntimeError)
        self.assertIn("gateway[snmp]", str(error.value))

    def test_cautions(self) -> None:
        """What goes over the network in clear is told of, of whatever version; what stays on this machine is not."""
        away = Address("10.0.0.9")
        made = self.made(
            receiver("3", auth=None, priv=None),
            receiver("3", auth=None, priv=None, address=away),
            receiver("2c", address=Address("10.0.0.10")),
            receiver("1", address=Address("::1", 1162)),
            receiver("3", address=Address("10.0.0.11")),
        )
        cautions = list(made.review(Surroundings()))
        keys = [one.key for one in cautions if isinstance(one, Caution)]
        self.assertEqual(keys, [("to", 1), ("to", 2, "version")])
        for secret in (COMMUNITY, AUTH, PRIV):
            self.assertNotIn(secret, repr(cautions))

    def test_orders(self) -> None:
        """Commands get the MIB and the receivers, without secrets; other orders are left to others."""
        made = self.made(receiver("3"), base_oid=(1, 3, 6, 1, 4, 1, 5))
        self.assertEqual(made.order("snmp.mib", {}), {"text": text((1, 3, 6, 1, 4, 1, 5))})
        shown = made.order("snmp.show", {})
        assert shown is not None
        self.assertEqual(shown["base_oid"], "1.3.6.1.4.1.5")
        for secret in (COMMUNITY, AUTH, PRIV):
            self.assertNotIn(secret, repr(shown))
        self.assertIsNone(made.order("cache.show", {}))

    def test_numbers(self) -> None:
        """Numbers are sent to every receiver as often as the settings say, as traps; one that fails changes nothing."""
        made = self.made(receiver(port=1, inform=True), receiver(port=2), metrics_every=60.0)
        for seconds in (59.0, 1.0, 0.0, 0.0, 60.0, 0.0, 0.0):
            self.clock.advance(seconds)
        self.assertEqual(
            [(place, is_inform) for place, _, _, is_inform in self.sender.sent],
            [(0, False), (1, False)] * 2,
        )
        self.sender.failure = "nobody listens"
        for seconds in (60.0, 0.0, 0.0):
            self.clock.advance(seconds)
        every: Any = made.services.every
        self.assertEqual(every.errors, [])
        self.assertEqual(len(self.sender.sent), 6)
        self.equips.stop()

    def test_check(self) -> None:
        """The kit finds nothing to mend."""
        self.assertEqual(check_plugin(Snmp), [])

    def test_secrets_in_faults(self) -> None:
        """A secret that is written into the configuration is refused, and not shown."""
        table = {"to": [{"address": "a", "version": "2c", "community": COMMUNITY}]}
        error = self.assertRaises(ConfigError, FakeGateway, Snmp, table)
        self.assertNotIn(COMMUNITY, str(error))


class NameTests(SynchronousTestCase):
    """Where a receiver is."""

    def resolved(self, host: str, answer: Any = None) -> Deferred[Any]:
        """Look a host up; the system's resolver gives or raises this."""

        class Pool:
            def run(self, pool: str, function: Any, /, *args: object) -> Deferred[Any]:
                return fail(answer) if isinstance(answer, Exception) else succeed(answer)

        to = receiver(address=Address(host, 1162))
        threads: Any = Pool()
        return Deferred.fromCoroutine(resolve(to, threads))

    def test_addresses(self) -> None:
        """An address is its own; nobody is asked."""
        no = AssertionError("the resolver was asked")
        for host, family in (("10.0.0.9", socket.AF_INET), ("2001:db8::9", socket.AF_INET6)):
            self.assertEqual(self.successResultOf(self.resolved(host, no)), (family, (host, 1162)))

    def test_names(self) -> None:
        """A name is looked up in the pool for it, and what is wrong is said."""
        found = (socket.AF_INET, ("10.0.0.9", 1162))
        self.assertEqual(self.successResultOf(self.resolved("nms.example.com", found)), found)
        for error, words in (
            (socket.gaierror(-2, "Name or service not known"), "has no address: Name or service"),
            (Overloaded("directory", "full"), "takes no more work"),
        ):
            failed = self.failureResultOf(self.resolved("nms.example.com", error), DeliveryFailed)
            self.assertIn(words, str(failed.value))


class NumberTests(SynchronousTestCase):
    """How busy the gateway is."""

    def test_rates(self) -> None:
        """What grows is told as a rate between two looks, once there are two; a restart is no negative one."""

        def look(at: float, requests: int, cpu: float) -> Look:
            return Look(
                at,
                parse(
                    f"gateway_requests_total {requests}\ngateway_cpu_seconds_total {cpu}\n"
                    f"gateway_client_sent_bytes_total {requests * 1000}\n"
                    "gateway_client_connections_open 9\ngateway_resident_memory_bytes 2048\n"
                ),
                42,
            )

        first = look(0.0, 0, 0.0)
        still = {"gwMemoryUsed": 2, "gwDiskPercent": 42, "gwOpenConnections": 9}
        self.assertEqual(between(None, first), still)
        self.assertEqual(
            between(first, look(10.0, 100, 2.5)),
            {**still, "gwCpuPercent": 25, "gwThroughput": 80, "gwRequestRate": 600},
        )
        self.assertEqual(between(look(0.0, 100, 2.5), look(10.0, 0, 0.0))["gwRequestRate"], 0)


class _Engine:
    """Says what it is told to, or breaks the thread."""

    is_done = False

    def __init__(self, script: list[BaseException | bytes]) -> None:
        self._script = script

    def trap(self, notification: Notification) -> bytes:
        """Make a message."""
        said = self._script.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said

    inform = trap

    def received(self, datagram: bytes) -> bytes:
        """Take an answer."""
        return b""

    def give_up(self) -> None:
        """Forget."""


class SenderTests(SynchronousTestCase):
    """What the reactor's thread sees of the other one."""

    def setUp(self) -> None:
        self.posted: Queue[tuple[Callable[..., object], tuple[object, ...]]] = Queue()
        self.equips = FakeServices(Clock(), lambda event: None)
        self.services = self.equips.for_plugin("snmp")

    def sender(self, *script: BaseException | bytes) -> Sender:
        """Start one, whose thread ends with the test."""
        left = list(script)

        def make(to: Receiver) -> Engine:
            return _Engine(left)

        self.restarts: Any = self.services.metrics.counter("restarts", "Restarts.")
        made = Sender(
            [receiver()],
            make,
            lambda function, *args: self.posted.put((function, args)),
            self.services.log,
            self.restarts,
        )
        made.start()
        self.addCleanup(lambda: self.until(made.stop()))
        return made

    def until(self, waited: Deferred[Any]) -> None:
        """Do what is posted to this thread until something is there."""
        while not waited.called:
            function, args = self.posted.get(timeout=10)
            function(*args)

    def sent(self, sender: Sender) -> Deferred[None]:
        """Send a trap to a port where somebody listens."""
        there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(there.close)
        there.bind(("127.0.0.1", 0))
        return sender.send(
            0, (socket.AF_INET, there.getsockname()), Notification((1, 3), ()), is_inform=False
        )

    def test_sent(self) -> None:
        """What was sent fires, what was not fails with why."""
        sender = self.sender(b"one", Refused("it says no"))
        first, second = self.sent(sender), self.sent(sender)
        self.until(first)
        self.successResultOf(first)
        self.until(second)
        self.assertEqual(str(self.failureResultOf(second, DeliveryFailed).value), "it says no")

    def test_broken(self) -> None:
        """A thread that breaks fails what it had, is counted and logged, and the next notification starts another."""
        sender = self.sender(SystemExit(), b"two")
        broken = self.sent(sender)
        self.until(broken)
        self.failureResultOf(broken, DeliveryFailed)
        again = self.sent(sender)
        self.until(again)
        self.successResultOf(again)
        metrics: Any = self.services.metrics
        self.assertEqual(metrics.value("restarts"), 1.0)
        log: Any = self.services.log
        self.assertEqual([one.level for one in log.texts], ["error"])

    def test_cancelled(self) -> None:
        """What is cancelled is not waited for, and its late end harms nobody."""
        sender = self.sender(b"one")
        waiting = self.sent(sender)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)

    def test_stopped(self) -> None:
        """After the stop everything fails."""
        sender = self.sender()
        self.until(sender.stop())
        self.failureResultOf(self.sent(sender), DeliveryFailed)
