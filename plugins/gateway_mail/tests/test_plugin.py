"""Tests of the plugin in a gateway in memory."""

from __future__ import annotations

import email
import email.policy
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Services, Severity
from gateway.api.alarms import DeliveryFailed, Notice
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, FakeServices
from gateway_mail import Mail, MailSettings
from gateway_mail.settings import Receiver, Security, Server
from gateway_mail.tests.notices import FOUND, alarm, notice
from gateway_mail.tests.scripted import PASSWORD, USER, ScriptedServer


class PluginTestCase(SynchronousTestCase):
    """Tests with a gateway and two servers, C{one.example.com} and C{two.example.com}."""

    servers: dict[str, ScriptedServer]

    def gateway(self, **settings: Any) -> FakeGateway:
        """Start a gateway with the plugin; what there is to say goes to ops@example.com."""
        test = self
        secret = Path(self.mktemp()).absolute()
        secret.write_text(PASSWORD + "\n")

        class Scripted(Mail):
            def __init__(self, settings: MailSettings, services: Services) -> None:
                test.servers = {
                    "one.example.com": ScriptedServer(services.clock),
                    "two.example.com": ScriptedServer(services.clock),
                }
                super().__init__(settings, services, connect=test.connect)

        said = {
            "to": ["ops@example.com"],
            "server": "one.example.com",
            "user": USER,
            "password": {"file": str(secret)},
            **settings,
        }
        made = FakeGateway(
            Scripted, {name: value for name, value in said.items() if value is not None}
        )
        self.addCleanup(made.stop)
        self.one, self.two = self.servers.values()
        return made

    def connect(self, server: Server, security: Security, protocol: Protocol) -> Deferred[Any]:
        return self.servers[server.host].connect(server, security, protocol)

    def deliver(
        self, gateway: FakeGateway, told: Notice | None = None, receiver: int = 0
    ) -> Deferred[None]:
        """Have a notice delivered."""
        plugin: Any = gateway.plugin
        going = Deferred.fromCoroutine(
            plugin.deliver(plugin.settings.to[receiver], told or notice())
        )
        for _ in range(50):
            gateway.settle()
            gateway.clock.advance(0)
        return going

    def failed(self, going: Deferred[None]) -> DeliveryFailed:
        error = self.failureResultOf(going, DeliveryFailed).value
        assert isinstance(error, DeliveryFailed)
        return error


class ChannelTests(PluginTestCase):
    """Events of the gateway become mails."""

    def test_event(self) -> None:
        """An event goes to each receiver, in a mail of its own that names nobody else."""
        gateway = self.gateway(
            to=["ops@example.com", {"address": "boss@example.com", "least": "error"}]
        )
        gateway.tell(FOUND("Eicar-Signature in a download", "192.0.2.7", action="block"))
        gateway.clock.advance(1)
        mails = [email.message_from_bytes(one, policy=email.policy.SMTP) for one in self.one.mails]
        self.assertEqual(
            sorted(str(mail["To"]) for mail in mails), ["boss@example.com", "ops@example.com"]
        )
        for mail in mails:
            self.assertIn("malware found: 192.0.2.7", str(mail["Subject"]))
            self.assertIsNone(mail["Bcc"])

    def test_rules(self) -> None:
        """A receiver gets what its table says and nothing else."""
        gateway = self.gateway(
            to=[
                {"address": "a@example.com", "events": ["-malware_*"]},
                {"address": "b@example.com", "notify": {"malware_found": "never"}},
                {"address": "c@example.com"},
            ]
        )
        gateway.tell(FOUND("Eicar-Signature in a download", "192.0.2.7", action="block"))
        gateway.clock.advance(1)
        receivers = [line for line in self.one.said if line.startswith("RCPT")]
        self.assertEqual(receivers, ["RCPT TO:<c@example.com>"])
        self.assertLess(Severity.INFO.rank, FOUND.severity.rank)


