"""Tests of keys."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.keys import Place, key_of, origin_of, resolve, same_origin
from gateway_cache.policy import KeyRules
from gateway_cache.tests.rules import TARGET

NONE = KeyRules()


def key(path: bytes, rules: KeyRules = NONE) -> bytes:
    """Give the key of a path, without its origin."""
    return key_of(Place("http", "a", 80, path), rules)[len(b"http://a:80") :]


class KeysTests(SynchronousTestCase):
    def test_target(self) -> None:
        """The key is the target as it is sent, byte for byte (RFC 9111 section 2)."""
        self.assertEqual(key_of(TARGET, NONE), b"https://www.example.com:443/path?query=1")
        self.assertEqual(key_of(Place("http", "::1", 8080, b"/"), NONE), b"http://[::1]:8080/")
        for path in (b"/a%2fb", b"/a/../b", b"/a?", b"/a?b=1&a=2", b"/a//b"):
            self.assertEqual(key(path), path)

    def test_apart(self) -> None:
        """Scheme, host, port, path and query all count."""
        targets = [
            Place("http", "a", 80, b"/b"),
            Place("https", "a", 80, b"/b"),
            Place("http", "b", 80, b"/b"),
            Place("http", "a", 8, b"0/b"),
            Place("http", "a", 80, b"/b?"),
            Place("http", "a", 80, b"/B"),
        ]
        self.assertEqual(len({key_of(target, NONE) for target in targets}), len(targets))

    def test_ignored(self) -> None:
        """A site may leave parameters out, by name or by how that begins."""
        rules = KeyRules(ignore=frozenset((b"sid", b"x")), ignore_prefixes=(b"utm_",))
        self.assertEqual(key(b"/a?utm_source=1&b=2&sid=3&x", rules), b"/a?b=2")
        self.assertEqual(key(b"/a?utm_source=1", rules), b"/a")
        self.assertEqual(key(b"/a?sidx=1&c=sid", rules), b"/a?sidx=1&c=sid")
        self.assertEqual(key(b"/sid?", rules), b"/sid?")

    def test_sorted(self) -> None:
        """A site may put parameters in order; among those of one name their own order stays."""
        rules = KeyRules(sort=True)
        self.assertEqual(key(b"/a?c=1&b=2&c=0&a", rules), b"/a?a&b=2&c=1&c=0")

    def test_origin(self) -> None:
        """All keys of an origin begin alike."""
        self.assertTrue(key_of(TARGET, NONE).startswith(origin_of(TARGET)))

    def test_resolve(self) -> None:
        """A reference is read against the target (RFC 3986 section 5)."""
        for reference, expected in (
            (b"/x", ("https", "www.example.com", 443, b"/x")),
            (b"x?y", ("https", "www.example.com", 443, b"/x?y")),
            (b"", ("https", "www.example.com", 443, b"/path?query=1")),
            (b"//Other.example:8443", ("https", "other.example", 8443, b"/")),
            (b"http://[::1]/a#b", ("http", "::1", 80, b"/a")),
            (b"../../a", ("https", "www.example.com", 443, b"/a")),
        ):
            self.assertEqual(resolve(TARGET, reference), expected, reference)
        for reference in (
            b"ftp://a/",
            b"mailto:a",
            b"http://[::1/",
            b"http://a:b/",
            b"http://a:99999/",
            b"http:///x y",
            b"/a\r\nb",
            b"/\xfc",
            b"/" + b"a" * 9000,
        ):
            self.assertIsNone(resolve(TARGET, reference), reference)

    def test_same_origin(self) -> None:
        """An origin is scheme, host and port (RFC 9110 section 4.3.1)."""
        self.assertTrue(same_origin(TARGET, Place("https", "www.example.com", 443, b"/")))
        self.assertFalse(same_origin(TARGET, Place("http", "www.example.com", 443, b"/")))

    @settings(derandomize=True, deadline=None)
    @given(st.binary(max_size=40))
    def test_any_bytes(self, reference: bytes) -> None:
        """No bytes raise anything."""
        resolve(TARGET, reference)
        key_of(TARGET._replace(raw_target=reference), KeyRules(frozenset((b"a",)), (b"b",), True))

    @settings(derandomize=True, deadline=None)
    @given(st.text("ht:/[]@%?#.a1\\ ", max_size=40))
    def test_any_likely(self, reference: str) -> None:
        """Nor do those that references are made of."""
        resolve(TARGET, reference.encode())
