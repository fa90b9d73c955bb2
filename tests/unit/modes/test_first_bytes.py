"""Tests of L{gateway.modes.first_bytes}: what is taken for HTTP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.modes.first_bytes import is_http


class IsHttpTests(SynchronousTestCase):
    """The first bytes of a stream."""

    def test_requests(self) -> None:
        """A token and a space begin a request, also behind a line end."""
        for data in (b"GET / HTTP/1.1\r\n", b"M-SEARCH * ", b"\r\nPOST /", b"x ", b"PRIVATE / "):
            self.assertIs(is_http(data), True, data)

    def test_undecided(self) -> None:
        """While that can still come, more bytes are needed."""
        for data in (b"", b"G", b"GET", b"\r", b"\r\n", b"\r\nPO", b"P", b"PRI * HTTP/", b"a" * 32):
            self.assertIs(is_http(data), None, data)

    def test_others(self) -> None:
        """Nothing else does: no binary, no greeting, no HTTP/2, no endless word."""
        for data in (
            b"\x00",
            b"\x16\x03\x01",
            b"GET\t/",
            b" GET /",
            b"\r\r",
            b"\r\n\r\n",
            b"EHLO\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"a" * 33,
            b"a" * 33 + b" ",
            b"\xff",
        ):
            self.assertIs(is_http(data), False, data)

    def test_every_cut(self) -> None:
        """However a stream is cut, the decision is the same, and once made it stands."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"\r\nOPTIONS * ",
            b"SSH-2.0-x\r\n",
        ):
            found = [is_http(data[:size]) for size in range(len(data) + 1)]
            decided = [one for one in found if one is not None]
            self.assertEqual(set(decided), {is_http(data)}, data)
            self.assertEqual(found, [None] * (len(found) - len(decided)) + decided, data)
