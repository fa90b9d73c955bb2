"""Tests of the walk: what is found in content, at every depth."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import struct
import tarfile
import zipfile
import zlib

from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.blobs import Blob
from gateway_archive.bounds import Bounds
from gateway_archive.found import Member, Refused
from gateway_archive.tests.archives import (
    MARKER,
    cabinet,
    lha,
    members,
    nested,
    rar4,
    rar5,
    refusals,
    tarred,
    walked,
    written,
    zipped,
)
from gateway_archive.walker import Walk


class ArchiveTests(SynchronousTestCase):
    """What there is an unpacker for."""

    def test_zip_methods(self) -> None:
        """Every method of the standard library is undone."""
        for method in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
            zipfile.ZIP_BZIP2,
            zipfile.ZIP_LZMA,
        ):
            found = members(zipped({"a/b.txt": MARKER * 9, "c.txt": b"c" * 99}, method))
            self.assertEqual(found, {"a/b.txt": MARKER * 9, "c.txt": b"c" * 99}, method)

    def test_tar(self) -> None:
        """A tar archive, and one in any packed stream, is gone through, and is not given out itself."""
        for mode, kind in (
            ("w", ""),
            ("w:gz", "(gzip)/"),
            ("w:bz2", "(bzip2)/"),
            ("w:xz", "(xz)/"),
        ):
            content = tarred({"a.txt": MARKER, "b.txt": b"b" * 5000}, mode)
            found = {f"{kind}a.txt": MARKER, f"{kind}b.txt": b"b" * 5000}
            self.assertEqual(members(content), found)

    def test_old_tar(self) -> None:
        """A tar archive of the first kind, which has no signature, is known by its checksum."""
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            about = tarfile.TarInfo("a.txt")
            about.size = len(MARKER)
            archive.addfile(about, io.BytesIO(MARKER))
        content = bytearray(made.getvalue())
        content[257:265] = bytes(8)
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
        self.assertEqual(members(bytes(content)), {"a.txt": MARKER})

    def test_streams(self) -> None:
        """Packed files, also of several streams behind one another, are unpacked to the end."""
        for kind, pack in (
            ("gzip", gzip.compress),
            ("bzip2", bz2.compress),
            ("xz", lzma.compress),
            ("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
        ):
            self.assertEqual(members(pack(MARKER * 9)), {f"({kind})": MARKER * 9})
            if kind != "lzma":
                both = members(pack(b"first") + pack(MARKER))
                self.assertIn(b"first" + MARKER, both.values(), kind)

    def test_behind_a_stream(self) -> None:
        """What stands behind the end of a packed file is given out too."""
        junk = b"behind the end" * 9
        for pack in (gzip.compress, bz2.compress, lzma.compress):
            found = members(pack(MARKER) + junk)
            self.assertIn(MARKER, found.values())
            self.assertEqual(found["(behind)"], junk)

    def test_libarchive(self) -> None:
        """What only libarchive reads is unpacked."""
        entry = b"a.txt/".ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"100644".ljust(8)
        content = b"!<arch>\n" + entry + str(len(MARKER)).encode().ljust(10) + b"`\n" + MARKER
        self.assertEqual(members(content + b"\n"), {"a.txt": MARKER})
        head = b"070701" + b"%08x" % 1 + b"%08x" % 0o100644 + b"%08x" * 2 % (0, 0)
        head += b"%08x" * 9 % (1, 0, len(MARKER), 0, 0, 0, 0, 6, 0) + b"a.txt\0"
        end = b"070701" + b"%08x" * 13 % (0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0) + b"TRAILER!!!\0"

        def padded(data: bytes) -> bytes:
            return data + bytes(-len(data) % 4)

        self.assertEqual(members(padded(head) + padded(MARKER) + end), {"a.txt": MARKER})

    def test_kinds_of_windows(self) -> None:
        """RAR, old and new, cabinets and LHA archives are unpacked, also behind a program."""
        for content in (
            rar4({"a.txt": MARKER}),
            rar5({"a.txt": MARKER}),
            cabinet(b"a.txt", MARKER),
            lha(b"a.txt", MARKER),
        ):
            self.assertEqual(members(content), {"a.txt": MARKER}, content[:8])
            self.assertEqual(refusals(content), [])
            if content[2:4] != b"-l":
                self.assertEqual(members(b"MZ" + bytes(9000) + content), {"a.txt": MARKER})

    def test_encrypted_kinds(self) -> None:
        """An archive whose members are encrypted, or its list of them, is told as that."""
        for content in (
            rar4({"a.txt": os.urandom(64)}, flags=4),
            rar4({"a.txt": os.urandom(64)}, of_archive=0x80),
        ):
            self.assertEqual(refusals(content), ["encrypted"])

    def test_written_by_libarchive(self) -> None:
        """Kinds that libarchive itself can write are unpacked again."""
        for kind in (
            "7zip",
            "iso9660",
            "xar",
            "cpio_newc",
            "cpio",
            "warc",
            "gnutar",
            "v7tar",
            "pax",
        ):
            found = members(written(kind, {"A.TXT": MARKER * 5, "B.TXT": b"b" * 50}))
            self.assertEqual(
                {path.lower(): content for path, content in found.items()},
                {"a.txt": MARKER * 5, "b.txt": b"b" * 50},
                kind,
            )

    def test_holes(self) -> None:
        """The holes of a file with holes are zeros, and count as what they are."""
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
            about = tarfile.TarInfo("a.txt")
            about.type = tarfile.GNUTYPE_SPARSE
            about.size = len(MARKER)
            archive.addfile(about, io.BytesIO(MARKER))
        content = bytearray(made.getvalue())
        for size, expected in ((5000, []), (1 << 40, ["limit:ratio"])):
            # One piece, at the offset 1000, of a file that is so long.
            content[386:410] = b"%011o\0%011o\0" % (1000, len(MARKER))
            content[410:434] = b"%011o\0%011o\0" % (min(size, 8**11 - 1), 0)
            content[483:495] = b"%011o\0" % min(size, 8**11 - 1)
            content[148:156] = b" " * 8
            content[148:156] = b"%06o\0 " % sum(content[:512])
            self.assertEqual(refusals(bytes(content)), expected)
            if not expected:
                whole = bytes(1000) + MARKER + bytes(4000 - len(MARKER))
                self.assertEqual(members(bytes(content)), {"a.txt": whole})

    def test_filtered_by_libarchive(self) -> None:
        """Streams that are packed in ways that the standard library does not know are unpacked."""
        for packing, kind in (
            ("lz4", "lz4"),
            ("lzip", "lzip"),
            ("compress", "compress"),
            ("zstd", "zstd"),
        ):
            found = members(written("ustar", {"a.txt": MARKER * 5}, packing))
            self.assertEqual(found, {f"({kind})/a.txt": MARKER * 5}, kind)

    def test_every_depth(self) -> None:
        """Archives in archives are gone through as deep as is allowed, and no deeper."""
        self.assertIn(MARKER, members(nested(10)).values())
        self.assertEqual(refusals(nested(10)), [])
        self.assertEqual(refusals(nested(11)), ["limit:depth"])
        self.assertIn(MARKER, members(nested(11), depth=11).values())

    def test_mixed_depth(self) -> None:
        """It does not matter what is packed in what."""
        content = zipped(
            {"a.tgz": tarred({"b.gz": gzip.compress(zipped({"c.txt": MARKER}))}, "w:gz")}
        )
        self.assertEqual(
            members(content)["a.tgz/a.tar/b.gz/b/c.txt"],
            MARKER,
        )

    def test_nearly_the_same_again(self) -> None:
        """The end of a name is none of the content: what only looks the same with its name is given out."""
        found = members(zipped({"a.e": b"what is bad her", "b.": b"what is bad here"}))
        self.assertEqual(found, {"a.e": b"what is bad her", "b.": b"what is bad here"})

    def test_same_again(self) -> None:
        """The same content is given out once for each ending of its name."""
        content = zipped({f"{number}.txt": b"same" for number in range(50)} | {"a.exe": b"same"})
        self.assertEqual(set(members(content)), {"0.txt", "a.exe"})

    def test_documents(self) -> None:
        """A document that is a ZIP archive is gone through like any other."""
        content = zipped({"[Content_Types].xml": b"<Types/>" * 9, "word/vbaProject.bin": MARKER})
        self.assertEqual(members(content)["word/vbaProject.bin"], MARKER)

    def test_nothing_packed(self) -> None:
        """In what is no archive nothing is found, and nothing is wrong with it."""
        for content in (b"", b"PK", b"hello" * 99, os.urandom(5000), b"\x5d\0\0 text", b"MZ" * 500):
            walk, found = walked(content)
            self.assertEqual((walk.kind, found), ("", []))

    def test_names(self) -> None:
        """A name is the sender's claim: what is unprintable in it is made visible."""
        found = members(zipped({"a\x1b[2J\n.txt": b"x" * 20, "../../etc/passwd": b"y" * 20}))
        self.assertEqual(set(found), {"a\\x1b[2J\\x0a.txt", "../../etc/passwd"})


