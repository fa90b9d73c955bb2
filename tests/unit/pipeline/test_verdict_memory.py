"""What was said of content is remembered for the very same content and patterns only, and not without bounds."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import Side
from gateway.pipeline.judged import Judged
from gateway.pipeline.verdict_memory import LASTING, VerdictMemory, key_of

CLEAN = Judged(Side.RESPONSE, "clean", "pass", engine="e", patterns="1")
ONE = ("one 1",)


def key(number: int) -> tuple[bytes, bytes, bytes]:
    """Make a key."""
    return number.to_bytes(32, "big"), b"", b""


class MemoryTests(SynchronousTestCase):
    """The memory."""

    def setUp(self) -> None:
        """Make a small one."""
        self.memory = VerdictMemory(3)
        self.assertIsNone(self.memory.known(key(1), ONE))

    def test_known(self) -> None:
        """What was said is given until the patterns change, and then for good no more."""
        self.memory.remember(key(1), ONE, CLEAN)
        self.assertEqual(self.memory.known(key(1), ONE), CLEAN)
        self.assertIsNone(self.memory.known(key(2), ONE))
        self.assertIsNone(self.memory.known(key(1), ("one 2",)))
        self.assertIsNone(self.memory.known(key(1), ONE))
        self.assertEqual(len(self.memory), 0)

    def test_scan_that_outlived_its_patterns(self) -> None:
        """What was scanned with patterns that are not those of now is not remembered."""
        self.memory.known(key(1), ("one 2",))
        self.memory.remember(key(1), ONE, CLEAN)
        self.assertEqual(len(self.memory), 0)

    def test_bound(self) -> None:
        """The least recently used gives way."""
        for number in (1, 2, 3):
            self.memory.remember(key(number), ONE, CLEAN)
        self.memory.known(key(1), ONE)
        self.memory.remember(key(4), ONE, CLEAN)
        self.assertEqual(len(self.memory), 3)
        self.assertIsNone(self.memory.known(key(2), ONE))
        self.assertIsNotNone(self.memory.known(key(1), ONE))

    def test_equal_answers_are_one(self) -> None:
        """A hundred thousand clean pieces do not keep as many answers."""
        self.memory.remember(key(1), ONE, Judged(Side.RESPONSE, "clean", "pass", engine="e"))
        self.memory.remember(key(2), ONE, Judged(Side.RESPONSE, "clean", "pass", engine="e"))
        self.assertIs(self.memory.known(key(1), ONE), self.memory.known(key(2), ONE))

    def test_what_does_not_last(self) -> None:
        """What an engine could not do now it may do later."""
        for token in ("engine_error", "engine_timeout", "capacity", "extract_failed", "too_large"):
            self.memory.remember(key(1), ONE, Judged(Side.RESPONSE, token, "warn"))
        self.memory.remember(key(1), ONE, Judged(Side.RESPONSE, "unscanned:nested", "warn"))
        self.memory.remember(key(1), ONE, Judged(Side.RESPONSE, "forbidden:type", "block"))
        self.assertEqual(len(self.memory), 0)
        self.memory.remember(key(1), ONE, Judged(Side.RESPONSE, "limit:depth", "block"))
        self.assertEqual(len(self.memory), 1)
        self.assertNotIn("unscanned", LASTING)


class KeyTests(SynchronousTestCase):
    """What content is known by."""

    LINES = [b"Server: x", b"Content-Type: text/html"]

    def test_same(self) -> None:
        """What can't change an answer is not in the key."""
        first = key_of(b"d", self.LINES, b"/a/b.exe?x=1")
        self.assertEqual(first, key_of(b"d", [b"Date: y", *self.LINES[1:]], b"/c.exe"))
        self.assertEqual(
            first, key_of(b"d", [*self.LINES, b"Content-Length: 5"], b"http://a.example/b.exe")
        )
        self.assertEqual(first, (b"d", b"Content-Type: text/html", b"exe"))

    def test_other(self) -> None:
        """What the message says that the content is, is."""
        first = key_of(b"d", self.LINES, b"/a.exe")
        for lines, target in (
            (self.LINES, b"/a"),
            (self.LINES, b"/a.exe/"),
            (self.LINES, b"/a.com"),
            ([], b"/a.exe"),
            ([b"content-type: text/plain"], b"/a.exe"),
            ([*self.LINES, b"CONTENT-ENCODING: gzip"], b"/a.exe"),
            ([*self.LINES, b'Content-Disposition: attachment; filename="a.png"'], b"/a.exe"),
            ([*self.LINES, b"Content-Range: bytes 0-1/9"], b"/a.exe"),
        ):
            self.assertNotEqual(key_of(b"d", lines, target), first)

    def test_bound(self) -> None:
        """Whoever says too much is not remembered."""
        self.assertIsNone(key_of(b"d", [b"Content-Type: " + b"x" * 400], b"/"))
        found = key_of(b"d", [], b"/a." + b"x" * 60000)
        assert found is not None
        self.assertLessEqual(sum(map(len, found)), 100)
