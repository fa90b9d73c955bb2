"""Targets and authorities: one spelling for each host, and nothing repaired."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message import target
from gateway.message.target import (
    InvalidTarget,
    format_authority,
    parse_absolute,
    parse_authority,
    valid_origin_form,
)

LABELS = st.from_regex(r"[0-9A-Za-z_-]{1,63}", fullmatch=True)
PORTS = st.integers(1, 65535)
VISIBLE = bytes(range(0x21, 0x7F)).replace(b"#", b"")


class AuthorityTests(SynchronousTestCase):
    """C{parse_authority}."""

    def assertRefused(self, raw: bytes, default_port: int | None = 80) -> None:
        """Assert that an authority is refused with a status of the client's fault."""
        error = self.assertRaises(InvalidTarget, parse_authority, raw, default_port)
        self.assertEqual((error.status, error.page), (400, "bad_target"), raw)

    def test_names(self) -> None:
        """A name comes back in lower case, without the root's dot, with the port written or the default."""
        for raw, expected in {
            b"www.example.com": ("www.example.com", 80),
            b"WWW.Example.COM:8080": ("www.example.com", 8080),
            b"example.com.": ("example.com", 80),
            b"example.com.:81": ("example.com", 81),
            b"example.com:": ("example.com", 80),
            b"localhost:65535": ("localhost", 65535),
            b"my_host-1": ("my_host-1", 80),
            b"xn--bcher-kva.example": ("xn--bcher-kva.example", 80),
            b"a.0x1g": ("a.0x1g", 80),
            b"1.example": ("1.example", 80),
        }.items():
            self.assertEqual(parse_authority(raw, 80), expected, raw)

    def test_addresses(self) -> None:
        """An address comes back in its short form, an IPv4-mapped one as the IPv4 address."""
        for raw, expected in {
            b"192.0.2.1": ("192.0.2.1", 80),
            b"0.0.0.0:1": ("0.0.0.0", 1),
            b"255.255.255.255": ("255.255.255.255", 80),
            b"[::1]": ("::1", 80),
            b"[2001:DB8:0:0:0:0:0:1]:8080": ("2001:db8::1", 8080),
            b"[::ffff:127.0.0.1]": ("127.0.0.1", 80),
            b"[::FFFF:7f00:1]:1": ("127.0.0.1", 1),
        }.items():
            self.assertEqual(parse_authority(raw, 80), expected, raw)

    def test_hosts_nobody_has(self) -> None:
        """User information, lists, white space, quotes, controls, 8-bit bytes and encodings are refused."""
        for raw in (
            b"",
            b":80",
            b"a@b",
            b"user:secret@example.com:80",
            b"a, b",
            b"a,b",
            b"a b",
            b" a",
            b"a ",
            b"a\t",
            b'"a"',
            b"a\x01b",
            b"a\x00",
            b"caf\xc3\xa9",
            b"caf\xe9",
            b"a%41",
            b"a%2ecom",
            b"http://a",
            b"a/b",
            b"a?b",
            b"a#b",
            b"a\\b",
            b"a;b",
            b"a=b",
            b"a\n",
            b"a\r\n",
            b"a:80\n",
            b".",
            b".a",
            b"a..b",
            b"a..",
            b"x" * 64,
            b".".join([b"x" * 63] * 4),
        ):
            self.assertRefused(raw)

    def test_bad_ports(self) -> None:
        """A port is a number from 1 to 65535 in at most five digits, without a sign or leading zeros."""
        for raw in (
            b"b",
            b"0",
            b"080",
            b"65536",
            b"99999",
            b"100000",
            b"-1",
            b"+1",
            b"8 0",
            b"80:80",
            b"0x50",
        ):
            self.assertRefused(b"a:" + raw)
            self.assertRefused(b"[::1]:" + raw)

    def test_numbers_that_resolvers_take_for_addresses(self) -> None:
        """A host that ends in a number is an IPv4 address in four decimal parts, or nothing."""
        for raw in (
            b"127.1",
            b"2130706433",
            b"0x7f.0.0.1",
            b"0x7f000001",
            b"0x",
            b"127.0.0.0x1",
            b"0177.0.0.1",
            b"127.0.0.01",
            b"127.0.0.256",
            b"1.2.3.4.5",
            b"1.2.3.4.",
            b"example.1",
            b"127.0.0.1.1",
        ):
            self.assertRefused(raw)

    def test_bad_brackets(self) -> None:
        """Only an IPv6 address stands in brackets, without a zone, and it stands nowhere else."""
        for raw in (
            b"::1",
            b"[::1",
            b"::1]",
            b"[]",
            b"[1.2.3.4]",
            b"[::1%25eth0]",
            b"[::1%eth0]",
            b"[v1.a]",
            b"[:::]",
            b"[::1]x",
            b"[::1].",
            b"[1:2]",
        ):
            self.assertRefused(raw)

    def test_connect_needs_a_port(self) -> None:
        """Without a default the port has to be there (RFC 9110 section 9.3.6)."""
        self.assertEqual(parse_authority(b"example.com:443", None), ("example.com", 443))
        for raw in (b"example.com", b"example.com:", b"[::1]"):
            self.assertRefused(raw, None)

    def test_the_cache_knows_the_default_port(self) -> None:
        """One Host on two listeners has two ports."""
        self.assertEqual(parse_authority(b"both.example", 80)[1], 80)
        self.assertEqual(parse_authority(b"both.example", 443)[1], 443)
        self.assertIs(parse_authority(b"both.example", 80), parse_authority(b"both.example", 80))

    def test_the_cache_is_bounded(self) -> None:
        """Whoever sends ever new names does not fill the memory."""
        for i in range(target._MAX_AUTHORITIES + 10):
            parse_authority(b"host-%d.example" % i, 80)
        self.assertTrue(0 < len(target._authorities) <= target._MAX_AUTHORITIES)

    def test_refusals_hold_no_bytes_of_the_client(self) -> None:
        """What is said of a bad host does not repeat it."""
        error = self.assertRaises(InvalidTarget, parse_authority, b"<script>", 80)
        self.assertNotIn("script", error.detail)

    @settings(deadline=None, derandomize=True)
    @given(st.binary(max_size=300), st.sampled_from([80, 443, None]))
    def test_anything_is_read_or_refused(self, raw: bytes, default: int | None) -> None:
        """Whatever the bytes are: a host fit to compare and a valid port, or L{InvalidTarget}."""
        try:
            host, port = parse_authority(raw, default)
        except InvalidTarget:
            return
        self.assertRegex(host, r"\A[0-9a-z_.:-]+\Z")
        self.assertIn(port, range(1, 65536))

    @settings(deadline=None, derandomize=True)
    @given(
        st.one_of(
            st.lists(LABELS, min_size=1, max_size=4).map(".".join),
            st.ip_addresses().map(str),
        ),
        PORTS,
        st.sampled_from(["http", "https"]),
    )
    def test_round_trip(self, host: str, port: int, scheme: str) -> None:
        """What is written for a host that was read is read as the same host."""
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            first = parse_authority(text.encode(), 1)
        except InvalidTarget:
            # Labels may have come out as a number or too long together.
            return
        written = format_authority(scheme, *first)
        self.assertEqual(parse_authority(written, target.DEFAULT_PORTS[scheme]), first)

    @settings(deadline=None, derandomize=True)
    @given(st.ip_addresses())
    def test_every_address_is_read(self, address: IPv4Address | IPv6Address) -> None:
        """Any address in its usual form is read as itself, but for those that map another."""
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        raw = f"[{address}]" if address.version == 6 else str(address)
        self.assertEqual(parse_authority(raw.encode(), 80), (str(mapped or address), 80))


