"""Codings undone: what comes out, what is said of damage and lies, and that nothing comes out without bound."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import quopri
import random
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import brotli
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.codings import PIECE, Decoding, decode, plans
from gateway_archive.faults import Broken, Fault, Limits, Lying, TooMuch, Unknown
from gateway_archive.tests.archives import written

EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*").encode()
LIMITS = Limits()


def raw(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


def compress(data: bytes, most: int = 16, clear_at: Iterable[int] = ()) -> bytes:
    """Code as compress(1) does, with a code to clear its table before these bytes."""
    table = {bytes((byte,)): byte for byte in range(256)}
    free, width, out = 257, 9, bytearray((0x1F, 0x9D, 128 | most))
    block: list[int] = []
    clear = set(clear_at)

    def flush() -> None:
        bits = sum(code << (number * width) for number, code in enumerate(block))
        out.extend(bits.to_bytes(width, "little"))
        block.clear()

    def put(code: int) -> None:
        block.append(code)
        if len(block) == 8:
            flush()

    string = b""
    entries_of_reader = 256
    for number, byte in enumerate(data):
        if number in clear and string:
            put(table[string])
            put(256)
            if block:
                flush()
            table = {bytes((one,)): one for one in range(256)}
            free, width, string, entries_of_reader = 257, 9, b"", 256
        longer = string + bytes((byte,))
        if longer in table:
            string = longer
            continue
        put(table[string])
        # The reader is one entry behind, and it grows when its own table is full.
        entries_of_reader += 1
        if free < 1 << most:
            table[longer] = free
            free += 1
        if entries_of_reader >= 1 << width and width < most:
            if block:
                flush()
            width += 1
        string = bytes((byte,))
    if string:
        put(table[string])
    if block:
        bits = sum(code << (number * width) for number, code in enumerate(block))
        out.extend(bits.to_bytes((len(block) * width + 7) // 8, "little"))
    return bytes(out)


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": raw,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "compress": compress,
    "base64": base64.encodebytes,
    "base64url": base64.urlsafe_b64encode,
    "identity": bytes,
}


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def drained(decoding: Decoding) -> tuple[bytes, Fault | None]:
    """Give what comes out, and the fault at its end."""
    out = bytearray()
    while True:
        try:
            piece = next(decoding)
        except StopIteration:
            return bytes(out), None
        except Fault as fault:
            return bytes(out), fault
        if not 0 < len(piece) <= PIECE:
            raise AssertionError(f"a piece of {len(piece)} bytes")
        out += piece


def undone(
    data: bytes, plan: str | tuple[str, ...], limits: Limits = LIMITS, size: int = 0
) -> tuple[bytes, Fault | None]:
    return drained(decode(cut(data, size or max(1, len(data))), plan, limits))


class PlanTests(SynchronousTestCase):
    def test_nothing_coded(self) -> None:
        """Neither an empty field nor the coding that is none asks for anything."""
        for field in ("", " , ,", "identity", "identity, Identity", "UTF-8", "none"):
            self.assertEqual(plans(field), ())

    def test_names(self) -> None:
        """Names are of either case, and have their old other names."""
        self.assertEqual(plans("BR"), (("br",),))
        self.assertEqual(plans(" x-gzip "), plans("gzip"))
        self.assertEqual(plans("x-compress"), (("compress",),))

    def test_what_clients_make_of_them(self) -> None:
        """Both gzip and deflate stand for three formats, first the one of the name."""
        self.assertEqual(plans("gzip"), (("gzip",), ("zlib",), ("deflate",)))
        self.assertEqual(plans("deflate"), (("zlib",), ("deflate",), ("gzip",)))

    def test_stacked(self) -> None:
        """What was done last is undone first."""
        self.assertEqual(plans("zstd, br")[0], ("br", "zstd"))
        self.assertEqual(plans("gzip, br")[0], ("br", "gzip"))

    def test_inner_lies(self) -> None:
        """What is inside may not be coded as it is said to be, so there are ways that stop before it."""
        self.assertEqual(plans("zstd, br"), (("br", "zstd"), ("br",)))
        self.assertEqual(len(plans("gzip, deflate")), 9 + 3)
        coded = brotli.compress(EICAR)
        results = [undone(coded, plan) for plan in plans("gzip, br")]
        self.assertEqual([out for out, fault in results if fault is None], [EICAR])

    def test_too_many(self) -> None:
        """More than five are refused before anything is decoded."""
        self.assertEqual(plans("br, " * 5)[0], ("br",) * 5)
        fault = self.assertRaises(TooMuch, plans, "br, " * 6)
        self.assertEqual(fault.which, "depth")
        self.assertRaises(TooMuch, decode, [], ["br"] * 6, LIMITS)

    def test_unknown(self) -> None:
        """A coding that is not known is named, fit to be shown."""
        self.assertEqual(self.assertRaises(Unknown, plans, "gzip, x-foo").which, "x-foo")
        self.assertEqual(self.assertRaises(Unknown, plans, 'a\x00"b').which, "a??b")
        self.assertRaises(Unknown, decode, [], "x-foo", LIMITS)


class CodingTests(SynchronousTestCase):
    def test_each(self) -> None:
        """Each coding gives back what was coded, however it arrives."""
        noise = random.Random(7).randbytes(200_000)
        for content in (b"", b"a", EICAR, b"clean " * 50_000, noise):
            for name, coder in CODERS.items():
                coded = coder(content)
                for size in (1, 13, 4096, 1 << 20):
                    if len(coded) // size < 20_000:
                        self.assertEqual(undone(coded, name, size=size), (content, None), name)

    @given(st.binary(max_size=2000), st.sampled_from(sorted(CODERS)), st.integers(1, 50))
    def test_any(self, content: bytes, name: str, size: int) -> None:
        """So it does for any content."""
        self.assertEqual(undone(CODERS[name](content), name, size=size), (content, None))

    @given(
        st.binary(max_size=500), st.lists(st.sampled_from(sorted(CODERS)), min_size=1, max_size=5)
    )
    def test_any_stack(self, content: bytes, names: list[str]) -> None:
        """Stacked codings are undone in the order that is asked for."""
        coded = content
        for name in names:
            coded = CODERS[name](coded)
        self.assertEqual(undone(coded, tuple(reversed(names)), size=7), (content, None))

    def test_counts(self) -> None:
        """What went in and came out is counted."""
        coded = gzip.compress(EICAR * 9)
        decoding = decode([coded], "gzip", LIMITS)
        drained(decoding)
        self.assertEqual((decoding.taken, decoding.given), (len(coded), len(EICAR) * 9))
        self.assertEqual((decoding.trailing, decoding.first), (None, None))


class DamageTests(SynchronousTestCase):
    def test_cut_short_anywhere(self) -> None:
        """What is cut short is broken, at each place, and what comes out is a beginning of the content."""
        content = EICAR + random.Random(3).randbytes(300)
        for name in ("gzip", "zlib", "deflate", "br", "zstd"):
            coded = CODERS[name](content)
            for size in range(len(coded)):
                out, fault = undone(coded[:size], name, size=50)
                self.assertIsInstance(fault, Broken, (name, size))
                self.assertTrue(content.startswith(out), (name, size))
            self.assertEqual(undone(coded[:-1], name)[0][: len(EICAR)], EICAR, name)

    def test_damaged_anywhere(self) -> None:
        """A changed byte raises nothing but faults, and what comes before it is given out."""
        content = EICAR * 3 + random.Random(4).randbytes(300)
        for name in ("gzip", "zlib", "deflate", "br", "zstd", "compress"):
            coded = CODERS[name](content)
            for at in range(len(coded)):
                bad = coded[:at] + bytes((coded[at] ^ 0x55,)) + coded[at + 1 :]
                undone(bad, name, Limits(size=1 << 20), size=50)

    def test_wrong_checksum(self) -> None:
        """With a wrong checksum all of the content is given out, and then said to be broken."""
        for name, at in (("gzip", -8), ("gzip", -1), ("zlib", -1)):
            coded = bytearray(CODERS[name](EICAR))
            coded[at] ^= 1
            out, fault = undone(bytes(coded), name)
            self.assertEqual(out, EICAR)
            self.assertIs(type(fault), Broken)
        checked = bytearray(
            zstd.compress(EICAR, options={zstd.CompressionParameter.checksum_flag: 1})
        )
        checked[-1] ^= 1
        out, fault = undone(bytes(checked), "zstd")
        self.assertEqual(out, EICAR)
        self.assertIs(type(fault), Broken)

    def test_wrong_checksum_ends_nothing(self) -> None:
        """Members that follow a wrong checksum are read too, for not all clients look at it."""
        coded = bytearray(gzip.compress(b"first"))
        coded[-8] ^= 1
        out, fault = undone(bytes(coded) + gzip.compress(EICAR), "gzip")
        self.assertEqual(out, b"first" + EICAR)
        self.assertIs(type(fault), Broken)

    def test_damage_in_the_middle(self) -> None:
        """Up to the damage everything is given out but for the last byte, far into the content too."""
        noise = random.Random(5).randbytes(150_000)
        for name in ("gzip", "zlib", "deflate"):
            coder = zlib.compressobj(wbits={"gzip": 31, "zlib": 15, "deflate": -15}[name])
            start = coder.compress(noise + EICAR) + coder.flush(zlib.Z_FULL_FLUSH)
            # A block of the type that there is not.
            out, fault = undone(start + b"\x07" + bytes(100), name, size=1000)
            self.assertEqual(out, noise + EICAR)
            self.assertIs(type(fault), Broken)
        coder = brotli.Compressor()
        start = coder.process(noise + EICAR) + coder.flush()
        out, fault = undone(start + b"\xff" * 100, "br", size=1000)
        self.assertEqual(out[: len(noise + EICAR)], noise + EICAR)
        self.assertIs(type(fault), Broken)
        both = zstd.ZstdCompressor()
        start = both.compress(noise + EICAR, zstd.ZstdCompressor.FLUSH_BLOCK)
        out, fault = undone(start + b"\xff" * 100, "zstd", size=1000)
        self.assertEqual(out, noise + EICAR)
        self.assertIs(type(fault), Broken)

    def test_lies(self) -> None:
        """Content that does not begin like the coding it is said to be is told apart from what is damaged."""
        for name in ("gzip", "zlib", "deflate", "br", "zstd", "compress"):
            for content in (EICAR, b"hello\n" * 1000, b"<html>", b"PK\3\4" + bytes(100)):
                self.assertIsInstance(undone(content, name)[1], Lying, (name, content[:9]))

    def test_only_one_plan_fits(self) -> None:
        """Of the formats that a name stands for all but the right one are lies at once."""
        for field, name in (
            ("gzip", "gzip"),
            ("gzip", "zlib"),
            ("gzip", "deflate"),
            ("deflate", "zlib"),
            ("deflate", "deflate"),
            ("deflate", "gzip"),
        ):
            coded = CODERS[name](EICAR * 20)
            results = [undone(coded, plan) for plan in plans(field)]
            self.assertEqual([out for out, fault in results if fault is None], [EICAR * 20])
            self.assertEqual(sum(isinstance(fault, Lying) for _, fault in results), 2)

    def test_a_text_with_two_meanings(self) -> None:
        """What is both zlib's format and raw deflate comes out in both readings."""
        # As raw deflate it begins with a stored block, whose length is zlib's second byte and the one after it.
        second = next(flag for flag in range(256) if not (0x7800 + flag) % 31 and not flag & 32)
        hidden = raw(EICAR)
        length = second | 1 << 8
        head = (
            bytes((0x78,)) + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little")
        )
        # As zlib it begins with 0x01: a stored block, its length the next two bytes and their complement.
        size = int.from_bytes(head[3:5], "little")
        stored = (size ^ 0xFFFF).to_bytes(2, "little")
        content = (stored + bytes(length))[:length] + hidden
        coded = head + content
        rest = coded[7:]
        self.assertLess(len(rest), size)
        padded = coded + bytes(size - len(rest))
        shown = padded[7 : 7 + size]
        padded += zlib.adler32(shown).to_bytes(4)
        zlib_out, fault = undone(padded, "zlib")
        self.assertEqual((zlib_out, fault), (shown, None))
        raw_out, fault = undone(padded, "deflate")
        self.assertTrue(raw_out.endswith(EICAR))


