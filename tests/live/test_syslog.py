"""The plugin C{syslog} with a real rsyslogd that reads what comes: UDP, TCP and TLS, breaks, and who is not who he should be."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from gateway.api import (
    Alarm,
    AlarmState,
    ChannelRules,
    DeliveryFailed,
    Event,
    EventGroup,
    EventType,
    Notice,
    Severity,
)
from gateway.config.load import load, load_plugin_settings
from gateway.testing import FakeServices
from gateway_syslog import Syslog, SyslogSettings
from tests.live.processes import Gateway, free_port, until
from tests.live.rsyslog_daemon import Rsyslog, waited
from tests.live.tls_peers import commanded, roots_in, serving, written
from tests.unit.net.certificates import Made, authority, issue

reactor: Any = the_reactor

#: What no wait may outlast, in seconds.
PATIENCE = 20.0
THEN = 1_700_000_000.0

KIND = EventType(
    name="file_refused",
    severity=Severity.WARNING,
    group=EventGroup.SECURITY,
    title="a file was refused",
    when="Each time.",
    act="Look.",
    subject="the client's address",
)


def alarm(number: int, text: str = "a file was refused", **values: str) -> Alarm:
    """Make an alarm."""
    event = Event("file_refused", Severity.WARNING, text, "192.0.2.7", values)
    return Alarm(f"a-{number}", event, KIND, AlarmState.SINGLE, 1, THEN, THEN)


def notice(*alarms: Alarm, attempt: int = 1) -> Notice:
    """Make a notice."""
    return Notice(alarms[0].id, alarms, False, attempt, "gw1.example.com", THEN, THEN)


class Collected:
    """Channels, for tests that deliver by themselves; an L{Alarms<gateway.api.Alarms>}."""

    def __init__(self) -> None:
        self.deliver: dict[str, Callable[[Notice], Any]] = {}

    @property
    def receivers(self) -> tuple[str, ...]:
        """Who has a channel."""
        return tuple(self.deliver)

    def channel(
        self,
        receiver: str,
        deliver: Callable[[Notice], Awaitable[None] | None],
        rules: ChannelRules | None = None,
    ) -> Any:
        """Note it."""
        self.deliver[receiver] = deliver


class SyslogTestCase(TestCase):
    """Tests with a plugin's object, on the real reactor."""

    timeout = 90

    def plugin(self, **settings: object) -> Callable[[Notice], Deferred[None]]:
        """Make the plugin with one receiver; give what delivers to it."""
        table = {"to": [settings]}
        config = load(None, {"plugins.syslog": table, "plugins.enabled": []}, {})
        own = load_plugin_settings(config, "syslog", SyslogSettings, {})
        equips = FakeServices(reactor, lambda event: None)
        self.alarms = Collected()
        services = replace(equips.for_plugin("syslog", own), alarms=self.alarms)
        made = self.made = Syslog(own, services)
        self.log: Any = services.log
        self.addCleanup(self._stopped, made, equips)
        (deliver,) = self.alarms.deliver.values()
        return lambda given: Deferred.fromCoroutine(deliver(given)).addTimeout(PATIENCE, reactor)

    def _stopped(self, made: Syslog, equips: FakeServices) -> Deferred[None]:
        made.stop()
        equips.stop()
        # Closed connections tell their protocols in a later turn.
        return deferLater(reactor, 0.05)

    async def read(self, rsyslog: Rsyslog, count: int) -> list[dict[str, Any]]:
        """Wait until so many messages were read, and give them all."""
        await self.until(lambda: len(rsyslog.messages) >= count)
        return rsyslog.messages

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not happen in time")
            await deferLater(reactor, 0.02)

    def file(self, name: str, content: bytes) -> str:
        """Write a file."""
        path = Path(self.mktemp()).absolute()
        path.mkdir(parents=True)
        (path / name).write_bytes(content)
        return str(path / name)


