"""Content written in text: found wherever it is, as anyone may write it, and within bounds."""

from __future__ import annotations

import base64
import io
import json
import random
from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.faults import Limits, TooMuch
from gateway_archive.text_codings import is_text, texts

EVIL = b"evil content that is long enough,\xfb\xff\xbf to be looked at once"
LIMITS = Limits()


def found(text: bytes, **options: int) -> list[bytes]:
    return [b"".join(one.chunks()) for one in texts(io.BytesIO(text), LIMITS, **options)]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class WrittenTests(SynchronousTestCase):
    def test_json(self) -> None:
        """Strings of JSON are looked into, with all ways to escape them."""
        text = base64.b64encode(EVIL).decode()
        plain = json.dumps({"a": [1, {"file": text}], "b": "short"}).encode()
        self.assertEqual(found(plain), [EVIL])
        self.assertEqual(found(plain.replace(b"/", b"\\/")), [EVIL])
        for letter, code in (
            (b"+", b"\\u002b"),
            (b"/", b"\\u002F"),
            (b"=", b"\\u003d"),
            (b"a", b"\\u0061"),
        ):
            value = text.encode().replace(letter, code)
            self.assertEqual(found(b'{"file": "' + value + b'"}'), [EVIL])
        wrapped = json.dumps({"file": base64.encodebytes(EVIL * 5).decode()}).encode()
        self.assertEqual(found(wrapped), [EVIL * 5])
        self.assertEqual(found(wrapped.replace(b"\\n", b"\\r\\n")), [EVIL * 5])

    def test_alphabets(self) -> None:
        """Both alphabets are read; a run of both is read in both ways."""
        self.assertEqual(found(base64.urlsafe_b64encode(EVIL)), [EVIL])
        self.assertEqual(found(base64.urlsafe_b64encode(EVIL).rstrip(b"=")), [EVIL])
        text = base64.b64encode(EVIL)
        self.assertTrue(b"+" in text and b"/" in text)
        self.assertIn(EVIL, found(b"-----\n" + text + b"\n-----\n"))

    def test_urls(self) -> None:
        """So is what stands in data URLs."""
        text = base64.b64encode(EVIL).decode()
        page = f"<img src=\"data:application/zip;base64,{text}\"><a href='data:;base64,{quote(text, safe='')}'>"
        self.assertEqual(found(page.encode()), [EVIL, EVIL])

    def test_forms(self) -> None:
        """And the values of a form."""
        text = base64.b64encode(EVIL).decode()
        body = urlencode({"name": "x", "file": text, "more": base64.encodebytes(EVIL * 3).decode()})
        self.assertEqual(found(body.encode()), [EVIL, EVIL * 3])

    def test_whole_bodies(self) -> None:
        """And a whole body, on one line or on many, with or without blanks in front of each."""
        for size in (100, 100_000, 1_000_000):
            content = noise(size) + EVIL + EVIL
            text = base64.encodebytes(content)
            for body in (
                text,
                text.replace(b"\n", b"\r\n"),
                text.replace(b"\n", b"\n   "),
                base64.b64encode(content),
            ):
                result = found(body)
                if size > 100:
                    self.assertEqual(result, [content])
            self.assertEqual(found(b"<x>\n  " + text + b"</x>"), found(text))

    def test_at_every_place(self) -> None:
        """It is found wherever the text is divided as it is read, escapes too."""
        value = base64.b64encode(EVIL).replace(b"+", b"\\u002b")
        for place in range(65536 - len(value) - 20, 65536 + 10):
            text = b" " * (place - 1) + b'"' + value + b'"'
            self.assertEqual(found(text), [EVIL], place)
        long = base64.b64encode(EVIL * 2000).replace(b"+", b"%2B")
        for place in range(4):
            self.assertEqual(found(b"." * place + long), [EVIL * 2000])

    @given(
        st.binary(min_size=600, max_size=900),
        st.integers(0, 3),
        st.sampled_from([b'"', b" ", b",", b"=", b">"]),
    )
    def test_any_content(self, content: bytes, place: int, around: bytes) -> None:
        """Any content of some length is found."""
        text = base64.b64encode(content)
        self.assertIn(content, found(b"x" * place + around + text + around + b"rest of it"))


class LeftOutTests(SynchronousTestCase):
    def test_short(self) -> None:
        """What is shorter than asked for is left out."""
        text = base64.b64encode(b"a" * 24)
        self.assertEqual(found(text), [b"a" * 24])
        self.assertEqual(found(base64.b64encode(b"a" * 23)), [])
        self.assertEqual(found(text, least=25), [])

    def test_identifiers(self) -> None:
        """Short content that is neither text nor of a known type is left out, or every key and digest would be something."""
        ids = {str(number): noise(32, number).hex() for number in range(100)}
        keys = [base64.b64encode(noise(48, number)).decode() for number in range(100)]
        self.assertEqual(found(json.dumps([ids, keys]).encode()), [])
        self.assertEqual(len(found(base64.b64encode(b"PK\3\4" + noise(40)))), 1)
        self.assertEqual(len(found(base64.b64encode(b"MZ" + noise(400)))), 1)
        self.assertEqual(len(found(base64.b64encode(noise(600)))), 1)

    def test_ordinary_text(self) -> None:
        """Ordinary text has nothing in it."""
        self.assertEqual(found(b"The quick brown fox jumps over the lazy dog.\r\n" * 1000), [])
        self.assertEqual(found(b""), [])
        self.assertEqual(found(noise(200_000)), [])

    def test_types(self) -> None:
        """Only what surely is no text is none."""
        for name in (
            "",
            "text/plain",
            "application/json",
            "image/svg+xml",
            "application/x-www-form-urlencoded",
        ):
            self.assertTrue(is_text(name), name)
        for name in ("image/png", "video/mp4", "application/zip", "multipart/form-data"):
            self.assertFalse(is_text(name), name)


class BoundTests(SynchronousTestCase):
    def test_count(self) -> None:
        """No more is given than may be, and that there is more is said."""
        text = b",".join(base64.b64encode(EVIL) for _ in range(11))
        self.assertEqual(len(found(text, most=11)), 11)
        given = []
        with self.assertRaises(TooMuch) as caught:
            for one in texts(io.BytesIO(text), LIMITS, most=10):
                given.append(one)
        self.assertEqual((caught.exception.which, len(given)), ("files", 10))

    def test_size(self) -> None:
        """What comes out is no longer than was said, and bounded."""
        content = noise(300_000)
        (one,) = texts(io.BytesIO(base64.b64encode(content)), LIMITS)
        self.assertLessEqual(len(content), one.size)
        self.assertEqual((one.at, one.kind), (0, "base64"))
        (one,) = texts(io.BytesIO(base64.b64encode(content)), Limits(size=1000))
        self.assertRaises(TooMuch, list, one.chunks())

    def test_made_to_be_slow(self) -> None:
        """Text that nearly is base64 takes no longer than other text."""
        for text in (
            b"\\" * 300_000,
            b"%2" * 200_000,
            b"A" * 30 + b".",
            b"\n" + b" " * 300_000,
            b"\\u00" * 100_000,
            b"A\n" * 15 + b".",
        ):
            body = text * max(1, 300_000 // len(text))
            found(body)
