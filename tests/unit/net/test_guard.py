"""The destination guard: what may be dialled, in every spelling of an address."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.networks import NetworkSet
from gateway.net.guard import Guard
from gateway.net.own_addresses import has_source_address, is_own_address


class BuiltInTests(SynchronousTestCase):
    def assertRules(self, rules: dict[str, str | None]) -> None:
        """Compare what a guard without settings says of addresses."""
        guard = Guard()
        self.assertEqual({address: guard.check(address, 80) for address in rules}, rules)

    def test_public_and_private(self) -> None:
        """Public and private networks may be dialled."""
        self.assertRules(
            dict.fromkeys(
                (
                    "192.0.2.1",
                    "10.1.2.3",
                    "172.16.0.1",
                    "192.168.1.1",
                    "100.64.0.1",
                    "2001:db8::1",
                    "fd00::1",
                ),
                None,
            )
        )

    def test_edges(self) -> None:
        """The rules end where their networks end."""
        self.assertRules(
            {
                "126.255.255.255": None,
                "127.0.0.0": "loopback",
                "127.255.255.255": "loopback",
                "128.0.0.0": None,
                "169.253.255.255": None,
                "169.254.169.254": "link_local",
                "169.255.0.0": None,
                "0.0.0.0": "unspecified",
                "0.1.2.3": "unspecified",
                "1.0.0.0": None,
                "223.255.255.255": None,
                "224.0.0.1": "multicast",
                "239.255.255.255": "multicast",
                "255.255.255.255": "broadcast",
                "::": "unspecified",
                "::1": "loopback",
                "fe7f::1": None,
                "fe80::1": "link_local",
                "febf::1": "link_local",
                "fec0::1": None,
                "ff02::1": "multicast",
            }
        )

    def test_embedded_ipv4(self) -> None:
        """An IPv6 address that carries an IPv4 address is judged by it."""
        for address in (
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "0:0:0:0:0:FFFF:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "64:ff9b:1:7f00:0:100::",
            "2002:7f00:1::",
            "2001::7f00:1:0:0:0:1",
            "2001:0:102:304:0:ffff:80ff:fffe",
            "2001:db8::5efe:127.0.0.1",
            "2001:db8::200:5efe:127.0.0.1",
        ):
            with self.subTest(address):
                self.assertEqual(Guard().check(address, 80), "loopback")

    def test_embedded_public_ipv4(self) -> None:
        """A public IPv4 address inside of IPv6 may be dialled."""
        self.assertRules(
            dict.fromkeys(
                (
                    "::ffff:192.0.2.1",
                    "64:ff9b::192.0.2.1",
                    "64:ff9b:1::192.0.2.1",
                    "2002:c000:201::1",
                ),
                None,
            )
        )

    def test_embedded_metadata(self) -> None:
        """The clouds' metadata address is refused inside of NAT64 as well."""
        self.assertRules({"64:ff9b::169.254.169.254": "link_local"})

    def test_cloud_metadata(self) -> None:
        """Metadata services outside of the link-local networks are refused."""
        self.assertRules(
            {
                "fd00:ec2::254": "cloud_metadata",
                "FD00:EC2:0::254": "cloud_metadata",
                "100.100.100.200": "cloud_metadata",
            }
        )

    def test_no_address(self) -> None:
        """What is no literal address is refused: somebody forgot to resolve it."""
        self.assertRules(
            dict.fromkeys(
                ("example.com", "127.1", "", "fe80::1%eth0", "1.2.3.4\0", ":"), "not_an_address"
            )
        )


class SettingsTests(SynchronousTestCase):
    def test_allow(self) -> None:
        """An allowed network is an exception to the built-in rules, also for an embedded address."""
        guard = Guard(allow=NetworkSet.of("127.0.0.0/8"))
        self.assertEqual(
            [
                guard.check(address, 80)
                for address in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "169.254.1.1")
            ],
            [None, None, "loopback", "link_local"],
        )

    def test_deny(self) -> None:
        """A denied network is refused, also as an embedded address, and although it is allowed."""
        guard = Guard(
            allow=NetworkSet.of("10.0.0.0/8"), deny=NetworkSet.of("10.0.0.0/16", "2001:db8::/32")
        )
        self.assertEqual(
            [
                guard.check(address, 80)
                for address in ("10.0.0.1", "::10.0.0.1", "2001:db8::1", "10.1.0.1")
            ],
            ["deny_destinations", "deny_destinations", "deny_destinations", None],
        )

    def test_remembered_judgements_are_bounded(self) -> None:
        """A client that asks for ever new addresses doesn't grow our memory."""
        guard = Guard()
        for number in range(10_000):
            guard.check(f"192.0.{number >> 8}.{number & 255}", 80)
        self.assertLessEqual(len(guard._judged), 4096)
        self.assertEqual(guard.check("127.0.0.1", 80), "loopback")


class OwnListenerTests(SynchronousTestCase):
    def test_listener(self) -> None:
        """An own listener is refused although its network is allowed; its address with another port is not."""
        guard = Guard(NetworkSet.of("127.0.0.0/8"), own=lambda: {("127.0.0.1", 8080)})
        self.assertEqual(guard.check("127.0.0.1", 8080), "own_listener")
        self.assertIsNone(guard.check("127.0.0.1", 8081))
        self.assertIsNone(guard.check("127.0.0.2", 8080))

    def test_listener_in_disguise(self) -> None:
        """An own listener is recognised in an embedded address and behind the unspecified one."""
        guard = Guard(
            NetworkSet.of("127.0.0.0/8", "0.0.0.0/8", "::/96"), own=lambda: {("127.0.0.1", 8080)}
        )
        for address in ("::ffff:127.0.0.1", "0.0.0.0", "::", "::127.0.0.1"):
            with self.subTest(address):
                self.assertEqual(guard.check(address, 8080), "own_listener")

    def test_listener_on_every_address(self) -> None:
        """A listener on the unspecified address is refused on every address of this machine, and on no other's."""
        for anywhere in ("0.0.0.0", "::"):
            guard = Guard(NetworkSet.of("127.0.0.0/8", "::1"), own={(anywhere, 8080)}.copy)
            self.assertEqual(guard.check("127.0.0.9", 8080), "own_listener")
            self.assertEqual(guard.check("::1", 8080), "own_listener")
            self.assertIsNone(guard.check("192.0.2.1", 8080))

    def test_listeners_of_the_moment(self) -> None:
        """A listener that opens later counts from then on."""
        own: set[tuple[str, int]] = set()
        guard = Guard(NetworkSet.of("127.0.0.0/8"), own=lambda: own)
        self.assertIsNone(guard.check("127.0.0.1", 8080))
        own.add(("127.0.0.1", 8080))
        self.assertEqual(guard.check("127.0.0.1", 8080), "own_listener")


class OwnAddressTests(SynchronousTestCase):
    def test_own(self) -> None:
        """The kernel's routes tell this machine's addresses from others."""
        self.assertTrue(is_own_address("127.0.0.1"))
        self.assertFalse(is_own_address("192.0.2.1"))
        self.assertFalse(is_own_address("255.255.255.255"))

    def test_source(self) -> None:
        """Loopback can always be reached."""
        self.assertTrue(has_source_address("127.0.0.1"))
