"""Tests of what is remembered of passwords."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Identity
from gateway_auth.remembered import Remembered

ANNA = Identity("anna", source="basic")


class RememberedTests(SynchronousTestCase):
    """L{Remembered}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.memory = Remembered(self.clock, seconds=900.0, refused_seconds=60.0, most=3)

    def keep(self, credentials: bytes, identity: Identity = ANNA, password: str = "pw") -> bytes:
        """Keep some; gives their key."""
        key = self.memory.key(credentials)
        self.memory.keep(key, identity, password)
        return key

    def test_ends(self) -> None:
        """It ends a fixed time after the check, however often it is asked."""
        key = self.keep(b"a")
        self.clock.advance(899)
        self.assertIs(self.memory.identity(key), ANNA)
        self.clock.advance(1)
        self.assertIsNone(self.memory.identity(key))
        self.assertEqual(len(self.memory), 0)

    def test_nothing_of_the_password(self) -> None:
        """Nothing that is kept holds the credentials, and no other process could make the keys."""
        key = self.keep(b"Basic YW5uYTpzZWNyZXQ=", password="secret")
        kept = repr((self.memory._good, self.memory._of_user))
        self.assertNotIn("secret", kept)
        self.assertNotIn("YW5uYTpzZWNyZXQ", kept)
        other = Remembered(self.clock, seconds=1.0, refused_seconds=1.0)
        self.assertNotEqual(other.key(b"Basic YW5uYTpzZWNyZXQ="), key)

    def test_new_password(self) -> None:
        """A new password that is right ends the old one; another spelling of the name does not."""
        old, spelt = self.keep(b"a"), self.keep(b"DOMAIN\\a")
        self.assertIsNotNone(self.memory.identity(old))
        new = self.keep(b"b", password="new")
        self.assertEqual(
            [self.memory.identity(key) for key in (old, spelt, new)], [None, None, ANNA]
        )

    def test_wrong_later(self) -> None:
        """What turns out wrong is good no longer, and known to be wrong for a while."""
        key = self.keep(b"a")
        self.memory.refuse(key, "wrong_password")
        self.assertIsNone(self.memory.identity(key))
        self.assertEqual(self.memory.refused(key), "wrong_password")
        self.clock.advance(60)
        self.assertIsNone(self.memory.refused(key))

    def test_wrong_ones_push_out_no_good_ones(self) -> None:
        """Bad ones have their own room, and both have an end."""
        good = self.keep(b"a")
        for number in range(10):
            self.memory.refuse(self.memory.key(b"%d" % number), "wrong_password")
        self.assertIsNotNone(self.memory.identity(good))
        self.assertEqual(len(self.memory._bad), 3)
        for number in range(10):
            self.keep(b"u%d" % number, Identity(f"user{number}"))
        self.assertEqual(len(self.memory), 3)
        self.assertEqual(len(self.memory._of_user), 3)

    def test_forget(self) -> None:
        """All of a user can be forgotten."""
        keys = [self.keep(b"a"), self.keep(b"b")]
        self.assertEqual(self.memory.forget("anna"), 2)
        self.assertEqual([self.memory.identity(key) for key in keys], [None, None])
        self.assertEqual(self.memory.forget("anna"), 0)