class HiddenTests(SynchronousTestCase):
    """Archives where one would not look for them."""

    def test_behind_something_else(self) -> None:
        """A ZIP archive behind a program, a picture or a page is found by its end."""
        for start in (
            b"MZ" + bytes(3000),
            b"GIF89a" + bytes(900),
            b"<html>" * 900,
            b"%PDF-1.4" * 99,
        ):
            found = members(start + zipped({"a.txt": MARKER}))
            self.assertIn(("a.txt", MARKER), found.items())

    def test_two_archives(self) -> None:
        """Of two ZIP archives behind one another both are unpacked: readers differ in which they take."""
        found = members(zipped({"a.txt": MARKER}) + zipped({"b.txt": b"b" * 99}))
        self.assertIn(MARKER, found.values())
        self.assertIn(b"b" * 99, found.values())

    def test_archives_behind_something_else(self) -> None:
        """So are several behind one another, up to the depth that is allowed."""
        start = b"GIF89a" + bytes(900)
        found = members(start + zipped({"a.txt": MARKER}) + zipped({"b.txt": b"b" * 99}))
        self.assertIn(MARKER, found.values())
        self.assertIn(b"b" * 99, found.values())
        self.assertEqual(refusals(start + zipped({}) * 5000), ["limit:depth"])

    def test_zip_in_stored_gap(self) -> None:
        """What lies between the members of an archive, and belongs to none, is given out."""
        first, second = zipped({"a.txt": b"a" * 99}), zipped({"b.txt": MARKER})
        self.assertIn(MARKER, members(first + b"between" * 9 + second).values())
        self.assertIn(b"between" * 9, b"".join(members(first + b"between" * 9 + second).values()))

    def test_behind_a_zip(self) -> None:
        """An archive with something behind its end is unpacked, and what is there is given out."""
        found = members(zipped({"a.txt": MARKER}) + b"behind" * 50)
        self.assertEqual(found["a.txt"], MARKER)
        self.assertIn(b"behind" * 50, found.values())

    def test_behind_a_tar(self) -> None:
        """What stands behind the end of a tar archive is given out, and unpacked in its turn; in a stream, too."""
        both = tarred({"a.txt": b"a" * 99}) + tarred({"b.txt": MARKER})
        far = tarred({"a.txt": os.urandom(500_000)}) + bytes(70_000) + tarred({"b.txt": MARKER})
        for content in (both, far):
            for pack in (bytes, gzip.compress, bz2.compress, lzma.compress):
                self.assertIn(MARKER, members(pack(content)).values())