class ReadTests(SyslogTestCase):
    """What rsyslogd makes of messages."""

    async def test_every_transport(self) -> None:
        """By UDP and TCP, with lengths and with lines, a message is read as it was meant."""
        rsyslog = Rsyslog(self)
        hard = 'q"b\\s]e=☃\nx'
        for number, settings in enumerate(
            (
                {"address": f"127.0.0.1:{rsyslog.udp}", "transport": "udp"},
                {"address": f"127.0.0.1:{rsyslog.tcp}"},
                {"address": f"localhost:{rsyslog.tcp}", "framing": "newline"},
                {"address": f"localhost:{rsyslog.udp}", "transport": "udp"},
            ),
            1,
        ):
            await self.plugin(**settings)(notice(alarm(number, f"text {hard}", url=hard)))
            message = (await self.read(rsyslog, number))[-1]
            self.assertEqual(message["hostname"], "gw1.example.com")
            self.assertEqual(message["app-name"], "gateway")
            self.assertEqual(message["msgid"], "file_refused")
            self.assertEqual((message["syslogfacility"], message["syslogseverity"]), ("16", "4"))
            self.assertEqual(message["timereported"][:19], "2023-11-14T22:13:20")
            found = message["$!"]["sd"]["rfc5424-sd"]
            self.assertEqual(found["gateway@32473"]["id"], f"a-{number}")
            self.assertEqual(found["gateway@32473"]["subject"], "192.0.2.7")
            self.assertEqual(found["gateway-event@32473"]["url"], 'q"b\\s]e=☃#012x')
            self.assertIn('text q"b\\s]e=☃#012x', message["msg"])

    async def test_formats(self) -> None:
        """CEF and JSON come through in a message of RFC 5424, and JSON can be read."""
        rsyslog = Rsyslog(self)
        to = f"127.0.0.1:{rsyslog.tcp}"
        await self.plugin(address=to, format="cef")(notice(alarm(1, url="http://a.example/a.zip")))
        message = (await self.read(rsyslog, 1))[-1]
        self.assertEqual(message["msgid"], "file_refused")
        self.assertTrue(message["msg"].startswith("CEF:0|gateway|"), message["msg"])
        self.assertIn(" src=192.0.2.7 ", message["msg"])
        await self.plugin(address=to, format="json")(notice(alarm(2, "a\nb")))
        message = (await self.read(rsyslog, 2))[-1]
        self.assertEqual(json.loads(message["msg"])["text"], "a\nb")

    async def test_many(self) -> None:
        """Of ten thousand alarms each arrives once, in order, on one connection, within some seconds."""
        rsyslog = Rsyslog(self)
        deliver = self.plugin(address=f"127.0.0.1:{rsyslog.tcp}")
        began = time.monotonic()
        for first in range(0, 10_000, 500):
            await deliver(notice(*(alarm(first + n, "x" * 300) for n in range(500))))
        self.assertLess(time.monotonic() - began, 15)
        found = await self.read(rsyslog, 10_000)
        self.assertEqual(
            [sd(message)["id"] for message in found], [f"a-{n}" for n in range(10_000)]
        )

    async def test_burst_of_datagrams(self) -> None:
        """Five hundred datagrams at once arrive on a machine that is not overloaded."""
        rsyslog = Rsyslog(self)
        deliver = self.plugin(address=f"127.0.0.1:{rsyslog.udp}", transport="udp")
        await deliver(notice(*(alarm(number) for number in range(500))))
        found = await self.read(rsyslog, 500)
        self.assertEqual({sd(message)["id"] for message in found}, {f"a-{n}" for n in range(500)})


class BreakTests(SyslogTestCase):
    """Receivers that go away."""

    async def test_not_there(self) -> None:
        """Where nobody listens, by TCP or UDP, the notice has failed and is not lost."""
        port = free_port()
        for transport in ("tcp", "udp"):
            deliver = self.plugin(address=f"127.0.0.1:{port}", transport=transport)
            error = await self.failed(deliver(notice(alarm(1))))
            self.assertFalse(error.is_final)
            self.assertRegex(str(error), "refused|nobody listens")

    async def test_no_such_name(self) -> None:
        """A name without an address is a failure like any other."""
        for transport in ("tcp", "udp"):
            deliver = self.plugin(address="nobody.invalid:514", transport=transport)
            self.assertFalse((await self.failed(deliver(notice(alarm(1))))).is_final)

    async def test_restart(self) -> None:
        """After the receiver was restarted the next alarm arrives: the dead connection is noticed before it is used."""
        rsyslog = Rsyslog(self)
        deliver = self.plugin(address=f"127.0.0.1:{rsyslog.tcp}")
        await deliver(notice(alarm(1)))
        await self.read(rsyslog, 1)
        rsyslog.stop()
        self.assertFalse((await self.failed(deliver(notice(alarm(2))))).is_final)
        rsyslog.start()
        await deliver(notice(alarm(2), attempt=2))
        ids = [sd(message)["id"] for message in await self.read(rsyslog, 2)]
        self.assertEqual(ids, ["a-1", "a-2"])

    async def test_killed_without_reading(self) -> None:
        """What a receiver's system took but nobody read is sent again, and says so."""
        silent = Silent(self)
        deliver = self.plugin(address=f"127.0.0.1:{silent.port}")
        await deliver(notice(alarm(1)))
        silent.reset()
        await self.until(lambda: "sent again" in " ".join(self.log.texts))
        heard = Silent(self, silent.port)
        await deliver(notice(alarm(2)))
        await self.until(lambda: heard.read().count(b"a-") >= 2)
        text = heard.read()
        self.assertLess(text.index(b'id="a-1"'), text.index(b'id="a-2"'))
        self.assertIn(b'attempt="2"', text.partition(b'id="a-2"')[0])
        self.assertIn(b'attempt="1"', text.partition(b'id="a-2"')[2])

    async def test_full_receiver(self) -> None:
        """As long as a receiver takes nothing, a notice is not delivered; cancelled, it leaves no half message."""
        silent = Silent(self, buffer=4096)
        deliver = self.plugin(address=f"127.0.0.1:{silent.port}")
        waiting = deliver(notice(*(alarm(n, "x" * 4000) for n in range(2000))))
        await deferLater(reactor, 1.5)
        self.assertFalse(waiting.called)
        waiting.cancel()
        await self.failed(waiting, Exception)
        await self.until(lambda: silent.is_gone())

    async def failed(self, waiting: Deferred[None], kind: type[Exception] = DeliveryFailed) -> Any:
        """Wait for a failure and give it."""
        try:
            await waiting
        except kind as error:
            return error
        raise AssertionError("it was delivered")


