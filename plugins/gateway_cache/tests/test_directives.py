"""Tests of cache directives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.directives import (
    INVALID,
    MOST_SECONDS,
    NO_WISHES,
    SILENT,
    RequestControl,
    ResponseControl,
    read_request_control,
    read_response_control,
    read_targeted_control,
)

FIELD = st.binary(max_size=60)


def read(*values: bytes) -> ResponseControl:
    """Read the lines of a response."""
    return read_response_control(list(values))


def ask(*values: bytes, pragma: list[bytes] | None = None) -> RequestControl:
    """Read the lines of a request."""
    return read_request_control(list(values) or None, pragma)


class ResponseDirectivesTests(SynchronousTestCase):
    def test_numbers(self) -> None:
        """Numbers are read in both forms; what is none has run out (RFC 9111 sections 1.2.2, 4.2.1, 5.2)."""
        for value, expected in (
            (b"max-age=3600", 3600),
            (b"MaX-aGe=3600", 3600),
            (b'max-age="3600"', 3600),
            (b"max-age=003600", 3600),
            (b"max-age=0", 0),
            (b"max-age=2147483647", 2147483647),
            (b"max-age=2147483649", MOST_SECONDS),
            (b"max-age=99999999999", MOST_SECONDS),
            (b"max-age=" + b"9" * 5000, MOST_SECONDS),
            (b"max-age=" + b"0" * 5000 + b"7", 7),
            (b"foobar, max-age=7", 7),
            (b"max-age=-1", INVALID),
            (b"max-age='1'", INVALID),
            (b"max-age=1.5", INVALID),
            (b"max-age=1a", INVALID),
            (b"max-age=a1", INVALID),
            (b"max-age=", INVALID),
            (b"max-age", INVALID),
            (b"max-age =1", INVALID),
            (b"max-age= 1", INVALID),
            (b"max-age=\xb2", INVALID),
        ):
            self.assertEqual(read(value).max_age, expected, value)

    def test_several(self) -> None:
        """Of several equal directives the first counts, on one line or two (RFC 9111 section 4.2.1)."""
        self.assertEqual(read(b"max-age=1, max-age=1800").max_age, 1)
        self.assertEqual(read(b"max-age=1800", b"max-age=1").max_age, 1800)

    def test_quotations(self) -> None:
        """What stands in a quotation is no directive (RFC 9111 section 5.2)."""
        self.assertEqual(read(b'extension="max-age=3600", max-age=1').max_age, 1)
        self.assertEqual(read(b'max-age=1, extension="max-age=3600"').max_age, 1)
        self.assertFalse(read(b'extension="a, no-store, \\", private"').no_store)
        self.assertFalse(read(b'extension="a, no-store, \\", private"').private)

    def test_quotation_without_end(self) -> None:
        """A quotation that does not end makes the response unstorable: nobody knows what it hides."""
        for value in (b'a="b, no-store', b'max-age=1, "', b'must-understand, x="\\"'):
            control = read(value)
            self.assertTrue(control.no_store, value)
            self.assertFalse(control.must_understand, value)

    def test_what_forbids(self) -> None:
        """What forbids, forbids in any case and with whatever value (RFC 9111 section 5.2.2)."""
        for value in (b"No-StOrE", b"no-store=1", b'no-store=""', b"a,no-store ,b", b",, no-store"):
            self.assertTrue(read(value).no_store, value)
        for value in (b"private", b'private=""', b'private="a b"', b'private="a", private'):
            self.assertTrue(read(value).private, value)
        for value in (b"No-CaChE", b'no-cache="\xfc"', b'no-cache, no-cache="a"'):
            self.assertTrue(read(value).no_cache, value)
        self.assertTrue(read(b"must-revalidate").must_revalidate)
        self.assertTrue(read(b"proxy-revalidate").proxy_revalidate)

    def test_what_permits(self) -> None:
        """What permits does so only as it is defined."""
        self.assertTrue(read(b"public, must-understand, immutable").public)
        control = read(b"public=1, must-understand=x, immutable=y")
        self.assertFalse(control.public or control.must_understand or control.immutable)

    def test_fields(self) -> None:
        """The qualified forms name fields, quoted or not (RFC 9111 sections 5.2.2.4 and 5.2.2.7)."""
        control = read(b'private="Set-Cookie, X-User", no-cache=a', b'no-cache="b"')
        self.assertFalse(control.private or control.no_cache)
        self.assertEqual(control.private_fields, {b"set-cookie", b"x-user"})
        self.assertEqual(control.no_cache_fields, {b"a", b"b"})

    def test_silent(self) -> None:
        """No line and empty lines say nothing."""
        self.assertIs(read_response_control(None), SILENT)
        self.assertIs(read(b"", b" , ,"), SILENT)

    @settings(derandomize=True, deadline=None)
    @given(st.lists(FIELD, max_size=3))
    def test_any_bytes(self, values: list[bytes]) -> None:
        """No bytes raise anything, and numbers stay within their bounds."""
        control = read_response_control(values)
        for number in (control.max_age, control.s_maxage, control.stale_if_error):
            self.assertTrue(number is None or INVALID <= number <= MOST_SECONDS)
        read_request_control(values, values)

    @settings(derandomize=True, deadline=None)
    @given(st.text("nostre-,=\"\\ ,a'", max_size=30))
    def test_hidden(self, text: str) -> None:
        """C{no-store} as the first or the last member is heard unless it is within a whole quotation."""
        value = text.encode()
        self.assertTrue(read(b"no-store," + value).no_store)
        control = read(value + b",no-store")
        self.assertTrue(control.no_store or value.count(b'"') > 0)


class RequestDirectivesTests(SynchronousTestCase):
    def test_directives(self) -> None:
        """Each directive of a request is read (RFC 9111 section 5.2.1)."""
        self.assertEqual(
            ask(b"no-cache, no-store", b"only-if-cached, max-age=1, min-fresh=2, max-stale=3"),
            RequestControl(True, True, True, 1, 2, 3),
        )

    def test_max_stale(self) -> None:
        """C{max-stale} without a value is any staleness, with a wrong one none (RFC 9111 section 5.2.1.2)."""
        self.assertEqual(ask(b"max-stale").max_stale, MOST_SECONDS)
        self.assertIsNone(ask(b"max-stale=x").max_stale)

    def test_wrong_max_age(self) -> None:
        """A wrong C{max-age} asks for the newest there is."""
        self.assertEqual(ask(b"max-age=x").max_age, 0)

    def test_pragma(self) -> None:
        """C{Pragma: no-cache} counts where there is no C{Cache-Control} (RFC 9111 section 5.4)."""
        self.assertTrue(ask(pragma=[b"No-Cache"]).no_cache)
        self.assertFalse(ask(b"max-age=5", pragma=[b"no-cache"]).no_cache)
        self.assertIs(ask(pragma=[b"unrecognised-extension"]), NO_WISHES)

    def test_none(self) -> None:
        """A request that says nothing is known by its identity."""
        self.assertIs(ask(), NO_WISHES)
        self.assertIs(ask(b""), NO_WISHES)

    def test_broken(self) -> None:
        """A request that can't be understood gets nothing stored, and leaves nothing."""
        control = ask(b'x="')
        self.assertTrue(control.no_cache and control.no_store)