class AbsoluteFormTests(SynchronousTestCase):
    """C{parse_absolute}."""

    def test_parts(self) -> None:
        """Scheme and host are lower case, the rest is the origin-form as it was sent."""
        for raw, expected in {
            b"http://example.com/a?b": ("http", "example.com", 80, b"/a?b"),
            b"HTTP://EXAMPLE.com:8080/A/../B": ("http", "example.com", 8080, b"/A/../B"),
            b"https://example.com/": ("https", "example.com", 443, b"/"),
            b"http://[::1]:1/x": ("http", "::1", 1, b"/x"),
            b"http://example.com": ("http", "example.com", 80, b"/"),
            b"http://example.com?q=1": ("http", "example.com", 80, b"/?q=1"),
            b"http://example.com//x//y": ("http", "example.com", 80, b"//x//y"),
            b"http://example.com/@b:c@d": ("http", "example.com", 80, b"/@b:c@d"),
            b"http://example.com/http://b": ("http", "example.com", 80, b"/http://b"),
            b'http://example.com/"<>^`{|}\\': ("http", "example.com", 80, b'/"<>^`{|}\\'),
        }.items():
            self.assertEqual(parse_absolute(raw), expected, raw)

    def test_options_asks_about_the_server(self) -> None:
        """OPTIONS with neither path nor query becomes the asterisk (RFC 9112 section 3.2.4)."""
        self.assertEqual(parse_absolute(b"http://a", b"OPTIONS")[3], b"*")
        self.assertEqual(parse_absolute(b"http://a/", b"OPTIONS")[3], b"/")
        self.assertEqual(parse_absolute(b"http://a?x", b"OPTIONS")[3], b"/?x")

    def test_refused(self) -> None:
        """Fragments, user information, bad authorities and bytes that no URI has are refused."""
        for raw in (
            b"http://u@a/",
            b"http://u:p@a/",
            b"http://@a/",
            b"http://a/x#y",
            b"http://a#y",
            b"http:///x",
            b"http://",
            b"http://?x",
            b"http:/a/x",
            b"http:a",
            b"//a/x",
            b"a/x",
            b"a",
            b"",
            b"@evil/x",
            b"http://a b/",
            b"http://a\\@b/",
            b"http://a /x",
            b"http://127.0.0.1:99999/x",
            b"http://a/x y",
            b"http://a/x\x00",
            b"http://a/x\x7f",
            b"http://a/\xc3\xa9",
            b"http://a/x\n",
            b"1http://a/",
        ):
            error = self.assertRaises(InvalidTarget, parse_absolute, raw)
            self.assertEqual((error.status, error.page), (400, "bad_target"), raw)

    def test_other_schemes(self) -> None:
        """Only http and https can be fetched; others are told so."""
        for raw in (b"ftp://a/x", b"ws://a/", b"httpx://a/", b"h+t.t-p://a/"):
            error = self.assertRaises(InvalidTarget, parse_absolute, raw)
            self.assertEqual(error.page, "bad_scheme", raw)

    @settings(deadline=None, derandomize=True)
    @given(
        st.sampled_from([b"http", b"https", b"HtTp"]),
        st.binary(max_size=20),
        st.binary(max_size=40),
    )
    def test_anything_is_read_or_refused(
        self, scheme: bytes, authority: bytes, rest: bytes
    ) -> None:
        """Whatever the bytes are: parts of which the last is a valid origin-form, or L{InvalidTarget}."""
        try:
            parts = parse_absolute(scheme + b"://" + authority + rest)
        except InvalidTarget:
            return
        self.assertEqual(parts[0], scheme.decode().lower())
        self.assertTrue(valid_origin_form(parts[3]))

    @settings(deadline=None, derandomize=True)
    @given(
        LABELS.filter(lambda label: not label[0].isdigit()),
        PORTS,
        st.lists(st.sampled_from(VISIBLE)).map(bytes),
    )
    def test_round_trip(self, host: str, port: int, rest: bytes) -> None:
        """A target put together again from its parts is read the same."""
        first = parse_absolute(f"http://{host}:{port}/".encode() + rest)
        self.assertEqual(first, ("http", host.lower(), port, b"/" + rest))
        again = b"http://" + format_authority(*first[:3]) + first[3]
        self.assertEqual(parse_absolute(again), first)