class BrokenTests(SynchronousTestCase):
    """Damaged content: what can be had of it, and that it is told."""

    def test_cut_short(self) -> None:
        """Whatever is cut short is malformed, and what comes before the cut is given out."""
        noise = os.urandom(3000)
        text = MARKER * 3 + noise
        for content in (
            zipped({"a.txt": text})[:2000],
            tarred({"a.txt": text})[:2000],
            gzip.compress(text)[:2000],
            bz2.compress(text)[:2000],
            lzma.compress(text)[:2000],
        ):
            self.assertIn("malformed", refusals(content), content[:4])

    def test_checksum(self) -> None:
        """A member whose checksum is wrong is malformed, and looked at all the same."""
        content = zipped({"a.txt": MARKER})
        content = content.replace(struct.pack("<I", zlib.crc32(MARKER)), b"\1\2\3\4")
        self.assertEqual(members(content), {"a.txt": MARKER})
        self.assertEqual(refusals(content), ["malformed"])

    def test_cut_tar_in_stream(self) -> None:
        """Of a packed tar archive that is cut short everything up to the cut is looked at."""
        content = tarred({"a.txt": MARKER, "b.txt": os.urandom(500_000)}, "w:gz")[:300_000]
        self.assertEqual(members(content)["(gzip)/a.txt"], MARKER)
        self.assertIn("malformed", refusals(content))

    def test_method(self) -> None:
        """A method that nobody here knows can't be unpacked, and the other members are."""
        content = bytearray(zipped({"a.txt": MARKER, "b.txt": b"b" * 99}, zipfile.ZIP_STORED))
        content[8:10] = b"\x06\0"
        at = content.index(b"PK\1\2")
        content[at + 10 : at + 12] = b"\x06\0"
        self.assertEqual(refusals(bytes(content)), ["extract_failed"])
        self.assertEqual(members(bytes(content)), {"b.txt": b"b" * 99})

    def test_encrypted(self) -> None:
        """An encrypted member is told as that, a few times, and the others are looked at."""
        content = bytearray(
            zipped({f"{n}.txt": os.urandom(20) for n in range(9)}, zipfile.ZIP_STORED)
        )
        at = 0
        for _ in range(8):
            at = content.index(b"PK\3\4", at + 1)
            content[at + 6] |= 1
        at = content.index(b"PK\1\2")
        for _ in range(8):
            at = content.index(b"PK\1\2", at + 1)
            content[at + 8] |= 1
        self.assertEqual(refusals(bytes(content)), ["encrypted"] * 3)
        self.assertEqual(list(members(bytes(content))), ["0.txt"])

    def test_noise(self) -> None:
        """Whatever the bytes behind a signature are, the walk comes to an end."""
        starts = (
            b"PK\3\4",
            b"\x1f\x8b\x08\0",
            b"7z\xbc\xaf\x27\x1c",
            b"Rar!\x1a\x07\1\0",
            b"MSCF\0\0\0\0",
        )
        for start in (*starts, b"xar!\0", b"!<arch>\n", b"\xed\xab\xee\xdb", b"LZIP\1"):
            for _ in range(20):
                content = start + os.urandom(2000)
                found = walked(content)[1]
                self.assertTrue(any(isinstance(one, Refused) for one in found), content[:8])