class TargetedTests(SynchronousTestCase):
    def read(self, *values: bytes) -> ResponseControl | None:
        """Read C{CDN-Cache-Control}."""
        return read_targeted_control("cdn-cache-control", list(values))

    def test_dictionary(self) -> None:
        """A targeted field is a dictionary, parameters mean nothing (RFC 9213 section 2.1)."""
        self.assertEqual(
            self.read(b"max-age=60;x=1, foobar", b'private="a, b", must-revalidate'),
            ResponseControl(
                max_age=60, private_fields=frozenset((b"a", b"b")), must_revalidate=True
            ),
        )

    def test_ignored(self) -> None:
        """What is empty, malformed or of the wrong type counts as if it were not there (RFC 9213 section 2.1)."""
        for value in (
            b"",
            b"max-age=10000, &&&&&",
            b'max-age="10000"',
            b"max-age =100",
            b"max-age= 100",
            b"max-age=1.5",
            b"max-age",
            b"MaX-aGe=3600",
            b"max-age=\xff",
            b"max-age=1" + b" " * 9000,
        ):
            self.assertIsNone(self.read(value), value)

    def test_false(self) -> None:
        """A member that is false is not there."""
        self.assertEqual(self.read(b"no-store=?0, max-age=1"), ResponseControl(max_age=1))

    def test_forbidding(self) -> None:
        """What forbids is heard though something beside it is of the wrong type."""
        control = self.read(b'no-store, max-age="1"')
        assert control is not None
        self.assertTrue(control.no_store)

    def test_range(self) -> None:
        """Numbers below 0 have run out, and there is a most."""
        control = self.read(b"max-age=-5, s-maxage=99999999999")
        self.assertEqual(control, ResponseControl(max_age=INVALID, s_maxage=MOST_SECONDS))

    def test_surrogate_control(self) -> None:
        """C{Surrogate-Control} is read as C{Cache-Control} is."""
        control = read_targeted_control("surrogate-control", [b'content="ESI/1.0", max-age=60'])
        self.assertEqual(control, ResponseControl(max_age=60))
        self.assertIsNone(read_targeted_control("surrogate-control", [b""]))

    @settings(derandomize=True, deadline=None)
    @given(st.lists(FIELD, max_size=3))
    def test_any_bytes(self, values: list[bytes]) -> None:
        """No bytes raise anything."""
        self.read(*values)

    @settings(derandomize=True, deadline=None)
    @given(st.text('max-ge=10,;"?():@%:*\\ ', max_size=40))
    def test_any_likely(self, text: str) -> None:
        """Nor do those that structured fields are made of."""
        self.read(text.encode())
