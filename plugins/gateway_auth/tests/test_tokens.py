"""Keys and sealed texts: forged, cut, expired, another's; rotation; use once."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue
from gateway_auth.keys import read_keys, renewed
from gateway_auth.tokens import BadToken, NoKey, Once, Tokens

OLD = "o" * 40
NEW = "n" * 40
START = 1_800_000_000.0


class Case(SynchronousTestCase):
    """With a time that goes on when a test says so."""

    def setUp(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def tokens(self, text: str) -> Tokens:
        return Tokens(read_keys(text), self.now)

    def refused(self, tokens: Tokens, text: str, context: str = "a", purpose: str = "p") -> str:
        fault = self.assertRaises(BadToken, tokens.open, purpose, context, text)
        return str(fault.reason)


class SealTests(Case):
    """What is believed."""

    def test_round(self) -> None:
        """What was sealed opens at any node with the same key, and twice the same content looks different."""
        sealed = self.tokens(NEW).seal("p", "a", b"content", 60)
        self.assertEqual(self.tokens(NEW).open("p", "a", sealed), b"content")
        self.assertNotEqual(sealed, self.tokens(NEW).seal("p", "a", b"content", 60))

    def test_not_readable(self) -> None:
        """Nothing of the content can be read in it."""
        sealed = self.tokens(NEW).seal("p", "a", b"alice" * 20, 60)
        for part in sealed.split("."):
            self.assertNotIn(b"alice", base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        self.assertNotIn("alice", sealed)

    def test_characters(self) -> None:
        """It has only characters that may stand in a cookie and a query."""
        self.assertRegex(self.tokens(NEW).seal("p", "a", bytes(range(256)), 60), r"^[\w.-]+$")

    def test_other_place(self) -> None:
        """It is noise for another origin, and for another purpose, even where the two words run into one."""
        tokens = self.tokens(NEW)
        sealed = tokens.seal("p", "a", b"content", 60)
        self.assertEqual(self.refused(tokens, sealed, "b"), "forged")
        self.assertEqual(self.refused(tokens, sealed, "a", "q"), "forged")
        self.assertEqual(self.refused(tokens, sealed, "", "pa"), "forged")

    def test_other_key(self) -> None:
        """A key that is not ours opens nothing, also under our key's name."""
        sealed = self.tokens(OLD).seal("p", "a", b"content", 60)
        ours = self.tokens(NEW)
        self.assertEqual(self.refused(ours, sealed), "key")
        renamed = f"{read_keys(NEW).keys[0].id}.{sealed.partition('.')[2]}"
        self.assertEqual(self.refused(ours, renamed), "forged")

    def test_every_change(self) -> None:
        """A change at any place, and every cut, is noticed."""
        tokens = self.tokens(NEW)
        sealed = tokens.seal("p", "a", b"content", 60)
        for index in range(len(sealed)):
            self.assertRaises(BadToken, tokens.open, "p", "a", sealed[:index])
            other = "A" if sealed[index] != "A" else "B"
            changed = sealed[:index] + other + sealed[index + 1 :]
            self.assertRaises(BadToken, tokens.open, "p", "a", changed)
        for more in ("A", "=", ".", " ", "\u00e9"):
            self.assertRaises(BadToken, tokens.open, "p", "a", sealed + more)

    def test_odd_texts(self) -> None:
        """What is no text of ours, or far too long, is refused before anything is computed."""
        tokens = self.tokens(NEW)
        for text in ("", ".", "..", "a.b.c", "A" * 30_000, "\u20ac"):
            self.assertIn(self.refused(tokens, text), ("malformed", "key"))

    def test_time(self) -> None:
        """It ends by itself, and one from the future is none; clocks of nodes may differ by a minute."""
        tokens = self.tokens(NEW)
        sealed = tokens.seal("p", "a", b"content", 60)
        self.time += 59
        tokens.open("p", "a", sealed)
        self.time += 3
        self.assertEqual(self.refused(tokens, sealed), "expired")
        self.time = START - 50
        tokens.open("p", "a", sealed)
        self.time = START - 70
        self.assertEqual(self.refused(tokens, sealed), "early")


