"""Names from hosts files: their format, their order, and changes while running."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.hosts import Hosts, parse_hosts


class ParseHostsTests(SynchronousTestCase):
    def test_format(self) -> None:
        """A line is an address and its names; comments, letter case and white space don't matter."""
        self.assertEqual(
            parse_hosts(
                "# a comment\n\n192.0.2.1\tWWW.example.com  www # the server\n2001:DB8::1 six.example.com\r\n"
            ),
            {
                "www.example.com": ("192.0.2.1",),
                "www": ("192.0.2.1",),
                "six.example.com": ("2001:db8::1",),
            },
        )

    def test_several_lines(self) -> None:
        """A name on several lines has all their addresses, each once, in their order."""
        self.assertEqual(
            parse_hosts("192.0.2.2 a\n2001:db8::1 a\n192.0.2.1 a\n192.0.2.2 a\n"),
            {"a": ("192.0.2.2", "2001:db8::1", "192.0.2.1")},
        )

    def test_faults(self) -> None:
        """Lines without an address or a name, and names that can't be, are left out; the rest counts."""
        self.assertEqual(
            parse_hosts("127.1 a\nnonsense\n192.0.2.1\nfe80::1%lo0 b\n192.0.2.1 c..d 1.2 e\n"),
            {"e": ("192.0.2.1",)},
        )


class HostsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.mktemp()

    def write(self, text: str) -> None:
        """Replace the file as an editor does: a new one moved into its place."""
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(self.path + ".new", self.path)

    def test_lookup(self) -> None:
        """A name in the file has its addresses; another has none."""
        self.write("192.0.2.1 a\n")
        hosts = Hosts([self.path], self.clock)
        self.assertEqual(hosts.lookup("a"), ("192.0.2.1",))
        self.assertIsNone(hosts.lookup("b"))

    def test_first_file_wins(self) -> None:
        """A name in two files has the first one's addresses only; an empty path is no file."""
        self.write("192.0.2.1 a\n192.0.2.2 b\n")
        other = self.mktemp()
        with open(other, "w", encoding="ascii") as file:
            file.write("192.0.2.9 a\n192.0.2.3 c\n")
        hosts = Hosts(["", self.path, other], self.clock)
        self.assertEqual(
            [hosts.lookup(name) for name in "abc"], [("192.0.2.1",), ("192.0.2.2",), ("192.0.2.3",)]
        )

    def test_change(self) -> None:
        """A changed file counts at the next look, a second later at most."""
        self.write("192.0.2.1 a\n")
        hosts = Hosts([self.path], self.clock)
        hosts.lookup("a")
        self.write("192.0.2.2 a\n")
        self.clock.advance(0.9)
        self.assertEqual(hosts.lookup("a"), ("192.0.2.1",))
        self.clock.advance(0.2)
        self.assertEqual(hosts.lookup("a"), ("192.0.2.2",))

    def test_appears_and_goes(self) -> None:
        """A file may come later, and a removed one is empty."""
        hosts = Hosts([self.path], self.clock)
        self.assertIsNone(hosts.lookup("a"))
        self.write("192.0.2.1 a\n")
        self.clock.advance(1)
        self.assertEqual(hosts.lookup("a"), ("192.0.2.1",))
        os.unlink(self.path)
        self.clock.advance(1)
        self.assertIsNone(hosts.lookup("a"))

    def test_unreadable(self) -> None:
        """A file that turns unreadable keeps its names, and is complained of once."""
        self.write("192.0.2.1 a\n")
        hosts = Hosts([self.path], self.clock)
        hosts.lookup("a")
        os.unlink(self.path)
        os.mkdir(self.path)
        for _ in range(3):
            self.clock.advance(1)
            self.assertEqual(hosts.lookup("a"), ("192.0.2.1",))
