"""Host names and literal addresses: one spelling each, and no number in disguise."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.faults import NameInvalid
from gateway.net.host_names import canonical, literal


class LiteralTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """A literal address comes back in its canonical spelling, IPv6 without brackets."""
        for text, address in (
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::0:1]", "2001:db8::1"),
            ("::1", "::1"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ):
            self.assertEqual(literal(text), address)

    def test_others(self) -> None:
        """What the C library would read as an address is none."""
        for text in (
            "127.1",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.1.",
            "1.2.3.4\0",
            "fe80::1%eth0",
            "[::1",
            "::1]",
            "[",
            "[]",
            ":",
            "",
            "example.com",
        ):
            with self.subTest(text):
                self.assertIsNone(literal(text))


class CanonicalTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Names are told in small letters, without the dot of the root; underscores occur in practice."""
        for text, name in (
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("intranet", "intranet"),
            ("_dmarc.a-.example", "_dmarc.a-.example"),
            ("1.2.3.4.example", "1.2.3.4.example"),
            ("0x7f.example", "0x7f.example"),
            ("bücher.example", "xn--bcher-kva.example"),
        ):
            self.assertEqual(canonical(text), name)

    def test_numbers_are_no_names(self) -> None:
        """A name whose last label is a number is invalid, so no resolver can take it for an address."""
        for text in (
            "127.1",
            "2130706433",
            "0x7f.1",
            "1.0x7F",
            "0177.0.0.1",
            "a.0x",
            "1.2.3.4.",
            "127.0.0.1.5",
        ):
            with self.subTest(text):
                self.assertRaises(NameInvalid, canonical, text)

    def test_invalid(self) -> None:
        """Empty or long labels, long names and foreign characters are refused."""
        for text in (
            "",
            ".",
            "a..b",
            ".a",
            "a" * 64,
            ".".join(["a" * 63] * 4),
            "a b",
            "a/b",
            "a\0b",
            "a\n",
            "[::1]",
            "a%41",
            "user@host",
            "a\u3002\u3002b",
            "\u2488com",
        ):
            with self.subTest(text):
                self.assertRaises(NameInvalid, canonical, text)

    def test_fullwidth_digits(self) -> None:
        """Digits in another width stay a number after their mapping."""
        self.assertRaises(NameInvalid, canonical, "\uff11\uff12\uff17.\uff11")

    def test_detail_does_not_repeat_the_name(self) -> None:
        """What the client sent is not told back."""
        error = self.assertRaises(NameInvalid, canonical, "<script>")
        self.assertNotIn("script", error.detail)

    @settings(derandomize=True, deadline=None)
    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is refused or becomes a name that stays as it is when read again."""
        try:
            name = canonical(text)
        except NameInvalid:
            return
        self.assertEqual(canonical(name), name)
        self.assertTrue(name.isascii())
        self.assertLessEqual(len(name), 253)
