"""Tests of the containers of quarantined content."""

from __future__ import annotations

import hashlib
import io

from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.sealing import (
    MAX_HEAD_BYTES,
    PIECE_BYTES,
    Opened,
    SealError,
    SealingKey,
    WrongKey,
    seal,
    sealed_size,
)

KEY = SealingKey.of("0123456789abcdef" * 4)


def sealed(content: bytes, key: SealingKey = KEY, **more: object) -> bytes:
    """Seal content."""
    digest = hashlib.sha256(content).hexdigest()
    head = {"size": len(content), "sha256": digest, **more}
    out = io.BytesIO()
    seal(key, head, io.BytesIO(content), out)
    return out.getvalue()


def opened(container: bytes, key: SealingKey = KEY) -> bytes:
    """Take all of it out."""
    return b"".join(Opened(key, io.BytesIO(container)).pieces())


class Dribble(io.BytesIO):
    """A file of which each read gives little."""

    def read(self, count: int | None = -1) -> bytes:
        """Give a thousand bytes at the most."""
        return super().read(1000 if count is None or count < 0 else min(count, 1000))


class SealingTests(SynchronousTestCase):
    """Containers."""

    def test_back(self) -> None:
        """What comes out is what went in, of any length, and the head comes with it."""
        for size in (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES):
            content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            container = sealed(content, url="http://example.com/\N{SNOWMAN}")
            self.assertEqual(opened(container), content, size)
            self.assertLessEqual(len(container), sealed_size(size))
            head = Opened(KEY, io.BytesIO(container)).head
            self.assertEqual(head["url"], "http://example.com/\N{SNOWMAN}")

    def test_bounded_pieces(self) -> None:
        """No piece is larger than is said, and a source that gives little at a time is read all the same."""
        content = b"abc" * PIECE_BYTES
        digest = hashlib.sha256(content).hexdigest()
        out = io.BytesIO()
        seal(KEY, {"size": len(content), "sha256": digest}, Dribble(content), out)
        pieces = list(Opened(KEY, Dribble(out.getvalue())).pieces())
        self.assertEqual(b"".join(pieces), content)
        self.assertEqual(max(map(len, pieces)), PIECE_BYTES)

    def test_nothing_shows(self) -> None:
        """Neither content nor head can be seen, and the same content makes another container each time."""
        container = sealed(b"MZ" + b"evil" * 100, url="http://example.com/")
        for word in (b"MZ\x65", b"evil", b"example"):
            self.assertNotIn(word, container)
        self.assertNotEqual(container[16:], sealed(b"MZ" + b"evil" * 100)[16:])
        self.assertNotIn("0123", repr(KEY))

    def test_every_byte_counts(self) -> None:
        """A container of which any byte was changed can't be opened."""
        container = sealed(b"some content")
        for at in range(len(container)):
            changed = bytearray(container)
            changed[at] ^= 1
            with self.assertRaises(SealError, msg=str(at)):
                opened(bytes(changed))

    def test_cut_off(self) -> None:
        """A container that was cut off anywhere, at the end of a piece too, or goes on, can't be opened."""
        container = sealed(b"x" * (2 * PIECE_BYTES + 5))
        end = len(container)
        piece = PIECE_BYTES + 16
        last = end - 5 - 16
        cuts = [*range(150), last - piece, last, last + 5, last + 16, end - 1]
        for cut in cuts:
            with self.assertRaises(SealError, msg=str(cut)):
                opened(container[:cut])
        for more in (b"x", bytes(16), container[last:]):
            with self.assertRaises(SealError):
                opened(container + more)

    def test_order(self) -> None:
        """Pieces in another order, left out or of another container are noticed."""
        content = b"".join(bytes((at,)) * PIECE_BYTES for at in range(3)) + b"end"
        container, other = sealed(content), sealed(content)
        begin = len(container) - 3 - 16 - 3 * (PIECE_BYTES + 16)
        cut = [begin + at * (PIECE_BYTES + 16) for at in range(4)]
        first, second = container[cut[0] : cut[1]], container[cut[1] : cut[2]]
        head, rest = container[:begin], container[cut[2] :]
        self.assertEqual(opened(head + first + second + rest), content)
        strange = other[cut[1] : cut[2]]
        for wrong in (second + first, first + first, first, first + strange, second):
            with self.assertRaises(SealError):
                opened(head + wrong + rest)

    def test_wrong_key(self) -> None:
        """Another key is told from a changed container; one that claims to be right opens nothing either."""
        container = sealed(b"content")
        other = SealingKey.of("f" * 64)
        with self.assertRaises(WrongKey):
            opened(container, other)
        forged = container[:8] + other.id + container[16:]
        with self.assertRaises(SealError) as caught:
            opened(forged, other)
        self.assertNotIsInstance(caught.exception, WrongKey)

    def test_not_a_container(self) -> None:
        """What is none is refused."""
        for wrong in (b"", b"gwquar2\n" + bytes(100), b"PK\x03\x04" * 50):
            with self.assertRaises(SealError):
                opened(wrong)

    def test_not_what_the_head_says(self) -> None:
        """Content of another size or hash than the head says is refused at its end."""
        out = io.BytesIO()
        seal(KEY, {"size": 5, "sha256": "0" * 64}, io.BytesIO(b"hello"), out)
        with self.assertRaises(SealError):
            opened(out.getvalue())

    def test_long_head(self) -> None:
        """A head that is too long is not written."""
        with self.assertRaises(ValueError):
            seal(KEY, {"a": "b" * MAX_HEAD_BYTES}, io.BytesIO(), io.BytesIO())
