"""Chains of forwarding hops: believed only as far as trusted hops vouch for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message.forwarding import (
    FORWARDING_FIELDS,
    MAX_HOPS,
    Forwarding,
    Policy,
    client_address,
)

FRONT = "192.0.2.10"
INNER = "192.0.2.20"
CLIENT = "198.51.100.7"
TRUSTED = frozenset((FRONT, INNER, "2001:db8::10"))


@dataclass(frozen=True)
class Field:
    """A received line."""

    line: bytes

    @property
    def name(self) -> bytes:
        """The name in lower case."""
        return self.line.partition(b":")[0].lower()

    @property
    def value(self) -> bytes:
        """The value."""
        return self.line.partition(b":")[2].strip()


def xff(*values: bytes, peer: str = FRONT) -> str:
    """Walk X-Forwarded-For."""
    return client_address(values, (), peer, TRUSTED)


def forwarded(*values: bytes, peer: str = FRONT) -> str:
    """Walk Forwarded."""
    return client_address((), values, peer, TRUSTED)


class XForwardedForTests(SynchronousTestCase):
    """C{client_address} by X-Forwarded-For."""

    def test_only_a_trusted_peer_is_believed(self) -> None:
        """What an untrusted peer says of others does not matter."""
        self.assertEqual(xff(b"203.0.113.1", peer=CLIENT), CLIENT)
        self.assertEqual(xff(b"203.0.113.1"), "203.0.113.1")

    def test_right_to_left(self) -> None:
        """The first entry from the right that is not a trusted hop is the client, whatever stands left of it."""
        self.assertEqual(xff(b"203.0.113.1, 198.51.100.7, 192.0.2.20"), CLIENT)
        self.assertEqual(xff(b"203.0.113.1,198.51.100.7"), CLIENT)
        self.assertEqual(xff(b"127.0.0.1, 198.51.100.7"), CLIENT)

    def test_several_lines_are_one_list(self) -> None:
        """The last line was written last (RFC 9110 section 5.3)."""
        self.assertEqual(xff(b"203.0.113.1", b"198.51.100.7", b"192.0.2.20"), CLIENT)

    def test_all_trusted(self) -> None:
        """If every hop is trusted, the leftmost is the client."""
        self.assertEqual(xff(b"192.0.2.20, 192.0.2.10"), INNER)
        self.assertEqual(xff(), FRONT)
        self.assertEqual(xff(b""), FRONT)

    def test_forms_of_an_entry(self) -> None:
        """Ports and brackets are let pass, white space and empty elements skipped, mapped addresses undone."""
        for raw, expected in {
            b"198.51.100.7:5678": CLIENT,
            b" \t198.51.100.7\t ": CLIENT,
            b"198.51.100.7,, ,": CLIENT,
            b"2001:DB8::7": "2001:db8::7",
            b"[2001:db8::7]": "2001:db8::7",
            b"[2001:db8::7]:443": "2001:db8::7",
            b"::ffff:198.51.100.7": CLIENT,
            b"198.51.100.7, 2001:db8:0::10": CLIENT,
        }.items():
            self.assertEqual(xff(raw), expected, raw)

    def test_a_malformed_entry_ends_the_walk(self) -> None:
        """Behind something that is no address nothing is believed; the last known hop stands for all."""
        for bad in (
            b"unknown",
            b"_hidden",
            b"example.com",
            b"1.2.3",
            b"1.2.3.4.5",
            b"01.2.3.4",
            b"1.2.3.256",
            b"[1.2.3.4]",
            b"::1%eth0",
            b'"1.2.3.4"',
            b"1.2.3.4:x",
            b"1.2.3.4:",
            b"\xff",
            b"12345678",
            b"1.2.3.4:_" + b"x" * 200,
        ):
            self.assertEqual(xff(b"203.0.113.1, " + bad), FRONT, bad)
            self.assertEqual(xff(b"203.0.113.1, " + bad + b", 192.0.2.20"), INNER, bad)

    def test_the_walk_is_bounded(self) -> None:
        """A chain longer than any real one is not followed to its end."""
        self.assertEqual(xff(b"203.0.113.1" + b", 192.0.2.20" * MAX_HOPS), INNER)
        self.assertEqual(xff(b"203.0.113.1" + b", 192.0.2.20" * (MAX_HOPS - 1)), "203.0.113.1")
        self.assertEqual(xff(*[b"203.0.113.1"], *[b"192.0.2.20"] * MAX_HOPS), INNER)

    def test_a_peer_without_an_address(self) -> None:
        """A peer on a unix socket is nobody's trusted proxy, even if the set of those can't be asked about it."""

        class Strict(frozenset[str]):
            def __contains__(self, item: object) -> bool:
                if not item:
                    raise ValueError("not an address")
                return super().__contains__(item)

        self.assertEqual(client_address([b"203.0.113.1"], (), "", Strict(TRUSTED)), "")

    def test_it_wins_over_forwarded(self) -> None:
        """Where both are there, X-Forwarded-For is read."""
        self.assertEqual(
            client_address([b"198.51.100.7"], [b"for=203.0.113.1"], FRONT, TRUSTED), CLIENT
        )


class ForwardedTests(SynchronousTestCase):
    """C{client_address} by Forwarded (RFC 7239)."""

    def test_right_to_left(self) -> None:
        """The walk is the same as for X-Forwarded-For."""
        self.assertEqual(forwarded(b"for=203.0.113.1, for=198.51.100.7, for=192.0.2.20"), CLIENT)
        self.assertEqual(forwarded(b"for=203.0.113.1", b"for=198.51.100.7;proto=http"), CLIENT)
        self.assertEqual(forwarded(b"for=203.0.113.1", peer=CLIENT), CLIENT)
        self.assertEqual(forwarded(b""), FRONT)

    def test_forms_of_an_element(self) -> None:
        """Parameters stand in any order and case, quoted or not, with ports, also obfuscated ones."""
        for raw, expected in {
            b"For=198.51.100.7": CLIENT,
            b'for="198.51.100.7:80"': CLIENT,
            b'for="198.51.100.7:_port"': CLIENT,
            b'for="[2001:db8::7]"': "2001:db8::7",
            b'for="[2001:db8::7]:443"': "2001:db8::7",
            b"proto=https;by=192.0.2.1;for=198.51.100.7;host=a": CLIENT,
            b'host="a, b;for=203.0.113.1";for=198.51.100.7': CLIENT,
            b'host="a\\",for=203.0.113.1";for=198.51.100.7': CLIENT,
            b"for=198.51.100.7 ; proto=http": CLIENT,
            b"for=198.51.100.7;": CLIENT,
            b"for=198.51.100.7,, ": CLIENT,
        }.items():
            self.assertEqual(forwarded(raw), expected, raw)

    def test_a_malformed_element_ends_the_walk(self) -> None:
        """Names in place of addresses, missing or repeated parameters and bad syntax end it."""
        for bad in (
            b"for=unknown",
            b"for=_hidden",
            b"by=192.0.2.1",
            b"for=1.2.3.4;for=1.2.3.4",
            b"for=2001:db8::7",
            b'for="2001:db8::7"',
            b"for=",
            b"for",
            b"198.51.100.7",
            b'for="198.51.100.7',
            b'for=198.51.100.7"',
            b"for = 198.51.100.7",
            b"for=198.51.100.7;x",
            b"for=198.51.100.7;x=" + b"y" * 2000,
            b'for=198.51.100.7;x="' + b"," * 20 + b'"',
        ):
            self.assertEqual(forwarded(b"for=203.0.113.1, " + bad), FRONT, bad)
            self.assertEqual(
                forwarded(b"for=203.0.113.1, " + bad + b", for=192.0.2.20"), INNER, bad
            )

    def test_an_open_quotation_mark_swallows_nobody(self) -> None:
        """What a client leaves open can't hide the element that an honest hop wrote behind it."""
        for left in (b'for="', b'"', b'for="1.2.3.4', b'host="a\\', b'x="y", z="', b'for="a, b="c'):
            self.assertEqual(forwarded(left + b", for=198.51.100.7"), CLIENT, left)
            self.assertEqual(forwarded(left + b', for="198.51.100.7:1";host="a,b"'), CLIENT, left)

    def test_the_walk_is_bounded(self) -> None:
        """Neither a long chain nor a list of nothing is followed to its end."""
        self.assertEqual(forwarded(b"for=203.0.113.1" + b", for=192.0.2.20" * MAX_HOPS), INNER)
        self.assertEqual(forwarded(b"for=203.0.113.1" + b"," * 60_000), FRONT)

    @settings(deadline=None, derandomize=True)
    @given(
        st.lists(st.text('for=".,;:[]\\ 127x_', max_size=40).map(str.encode)),
        st.lists(st.binary(max_size=40)),
        st.sampled_from([FRONT, CLIENT, "2001:db8::10", ""]),
    )
    def test_anything_gives_an_address(
        self, some: list[bytes], other: list[bytes], peer: str
    ) -> None:
        """Whatever stands in the fields, the answer is an address, and the peer's if nobody vouches for it."""
        for xff_values, forwarded_values in ((other, some), ((), some), (some, other), ((), other)):
            found = client_address(xff_values, forwarded_values, peer, TRUSTED)
            self.assertRegex(found, r"\A[0-9a-f.:]*\Z")
            if peer not in TRUSTED:
                self.assertEqual(found, peer)

    @settings(deadline=None, derandomize=True)
    @given(
        st.binary(max_size=60),
        st.ip_addresses(v=4).map(str).filter(lambda text: text not in TRUSTED),
        st.sampled_from([b"", b"www.example.com:8080", b"a,b;for=1.2.3.4", b'a"b\\']),
    )
    def test_what_is_written_is_read(self, left: bytes, address: str, host: bytes) -> None:
        """Our own entry, written behind whatever a client sent, is the one that the next hop of ours finds."""
        made = Forwarding("append", address, "https", trusted=False).lines(host)
        values = {name: value for name, _, value in (line.partition(b": ") for line in made)}
        self.assertEqual(xff(left + b", " + values[b"X-Forwarded-For"]), address)
        self.assertEqual(forwarded(left + b", " + values[b"Forwarded"]), address)


