"""Which clients have the CA."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.net.ca_holders import (
    MAX_CLIENTS,
    MAX_TOLD,
    NAMES_WITHOUT_CA,
    TOLD_SECONDS,
    CaHolders,
)

PHONE = "192.0.2.7"


class HolderTests(SynchronousTestCase):
    """L{CaHolders}."""

    def setUp(self) -> None:
        self.told: list[Event] = []
        self.holders = CaHolders(self.told.append)

    def refuse(self, count: int, address: str = PHONE, now: float = 0.0) -> list[bool]:
        """Let a client refuse so many different names."""
        return [
            self.holders.refused(address, f"{number}.example.com", now) for number in range(count)
        ]

    def test_one_name(self) -> None:
        """However often one name is refused, that says nothing about the client."""
        for _ in range(50):
            self.assertFalse(self.holders.refused(PHONE, "www.example.com", 0.0))
        self.assertEqual((self.told, self.holders.lacking()), ([], []))

    def test_all_names(self) -> None:
        """From the fourth name on it refuses everything, which is told once."""
        few = NAMES_WITHOUT_CA - 1
        self.assertEqual(self.refuse(few + 5), [False] * few + [True] * 5)
        self.assertEqual([event.subject for event in self.told], [PHONE])
        self.assertEqual(self.holders.lacking(), [PHONE])

    def test_accepted(self) -> None:
        """One that it accepts in between changes that, also afterwards."""
        self.refuse(NAMES_WITHOUT_CA - 1)
        self.holders.accepted(PHONE, 1.0)
        self.assertEqual(self.refuse(NAMES_WITHOUT_CA)[-2:], [False, True])
        self.holders.accepted(PHONE, 2.0)
        self.assertEqual(self.holders.lacking(), [])

    def test_accepted_since(self) -> None:
        """Only what was accepted after a moment counts; who is not known has accepted nothing."""
        self.holders.accepted(PHONE, 5.0)
        self.assertTrue(self.holders.accepted_since(PHONE, 4.0))
        self.assertFalse(self.holders.accepted_since(PHONE, 5.0))
        self.assertFalse(self.holders.accepted_since("192.0.2.8", 0.0))

    def test_told_at_once(self) -> None:
        """Of many within ten minutes a few are told, and all are known."""
        for number in range(MAX_TOLD + 10):
            self.refuse(NAMES_WITHOUT_CA, f"192.0.2.{number}", float(number))
        self.assertEqual(len(self.told), MAX_TOLD)
        self.assertEqual(len(self.holders.lacking()), MAX_TOLD + 10)
        self.refuse(NAMES_WITHOUT_CA, "198.51.100.1", TOLD_SECONDS)
        self.assertEqual(self.told[-1].subject, "198.51.100.1")

    def test_bounded(self) -> None:
        """The least recent client is forgotten."""
        for number in range(MAX_CLIENTS):
            self.holders.accepted(f"2001:db8::{number:x}", 1.0)
        self.holders.accepted("2001:db8::0", 2.0)
        self.holders.accepted(PHONE, 2.0)
        self.assertEqual(len(self.holders), MAX_CLIENTS)
        self.assertTrue(self.holders.accepted_since("2001:db8::0", 0.0))
        self.assertFalse(self.holders.accepted_since("2001:db8::1", 0.0))