class ServerTests(PluginTestCase):
    """Which server is asked, and what follows if it does not take a mail."""

    def test_next_server(self) -> None:
        """If the first server can't be reached the mail goes by the next, and that one is asked first for a while."""
        gateway = self.gateway(server=["one.example.com", "two.example.com"])
        self.one.up = False
        self.assertIsNone(self.successResultOf(self.deliver(gateway)))
        self.assertEqual(len(self.two.mails), 1)
        self.one.up = True
        self.assertIsNone(self.successResultOf(self.deliver(gateway)))
        self.assertEqual(self.one.connections, 0)
        gateway.clock.advance(301)
        self.assertIsNone(self.successResultOf(self.deliver(gateway)))
        self.assertEqual((len(self.one.mails), len(self.two.mails)), (1, 2))

    def test_none(self) -> None:
        """If no server takes it the mail is tried again later; what is said names each, and no secret."""
        gateway = self.gateway(server=["one.example.com", "two.example.com"])
        self.one.up = False
        self.two.answers["AUTH"] = f"535 5.7.8 {PASSWORD}"
        error = self.failed(self.deliver(gateway))
        self.assertFalse(error.is_final)
        self.assertEqual(
            str(error),
            "one.example.com:587: can't be reached: connection refused; "
            "two.example.com:587: AUTH was answered with 535 5.7.8",
        )

    def test_refused_receiver(self) -> None:
        """A receiver that the server does not know is final for him, and no matter of the next server."""
        gateway = self.gateway(server=["one.example.com", "two.example.com"])
        self.one.answers["RCPT"] = "550 5.1.1 no such user"
        self.assertTrue(self.failed(self.deliver(gateway)).is_final)
        self.assertEqual(self.two.connections, 0)

    def test_not_known_whether_it_arrived(self) -> None:
        """A mail that may have arrived is not given to another server at once."""
        gateway = self.gateway(server=["one.example.com", "two.example.com"])
        self.one.answers["."] = "drop"
        self.assertFalse(self.failed(self.deliver(gateway)).is_final)
        self.assertEqual(self.two.connections, 0)

    def test_same_mail_again(self) -> None:
        """Another attempt has the same Message-ID and date, and each receiver's is another."""
        gateway = self.gateway(to=["ops@example.com", "boss@example.com"])
        for attempt, receiver in ((1, 0), (2, 0), (1, 1)):
            self.successResultOf(self.deliver(gateway, notice(attempt=attempt), receiver))
        first, again, other = (
            email.message_from_bytes(one, policy=email.policy.SMTP) for one in self.one.mails
        )
        self.assertEqual((first["Message-ID"], first["Date"]), (again["Message-ID"], again["Date"]))
        self.assertNotEqual(first["Message-ID"], other["Message-ID"])

    def test_few_sessions(self) -> None:
        """No more than four sessions are open at the same time, the others wait for their turn."""
        gateway = self.gateway()
        self.one.answers["RCPT"] = None
        going = [self.deliver(gateway, notice(id=f"n{number}")) for number in range(6)]
        self.assertEqual(self.one.connections, 4)
        del self.one.answers["RCPT"]
        gateway.clock.advance(61)
        for _ in range(50):
            gateway.clock.advance(0)
        for one in going[:4]:
            self.failed(one)
        for one in going[4:]:
            self.assertIsNone(self.successResultOf(one))

    def test_stop(self) -> None:
        """When the plugin is stopped no connection stays."""
        gateway = self.gateway()
        self.one.answers["RCPT"] = None
        going = self.deliver(gateway)
        gateway.plugin.stop()
        gateway.clock.advance(0)
        self.assertEqual(self.one.open, [])
        self.failed(going)

    def test_defaults(self) -> None:
        """Who sends is at the domain of the first receiver, unless it is said."""
        gateway = self.gateway()
        self.successResultOf(self.deliver(gateway))
        self.assertIn("MAIL FROM:<gateway@example.com>", self.one.said)
        gateway = self.gateway(**{"from": "Gateway <gw@mail.example.net>"})
        self.successResultOf(self.deliver(gateway))
        self.assertIn("MAIL FROM:<gw@mail.example.net>", self.one.said)


