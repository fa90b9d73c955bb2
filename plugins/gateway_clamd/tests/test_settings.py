"""Tests of the settings."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue, ConfigError
from gateway.testing import FakeGateway
from gateway_clamd import Clamd, ClamdSettings
from gateway_clamd.settings import Address, address


class AddressTests(SynchronousTestCase):
    """Where clamd is."""

    def test_addresses(self) -> None:
        """An address is read, and written as it was."""
        for text, expected in (
            ("unix:/run/clamav/clamd.ctl", Address("/run/clamav/clamd.ctl")),
            ("tcp:127.0.0.1:3310", Address(host="127.0.0.1", port=3310)),
            ("tcp:[2001:db8::1]:3310", Address(host="2001:db8::1", port=3310)),
            ("tcp:clamd.example.com:1", Address(host="clamd.example.com", port=1)),
        ):
            self.assertEqual((address(text), str(address(text))), (expected, text))

    def test_faults(self) -> None:
        """What is no address is refused, with one that is."""
        for text in (
            "",
            "unix:clamd",
            "/run/x",
            "tcp:a",
            "tcp:a:0",
            "tcp:a:70000",
            "tcp::1",
            "udp:a:1",
            "tcp:a:²",
        ):
            error = self.assertRaises(BadValue, address, text)
            self.assertIn("unix:/run/", error.mend)
        self.assertRaises(BadValue, address, "unix:/" + "x" * 107)

    def test_one_or_several(self) -> None:
        """The setting takes one address or an array, and each fault is told where it stands."""
        one, two = "tcp:127.0.0.1:3310", "unix:/run/c"
        for written, count in ((one, 1), ([one], 1), ([one, two], 2)):
            gateway = FakeGateway(Clamd, {"address": written})
            self.addCleanup(gateway.stop)
            self.assertEqual(len(gateway.plugin.settings.address), count)
        error = self.assertRaises(
            ConfigError, FakeGateway, Clamd, {"address": [one, "x", two, "y"]}
        )
        paths = [fault.path for fault in error.faults]
        self.assertEqual(paths, ["plugins.clamd.address[1]", "plugins.clamd.address[3]"])

    def test_together(self) -> None:
        """What does not go together is refused."""
        tables: list[dict[str, object]] = [{"address": []}, {"wait": "60s"}, {"max_size": "4GiB"}]
        for table in tables:
            self.assertRaises(ConfigError, FakeGateway, Clamd, table)

    def test_defaults(self) -> None:
        """Without a word it is Debian's socket."""
        self.assertEqual(str(ClamdSettings().address[0]), "unix:/run/clamav/clamd.ctl")