class EndTests(SynchronousTestCase):
    def test_members(self) -> None:
        """All members of gzip and frames of zstd are read, and the end of the first is told."""
        for name in ("gzip", "zstd"):
            coded = CODERS[name](b"first") + CODERS[name](b"") + CODERS[name](EICAR)
            decoding = decode(cut(coded, 3), name, LIMITS)
            self.assertEqual(drained(decoding), (b"first" + EICAR, None))
            self.assertEqual(decoding.first, 5)
            self.assertIsNone(decoding.trailing)

    def test_padding(self) -> None:
        """Zeros may follow a member of gzip, and another member them."""
        coded = gzip.compress(b"first") + bytes(1000)
        decoding = decode(cut(coded, 70), "gzip", LIMITS)
        self.assertEqual(drained(decoding), (b"first", None))
        self.assertIsNone(decoding.trailing)
        self.assertEqual(
            undone(coded + gzip.compress(EICAR), "gzip", size=70), (b"first" + EICAR, None)
        )

    def test_trailing(self) -> None:
        """Bytes that follow the end and are no member are no fault, and where they begin is told."""
        for name in ("gzip", "zlib", "deflate", "br", "zstd"):
            coded = CODERS[name](EICAR)
            for junk in (b"junk" * 100, b"\x1f", b"\x1f\x8b\x07"):
                for size in (1, 10, 1 << 16):
                    decoding = decode(cut(coded + junk, size), name, LIMITS)
                    self.assertEqual(drained(decoding), (EICAR, None), name)
                    self.assertEqual(decoding.trailing, len(coded), name)

    def test_trailing_within(self) -> None:
        """Trailing bytes of an inner coding are told of, although not where they are."""
        decoding = decode([gzip.compress(zlib.compress(EICAR) + b"junk")], ("gzip", "zlib"), LIMITS)
        self.assertEqual(drained(decoding), (EICAR, None))
        self.assertEqual(decoding.trailing, 0)

    def test_zeros_before_junk(self) -> None:
        """What follows zeros is trailing from the first zero on."""
        coded = gzip.compress(EICAR)
        decoding = decode([coded + bytes(9) + b"x"], "gzip", LIMITS)
        self.assertEqual(drained(decoding), (EICAR, None))
        self.assertEqual(decoding.trailing, len(coded))

    def test_skippable_frames(self) -> None:
        """Frames of zstd that are to be skipped are, in front too."""
        skipped = b"\x53\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
        coded = skipped + zstd.compress(EICAR) + skipped
        self.assertEqual(undone(coded, "zstd", size=5), (EICAR, None))

    def test_head_of_gzip(self) -> None:
        """All optional fields of gzip's head are read, of any length."""
        body = gzip.compress(EICAR)[10:]
        head = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\3\0abc" + b"n" * 200_000 + b"\0c\0"
        check = (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
        self.assertEqual(undone(head + check + body, "gzip", size=1000), (EICAR, None))
        out, fault = undone(head + b"xx" + body, "gzip", size=1000)
        self.assertEqual(out, EICAR)
        self.assertIs(type(fault), Broken)
        out, fault = undone(b"\x1f\x8b\x08\x80" + bytes(6) + body, "gzip")
        self.assertEqual(out, EICAR)
        self.assertIs(type(fault), Broken)

    def test_dictionaries(self) -> None:
        """What needs a dictionary can't be read."""
        coder = zlib.compressobj(zdict=b"EICAR")
        self.assertIs(type(undone(coder.compress(EICAR) + coder.flush(), "zlib")[1]), Broken)


class LimitTests(SynchronousTestCase):
    def bombs(self) -> dict[str, bytes]:
        content = bytes(8 << 20)
        return {name: CODERS[name](content) for name in ("gzip", "zlib", "deflate", "br", "zstd")}

    def test_size(self) -> None:
        """Exactly as much comes out as may."""
        for name, coded in self.bombs().items():
            out, fault = undone(coded, name, Limits(size=1_000_001, ratio=10**9))
            assert isinstance(fault, TooMuch)
            self.assertEqual((len(out), fault.which), (1_000_001, "size"), name)
            self.assertEqual(undone(coded, name, Limits(size=8 << 20, ratio=10**9))[1], None)

    def test_ratio(self) -> None:
        """Beyond the floor the ratio counts, and it ends a bomb early."""
        for name, coded in self.bombs().items():
            out, fault = undone(coded, name, Limits(ratio=20, floor=1 << 20), size=1000)
            assert isinstance(fault, TooMuch)
            self.assertEqual(fault.which, "ratio")
            self.assertLessEqual(len(out), max(1 << 20, 20 * len(coded)))

    def test_floor(self) -> None:
        """Below the floor any ratio will do."""
        coded = gzip.compress(bytes(1 << 20))
        self.assertEqual(
            undone(coded, "gzip", Limits(ratio=1, floor=1 << 20)), (bytes(1 << 20), None)
        )

    def test_each_layer_is_bounded(self) -> None:
        """A bomb within a coding is one, although hardly anything comes out at the end."""
        coded = gzip.compress(gzip.compress(b"a") + bytes(64 << 20))
        _, fault = undone(coded, ("gzip", "gzip"), Limits(size=1 << 20))
        assert isinstance(fault, TooMuch)

    def test_ratio_of_a_stack(self) -> None:
        """The ratio is that to what came in, over all layers."""
        coded = gzip.compress(gzip.compress(bytes(64 << 20)))
        out, fault = undone(coded, ("gzip", "gzip"), Limits(ratio=1100))
        assert isinstance(fault, TooMuch)
        self.assertEqual(fault.which, "ratio")
        self.assertLess(len(out), 8 << 20)

    def test_window(self) -> None:
        """A window that is larger than allowed is not made."""
        options: Any = {zstd.CompressionParameter.window_log: 26}
        coder = zstd.ZstdCompressor(options=options)
        coded = coder.compress(EICAR) + coder.flush()
        self.assertIsNone(undone(coded, "zstd", Limits())[1])
        fault = undone(coded, "zstd", Limits(window=8 << 20))[1]
        assert isinstance(fault, TooMuch)
        self.assertEqual(fault.which, "window")

    def test_laziness(self) -> None:
        """Nothing is taken before it is asked for, and no more than is needed."""
        taken: list[int] = []

        def source() -> Iterator[bytes]:
            for number, piece in enumerate(
                cut(gzip.compress(random.Random(1).randbytes(1 << 20)), 1000)
            ):
                taken.append(number)
                yield piece

        decoding = decode(source(), "gzip", LIMITS)
        self.assertEqual(taken, [])
        next(decoding)
        self.assertLessEqual(len(taken), 3)


class CompressTests(SynchronousTestCase):
    def test_widths_and_clearing(self) -> None:
        """Codes grow to their limit, and the table can be cleared at any time."""
        text = bytes(random.Random(2).choices(b"abcd", k=100_000))
        for most in (9, 10, 12, 16):
            for clear_at in ((), (1, 2, 5000), range(777, 100_000, 9_999)):
                self.assertEqual(undone(compress(text, most, clear_at), "compress"), (text, None))

    def test_as_others_write_it(self) -> None:
        """What libarchive wrote is read, with all widths of codes."""
        content = b"".join(b"%d is %x, " % (number, number * 7919) for number in range(40_000))
        files = {"a.txt": content}
        packed = written("ustar", files, "compress")
        out, fault = undone(packed, "compress", size=1000)
        self.assertIsNone(fault)
        with tarfile.open(fileobj=io.BytesIO(out)) as archive:
            file = archive.extractfile("a.txt")
            assert file is not None
            self.assertEqual(file.read(), content)

    def test_codes_without_meaning(self) -> None:
        """A code that is in no table is damage, after all that was before it."""
        good = compress(b"ab")
        self.assertEqual(undone(good, "compress"), (b"ab", None))
        bad = b"\x1f\x9d\x90" + (ord("a") | 300 << 9).to_bytes(3, "little")
        out, fault = undone(bad, "compress")
        self.assertEqual(out, b"a")
        self.assertIs(type(fault), Broken)
        self.assertIs(type(undone(b"\x1f\x9d\x9f", "compress")[1]), Broken)


class MailCodingTests(SynchronousTestCase):
    def test_base64_as_lenient_as_can_be(self) -> None:
        """What is not of the alphabet is skipped, missing padding is none, and after padding it goes on."""
        for text in (
            base64.b64encode(EICAR),
            base64.b64encode(EICAR).rstrip(b"="),
            b" - ".join(cut(base64.b64encode(EICAR), 3)),
            base64.b64encode(EICAR[:10]) + b"\r\n" + base64.b64encode(EICAR[10:]),
        ):
            for size in (1, 7, 1000):
                self.assertEqual(undone(text, "base64", size=size), (EICAR, None))
        self.assertEqual(undone(b"a", "base64"), (b"", None))

    def test_url_alphabet(self) -> None:
        """Both alphabets are read as one."""
        data = bytes(range(256))
        mixed = base64.b64encode(data).replace(b"+", b"-")
        self.assertEqual(undone(mixed, "base64url", size=5), (data, None))

    @given(st.binary(max_size=600), st.integers(1, 40))
    def test_quoted_printable(self, content: bytes, size: int) -> None:
        """What was quoted is given back, wherever it is cut."""
        content = content.replace(b"\r", b"").replace(b"\n", b"")
        for coded in (binascii.b2a_qp(content), quopri.encodestring(content)):
            self.assertEqual(undone(coded, "quoted-printable", size=size), (content, None))

    def test_what_only_looks_quoted(self) -> None:
        """A sign of quotation that says nothing stays."""
        for text in (b"=", b"=G1", b"a=\rb", b"1=2", b"=" + b" " * 200 + b"x"):
            for size in (1, 3, 1000):
                self.assertEqual(undone(text, "quoted-printable", size=size), (text, None))
        self.assertEqual(undone(b"a= \t\r\nb=0d=0A", "quoted-printable", size=1), (b"ab\r\n", None))

    def test_uuencode(self) -> None:
        """Lines of uuencode are decoded, and what is around them is skipped."""
        lines = b"".join(binascii.b2a_uu(one, backtick=True) for one in cut(EICAR * 5, 45))
        text = b"Hello,\n\nbegin 644 a.com\n" + lines + b"`\nend\n"
        for size in (1, 50, 1000):
            out, fault = undone(text, "uuencode", size=size)
            self.assertIsNone(fault)
            self.assertIn(EICAR * 5, out)
