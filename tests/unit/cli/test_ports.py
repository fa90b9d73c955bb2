"""C{gateway ports}."""

from __future__ import annotations

import json
from io import StringIO

from gateway.cli.main import main
from gateway.cli.ports import Line, destinations, listeners, system_nameservers
from gateway.config.addresses import Nameserver
from gateway.config.load import load
from tests.unit.config.files import FilesTestCase

SYSTEM = (Nameserver("192.0.2.53"),)


class ListenerTests(FilesTestCase):
    """What the gateway listens on."""

    def test_defaults(self) -> None:
        """Without a file: the forward proxy and health."""
        self.assertEqual(
            list(listeners(load())),
            [
                Line("in", "tcp", "127.0.0.1", "8080", "forward proxy"),
                Line("in", "tcp", "127.0.0.1", "8081", "health and metrics"),
            ],
        )

    def test_every_kind(self) -> None:
        """Unix sockets and passed sockets are listed, shared listeners once, with their options."""
        config = self.load(
            '[forward]\nlisten = ["unix:/run/a", "systemd:1", { address = "[::1]:1", max_connections = 3 }]\n'
            '[[site]]\nhost = ["a"]\norigins = ["http://x"]\n[[site]]\nhost = ["b"]\norigins = ["http://x"]\n'
            '[admin]\nhealth = ""'
        )
        self.assertEqual(
            [(line.protocol, line.address, line.port, line.purpose) for line in listeners(config)],
            [
                ("unix", "/run/a", "", "forward proxy"),
                ("tcp", "systemd socket 1", "as in the socket unit", "forward proxy"),
                ("tcp", "::1", "1", "forward proxy, at most 3 connections"),
                ("tcp", "127.0.0.1", "8000", "reverse proxy for a, b"),
            ],
        )


class DestinationTests(FilesTestCase):
    """What the gateway connects to."""

    def found(self, text: str) -> list[tuple[str, str, str]]:
        """List protocol, address and port of the destinations of one file."""
        return [
            (line.protocol, line.address, line.port)
            for line in destinations(self.load(text), SYSTEM)
        ]

    def test_forward(self) -> None:
        """A forward proxy connects to any address; tunnels go to the permitted ports; names are asked for."""
        self.assertEqual(
            self.found('[forward]\nconnect_ports = [443, "8000-8001"]'),
            [
                ("tcp", "any", "any"),
                ("tcp", "any", "443,8000-8001"),
                ("udp", "192.0.2.53", "53"),
                ("tcp", "192.0.2.53", "53"),
            ],
        )

    def test_guard_is_named(self) -> None:
        """The purpose says what is kept from, and the exceptions."""
        config = self.load(
            '[forward]\ndeny_destinations = ["10.0.0.0/8"]\nallow_destinations = ["127.0.0.2"]'
        )
        first = next(destinations(config, SYSTEM))
        self.assertEqual(
            first.purpose,
            "http requests, but loopback, link-local and this gateway itself, 10.0.0.0/8; also 127.0.0.2/32",
        )

    def test_parent_for_everything(self) -> None:
        """A parent that takes every request is the only destination; one that takes some stands beside the rest."""
        text = '[network]\nnameservers = ["192.0.2.1:54"]\n[forward]\nparent = [{{ url = "http://192.0.2.9:3128"{more} }}]'
        found = self.found(text.format(more=""))
        self.assertNotIn(("tcp", "any", "any"), found)
        self.assertIn(("tcp", "192.0.2.9", "3128"), found)
        self.assertIn(
            ("tcp", "any", "any"), self.found(text.format(more=', for = ["*.example.com"]'))
        )
        self.assertIn(("tcp", "any", "any"), self.found(text.format(more=', no_proxy = ["a"]')))

    def test_origins_by_address(self) -> None:
        """Origins are listed with their health checks; when all are addresses, no name is asked for."""
        config = self.load(
            '[[site]]\norigins = ["http://192.0.2.1:81"]\nhealth = { path = "/up", every = "500ms" }'
        )
        self.assertEqual(
            list(destinations(config, SYSTEM)),
            [Line("out", "tcp", "192.0.2.1", "81", "origin of site[0], checked every 0.5 s")],
        )

    def test_peers(self) -> None:
        """Other nodes that are asked how they are configured are listed."""
        config = '[[site]]\norigins = ["http://192.0.2.1:81"]\n[cluster]\npeers = ["http://10.0.0.2:8081"]'
        self.assertEqual(self.found(config)[1:], [("tcp", "10.0.0.2", "8081")])

    def test_origins_by_name(self) -> None:
        """A name needs a name server: the configured one, or the system's."""
        self.assertIn(("udp", "192.0.2.53", "53"), self.found('[[site]]\norigins = ["http://app"]'))
        named = '[network]\nnameservers = ["192.0.2.1:54"]\n[[site]]\norigins = ["http://app"]'
        self.assertIn(("udp", "192.0.2.1", "54"), self.found(named))

    def test_system_nameservers(self) -> None:
        """The system's name servers are read from resolv.conf, odd lines passed over."""
        path = self.write(
            "# nameserver 1.1.1.1\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver\nnameserver x\n",
            "r",
        )
        self.assertEqual(system_nameservers(path), (Nameserver("192.0.2.1"), Nameserver("fe80::1")))
        self.assertEqual(system_nameservers(str(self.folder / "absent")), ())


class PortsTests(FilesTestCase):
    """The command."""

    def ports(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command; give the exit code and both outputs."""
        out, err = StringIO(), StringIO()
        return main(["ports", *arguments], out, err), out.getvalue(), err.getvalue()

    def test_table(self) -> None:
        """A table with a header, one row for each."""
        path = self.write('[[site]]\norigins = ["http://192.0.2.1:81"]')
        code, out, _ = self.ports("-c", path)
        self.assertEqual(code, 0)
        self.assertEqual(
            out.splitlines(),
            [
                "     protocol  address    port  purpose",
                "in   tcp       127.0.0.1  8000  reverse proxy for *",
                "in   tcp       127.0.0.1  8081  health and metrics",
                "out  tcp       192.0.2.1  81    origin of site[0]",
            ],
        )

    def test_json(self) -> None:
        """The same for a program."""
        code, out, _ = self.ports("--json", "--port", "24102")
        self.assertEqual(code, 0)
        found = json.loads(out)
        self.assertEqual(
            found["ports"][0],
            {
                "direction": "in",
                "protocol": "tcp",
                "address": "127.0.0.1",
                "port": "24102",
                "purpose": "forward proxy",
            },
        )

    def test_faults(self) -> None:
        """A configuration with faults has no ports; the exit code is 2."""
        path = self.write("[limits]\nfields = 0")
        code, out, err = self.ports("-c", path)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("limits.fields", err)
        code, out, _ = self.ports("-c", path, "--json")
        self.assertEqual((code, json.loads(out)["ok"]), (2, False))