class OriginFormTests(SynchronousTestCase):
    """C{valid_origin_form}."""

    def test_visible_ascii_after_a_slash(self) -> None:
        """Every visible ASCII character but the number sign may follow the slash, for real clients send them."""
        self.assertTrue(valid_origin_form(b"/"))
        for code in range(256):
            raw = b"/a" + bytes([code]) + b"b"
            self.assertEqual(valid_origin_form(raw), code in VISIBLE, raw)

    def test_the_slash_comes_first(self) -> None:
        """Nothing else begins an origin-form, and nothing ends it but its last character."""
        for raw in (b"", b"x", b"*", b"?x", b"@a/x", b"http://a/", b"/x\n", b" /x"):
            self.assertFalse(valid_origin_form(raw), raw)


class FormatTests(SynchronousTestCase):
    """C{format_authority}."""

    def test_the_scheme_s_own_port_is_left_out(self) -> None:
        """A port is written where the scheme doesn't imply it, an IPv6 address in brackets."""
        self.assertEqual(format_authority("http", "a", 80), b"a")
        self.assertEqual(format_authority("https", "a", 443), b"a")
        self.assertEqual(format_authority("https", "a", 80), b"a:80")
        self.assertEqual(format_authority("http", "::1", 8080), b"[::1]:8080")