class OutgoingTests(SynchronousTestCase):
    """The lines that L{Forwarding} adds."""

    def lines(
        self,
        policy: Policy,
        received: Sequence[bytes] = (),
        *,
        trusted: bool = False,
        address: str = CLIENT,
        host: bytes = b"www.example.com",
    ) -> list[bytes]:
        """Give what is added for one request, sorted."""
        made = Forwarding(policy, address, "http", trusted=trusted)
        return sorted(made.lines(host, [Field(line) for line in received]))

    def test_delete(self) -> None:
        """With "delete" the received lines go, and none come."""
        self.assertTrue(Forwarding("delete", CLIENT, "http", trusted=True).drops)
        self.assertEqual(self.lines("delete", [b"X-Forwarded-For: 10.0.0.1"], trusted=True), [])

    def test_keep(self) -> None:
        """With "keep" the received lines stay where they are, and none come."""
        self.assertFalse(Forwarding("keep", CLIENT, "http", trusted=False).drops)
        self.assertEqual(self.lines("keep", [b"X-Forwarded-For: 10.0.0.1"]), [])

    def test_append_for_an_untrusted_peer(self) -> None:
        """Nothing that an untrusted peer says of itself goes on; ours stands alone."""
        self.assertTrue(Forwarding("append", CLIENT, "http", trusted=False).drops)
        received = [
            b"X-Forwarded-For: 127.0.0.1",
            b"Forwarded: for=127.0.0.1",
            b"X-Real-IP: 127.0.0.1",
        ]
        self.assertEqual(
            self.lines("append", received),
            [
                b"Forwarded: for=198.51.100.7;host=www.example.com;proto=http",
                b"X-Forwarded-For: 198.51.100.7",
                b"X-Forwarded-Host: www.example.com",
                b"X-Forwarded-Proto: http",
            ],
        )

    def test_append_to_a_trusted_peer_s_chain(self) -> None:
        """A trusted peer's chain becomes one line with ours at its end, and what it says of scheme and host stays."""
        received = [
            b"x-forwarded-for: 203.0.113.1",
            b"X-Forwarded-For: 192.0.2.20",
            b"X-Forwarded-Proto: https",
            b"X-Real-IP: 203.0.113.1",
        ]
        self.assertEqual(
            self.lines("append", received, trusted=True, address=FRONT),
            [
                b"X-Forwarded-For: 203.0.113.1, 192.0.2.20, 192.0.2.10",
                b"X-Forwarded-Host: www.example.com",
                b"X-Forwarded-Proto: https",
                b"X-Real-IP: 203.0.113.1",
            ],
        )

    def test_a_chain_is_continued_in_its_own_field(self) -> None:
        """A chain that came in Forwarded alone is not begun anew in X-Forwarded-For, where its client would be missing."""
        self.assertEqual(
            self.lines("append", [b"Forwarded: for=203.0.113.1"], trusted=True, address=FRONT),
            [
                b"Forwarded: for=203.0.113.1, for=192.0.2.10;host=www.example.com;proto=http",
                b"X-Forwarded-Host: www.example.com",
                b"X-Forwarded-Proto: http",
            ],
        )

    def test_a_trusted_peer_that_says_nothing(self) -> None:
        """Without a chain both fields begin with the peer, whatever else it says."""
        self.assertEqual(self.lines("append", trusted=True), self.lines("append"))
        self.assertEqual(
            self.lines("append", [b"X-Forwarded-Host: public.example"], trusted=True, host=b"a"),
            [
                b"Forwarded: for=198.51.100.7;host=a;proto=http",
                b"X-Forwarded-For: 198.51.100.7",
                b"X-Forwarded-Host: public.example",
                b"X-Forwarded-Proto: http",
            ],
        )

    def test_without_forwarded(self) -> None:
        """Where Forwarded is not wanted it is not begun; a chain that came in it is still continued."""
        made = Forwarding("append", CLIENT, "http", trusted=True, forwarded=False)
        for received in ((), [Field(b"X-Real-IP: 203.0.113.1")]):
            names = {line.partition(b":")[0] for line in made.lines(b"a", received)}
            self.assertEqual(
                names - {b"X-Real-IP"},
                {b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto"},
            )
        self.assertIn(
            b"Forwarded: for=203.0.113.1, for=198.51.100.7;host=a;proto=http",
            made.lines(b"a", [Field(b"Forwarded: for=203.0.113.1")]),
        )

    def test_ipv6_and_ports_are_quoted(self) -> None:
        """In Forwarded an IPv6 address stands in brackets and quotes, a host with a port in quotes (RFC 7239 section 6)."""
        made = self.lines("append", address="2001:db8::7", host=b"a:8080")
        self.assertIn(b'Forwarded: for="[2001:db8::7]";host="a:8080";proto=http', made)
        self.assertIn(b"X-Forwarded-For: 2001:db8::7", made)

    def test_no_host_and_no_address(self) -> None:
        """An HTTP/1.0 request without Host and a peer on a unix socket are told as far as they are known."""
        self.assertEqual(
            self.lines("append", address="", host=b""),
            [
                b"Forwarded: for=unknown;proto=http",
                b"X-Forwarded-For: unknown",
                b"X-Forwarded-Proto: http",
            ],
        )

    def test_the_lines_are_made_once(self) -> None:
        """Requests of one connection to one host share their lines; another host gets its own."""
        made = Forwarding("append", CLIENT, "http", trusted=False)
        first = made.lines(b"a")
        self.assertIs(made.lines(b"a"), first)
        self.assertIn(b"X-Forwarded-Host: b", made.lines(b"b"))
        self.assertEqual(made.lines(b"a"), first)

    def test_names_are_lower_case(self) -> None:
        """The names to look for are written as a parser compares them."""
        self.assertEqual({name.lower() for name in FORWARDING_FIELDS}, FORWARDING_FIELDS)