class BoundTests(SynchronousTestCase):
    """How far the walk goes."""

    def test_files(self) -> None:
        """One file too many ends the walk; so many pass."""
        content = zipped({f"{number}.txt": str(number).encode() for number in range(100)})
        self.assertEqual(len(members(content, files=100)), 100)
        self.assertEqual(refusals(content, files=100), [])
        self.assertEqual(refusals(content, files=99), ["limit:files"])
        content = tarred({f"{number}.txt": str(number).encode() for number in range(100)})
        self.assertEqual(refusals(content, files=99), ["limit:files"])
        self.assertEqual(len(members(content, files=99)), 99)

    def test_ratio(self) -> None:
        """What unpacks to more than so many times its length is a bomb, unless that is little."""
        bomb = bytes(3 << 20)
        for content in (
            gzip.compress(bomb),
            zipped({"a": bomb}),
            bz2.compress(bomb),
            lzma.compress(bomb),
        ):
            self.assertEqual(refusals(content), ["limit:ratio"], content[:4])
            self.assertEqual(refusals(content, ratio=1 << 20), [])
        self.assertEqual(refusals(gzip.compress(bytes(1 << 20))), [])

    def test_ratio_of_all(self) -> None:
        """What unpacks to much is no bomb where it is a small part of something long."""
        bomb = gzip.compress(bytes(3 << 20))
        content = zipped({"a.gz": bomb, "b": os.urandom(100_000)})
        self.assertEqual(refusals(content), [])

    def test_nested_ratio(self) -> None:
        """The bomb may lie in any depth."""
        content = zipped({"a.zip": zipped({"b.gz": gzip.compress(bytes(3 << 20))})})
        self.assertEqual(refusals(content), ["limit:ratio"])

    def test_member(self) -> None:
        """Of a member that is too long only the start is looked at; the others are whole."""
        content = zipped({"a.txt": os.urandom(3 << 20), "b.txt": MARKER}, zipfile.ZIP_STORED)
        found = members(content, member=1 << 20)
        self.assertEqual(found["b.txt"], MARKER)
        self.assertLessEqual(len(found["a.txt"]), 1 << 20)
        self.assertEqual(refusals(content, member=1 << 20), ["limit:size"])

    def test_size(self) -> None:
        """All that is unpacked together has a limit."""
        content = zipped({str(number): os.urandom(100_000) for number in range(9)})
        self.assertEqual(refusals(content, size=500_000), ["limit:size"])

    def test_room(self) -> None:
        """No more room is used than there is, and what was given out and forgotten is free again."""
        content = zipped({str(number): os.urandom(100_000) for number in range(20)})
        count = 0
        for one in Walk(Blob.of(content), {}, Bounds(room=250_000)):
            self.assertIsInstance(one, Member)
            count += 1
        self.assertEqual(count, 20)

    def test_tar_in_stream(self) -> None:
        """A packed tar archive may be longer than there is room: it is never there as a whole."""
        content = tarred({str(number): os.urandom(100_000) for number in range(20)}, "w:gz")
        walk = Walk(Blob.of(content), {}, Bounds(room=250_000, member=200_000))
        self.assertEqual(sum(isinstance(one, Member) for one in walk), 20)
        self.assertEqual(refusals(content, member=200_000), [])

    def test_time(self) -> None:
        """When the time is over the walk ends by itself."""
        walk = Walk(Blob.of(nested(3)), {}, Bounds(), deadline=0.0)
        self.assertEqual([one.reason for one in walk if isinstance(one, Refused)], ["limit:time"])


