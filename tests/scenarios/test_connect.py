"""CONNECT makes a tunnel to an allowed port, and a refusal is a page like any other (RFC 9110 section 9.3.6)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from gateway.testing.sockets import WINDOW
from tests.scenarios.plugins import OnUpstream
from tests.scenarios.support import ScenarioTestCase

TARGET = b"origin.example.com:443"
ASK = request(TARGET, method=b"CONNECT")


class TunnelTests(ScenarioTestCase):
    """A tunnel that is made."""

    def test_both_ways(self) -> None:
        """After 200 bytes go both ways, unread."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(ASK)
        self.assertEqual(client.response(b"CONNECT").status, 200)
        self.assertEqual(client.response(b"CONNECT").fields, [])
        self.assertEqual(origin.connection.received, b"")
        client.take()
        client.send(b"\x16\x03\x01")
        origin.send(b"\x16\x03\x03")
        self.assertEqual(origin.connection.received, b"\x16\x03\x01")
        self.assertEqual(client.take(), b"\x16\x03\x03")

    def test_log(self) -> None:
        """Its line has the destination, the bytes both ways and how it ended."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(ASK)
        client.send(bytes(1000))
        origin.send(bytes(3000))
        self.assertEqual(gateway.log, [])
        client.end()
        origin.connection.end()
        self.assertLine(
            gateway,
            method="CONNECT",
            url="origin.example.com:443",
            status=200,
            outcome="tunnelled",
            upstream="198.51.100.1:443",
            route="direct",
            bytes_in=1000,
            bytes_out=len(client.received),
            notes={"tunnel": "client_closed"},
        )

    def test_early_data(self) -> None:
        """Bytes behind the request go first into the tunnel, once and in order."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(ASK + b"hello, ")
        client.send(b"origin")
        self.assertEqual(origin.connection.received, b"hello, origin")

    def test_early_data_while_connecting(self) -> None:
        """Bytes that come while the connection is still being made are kept for it."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        origin.admitting = None
        client = gateway.client()
        client.send(ASK)
        client.send(b"GET / HTTP/1.1\r\n")
        client.send(b"Host: a\r\n\r\n")
        origin.admitting = True
        gateway.advance(0.1)
        self.assertEqual(origin.connection.received, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_much_early_data(self) -> None:
        """However many they are, all arrive, and only so many are taken in before there is a connection."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        origin.admitting = None
        client = gateway.client()
        content = bytes(range(256)) * 4000
        client.send(ASK)
        client.send(content)
        self.assertGreater(client.unsent, len(content) - 400000)
        origin.admitting = True
        gateway.advance(0.1)
        self.assertEqual(origin.connection.received, content)

    def test_half_close_of_the_client(self) -> None:
        """When the client says no more the origin learns it, and may still speak."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(ASK)
        client.end()
        self.assertEqual(origin.connection.closed, "fin")
        origin.send(b"more")
        self.assertTrue(client.received.endswith(b"more"))
        self.assertEqual(client.closed, "")
        origin.connection.end()
        self.assertEqual(client.closed, "fin")

    def test_half_close_of_the_origin(self) -> None:
        """And the other way round."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(ASK)
        origin.connection.end()
        self.assertEqual(client.closed, "fin")
        client.send(b"more")
        self.assertEqual(origin.connection.received, b"more")
        client.end()
        self.assertEqual(origin.connection.closed, "fin")
        self.assertEqual(gateway.line["notes"], {"tunnel": "upstream_closed"})

    def test_reset(self) -> None:
        """A reset of one side resets the other, so that nothing cut short looks complete."""
        for index in range(2):
            gateway = self.forward()
            origin = gateway.origin(port=443)
            client = gateway.client()
            client.send(ASK)
            pair = (client, origin.connection)
            pair[index].reset()
            self.assertEqual(pair[1 - index].closed, "reset")
            self.assertEqual(
                gateway.line["notes"], {"tunnel": ("client_reset", "upstream_reset")[index]}
            )

    def test_inactivity(self) -> None:
        """A tunnel has its own time limit, and bytes in either direction begin it anew."""
        gateway = self.forward(
            {"timeouts.tunnel": "60s", "timeouts.inactivity": "5s", "timeouts.client_idle": "5s"}
        )
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(ASK)
        for _ in range(3):
            gateway.advance(50.0)
            client.send(b"x")
            gateway.advance(50.0)
            origin.send(b"x")
        self.assertEqual(client.closed, "")
        gateway.advance(61.0)
        self.assertEqual((client.closed, origin.connection.closed), ("reset", "reset"))
        self.assertEqual(gateway.line["notes"], {"tunnel": "inactivity"})

    def test_origin_that_speaks_first(self) -> None:
        """What the origin says before the client does comes behind the 200."""
        gateway = self.forward({"forward.connect_ports": [25]})
        gateway.origin(port=25).reply = None
        client = gateway.client()
        client.send(request(b"origin.example.com:25", method=b"CONNECT"))
        next(iter(gateway.network.stations.values())).send(b"220 ready\r\n")  # type: ignore[attr-defined]
        self.assertEqual(
            client.received, b"HTTP/1.1 200 Connection established\r\n\r\n220 ready\r\n"
        )

    def test_after_other_requests(self) -> None:
        """A connection that served requests before can become a tunnel, also when it is pipelined."""
        gateway = self.forward()
        gateway.origin(reply=response(b"one"))
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(b"http://origin.example.com/") + ASK + b"inside")
        self.assertEqual(
            [found.status for found in client.responses(b"GET", b"CONNECT")], [200, 200]
        )
        self.assertEqual(origin.connection.received, b"inside")

    def test_http10(self) -> None:
        """HTTP/1.0 knows CONNECT too, and needs no Host for it."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(b"CONNECT origin.example.com:443 HTTP/1.0\r\n\r\nhello")
        self.assertEqual(client.response(b"CONNECT").status, 200)
        self.assertEqual(origin.connection.received, b"hello")


class AskedTests(TunnelTests):
    """The same where a plugin is asked about the server, and so with a coroutine."""

    def forward(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        plugins: Mapping[str, object] | None = None,
        window: int = WINDOW,
    ) -> Harness:
        """Have a plugin that is asked, and has nothing against it."""
        return super().forward(settings, plugins=plugins or {"test": OnUpstream()}, window=window)


class RefusalTests(ScenarioTestCase):
    """A tunnel that is not made."""

    def test_port(self) -> None:
        """A port that is not allowed is refused with 403, and nobody is asked for the name."""
        gateway = self.forward({"forward.connect_ports": [443, "8443-8444"]})
        for port in (22, 80, 8442, 8445):
            client = gateway.client()
            client.send(request(b"origin.example.com:%d" % port, method=b"CONNECT"))
            self.assertEqual(client.response().status, 403)
        self.assertEqual(gateway.names.asked, [])
        self.assertEqual({line["reason"] for line in gateway.log}, {"port_not_allowed"})

    def test_allowed_ports(self) -> None:
        """Ports and ranges of the setting are allowed."""
        for port in (443, 8443, 8444):
            gateway = self.forward({"forward.connect_ports": [443, "8443-8444"]})
            gateway.origin(port=port)
            client = gateway.client()
            client.send(request(b"origin.example.com:%d" % port, method=b"CONNECT"))
            self.assertEqual(client.response(b"CONNECT").status, 200)

    def test_refused_by_the_upstream(self) -> None:
        """Where nobody listens the client gets a 502 with a page."""
        gateway = self.forward()
        client = gateway.client()
        client.send(ASK)
        found = client.response()
        self.assertEqual((found.status, found.complete), (502, True))
        self.assertIn(b"html", found.content)
        self.assertLine(
            gateway,
            method="CONNECT",
            status=502,
            outcome="failed",
            reason="refused",
            bytes_out=len(client.received),
        )

    def test_unknown_name(self) -> None:
        """A name that does not exist is told apart."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"nowhere.example.com:443", method=b"CONNECT"))
        self.assertEqual(client.response().status, 502)
        self.assertLine(gateway, status=502, reason="name_not_found")

    def test_client_that_leaves_while_connecting(self) -> None:
        """A client that leaves ends the attempt; its line says who it was."""
        gateway = self.forward()
        gateway.origin(port=443).admitting = None
        client = gateway.client()
        client.send(ASK)
        client.reset()
        self.assertTrue(gateway.network.idle)
        self.assertLine(gateway, status=0, outcome="aborted", reason="client")

    def test_too_slow(self) -> None:
        """A server that does not answer in time is a 504, and the attempt is over."""
        gateway = self.forward({"timeouts.connect": "10s"})
        gateway.origin(port=443).admitting = None
        client = gateway.client()
        client.send(ASK)
        gateway.advance(11.0)
        self.assertEqual(client.response().status, 504)
        client.close()
        self.assertTrue(gateway.network.idle)
        self.assertLine(gateway, status=504, outcome="failed", upstream="198.51.100.1:443")

    def test_no_progress(self) -> None:
        """So it is when the time for progress is over first; nobody knows by then where it would have gone."""
        gateway = self.forward({"timeouts.connect": "60s", "timeouts.inactivity": "10s"})
        gateway.origin(port=443).admitting = None
        client = gateway.client()
        client.send(ASK)
        gateway.advance(12.0)
        self.assertEqual(client.response().status, 504)
        client.close()
        self.assertTrue(gateway.network.idle)
        self.assertLine(gateway, status=504, outcome="failed", upstream=None)

    def test_early_data_behind_a_refusal(self) -> None:
        """Bytes that were meant for the tunnel are never taken for a request to us."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"secret"))
        client = gateway.client()
        client.send(
            request(b"origin.example.com:22", method=b"CONNECT")
            + request(b"http://origin.example.com/")
        )
        self.assertEqual(client.responses()[0].status, 403)
        self.assertEqual(origin.connections, [])

    def test_late_data_behind_a_refusal(self) -> None:
        """So it is with bytes that come in their own time, before the refusal is there."""
        gateway = self.forward()
        web = gateway.origin(reply=response(b"secret"))
        origin = gateway.origin(port=443)
        origin.admitting = None
        client = gateway.client()
        client.send(ASK)
        client.send(request(b"http://origin.example.com/"))
        origin.admitting = False
        gateway.settle()
        self.assertEqual(client.responses()[0].status, 502)
        self.assertEqual(web.connections, [])

    def test_malformed(self) -> None:
        """A target that is no authority with a port is malformed."""
        for target in (
            b"origin.example.com",
            b"http://origin.example.com/",
            b"origin.example.com:0",
            b":443",
            b"a b:443",
        ):
            gateway = self.forward()
            client = gateway.client()
            client.send(b"CONNECT " + target + b" HTTP/1.1\r\nHost: origin.example.com\r\n\r\n")
            self.assertEqual(client.response().status, 400, target)
            self.assertLine(gateway, status=400, outcome="failed")

    def test_content(self) -> None:
        """A CONNECT with content could be read in two ways: 400."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT", content=b"x"))
        self.assertEqual(client.response().status, 400)

    def test_reverse(self) -> None:
        """A site is no proxy: 405."""
        gateway = self.reverse()
        client = gateway.client()
        client.send(ASK)
        self.assertEqual(client.response().status, 405)
