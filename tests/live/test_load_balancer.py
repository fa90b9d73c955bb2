"""HAProxy in front (L3): whose address the gateway believes, from whom, and in which form."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, connected
from tests.live.processes import Gateway, free_port, haproxy

#: The client's address, which is not that of HAProxy's connection to us.
CLIENT = "127.0.0.5"

BEHIND = """
[[site]]
listen = [{ address = "127.0.0.1:$reverse", proxy_protocol = true }]
origins = ["http://127.0.0.1:$origin"]
[forward]
listen = ["127.0.0.1:$forward"]
allow_from = ["127.0.0.5"]
allow_destinations = ["127.0.0.0/8"]
[network]
trusted_proxies = ["$trusted"]
"""


class ProxyProtocolTests(SynchronousTestCase):
    """The PROXY protocol, as HAProxy speaks it."""

    def setUp(self) -> None:
        """Start an origin."""
        self.origin = Origin(self)

    def balanced(self, gateway: Gateway, how: str, *, mode: str = "http") -> int:
        """Start HAProxy in front of the site and give its port."""
        port = free_port()
        haproxy(
            self,
            f"listen site\n  mode {mode}\n  bind 127.0.0.1:{port}\n"
            f"  server gateway 127.0.0.1:{gateway.reverse} {how}\n",
            port,
        )
        return port

    def ask(self, port: int, source: str = CLIENT) -> tuple[int, str]:
        """Ask for the same thing twice on one connection from an address; give status and our port."""
        client = connected(self, port, source)
        ours: str = client.socket.getsockname()[1]
        for _ in range(2):
            client.send(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
            status = client.answer().status
        return status, ours

    def test_versions(self) -> None:
        """With version 1 and with version 2 the log, the origin and plugins get the client's own address and port."""
        gateway = Gateway(self, BEHIND, origin=self.origin.port, trusted="127.0.0.1")
        for number, how in enumerate(
            ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id")
        ):
            port = self.balanced(gateway, how, mode="tcp")
            status, ours = self.ask(port)
            self.assertEqual(status, 200, how)
            for line in gateway.lines(2 * number + 2)[-2:]:
                self.assertEqual((line["client"], line["client_port"]), (CLIENT, ours), how)
            self.assertEqual(self.origin.seen[-1].get("x-forwarded-for"), CLIENT, how)

    def test_balancer_that_reads_http(self) -> None:
        """In HTTP mode the balancer's own connections carry the address of the client they were made for."""
        gateway = Gateway(self, BEHIND, origin=self.origin.port, trusted="127.0.0.1")
        port = self.balanced(gateway, "send-proxy-v2")
        self.assertEqual(self.ask(port)[0], 200)
        self.assertEqual(self.ask(port, "127.0.0.6")[0], 200)
        self.assertEqual(
            [line["client"] for line in gateway.lines(4)],
            [CLIENT, CLIENT, "127.0.0.6", "127.0.0.6"],
        )

    def test_untrusted_balancer(self) -> None:
        """A balancer that is not trusted is cut off: no request of it is served, and the gateway says who it was."""
        gateway = Gateway(self, BEHIND, origin=self.origin.port, trusted="192.0.2.1")
        port = self.balanced(gateway, "send-proxy")
        self.assertIn(self.ask_once(port), (502, 503))
        self.assertEqual(self.origin.seen, [])
        gateway.says("127.0.0.1 is not in network.trusted_proxies and may not speak for clients")

    def test_no_header(self) -> None:
        """Without a header a trusted peer is cut off too: it is a mistake, and no address can be believed."""
        gateway = Gateway(self, BEHIND, origin=self.origin.port, trusted="127.0.0.1")
        client = connected(self, gateway.reverse)
        client.send(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertRaises(ConnectionResetError, client.rest)
        self.assertEqual(self.origin.seen, [])

    def test_checks_of_the_balancer(self) -> None:
        """HAProxy's own checks, which come with LOCAL in place of an address, are answered."""
        gateway = Gateway(self, BEHIND, origin=self.origin.port, trusted="127.0.0.1")
        how = "send-proxy-v2 check check-send-proxy inter 200ms"
        port = free_port()
        haproxy(
            self,
            f"listen site\n  bind 127.0.0.1:{port}\n  option httpchk\n  http-check send meth GET uri /hello ver HTTP/1.1 "
            f"hdr Host www.example.com\n  http-check expect status 200\n"
            f"  server gateway 127.0.0.1:{gateway.reverse} {how}\n",
            port,
        )
        checks = gateway.lines(2)
        self.assertEqual(
            {(line["client"], line["status"]) for line in checks}, {("127.0.0.1", 200)}
        )
        self.assertEqual(self.ask(port)[0], 200)

    def ask_once(self, port: int) -> int:
        """Ask for something and give the status."""
        client = connected(self, port, CLIENT)
        client.send(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        return client.answer().status


class ForwardedForTests(SynchronousTestCase):
    """X-Forwarded-For, for balancers that don't speak the PROXY protocol."""

    def ask(self, trusted: str) -> tuple[int, str]:
        """Ask the forward proxy through HAProxy, which names the client; give status and the client in the log."""
        origin = Origin(self)
        gateway = Gateway(self, BEHIND, origin=origin.port, trusted=trusted)
        port = free_port()
        haproxy(
            self,
            f"listen site\n  bind 127.0.0.1:{port}\n  option forwardfor\n"
            f"  server gateway 127.0.0.1:{gateway.forward}\n",
            port,
        )
        client = connected(self, port, CLIENT)
        # What the client itself writes there is not believed: HAProxy adds the last entry.
        client.send(
            b"GET http://127.0.0.1:%d/hello HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"
            % (origin.port, origin.port)
        )
        return client.answer().status, gateway.lines(1)[0]["client"]

    def test_trusted(self) -> None:
        """From a trusted balancer the address it has added is the client's, for the log and for C{allow_from}."""
        self.assertEqual(self.ask("127.0.0.1"), (200, CLIENT))

    def test_untrusted(self) -> None:
        """From anybody else the field is not believed."""
        self.assertEqual(self.ask("192.0.2.1"), (403, "127.0.0.1"))
