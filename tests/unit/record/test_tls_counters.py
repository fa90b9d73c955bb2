"""Tests of what is counted of TLS."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.modes import decryption
from gateway.record.tls_counters import DECISIONS, RESULTS, SIDES, WHYS, TlsCounters


class TlsCountersTests(SynchronousTestCase):
    """Handshakes and decisions."""

    def setUp(self) -> None:
        """Start from nothing."""
        self.counters = TlsCounters()

    def test_handshakes(self) -> None:
        """Each counts by side and result; only those that succeeded have a duration."""
        self.counters.handshake("client", "new", 0.5)
        self.counters.handshake("client", "resumed", 0.25)
        self.counters.handshake("client", "timeout", 30.0)
        self.counters.handshake("upstream", "refused")
        self.assertEqual(
            self.counters.handshakes,
            {
                ("client", "new"): 1,
                ("client", "resumed"): 1,
                ("client", "timeout"): 1,
                ("upstream", "refused"): 1,
            },
        )
        self.assertEqual(self.counters.seconds, {"client": 0.75})

    def test_decisions(self) -> None:
        """Each counts by what was decided and why."""
        for _ in range(2):
            self.counters.decided("tunnel", "never_decrypt")
        self.counters.decided("intercept", "decrypt_all")
        self.assertEqual(
            self.counters.decisions,
            {("tunnel", "never_decrypt"): 2, ("intercept", "decrypt_all"): 1},
        )

    def test_words_are_bounded(self) -> None:
        """Whatever words come, there are only so many labels: those that are not known are one."""
        for number in range(1000):
            word = f"www{number}.example.com"
            self.counters.decided(word, word)
            self.counters.decided("block", word)
            self.counters.handshake(word, word)
            self.counters.handshake("client", word)
        self.assertEqual(
            self.counters.decisions, {("other", "other"): 1000, ("block", "other"): 1000}
        )
        self.assertEqual(
            self.counters.handshakes, {("other", "other"): 1000, ("client", "other"): 1000}
        )

    def test_every_decision_is_known(self) -> None:
        """What the gateway decides by itself is never counted as something else."""
        made = [
            found for found in vars(decryption).values() if isinstance(found, decryption.Decision)
        ]
        self.assertGreater(len(made), 5)
        for decision in made:
            self.assertIn(decision.kind, DECISIONS)
            self.assertIn(decision.why, WHYS)

    def test_every_word_is_counted_as_itself(self) -> None:
        """Each word of the lists has a count of its own."""
        for side in SIDES:
            for result in RESULTS:
                self.counters.handshake(side, result)
        for decision in DECISIONS:
            for why in WHYS:
                self.counters.decided(decision, why)
        self.assertEqual(len(self.counters.handshakes), len(SIDES) * len(RESULTS))
        self.assertEqual(len(self.counters.decisions), len(DECISIONS) * len(WHYS))