class TlsTests(SyslogTestCase):
    """TLS."""

    def setUp(self) -> None:
        self.above = authority("Syslog tests")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.trust = str(roots_in(self.folder, self.above))

    def server(self, **options: Any) -> Rsyslog:
        """Start one whose certificate is for localhost."""
        certificate = issue("localhost", self.above, ["localhost", "127.0.0.1"])
        return Rsyslog(self, certificate=certificate, **options)

    async def test_verified(self) -> None:
        """By name and by address, a receiver that is who he should be gets messages."""
        rsyslog = self.server()
        for number, host in enumerate(("localhost", "127.0.0.1"), 1):
            deliver = self.plugin(
                address=f"{host}:{rsyslog.tcp}", transport="tls", trust=self.trust
            )
            await deliver(notice(alarm(number)))
            self.assertEqual(sd((await self.read(rsyslog, number))[-1])["id"], f"a-{number}")

    async def test_not_trusted(self) -> None:
        """A receiver whose certificate nobody vouches for, or that is for another name, gets nothing."""
        rsyslog = self.server()
        other = str(roots_in(self.folder, authority("Another one"), name="other.pem"))
        address = f"localhost:{rsyslog.tcp}"
        for settings in ({"trust": other}, {}, {"trust": self.trust, "tls_name": "b.example"}):
            deliver = self.plugin(address=address, transport="tls", **settings)
            try:
                await deliver(notice(alarm(1)))
            except DeliveryFailed as error:
                self.assertFalse(error.is_final)
                self.assertRegex(str(error), "certificate (verify failed|is for another name)")
            else:
                self.fail("it was delivered")
        await deferLater(reactor, 0.2)
        self.assertEqual(rsyslog.messages, [])

    async def test_our_certificate(self) -> None:
        """A receiver that wants a certificate gets ours; without one nothing counts as delivered."""
        clients = authority("Clients of syslog tests")
        rsyslog = self.server(clients=clients, peers=("gw1.example.com",))
        address = f"localhost:{rsyslog.tcp}"
        deliver = self.plugin(address=address, transport="tls", trust=self.trust)
        try:
            await deliver(notice(alarm(1)))
        except DeliveryFailed as error:
            self.assertFalse(error.is_final)
        else:
            self.fail("it was delivered")
        made = issue(
            "gw1.example.com",
            clients,
            ["gw1.example.com"],
            usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        )
        certificate, key = self.pair(made)
        deliver = self.plugin(
            address=address,
            transport="tls",
            trust=self.trust,
            certificate=certificate,
            key={"file": key},
        )
        await deliver(notice(alarm(2)))
        self.assertEqual([sd(one)["id"] for one in await self.read(rsyslog, 1)], ["a-2"])

    async def test_no_tls(self) -> None:
        """A receiver without TLS gets nothing in clear."""
        silent = Silent(self)
        deliver = self.plugin(
            address=f"127.0.0.1:{silent.port}", transport="tls", trust=self.trust, timeout="1s"
        )
        waiting = deliver(notice(alarm(1)))
        await deferLater(reactor, 0.5)
        self.assertNotIn(b"gateway@", silent.read())
        self.assertFalse(waiting.called)
        waiting.cancel()
        await waiting.addErrback(lambda failure: None)

    async def test_end_without_an_answer(self) -> None:
        """The end of the plugin ends the connection, also if the receiver never says that it has ended, too."""
        pem = written(self.folder, issue("localhost", self.above, ["localhost"]))
        silent = Silent(self, secured=pem)
        deliver = self.plugin(address=f"localhost:{silent.port}", transport="tls", trust=self.trust)
        await deliver(notice(alarm(1)))
        self.made.stop()
        await self.until(silent.is_gone)

    def pair(self, made: Made) -> tuple[str, str]:
        """Write a certificate and its key."""
        certificate = made.certificate.public_bytes(Encoding.PEM)
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.file("own.pem", certificate), self.file("own.key", key)


