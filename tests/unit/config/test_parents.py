"""Parent proxies."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.hosts import HostSet
from gateway.config.parents import Parent, parent, parent_for
from gateway.config.secrets import Secret


def make(url: str, user: str = "", password: Secret | None = None) -> Parent:
    """Make a parent for every host."""
    return parent(url, user, password, HostSet(["*"]), HostSet())


class ParentTests(SynchronousTestCase):
    """A parent and its credentials."""

    def test_credentials_in_the_url(self) -> None:
        """User and password of the URL are percent-decoded, and it is remembered that they stood there."""
        found = make("http://jane%40example.com:p%3Ass@parent.example.com:3128")
        self.assertEqual((found.host, found.port), ("parent.example.com", 3128))
        self.assertEqual((found.user, found.password.reveal()), ("jane@example.com", "p:ss"))
        self.assertTrue(found.open_password)

    def test_credentials_beside_it(self) -> None:
        """User and secret may stand beside the URL; both together are refused."""
        found = make("http://parent.example.com:3128", "jane", Secret("x"))
        self.assertEqual(
            (found.user, found.password, found.open_password), ("jane", Secret("x"), False)
        )
        self.assertRaises(BadValue, make, "http://jane:x@parent.example.com", "jane", Secret("x"))

    def test_half_credentials(self) -> None:
        """A password needs a user, and a user can hold no colon."""
        self.assertRaises(BadValue, make, "http://parent.example.com", "", Secret("x"))
        self.assertRaises(BadValue, make, "http://parent.example.com", "a:b", Secret("x"))
        self.assertRaises(BadValue, make, "http://a%3Ab:c@parent.example.com")

    def test_schemes(self) -> None:
        """A parent is spoken to in HTTP, with or without TLS."""
        found = make("https://parent.example.com")
        self.assertEqual((found.scheme, found.port), ("https", 443))
        self.assertEqual(str(found), "https://parent.example.com:443")
        self.assertEqual(make("http://parent.example.com").scheme, "http")
        self.assertRaises(BadValue, make, "socks5://parent.example.com")

    def test_never_shows_the_password(self) -> None:
        """Neither str nor repr shows the password."""
        found = make("http://jane:hunter2@parent.example.com:3128")
        self.assertNotIn("hunter2", f"{found} {found!r}")
        self.assertEqual(str(found), "http://parent.example.com:3128")


class RuleTests(SynchronousTestCase):
    """Which parent takes a request."""

    def test_first_that_takes_it(self) -> None:
        """The first parent whose C{for} holds the host, and whose C{no_proxy} does not, takes it."""
        inner = Parent(
            "inner", 1, for_=HostSet(["*.example.com"]), no_proxy=HostSet(["intra.example.com"])
        )
        outer = Parent("outer", 2, no_proxy=HostSet(["10.0.0.0/8", ".example.com"]))
        parents = (inner, outer)
        self.assertIs(parent_for(parents, "www.example.com"), inner)
        self.assertIs(parent_for(parents, "www.example.org"), outer)
        self.assertIs(parent_for(parents, "192.0.2.1"), outer)
        self.assertIsNone(parent_for(parents, "intra.example.com"))
        self.assertIsNone(parent_for(parents, "10.1.2.3"))
        self.assertIsNone(parent_for((), "www.example.org"))
