"""Tests of ZIP archives that readers see in different ways."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from typing import IO, Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.blobs import Blob
from gateway_archive.tests.archives import MARKER, local_header, members, refusals, zipped
from gateway_archive.zip_layout import read_layout

_STORED = zipfile.ZIP_STORED


class HonestTests(SynchronousTestCase):
    """What writers make has nothing odd."""

    def test_no_problems(self) -> None:
        """Neither problems nor gaps nor overlaps are seen in ordinary archives."""
        files = {f"folder/{number}.txt": os.urandom(number) for number in range(30)}
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
            layout = read_layout(Blob.of(zipped(files, method)), 100)
            assert layout is not None
            self.assertEqual((layout.problems, layout.gaps, layout.overlaps), ([], [], False))
            self.assertEqual(len(layout.entries), 30)

    def test_streamed(self) -> None:
        """An archive that was written without going back, with its sizes behind the data, is as good."""
        made = Streamed()
        with zipfile.ZipFile(cast(IO[bytes], made), "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(5):
                archive.writestr(f"{number}.txt", MARKER * number)
        layout = read_layout(Blob.of(bytes(made.data)), 100)
        assert layout is not None
        self.assertEqual((layout.problems, layout.gaps, layout.overlaps), ([], [], False))

    def test_64_bits(self) -> None:
        """Members with 64-bit sizes are read."""
        made = Streamed()
        with (
            zipfile.ZipFile(cast(IO[bytes], made), "w") as archive,
            archive.open("a.txt", "w", force_zip64=True) as file,
        ):
            file.write(MARKER)
        self.assertEqual(members(bytes(made.data)), {"a.txt": MARKER})
        self.assertEqual(refusals(bytes(made.data)), [])

    def test_comment(self) -> None:
        """A comment belongs to the archive."""
        content = bytearray(zipped({"a.txt": MARKER}))
        content[-2:] = struct.pack("<H", 300)
        content += b"c" * 300
        self.assertEqual(refusals(bytes(content)), [])
        self.assertEqual(list(members(bytes(content))), ["a.txt"])

    def test_empty(self) -> None:
        """An archive without members has nothing wrong with it."""
        self.assertEqual((members(zipped({})), refusals(zipped({}))), ({}, []))


class OddTests(SynchronousTestCase):
    """What is made to be read in two ways is malformed, and unpacked in both."""

    def test_name(self) -> None:
        """Another name in front of the data than in the directory."""
        content = bytearray(zipped({"a.txt": MARKER}, _STORED))
        content[30:35] = b"a.exe"
        self.assertEqual(refusals(bytes(content)), ["malformed"])
        self.assertEqual(members(bytes(content)), {"a.txt": MARKER, "a.exe": MARKER})

    def test_size(self) -> None:
        """A shorter member in the directory than in front of the data."""
        content = bytearray(zipped({"a.txt": b"innocent" + MARKER}, _STORED))
        at = content.index(b"PK\1\2")
        content[at + 20 : at + 28] = struct.pack("<II", 8, 8)
        self.assertIn("malformed", refusals(bytes(content)))
        self.assertTrue(any(MARKER in one for one in members(bytes(content)).values()))

    def test_method(self) -> None:
        """Another method in front of the data than in the directory."""
        content = bytearray(zipped({"a.txt": MARKER * 3}))
        at = content.index(b"PK\1\2")
        content[at + 10 : at + 12] = bytes(2)
        self.assertIn("malformed", refusals(bytes(content)))
        self.assertTrue(any(MARKER in one for one in members(bytes(content)).values()))

    def test_in_no_directory(self) -> None:
        """A member that only its own header tells of is found."""
        content = local_header(b"b.txt", MARKER) + zipped({"a.txt": b"a" * 99})
        self.assertIn(MARKER, members(content).values())
        hidden = zipped({"a.txt": b"a" * 99}, _STORED)
        at = hidden.index(b"PK\1\2")
        between = local_header(b"b.txt", MARKER)
        content = bytes(hidden[:at] + between + hidden[at:-6]) + struct.pack(
            "<IH", at + len(between), 0
        )
        self.assertTrue(any(MARKER in one for one in members(content).values()))

    def test_two_ends(self) -> None:
        """Two ends with a directory each: what either tells of is found."""
        first = zipped({"a.txt": MARKER})
        second = zipped({"b.txt": b"b" * 99})
        for content in (first + second, second + first):
            self.assertTrue(any(MARKER in one for one in members(content).values()))
            self.assertTrue(any(b"b" * 99 in one for one in members(content).values()))

    def test_overlap(self) -> None:
        """Members that share their data are a bomb, and not unpacked at all."""
        content = bytearray(zipped({"a.txt": MARKER, "b.txt": b"b"}, _STORED))
        at = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
        content[at + 42 : at + 46] = bytes(4)
        self.assertEqual(refusals(bytes(content)), ["malformed"])

    def test_count(self) -> None:
        """An end that counts other members than there are."""
        content = bytearray(zipped({"a.txt": MARKER, "b.txt": b"b" * 99}))
        content[-14:-10] = struct.pack("<HH", 1, 1)
        self.assertEqual(refusals(bytes(content)), ["malformed"])
        self.assertIn(MARKER, members(bytes(content)).values())

    def test_64_bit_lie(self) -> None:
        """A 64-bit end that says something else than the short one."""
        content = zipped({"a.txt": MARKER}, _STORED)
        at = content.index(b"PK\1\2")
        directory = content[at:-22]
        large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 7, 7, len(directory), at)
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(content) - 22, 1)
        self.assertIn("malformed", refusals(content[:-22] + large + locator + content[-22:]))

    def test_data_beyond_the_end(self) -> None:
        """A member that is said to be longer than the archive."""
        content = bytearray(zipped({"a.txt": MARKER}, _STORED))
        at = content.index(b"PK\1\2")
        content[at + 20 : at + 28] = struct.pack("<II", 9999, 9999)
        content[18:26] = struct.pack("<II", 9999, 9999)
        self.assertIn("malformed", refusals(bytes(content)))

    def test_any_byte(self) -> None:
        """Whatever byte is changed, nothing raises, and the walk ends."""
        content = zipped({"a.txt": MARKER * 3, "b.txt": b"b"})
        for at in range(len(content)):
            for value in (0, 0xFF, content[at] ^ 1):
                changed = bytearray(content)
                changed[at] = value
                members(bytes(changed))


class Streamed(io.RawIOBase):
    """A file that can't be gone back in."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Append."""
        self.data += data
        return len(data)
