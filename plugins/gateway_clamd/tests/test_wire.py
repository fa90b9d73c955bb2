"""Tests of the protocol's bytes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_clamd.wire import MOST_ANSWER, AnswerReader, BadAnswer, numbered, order, stream_head


class AnswerTests(SynchronousTestCase):
    """What clamd says."""

    def test_every_cut(self) -> None:
        """Answers are the same however they are cut."""
        data = b"1: stream: OK\x002: PONG\x0012: stream: Win.Test-1 FOUND\0"
        whole = ["1: stream: OK", "2: PONG", "12: stream: Win.Test-1 FOUND"]
        for first in range(len(data) + 1):
            for second in range(first, len(data) + 1):
                reader = AnswerReader()
                pieces = (data[:first], data[first:second], data[second:])
                self.assertEqual([one for piece in pieces for one in reader.read(piece)], whole)

    def test_unfinished(self) -> None:
        """Text without its NUL is no answer, such as what clamd says before it closes."""
        self.assertEqual(AnswerReader().read(b"COMMAND READ TIMED OUT\n"), [])

    def test_endless(self) -> None:
        """An answer that does not end is none, and what is kept of it is bounded."""
        reader = AnswerReader()
        self.assertEqual(reader.read(b"x" * MOST_ANSWER), [])
        self.assertRaises(BadAnswer, reader.read, b"x")
        self.assertRaises(BadAnswer, AnswerReader().read, b"x" * (MOST_ANSWER + 1) + b"\0")

    def test_numbers(self) -> None:
        """Within a session every answer has a number, and nothing else in its place."""
        self.assertEqual(numbered("3: stream: OK"), (3, "stream: OK"))
        for text in (
            "stream: OK",
            "",
            "PONG",
            "-1: PONG",
            "x1: PONG",
            "12345678901: PONG",
            "1:PONG",
            "²: OK",
        ):
            self.assertRaises(BadAnswer, numbered, text)


class OrderTests(SynchronousTestCase):
    """What is said to clamd."""

    def test_bytes(self) -> None:
        """Orders end with a NUL; content is announced as one piece, in network order."""
        self.assertEqual(order("VERSION"), b"zVERSION\0")
        self.assertEqual(stream_head(0x01020304), b"zINSTREAM\0\1\2\3\4")