class SecretTests(PluginTestCase):
    """Nothing that is logged or raised holds the password."""

    def test_log(self) -> None:
        """Whatever the server repeats, neither the log nor what is raised has it."""
        gateway = self.gateway()
        texts = []
        for to in ("", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "."):
            self.one.answers = {to: f"554 5.0.0 {PASSWORD}"}
            if to in ("", "EHLO", "STARTTLS"):
                continue  # The server does not know it yet.
            texts.append(str(self.failed(self.deliver(gateway))))
            gateway.tell(FOUND("x", f"192.0.2.{len(texts)}"))
            gateway.clock.advance(1)
        self.assertEqual(len(texts), 5)
        for text in (*texts, *gateway.log, repr(gateway.plugin.settings)):
            self.assertNotIn(PASSWORD, text)


class TemplateTests(PluginTestCase):
    """The site's own templates."""

    def folder(self, **files: str) -> str:
        made = Path(self.mktemp()).absolute()
        for name, text in files.items():
            path = made / name.replace("__", "/").replace("_txt", ".txt").replace("_html", ".html")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(made)

    def mail(self) -> Any:
        return email.message_from_bytes(self.one.mails[-1], policy=email.policy.SMTP)

    def test_override(self) -> None:
        """A file stands in for the built-in one of its name; what it says of an event is in text and HTML."""
        folder = self.folder(events__malware_found_txt="Call {{ alarm.subject }} & co.")
        gateway = self.gateway(templates=folder)
        self.assertEqual(gateway.cautions, [])
        self.successResultOf(self.deliver(gateway))
        mail = self.mail()
        self.assertIn("Call 192.0.2.7 & co.", mail.get_body(("plain",)).get_content())
        self.assertIn("<p>Call 192.0.2.7 &amp; co.</p>", mail.get_body(("html",)).get_content())
        self.assertEqual(gateway.log, [])

    def test_fault(self) -> None:
        """A fault in a template never costs a mail: the built-in ones are used, the log says so once, and C{gateway check} too."""
        faults = {
            "{{ nobody.knows }}": "'nobody' is undefined",
            "{% if %}": "line 1",
            "{{ 1 / 0 }}": "ZeroDivisionError",
            "{{ letter.__class__.__mro__ }}": "SecurityError",
            "{% include 'none.txt' %}": "there is no template none.txt here",
            "{{ 'x' * 9000000 }}": "without an end",
        }
        for text, why in faults.items():
            gateway = self.gateway(templates=self.folder(notice_txt=text))
            self.assertEqual(len(gateway.cautions), 1, text)
            self.assertIn(why, gateway.cautions[0])
            self.assertIn("templates", gateway.cautions[0])
            for _ in range(2):
                self.successResultOf(self.deliver(gateway))
            self.assertIn("192.0.2.7", self.mail().get_body(("plain",)).get_content())
            self.assertEqual(len(gateway.log), 1, gateway.log)
            self.assertIn(why, gateway.log[0])
            self.assertEqual(gateway.log[0].level, "error")

    def test_text_within_html(self) -> None:
        """What a template for text writes into one for HTML is escaped there, too."""
        folder = self.folder(notice_html="{% include 'notice.txt' %}")
        gateway = self.gateway(templates=folder)
        self.successResultOf(self.deliver(gateway, notice(alarm(text="<script>"))))
        html = self.mail().get_body(("html",)).get_content()
        self.assertIn("&lt;script&gt;", html)
        self.assertNotIn("<script>", html)

    def test_unused(self) -> None:
        """A file that nothing uses is probably misspelt; one that begins with _ is for others to include."""
        folder = self.folder(events__malware_fuond_txt="x", events___mine_txt="x")
        gateway = self.gateway(templates=folder)
        self.assertEqual(len(gateway.cautions), 1)
        self.assertIn("did you mean events/malware_found.txt?", gateway.cautions[0])

    def test_no_folder(self) -> None:
        """Without the folder there are the built-in ones, and a caution."""
        gateway = self.gateway(templates=str(Path(self.mktemp()).absolute()))
        self.assertIn("can't be read", gateway.cautions[0])
        self.successResultOf(self.deliver(gateway))

    def test_subject_of_several_lines(self) -> None:
        """A template can't begin a field by a line end in the subject."""
        gateway = self.gateway(templates=self.folder(subject_txt="a\r\nBcc: evil@example.com\n\n"))
        self.successResultOf(self.deliver(gateway))
        self.assertEqual(str(self.mail()["Subject"]), "a Bcc: evil@example.com")
        self.assertIsNone(self.mail()["Bcc"])


