"""Tests of the plugin C{syslog} as a whole: its settings, and which alarms become which messages on which way."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import CATALOGUE, Log, Notify, Services, Severity
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, check_plugin
from gateway_syslog import Syslog, SyslogSettings
from gateway_syslog.settings import Receiver, address
from gateway_syslog.tests.notices import KIND, read
from gateway_syslog.tests.pairs import pair
from gateway_syslog.ways import Unreachable, Written


class Kept:
    """A way that keeps what is sent; a L{Way<gateway_syslog.ways.Way>}."""

    def __init__(self) -> None:
        self.sent: list[Sequence[bytes]] = []
        self.closed = False
        self.down = False

    async def send(self, written: Written) -> None:
        """Keep it, or fail."""
        if self.down:
            raise Unreachable("it is down")
        self.sent.append(list(written(0)))

    def close(self) -> None:
        """Note it."""
        self.closed = True


class KeptSyslog(Syslog):
    """The plugin with ways that keep what is sent, by the names of the receivers."""

    def __init__(self, settings: SyslogSettings, services: Services) -> None:
        self.kept: dict[str, Kept] = {}
        super().__init__(settings, services, self._make_way)

    def _make_way(self, clock: Any, receiver: Receiver, log: Log) -> Kept:
        made = self.kept[receiver.label] = Kept()
        return made


class SyslogTestCase(SynchronousTestCase):
    """Tests with a gateway."""

    def gateway(self, *receivers: Mapping[str, object]) -> FakeGateway:
        """Start a gateway with these receivers."""
        gw = FakeGateway(KeptSyslog, {"to": [dict(one) for one in receivers]})
        self.addCleanup(gw.stop)
        return gw

    def sent(self, gw: FakeGateway, name: str) -> list[bytes]:
        """Give the messages that a receiver got."""
        plugin: Any = gw.plugin
        return [message for messages in plugin.kept[name].sent for message in messages]

    def refused(self, *receivers: Mapping[str, object]) -> str:
        """Give what is wrong with a configuration."""
        error = self.assertRaises(
            ConfigError, FakeGateway, KeptSyslog, {"to": [dict(one) for one in receivers]}
        )
        return str(error)


class PluginTests(SyslogTestCase):
    """Alarms."""

    def test_each(self) -> None:
        """Each event is a message of its own, whatever limits others have."""
        gw = self.gateway({"address": "192.0.2.8"})
        for number in range(5):
            gw.tell(KIND(f"text {number}", "192.0.2.7"))
        gw.clock.advance(1)
        found = [read(message) for message in self.sent(gw, "tcp:192.0.2.8:514")]
        self.assertEqual([one.text[3:] for one in found], [b"text %d" % n for n in range(5)])
        self.assertEqual({one.elements["gateway@32473"]["count"] for one in found}, {"1"})
        self.assertEqual({one.host for one in found}, {"gateway.example.com"})
        self.assertEqual({one.process for one in found}, {str(os.getpid())})

    def test_together(self) -> None:
        """Ten thousand events in a minute are no more than five notices a second."""
        gw = self.gateway({"address": "192.0.2.8"})
        for _ in range(600):
            gw.tell(*[KIND("text", "192.0.2.7")] * 16)
            gw.clock.advance(0.1)
        gw.clock.advance(1)
        plugin: Any = gw.plugin
        sent = plugin.kept["tcp:192.0.2.8:514"].sent
        self.assertEqual(sum(map(len, sent)), 9600)
        self.assertLess(len(sent), 300)

    def test_chosen(self) -> None:
        """A receiver gets the events and severities that it is for, in its format."""
        gw = self.gateway(
            {"address": "192.0.2.1", "name": "a", "events": ["-malware_found"]},
            {"address": "192.0.2.1", "name": "b", "least": "error"},
            {"address": "192.0.2.1", "name": "c", "format": "cef", "header": "none"},
            {"address": "192.0.2.1", "name": "d", "format": "json", "facility": "auth"},
            {"address": "192.0.2.1", "name": "e", "notify": {"malware_found": "never"}},
        )
        gw.tell(CATALOGUE["malware_found"]("text", "192.0.2.7", Severity.WARNING))
        gw.clock.advance(1)
        self.assertEqual([self.sent(gw, name) for name in "abe"], [[], [], []])
        (cef,) = self.sent(gw, "c")
        self.assertTrue(cef.startswith(b"CEF:0|"))
        (json,) = self.sent(gw, "d")
        self.assertEqual(read(json).priority, 4 * 8 + 4)
        self.assertTrue(read(json).text.startswith(b'{"version":1,'))

    def test_limit(self) -> None:
        """With a limit, what comes within it is counted and sent at its end."""
        gw = self.gateway({"address": "192.0.2.1", "name": "a", "limit": "10s"})
        for _ in range(7):
            gw.tell(KIND("text", "192.0.2.7"))
        gw.clock.advance(11)
        found = [read(one).elements["gateway@32473"]["count"] for one in self.sent(gw, "a")]
        self.assertEqual(found, ["1", "6"])

    def test_long(self) -> None:
        """No message is longer than the receiver's bound."""
        gw = self.gateway(
            {"address": "192.0.2.1", "name": "a", "transport": "udp"},
            {"address": "192.0.2.1", "name": "b", "max_size": "1KiB", "format": "cef"},
        )
        gw.tell(KIND("x" * 20_000, "192.0.2.7"))
        gw.clock.advance(1)
        self.assertLessEqual(len(self.sent(gw, "a")[0]), 2048)
        self.assertLessEqual(len(self.sent(gw, "b")[0]), 1024)

    def test_down(self) -> None:
        """A receiver that is down gets its messages when it is back, with the number of the attempt."""
        gw = self.gateway({"address": "192.0.2.1", "name": "a"})
        plugin: Any = gw.plugin
        plugin.kept["a"].down = True
        gw.tell(KIND("text", "192.0.2.7"))
        gw.clock.advance(1)
        plugin.kept["a"].down = False
        for _ in range(600):
            gw.clock.advance(1)
        found = [read(one) for one in self.sent(gw, "a")]
        (ours,) = [one for one in found if one.msgid == "file_refused"]
        self.assertGreater(int(ours.elements["gateway@32473"]["attempt"]), 1)

    def test_end(self) -> None:
        """The end of the plugin closes its ways."""
        gw = FakeGateway(KeptSyslog, {"to": [{"address": "192.0.2.1"}]})
        gw.stop()
        plugin: Any = gw.plugin
        self.assertTrue(plugin.kept["tcp:192.0.2.1:514"].closed)

    def test_without_a_network(self) -> None:
        """Ways to real receivers fail where there is no network, and nothing else happens."""
        gw = FakeGateway(
            Syslog,
            {
                "to": [
                    {"address": "siem.example.com"},
                    {"address": "siem.example.com", "transport": "udp"},
                    {"address": "siem.example.com", "transport": "tls"},
                ]
            },
        )
        self.addCleanup(gw.stop)
        gw.tell(KIND("text"))
        gw.clock.advance(1)

    def test_checked(self) -> None:
        """It is a plugin as it should be."""
        self.assertEqual(check_plugin(Syslog, {"to": [{"address": "192.0.2.8"}]}), [])


