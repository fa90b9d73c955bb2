"""Short ways for what is usual give what the long ones give."""

from __future__ import annotations

import contextlib
import re
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st
from ldap3.protocol.controls import build_control
from ldap3.utils.asn1 import encode
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth import ldap_ber, ldap_filters, names
from gateway_auth.ldap_answers import Searching
from gateway_auth.ldap_ber import BadMessage, element
from gateway_auth.ldap_filters import BadFilter, all_of, any_of, encode_filter
from gateway_auth.ldap_messages import Entry, matched_values, search_request
from gateway_auth.ldap_wire import Question, SearchRefused
from gateway_auth.names import escape_dn, escape_filter, first_rdn
from gateway_auth.tests.test_ldap_filters import of_ldap3

A, B = b"\xa3\x06\x04\x01a\x04\x01b", b"\xa3\x06\x04\x01c\x04\x01d"
_NEVER = re.compile(r"(?!)")
#: Of RFC 3876.
MATCHED_VALUES = "1.2.826.0.1.3344810.2.3"


class FilterTests(SynchronousTestCase):
    """Filters."""

    def general(self, text: str) -> bytes:
        """Write a filter the long way."""
        made, end = ldap_filters._filter(text, 0, 0)
        if end != len(text):
            raise BadFilter("more")
        return made

    def both(self, text: str) -> None:
        """Write it both ways."""
        try:
            expected = self.general(text)
        except BadFilter:
            with self.assertRaises(BadFilter):
                encode_filter(text)
        else:
            self.assertEqual(encode_filter(text), expected)

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(
        st.text("abA1-;.:~<>", max_size=5),
        st.text(max_size=8) | st.text("ab\\0f*()=: \n\u00e4\0", max_size=10),
    )
    @example("a", "\\2a\\c3\\A4")
    @example("a", "\\zz")
    @example("a", "=b")
    @example("a:", "b")
    @example("a;x", "b")
    @example("2.5.4.3", "b")
    def test_plain(self, name: str, value: str) -> None:
        """A name and a value are one filter or none, whichever way it is read."""
        self.both(f"({name}={value})")
        self.both(f"({name}={value})\n")

    @settings(deadline=None, derandomize=True)
    @given(st.text(max_size=40))
    def test_escaped(self, value: str) -> None:
        """What was escaped is, too; and no sign that is left as it is means anything."""
        value = value.encode("utf-8", "replace").decode()
        self.both(f"(uid={escape_filter(value)})")
        data = value.encode()
        if data:
            made = encode_filter(f"(uid={escape_filter(value)})")
            self.assertTrue(made.endswith(element(0x04, data)))

    def test_signs(self) -> None:
        """Signs that names are full of stay, and are what they are to ldap3 too."""
        text = "uid\\3dx,dc.y-z_a@b"
        self.assertEqual(escape_filter("uid=x,dc.y-z_a@b"), text)
        self.assertEqual(encode_filter(f"(member={text})"), of_ldap3(f"(member={text})"))
        self.assertIn(b"uid=x,dc.y-z_a@b", encode_filter(f"(member={text})"))

    def test_joined(self) -> None:
        """Filters joined when they are written are those that were joined as text."""
        parts = ["(a=b)", "(c=d)", "(!(e=*))", f"(f={'x' * 200})"]
        for count in range(1, 5):
            some = parts[:count]
            made = [encode_filter(one) for one in some]
            self.assertEqual(any_of(made), of_ldap3(f"(|{''.join(some)})"))
            self.assertEqual(all_of(made), of_ldap3(f"(&{''.join(some)})"))


class MatchedValuesTests(SynchronousTestCase):
    """The control of RFC 3876."""

    def test_bytes(self) -> None:
        """It is critical, and its value a sequence of the filters."""
        control = (
            b"\x04\x17" + MATCHED_VALUES.encode() + b"\x01\x01\xff" + b"\x04\x12\x30\x10" + A + B
        )
        sequence = b"\x30" + bytes((len(control),)) + control
        self.assertEqual(matched_values([A, B]), b"\xa0" + bytes((len(sequence),)) + sequence)

    def test_like_ldap3(self) -> None:
        """So ldap3 writes it."""
        for filters in ([A], [A, B], [A, B] * 40):
            value = element(0x30, b"".join(filters))
            theirs = bytes(encode(build_control(MATCHED_VALUES, True, value, False)))
            self.assertEqual(matched_values(filters), element(0xA0, theirs))


