"""Authentication of a connection (NTLM, Negotiate; RFC 4559) in sites and in decrypted tunnels: it is nobody else's there, either."""

from __future__ import annotations

from typing import Any

from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.doors import DoorOrigin, TlsDoorOrigin, credentials, log_in, said
from tests.scenarios.interception import InterceptionTestCase
from tests.scenarios.support import ScenarioTestCase
from tests.scenarios.veils import TlsClient
from tests.unit.net.certificates import authority, issue


class ReverseTests(ScenarioTestCase):
    """Sites."""

    def test_one_origin(self) -> None:
        """A site with one origin: the handshake works, and is nobody else's."""
        gateway = self.reverse()
        origin = DoorOrigin(gateway)
        anna, ben = gateway.client(), gateway.client()
        ben.send(request(b"/"))
        log_in(anna, b"anna", b"/")
        for client in (ben, anna, ben, anna):
            client.send(request(b"/"))
        self.assertEqual(said(anna), [b"who?", *[b"for anna"] * 3])
        self.assertEqual(said(ben), [b"who?"] * 3)
        self.assertEqual(anna.responses()[0].get("proxy-support"), None)
        anna.close()
        self.assertEqual([found.closed for found in origin.connections], ["", "fin"])
        self._all_given_back(gateway)

    def _two(self, **site: object) -> tuple[Harness, list[DoorOrigin]]:
        addresses = ["198.51.100.1", "198.51.100.2"]
        gateway = self.reverse({"origins": [f"http://{one}" for one in addresses], **site})
        return gateway, [DoorOrigin(gateway, one) for one in addresses]

    def _all_given_back(self, gateway: Harness) -> None:
        """No transaction keeps an origin."""
        service: Any = gateway.service
        for site in service.upstreams.sites:
            self.assertEqual({state.open for state in site.origins.origins}, {0})

    def test_several_origins(self) -> None:
        """Whatever the way to choose, the client stays with the origin of its first message, while others take turns."""
        for more in (
            {},
            {"balance": "least_connections"},
            {"balance": "client_hash"},
            {"sticky": "cookie"},
            {"max_connections": 5},
        ):
            gateway, origins = self._two(**more)
            anna, ben = gateway.client(), gateway.client()
            for word in (b"hello", b"proof"):
                ben.send(request(b"/"))
                anna.send(request(b"/", credentials(word, b"anna")))
            for _ in range(3):
                ben.send(request(b"/"))
                anna.send(request(b"/"))
            self.assertEqual(said(anna), [b"who?", *[b"for anna"] * 4], more)
            self.assertEqual(said(ben), [b"who?"] * 5, more)
            users = [door.user for origin in origins for door in origin.doors]
            self.assertEqual(sorted(users)[-2:], [b"", b"anna"])
            self._all_given_back(gateway)

    def test_origin_gone(self) -> None:
        """If that origin can't be reached any more the client is bound to another one."""
        gateway, origins = self._two()
        anna = gateway.client()
        log_in(anna, b"anna", b"/")
        (bound,) = [origin for origin in origins if origin.connections]
        bound.admitting = False
        bound.connection.close()
        anna.send(request(b"/"))
        log_in(anna, b"anna", b"/")
        for _ in range(3):
            anna.send(request(b"/"))
        self.assertEqual(said(anna), [b"who?", b"for anna", b"who?", b"who?", *[b"for anna"] * 4])
        (other,) = [origin for origin in origins if origin is not bound]
        self.assertEqual([door.user for door in other.doors], [b"anna"])
        self._all_given_back(gateway)

    def test_cookie(self) -> None:
        """A sticky cookie leads the first message; its line is given once, and the origin never sees it."""
        gateway, origins = self._two(sticky="cookie")
        anna = gateway.client()
        anna.send(request(b"/"))
        line = anna.responses()[0].get("set-cookie") or b""
        cookie = b"Cookie: " + line.partition(b";")[0]
        other = gateway.client()
        other.send(request(b"/"))
        log_in(anna, b"anna", b"/", b"NTLM", cookie)
        self.assertEqual(said(anna), [b"who?", b"who?", b"for anna"])
        self.assertEqual([found.get("set-cookie") for found in anna.responses()[1:]], [None, None])
        asked = [found for origin in origins for found in origin.requests]
        self.assertEqual({found.get("cookie") for found in asked}, {None})

    def test_waits_for_its_origin(self) -> None:
        """A bound client waits for room at its own origin, though another one has some."""
        gateway, origins = self._two(max_connections=1)
        anna = gateway.client()
        log_in(anna, b"anna", b"/")
        (bound,) = [origin for origin in origins if origin.connections]
        (other,) = [origin for origin in origins if origin is not bound]
        for origin in origins:
            origin.silent = True
            gateway.client().send(request(b"/"))
        anna.send(request(b"/"))
        other.send(response(b"late"))
        # There is room now, but not where anna is known.
        self.assertEqual(said(anna), [b"who?", b"for anna"])
        bound.send(response(b"late"))
        self.assertEqual(said(anna), [b"who?", b"for anna", b"for anna"])
        self.assertEqual([len(origin.doors) for origin in (bound, other)], [2, 1])
        self._all_given_back(gateway)