class SettingsTests(SyslogTestCase):
    """C{[plugins.syslog]}."""

    def test_addresses(self) -> None:
        """A port is that of the transport unless it is written; an IPv6 address has brackets."""
        gw = self.gateway(
            {"address": "192.0.2.8"},
            {"address": "logs.example.com", "transport": "tls"},
            {"address": "[2001:db8::8]:1514", "transport": "udp"},
        )
        plugin: Any = gw.plugin
        self.assertEqual(
            list(plugin.kept),
            ["tcp:192.0.2.8:514", "tls:logs.example.com:6514", "udp:[2001:db8::8]:1514"],
        )

    def test_lone_address(self) -> None:
        """A lone string is the address of a receiver with the defaults."""
        gw = FakeGateway(KeptSyslog, {"to": ["192.0.2.8"]})
        self.addCleanup(gw.stop)
        self.assertEqual(gw.plugin.settings.to, (Receiver(address("192.0.2.8")),))

    def test_no_addresses(self) -> None:
        """What is no address is refused."""
        for text in (
            "",
            ":514",
            "a b:514",
            "192.0.2.8:0",
            "192.0.2.8:70000",
            "http://a:1",
            "::1:514",
        ):
            self.assertIn("is no address of a syslog server", self.refused({"address": text}))

    def test_contradictions(self) -> None:
        """Settings that contradict one another are refused, with what is wrong."""
        base = {"address": "192.0.2.8"}
        for more, words in (
            ({"facility": "kern"}, "is no facility"),
            ({"sd_id": "gateway"}, "no name for structured data"),
            ({"sd_id": 'a"]@1'}, "no name for structured data"),
            ({"max_size": "100"}, "too small|max_size"),
            ({"max_size": "1MiB", "transport": "udp"}, "a datagram has"),
            ({"framing": "newline", "transport": "udp"}, "datagram of its own"),
            ({"header": "none"}, "nothing without it"),
            ({"tls_name": "a.example"}, "are for transport"),
            ({"trust": "/nonexistent"}, "cannot read"),
            ({"trust": __file__, "transport": "tls"}, "holds no certificates"),
            ({"name": "a\nb"}, "can't be a name"),
            ({"events": ["malware_fuond"]}, "malware_found"),
        ):
            self.assertRegex(self.refused({**base, **more}), words)

    def test_twice(self) -> None:
        """Two receivers of one name could not be told apart in the queue."""
        self.assertIn("give them a name", self.refused(*[{"address": "192.0.2.8"}] * 2))

    def test_cautions(self) -> None:
        """Who sends in clear to another machine is told so, and who sends to nobody."""
        gw = self.gateway(
            {"address": "127.0.0.1"},
            {"address": "192.0.2.8"},
            {"address": "192.0.2.8", "transport": "tls"},
        )
        (caution,) = gw.cautions
        self.assertIn(
            "plugins.syslog.to[1].transport: alarms go to tcp:192.0.2.8:514 in clear", caution
        )
        (caution,) = self.gateway().cautions
        self.assertIn("nobody is told", caution)

    def test_certificate(self) -> None:
        """A certificate comes with its key; another one's key, or none at all, is refused and never shown."""
        certificate, key = pair()
        other = pair()[1]
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        paths = {}
        for name, content in (
            ("own", certificate),
            ("key", key),
            ("other", other),
            ("none", b"SECRET"),
            ("locked", pair(b"SECRET")[1]),
        ):
            paths[name] = str(folder / name)
            (folder / name).write_bytes(content)
        base = {"address": "192.0.2.8", "transport": "tls", "certificate": paths["own"]}
        self.gateway({**base, "key": {"file": paths["key"]}})
        self.assertIn("go together", self.refused(base))
        self.assertIn("not the one of", self.refused({**base, "key": {"file": paths["other"]}}))
        for name in ("none", "locked"):
            why = self.refused({**base, "key": {"file": paths[name]}})
            self.assertIn("holds no private key", why)
            self.assertNotIn("SECRET", why)

    def test_defaults(self) -> None:
        """Everything that a SIEM wants, each event by itself."""
        gw = self.gateway({"address": "192.0.2.8"})
        rules = gw.plugin.settings.to[0].rules
        self.assertEqual((rules.default, rules.limit_seconds), (Notify.ALWAYS, 0.0))
        self.assertGreater(rules.most_together, 1)
        self.assertIs(rules.least, Severity.INFO)
