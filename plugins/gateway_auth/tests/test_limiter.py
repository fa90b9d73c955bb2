"""Tests of the limiter."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.limiter import Limiter

HERE, THERE = "192.0.2.7", "192.0.2.8"


class LimiterTests(SynchronousTestCase):
    """L{Limiter}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.limiter = Limiter(
            self.clock,
            tries=3,
            address_tries=5,
            wait_seconds=1.0,
            longest_seconds=60.0,
            forget_seconds=100.0,
            most=10,
        )

    def fail(self, times: int, user: str = "anna", address: str = HERE) -> None:  # type: ignore[override]
        """Fail so often."""
        for _ in range(times):
            self.limiter.failed(user, address)

    def test_doubles(self) -> None:
        """The wait begins with the last try that is free, doubles, and has an end."""
        waits = []
        for _ in range(12):
            self.limiter.failed("anna", HERE)
            waits.append(self.limiter.wait("anna", THERE))
        self.assertEqual(waits[:6], [0.0, 0.0, 1.0, 2.0, 4.0, 8.0])
        self.assertEqual(waits[-1], 60.0)

    def test_ends(self) -> None:
        """It ends by time, and what is old is forgotten."""
        self.fail(3)
        self.clock.advance(1)
        self.assertEqual(self.limiter.wait("anna", THERE), 0.0)
        self.clock.advance(101)
        self.fail(1)
        self.assertEqual(self.limiter.wait("anna", THERE), 0.0)

    def test_one_user(self) -> None:
        """Case and white space make no other user, and one user's wait is not another's."""
        self.fail(1, "anna")
        self.fail(1, "ANNA")
        self.fail(1, " Anna ")
        self.assertGreater(self.limiter.wait("anna", THERE), 0)
        self.assertEqual(self.limiter.wait("bert", THERE), 0.0)

    def test_address(self) -> None:
        """Names change, the address does not; nor does its own success help it."""
        for number in range(5):
            self.fail(1, f"user{number}")
        self.limiter.succeeded("mallory", HERE)
        self.assertGreater(self.limiter.wait("anna", HERE), 0)
        self.assertEqual(self.limiter.wait("anna", THERE), 0.0)

    def test_ipv6(self) -> None:
        """Who has a network of IPv6 has one address."""
        for number in range(5):
            self.fail(1, f"user{number}", f"2001:db8:0:1::{number}")
        self.assertGreater(self.limiter.wait_at("2001:db8::1:0:0:0:99"), 0)
        self.assertEqual(self.limiter.wait_at("2001:db8:0:2::1"), 0.0)

    def test_success(self) -> None:
        """Success forgets a user's wrong passwords."""
        self.fail(2)
        self.limiter.succeeded("anna", HERE)
        self.fail(2)
        self.assertEqual(self.limiter.wait("anna", THERE), 0.0)

    def test_known_place(self) -> None:
        """Where a user was let in lately he is not kept waiting by what others guess elsewhere."""
        self.limiter.succeeded("anna", HERE)
        self.fail(4, "anna", THERE)
        self.assertEqual(self.limiter.wait("anna", HERE), 0.0)
        self.assertGreater(self.limiter.wait("anna", THERE), 0)
        self.clock.advance(99)
        self.fail(4, "anna", THERE)
        self.clock.advance(2)
        self.assertGreater(self.limiter.wait("anna", HERE), 0)

    def test_under_way(self) -> None:
        """Passwords that are being checked count as wrong, until nobody could say."""
        for _ in range(3):
            self.limiter.begun("anna")
        self.assertGreater(self.limiter.wait("anna", THERE), 0)
        self.limiter.excused("anna")
        self.assertEqual(self.limiter.wait("anna", THERE), 0.0)
        self.limiter.excused("anna")
        self.limiter.excused("anna")
        self.assertEqual(self.limiter.size, 0)

    def test_bounded(self) -> None:
        """However many users and addresses there are, so many are kept."""
        for number in range(100):
            self.limiter.failed(f"user{number}", f"192.0.2.{number}")
            self.limiter.succeeded(f"other{number}", HERE)
        self.assertEqual(self.limiter.size, 30)
