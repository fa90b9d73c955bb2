"""Tests of the settings."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Severity
from gateway.api.events import Notify
from gateway.api.settings import BadValue, Secret
from gateway_mail.settings import (
    Mailbox,
    MailSettings,
    Receiver,
    Server,
    hello,
    mail_address,
    mailbox,
    rules_of,
    server,
)


class AddressTests(SynchronousTestCase):
    """Addresses of mailboxes."""

    def test_right(self) -> None:
        """What there usually is, is taken as it is."""
        for text in ("a@example.com", "a.b+c@mail.example.com", "root@localhost", "o'x@xn--e1.de"):
            self.assertEqual(mail_address(text), text)

    def test_wrong(self) -> None:
        """What would be something else on the wire, or none at all, is refused."""
        for text in (
            "",
            "a",
            "a@",
            "@example.com",
            "a@b@c",
            "a..b@example.com",
            "a@example.com>",
            "<a@example.com>",
            "a b@example.com",
            "a@example.com\r\nRCPT TO:<b@example.com>",
            "a@example.com\n",
            "ä@example.com",
            "a@-example.com",
            "x" * 65 + "@example.com",
            "a@" + ".".join(["x" * 60] * 5),
        ):
            self.assertRaises(BadValue, mail_address, text)

    def test_mailbox(self) -> None:
        """A sender may have a name."""
        self.assertEqual(mailbox("a@example.com"), Mailbox("", "a@example.com"))
        self.assertEqual(mailbox("Größe <a@example.com>"), Mailbox("Größe", "a@example.com"))
        self.assertEqual(mailbox('"A, B" <a@example.com>'), Mailbox("A, B", "a@example.com"))
        self.assertEqual(mailbox(""), Mailbox())
        for text in ("A <>", "A\r\nBcc: b <a@example.com>", "A <a@example.com> B", "A"):
            self.assertRaises(BadValue, mailbox, text)


class ServerTests(SynchronousTestCase):
    """Where servers are."""

    def test_right(self) -> None:
        """A name or an address, with a port or without."""
        for text, expected in (
            ("smtp.example.com:25", Server("smtp.example.com", 25)),
            ("SMTP.example.com", Server("smtp.example.com", 587)),
            ("192.0.2.1:465", Server("192.0.2.1", 465)),
            ("[2001:db8::1]:25", Server("2001:db8::1", 25)),
            ("localhost:25", Server("localhost", 25)),
        ):
            self.assertEqual(server(text), expected)
            self.assertEqual(server(str(expected)), expected)

    def test_wrong(self) -> None:
        """Anything else is refused."""
        for text in (
            "",
            ":25",
            "a:0",
            "a:65536",
            "a:b",
            "smtp://a",
            "2001:db8::1",
            "*.a:25",
            "a b",
        ):
            self.assertRaises(BadValue, server, text)

    def test_security(self) -> None:
        """Without a word it is TLS everywhere but on this machine, and there too if somebody logs in."""

        def chosen(where: str, **more: Any) -> str:
            one = server(where)
            settings = MailSettings(to=(Receiver("a@example.com"),), server=(one,), **more)
            return settings.security_of(one)

        login: dict[str, Any] = {"user": "a", "password": Secret("b")}
        self.assertEqual(chosen("smtp.example.com:465"), "tls")
        for port in (25, 587, 2525):
            self.assertEqual(chosen(f"smtp.example.com:{port}"), "starttls")
            for host in ("localhost", "127.0.0.1", "[::1]"):
                self.assertEqual(chosen(f"{host}:{port}"), "none")
                self.assertEqual(chosen(f"{host}:{port}", **login), "starttls")
        self.assertEqual(chosen("smtp.example.com:25", security="none"), "none")
        self.assertEqual(chosen("smtp.example.com:465", security="starttls"), "starttls")


class HelloTests(SynchronousTestCase):
    """The gateway's own name."""

    def test_names(self) -> None:
        """It is a domain, or nothing."""
        self.assertEqual(hello("proxy1.example.com"), "proxy1.example.com")
        self.assertEqual(hello(""), "")
        for text in ("a b", "a\r\nMAIL", "ä", ".a", "a_b"):
            self.assertRaises(BadValue, hello, text)


class RulesTests(SynchronousTestCase):
    """What a receiver is told of."""

    def test_own_over_common(self) -> None:
        """What a receiver's table says counts more than what the plugin's does."""
        receiver = Receiver(
            "a@example.com",
            least=Severity.ERROR,
            notify={"malware_found": Notify.ALWAYS},
            limit=0.0,
        )
        settings = MailSettings(to=(receiver,), server=(server("a"),), digest=900.0)
        rules = rules_of(settings, receiver)
        self.assertEqual(rules["least"], Severity.ERROR)
        self.assertEqual((rules["digest_seconds"], rules["limit_seconds"]), (900.0, 0.0))
        self.assertEqual(rules["notify"], {"malware_found": Notify.ALWAYS})
        own = Receiver("b@example.com", digest=3600.0)
        self.assertEqual(rules_of(settings, own)["digest_seconds"], 3600.0)
