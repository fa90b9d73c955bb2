"""Host names and patterns of them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.hosts import HostSet, host_name, site_host


class HostNameTests(SynchronousTestCase):
    """One host."""

    def test_normal_form(self) -> None:
        """A name is in lower case without the root's dot, an address without brackets."""
        cases = {
            "WWW.Example.COM": "www.example.com",
            "example.com.": "example.com",
            "[2001:DB8::1]": "2001:db8::1",
            "192.0.2.1": "192.0.2.1",
            "my_host-1": "my_host-1",
            "xn--bcher-kva.example": "xn--bcher-kva.example",
        }
        for text, name in cases.items():
            self.assertEqual(host_name(text), name)

    def test_refused(self) -> None:
        """What no resolver would take for a name, and what only looks like an address, is refused."""
        for text in (
            "",
            ".",
            "a..b",
            "-a.b",
            "a b",
            "a/b",
            "a:80",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "a" * 64,
            "*",
        ):
            with self.assertRaises(BadValue, msg=text):
                host_name(text)

    def test_international_name(self) -> None:
        """An international name is answered with its ASCII form."""
        fault = self.assertRaises(BadValue, host_name, "bücher.example")
        self.assertEqual(fault.mend, 'write "xn--bcher-kva.example"')


class SiteHostTests(SynchronousTestCase):
    """A host of a site may be a wildcard."""

    def test_wildcards(self) -> None:
        """A wildcard is the whole leftmost label, or the whole host."""
        self.assertEqual(site_host("*.Example.com"), "*.example.com")
        self.assertEqual(site_host("*"), "*")

    def test_wildcard_elsewhere(self) -> None:
        """A wildcard anywhere else is refused."""
        for text in (
            "www.*.com",
            "a*.example.com",
            "*a.example.com",
            "*.*.com",
            "www.example.*",
            "**",
        ):
            with self.assertRaises(BadValue, msg=text):
                site_host(text)

    def test_port(self) -> None:
        """A port is refused, an IPv6 address is not taken for a name with a port."""
        self.assertIn("port", self.assertRaises(BadValue, site_host, "example.com:80").message)
        self.assertEqual(site_host("[2001:db8::1]"), "2001:db8::1")


class HostSetTests(SynchronousTestCase):
    """Patterns match whole labels."""

    def check(self, pattern: str, *, takes: str, leaves: str) -> None:
        """Compare one pattern with hosts that it takes and hosts that it leaves."""
        found = HostSet([pattern])
        for host in takes.split():
            self.assertIn(host, found)
        for host in leaves.split():
            self.assertNotIn(host, found)

    def test_exact(self) -> None:
        """A name takes itself alone, in any case and with the root's dot."""
        self.check(
            "example.com",
            takes="example.com EXAMPLE.com example.com.",
            leaves="www.example.com badexample.com com example.co",
        )

    def test_below(self) -> None:
        """C{*.name} takes what is below the name, at any depth, and not the name."""
        self.check(
            "*.example.com",
            takes="www.example.com a.b.Example.com",
            leaves="example.com badexample.com www.example.com.org",
        )

    def test_with_and_below(self) -> None:
        """C{.name} takes the name and what is below it."""
        self.check(".example.com", takes="example.com a.b.example.com", leaves="badexample.com")

    def test_everything(self) -> None:
        """C{*} takes names and addresses."""
        self.check("*", takes="example.com 192.0.2.1 2001:db8::1", leaves="")

    def test_networks(self) -> None:
        """A network takes hosts written as addresses, and no names."""
        self.check(
            "10.0.0.0/8",
            takes="10.1.2.3 ::ffff:10.1.2.3",
            leaves="11.0.0.1 10.example.com 2001:db8::1",
        )
        self.check("[2001:db8::1]", takes="2001:db8::1 2001:DB8:0::1", leaves="2001:db8::2")

    def test_is_a_value(self) -> None:
        """Sets of the same patterns are equal; an empty one is false and takes nothing."""
        self.assertEqual(HostSet(["a", "b"]), HostSet(["a", "b"]))
        self.assertEqual(hash(HostSet(["a"])), hash(HostSet(["a"])))
        self.assertEqual(list(HostSet(["b", "a"])), ["b", "a"])
        self.assertFalse(HostSet())
        self.assertNotIn("a", HostSet())
