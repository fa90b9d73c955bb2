"""The circuit breaker."""

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import Clock
from gateway_auth.breaker import Breaker


class BreakerTests(SynchronousTestCase):
    """What fails again and again is left alone."""

    def setUp(self) -> None:
        """Make one."""
        self.clock = Clock()
        self.breaker = Breaker(self.clock, failures=3, retry_seconds=5.0)

    def fail_often(self) -> list[bool]:
        """Let it fail three times."""
        return [self.breaker.failed() for _ in range(3)]

    def test_opens(self) -> None:
        """It opens after so many failures in a row, and says so once."""
        self.breaker.failed()
        self.breaker.failed()
        self.assertFalse(self.breaker.succeeded())
        self.assertEqual(self.fail_often(), [False, False, True])
        self.assertFalse(self.breaker.is_closed)
        self.assertFalse(self.breaker.failed())

    def test_one_probe(self) -> None:
        """One probe at a time, and none before it is time for it."""
        self.assertFalse(self.breaker.begin_probe())
        self.fail_often()
        self.clock.advance(4.9)
        self.assertFalse(self.breaker.begin_probe())
        self.clock.advance(0.1)
        self.assertTrue(self.breaker.begin_probe())
        self.assertEqual(self.breaker.state, "half_open")
        self.assertFalse(self.breaker.begin_probe())
        self.assertFalse(self.breaker.failed())
        self.assertFalse(self.breaker.begin_probe())
        self.clock.advance(5.0)
        self.assertTrue(self.breaker.begin_probe())
        self.assertTrue(self.breaker.succeeded())
        self.assertTrue(self.breaker.is_closed)

    def test_late_failures(self) -> None:
        """What was under way when it opened does not put the probe off."""
        self.fail_often()
        self.clock.advance(4.0)
        self.breaker.failed()
        self.clock.advance(1.0)
        self.assertTrue(self.breaker.begin_probe())

    def test_harmful(self) -> None:
        """What must not be tried again soon opens it at once, for as long as is said."""
        self.assertTrue(self.breaker.failed(wait_seconds=300.0))
        self.clock.advance(299.0)
        self.assertFalse(self.breaker.begin_probe())
        self.clock.advance(1.0)
        self.assertTrue(self.breaker.begin_probe())
