"""Tests of canonical hosts and of the readings of a path."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_allow_deny.canonical import (
    addresses_within,
    canonical_address,
    canonical_host,
    path_readings,
)


class HostTests(SynchronousTestCase):
    """L{canonical_host}."""

    def test_names(self) -> None:
        """Case, the last dot, percent-encoding, width and IDNA are spellings of one name."""
        for spelling in (
            "example.com",
            "EXAMPLE.Com",
            "example.com.",
            "ex%61mple.com",
            "%65%78ample%2ecom",
            "ｅｘａｍｐｌｅ．com",
            "example。com",
            "ex\u00adample.com",
        ):
            self.assertEqual(canonical_host(spelling), "example.com", spelling)
        for spelling in (
            "bücher.example",
            "BÜCHER.example.",
            "xn--bcher-kva.example",
            "XN--BCHER-KVA.EXAMPLE",
        ):
            self.assertEqual(canonical_host(spelling), "xn--bcher-kva.example", spelling)

    def test_addresses(self) -> None:
        """Every form that some resolver takes for an IPv4 address is that address, and so is what maps it."""
        for spelling in (
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.01",
            "%31%32%37.1",
            "１２７.0.0.1",
            "::ffff:127.0.0.1",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:FFFF:127.0.0.1]",
        ):
            self.assertEqual(canonical_host(spelling), "127.0.0.1", spelling)
        for spelling in ("2001:db8::1", "[2001:DB8:0:0::0001]", "2001:0db8:0:0:0:0:0:1"):
            self.assertEqual(canonical_host(spelling), "2001:db8::1", spelling)

    def test_real_names(self) -> None:
        """Names as they occur are left as they are, underscores and double hyphens among them."""
        for host in (
            "intranet",
            "_dmarc.example.com",
            "r3---sn-4g5e.example.com",
            "1e100.net",
            "3com.com",
            "a.b-c.d",
        ):
            self.assertEqual(canonical_host(host), host)

    def test_no_hosts(self) -> None:
        """What is no host, or could be two, is none."""
        for text in (
            "",
            ".",
            "a..b",
            ".example.com",
            "example.com..",
            "user@example.com",
            "example.com:80",
            "example.com/x",
            "example.com#x",
            "exa mple.com",
            "exa\tmple.com",
            "exam\nple.com",
            "example.com\x00",
            "example.com\\x",
            "ex%00ample.com",
            "example.com%2f.example.net",
            "*.example.com",
            "256.256.256.256",
            "1.2.3.4.5",
            "4294967296",
            "xn--zzzzzz9.com",
            "[127.0.0.1]",
            "[::1",
            "::1%eth0",
            "1:2:3",
            "a" * 64 + ".com",
            "a." * 127 + "com",
            "a" * 70000,
        ):
            self.assertIsNone(canonical_host(text), text[:100])

    def test_idempotent(self) -> None:
        """The canonical form of a canonical form is itself."""
        for text in ("EXAMPLE.com.", "0x7f.1", "[::ffff:1.2.3.4]", "2001:DB8::", "bücher.example"):
            host = canonical_host(text)
            assert host is not None
            self.assertEqual(canonical_host(host), host)

    def test_within(self) -> None:
        """NAT64, 6to4 and IPv4-compatible addresses stand for an IPv4 address; others for themselves."""
        for text in ("64:ff9b::a00:1", "2002:a00:1::1", "::10.0.0.1"):
            address = canonical_address(text)
            assert address is not None
            self.assertEqual(addresses_within(address), (address, "10.0.0.1"))
        for text in ("10.0.0.1", "2001:db8::1", "::1", "::"):
            self.assertEqual(addresses_within(text), (text,))


class PathTests(SynchronousTestCase):
    """L{path_readings}."""

    def test_plain(self) -> None:
        """An ordinary path has one reading, whatever its percent-encoding."""
        for raw in (b"/a/b", b"/a/b/", b"//a///b", b"/%61/b", b"/a/%62%2F", b"/%61%2f%62"):
            self.assertIn(b"/a/b", path_readings(raw) or (), raw)
        for raw in (b"/a/b", b"/a/b/", b"//a///b", b"/%61/b"):
            self.assertEqual(path_readings(raw), (b"/a/b",), raw)
        for raw in (b"", b"/", b"//", b"*"[:0]):
            self.assertEqual(path_readings(raw), (b"",), raw)

    def test_different_readings(self) -> None:
        """Dots, encoded slashes, backslashes, parameters and double encoding are read in every likely way."""
        for raw in (
            b"/x/../secret",
            b"/x/%2e%2E/secret",
            b"/x/..%2fsecret",
            b"/x\\..\\secret",
            b"/x/..%5Csecret",
            b"/secret;v=1",
            b"/x/..;/secret",
            b"/%2573ecret",
            b"/./secret",
            b"/../../secret",
            b"/secret/../x",
        ):
            found = path_readings(raw) or ()
            self.assertTrue(
                [one for one in found if one == b"/secret" or one.startswith(b"/secret/")],
                (raw, found),
            )

    def test_unreadable(self) -> None:
        """What is encoded over and over has no reading."""
        self.assertIsNone(path_readings(b"/%252525252525252561"))
        self.assertEqual(path_readings(b"/100%"), (b"/100%",))

    def test_bounded(self) -> None:
        """The longest head there can be is read at once, however it is written."""
        for unit in (b"%25", b"/..", b"%2e%2e/", b";/", b"\\"):
            path_readings(b"/" + unit * (65536 // len(unit)))
