"""Names of users and entries."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.names import (
    Login,
    domain_of,
    escape_dn,
    escape_filter,
    first_rdn,
    read_login,
)
from gateway_auth.verifier import Refused


class LoginTests(SynchronousTestCase):
    """Forms of a user's name."""

    def test_forms(self) -> None:
        """A domain stands behind an at sign or before a backslash; all else is a plain name."""
        for text, expected in (
            ("alice", Login("alice", "alice")),
            ("alice@example.com", Login("alice@example.com", "alice", "example.com", "upn")),
            ("EXAMPLE\\alice", Login("EXAMPLE\\alice", "alice", "EXAMPLE", "down_level")),
            ("a@b@example.com", Login("a@b@example.com", "a@b", "example.com", "upn")),
            ("eve*)(uid=*", Login("eve*)(uid=*", "eve*)(uid=*")),
            ("@example.com", Login("@example.com", "@example.com")),
            ("alice@", Login("alice@", "alice@")),
            ("a@*)(x=y", Login("a@*)(x=y", "a@*)(x=y")),
            ("J\u00f6rg M\u00fcller", Login("J\u00f6rg M\u00fcller", "J\u00f6rg M\u00fcller")),
        ):
            self.assertEqual(read_login(text), expected)

    def test_one_spelling(self) -> None:
        """A letter with its accent apart is the letter with its accent."""
        self.assertEqual(read_login("Jo\u0308rg"), read_login("J\u00f6rg"))

    def test_refused(self) -> None:
        """Nothing that can't be seen, and nothing that is taken for another name, is a name."""
        for text in (
            *("", " ", " a", "a ", "a  b", "a\0", "a\nb", "a\r", "a\tb", "\x7f", "a\x85b"),
            *("a\u200bb", "a\u202eb", "a\u00a0b", "\ufeffa", "a\ud800", "a\u2028b"),
            *("\\a", "a\\", "a\\b\\c", "\\", "a" * 257),
        ):
            with self.assertRaises(Refused) as caught:
                read_login(text)
            self.assertEqual(caught.exception.reason, "bad_name", repr(text))


class EscapeTests(SynchronousTestCase):
    """A value in a filter or a name stays a value."""

    def test_filter(self) -> None:
        """Whatever could mean something is a pair of digits (RFC 4515 section 3)."""
        self.assertEqual(escape_filter("eve*)(uid=*"), "eve\\2a\\29\\28uid\\3d\\2a")
        self.assertEqual(escape_filter("a\\b\0\u00e9 "), "a\\5cb\\00\\c3\\a9\\20")

    def test_dn(self) -> None:
        """Likewise in a distinguished name (RFC 4514 section 2.4)."""
        self.assertEqual(
            escape_dn('a,b+c"d\\e<f>g;h=i#'), "a\\2Cb\\2Bc\\22d\\5Ce\\3Cf\\3Eg\\3Bh\\3Di\\23"
        )
        self.assertEqual(escape_dn(" a b "), "\\20a b\\20")

    @given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30))
    def test_dn_and_back(self, text: str) -> None:
        """What was escaped is one part of the name, and reads as it was."""
        self.assertEqual(first_rdn(f"cn={escape_dn(text)},dc=example"), text)

    @given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
    def test_filter_has_nothing_special(self, text: str) -> None:
        """No character of a filter's syntax is in what was escaped."""
        self.assertFalse(set(escape_filter(text)) & set("()*&|!=<>~: \0"))


class NameTests(SynchronousTestCase):
    """Distinguished names of entries."""

    def test_first_part(self) -> None:
        """A group is called by the first part of its name, the common name before others."""
        for dn, expected in (
            ("cn=admins,dc=example,dc=com", "admins"),
            ("CN=Domain Users,CN=Users,DC=example", "Domain Users"),
            ("ou=x+cn=y,dc=example", "y"),
            ("cn=a\\,b,dc=example", "a,b"),
            ("cn=a\\2Cb\\C3\\A9,dc=example", "a,b\u00e9"),
            ("cn = spaced , dc=example", "spaced"),
            ("0.9.2342=x,dc=example", "x"),
        ):
            self.assertEqual(first_rdn(dn), expected)
        for dn in ("", "alice", "cn=x,alice", "=x", "cn=x,,dc=y"):
            self.assertIsNone(first_rdn(dn), dn)

    def test_domain(self) -> None:
        """The domain is what the name ends with (RFC 2247)."""
        self.assertEqual(domain_of("ou=x,DC=Example,dc=com"), "example.com")
        self.assertEqual(domain_of("o=example"), "")
