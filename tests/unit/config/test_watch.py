"""Tests of C{[watch]} and C{[cluster]}, and of L{gateway.config.kinds.shares}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue, ConfigError
from gateway.config.kinds.shares import Room, share, share_text
from gateway.config.load import load
from gateway.config.schema import Config


def read(**said: object) -> Config:
    """Load settings; C{__} stands for the dot."""
    return load(None, {name.replace("__", "."): value for name, value in said.items()}, {})


class ShareTests(SynchronousTestCase):
    """Shares."""

    def test_read(self) -> None:
        """Percent with or without a blank and a fraction, from 0 to 100."""
        for text, value in (("80%", 0.8), ("12.5 %", 0.125), ("100%", 1.0), ("0%", 0.0)):
            self.assertAlmostEqual(share(text), value)
        for text in ("80", "", "%", "-1%", "101%", "1e2%", "80%%", "8 0%"):
            self.assertRaises(BadValue, share, text)

    def test_written(self) -> None:
        """What is written reads back to the same."""
        for text in ("80%", "12.5%", "0.1%", "100%", "33.333%"):
            self.assertEqual(share_text(share(text)), text)


class WatchTests(SynchronousTestCase):
    """The tables."""

    def faults(self, **said: object) -> str:
        """Give what is wrong."""
        return str(self.assertRaises(ConfigError, read, **said))

    def test_room(self) -> None:
        """Free space is a share or a size, and 0 is off."""
        self.assertEqual(read(watch__disk="5%").watch.disk, Room(share=0.05))
        self.assertEqual(read(watch__disk="2GiB").watch.disk, Room(count=2 << 30))
        self.assertFalse(read(watch__disk=0).watch.disk)
        self.assertEqual(str(Room(count=2 << 30)), "2GiB")

    def test_off(self) -> None:
        """0 switches each of them off."""
        for name in ("memory", "connections", "descriptors", "lag", "steal", "overflows", "every"):
            self.assertEqual(getattr(read(**{f"watch__{name}": 0}).watch, name), 0)

    def test_faults(self) -> None:
        """Each fault names its key and shows how it is written."""
        self.assertIn("watch.memory: 80 is not a share", self.faults(watch__memory=80))
        self.assertIn("watch.memory", self.faults(watch__memory="eighty"))
        self.assertIn("watch.disk: 10 has no unit", self.faults(watch__disk=10))
        self.assertIn("watch.disk", self.faults(watch__disk=True))
        self.assertIn("at least a second", self.faults(watch__every="100ms"))

    def test_peers(self) -> None:
        """Peers are servers by URL; there are not so many that asking them becomes a burden."""
        peers = read(cluster__peers=["http://10.0.0.2:8081", "https://[2001:db8::1]"]).cluster.peers
        self.assertEqual(
            [str(peer) for peer in peers], ["http://10.0.0.2:8081", "https://[2001:db8::1]:443"]
        )
        self.assertIn("cluster.peers[0]", self.faults(cluster__peers=["10.0.0.2:8081"]))
        self.assertIn("user name or password", self.faults(cluster__peers=["http://u:p@a:1"]))
        many = [f"http://10.0.0.{number}:1" for number in range(33)]
        self.assertIn("at most 32 peers", self.faults(cluster__peers=many))
