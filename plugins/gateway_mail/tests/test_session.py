"""Tests of sessions with servers in memory."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway_mail.messages import Envelope
from gateway_mail.session import Login, MailFailed, Session
from gateway_mail.settings import Security, Server
from gateway_mail.tests.scripted import PASSWORD, USER, ScriptedServer

LOGIN = Login(USER.encode(), PASSWORD.encode())
CONTENT = b"Subject: x\r\n\r\nhello\r\n"
SERVER = Server("mail.example.com", 587)


class SessionTestCase(SynchronousTestCase):
    """Tests with one server."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = ScriptedServer(self.clock)
        self.addCleanup(self.nothing_left)

    def nothing_left(self) -> None:
        self.clock.pump([0.0] * 20 + [10.0])
        self.assertEqual(self.server.open, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def session(
        self,
        security: Security = "starttls",
        login: Login | None = LOGIN,
        content: bytes = CONTENT,
        **more: Any,
    ) -> Session:
        made = Session(
            Envelope("gateway@example.com", "ops@example.com", content),
            **{
                "hello": "proxy1.example.com",
                "security": security,
                "login": login,
                "tls": object(),
                "clock": self.clock,
                "timeout": 10.0,
                **more,
            },
        )
        self.server.connect(SERVER, security, made)
        self.turn()
        return made

    def turn(self) -> None:
        for _ in range(100):
            self.clock.advance(0)

    def failed(self, session: Session) -> MailFailed:
        error = self.failureResultOf(session.done, MailFailed).value
        assert isinstance(error, MailFailed)
        self.assertNotIn(PASSWORD, str(error))
        self.assertNotIn(base64.b64encode(PASSWORD.encode()).decode(), str(error))
        self.assertTrue(str(error).isprintable())
        return error


class MailTests(SessionTestCase):
    """A mail that arrives."""

    def test_whole_dialogue(self) -> None:
        """TLS comes first, who we are goes by TLS only, and one mail is given."""
        session = self.session()
        self.assertIsNone(self.successResultOf(session.done))
        self.assertEqual(
            self.server.verbs,
            ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"],
        )
        self.assertEqual(self.server.secured[0], "EHLO proxy1.example.com")
        self.assertIn("MAIL FROM:<gateway@example.com>", self.server.secured)
        self.assertIn("RCPT TO:<ops@example.com>", self.server.secured)
        self.assertEqual(self.server.mails, [CONTENT])

    def test_tls_from_the_first_byte(self) -> None:
        """There is no STARTTLS within TLS."""
        session = self.session("tls")
        self.assertIsNone(self.successResultOf(session.done))
        self.assertEqual(self.server.verbs[:2], ["EHLO", "AUTH"])

    def test_in_clear(self) -> None:
        """Without TLS there is no STARTTLS, though it is offered, and nobody says who he is."""
        session = self.session("none", None)
        self.assertIsNone(self.successResultOf(session.done))
        self.assertEqual(self.server.verbs, ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"])

    def test_address_as_name(self) -> None:
        """Without a name we are our address (RFC 5321 section 4.1.3)."""
        self.session("none", None, hello="")
        self.assertEqual(self.server.said[0], "EHLO [192.0.2.1]")

    def test_dots(self) -> None:
        """A dot at the beginning of a line arrives as it was, wherever it is in the mail."""
        lines = [b".", b"..", b".a", b"x" * 70] * 2000
        content = b"\r\n".join(lines) + b"\r\n"
        session = self.session(content=content)
        self.assertIsNone(self.successResultOf(session.done))
        self.assertEqual(self.server.mails, [content])

    def test_without_a_last_line_end(self) -> None:
        """A mail that does not end with a line end gets one."""
        self.session(content=b"Subject: x\r\n\r\nhello")
        self.assertEqual(self.server.mails, [b"Subject: x\r\n\r\nhello\r\n"])

    def test_login(self) -> None:
        """A server that knows LOGIN only is given name and password, in whatever words it asks for them."""
        self.server.offers = ["AUTH LOGIN"]
        session = self.session()
        self.assertIsNone(self.successResultOf(session.done))

    def test_cram_md5(self) -> None:
        """A server that knows CRAM-MD5 only gets its challenge answered as in the example of RFC 2195."""
        self.server.offers = ["AUTH CRAM-MD5"]
        challenge = b"<1896.697170952@postoffice.reston.mci.net>"
        self.server.answers["AUTH"] = "334 " + base64.b64encode(challenge).decode()
        session = self.session(login=Login(b"tim", b"tanstaaftanstaaf"))
        self.failureResultOf(session.done, MailFailed)
        said = base64.b64decode(self.server.secured[2])
        self.assertEqual(said, b"tim b913a602c7eda7a495b4e6e7334d3890")

    def test_case_of_extensions(self) -> None:
        """Names of extensions are the same in small letters."""
        self.server.offers = ["auth plain"]
        session = self.session()
        self.assertIsNone(self.successResultOf(session.done))

    def test_odd_lines_in_the_greeting(self) -> None:
        """Empty lines and lines of one word in the answer to EHLO are no fault."""
        self.server.answers["EHLO"] = (
            "250-mail.example.com\r\n250-\r\n250-X\r\n250-AUTH PLAIN\r\n250 OK"
        )
        session = self.session("tls")
        self.assertIsNone(self.successResultOf(session.done))

    def test_farewell_without_an_end(self) -> None:
        """A mail that was taken counts as sent, though the server never answers the farewell."""
        self.server.answers["QUIT"] = None
        session = self.session()
        self.assertIsNone(self.successResultOf(session.done))


class RefusalTests(SessionTestCase):
    """What a server says no to."""

    def says(self, to: str, answer: str, **more: Any) -> MailFailed:
        self.server.answers[to] = answer
        return self.failed(self.session(**more))

    def test_receiver(self) -> None:
        """A receiver that there is not will not be there the next time; one that is busy may be."""
        error = self.says("RCPT", "550 5.1.1 no such user")
        self.assertEqual(
            (str(error), error.is_final),
            ("RCPT TO was answered with 550 5.1.1 no such user", True),
        )
        self.assertFalse(self.says("RCPT", "451 4.7.1 later").is_final)
        self.assertEqual(self.server.mails, [])

    def test_relay(self) -> None:
        """That we may not send by this server is mended there or here, so the mail is kept."""
        self.assertFalse(self.says("RCPT", "550 5.7.1 relaying denied").is_final)
        self.assertFalse(self.says("RCPT", "530 5.7.0 authenticate").is_final)

    def test_mail(self) -> None:
        """A mail that the server does not want is not offered again, unless it says later."""
        self.assertTrue(self.says(".", "552 5.3.4 too large").is_final)
        self.assertFalse(self.says(".", "452 4.3.1 disk full").is_final)
        self.assertFalse(self.says(".", "552 5.3.4 too large").is_open)

    def test_not_for_ever(self) -> None:
        """Greeting, name, sender and the way there are no matter of this mail, whatever the number."""
        for to in ("", "EHLO", "STARTTLS", "AUTH", "MAIL", "DATA"):
            error = self.says(to, "554 5.0.0 go away")
            self.assertFalse(error.is_final or error.is_open, to)
            del self.server.answers[to]

    def test_password_in_the_answer(self) -> None:
        """Of the answer to a password nothing is told but numbers, for it may repeat what was sent."""
        whole = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        error = self.says("AUTH", f"535 5.7.8 wrong: {whole} {PASSWORD}")
        self.assertEqual(str(error), "AUTH was answered with 535 5.7.8")
        error = self.says("AUTH", f"535 {PASSWORD}")
        self.assertEqual(str(error), "AUTH was answered with 535")

    def test_password_in_a_later_answer(self) -> None:
        """A password that is repeated later is taken out, in each form."""
        whole = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        error = self.says("MAIL", f"550 {'x' * 190}{PASSWORD} {whole}")
        self.assertNotIn(PASSWORD[:6], str(error))
        self.assertNotIn(whole[:10], str(error))
        error = self.says("MAIL", f"550 you said {whole} and {PASSWORD}")
        self.assertEqual(
            str(error), "MAIL FROM was answered with 550 you said <secret> and <secret>"
        )

    def test_answers_are_bounded_and_clean(self) -> None:
        """Of a long answer little is told, and no line end or invisible character of it."""
        error = self.says("MAIL", "550-" + "x" * 1000 + "\r\n550 \x1b[31m\u202ered")
        self.assertLess(len(str(error)), 300)
        self.assertTrue(str(error).isprintable())

    def test_wrong_password_is_sent_once(self) -> None:
        """A password that is refused is not sent in another form at once: accounts are locked by that."""
        error = self.says("AUTH", "535 5.7.8 no")
        self.assertFalse(error.is_final)
        self.assertEqual(self.server.verbs.count("AUTH"), 1)


class DangerTests(SessionTestCase):
    """Somebody on the way, or a server out of order."""

    def test_no_starttls(self) -> None:
        """Without STARTTLS nothing is sent, neither password nor mail."""
        self.server.starttls = False
        error = self.failed(self.session())
        self.assertIn("no STARTTLS", str(error))
        self.assertEqual(self.server.verbs, ["EHLO"])

    def test_no_password_in_clear(self) -> None:
        """A password never goes without TLS, whatever was configured."""
        error = self.failed(self.session("none"))
        self.assertIn("without TLS", str(error))
        self.assertEqual(self.server.verbs, ["EHLO"])

    def test_injected_answer(self) -> None:
        """What comes in clear with the answer to STARTTLS is not taken for what comes by TLS."""
        self.server.answers["STARTTLS"] = "220 begin\r\n250-evil\r\n250 AUTH PLAIN"
        error = self.failed(self.session())
        self.assertIn("somebody is on the way", str(error))
        self.assertEqual(self.server.secured, [])

    def test_no_known_way(self) -> None:
        """A server that can't be told who we are gets no mail."""
        self.server.offers = ["AUTH GSSAPI"]
        error = self.failed(self.session())
        self.assertIn("no way to authenticate", str(error))
        self.assertNotIn("MAIL", self.server.verbs)

    def test_endless_answer(self) -> None:
        """A server that talks without an end is left."""
        self.server.answers["EHLO"] = "\r\n".join(["250-x"] * 500)
        self.assertIn("does not speak SMTP", str(self.failed(self.session("none", None))))

    def test_no_smtp(self) -> None:
        """Neither is one heard that speaks something else, or in lines without an end."""
        for greeting in ("HTTP/1.1 400 Bad Request", "x" * 10_000, "099 x", "\x16\x03\x01"):
            self.server.answers[""] = greeting
            error = self.failed(self.session("none", None))
            self.assertIn("does not speak SMTP", str(error))

    def test_more_challenges_than_answers(self) -> None:
        """A server that goes on asking gets no second password."""
        self.server.answers["AUTH"] = "334 UGFzc3dvcmQ6"
        self.failed(self.session())
        self.assertEqual(self.server.verbs.count("AUTH"), 1)


class EndTests(SessionTestCase):
    """Sessions that end too early."""

    def test_silence(self) -> None:
        """A server that does not answer is given up after the time for an answer, and the connection dropped."""
        for to in ("", "EHLO", "AUTH", "RCPT", "DATA"):
            self.server.answers = {to: None}
            session = self.session()
            self.assertNoResult(session.done)
            self.clock.advance(10.1)
            error = self.failed(session)
            self.assertIn("no answer within 10 s", str(error))
            self.assertFalse(error.is_open or error.is_final)
            self.assertEqual(self.server.open, [])

    def test_silence_after_the_mail(self) -> None:
        """After the mail the server gets more time, and whether it has the mail is not known then."""
        self.server.answers["."] = None
        session = self.session()
        self.clock.advance(40)
        self.assertNoResult(session.done)
        self.clock.advance(11)
        error = self.failed(session)
        self.assertTrue(error.is_open)
        self.assertFalse(error.is_final)

    def test_drop(self) -> None:
        """A connection that ends before the mail leaves nothing open; one that ends after it does."""
        for to in ("", "EHLO", "AUTH", "RCPT", "DATA", "."):
            self.server.answers = {to: "drop"}
            error = self.failed(self.session())
            self.assertEqual(error.is_open, to == ".")
            self.assertFalse(error.is_final)

    def test_slow_server(self) -> None:
        """A server that takes its time with everything is given up, but not one that has the mail already."""
        self.server.answers["RCPT"] = None
        session = self.session()
        session.hurry()
        self.assertIn("too slow", str(self.failed(session)))
        self.server.answers = {".": None}
        session = self.session()
        session.hurry()
        self.assertNoResult(session.done)
        self.clock.advance(51)
        self.failed(session)

    def test_cancelled(self) -> None:
        """If nobody waits any more the connection is dropped."""
        self.server.answers["RCPT"] = None
        session = self.session()
        session.done.cancel()
        self.failureResultOf(session.done)
        self.assertEqual(self.server.open, [])
