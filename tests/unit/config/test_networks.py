"""Sets of networks, against the answers of the standard library."""

from __future__ import annotations

import timeit
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.networks import (
    Network,
    NetworkSet,
    is_address,
    is_this_machine,
    network,
)
from tests.effort import examples

# Few leading bits vary, so that addresses fall into the networks often enough.
ADDRESS4 = st.one_of(
    st.ip_addresses(v=4),
    st.integers(0, 3).map(lambda n: IPv4Address(0x0A000000 + n)),
)
ADDRESS6 = st.one_of(
    st.ip_addresses(v=6),
    st.integers(0, 3).map(lambda n: IPv6Address((0x20010DB8 << 96) + n)),
    ADDRESS4.map(lambda a: IPv6Address(f"::ffff:{a}")),
)
NETWORK4 = st.tuples(ADDRESS4, st.integers(0, 32)).map(lambda p: IPv4Network(p, strict=False))
NETWORK6 = st.tuples(ADDRESS6, st.integers(0, 128)).map(lambda p: IPv6Network(p, strict=False))
NETWORKS = st.lists(st.one_of(NETWORK4, NETWORK6), max_size=12)


def as_read(networks: list[Network]) -> list[Network]:
    """Give the networks as a file with them would."""
    return [network(str(item)) for item in networks]


def expected(address: IPv4Address | IPv6Address, networks: list[Network]) -> bool:
    """Answer by the standard library alone: a mapped address is the IPv4 address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in item for item in networks)


class NetworkSetTests(SynchronousTestCase):
    """An address is in the set when it is in one of the networks."""

    @settings(deadline=None, max_examples=examples(300))
    @given(st.one_of(ADDRESS4, ADDRESS6), NETWORKS)
    def test_agrees_with_the_standard_library(
        self, address: IPv4Address | IPv6Address, networks: list[Network]
    ) -> None:
        """Membership is what L{ipaddress} says, network by network."""
        read = as_read(networks)
        self.assertEqual(str(address) in NetworkSet(read), expected(address, read))

    @settings(deadline=None, max_examples=examples(200))
    @given(NETWORKS)
    def test_edges(self, networks: list[Network]) -> None:
        """The first and last address of each network are in, their neighbours as the standard library says."""
        read = as_read(networks)
        found = NetworkSet(read)
        for item in read:
            for edge in (item.network_address, item.broadcast_address):
                if item.version == 4 or edge.ipv4_mapped is None:  # type: ignore[union-attr]
                    self.assertIn(str(edge), found)
                for step in (-1, 1):
                    number = int(edge) + step
                    if 0 <= number < 2**edge.max_prefixlen:
                        beside = type(edge)(number)
                        self.assertEqual(str(beside) in found, expected(beside, read))

    @settings(deadline=None)
    @given(ADDRESS4, st.lists(NETWORK4, max_size=6))
    def test_mapped_address_is_the_ipv4_address(
        self, address: IPv4Address, networks: list[Network]
    ) -> None:
        """A rule about an IPv4 network cannot be gone round by the mapped form of an address."""
        found = NetworkSet(networks)
        self.assertEqual(f"::ffff:{address}" in found, str(address) in found)
        mapped = [
            network(f"::ffff:{item.network_address}/{item.prefixlen + 96}") for item in networks
        ]
        self.assertEqual(NetworkSet(mapped), found)

    def test_no_ipv6_network_holds_an_ipv4_address(self) -> None:
        """Not even ::/0 holds an IPv4 address, in whichever form it is asked for."""
        everything = NetworkSet.of("::/0")
        self.assertIn("2001:db8::1", everything)
        self.assertNotIn("192.0.2.1", everything)
        self.assertNotIn("::ffff:192.0.2.1", everything)

    def test_zone_is_ignored(self) -> None:
        """A link-local address with a zone is the same address."""
        self.assertIn("fe80::1%eth0", NetworkSet.of("fe80::/10"))

    def test_what_is_no_address_is_no_answer(self) -> None:
        """A text that is no address raises: "not in" would mean "allowed" in a list of what is forbidden."""
        found = NetworkSet.of("127.0.0.0/8")
        for text in (
            "",
            "localhost",
            "127.1",
            "0x7f.1",
            "127.0.0.1 ",
            "[::1]",
            "2130706433",
            "::1::",
            "1.2.3.4/8",
        ):
            with self.assertRaises(ValueError, msg=text):
                text in found  # noqa: B015 - asking is what raises

    def test_order_and_equality(self) -> None:
        """The networks come back as they were given; sets of the same networks are equal."""
        found = NetworkSet.of("10.0.0.0/8", "::1", "10.0.0.0/16")
        self.assertEqual([str(item) for item in found], ["10.0.0.0/8", "::1/128", "10.0.0.0/16"])
        self.assertEqual(found, NetworkSet.of("10.0.0.0/8", "::1/128", "10.0.0.0/16"))
        self.assertEqual(hash(found), hash(NetworkSet.of("10.0.0.0/8", "::1/128", "10.0.0.0/16")))
        self.assertNotEqual(found, NetworkSet())
        self.assertEqual((len(found), bool(NetworkSet())), (3, False))

    def test_cost_does_not_grow_with_the_list(self) -> None:
        """A look-up in 1,000 networks takes about as long as in one: it is a bisection."""
        few = NetworkSet.of("10.0.0.0/8")
        many = NetworkSet.of(*(f"10.{n // 250}.{n % 250}.0/25" for n in range(1000)))
        best_few = min(timeit.repeat(lambda: "10.1.2.3" in few, number=2000, repeat=5))
        best_many = min(timeit.repeat(lambda: "10.1.2.3" in many, number=2000, repeat=5))
        self.assertLess(best_many, 4 * best_few)


class NetworkTests(SynchronousTestCase):
    """Networks as they are written."""

    def test_address_is_a_network_of_one(self) -> None:
        """An address stands for itself."""
        self.assertEqual(str(network("192.0.2.7")), "192.0.2.7/32")
        self.assertEqual(str(network("2001:DB8::1")), "2001:db8::1/128")

    def test_bits_behind_the_prefix(self) -> None:
        """Bits behind the prefix are refused, with both readings in the advice."""
        fault = self.assertRaises(BadValue, network, "10.0.0.5/8")
        self.assertEqual(fault.mend, '"10.0.0.0/8" for the network, "10.0.0.5" for the one address')

    def test_refused(self) -> None:
        """Names, wildcards, long prefixes and zones are no networks."""
        for text in (
            "localhost",
            "10.*",
            "10.0.0.0/33",
            "",
            "::/129",
            "10.0.0.0/-1",
            "fe80::1%eth0",
        ):
            with self.assertRaises(BadValue, msg=text):
                network(text)

    def test_is_address(self) -> None:
        """Only the plain text of an address is one."""
        for text in ("127.0.0.1", "::", "2001:db8::1"):
            self.assertTrue(is_address(text), text)
        for text in ("", "a", "[::1]", "1.2.3", "::1%lo", "1.2.3.4:5", "1.2.3.4\x00"):
            self.assertFalse(is_address(text), text)


class ThisMachineTests(SynchronousTestCase):
    """Hosts that need no way."""

    def test_hosts(self) -> None:
        """The loopback's name and addresses are this machine; others, and what is no host, are not."""
        for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"):
            self.assertTrue(is_this_machine(host), host)
        for host in ("10.0.0.1", "localhost.example.com", "::2", "[::1]", "", "127.0.0.1:25"):
            self.assertFalse(is_this_machine(host), host)
