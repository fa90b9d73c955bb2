"""The forward proxy does not connect to what it must not reach, by whatever name."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import ScenarioTestCase


class GuardTests(ScenarioTestCase):
    """Asked of the address that is dialled."""

    def _refused(self, settings: dict[str, object] | None = None, **names: tuple[str, ...]) -> None:
        gateway = self.forward(settings)
        origins = [
            gateway.origin(address, reply=response(b"secret"))
            for found in names.values()
            for address in found
        ]
        for name, found in names.items():
            gateway.names.known[f"{name}.example.com"] = found
            client = gateway.client()
            client.send(request(b"http://%b.example.com/" % name.encode()))
            self.assertEqual(client.response().status, 403, name)
            self.assertNotIn(b"secret", client.received)
            self.assertEqual(gateway.log[-1]["reason"], "forbidden_destination")
        self.assertEqual([origin.connections for origin in origins], [[] for _ in origins])

    def test_built_in(self) -> None:
        """Loopback, link-local and their like are refused though a name stands for them."""
        self._refused(
            a=("127.0.0.1",),
            b=("127.8.8.8",),
            c=("169.254.169.254",),
            d=("0.0.0.0",),
            e=("::1",),
            f=("::ffff:127.0.0.1",),
        )

    def test_literal(self) -> None:
        """So are they when the URL itself has the address."""
        gateway = self.forward()
        for host in (b"127.0.0.1", b"[::1]", b"169.254.169.254"):
            client = gateway.client()
            client.send(request(b"http://%b/" % host))
            self.assertEqual(client.response().status, 403, host)

    def test_denied(self) -> None:
        """What the configuration denies is refused too."""
        self._refused({"forward.deny_destinations": ["198.51.100.0/24"]}, a=("198.51.100.9",))

    def test_connect(self) -> None:
        """CONNECT is no way round."""
        gateway = self.forward()
        origin = gateway.origin("127.0.0.1", 443)
        client = gateway.client()
        client.send(request(b"127.0.0.1:443", method=b"CONNECT"))
        self.assertEqual((client.response().status, origin.connections), (403, []))
        self.assertLine(gateway, status=403, outcome="failed", reason="forbidden_destination")

    def test_allowed(self) -> None:
        """Exceptions are made by the configuration alone."""
        gateway = self.forward({"forward.allow_destinations": ["127.0.0.0/8"]})
        gateway.origin("127.0.0.1", reply=response(b"abc"))
        client = gateway.client()
        client.send(request(b"http://127.0.0.1/"))
        self.assertEqual(client.response().content, b"abc")

    def test_own_listener(self) -> None:
        """Our own listeners are refused whatever is allowed: that would be a loop."""
        gateway = self.forward({"forward.allow_destinations": ["127.0.0.0/8"]})
        client = gateway.client()
        client.send(request(b"http://127.0.0.1:8080/"))
        self.assertEqual(client.response().status, 403)

    def test_other_addresses_of_the_name(self) -> None:
        """A name with a forbidden and an allowed address is reached at the allowed one."""
        gateway = self.forward()
        gateway.names.known["both.example.com"] = ("127.0.0.1", "198.51.100.1")
        forbidden = gateway.origin("127.0.0.1", reply=response(b"secret"))
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(b"http://both.example.com/"))
        self.assertEqual((client.response().content, forbidden.connections), (b"abc", []))

    def test_rebinding(self) -> None:
        """A name that changes its address between two requests is judged anew."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc", b"Connection: close"))
        secret = gateway.origin("127.0.0.1", reply=response(b"secret"))
        gateway.names.known["moving.example.com"] = ("198.51.100.1",)
        client = gateway.client()
        client.send(request(b"http://moving.example.com/"))
        gateway.names.known["moving.example.com"] = ("127.0.0.1",)
        client.send(request(b"http://moving.example.com/"))
        self.assertEqual([found.status for found in client.responses()], [200, 403])
        self.assertEqual((len(origin.connections), secret.connections), (1, []))

    def test_site_origins(self) -> None:
        """The origins of a site are named by the configuration and so not judged."""
        gateway = self.reverse({"origins": ["http://127.0.0.1:8000"]})
        gateway.origin("127.0.0.1", 8000, reply=response(b"abc"))
        client = gateway.client()
        client.send(request(b"/"))
        self.assertEqual(client.response().content, b"abc")


class ClientTests(ScenarioTestCase):
    """Who may use the proxy."""

    def test_not_allowed(self) -> None:
        """Whoever is not in allow_from gets 403, and nobody is asked for anything."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        for address in ("203.0.113.5", "2001:db9::1"):
            client = gateway.client(address)
            client.send(request(b"http://origin.example.com/"))
            self.assertEqual(client.response().status, 403)
            self.assertEqual(gateway.log[-1]["reason"], "not_allowed")
        self.assertEqual((origin.connections, gateway.names.asked), ([], []))

    def test_ipv6(self) -> None:
        """IPv6 clients are told by their networks, too."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client("2001:db8::7")
        client.send(request(b"http://origin.example.com/"))
        self.assertLine(gateway, status=200, client="2001:db8::7")

    def test_mapped_ipv4(self) -> None:
        """An IPv4 client of an IPv6 listener is an IPv4 client."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client("::ffff:192.0.2.7")
        client.send(request(b"http://origin.example.com/"))
        self.assertLine(gateway, status=200, client="192.0.2.7")

    def test_connection_limit(self) -> None:
        """Connections over the limit of all listeners are closed at once."""
        gateway = self.forward({"limits.connections": 2})
        gateway.origin(reply=response())
        kept = [gateway.client(), gateway.client()]
        self.assertEqual(gateway.client().closed, "fin")
        kept[0].close()
        last = gateway.client()
        last.send(request(b"http://origin.example.com/"))
        self.assertEqual(last.response().status, 200)

    def test_listener_limit(self) -> None:
        """So are those over the limit of one listener."""
        gateway = self.forward(
            {"forward.listen": [{"address": "127.0.0.1:8080", "max_connections": 1}]}
        )
        first = gateway.client()
        self.assertEqual((gateway.client().closed, first.closed), ("fin", ""))
