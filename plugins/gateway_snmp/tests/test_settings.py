"""Tests of the settings."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue, Secret
from gateway_snmp.oids import oid
from gateway_snmp.settings import Address, Receiver, SnmpSettings, address, base_oid, engine_id
from gateway_snmp.tests.examples import AUTH, COMMUNITY, PRIV, receiver


class AddressTests(SynchronousTestCase):
    """Where a receiver is."""

    def test_addresses(self) -> None:
        """Names and addresses are read with and without a port, and written with it."""
        for text, expected in {
            "10.0.0.9": "10.0.0.9:162",
            "10.0.0.9:1162": "10.0.0.9:1162",
            "nms.example.com": "nms.example.com:162",
            "nms.example.com:1": "nms.example.com:1",
            "2001:db8::9": "[2001:db8::9]:162",
            "[2001:db8::9]": "[2001:db8::9]:162",
            "[2001:db8::9]:65535": "[2001:db8::9]:65535",
        }.items():
            self.assertEqual(str(address(text)), expected)

    def test_faults(self) -> None:
        """What is no address is refused, with ones that are."""
        for text in (
            "",
            ":162",
            "a:",
            "a:0",
            "a:65536",
            "a:1:2",
            "a b",
            "[a]:1",
            "[::1",
            "a:²",
            "-a",
            "a" * 300,
            "a:" + "1" * 5000,
        ):
            self.assertIn("10.0.0.9", self.assertRaises(BadValue, address, text).mend)

    def test_local(self) -> None:
        """What stays on this machine is known."""
        for host, is_local in {
            "127.0.0.2": True,
            "::1": True,
            "localhost": True,
            "10.0.0.9": False,
            "localhost.example.com": False,
        }.items():
            self.assertEqual(Address(host).is_local, is_local)


class OidTests(SynchronousTestCase):
    """Where the tree begins, and who the engine is."""

    def test_oids(self) -> None:
        """OIDs below enterprises are read and written."""
        self.assertEqual(oid(".1.3.6.1.4.1.99999"), (1, 3, 6, 1, 4, 1, 99999))
        self.assertEqual(str(base_oid("1.3.6.1.4.1.5.4294967295")), "1.3.6.1.4.1.5.4294967295")

    def test_oid_faults(self) -> None:
        """Others are refused."""
        for text in (
            "",
            "1.3.6.1.4.1",
            "1.3.6.1.2.1.1",
            "1.3.6.1.4.1.x",
            "1.3.6.1.4.1.-1",
            "1.3.6.1.4.1..1",
            "1.3.6.1.4.1.4294967296",
            "1.3.6.1.4.1.²",
            "1.3.6.1.4.1" + ".1" * 100,
            "1.3.6.1.4.1." + "9" * 5000,
        ):
            self.assertRaises(BadValue, oid, text)

    def test_engine_ids(self) -> None:
        """An engine id is 5 to 32 bytes, however its digits are written, and not all alike."""
        self.assertEqual(engine_id("0x80001F88:05aabb"), "80001f8805aabb")
        self.assertEqual(engine_id(""), "")
        for text in ("80001f88", "8" * 66, "800001f88", "xx" * 6, "00" * 6, "ff" * 6):
            self.assertRaises(BadValue, engine_id, text)


class ReceiverTests(SynchronousTestCase):
    """What goes together."""

    def test_levels(self) -> None:
        """The level follows from what there is."""
        self.assertEqual(receiver("3").level, 3)
        self.assertEqual(receiver("3", priv=None).level, 2)
        self.assertEqual(receiver("3", priv=None, auth=None).level, 1)
        self.assertEqual(receiver().level, 1)

    def test_faults(self) -> None:
        """What does not go together is refused, and no secret is said."""
        tables: list[tuple[str, dict[str, Any]]] = [
            ("3", {"user": ""}),
            ("3", {"community": Secret(COMMUNITY)}),
            ("3", {"auth": None}),
            ("3", {"auth": Secret(AUTH[:7])}),
            ("3", {"priv": Secret(PRIV[:7])}),
            ("2c", {"community": None}),
            ("2c", {"user": "gateway"}),
            ("1", {"auth": Secret(AUTH)}),
            ("1", {"inform": True}),
        ]
        for version, values in tables:
            error = self.assertRaises(ValueError, receiver, version, **values)
            for secret in (COMMUNITY, AUTH[:7], PRIV[:7]):
                self.assertNotIn(secret, str(error))

    def test_twice(self) -> None:
        """One receiver is named once: what is kept for it has its name."""
        one = receiver()
        self.assertRaises(ValueError, SnmpSettings, to=(one, receiver("3")))
        SnmpSettings(to=(one, receiver(port=163)))

    def test_secrets_hide(self) -> None:
        """No secret is in what the settings write of themselves."""
        shown = repr(SnmpSettings(to=(receiver(), receiver("3", port=1))))
        for secret in (COMMUNITY, AUTH, PRIV):
            self.assertNotIn(secret, shown)

    def test_default(self) -> None:
        """A receiver of which nothing is said would be one of version 3 that signs with SHA-256 and encrypts with AES."""
        made = Receiver(address=Address("a"), user="u", auth=Secret(AUTH), priv=Secret(PRIV))
        self.assertEqual(
            (made.version, made.auth_protocol, made.priv_protocol), ("3", "sha256", "aes128")
        )
