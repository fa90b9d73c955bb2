"""Tests of reading credentials."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.credentials import (
    BadCredentials,
    Credentials,
    UserPassword,
    find_line,
    parameters,
    parse,
    token,
    user_password,
)


class LineTests(SynchronousTestCase):
    """L{find_line}."""

    def test_any_case(self) -> None:
        """A field is found in any case of letters, and not by the begin of its name."""
        lines = [b"Host: a", b"Authorizations: x", b"aUTHORIZATION:  Basic eA==", b"Accept: b"]
        self.assertEqual(find_line(lines, b"authorization"), lines[2])
        self.assertIsNone(find_line(lines, b"proxy-authorization"))

    def test_two(self) -> None:
        """Two of them are refused."""
        lines = [b"Authorization: a", b"authorization: b"]
        self.assertRaises(BadCredentials, find_line, lines, b"authorization")


class ParseTests(SynchronousTestCase):
    """L{parse}."""

    def test_scheme(self) -> None:
        """The scheme is in lower case, the rest as it is."""
        self.assertEqual(parse(b"BaSiC  eA=="), Credentials("basic", b"eA=="))
        self.assertEqual(parse(b"Negotiate"), Credentials("negotiate", b""))

    def test_nonsense(self) -> None:
        """What has no scheme, or is too long, is none."""
        for value in (b"", b"(x)", b"Basic\x00 a", b"B" * 40, b"Basic " + b"a" * 100_000):
            self.assertRaises(BadCredentials, parse, value)

    def test_shows_nothing(self) -> None:
        """Neither shows what is in it."""
        shown = repr((parse(b"Basic c2VjcmV0"), UserPassword("anna", "secret")))
        self.assertNotIn("c2VjcmV0", shown)
        self.assertNotIn("secret", shown)


class UserPasswordTests(SynchronousTestCase):
    """L{user_password}."""

    def test_utf8_and_latin1(self) -> None:
        """UTF-8 as we ask for, and Latin-1 as some send it."""
        for charset in ("utf-8", "latin-1"):
            raw = base64.b64encode("jürgen:größe:2".encode(charset))
            self.assertEqual(user_password(raw), UserPassword("jürgen", "größe:2"))

    def test_nonsense(self) -> None:
        """No base64, no colon and control characters are refused."""
        for raw in (b"", b"!", b"YQ", base64.b64encode(b"anna")):
            self.assertRaises(BadCredentials, user_password, raw)
        for bad in (b"an\x00na:x", b"anna:x\r\ny", b"anna:" + b"x" * 5000):
            self.assertRaises(BadCredentials, user_password, base64.b64encode(bad))

    def test_token(self) -> None:
        """A token has its padding where it belongs."""
        self.assertEqual(token(b"YWI="), b"ab")
        self.assertRaises(BadCredentials, token, b"YWI= YWI=")


class ParameterTests(SynchronousTestCase):
    """L{parameters}."""

    def test_quoted(self) -> None:
        """Quoted or not, with white space and escapes."""
        self.assertEqual(
            parameters(b'Realm="a \\"b\\", c" , nc=00000001,qop = auth'),
            {"realm": 'a "b", c', "nc": "00000001", "qop": "auth"},
        )

    def test_nonsense(self) -> None:
        """Twice the same, no value, a quotation without an end and too many are refused."""
        for rest in (b"a=1, A=2", b"a", b'a="b', b'a="\x00"', b"a=1 b=2", b",a=1"):
            self.assertRaises(BadCredentials, parameters, rest)
        many = ", ".join(f"p{number}=1" for number in range(40)).encode()
        self.assertRaises(BadCredentials, parameters, many)