class ReviewTests(PluginTestCase):
    """What C{gateway check} says."""

    def test_in_clear(self) -> None:
        """Mail in clear is said, but not of a server on this machine."""
        gateway = self.gateway(security="none", user="", password=None)
        self.assertIn("in clear", gateway.cautions[0])
        gateway = self.gateway(security="none", user="", password=None, server="127.0.0.1:25")
        self.assertEqual(gateway.cautions, [])

    def test_without_jinja(self) -> None:
        """Without jinja2 the gateway does not start, and says what to install."""
        self.patch(sys, "modules", {**sys.modules, "jinja2": None})
        error = self.assertRaises(ConfigError, self.gateway)
        self.assertIn('pip install "gateway[mail]"', str(error))
        plugin: Any = Mail(
            MailSettings(to=(Receiver("a@example.com"),), server=(Server("localhost", 25),)),
            FakeServices(Clock(), lambda event: None).for_plugin("mail"),
        )
        self.assertIn("jinja2", str(self.assertRaises(RuntimeError, plugin.start)))

    def test_without_pillow(self) -> None:
        """Without Pillow digests go without their picture, and C{gateway check} says so."""
        self.patch(sys, "modules", {**sys.modules, "PIL": None})
        gateway = self.gateway()
        self.assertIn("Pillow is not installed", gateway.cautions[0])
        self.successResultOf(self.deliver(gateway, notice(is_digest=True)))
        mail: Any = email.message_from_bytes(self.one.mails[0], policy=email.policy.SMTP)
        self.assertEqual(
            [part.get_content_type() for part in mail.walk()],
            ["multipart/alternative", "text/plain", "text/html"],
        )
        self.assertNotIn("<img", mail.get_body(("html",)).get_content())

    def test_contradictions(self) -> None:
        """A user without a password, one in clear, or one receiver twice are refused."""
        wrong: tuple[dict[str, Any], ...] = (
            {"password": None},
            {"user": ""},
            {"security": "none"},
            {"to": ["ops@example.com", "OPS@example.com"]},
            {"to": []},
            {"to": ["ops@example.com\r\nBcc: evil@example.com"]},
            {"from": "gateway"},
            {"server": "smtp.example.com:0"},
            {"subject_prefix": "a\nb"},
        )
        for said in wrong:
            self.assertRaises(ConfigError, self.gateway, **said)


class DigestTests(PluginTestCase):
    """A digest."""

    def test_picture(self) -> None:
        """It has a picture that the HTML names, and nothing that is fetched from anywhere."""
        gateway = self.gateway()
        told = notice(alarm(count=1200), alarm(None, "odd", "", name="odd"), is_digest=True)
        self.successResultOf(self.deliver(gateway, told))
        mail: Any = email.message_from_bytes(self.one.mails[0], policy=email.policy.SMTP)
        picture = next(part for part in mail.walk() if part.get_content_type() == "image/png")
        self.assertTrue(picture.get_content().startswith(b"\x89PNG"))
        html = mail.get_body(("related", "html"))
        text = next(part for part in html.walk() if part.get_content_type() == "text/html")
        self.assertIn(f'src="cid:{picture["Content-ID"][1:-1]}"', text.get_content())
        self.assertIn('alt="Bar chart of events by kind. malware found: 1,200', text.get_content())