class GatewayTests(SynchronousTestCase):
    """A gateway as it is run."""

    CONFIG = """
[gateway]
state = "$folder"
[plugins]
enabled = ["upload_limit", "syslog"]
[plugins.syslog]
to = [
    { address = "127.0.0.1:$tcp", name = "siem" },
    { address = "127.0.0.1:$udp", name = "cef", transport = "udp", format = "cef" },
]
"""

    def test_alarms(self) -> None:
        """What operators try, and what really happens, arrives; after a restart of the receiver, too."""
        rsyslog = Rsyslog(self)
        gateway = Gateway(self, self.CONFIG, tcp=rsyslog.tcp, udp=rsyslog.udp)
        said = commanded(gateway, "event", "test", "malware_found", "--to", "syslog")
        self.assertEqual(said.count("delivered"), 2, said)
        (tried,) = [one for one in waited(rsyslog, 2) if one["structured-data"] != "-"]
        self.assertEqual((tried["msgid"], sd(tried)["test"]), ("malware_found", "true"))
        rsyslog.stop()
        good = gateway.config.read_text()
        gateway.config.write_text(good + "[nonsense]\n")
        gateway.signal(signal.SIGHUP)
        gateway.says("config_refused")
        rsyslog.start()
        until(lambda: self.arrived(rsyslog, "config_refused"), what="what happened meanwhile")
        gateway.config.write_text(good)

    def arrived(self, rsyslog: Rsyslog, name: str) -> bool:
        """Tell whether an event arrived by TCP."""
        return any(
            one["msgid"] == name and one["structured-data"] != "-" for one in rsyslog.messages
        )


class Silent:
    """
    A TCP server that reads only when it is told to.

    @ivar port: where it listens.
    """

    def __init__(
        self, test: TestCase, port: int = 0, buffer: int = 0, secured: Path | None = None
    ) -> None:
        """
        Listen.

        @param buffer: bytes that its system takes; 0: as usual.
        @param secured: what it shows by TLS, of which it does no more than the handshake.
        """
        self._secured = None if secured is None else serving(secured)
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if buffer:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._listening.bind(("127.0.0.1", port))
        self._listening.listen()
        self.port = self._listening.getsockname()[1]
        self._taken: list[socket.socket] = []
        self._read = b""
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self.close)

    def _accept(self) -> None:
        while True:
            try:
                taken = self._listening.accept()[0]
            except OSError:
                return
            self._taken.append(taken)
            if self._secured is not None:
                _handshake(taken, self._secured)

    def read(self) -> bytes:
        """Read what is there, and give all so far."""
        for one in self._taken:
            one.settimeout(0.01)
            try:
                while data := one.recv(65536):
                    self._read += data
            except OSError:
                continue
        return self._read

    def is_gone(self) -> bool:
        """Tell whether a peer has broken off."""
        self._taken[0].settimeout(0.01)
        try:
            return not self._taken[0].recv(1 << 20)
        except TimeoutError:
            return False
        except OSError:
            return True

    def reset(self) -> None:
        """End everything without having read, as a system does for a program that was killed."""
        for one in self._taken:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End it."""
        # Wakes the thread that accepts, too.
        self._listening.close() if self._listening.fileno() < 0 else self._shut()
        for one in self._taken:
            one.close()
        self._taken.clear()

    def _shut(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def _handshake(stream: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands on a socket that stays as it is."""
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    hand = context.wrap_bio(came, goes, server_side=True)
    while True:
        try:
            hand.do_handshake()
        except ssl.SSLWantReadError:
            stream.sendall(goes.read())
            came.write(stream.recv(65536))
            continue
        stream.sendall(goes.read())
        return


def sd(message: dict[str, Any]) -> dict[str, str]:
    """Give what the gateway says of an alarm."""
    found: dict[str, str] = message["$!"]["sd"]["rfc5424-sd"]["gateway@32473"]
    return found
