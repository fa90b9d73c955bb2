"""The plugin C{snmp} with Net-SNMP's own programs: traps and informs of every version, and what snmpd answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from gateway import __version__
from gateway.api import Event
from gateway.api.alarms import Alarm, AlarmState, ChannelRules, DeliveryFailed, Notice
from gateway.api.catalogue import CATALOGUE
from gateway.api.settings import Secret
from gateway.testing import FakeServices
from gateway_snmp import Snmp, SnmpSettings
from gateway_snmp.mib import text
from gateway_snmp.settings import Address, Receiver
from gateway_snmp.tree import PLAYPEN, STATE_OBJECTS, oid_text
from tests.live.processes import FORWARD, REPOSITORY, Gateway, curl, made_folder, until
from tests.live.snmp_peers import AUTH, COMMUNITY, PRIV, USER, Snmpd, Snmptrapd

reactor: Any = the_reactor

#: C{snmpTrapOID.0}, where nobody knows the modules of the IETF.
TRAP_OID = "internet.6.3.1.1.4.1.0"
ENGINE_ID = "80001f8805a1b2c3d4e5f60718"
GATEWAY = str(Path(sys.executable).with_name("gateway"))


def alarm(event_name: str = "malware_found", /, number: int = 1, **values: str) -> Alarm:
    """Make an alarm of an event of the catalogue."""
    type = CATALOGUE[event_name]
    event = Event(type.name, type.severity, f"it is number {number}", "10.1.2.3", values)
    return Alarm(f"id-{number}", event, type, AlarmState.BEGUN, 3, 1e9, 1e9 + 60, {"10.1.2.3": 3})


class _Channels:
    """Takes the place of the core: gives notices to the plugin without a queue."""

    def __init__(self) -> None:
        self.deliver: list[Any] = []

    def channel(self, receiver: str, deliver: Any, rules: ChannelRules) -> Any:
        """Keep it."""
        self.deliver.append(deliver)
        return self


class ReceiverTestCase(TestCase):
    """Tests with the plugin's object, on the real reactor, and receivers."""

    timeout = 90

    def trapd(self, **options: Any) -> Snmptrapd:
        """Start a receiver."""
        return Snmptrapd(self, made_folder(self), ENGINE_ID, **options)

    async def plugin(self, *receivers: Receiver) -> Snmp:
        """Start the plugin."""
        equips = FakeServices(reactor, lambda event: None)
        self.channels = _Channels()
        alarms: Any = self.channels
        services = replace(equips.for_plugin("snmp"), alarms=alarms)
        made = Snmp(SnmpSettings(to=receivers, engine_id=ENGINE_ID), services)
        self.addCleanup(self._stopped, made, equips)
        await made.start()
        return made

    def _stopped(self, made: Snmp, equips: FakeServices) -> Deferred[None]:
        equips.stop()
        return Deferred.fromCoroutine(made.stop())

    async def send(self, *alarms: Alarm, place: int = 0) -> None:
        """Have the plugin deliver alarms."""
        await self.channels.deliver[place](Notice("n", alarms, False, 1, "node-1", 1e9, 1e9))

    async def refused(self, *alarms: Alarm) -> str:
        """Have the plugin deliver what can't be delivered, and give why."""
        try:
            await self.send(*alarms)
        except DeliveryFailed as error:
            for secret in (COMMUNITY, AUTH, PRIV):
                self.assertNotIn(secret, str(error))
            return str(error)
        raise AssertionError("it was delivered")

    async def until(self, condition: Any, seconds: float = 20.0) -> None:
        """Wait for something while the reactor goes on."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not happen in time")
            await deferLater(reactor, 0.02)


def community(to: Snmptrapd, version: Any = "2c", **values: Any) -> Receiver:
    """Make a receiver of versions 1 and 2c."""
    said = {"community": Secret(COMMUNITY), **values}
    return Receiver(address=Address("127.0.0.1", to.port), version=version, **said)


def user(to: Snmptrapd, **values: Any) -> Receiver:
    """Make a receiver of version 3 with C{authPriv}."""
    said = {"user": USER, "auth": Secret(AUTH), "priv": Secret(PRIV), **values}
    return Receiver(address=Address("127.0.0.1", to.port), version="3", **said)


class DecodedTests(ReceiverTestCase):
    """What snmptrapd makes of notifications."""

    async def test_versions_by_name(self) -> None:
        """Traps and informs of every version come with the names and the values of our MIB."""
        there = self.trapd()
        for number, receiver in enumerate(
            (
                community(there, "1"),
                community(there),
                community(there, inform=True),
                user(there),
                user(there, inform=True),
            ),
            1,
        ):
            plugin = await self.plugin(receiver)
            await self.send(alarm(number=number, name="Eicar"))
            await self.until(lambda count=number: len(there.received) >= count)
            await plugin.stop()
            line = there.received[-1].replace("STRING: ", "")
            if receiver.version == "1":
                self.assertIn(
                    "GATEWAY-MIB::gatewayMIB|Enterprise Specific|GATEWAY-MIB::gwMalware|", line
                )
            else:
                self.assertIn(f"{TRAP_OID} = GATEWAY-MIB::gwMalware|", line)
            for name, value in {
                "gwEventName": "malware_found",
                "gwEventType": "GATEWAY-MIB::gwIsMalwareFound",
                "gwEventSeverity": "error",
                "gwEventText": f"it is number {number}",
                "gwEventSubject": "10.1.2.3",
                "gwEventState": "begun",
                "gwEventCount": "3",
                "gwEventFirst": "2001-9-9,1:46:40.0,+0:0",
                "gwEventLast": "2001-9-9,1:47:40.0,+0:0",
                "gwEventId": f"id-{number}",
                "gwEventDetails": "name=Eicar",
                "gwNode": "node-1",
                "gwEventTest": "false",
            }.items():
                self.assertIn(f"|GATEWAY-MIB::{name}.0 = {value}|", f"{line}|")

    async def test_every_type(self) -> None:
        """Every event of the catalogue comes as the notification that it names, with its own type."""
        there = self.trapd()
        await self.plugin(community(there, inform=True))
        for one in CATALOGUE.values():
            await self.send(alarm(one.name))
        lines = there.received
        self.assertEqual(len(lines), len(CATALOGUE))
        for one, line in zip(CATALOGUE.values(), lines, strict=True):
            self.assertIn(f"{TRAP_OID} = GATEWAY-MIB::{one.trap}|", line)
            self.assertIn(f"gwEventName.0 = {one.name}|", line)
            self.assertRegex(line, r"gwEventType\.0 = GATEWAY-MIB::gwIs[A-Z]")

    async def test_ciphers(self) -> None:
        """AES with longer keys is the one that Net-SNMP has by the names that the README says."""
        for cipher, aes in (("aes192", "AES-192-C"), ("aes256", "AES-256-C")):
            there = self.trapd(aes=aes)
            plugin = await self.plugin(user(there, priv_protocol=cipher, inform=True))
            await self.send(alarm())
            self.assertEqual(len(there.receives(1)), 1)
            await plugin.stop()

    async def test_iwsva(self) -> None:
        """Rules for IWSVA find its three OIDs."""
        there = self.trapd()
        await self.plugin(community(there, inform=True, oid_style="iwsva"))
        await self.send(alarm("malware_found"))
        violation = next(one.name for one in CATALOGUE.values() if one.trap == "gwPolicyViolation")
        await self.send(alarm(violation))
        first, second = there.receives(2)
        self.assertIn("enterprises.6101.1.8.8.2.3|", first)
        self.assertIn("enterprises.6101.1.8.8.2.4|", second)


class RefusedTests(ReceiverTestCase):
    """What a receiver does not believe."""

    async def test_community(self) -> None:
        """Another community is not heard; an inform says that nobody answers."""
        there = self.trapd()
        wrong = Secret("another community")
        await self.plugin(community(there, community=wrong, inform=True, timeout=0.2))
        self.assertIn("does not accept the community", await self.refused(alarm()))
        await self.plugin(community(there, community=wrong))
        await self.send(alarm())
        await self.plugin(community(there, inform=True))
        await self.send(alarm(number=7))
        (line,) = there.received
        self.assertIn("|GATEWAY-MIB::gwEventId.0 = id-7|", line)

    async def test_keys(self) -> None:
        """A wrong user, signature or cipher is refused, and why is said as far as the receiver says it."""
        there = self.trapd()
        wrong = Secret("another passphrase")
        for receiver, words in (
            (user(there, user="nobody", inform=True), "does not know the user nobody"),
            (user(there, auth=wrong, inform=True), "the signature is wrong"),
            (user(there, auth_protocol="sha512", inform=True), "the signature is wrong"),
            (user(there, priv=wrong, inform=True, timeout=0.2), "the user with these passphrases"),
        ):
            plugin = await self.plugin(receiver)
            self.assertIn(words, await self.refused(alarm()))
            await plugin.stop()
        plugin = await self.plugin(user(there, auth=wrong))
        await self.send(alarm())
        await plugin.stop()
        await self.plugin(user(there, inform=True))
        await self.send(alarm(number=7))
        (line,) = there.received
        self.assertIn("|GATEWAY-MIB::gwEventId.0 = id-7|", line)

    async def test_nobody_there(self) -> None:
        """Where nobody listens neither a trap nor an inform counts as sent."""
        there = self.trapd()
        there.stop()
        for receiver in (community(there), user(there, inform=True)):
            plugin = await self.plugin(receiver)
            self.assertIn("nobody listens at", await self.refused(alarm()))
            await plugin.stop()

    async def test_receiver_that_returns(self) -> None:
        """A receiver that has started anew, as itself or as another engine, gets what it is sent next."""
        there = self.trapd()
        await self.plugin(user(there, inform=True, timeout=1.0, retries=0))
        await self.send(alarm(number=1))
        for number, memory in enumerate(("memory", "another", "another"), 2):
            there.stop()
            self.assertIn("nobody listens at", await self.refused(alarm()))
            there.start(memory)
            await self.send(alarm(number=number))
            self.assertIn(f"gwEventId.0 = id-{number}|", there.receives(number)[-1])

    async def test_receiver_that_returned_meanwhile(self) -> None:
        """That it has started anew may show only when it is sent something: as itself it gets that, else the next."""
        there = self.trapd()
        await self.plugin(user(there, inform=True, timeout=0.5, retries=0))
        await self.send(alarm(number=1))
        there.stop()
        there.start()
        await self.send(alarm(number=2))
        there.stop()
        there.start("another")
        self.assertIn("no answer", await self.refused(alarm(number=3)))
        await self.send(alarm(number=3))
        self.assertEqual(len(there.receives(3)), 3)


class AgentTests(SynchronousTestCase):
    """What snmpd answers by C{gateway snmp agent}."""

    def agent(self, gateway: Gateway) -> Snmpd:
        """Start snmpd with the gateway's agent."""
        return Snmpd(
            self,
            made_folder(self),
            "rocommunity tests 127.0.0.1\n"
            f"pass_persist .{oid_text(PLAYPEN)} {GATEWAY} snmp agent --metrics 127.0.0.1:{gateway.health}\n",
            "tests",
        )

    def test_answers(self) -> None:
        """Each value of the MIB is answered by its name, as /metrics says it; nothing can be set."""
        gateway = Gateway(self, FORWARD)
        for _ in range(3):
            curl("-x", f"http://127.0.0.1:{gateway.forward}", "http://127.0.0.1:1/")
        gateway.lines(3)
        agent = self.agent(gateway)

        def got(name: str) -> str:
            found = re.fullmatch(
                rf"GATEWAY-MIB::{name}\.0 = (.*)\n", agent.ask("snmpget", f"GATEWAY-MIB::{name}.0")
            )
            assert found is not None, (name, agent.ask("snmpget", f"GATEWAY-MIB::{name}.0"))
            return found[1].strip('"')

        self.assertEqual(got("gwRunning"), "true")
        self.assertEqual(got("gwVersion"), __version__)
        self.assertEqual(got("gwRequests"), "3 transactions")
        self.assertEqual(got("gwConnections"), "0 connections")
        self.assertRegex(got("gwUptime"), r"0:0:00:\d\d\.\d\d")
        memory = gateway.metric("gateway_resident_memory_bytes") / 1024
        self.assertLess(abs(int(got("gwMemory").split()[0]) - memory), memory / 5)
        sent = gateway.metric("gateway_client_sent_bytes_total")
        self.assertEqual(got("gwSentBytes"), f"{sent:.0f} bytes")
        refused = agent.ask("snmpset", "GATEWAY-MIB::gwRequests.0", "s", "0")
        self.assertNotIn(" = ", refused.replace("Reason", ""))
        self.assertEqual(got("gwRequests"), "3 transactions")

    def test_walk(self) -> None:
        """A walk gives every object that has a value, once, in the order of the tree."""
        gateway = Gateway(self, FORWARD)
        walked = self.agent(gateway).ask("snmpwalk", "GATEWAY-MIB::gatewayMIB")
        names = re.findall(r"^GATEWAY-MIB::(\w+)\.0 = ", walked, re.M)
        # Nothing scans here, and there is no cluster.
        without = {"gwTempSpace", "gwConfigHash"}
        self.assertEqual(names, [one.name for one in STATE_OBJECTS if one.name not in without])

    def test_without_a_gateway(self) -> None:
        """While no gateway answers, gwRunning says so and nothing else has a value, at once; when one returns it has."""
        gateway = Gateway(self, FORWARD)
        agent = self.agent(gateway)
        gateway.stop()
        until(lambda: "false" in agent.ask("snmpget", "GATEWAY-MIB::gwRunning.0"))
        began = time.monotonic()
        walked = agent.ask("snmpwalk", "GATEWAY-MIB::gatewayMIB")
        self.assertLess(time.monotonic() - began, 4.0)
        self.assertEqual(
            re.findall(r"GATEWAY-MIB::(\w+)\.0 = (\w+)", walked), [("gwRunning", "false")]
        )
        Gateway(self, FORWARD, instead_of=gateway)
        until(lambda: "true" in agent.ask("snmpget", "GATEWAY-MIB::gwRunning.0"))

    def test_gateway_that_hangs(self) -> None:
        """A gateway that does not answer holds snmpd up for a second, and then not at all for a time."""
        gateway = Gateway(self, FORWARD)
        agent = self.agent(gateway)
        os.kill(gateway.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, gateway.pid, signal.SIGCONT)
        time.sleep(2.1)
        for most in (4.0, 1.5):
            began = time.monotonic()
            self.assertIn("false", agent.ask("snmpget", "GATEWAY-MIB::gwRunning.0"))
            self.assertLess(time.monotonic() - began, most)


