"""Tests of the sinks that take content beside the client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.contract import Writing
from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.policy import Policy
from gateway_cache.sinks import ShortSink
from gateway_cache.state import Asking
from gateway_cache.tests.stores import head

ASKING = Asking(Asked(b"GET", ()), b"k", Policy(), "uri-miss", 0.0, 0)


class Told:
    """
    Writes down what it is told.

    @ivar events: all of it.
    @ivar has_room: something can be stored.
    """

    def __init__(self, *, has_room: bool = True) -> None:
        self.events: list[object] = []
        self.has_room = has_room

    def begin(self, asking: Asking, head: Head, expected: int | None) -> Writing | None:
        """Begin."""
        self.events.append(("begin", expected))
        return self if self.has_room else None

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        self.events.append(chunk)

    def finish(self, head: Head | None = None, done: object = None) -> None:
        """End."""

    def abort(self) -> None:
        """Forget it."""
        self.events.append("abort")

    def keep(self, asking: Asking, writing: Writing, head: Head) -> None:
        """Keep it."""
        self.events.append(("keep", head.length))

    def keep_short(self, asking: Asking, head: Head, content: bytes) -> None:
        """Keep it at once."""
        self.events.append(("keep_short", content))

    def join(self, asking: Asking, head: Head, content: bytes | None, writing: Writing) -> bool:
        """Never asked."""
        raise AssertionError

    def lost(self, asking: Asking, *, too_large: bool = False) -> None:
        """It broke off."""
        self.events.append("lost")


class ShortSinkTests(SynchronousTestCase):
    """Content of three bytes."""

    def told(
        self, *chunks: bytes, length: int = 3, whole: bool = True, has_room: bool = True
    ) -> list[object]:
        """Let content come, and give what was made of it."""
        told = Told(has_room=has_room)
        sink = ShortSink(told, ASKING, head(length=length), 100)
        for chunk in chunks:
            sink.write(chunk)
        (sink.finish if whole else sink.abort)()
        return told.events

    def test_one_piece(self) -> None:
        """What comes in one piece is stored in one step."""
        self.assertEqual(self.told(b"abc"), [("keep_short", b"abc")])

    def test_nothing(self) -> None:
        """So is content without a byte."""
        self.assertEqual(self.told(length=0), [("keep_short", b"")])

    def test_pieces(self) -> None:
        """What comes in several is written piece by piece."""
        self.assertEqual(self.told(b"a", b"bc"), [("begin", 3), b"a", b"bc", ("keep", 3)])

    def test_wrong_length(self) -> None:
        """What is longer or shorter than it should be is not stored."""
        self.assertEqual(self.told(), ["lost"])
        self.assertEqual(self.told(b"ab"), [("begin", 3), b"ab", "abort", "lost"])
        self.assertEqual(self.told(b"abc", b"d"), [("begin", 3), b"abc", b"d", "abort", "lost"])

    def test_broken_off(self) -> None:
        """Nor is what breaks off, however much has come."""
        self.assertEqual(self.told(whole=False), ["lost"])
        self.assertEqual(self.told(b"abc", whole=False), ["lost"])
        self.assertEqual(self.told(b"ab", whole=False), [("begin", 3), b"ab", "abort", "lost"])

    def test_no_room(self) -> None:
        """Where there is no room for pieces they are passed over, and nobody is told twice."""
        self.assertEqual(self.told(b"a", b"bc", has_room=False), [("begin", 3)])
