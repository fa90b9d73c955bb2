"""A listener behind a load balancer learns its clients from a PROXY header, and believes only trusted ones (L3)."""

from __future__ import annotations

import socket
import struct
from typing import Any

from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.support import ScenarioTestCase

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BALANCER = "192.0.2.7"


def version_2(source: str, port: int, *, command: int = 1, more: bytes = b"") -> bytes:
    """Write a version 2 header for TCP."""
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    here = socket.inet_pton(family, "2001:db8::1" if six else "192.0.2.1")
    body = socket.inet_pton(family, source) + here + struct.pack("!HH", port, 80) + more
    return (
        SIGNATURE
        + bytes((0x20 | command, 0x21 if six else 0x11))
        + struct.pack("!H", len(body))
        + body
    )


class ProxyProtocolTests(ScenarioTestCase):
    """A site's listener with C{proxy_protocol}."""

    def _started(self, *trusted: str, **settings: Any) -> Harness:
        gateway = self.reverse(
            {"listen": [{"address": "192.0.2.1:80", "proxy_protocol": True}]},
            {"network.trusted_proxies": list(trusted or (BALANCER,)), **settings},
        )
        gateway.origin(reply=response(b"abc"))
        return gateway

    def test_version_1(self) -> None:
        """The header of version 1 names the client, for the log and for the origin."""
        gateway = self._started()
        client = gateway.client(BALANCER)
        client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n" + request(b"/"))
        self.assertEqual(client.response().status, 200)
        line = self.assertLine(gateway, client="203.0.113.9", client_port=51234)
        self.assertEqual(line["status"], 200)
        (origin,) = gateway.network.stations.values()
        self.assertEqual(origin.request.all("x-forwarded-for"), [b"203.0.113.9"])  # type: ignore[attr-defined]

    def test_version_2(self) -> None:
        """So does that of version 2, for both families, with TLVs behind the addresses."""
        for source in ("203.0.113.9", "2001:db8::9"):
            gateway = self._started()
            client = gateway.client(BALANCER)
            client.send(version_2(source, 4711, more=b"\x01\x00\x02h2") + request(b"/"))
            self.assertEqual(client.response().status, 200)
            self.assertLine(gateway, client=source, client_port=4711)

    def test_once_for_all_requests(self) -> None:
        """The header comes once; all requests of the connection have the client."""
        gateway = self._started()
        client = gateway.client(BALANCER)
        client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n" + request(b"/") * 2)
        client.send(request(b"/"))
        self.assertEqual([line["client"] for line in gateway.log], ["203.0.113.9"] * 3)

    def test_cut_anywhere(self) -> None:
        """Where the header is cut makes no difference."""
        gateway = self._started()
        for header in (
            b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n",
            version_2("203.0.113.9", 51234),
        ):
            for cut in range(1, len(header) + 1, 2):
                before = len(gateway.log)
                client = gateway.client(BALANCER)
                client.send(header[:cut])
                client.send(header[cut:] + request(b"/"))
                (line,) = gateway.log[before:]
                self.assertEqual((line["client"], line["status"]), ("203.0.113.9", 200), cut)
                client.close()

    def test_local(self) -> None:
        """LOCAL and UNKNOWN are the balancer's own connections: its address stands."""
        for header in (b"PROXY UNKNOWN\r\n", version_2("203.0.113.9", 1, command=0)):
            gateway = self._started()
            client = gateway.client(BALANCER)
            client.send(header + request(b"/"))
            self.assertLine(gateway, client=BALANCER, status=200)

    def test_untrusted_peer(self) -> None:
        """Who is not trusted is cut off before it says anything."""
        gateway = self._started("10.0.0.1")
        client = gateway.client(BALANCER)
        self.assertEqual(client.closed, "reset")
        self.assertEqual((gateway.connections, gateway.log), (0, []))

    def test_no_header(self) -> None:
        """A connection without the header is a mistake, and cut off."""
        gateway = self._started()
        client = gateway.client(BALANCER)
        client.send(request(b"/"))
        self.assertEqual((client.received, client.closed), (b"", "reset"))
        self.assertEqual(gateway.connections, 0)

    def test_bad_header(self) -> None:
        """So is one with a bad header."""
        for header in (
            b"PROXY TCP4 here there 1 2\r\n",
            b"PROXY TCP4 203.0.113.9 192.0.2.1 99999 80\r\n",
            SIGNATURE + b"\x31\x11\0\0",
        ):
            gateway = self._started()
            client = gateway.client(BALANCER)
            client.send(header + request(b"/"))
            self.assertEqual((client.received, client.closed), (b"", "reset"), header)

    def test_header_that_does_not_come(self) -> None:
        """The header has the time of a request head."""
        gateway = self._started(**{"timeouts.request_head": "10s"})
        client = gateway.client(BALANCER)
        client.send(b"PROXY TC")
        gateway.advance(9.0)
        self.assertEqual(client.closed, "")
        gateway.advance(2.0)
        self.assertEqual((client.closed, gateway.connections), ("reset", 0))

    def test_end_before_the_header(self) -> None:
        """Who closes before its header is let go."""
        gateway = self._started()
        client = gateway.client(BALANCER)
        client.end()
        self.assertEqual((client.closed, gateway.connections), ("fin", 0))

    def test_untrusted_claims_behind_it(self) -> None:
        """The header's client is not trusted because its balancer is: what it claims in fields is dropped."""
        gateway = self._started()
        client = gateway.client(BALANCER)
        client.send(
            b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n"
            + request(b"/", b"X-Forwarded-For: 10.1.1.1")
        )
        (origin,) = gateway.network.stations.values()
        self.assertEqual(origin.request.all("x-forwarded-for"), [b"203.0.113.9"])  # type: ignore[attr-defined]
        self.assertLine(gateway, client="203.0.113.9")

    def test_drain(self) -> None:
        """A connection whose header is not there yet is cut when the gateway stops."""
        gateway = self._started()
        client = gateway.client(BALANCER)
        gateway.begin_stop()
        self.assertEqual(client.closed, "reset")

    def test_forward(self) -> None:
        """A forward listener may be behind a balancer too; allow_from judges the client, not the balancer."""
        gateway = self.forward(
            {
                "forward.listen": [{"address": "127.0.0.1:8080", "proxy_protocol": True}],
                "forward.allow_from": ["203.0.113.0/24"],
                "network.trusted_proxies": [BALANCER],
            }
        )
        gateway.origin(reply=response())
        for source, status in (("203.0.113.9", 200), ("198.18.0.1", 403)):
            client = gateway.client(BALANCER)
            client.send(
                b"PROXY TCP4 %b 192.0.2.1 51234 80\r\n" % source.encode()
                + request(b"http://origin.example.com/")
            )
            self.assertEqual(client.response().status, status)