class CodingTests(SynchronousTestCase):
    """Content codings, which are undone first."""

    def test_covered(self) -> None:
        """What is coded and nothing else is not looked at as it stands."""
        for coding, content in (
            ("gzip", gzip.compress(MARKER)),
            ("x-gzip", gzip.compress(MARKER)),
            ("deflate", zlib.compress(MARKER)),
            ("deflate", zlib.compress(MARKER)[2:-4]),
            ("gzip, gzip", gzip.compress(gzip.compress(MARKER))),
        ):
            walk, found = walked(content, {"content_encoding": coding})
            self.assertTrue(walk.covers, coding)
            self.assertEqual(
                [one.blob.read(0, 99) for one in found if isinstance(one, Member)], [MARKER]
            )

    def test_two_meanings(self) -> None:
        """What clients may decode in two ways is looked at in both."""
        # As raw deflate it begins with a stored block, whose length begins with the second byte of zlib's head; as
        # zlib with a stored block, too, that has everything up to the checksum in it.
        flag = next(flag for flag in range(256) if not (0x7800 + flag) % 31 and not flag & 32)
        length = flag | 1 << 8
        head = struct.pack("<BHH", 0x78, length, length ^ 0xFFFF)
        size = int.from_bytes(head[3:5], "little")
        block = (struct.pack("<H", size ^ 0xFFFF) + bytes(length))[:length]
        content = head + block + zlib.compress(MARKER * 3, wbits=-15)
        content += bytes(size + 7 - len(content))
        content += zlib.adler32(content[7:]).to_bytes(4, "big")
        walk, _ = walked(content, {"content_encoding": "deflate"})
        self.assertTrue(walk.covers)
        found = members(content, {"content_encoding": "deflate"})
        self.assertTrue(found["(zlib)"].endswith(bytes(9)))
        self.assertTrue(found["(deflate)"].endswith(MARKER * 3))

    def test_nothing_coded(self) -> None:
        """Of a coding of nothing the coding itself is looked at."""
        walk, found = walked(gzip.compress(b""), {"content_encoding": "gzip"})
        self.assertEqual((walk.covers, found), (False, []))

    def test_archive_in_coding(self) -> None:
        """An archive that is coded is unpacked to the full depth."""
        found = members(gzip.compress(nested(10)), {"content_encoding": "gzip"})
        self.assertIn(MARKER, found.values())

    def test_lie(self) -> None:
        """What is not coded as it says is looked at as it stands; an archive too."""
        for coding in ("gzip", "deflate", "gzip, gzip"):
            walk, found = walked(zipped({"a.txt": MARKER}), {"content_encoding": coding})
            self.assertFalse(walk.covers)
            self.assertIn("a.txt", [one.path for one in found if isinstance(one, Member)])

    def test_unknown(self) -> None:
        """A coding that nobody knows is told, and the content looked at as it stands."""
        notes = {"content_encoding": "x-foo"}
        self.assertEqual(refusals(zipped({"a.txt": MARKER}), notes), ["unscanned:coding"])
        self.assertEqual(members(zipped({"a.txt": MARKER}), notes), {"a.txt": MARKER})

    def test_cut_short(self) -> None:
        """Coded content that is cut short is malformed, and looked at both ways."""
        content = gzip.compress(os.urandom(5000) + MARKER)[:-8]
        walk, found = walked(content, {"content_encoding": "gzip"})
        self.assertFalse(walk.covers)
        self.assertTrue(
            any(isinstance(one, Refused) and one.reason == "malformed" for one in found)
        )
        self.assertTrue(
            any(
                MARKER in content
                for content in members(content, {"content_encoding": "gzip"}).values()
            )
        )

    def test_behind(self) -> None:
        """Coded content with something behind it is looked at as it stands as well."""
        walk, found = walked(gzip.compress(b"x" * 99) + MARKER * 2, {"content_encoding": "gzip"})
        self.assertFalse(walk.covers)
        self.assertIn("(behind)", [one.path for one in found if isinstance(one, Member)])

    def test_bomb(self) -> None:
        """A coding may be a bomb as well."""
        content = gzip.compress(bytes(8 << 20))
        self.assertEqual(refusals(content, {"content_encoding": "gzip"}), ["limit:ratio"])


