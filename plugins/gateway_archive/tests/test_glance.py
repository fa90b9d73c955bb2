"""Tests of the quick look."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import ScanJob
from gateway_archive import glance
from gateway_archive.blobs import Blob
from gateway_archive.readings import readings
from gateway_archive.search import find, holds
from gateway_archive.tests.archives import tarred, zipped

_RAR = b"Rar!\x1a\x07\1\0" + bytes(50)
_PACKED = {
    "zip": zipped({"a": b"a"}),
    "behind a program": b"MZ" + bytes(5000) + zipped({"a": b"a"}),
    "gzip": gzip.compress(b"a" * 99),
    "tar": tarred({"a": b"a"}),
    "rar behind a picture": b"GIF89a" + bytes(3000) + _RAR,
    "disc": bytes(32769) + b"CD001" + bytes(3000),
}
_PLAIN = {
    "nothing": b"",
    "html": b"<html>hello</html>" * 50,
    "random": b"\0" + os.urandom(3000),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(3000),
}


class GlanceTests(SynchronousTestCase):
    """What is given to a child process, and what is not."""

    def test_packed(self) -> None:
        """Whatever the child would open is seen, in memory and in a file."""
        for name, content in _PACKED.items():
            self.assertTrue(readings(Blob.of(content)), name)
            self.assertTrue(glance.seems_packed(content), name)
            self.assertTrue(glance.seems_packed_in_file(ScanJob.of(content))[0], name)

    def test_plain(self) -> None:
        """What the child would not open is not given to it."""
        for name, content in _PLAIN.items():
            self.assertEqual(readings(Blob.of(content)), [], name)
            self.assertFalse(glance.seems_packed(content), name)
            self.assertFalse(glance.seems_packed_in_file(ScanJob.of(content))[0], name)

    def test_far_behind(self) -> None:
        """A signature that is cut by the end of what is read at once is seen."""
        for before in ((256 << 10) - 3, (512 << 10) - 1):
            job = ScanJob.of(b"GIF89a" + bytes(before - 6) + _RAR)
            self.assertTrue(glance.seems_packed_in_file(job)[0], before)

    def test_search(self) -> None:
        """Bytes are found wherever they are, zeros too, and not beyond the end."""
        for at in (0, 1, 999):
            data = b"\0" * at + b"a\0b"
            self.assertTrue(holds(data, b"a\0b", len(data) + 9))
            self.assertFalse(holds(data, b"a\0b", len(data) - 1))
            self.assertEqual(find(data, b"a\0b"), at)
            self.assertEqual(find(data, b"a\0c"), -1)
        self.assertFalse(holds(b"", b"a", 0))
        self.assertEqual(find(b"", b"a"), -1)

    def test_declared(self) -> None:
        """Codings, forms and mails are given to it by what is said of them."""
        plain = ScanJob.of(b"hello", media_type="text/plain")
        self.assertFalse(glance.is_declared(plain, texts=False))
        self.assertTrue(glance.is_declared(plain, texts=True))
        for coding, expected in (("gzip", True), ("identity", False), ("x-foo", True)):
            coded = replace(plain, notes={"content_encoding": coding})
            self.assertIs(glance.is_declared(coded, texts=False), expected)
        for media_type in ("multipart/form-data", "message/rfc822"):
            self.assertTrue(glance.is_declared(ScanJob.of(b"", media_type=media_type), texts=False))
