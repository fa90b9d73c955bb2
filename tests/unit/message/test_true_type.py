"""Tests of C{gateway.message.true_type}: what content is, whatever is claimed of it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message.file_types import BY_EXTENSION, BY_MEDIA_TYPE, TYPE_GROUPS, TYPES
from gateway.message.signatures import _SIGNATURES
from gateway.message.true_type import HEAD, extension, true_type
from tests.opcodes import opcodes
from tests.unit.message.samples_of_types import KINDS, no_programs, pe, programs, zipped

OCTETS = "application/octet-stream"
LIES = (
    ("image/png", "a.png"),
    ("text/html; charset=utf-8", "index.html"),
    ("application/pdf", "a.pdf"),
    (OCTETS, "a.txt"),
    ("video/mp4", ""),
    ("", "readme"),
    ("application/zip", "a.zip"),
    ("TEXT/PLAIN", "notes.TXT"),
)


class ContentTests(SynchronousTestCase):
    """What the bytes show."""

    def test_kinds(self) -> None:
        """Each kind is known by its first bytes alone, and is one of the table."""
        for kind, content in KINDS:
            self.assertEqual(true_type(content), kind, content[:60])
            self.assertIn(kind, TYPES)

    def test_whatever_is_claimed(self) -> None:
        """No declaration and no name makes anything else of what shows itself."""
        for kind, content in KINDS:
            if kind in ("zip", "ole", "ooxml", "docx", "html", "xml", "eml", "mp4", "text", "webm"):
                continue
            for media_type, name in LIES:
                found = true_type(content, media_type=media_type, name=name)
                self.assertEqual(found, kind, (media_type, name))

    def test_programs(self) -> None:
        """50 programs under false types and names are 50 programs."""
        made = list(programs(50))
        self.assertEqual(len(set(made)), 50)
        for index, content in enumerate(made):
            media_type, name = LIES[index % len(LIES)]
            found = true_type(content[:HEAD], media_type=media_type, name=name)
            self.assertEqual(found, "exe", (index, media_type, name))

    def test_octet_streams(self) -> None:
        """200 bodies of no declared type are no programs, whatever their names say."""
        made = list(no_programs(200))
        self.assertEqual(len(set(made)), 200)
        for index, content in enumerate(made):
            for name in ("", "setup.exe", "a.dll", "C:\\setup.EXE", "a.bin"):
                found = true_type(content[:HEAD], media_type=OCTETS, name=name)
                groups = TYPES[found].groups if found else frozenset()
                self.assertNotIn("pe", groups, (index, content[:40], name))
                self.assertNotEqual(found, "elf")

    @given(st.binary(max_size=600), st.sampled_from(LIES), st.data())
    def test_hostile(self, noise: bytes, claim: tuple[str, str], data: st.DataObject) -> None:
        """Nothing raises, whatever follows a signature and wherever it is cut; the answer is of the table."""
        magic = data.draw(st.sampled_from(_SIGNATURES))[0]
        for content in (noise, magic + noise, magic[: len(noise)], magic):
            found = true_type(content, media_type=claim[0], name=claim[1])
            self.assertTrue(found == "" or found in TYPES, found)

    def test_cut(self) -> None:
        """Content that is cut anywhere is never an error, and no program becomes a picture by it."""
        for kind, content in KINDS:
            for length in range(0, min(len(content), 700), 7):
                found = true_type(content[:length])
                self.assertTrue(found == "" or found in TYPES, (kind, length, found))

    def test_bounded(self) -> None:
        """What is made to be slow is not: at the most some steps are made for each byte of a head."""
        for content in (
            b"<" * HEAD,
            b"<!--" * 2000,
            b"<!---->" * 1170,
            b"<?xml" + b"<!--" * 2000,
            b"<?xml" + b"<!" * 4000,
            b"PK\x03\x04" * 2048,
            zipped(*(f"{index}" for index in range(2000)))[:HEAD],
            "\ufeff ".encode("utf-16") * 2000,
            b"{" + b" " * 8000,
            bytes(HEAD),
            random.Random(3).randbytes(HEAD),
        ):
            self.assertLess(steps(content), 10 * HEAD, content[:20])


def steps(content: bytes) -> int:
    """Count the opcodes that telling the type takes; all of its loops are made of them."""
    return opcodes(lambda: true_type(content, media_type=OCTETS, name="a.exe"))


class ClaimTests(SynchronousTestCase):
    """What is declared, and what a name stands for."""

    def test_order(self) -> None:
        """Where the bytes are silent the declared type counts, then the name."""
        text = b"a { b: c }\n"
        self.assertEqual(true_type(text, media_type="text/css", name="a.js"), "css")
        self.assertEqual(true_type(text, name="a.js"), "js")
        self.assertEqual(true_type(text, media_type=OCTETS, name="a.ps1"), "ps1")
        self.assertEqual(true_type(text, media_type="text/plain", name="a.ps1"), "ps1")
        self.assertEqual(true_type(text, media_type="no/such", name="a.such"), "text")

    def test_contradicted(self) -> None:
        """What its bytes would show is not believed where they don't."""
        self.assertEqual(true_type(b"\x81\0\x02" * 50, media_type="image/png"), "")
        self.assertEqual(true_type(b"hello\n", media_type="application/x-msdownload"), "text")
        self.assertEqual(true_type(b"\x81\0\x02" * 50, name="a.ps1"), "")
        self.assertEqual(true_type(b"\x81\0\x02" * 50, media_type="video/mp4"), "mp4")

    def test_nothing_there(self) -> None:
        """Without a byte of it there is only what is claimed; octet-stream alone claims nothing."""
        self.assertEqual(true_type(b"", media_type="application/x-msdownload"), "exe")
        self.assertEqual(true_type(b"", name="a.exe"), "exe")
        self.assertEqual(true_type(b"", media_type=OCTETS), "")
        self.assertEqual(true_type(b""), "")

    def test_narrowed(self) -> None:
        """A claim may make of a ZIP archive something that is run, but no document."""
        archive = zipped("a.class")
        self.assertEqual(true_type(archive, name="a.jar"), "jar")
        self.assertEqual(true_type(archive, name="a.docx"), "zip")
        self.assertEqual(true_type(b"<html>", name="a.hta"), "hta")
        self.assertEqual(true_type(b"<html>", name="a.txt"), "html")
        self.assertEqual(true_type(pe(), name="a.hta"), "exe")

    def test_extension(self) -> None:
        """An extension is what Windows takes for one."""
        for name, expected in (
            ("a.exe", "exe"),
            ("a.b.EXE", "exe"),
            ("a.exe. .", "exe"),
            ("/x.y/a", ""),
            ("C:\\x.y\\a.Scr", "scr"),
            (".profile", "profile"),
            ("a." + "x" * 17, ""),
            ("", ""),
        ):
            self.assertEqual(extension(name), expected, name)


class TableTests(SynchronousTestCase):
    """The table of kinds."""

    def test_signatures(self) -> None:
        """Whatever a signature names is in the table, and shows itself."""
        for magic, kind in _SIGNATURES:
            if isinstance(kind, str):
                self.assertIn(kind, TYPES, magic)

    def test_groups(self) -> None:
        """The groups that rules name are there, and no group has the name of a kind that is not in it."""
        for group in [
            "executable",
            "archive",
            "document",
            "image",
            "audio",
            "video",
            "script",
            "text",
            "font",
            "disk_image",
            "container",
        ]:
            self.assertTrue(TYPE_GROUPS[group])
        for group, kinds in TYPE_GROUPS.items():
            self.assertTrue(group not in TYPES or group in kinds, group)
        self.assertNotIn("js", TYPE_GROUPS["script"])

    def test_once(self) -> None:
        """Every media type and every extension stands in the table once, in lower case."""
        for of, attribute in ((BY_MEDIA_TYPE, "media_types"), (BY_EXTENSION, "extensions")):
            written = [one for info in TYPES.values() for one in getattr(info, attribute)]
            self.assertEqual(sorted(written), sorted(of))
            self.assertEqual([one for one in written if one != one.lower()], [])