class InterceptedTests(InterceptionTestCase):
    """Decrypted tunnels."""

    HOST = b"Host: origin.example.com"

    def test_handshake(self) -> None:
        """The handshake works within TLS, and no other client gets that connection; its end is that of both."""
        gateway = self.intercepting()
        origin = TlsDoorOrigin(gateway, self.pem)
        anna, ben = self.client(gateway), self.client(gateway)
        ben.send(request(b"/", self.HOST))
        log_in(anna, b"anna", b"/", b"NTLM", self.HOST)
        for client in (ben, anna, ben, anna):
            client.send(request(b"/", self.HOST))
        self.assertEqual(said(anna), [b"who?", *[b"for anna"] * 3])
        self.assertEqual(said(ben), [b"who?"] * 3)
        late = self.client(gateway)
        late.send(request(b"/", self.HOST))
        self.assertEqual(said(late), [b"who?"])
        (own,) = [
            connection
            for connection, door in zip(origin.connections, origin.doors, strict=True)
            if door.user
        ]
        self.assertEqual(own.closed, "")
        anna.raw.close()
        self.assertEqual(own.closed, "fin")
        late = self.client(gateway)
        late.send(request(b"/", self.HOST))
        self.assertEqual(said(late), [b"who?"])

    def test_bound_before(self) -> None:
        """A client that was bound outside of the tunnel takes nothing of that into it."""
        gateway = self.intercepting()
        outside, inside = DoorOrigin(gateway), TlsDoorOrigin(gateway, self.pem)
        raw = gateway.client()
        log_in(raw, b"anna")
        self.assertIn(b"for anna", raw.take())
        client = TlsClient(gateway, self.ca(gateway), raw=raw)
        client.send(request(b"/", self.HOST))
        self.assertEqual(said(client), [b"who?"])
        self.assertEqual(outside.connection.closed, "fin")
        self.assertEqual({door.user for door in inside.doors}, {b""})

    def test_reload(self) -> None:
        """A client whose configuration changes stays bound."""
        gateway = self.intercepting()
        TlsDoorOrigin(gateway, self.pem)
        anna, ben = self.client(gateway), self.client(gateway)
        log_in(anna, b"anna", b"/", b"NTLM", self.HOST)
        self.successResultOf(gateway.reload({"limits.upload": 9000}))
        for client in (ben, anna):
            client.send(request(b"/", self.HOST))
        self.assertEqual(said(anna)[-1], b"for anna")
        self.assertEqual(said(ben), [b"who?"])

    def test_our_certificate(self) -> None:
        """Where the gateway shows a certificate of its own no two clients share a connection; each one's ends with it."""
        shown = self.mktemp()
        with open(shown, "wb") as file:
            file.write(issue("gateway", authority()).pem)
        found = [{"host": "origin.example.com", "certificate": shown}]
        gateway = self.intercepting({"tls.client_certificates": found})
        origin = self.tls_origin(gateway)
        first, second = self.client(gateway), self.client(gateway)
        for client in (first, second, first, second):
            client.send(request(b"/", self.HOST))
        self.assertEqual(said(first), [b"from the origin"] * 2)
        self.assertEqual([len(found.requests) for found in origin.connections], [2, 2])
        first.raw.close()
        self.assertEqual([found.closed for found in origin.connections], ["fin", ""])
        third = self.client(gateway)
        third.send(request(b"/", self.HOST))
        self.assertEqual([len(found.requests) for found in origin.connections], [2, 2, 1])
        # It stays so when the client authenticates its connection besides.
        second.send(request(b"/", credentials(b"hello", b"ben"), self.HOST))
        self.assertEqual([len(found.requests) for found in origin.connections], [2, 3, 1])