_CONFIG = (
    FORWARD
    + """
[gateway]
state = "$folder"
[plugins]
enabled = ["snmp"]
[plugins.snmp]
engine_id = "$engine"
to = [{ address = "127.0.0.1:$trap", user = "gwtrap", auth = { file = "$secrets/auth" }, priv = { file = "$secrets/priv" }, inform = true, timeout = "500ms", retries = 0 }]
[notify]
limit = "0s"
events = { config_reloaded = "always" }
"""
)


class GatewayTests(SynchronousTestCase):
    """The whole gateway, its queue and its commands."""

    def started(self, there: Snmptrapd, *, instead_of: Gateway | None = None) -> Gateway:
        """Start a gateway that tells this receiver by informs of version 3."""
        if instead_of is None:
            self.secrets = made_folder(self)
            for name, secret in (("auth", AUTH), ("priv", PRIV)):
                (self.secrets / name).write_text(secret)
        return Gateway(
            self,
            _CONFIG,
            instead_of=instead_of,
            trap=there.port,
            engine=ENGINE_ID,
            secrets=self.secrets,
        )

    def command(self, gateway: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give a command to the gateway."""
        return subprocess.run(
            [GATEWAY, *arguments, "--config", str(gateway.config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def reloaded(self, gateway: Gateway) -> None:
        """Have it tell of something."""
        done = self.command(gateway, "reload")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_receiver_that_was_down(self) -> None:
        """What a receiver missed while it was down it gets when it has returned, each alarm once."""
        there = Snmptrapd(self, made_folder(self), ENGINE_ID)
        gateway = self.started(there)
        there.stop()
        for _ in range(2):
            self.reloaded(gateway)
        channel = f"snmp/127.0.0.1:{there.port}"
        until(lambda: gateway.metric("gateway_alarm_failed_total", channel=channel) > 0)
        until(lambda: gateway.metric("gateway_alarm_queued", channel=channel) == 2)
        there.start()
        lines = there.receives(2, 60.0)
        until(lambda: gateway.metric("gateway_alarm_queued", channel=channel) == 0)
        names = [re.findall(r"gwEventName\.0 = (\w+)", line)[0] for line in lines]
        self.assertEqual(names, ["config_reloaded"] * 2)
        self.assertEqual(
            len({re.findall(r"gwEventId\.0 = (\S+?)\|", line)[0] for line in lines}), 2
        )

    def test_commands(self) -> None:
        """An operator sees the engine id, tries the receiver, and writes the MIB; no secret is shown anywhere."""
        there = Snmptrapd(self, made_folder(self), ENGINE_ID)
        gateway = self.started(there)
        shown = self.command(gateway, "snmp", "show")
        self.assertIn(f"0x{ENGINE_ID}", shown.stdout)
        self.assertIn("user gwtrap, authPriv", shown.stdout)
        tried = self.command(gateway, "event", "test", "malware_found", "--to", "snmp")
        self.assertEqual(tried.returncode, 0, tried.stdout + tried.stderr)
        (line,) = there.receives(1)
        self.assertIn("gwEventTest.0 = true", line)
        there.stop()
        tried = self.command(gateway, "event", "test", "malware_found", "--to", "snmp")
        self.assertEqual(tried.returncode, 1, tried.stdout)
        self.assertIn("nobody listens at", tried.stdout + tried.stderr)
        mib = gateway.folder / "GATEWAY-MIB.txt"
        written = self.command(gateway, "snmp", "mib", "--output", str(mib))
        self.assertEqual((written.returncode, written.stderr), (0, ""))
        self.assertEqual(mib.read_text(), text())
        for said in (shown.stdout, tried.stdout, tried.stderr, gateway.text):
            for secret in (AUTH, PRIV):
                self.assertNotIn(secret, said)

    def test_starts(self) -> None:
        """Each start of the engine, in a reload or a restart, is one more, so that nothing is taken for a replay."""
        there = Snmptrapd(self, made_folder(self), ENGINE_ID)
        gateway = self.started(there)

        def boots() -> int:
            said = self.command(gateway, "snmp", "show", "--json")
            return int(json.loads(said.stdout)["engine_boots"])

        first = boots()
        self.reloaded(gateway)
        self.assertGreater(second := boots(), first)
        gateway.stop()
        gateway = self.started(there, instead_of=gateway)
        self.assertGreater(boots(), second)


class DocumentedTests(ReceiverTestCase):
    """What F{docs/snmp.md} has operators write."""

    def blocks(self, kind: str, with_word: str) -> str:
        """Give the block of the page that has this word."""
        page = (REPOSITORY / "docs" / "snmp.md").read_text()
        (found,) = [
            block
            for block in re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S)
            if with_word in block
        ]
        return str(found)

    async def test_receivers(self) -> None:
        """With the lines for snmptrapd informs and traps of each version arrive."""
        phrases = {
            "user": "gateway",
            "auth": Secret("a long passphrase"),
            "priv": Secret("another passphrase"),
        }
        trap_lines = self.blocks("text", "-e 0x")
        for lines, make in (
            (
                self.blocks("text", "createUser gateway"),
                lambda to: user(to, inform=True, **phrases),
            ),
            (trap_lines, lambda to: user(to, **phrases)),
            (
                self.blocks("text", "authCommunity"),
                lambda to: community(to, community=Secret("a-community"), inform=True),
            ),
        ):
            there = Snmptrapd(self, made_folder(self), ENGINE_ID, config=lines)
            plugin = await self.plugin(make(there))
            await self.send(alarm())
            await self.until(lambda to=there: len(to.received) == 1)
            await plugin.stop()
        # The page has the engine id that the tests have.
        self.assertIn(ENGINE_ID, trap_lines)

    def test_agent(self) -> None:
        """With the lines for snmpd the numbers are there."""
        gateway = Gateway(self, FORWARD)
        lines = self.blocks("text", "pass_persist")
        for written, here in (
            ("/usr/bin/gateway", GATEWAY),
            ("127.0.0.1:8081", f"127.0.0.1:{gateway.health}"),
        ):
            self.assertIn(written, lines)
            lines = lines.replace(written, here)
        agent = Snmpd(self, made_folder(self), lines, "a-community")
        self.assertIn("= true", agent.ask("snmpget", "GATEWAY-MIB::gwRunning.0"))
