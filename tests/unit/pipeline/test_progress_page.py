"""Tests of L{gateway.pipeline.progress_page}; the page itself is looked at in C{tests.scenarios.test_progress}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.progress_page import attachment, file_name


class NameTests(SynchronousTestCase):
    """Names of files."""

    def test_names(self) -> None:
        """A file is called what the path ends in; what no name may have in it is gone, and so is what hides its end."""
        for url, name in (
            ("http://a/b/c.zip?x=/y.exe", "c.zip"),
            ("http://a/", "download"),
            ("http://a", "download"),
            ("http://a/..", "download"),
            ("http://a/%2e%2e%2fetc%2fpasswd", "_etc_passwd"),
            ("http://a/a%00b%0D%0A.exe", "a_b_.exe"),
            ("http://a/invoice%E2%80%AEfdp.exe", "invoice_fdp.exe"),
            ("http://a/%FF%FE.bin", "_.bin"),
            ("http://a/%E4%BD%A0.txt", "你.txt"),
            ("http://a/con%22%3b%20x.txt", "con_; x.txt"),
            ("http://a/" + "x" * 500, "x" * 150),
        ):
            self.assertEqual(file_name(url), name)

    @given(st.text(max_size=50))
    def test_field(self, text: str) -> None:
        """Whatever the URL is, the field is one line of printable ASCII with one quoted name."""
        line = attachment("http://a/" + text)
        self.assertTrue(line.startswith(b'Content-Disposition: attachment; filename="'))
        self.assertTrue(line.endswith(b"\r\n"))
        rest = line[:-2]
        self.assertTrue(all(0x20 <= byte < 0x7F for byte in rest))
        self.assertEqual(rest.count(b'"'), 2)