class RotationTests(Case):
    """Keys that follow one another."""

    def test_old_until_its_end(self) -> None:
        """The first key seals; the one before it is taken until its end and not a second longer."""
        before = self.tokens(OLD).seal("p", "a", b"content", 86400)
        tokens = self.tokens(f"{NEW}\n{OLD} 2027-01-15T09:00:00Z")
        self.assertEqual(tokens.open("p", "a", before), b"content")
        self.assertTrue(tokens.seal("p", "a", b"", 1).startswith(read_keys(NEW).keys[0].id))
        # START is the 15th of January 2027, 8 o'clock.
        end = START + 3600
        self.time = end - 1
        tokens.open("p", "a", before)
        self.time = end
        self.assertEqual(self.refused(tokens, before), "key")

    def test_no_key_left(self) -> None:
        """When all keys have ended nothing is sealed, rather than by an old one."""
        self.assertRaises(NoKey, self.tokens(f"{OLD} 2020-01-01").seal, "p", "a", b"", 1)
        self.assertRaises(NoKey, Tokens(None, self.now).seal, "p", "a", b"", 1)
        self.assertRaises(BadToken, Tokens(None, self.now).open, "p", "a", "x.y.z")

    def test_bad_texts(self) -> None:
        """What is wrong with a text of keys is said by line, without a character of the key."""
        for text, words in (
            ("", "no key"),
            ("# only a comment", "no key"),
            ("secret-but-short", "too short"),
            (f"\n{NEW} soon", "line 2"),
            (f"{NEW} 2027-01-01 more", "line 1"),
            (f"{NEW}\n{NEW}", "twice"),
            ("\n".join(f"{n:040}" for n in range(20)), "too many"),
        ):
            fault = self.assertRaises(BadValue, read_keys, text)
            self.assertIn(words, str(fault))
            self.assertNotIn("nnn", str(fault))
            self.assertNotIn("secret", str(fault))

    def test_repr(self) -> None:
        """A key does not show itself."""
        key = read_keys(NEW).keys[0]
        self.assertNotIn(repr(key.material)[2:-1], repr(key))
        self.assertNotIn(NEW, repr(key))

    def test_own_keys(self) -> None:
        """Keys of the gateway's own are renewed in time, and the one before is kept as long as its cookies."""
        week, life = 7 * 86400.0, 28800.0
        made = iter([OLD, NEW, "z" * 40])

        def renew(text: str) -> str:
            return renewed(
                text, self.time, every_seconds=week, life_seconds=life, make=lambda: next(made)
            )

        first = renew("")
        self.assertEqual(renew(first), first)
        sealed = self.tokens(first).seal("p", "a", b"", life)
        self.time += week - 60
        self.assertEqual(renew(first), first)
        late = self.tokens(first).seal("p", "a", b"late", life)
        self.time += 120
        second = renew(first)
        self.assertEqual(len(read_keys(second).keys), 2)
        self.assertEqual(self.tokens(second).open("p", "a", late), b"late")
        self.assertEqual(self.refused(self.tokens(second), sealed), "expired")
        self.time += life + week + 10
        self.assertEqual(len(read_keys(renew(second)).keys), 1)

    def test_damaged_own_keys(self) -> None:
        """A kept text that can't be read is begun anew."""
        text = renewed("damaged", self.time, every_seconds=60, life_seconds=60)
        self.assertEqual(len(read_keys(text).keys), 1)


class OnceTests(Case):
    """What may be used once."""

    def test_once(self) -> None:
        """A second use is noticed until the thing would have ended anyway."""
        once = Once()
        self.assertTrue(once.use("a", 0.0, 60))
        self.assertFalse(once.use("a", 59.0, 60))
        self.assertTrue(once.use("b", 30.0, 60))
        self.assertTrue(once.use("c", 91.0, 60))
        self.assertEqual(len(once), 1)

    def test_bounded(self) -> None:
        """No more than so many are remembered."""
        once = Once(size=10)
        for number in range(100):
            self.assertTrue(once.use(str(number), 0.0, 60))
        self.assertEqual(len(once), 10)
        self.assertFalse(once.use("99", 0.0, 60))
