"""Tests of mail with real servers: it arrives once, as it should, by TLS, and says no secret."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gateway.api import Event
from gateway.api.alarms import Alarm, AlarmState, DeliveryFailed, Notice
from gateway.api.catalogue import CATALOGUE
from gateway.api.settings import Secret
from gateway.testing import FakeServices
from gateway_mail import Mail, MailSettings
from gateway_mail.settings import Mailbox, Receiver, Server
from tests.live.mail_server import PASSWORD, USER, MailServer
from tests.live.peers import Server as SocketServer
from tests.live.peers import Stream
from tests.live.processes import free_port, made_folder

FOUND = CATALOGUE["malware_found"]
THEN = 1795357928.0


def notice(*given: Alarm, **more: Any) -> Notice:
    """Make a digest, of two alarms if none are given."""
    event = FOUND(
        "Eicar-Signature in a download",
        "192.0.2.7",
        action="block",
        url="http://files.example.com/a.zip",
    )
    odd = Event("odd", FOUND.severity, "Größe\r\nBcc: evil@example.com\r\n.\r\n文件")
    alarms = (
        Alarm("a1", event, FOUND, AlarmState.SINGLE, 1200, THEN - 60, THEN, {"192.0.2.7": 1200}),
        Alarm("a2", odd, None, AlarmState.SINGLE, 1, THEN, THEN),
    )
    said: dict[str, Any] = {
        "id": "n1",
        "is_digest": True,
        "attempt": 1,
        "node": "proxy1.example.com",
        "since": THEN - 900,
        "until": THEN,
    }
    return Notice(alarms=given or alarms, **{**said, **more})


class MailTestCase(TestCase):
    """Tests with the plugin and the real reactor; servers are other processes."""

    timeout = 60

    def plugin(self, *servers: MailServer, **settings: Any) -> Mail:
        """Make the plugin and start it."""
        said: dict[str, Any] = {
            "to": (Receiver("ops@example.com"),),
            "server": tuple(Server("localhost", one.port) for one in servers),
            "security": "starttls",
            "user": USER,
            "password": Secret(PASSWORD),
            "trust": str(servers[0].trust) if servers else "",
            "timeout": 5.0,
            **settings,
        }
        events: list[Event] = []
        equips = FakeServices(reactor, events.append)
        settings_ = MailSettings(**said)
        made = Mail(settings_, equips.for_plugin("mail", settings_))
        made.start()
        self.addCleanup(self._stop, made, equips)
        return made

    def _stop(self, plugin: Mail, equips: FakeServices) -> Deferred[None]:
        plugin.stop()
        equips.stop_plugin(plugin.services)
        equips.stop()
        # What was dropped is gone in a later turn.
        waiting: Deferred[None] = Deferred()
        clock: Any = reactor
        clock.callLater(0.1, waiting.callback, None)
        return waiting

    def deliver(self, plugin: Mail, told: Notice | None = None) -> Deferred[None]:
        """Have a notice delivered."""
        return Deferred.fromCoroutine(plugin.deliver(plugin.settings.to[0], told or notice()))

    async def refused(self, plugin: Mail) -> DeliveryFailed:
        """Have one delivered that is not, and see that nothing secret is said."""
        try:
            await self.deliver(plugin)
        except DeliveryFailed as error:
            log: Any = plugin.services.log
            for text in (str(error), *log.texts):
                self.assertNotIn(PASSWORD, text)
                self.assertNotIn("hunter2", text)
            return error
        raise self.failureException("it was delivered")


class ArrivalTests(MailTestCase):
    """A mail that arrives."""

    async def test_starttls_and_login(self) -> None:
        """It arrives once, by TLS, from somebody who said who he is, and is in order."""
        server = MailServer(self)
        plugin = self.plugin(server)
        await self.deliver(plugin)
        self.assertEqual(len(server.raw), 1)
        await self.deliver(plugin, notice(id="n2"))
        mail, other = server.mails(2)
        self.assertNotEqual(mail["Message-ID"], other["Message-ID"])
        known = server.known(1)
        self.assertEqual((known["from"], known["to"]), ("gateway@example.com", ["ops@example.com"]))
        self.assertTrue(known["tls"] and known["user"])
        self.assertEqual(known["hello"], "[127.0.0.1]")
        self.assertEqual(
            [part.get_content_type() for part in mail.walk()],
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        )
        text = mail.get_body(("plain",)).get_content()
        for fact in ("1,200", "192.0.2.7", "hxxp://files[.]example[.]com/a.zip", "文件"):
            self.assertIn(fact, text)
            html = next(part for part in mail.walk() if part.get_content_type() == "text/html")
            self.assertIn(fact, html.get_content())
        self.assertIsNone(mail["Bcc"])

    async def test_tls_from_the_first_byte(self) -> None:
        """SMTPS works likewise."""
        server = MailServer(self, security="tls")
        await self.deliver(self.plugin(server, security="tls"))
        server.mails()
        self.assertTrue(server.known(1)["tls"])

    async def test_plain(self) -> None:
        """A server on this machine without TLS and login gets mail, too."""
        server = MailServer(self, security="none", has_login=False)
        plugin = self.plugin(server, security="auto", user="", password=None, trust="")
        await self.deliver(plugin)
        server.mails()
        self.assertFalse(server.known(1)["tls"])

    async def test_next_server(self) -> None:
        """If the first server hangs the next one gets the mail, once."""
        first, second = MailServer(self, "hang"), MailServer(self)
        plugin = self.plugin(first, second, timeout=1.0)
        await self.deliver(plugin)
        self.assertEqual((len(first.raw), len(second.raw)), (0, 1))

    async def test_large(self) -> None:
        """A mail of hundreds of kilobytes arrives whole."""
        server = MailServer(self)
        values = {field.name: "." * 900 for field in FOUND.fields}
        events = [
            Event("malware_found", FOUND.severity, "x" * 900, f"{n}", values) for n in range(100)
        ]
        alarms = tuple(
            Alarm(f"a{n}", event, FOUND, AlarmState.SINGLE, 1, THEN, THEN)
            for n, event in enumerate(events)
        )
        await self.deliver(self.plugin(server), notice(*alarms))
        mail = server.mails()[0]
        self.assertGreater(len(server.raw[0]), 200_000)
        self.assertEqual(mail.get_body(("plain",)).get_content().count("severity: error"), 100)


class FailureTests(MailTestCase):
    """Servers that do not take it."""

    async def test_later(self) -> None:
        """A server that says later is tried again later."""
        error = await self.refused(self.plugin(MailServer(self, "tempfail")))
        self.assertFalse(error.is_final)
        self.assertIn("451 4.3.0 try later", str(error))

    async def test_never(self) -> None:
        """A receiver that there is not is given up."""
        error = await self.refused(self.plugin(MailServer(self, "reject")))
        self.assertTrue(error.is_final)
        self.assertIn("550 5.1.1 no such user", str(error))

    async def test_hang(self) -> None:
        """A server that hangs costs the time that was given, and the mail is kept."""
        error = await self.refused(self.plugin(MailServer(self, "hang"), timeout=0.5))
        self.assertFalse(error.is_final)
        self.assertIn("no answer within 0.5 s (at DATA)", str(error))

    async def test_silent(self) -> None:
        """A server that takes the mail and says nothing is not asked once more at once, and nor is another."""
        first, second = MailServer(self, "silent"), MailServer(self)
        error = await self.refused(self.plugin(first, second, timeout=0.2))
        self.assertIn("at the mail", str(error))
        self.assertEqual(len(second.raw), 0)

    async def test_drop(self) -> None:
        """A connection that breaks in the middle of a mail is no delivery."""
        error = await self.refused(self.plugin(MailServer(self, "drop")))
        self.assertFalse(error.is_final)

    async def test_password(self) -> None:
        """A wrong password is told by its number alone, though the server repeats it, and is never final."""
        error = await self.refused(self.plugin(MailServer(self, "repeat")))
        self.assertFalse(error.is_final)
        self.assertTrue(str(error).endswith("AUTH was answered with 535 5.7.8"), str(error))

    async def test_nobody(self) -> None:
        """Where nobody listens the mail is kept."""
        plugin = self.plugin(server=(Server("localhost", free_port()),))
        error = await self.refused(plugin)
        self.assertIn("can't be reached", str(error))


class DangerTests(MailTestCase):
    """Whoever is on the way."""

    async def test_other_name(self) -> None:
        """A certificate for another name ends it before anything is said."""
        server = MailServer(self, name="other.example.com")
        error = await self.refused(self.plugin(server))
        self.assertIn("certificate is not for this name", str(error))
        self.assertEqual(server.raw, [])

    async def test_unknown_authority(self) -> None:
        """So does one that nobody vouches for; from the first byte likewise."""
        for security in ("starttls", "tls"):
            server = MailServer(self, security=security)
            error = await self.refused(self.plugin(server, trust="", security=security))
            self.assertIn("certificate verify failed", str(error))
            self.assertEqual(server.raw, [])

    async def test_starttls_taken_away(self) -> None:
        """If STARTTLS is not offered neither password nor mail is sent."""
        server = MailServer(self, security="none")
        error = await self.refused(self.plugin(server))
        self.assertIn("offers no STARTTLS", str(error))

    async def test_injected(self) -> None:
        """Answers that come with that to STARTTLS, in clear, are not believed; nothing is said after them."""
        heard: list[bytes] = []
        done = threading.Event()

        def serve(stream: Stream) -> None:
            connection: socket.socket = stream.socket
            connection.sendall(b"220 x\r\n")
            connection.recv(1000)
            connection.sendall(b"250-x\r\n250 STARTTLS\r\n")
            connection.recv(1000)
            connection.sendall(b"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n")
            try:
                heard.append(connection.recv(1000))
            except ConnectionResetError:
                heard.append(b"")
            done.set()

        server = SocketServer(self, serve)
        plugin = self.plugin(server=(Server("localhost", server.port),))
        error = await self.refused(plugin)
        self.assertIn("somebody is on the way", str(error))
        await deferToThread(done.wait, 5)
        self.assertEqual(heard, [b""])


class SenderTests(MailTestCase):
    """Who sends."""

    async def test_names(self) -> None:
        """Sender and the gateway's own name are those that were set."""
        server = MailServer(self)
        plugin = self.plugin(
            server, from_=Mailbox("Größe", "gw@example.net"), hello_name="proxy1.example.com"
        )
        await self.deliver(plugin)
        self.assertEqual(str(server.mails()[0]["From"]), "Größe <gw@example.net>")
        known = server.known(1)
        self.assertEqual((known["from"], known["hello"]), ("gw@example.net", "proxy1.example.com"))

    async def test_own_templates(self) -> None:
        """The site's templates are used; one with a fault costs no mail."""
        server = MailServer(self)
        folder: Path = made_folder(self)
        (folder / "subject.txt").write_text("{{ letter.count }} from {{ letter.node }}")
        await self.deliver(self.plugin(server, templates=str(folder)))
        (folder / "subject.txt").write_text("{{ broken")
        await self.deliver(self.plugin(server, templates=str(folder)))
        first, second = server.mails(2)
        self.assertEqual(str(first["Subject"]), "1201 from proxy1.example.com")
        self.assertIn("digest: 1,201 events", str(second["Subject"]))
