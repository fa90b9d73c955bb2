"""Tests of what is done to what others wrote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_mail.harmless import one_line, unlinked


class OneLineTests(SynchronousTestCase):
    """L{one_line}."""

    def test_plain(self) -> None:
        """What is harmless stays as it is, whatever the language."""
        for text in ("a b", "Größe 3 €", "файл.exe", "文件 名", "naïve 😀"):
            self.assertEqual(one_line(text), text)

    def test_line_ends(self) -> None:
        """Line ends of every kind become spaces."""
        self.assertEqual(one_line("a\r\nb\nc\u2028d\u0085e\n"), "a  b c d<U+0085>e")

    def test_invisible(self) -> None:
        """What turns the direction, or is not seen, is named."""
        self.assertEqual(one_line("a\u202egpj.exe"), "a<U+202E>gpj.exe")
        self.assertEqual(one_line("a\x1b[31m\x00"), "a<U+001B>[31m<U+0000>")
        self.assertEqual(one_line("a\u200bb\udc80"), "a<U+200B>b<U+DC80>")

    def test_long(self) -> None:
        """What is too long is cut, and it is said how long it was."""
        self.assertEqual(one_line("x" * 100_000, 10), "xxxxxxxxxx… (100,000 characters)")
        self.assertEqual(one_line("\u202e" * 1000, 10), "<U+202E><U… (1,000 characters)")

    @given(st.text(alphabet=st.characters()))
    def test_any(self, text: str) -> None:
        """Whatever it is, the result is one visible line that UTF-8 can hold, and not long."""
        line = one_line(text, 50)
        self.assertTrue(line.isprintable())
        self.assertLess(len(line), 80)
        line.encode()


class UnlinkedTests(SynchronousTestCase):
    """L{unlinked}."""

    def test_urls(self) -> None:
        """No program makes a link of a URL; its path stays as it is."""
        self.assertEqual(
            unlinked("http://www.example.com/a.zip and HTTPS://u@x.example.net:8443?q=1.2"),
            "hxxp://www[.]example[.]com/a.zip and HXXPS://u@x[.]example[.]net:8443?q=1.2",
        )
        self.assertEqual(unlinked("ftp://a.b/c"), "ftpx://a[.]b/c")

    def test_others(self) -> None:
        """Other text with dots is left alone."""
        self.assertEqual(
            unlinked("origin 10.0.0.1:80 of a.example"), "origin 10.0.0.1:80 of a.example"
        )
