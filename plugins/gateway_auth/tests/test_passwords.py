"""Tests of checking passwords: who is asked, how often, and what for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Identity, Overloaded
from gateway.testing.services import FakeLog, FakeServices
from gateway_auth.limiter import Limiter
from gateway_auth.passwords import Passwords, basic_value
from gateway_auth.remembered import Remembered
from gateway_auth.verifier import Refused, Unavailable, Verified

HERE = "192.0.2.7"


class Source:
    """
    A source of users that answers when the test says so.

    @ivar asked: what it was asked about, in order.
    """

    def __init__(self, name: str = "", asked: list[tuple[str, str, str]] | None = None) -> None:
        self.name = name
        self.asked = [] if asked is None else asked
        self.waiting: list[Deferred[Verified]] = []
        self.always: Verified | Exception | None = None

    async def verify(self, user: str, password: str) -> Verified:
        """Wait for the test."""
        self.asked.append((self.name, user, password))
        if isinstance(self.always, Exception):
            raise self.always
        if self.always is not None:
            return self.always
        waiting: Deferred[Verified] = Deferred()
        self.waiting.append(waiting)
        return await waiting


class PasswordsTestCase(SynchronousTestCase):
    """A test with sources."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.services = FakeServices(self.clock, lambda event: None).for_plugin("auth")
        self.source = Source("only")
        self.memory = Remembered(self.clock, seconds=900.0, refused_seconds=60.0)
        self.limiter = Limiter(self.clock, tries=3)
        self.passwords = self.made(self.source)

    def made(self, *sources: Source) -> Passwords:
        """Make one with other sources."""
        return Passwords(sources, self.memory, self.limiter, self.services)

    def going(self, coroutine: Coroutine[Any, Any, Identity]) -> Deferred[Identity]:
        """Begin a check."""
        return Deferred.fromCoroutine(coroutine)

    def check(self, password: str = "secret", user: str = "anna") -> Deferred[Identity]:
        """Begin a check."""
        return self.going(self.passwords.check(user, password, HERE))

    def reason(self, check: Deferred[Identity]) -> str:
        """Give why something was refused."""
        reason: str = self.failureResultOf(check, Refused).value.reason
        return reason


class OnceTests(PasswordsTestCase):
    """Asking as seldom as can be."""

    def test_together(self) -> None:
        """Connections that begin at the same time with the same password are checked as one."""
        checks = [self.check() for _ in range(6)]
        self.assertEqual(len(self.source.asked), 1)
        self.source.waiting[0].callback(Verified("Anna", frozenset({"staff"})))
        for check in checks:
            identity = self.successResultOf(check)
            self.assertEqual(identity, Identity("Anna", frozenset({"staff"}), "basic"))
        self.successResultOf(self.check())
        self.assertEqual(len(self.source.asked), 1)

    def test_one_gives_up(self) -> None:
        """Who hangs up leaves the others waiting, and the answer is remembered all the same."""
        first, second = self.check(), self.check()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.source.waiting[0].callback(Verified("anna"))
        self.successResultOf(second)
        self.assertIsNotNone(self.passwords.known(basic_value("anna", "secret")))

    def test_wrong_together(self) -> None:
        """A wrong one that comes six times at once is one wrong password."""
        checks = [self.check("wrong") for _ in range(6)]
        self.source.waiting[0].errback(Refused("wrong_password"))
        self.assertEqual([self.reason(check) for check in checks], ["wrong_password"] * 6)
        self.assertEqual(self.limiter.wait("anna", HERE), 0.0)

    def test_guesses_at_the_same_time(self) -> None:
        """Guesses are counted before their answers are there."""
        checks = [self.check(f"guess{number}") for number in range(10)]
        self.assertEqual(len(self.source.asked), 3)
        self.assertEqual([self.reason(check) for check in checks[3:]], ["too_often"] * 7)

    def test_unavailable_is_not_remembered(self) -> None:
        """That nobody could say is forgotten at once."""
        check = self.check()
        self.source.waiting[0].errback(Unavailable("down"))
        self.failureResultOf(check, Unavailable)
        self.check()
        self.assertEqual(len(self.source.asked), 2)

    def test_busy(self) -> None:
        """A full pool of threads is as good as a directory that is down."""
        self.source.always = Overloaded("directory", "full")
        self.failureResultOf(self.check(), Unavailable)

    def test_evicted(self) -> None:
        """Who is evicted is checked again."""
        self.source.always = Verified("Anna")
        self.successResultOf(self.check())
        self.assertEqual(self.passwords.evict("Anna"), 1)
        self.successResultOf(self.check())
        self.assertEqual(len(self.source.asked), 2)

    def test_not_asked(self) -> None:
        """Nothing is asked about an empty password, no name and what is too long."""
        for user, password in (("anna", ""), ("", "x"), ("a" * 2000, "x"), ("anna", "x" * 2000)):
            self.reason(self.check(password, user))
        self.assertEqual(self.source.asked, [])


class SourceTests(PasswordsTestCase):
    """Several sources."""

    def setUp(self) -> None:
        super().setUp()
        self.asked: list[tuple[str, str, str]] = []
        self.local, self.remote = Source("local", self.asked), Source("remote", self.asked)
        self.passwords = self.made(self.local, self.remote)

    def test_first_knows(self) -> None:
        """The first that says yes is enough."""
        self.local.always = Verified("anna")
        self.successResultOf(self.check())
        self.assertEqual(self.asked, [("local", "anna", "secret")])

    def test_second_knows(self) -> None:
        """Who is unknown to the first is asked for at the second."""
        self.local.always = Refused("unknown_user")
        self.remote.always = Verified("anna@example.com")
        self.assertEqual(self.successResultOf(self.check()).user, "anna@example.com")

    def test_first_knows_better(self) -> None:
        """
        A wrong password of a local user takes the way of an unknown one, for the time; the second source learns neither
        name nor password.
        """
        self.local.always = Refused("wrong_password")
        self.remote.always = Verified("somebody")
        self.assertEqual(self.reason(self.check()), "wrong_password")
        (_, (name, user, password)) = self.asked
        self.assertEqual(name, "remote")
        self.assertNotEqual((user, password), ("anna", "secret"))

    def test_reason_of_the_second(self) -> None:
        """The log has the reason of the one that knows the user."""
        self.local.always = Refused("unknown_user")
        self.remote.always = Refused("locked")
        self.assertEqual(self.reason(self.check()), "locked")
        log = self.services.log
        assert isinstance(log, FakeLog)
        self.assertEqual(log.texts, ["anna at 192.0.2.7 was refused: locked"])

    def test_nobody_to_ask(self) -> None:
        """Without a source nobody can say."""
        self.passwords = self.made()
        self.failureResultOf(self.check(), Unavailable)