class SearchingTests(SynchronousTestCase):
    """What a question is written as."""

    def asked(self, question: Question) -> bytes:
        """Write it."""
        ((place, request),) = Searching([question]).requests()
        self.assertEqual(place, 0)
        return request

    def made(self, filter: bytes) -> bytes:
        """Write a search."""
        return search_request("dc=x", "subtree", filter, ("m",), 3)

    def test_either(self) -> None:
        """Any of some filters, with the one that has to find it besides, and the control only where it is wished."""
        either = ("(a=b)", "(c=d)")
        for filter, matched, expected in (
            ("", False, self.made(any_of([A, B]))),
            ("(c=d)", False, self.made(all_of([B, any_of([A, B])]))),
            ("", True, self.made(any_of([A, B])) + matched_values([A, B])),
            ("(c=d)", True, self.made(all_of([B, any_of([A, B])])) + matched_values([A, B])),
        ):
            question = Question("dc=x", filter, ("m",), 3, either=either, matched=matched)
            self.assertEqual(self.asked(question), expected)
        self.assertEqual(self.asked(Question("dc=x", "(a=b)", ("m",), 3)), self.made(A))

    def test_bad(self) -> None:
        """One that is no filter refuses its own question alone, wherever it stands."""
        for bad in (
            Question("dc=x", "(a=", ("m",), 3, either=("(a=b)",)),
            Question("dc=x", "", ("m",), 3, either=("(a=b)", "(c")),
            Question("dc=x", "", ("m",), 3),
        ):
            searching = Searching([bad, Question("dc=x", "(a=b)", ("m",), 3)])
            self.assertEqual(list(searching.requests()), [(1, self.made(A))])
            self.assertIsInstance(searching.answers[0], SearchRefused)
            self.assertEqual(searching.answers[1], [])


class NameTests(SynchronousTestCase):
    """Names of entries."""

    @settings(deadline=None, derandomize=True, max_examples=400)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(("cn", "CN", "ou", "2.5.4.3", "a-b", "", "1x", "\u00e4")),
                st.text("abZ09._@- +\\2C=;#\n\u00e9", max_size=5)
                | st.text(max_size=4).map(escape_dn),
            ).map(lambda pair: "=".join(pair)),
            max_size=4,
        ).flatmap(lambda parts: st.sampled_from(",;+").map(lambda sign: sign.join(parts))),
    )
    @example("cn=a,dc=b")
    @example("cn=a,dc=b\n")
    @example("cn=a,b")
    @example("cn=a,")
    @example("ou=a+cn=b,dc=c")
    @example("cn=a,dc=b+x")
    def test_first_rdn(self, dn: str) -> None:
        """Usual names have the same first part as all others."""
        found = first_rdn(dn)
        with mock.patch.object(names, "_USUAL_DN", _NEVER):
            self.assertEqual(found, first_rdn(dn))


class MessageTests(SynchronousTestCase):
    """What is read."""

    @settings(deadline=None, derandomize=True)
    @given(st.lists(st.binary(max_size=4), max_size=5))
    def test_texts(self, values: list[bytes]) -> None:
        """Values that are no text are left out, and hide none that are."""
        expected = []
        for value in values:
            with contextlib.suppress(UnicodeDecodeError):
                expected.append(value.decode())
        entry = Entry("cn=x", {"uid": tuple(values)})
        self.assertEqual(entry.texts("UID"), expected)
        self.assertEqual(entry.texts("cn"), [])

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(
        st.binary(max_size=12)
        | st.builds(element, st.just(0x04), st.binary(max_size=6))
        | st.builds(element, st.just(0x04), st.just(b"x" * 130)),
        st.integers(0, 3),
        st.integers(-3, 0),
    )
    def test_expect(self, data: bytes, at: int, less: int) -> None:
        """An element is read alike whether its length is short or not, and never past the end."""
        end = len(data) + less
        if end < 0 or at > end:
            return
        try:
            tag, begin, stop = ldap_ber.read(data, at, end)
            expected = (begin, stop) if tag == 0x04 else None
        except BadMessage:
            expected = None
        if expected is None:
            with self.assertRaises(BadMessage):
                ldap_ber.expect(data, at, end, 0x04)
        else:
            self.assertEqual(ldap_ber.expect(data, at, end, 0x04), expected)
