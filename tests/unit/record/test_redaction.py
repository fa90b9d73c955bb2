"""Tests of the log that plugins get."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.secrets import Secret
from gateway.record.redaction import RedactingLog, is_secret_name, secrets_of

BIND = "correct horse battery"


@dataclass(frozen=True)
class Directory:
    """Settings with a secret inside a list."""

    url: str
    logins: tuple[dict[str, Secret], ...]


class RedactingLogTests(SynchronousTestCase):
    """L{RedactingLog}."""

    def setUp(self) -> None:
        """Keep what comes through."""
        self.events: list[dict[str, Any]] = []
        settings = Directory("ldap://directory.example.com", ({"login": Secret(BIND)},))
        logger = Logger("test", observer=self.events.append)  # type: ignore[arg-type]
        self.log = RedactingLog("directory", settings, logger)

    def said(self) -> str:
        """Give the text of the only event, and look whether the secret is anywhere in it."""
        (event,) = self.events
        self.assertNotIn(BIND, repr(event))
        return str(event["text"])

    def test_plain(self) -> None:
        """What is no secret is written as its format says."""
        self.log.info("{host} is on {name:>5}, {n:.1f}", host="a.example.com", name="list", n=1.26)
        self.assertEqual(self.said(), "a.example.com is on  list, 1.3")
        self.assertEqual(self.events[0]["field_host"], "a.example.com")

    def test_named_fields(self) -> None:
        """The value of a field that is named like a secret is not shown, nor is it in the event."""
        for name in ("password", "Authorization", "set_cookie", "api_key", "accessToken", "secret"):
            self.events.clear()
            self.log.warn(f"with {{{name}}}", **{name: BIND})
            self.assertEqual(self.said(), "with <redacted>")

    def test_inside(self) -> None:
        """Neither an attribute nor a key of that name is shown, however it is asked for."""
        login = {"user": "bob", "password": BIND}
        self.log.info("{login[password]} {login}", login=login)
        self.assertEqual(self.said(), "<redacted> {user: 'bob', password: <redacted>}")

    def test_secret_objects(self) -> None:
        """A Secret is never shown, whatever its field is called."""
        self.log.info("{a} {a!r} {b} {a._text}", a=Secret(BIND), b=[Secret(BIND)])
        self.assertEqual(self.said(), "<redacted> '<redacted>' [<redacted>] <redacted>")

    def test_secrets_of_settings(self) -> None:
        """The plugin's own secrets are cut out of any text."""
        self.log.info("sent {line}", line=f"BIND {BIND} simple")
        self.assertEqual(self.said(), "sent BIND <redacted> simple")

    def test_user_and_password_in_urls(self) -> None:
        """User information of a URL is cut out, also with an @ in the password."""
        self.log.info("asked {url}", url=f"https://bob:p@{BIND.split()[0]}@host.example.com/x?a=1")
        self.assertEqual(self.said(), "asked https://<redacted>@host.example.com/x?a=1")

    def test_texts(self) -> None:
        """What follows a name of a secret in a text is cut out."""
        for text, left in (
            ("GET /?token=abc&x=1", "GET /?token=<redacted>&x=1"),
            ("Authorization: Basic Zm9vOmJhcg== x", "Authorization: <redacted>"),
            ("a Cookie: a=b; c=d", "a Cookie: <redacted>"),
            ("{'password': 'foo bar', 'n': 1}", "{'password': <redacted>, 'n': 1}"),
            ("client_secret=s3cr3t", "client_secret=<redacted>"),
            ("sent Bearer abcdef.ghi", "sent Bearer <redacted>"),
            ("the tokenizer: fast", "the tokenizer: fast"),
            ("no cookies here", "no cookies here"),
        ):
            self.assertEqual(self.log.scrub(text), left)

    def test_exceptions(self) -> None:
        """The text of an exception, and of those behind it, is searched like any other."""
        try:
            try:
                raise ValueError(f"bad answer to {BIND}")
            except ValueError as error:
                raise RuntimeError("https://u:p@h/ said password=hunter2") from error
        except RuntimeError:
            self.log.failure("can't refresh {what}", what="the list")
        said = self.said()
        self.assertIn("can't refresh the list\nTraceback", said)
        self.assertIn("RuntimeError: https://<redacted>@h/ said password=<redacted>", said)
        self.assertIn("ValueError: bad answer to <redacted>", said)
        self.assertNotIn("log_failure", self.events[0])

    def test_failures(self) -> None:
        """The Failure of an errback is taken, too."""
        self.log.failure("can't ask", Failure(RuntimeError(f"no {BIND}")))
        self.assertIn("RuntimeError: no <redacted>", self.said())

    def test_line_ends(self) -> None:
        """What a value holds can't begin a new line or move a cursor."""
        self.log.info("host {host}", host="a\r\n2026 forged\x1b[2J")
        self.assertEqual(self.said(), "host a\\x0d\\x0a2026 forged\\x1b[2J")

    def test_never_raises(self) -> None:
        """A format that does not fit is logged as well as can be."""
        self.log.info("{missing} {n:d} {0}", n="text")
        self.log.info("{unclosed", password=BIND)
        self.log.info("{it}", it=Unwritable())
        self.assertEqual(self.events[0]["text"], "<no missing> text <no 0>")
        self.assertIn("a line that can't be made", self.events[1]["text"])
        self.assertIn("a line that can't be made", self.events[2]["text"])
        self.assertNotIn(BIND, repr(self.events))

    def test_long(self) -> None:
        """A long text is cut, and searching it takes no time that grows with its square."""
        begun = time.process_time()
        self.log.info("{text}", text="a" * 5_000_000)
        for text in ("a" * 60_000, "a://" * 15_000, "token " * 10_000, "=:" * 30_000, "@" * 60_000):
            self.log.scrub(text)
        self.assertLess(time.process_time() - begun, 2.0)
        self.assertLess(len(self.said()), 20_000)


class NameTests(SynchronousTestCase):
    """Names and settings."""

    def test_names(self) -> None:
        """Words count, not letters: a monkey is no key."""
        for name in ("X-Api-Key", "clientSecret", "tokens", "PASSWORD", "proxy_authorization"):
            self.assertTrue(is_secret_name(name), name)
        for name in ("monkey", "tokenizer", "keys", "author", "description", "host"):
            self.assertFalse(is_secret_name(name), name)

    def test_settings(self) -> None:
        """Secrets are found however deep, and texts are none."""
        self.assertEqual(secrets_of({"a": [{"b": (Secret("x"),)}], "c": "y"}), ("x",))
        self.assertEqual(secrets_of(None), ())


class Unwritable:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")
