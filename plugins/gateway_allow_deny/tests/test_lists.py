"""Tests of entries, files of them and the lists made from them."""

from __future__ import annotations

import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue
from gateway_allow_deny.canonical import canonical_host
from gateway_allow_deny.entries import Entries, Network, entry, read_list
from gateway_allow_deny.lists import HostList, Target, Unseen


def target(url: str) -> Target:
    """Make what a request for a URL asks for; C{host:port} is a tunnel."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    authority, _, path = rest.partition("/")
    name, _, digits = authority.rpartition(":")
    if not name or not digits.isdigit():
        name, digits = authority, {"http": "80", "https": "443"}[scheme]
    host = canonical_host(name)
    assert host is not None, url
    is_address = ":" in host or host.replace(".", "").isdigit()
    return Target(host, is_address, scheme, int(digits), f"/{path}".encode() if mark else None)


def listed(*texts: str) -> Entries:
    """Make entries."""
    made = Entries()
    for text in texts:
        made.add(text)
    return made


class MatchTests(SynchronousTestCase):
    """What each form of an entry means."""

    def assertMeans(
        self, text: str, yes: tuple[str, ...], no: tuple[str, ...], unseen: Unseen = "differs"
    ) -> None:
        """An entry means some targets and not others, in both lists."""
        deny, allow = HostList(listed(text), "deny"), HostList(listed(text), "allow")
        for url in yes:
            self.assertIsNotNone(deny.find(target(url), unseen), (text, url))
            self.assertIsNotNone(allow.find(target(url), unseen), (text, url))
        for url in no:
            self.assertIsNone(deny.find(target(url), unseen), (text, url))
            self.assertIsNone(allow.find(target(url), unseen), (text, url))

    def test_names(self) -> None:
        """A name means itself and all below it, on label boundaries."""
        for text in ("example.com", ".example.com", "EXAMPLE.com."):
            self.assertMeans(
                text,
                (
                    "http://example.com/",
                    "http://sub.example.com/x",
                    "http://a.b.example.com:81/",
                    "example.com:443",
                ),
                (
                    "http://testexample.com/",
                    "http://example.com.net/",
                    "http://com/",
                    "http://example.co/",
                ),
            )

    def test_below(self) -> None:
        """A wildcard means what is below the name alone."""
        self.assertMeans(
            "*.example.com",
            ("http://sub.example.com/", "http://a.b.example.com/"),
            ("http://example.com/", "http://testexample.com/"),
        )

    def test_exact(self) -> None:
        """An equals sign means the name alone."""
        self.assertMeans("=example.com", ("http://example.com/",), ("http://sub.example.com/",))

    def test_every(self) -> None:
        """An asterisk means every host."""
        self.assertMeans("*", ("http://example.com/", "http://127.0.0.1/", "intranet:443"), ())
        self.assertMeans("*:8443", ("http://example.com:8443/", "a:8443"), ("http://example.com/",))
        self.assertMeans(
            "*/cgi-bin", ("http://a/cgi-bin/x", "http://10.0.0.1/cgi-bin"), ("http://a/", "a:443")
        )

    def test_ports_and_schemes(self) -> None:
        """A port is meant where one is written, a scheme means its own."""
        self.assertMeans(
            "example.com:8443",
            ("example.com:8443", "http://a.example.com:8443/"),
            ("example.com:443",),
        )
        self.assertMeans(
            "https://example.com",
            ("https://example.com/x", "example.com:443"),
            ("http://example.com/", "example.com:8443", "http://example.com:443/"),
        )
        self.assertMeans(
            "http://example.com:8080/", ("http://example.com:8080/x",), ("http://example.com/",)
        )

    def test_paths(self) -> None:
        """A path means itself and all below it, on segment boundaries."""
        self.assertMeans(
            "example.com/private/",
            (
                "http://example.com/private",
                "http://example.com/private/x",
                "http://a.example.com/%70rivate",
            ),
            (
                "http://example.com/privateer",
                "http://example.com/",
                "http://example.net/private",
                "example.com:443",
            ),
        )
        self.assertMeans(
            "http://10.0.0.1/x",
            ("http://10.0.0.1/x/y",),
            ("http://10.0.0.1/y", "http://10.0.0.2/x"),
        )

    def test_paths_in_tunnels(self) -> None:
        """Of a tunnel the caller says what an unseen path means; a port that differs is still no match."""
        self.assertMeans(
            "example.com/private", ("example.com:443",), ("example.net:443",), "matches"
        )
        self.assertMeans(
            "https://example.com/x", ("example.com:443",), ("example.com:80",), "matches"
        )
        self.assertMeans("http://example.com/x", (), ("example.com:443",), "matches")

    def test_networks(self) -> None:
        """Networks mean addresses however they are written, and no names."""
        self.assertMeans(
            "10.0.0.0/8",
            ("http://10.1.2.3/", "http://167838211/", "http://[::ffff:10.1.2.3]/", "10.1.2.3:443"),
            ("http://11.0.0.1/", "http://10.example.com/"),
        )
        self.assertMeans(
            "2001:db8::/32",
            ("http://[2001:db8:1::1]/",),
            ("http://[2001:db9::1]/", "http://32.1.13.184/"),
        )
        self.assertMeans("::ffff:10.0.0.0/104", ("http://10.1.2.3/",), ("http://[2001:db8::1]/",))
        self.assertMeans(
            "192.0.2.7", ("http://192.0.2.7/", "http://0xc0000207/"), ("http://192.0.2.8/",)
        )
        self.assertMeans("[2001:db8::1]", ("http://[2001:db8::1]/",), ("http://[2001:db8::2]/",))
        self.assertMeans(
            "0.0.0.0/0", ("http://1.2.3.4/",), ("http://example.com/", "http://[::1]/")
        )

    def test_doubt(self) -> None:
        """What can be read in two ways is denied if one of them is, and allowed only if both are."""
        deny, allow = HostList(listed("a/x"), "deny"), HostList(listed("a/x"), "allow")
        for path in ("/y/../x", "/x/../y", "/x%2f..%2fy", "/y/..%5cx", "/y;/../x", "/%2578"):
            self.assertIsNotNone(deny.find(target(f"http://a{path}"), "differs"), path)
        for path in ("/x/../y", "/x/..%2fy", "/x;/../y"):
            self.assertIsNone(allow.find(target(f"http://a{path}"), "differs"), path)
        deep = target("http://a/%252525252525252578")
        self.assertIsNotNone(deny.find(deep, "differs"))
        self.assertIsNone(allow.find(deep, "differs"))
        # Some servers ignore case in paths, others don't.
        self.assertIsNotNone(deny.find(target("http://a/X"), "differs"))
        self.assertIsNone(allow.find(target("http://a/X"), "differs"))

    def test_translated(self) -> None:
        """What is translated to a denied address is denied; it is not allowed by the address it is translated to."""
        deny, allow = (
            HostList(listed("10.0.0.0/8"), "deny"),
            HostList(listed("10.0.0.0/8"), "allow"),
        )
        nat64 = target("http://[64:ff9b::10.0.0.1]/")
        self.assertIsNotNone(deny.find(nat64, "differs"))
        self.assertIsNone(allow.find(nat64, "differs"))


class EntryTests(SynchronousTestCase):
    """Entries that mean nothing."""

    def test_bad(self) -> None:
        """Each is refused with a reason."""
        for text, why in (
            ("user@example.com", "password"),
            ("http://user:secret@example.com/", "password"),
            ("example.com/?q=1", "queries"),
            ("exam*ple.com", "whole first label"),
            ("example.com/a*", "all below it"),
            ("ftp://example.com/", "http and https"),
            ("10.0.0.5/8", "10.0.0.0/8"),
            ("10.0.0.0/33", "write it like"),
            ("*.10.0.0.1", "address"),
            ("example.com:0", ""),
            ("example.com:65536", ""),
            ("example.com:999999", ""),
            ("a..b", ""),
            ("http://", ""),
            ("", ""),
            ("a b", "one entry"),
            ("example.com/a/../b", "different ways"),
            ("example.com/a%2fb", "different ways"),
            ("example.com/a;b", "different ways"),
            ("[::1", ""),
            ("::1%eth0", ""),
        ):
            error = self.assertRaises(BadValue, entry, text)
            self.assertIn(why, f"{error.message} {error.mend}", text)

    def test_spellings(self) -> None:
        """An entry is canonical, however it is written."""
        for one, other in (
            ("EXAMPLE.com:80", "example.com:80"),
            ("=bücher.example", "=xn--bcher-kva.example"),
            ("example.com/%70rivate", "example.com/private/"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
        ):
            found, wanted = entry(one), entry(other)
            self.assertEqual(
                [getattr(found, name) for name in found.__slots__ if name != "text"],
                [getattr(wanted, name) for name in wanted.__slots__ if name != "text"],
            )
        self.assertIsInstance(entry("::ffff:1.2.3.4"), Network)


class FileTests(SynchronousTestCase):
    """Files of entries."""

    def written(self, content: bytes) -> str:
        """Write a file."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def test_comments(self) -> None:
        """Comments and empty lines are nothing; line ends and a byte order mark don't matter."""
        path = self.written(
            b"\xef\xbb\xbf# a list\r\nexample.com # why\r\n\r\n  \n\texample.net\n#example.org\n10.0.0.0/8\nb\xc3\xbccher.example"
        )
        found = read_list(path).entries
        self.assertEqual(found.trees, {"example.com", "example.net", "xn--bcher-kva.example"})
        self.assertEqual(len(found.networks), 1)
        self.assertEqual(str(read_list(path)), path)

    def test_bad_lines(self) -> None:
        """Bad lines are named by file and line, the first three of them."""
        path = self.written(b"example.com\na..b\nok.example\n\xff\n10.0.0.1/8\nc..d\ne..f\n")
        error = self.assertRaises(BadValue, read_list, path)
        for line in (2, 4, 5):
            self.assertIn(f"{path}:{line}: ", error.message)
        self.assertNotIn(":6:", error.message)
        self.assertIn("and 2 more", error.message)
        self.assertIn("10.0.0.0/8", error.message)

    def test_missing(self) -> None:
        """A file that can't be read is a fault of the setting."""
        error = self.assertRaises(BadValue, read_list, self.mktemp())
        self.assertIn("can't be read", error.message)

    def test_long(self) -> None:
        """A hundred thousand entries load in well under a second, and finding one takes no longer than among ten."""
        count = 100_000
        lines = [f"host-{number}.ads.example" for number in range(count)]
        path = self.written("\n".join(lines).encode())
        begun = time.process_time()
        deny = HostList(read_list(path).entries, "deny")
        self.assertLess(time.process_time() - begun, 1.0)
        wanted, other = (
            target("http://a.host-99999.ads.example/"),
            target("http://host-x.ads.example/"),
        )
        begun = time.process_time()
        for _ in range(1000):
            deny.find(wanted, "differs")
            deny.find(other, "differs")
        self.assertLess(time.process_time() - begun, 0.2)
        self.assertEqual(deny.find(wanted, "differs"), "host-99999.ads.example")
        self.assertIsNone(deny.find(other, "differs"))

    def test_many_paths(self) -> None:
        """Many paths of one host are no more work than few, for requests and for tunnels."""
        deny = HostList(listed(*(f"files.example/{number}/x" for number in range(20_000))), "deny")
        begun = time.process_time()
        for _ in range(500):
            self.assertIsNone(deny.find(target("http://files.example/a/b/c/d"), "differs"))
            self.assertIsNotNone(deny.find(target("http://files.example/7/x/y"), "differs"))
            self.assertIsNotNone(deny.find(target("files.example:443"), "matches"))
        self.assertLess(time.process_time() - begun, 0.5)
