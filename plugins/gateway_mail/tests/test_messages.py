"""Tests of the mail as it goes on the wire."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.alarms import AlarmState, Notice
from gateway.api.catalogue import CATALOGUE
from gateway_mail.letters import letter
from gateway_mail.messages import message
from gateway_mail.settings import Mailbox
from gateway_mail.templates import Templates, Written
from gateway_mail.tests.notices import FOUND, THEN, alarm, notice
from gateway_mail.tests.test_templates import HostileTests

SENDER = Mailbox("Gateway", "gateway@example.com")
ENDS = next(kind for kind in CATALOGUE.values() if kind.ends)


class MessageTestCase(SynchronousTestCase):
    """Tests with mails that are read again."""

    def raw(self, told: Notice, picture: bytes | None = None) -> bytes:
        written = Templates().write(letter(told, "[gateway]"))
        return message(told, written, picture, SENDER, "ops@example.com").content

    def read(self, raw: bytes) -> Any:
        """Read a mail and look whether everything is in order."""
        read = email.message_from_bytes(raw, policy=email.policy.SMTP)
        assert isinstance(read, EmailMessage)
        for part in read.walk():
            self.assertEqual(part.defects, [])
            for name, value in part.items():
                self.assertEqual(getattr(value, "defects", ()), (), name)
        return read

    def mail(self, told: Notice, picture: bytes | None = None) -> Any:
        return self.read(self.raw(told, picture))


class FormTests(MessageTestCase):
    """The form that every mail has."""

    def test_wire(self) -> None:
        """Every server takes it: ASCII, lines of up to 78 characters that end with CR LF (RFC 5322 section 2.1.1)."""
        told = notice(alarm(text="Größe 文件 😀 " * 100), alarm(FOUND, "x" * 5000))
        raw = self.raw(told)
        raw.decode("ascii")
        self.assertNotIn(b"\n", raw.replace(b"\r\n", b""))
        self.assertNotIn(b"\r", raw.replace(b"\r\n", b""))
        self.assertLessEqual(max(map(len, raw.split(b"\r\n"))), 78)
        self.assertTrue(raw.endswith(b"\r\n"))

    def test_fields(self) -> None:
        """Who, when, what, and that no program shall answer (RFC 3834)."""
        mail = self.mail(notice())
        self.assertEqual(str(mail["From"]), "Gateway <gateway@example.com>")
        self.assertEqual(str(mail["To"]), "ops@example.com")
        self.assertEqual(mail["Date"].datetime.timestamp(), THEN)
        self.assertEqual(str(mail["Auto-Submitted"]), "auto-generated")
        self.assertEqual(str(mail["X-Gateway-Event"]), "malware_found")
        self.assertEqual(str(mail["Importance"]), "high")
        self.assertFalse([name for name in mail if name.startswith("List-")])
        for name in ("From", "To", "Date", "Subject", "Message-ID", "MIME-Version"):
            self.assertEqual(len(mail.get_all(name)), 1, name)

    def test_parts(self) -> None:
        """Text first, then HTML; the picture belongs to the HTML and has its name there."""
        mail = self.mail(notice())
        self.assertEqual(
            [part.get_content_type() for part in mail.walk()],
            ["multipart/alternative", "text/plain", "text/html"],
        )
        mail = self.mail(notice(is_digest=True), b"\x89PNG")
        self.assertEqual(
            [part.get_content_type() for part in mail.walk()],
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        )
        picture = list(mail.walk())[-1]
        self.assertEqual(picture.get_content_disposition(), "inline")
        self.assertEqual(picture["Content-ID"], "<events@gateway>")

    def test_content(self) -> None:
        """Both parts arrive as they were written, in any language."""
        written = Written("s", "Größe\n.\n..\nFrom x\n文件\n", "<p>Größe 文件</p>\n")
        raw = message(notice(), written, None, SENDER, "ops@example.com").content
        mail = self.read(raw)
        for kind, expected in (("plain", written.text), ("html", written.html)):
            content = mail.get_body((kind,)).get_content()
            self.assertEqual(content.replace("\r\n", "\n"), expected)

    def test_subject(self) -> None:
        """A subject in any language arrives as it is (RFC 2047)."""
        for subject in ("Größe der Datei " * 10, "文件名" * 60, "😀" * 100, "plain", "=?x?q?y?="):
            written = Written(subject.strip(), "x\n", "<p>x</p>\n")
            raw = message(notice(), written, None, SENDER, "ops@example.com").content
            head = raw.partition(b"\r\n\r\n")[0]
            self.assertLessEqual(max(map(len, head.split(b"\r\n"))), 78, subject)
            if "=?" not in subject:
                self.assertEqual(str(self.read(raw)["Subject"]), subject.strip())


class NameTests(MessageTestCase):
    """What mails are known by."""

    def test_message_id(self) -> None:
        """It comes of notice and node, so another attempt has the same one."""
        one, again = self.mail(notice()), self.mail(notice(attempt=7))
        self.assertEqual(one["Message-ID"], again["Message-ID"])
        self.assertRegex(one["Message-ID"], r"^<n1\.[0-9a-f]{16}@proxy1\.example\.com>$")
        for other in (notice(id="n2"), notice(node="proxy2.example.com")):
            self.assertNotEqual(one["Message-ID"], self.mail(other)["Message-ID"])

    def test_odd_names(self) -> None:
        """Whatever notice and node are called, the name is in order and on one line."""
        for text in ("a b", "x" * 300, "<>@", "größe", "a..b", "\r\nBcc: x", ""):
            raw = self.raw(notice(id=text, node=text))
            found = re.findall(rb"(?m)^Message-ID: <[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+>\r$", raw)
            self.assertEqual(len(found), 1, text)
            self.assertIsNone(self.read(raw)["Bcc"])

    def test_thread(self) -> None:
        """Beginning, middle and end of one state are one thread; of another, or of none, they are not."""
        begins = CATALOGUE[ENDS.ends]

        def thread(state: AlarmState, kind: Any, subject: str = "a") -> Any:
            return self.mail(notice(alarm(kind, "x", subject, state=state)))["References"]

        begun = thread(AlarmState.BEGUN, begins)
        self.assertIsNotNone(begun)
        self.assertEqual(begun, thread(AlarmState.GOES_ON, begins))
        self.assertEqual(begun, thread(AlarmState.OVER, ENDS))
        self.assertNotEqual(begun, thread(AlarmState.BEGUN, begins, "b"))
        self.assertIsNone(thread(AlarmState.SINGLE, begins))

    def test_importance(self) -> None:
        """An error is important when it happens, not when it is over; a test and a digest never are."""
        self.assertEqual(self.mail(notice())["Importance"], "high")
        self.assertIsNone(self.mail(notice(is_digest=True))["Importance"])
        self.assertIsNone(self.mail(notice(alarm(state=AlarmState.OVER)))["Importance"])
        self.assertIsNone(self.mail(notice(alarm(is_test=True)))["Importance"])


class InjectionTests(MessageTestCase):
    """Texts that would be fields."""

    def test_hostile(self) -> None:
        """Whatever an event says, the mail has the fields that it has, each once, and two parts."""
        expected = self.mail(notice()).keys()
        for text in HostileTests.TEXTS:
            hostile = alarm(FOUND, text, text, values={"url": text}, subjects={text: 1})
            for told in (notice(hostile), notice(hostile, id=text, node=text)):
                mail = self.mail(told)
                self.assertEqual(mail.keys(), expected)
                self.assertEqual(len(list(mail.walk())), 3)
                self.assertNotIn("evil", str(mail["To"]))
