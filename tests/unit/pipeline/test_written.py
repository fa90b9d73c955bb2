"""Tests of the written heads of stored responses."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import Stored
from gateway.api.messages import Response
from gateway.message.fields import Fields
from gateway.pipeline.written import written_head

DATE = b"Date: Sun, 22 Nov 2026 11:47:20 GMT"
VIA = b"Via: 1.1 gateway\r\n"
MORE = b"Strict-Transport-Security: max-age=1\r\n"


def stored(*lines: bytes, status: int = 200, memo: dict[str, object] | None = None) -> Stored:
    """Give something stored with a memo."""
    response = Response(status, Fields(list(lines)), b"hello", reason=b"OK")
    return Stored(response, memo={} if memo is None else memo)


class WrittenTests(SynchronousTestCase):
    """Each with what it was written of."""

    def test_written(self) -> None:
        """It has the response's lines, ours behind them, and the length."""
        self.assertEqual(
            written_head(stored(DATE, b"A: b"), VIA, MORE),
            b"HTTP/1.1 200 OK\r\n%b\r\nA: b\r\n%b%bContent-Length: 5\r\n\r\n" % (DATE, VIA, MORE),
        )

    def test_once(self) -> None:
        """For the same response and for copies of it in which nothing was changed it is written once."""
        one = stored(DATE)
        head = written_head(one, VIA, b"")
        self.assertIs(written_head(one, VIA, b""), head)
        self.assertIs(written_head(one.again(), VIA, b""), head)

    def test_changed(self) -> None:
        """Whatever was changed in a copy is in its head, and not in the next one's."""
        one = stored(DATE)
        head = written_head(one, VIA, b"")
        for name, value in (
            ("status", 203),
            ("reason", b"Fine"),
            ("content", b"more"),
            ("fields", Fields([DATE, b"X-User: alice"])),
        ):
            other = one.again()
            setattr(other.response, name, value)
            self.assertNotEqual(written_head(other, VIA, b""), head, name)
            self.assertEqual(written_head(one, VIA, b""), head, name)

    def test_around(self) -> None:
        """Another name of the gateway, or other lines of a site, make another head."""
        one = stored(DATE)
        head = written_head(one, VIA, b"")
        self.assertNotEqual(written_head(one, VIA, MORE), head)
        self.assertNotEqual(written_head(one, b"Via: 1.1 other\r\n", b""), head)

    def test_not_kept(self) -> None:
        """Without a place for it, a date, or a length it is not."""
        self.assertIsNone(written_head(Stored(stored(DATE).response), VIA, b""))
        self.assertIsNone(written_head(stored(b"A: b"), VIA, b""))
        self.assertIsNone(written_head(stored(DATE, status=304), VIA, b""))
        self.assertIsNone(written_head(stored(DATE, status=204), VIA, b""))

    def test_memo_of_somebody_else(self) -> None:
        """What is not ours is written over."""
        memo: dict[str, object] = {"gateway.head": b"HTTP/1.1 200 OK\r\n\r\n"}
        head = written_head(stored(DATE, memo=memo), VIA, b"")
        assert head is not None
        self.assertIn(DATE, head)