class FormTests(SynchronousTestCase):
    """Forms and mails."""

    def test_form(self) -> None:
        """Each file of a form is a member, and what is packed in it follows."""
        archive = zipped({"a.txt": MARKER})
        content = (
            b'--b0\r\nContent-Disposition: form-data; name="f"; filename="e.zip"\r\n\r\n'
            + archive
            + b"\r\n--b0--\r\n"
        )
        found = members(content, {"content_type": 'multipart/form-data; boundary="b0"'})
        self.assertEqual(found["e.zip"], archive)
        self.assertEqual(found["e.zip/a.txt"], MARKER)

    def test_mail(self) -> None:
        """An attachment of a mail is found, whatever the mail is declared as."""
        content = (
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n"
            b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(zipped({"a.txt": MARKER}))
            + b"--q--\r\n"
        )
        for declared in ("message/rfc822", "text/plain", "application/octet-stream"):
            self.assertIn(MARKER, members(content, {"content_type": declared}).values(), declared)


class TextTests(SynchronousTestCase):
    """Files that are written as text, where that is looked for."""

    def test_json(self) -> None:
        """A file that is base64 in JSON is found by option only, and unpacked like any other."""
        written_out = base64.b64encode(zipped({"a.txt": MARKER})).decode()
        content = json.dumps({"name": "a.zip", "content": written_out}).encode()
        for notes in ({"content_type": "application/json"}, {}):
            self.assertIn(MARKER, members(content, notes, texts=True).values())
            self.assertEqual(members(content, notes), {})
