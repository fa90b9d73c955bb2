"""Authentication of a connection (NTLM, Negotiate; RFC 4559): it works through the gateway, and is nobody else's."""

from __future__ import annotations

import gc
from typing import Any

from gateway.api import Identity, Transaction, Verdict, hookimpl
from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.messages import Message
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, request, response
from gateway.testing.sockets import MemorySocket
from tests.scenarios.plugins import Base, Watcher
from tests.scenarios.support import URL, ScenarioTestCase
from tests.scenarios.test_content import Copies
from tests.scenarios.test_interception import InterceptionTestCase
from tests.scenarios.veils import TlsClient, TlsOrigin
from tests.unit.net.certificates import authority, issue

BALANCER = "192.0.2.7"


class Door:
    """
    What a server knows of one connection: it asks for a handshake of three messages, and remembers whose it was.

    As servers do, it forgets what it was about when it gets anything else in between, and never looks again at a
    connection that is somebody's.
    """

    def __init__(self, scheme: bytes) -> None:
        self._scheme = scheme
        self._begun: bytes | None = None
        self.user = b""

    def answer(self, asked: Message) -> bytes:
        """Answer one request."""
        scheme, _, said = (asked.get("authorization") or b"").partition(b" ")
        if scheme.lower() == self._scheme.lower():
            word, _, who = said.partition(b":")
            if word == b"hello":
                self._begun = who
                self.user = b""
                return self._wants(b" challenge")
            if word == b"proof" and who == self._begun:
                self.user = who
        self._begun = None
        if self.user:
            return response(b"for " + self.user)
        return self._wants(b"")

    def _wants(self, more: bytes) -> bytes:
        line = b"WWW-Authenticate: " + self._scheme + more
        return response(b"who?", line, status=b"401 Unauthorized")


class _Asked:
    """What one connection is answered by."""

    def __init__(self, door: Door, around: Any) -> None:
        self.reply = None if around.silent else door.answer
        self.context = getattr(around, "context", None)


class _Doors:
    """
    Gives each connection of an origin a door of its own.

    @ivar doors: in the order of the connections.
    @ivar silent: new connections are not answered.
    """

    scheme = b"NTLM"
    silent = False
    doors: list[Door]
    connections: list[Any]

    def accept(self, socket: MemorySocket) -> None:
        """Take a connection."""
        super().accept(socket)  # type: ignore[misc]
        door = Door(self.scheme)
        self.doors.append(door)
        self.connections[-1]._origin = _Asked(door, self)


class DoorOrigin(_Doors, ScriptedOrigin):
    """An origin that authenticates connections."""

    def __init__(
        self,
        gateway: Harness,
        address: str = ORIGIN,
        port: int = 80,
        *,
        scheme: bytes = b"NTLM",
    ) -> None:
        super().__init__(gateway.network, address, port)
        self.doors = []
        self.scheme = scheme


class TlsDoorOrigin(_Doors, TlsOrigin):
    """The same over TLS."""

    def __init__(self, gateway: Harness, pem: Any) -> None:
        super().__init__(gateway, pem)
        self.doors = []


def credentials(word: bytes, who: bytes, scheme: bytes = b"NTLM") -> bytes:
    """Write a message of the handshake."""
    return b"Authorization: %b %b:%b" % (scheme, word, who)


def log_in(
    client: ScriptedClient | TlsClient,
    who: bytes,
    url: bytes = URL,
    scheme: bytes = b"NTLM",
    *lines: bytes,
) -> None:
    """Let a client do the whole handshake."""
    for word in (b"hello", b"proof"):
        client.send(request(url, credentials(word, who, scheme), *lines))


def said(client: ScriptedClient | TlsClient) -> list[bytes]:
    """Give the contents of a client's answers."""
    return [found.content for found in client.responses()]


class ForwardTests(ScenarioTestCase):
    """The forward proxy."""

    def test_handshake(self) -> None:
        """Three messages and all that follows go by one connection, which only the user's own requests find."""
        for scheme, spelt in ((b"NTLM", b"ntlm"), (b"Negotiate", b"Negotiate")):
            gateway = self.forward()
            origin = DoorOrigin(gateway, scheme=scheme)
            anna, ben = gateway.client(), gateway.client()
            anna.send(request(URL))
            # It leaves a connection behind for everybody, which ben goes on to use.
            ben.send(request(URL))
            self.assertEqual(len(origin.connections), 1)
            anna.send(request(URL, credentials(b"hello", b"anna", spelt)))
            ben.send(request(URL))
            anna.send(request(URL, credentials(b"proof", b"anna", spelt)))
            for _ in range(2):
                anna.send(request(URL))
                ben.send(request(URL))
            self.assertEqual(said(anna), [b"who?", b"who?", *[b"for anna"] * 3])
            self.assertEqual(said(ben), [b"who?"] * 4)
            self.assertEqual([door.user for door in origin.doors], [b"", b"anna"])

    def test_two_users(self) -> None:
        """Two handshakes at once do not get into each other's way, and each user stays who he is."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        clients = {who: gateway.client() for who in (b"anna", b"ben")}
        for word in (b"hello", b"proof"):
            for who, client in clients.items():
                client.send(request(URL, credentials(word, who)))
        for _ in range(2):
            for client in clients.values():
                client.send(request(URL))
        for who, client in clients.items():
            self.assertEqual(said(client), [b"who?", *[b"for " + who] * 3])
        self.assertEqual(len(origin.connections), 2)

    def test_pipelined(self) -> None:
        """Requests that follow in the same read are the user's too, and bring the binding with them."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        client = gateway.client()
        client.send(
            request(URL)
            + request(URL, credentials(b"hello", b"anna"))
            + request(URL, credentials(b"proof", b"anna"))
            + request(URL)
        )
        self.assertEqual(said(client), [b"who?", b"who?", b"for anna", b"for anna"])
        self.assertEqual(len(origin.connections), 2)

    def test_content(self) -> None:
        """Content may come with the last message, and the connection stays the user's."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        client = gateway.client()
        for word, content in ((b"hello", b""), (b"proof", b"abc")):
            client.send(request(URL, credentials(word, b"anna"), method=b"POST", content=content))
        client.send(request(URL, method=b"POST", content=b"def"))
        self.assertEqual(
            [found.content for found in client.responses(*[b"POST"] * 3)],
            [b"who?", b"for anna", b"for anna"],
        )
        (connection,) = origin.connections
        self.assertEqual([found.content for found in connection.requests], [b"", b"abc", b"def"])

    def test_end(self) -> None:
        """When the client goes, in order or not, its connections are closed at once; others stay."""
        for how in ("close", "reset"):
            gateway = self.forward()
            origin = DoorOrigin(gateway)
            other = gateway.client()
            other.send(request(URL))
            client = gateway.client()
            log_in(client, b"anna")
            getattr(client, how)()
            shared, own = origin.connections
            self.assertEqual((shared.closed, own.closed), ("", "fin"), how)
            self.assertEqual(gateway.upstream_connections, 1)

    def test_end_in_the_middle(self) -> None:
        """One that goes while it waits for an answer leaves nothing behind, at the latest when that has come."""
        for how in ("close", "reset"):
            gateway = self.forward()
            origin = DoorOrigin(gateway)
            client = gateway.client()
            log_in(client, b"anna")
            origin.connection._origin.reply = None
            client.send(request(URL))
            getattr(client, how)()
            if how == "close":
                origin.send(response(b"late"))
            self.assertEqual(gateway.upstream_connections, 0, how)

    def test_died(self) -> None:
        """A request on an authenticated connection that has died goes by a new one, where nobody is known: 401, and again."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        client = gateway.client()
        log_in(client, b"anna")
        origin.connection.close()
        client.send(request(URL))
        log_in(client, b"anna")
        self.assertEqual(said(client), [b"who?", b"for anna", b"who?", b"who?", b"for anna"])
        ben = gateway.client()
        ben.send(request(URL))
        self.assertEqual(said(ben), [b"who?"])

    def test_several_servers(self) -> None:
        """Each server has a connection of the client's own, whoever it has authenticated for another one."""
        gateway = self.forward()
        gateway.names.known["other.example.com"] = ("198.51.100.2",)
        DoorOrigin(gateway)
        DoorOrigin(gateway, "198.51.100.2")
        other = b"http://other.example.com/"
        anna, ben = gateway.client(), gateway.client()
        log_in(anna, b"anna")
        log_in(anna, b"anna", other)
        for client in (ben, anna):
            client.send(request(URL))
            client.send(request(other))
        self.assertEqual(said(anna)[-2:], [b"for anna"] * 2)
        self.assertEqual(said(ben), [b"who?"] * 2)

    def test_other_schemes(self) -> None:
        """Credentials of a request bind nothing: its connection is shared as ever."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"ok"))
        for line in (b"Authorization: Basic YTpi", b"Authorization: Bearer ntlm"):
            gateway.client().send(request(URL, line))
        self.assertEqual(len(origin.connections), 1)

    def test_parent(self) -> None:
        """The same holds for connections to a parent, which is believed in what it says of its own ones."""
        gateway = self.forward({"forward.parent": [{"url": "http://203.0.113.8:3128"}]})
        parent = DoorOrigin(gateway, "203.0.113.8", 3128)
        anna, ben = gateway.client(), gateway.client()
        log_in(anna, b"anna")
        ben.send(request(URL))
        anna.send(request(URL))
        self.assertEqual(said(anna), [b"who?", b"for anna", b"for anna"])
        self.assertEqual(said(ben), [b"who?"])
        self.assertEqual(anna.responses()[0].get("proxy-support"), None)
        self.assertEqual(len(parent.connections), 2)

    def test_proxy_support(self) -> None:
        """Clients are told that such authentication works here, without which they don't begin; once, and only if it does."""
        line = b"Proxy-Support: Session-Based-Authentication"
        for challenge, told in (
            ((b"WWW-Authenticate: NTLM",), 1),
            ((b"WWW-Authenticate: Basic realm=x", b"WWW-Authenticate: Negotiate"), 1),
            ((b"WWW-Authenticate: NTLM", line), 1),
            ((b"WWW-Authenticate: Basic realm=x",), 0),
            ((), 0),
        ):
            gateway = self.forward()
            gateway.origin(reply=response(b"", *challenge, status=b"401 Unauthorized"))
            client = gateway.client()
            client.send(request(URL))
            self.assertEqual(client.received.count(line), told, challenge)
            self.assertEqual(client.response().status, 401)
        gateway = self.forward()
        gateway.origin(reply=response(b"", b"WWW-Authenticate: NTLM", status=b"401 No"))
        client = gateway.client()
        client.send(request(URL).replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.assertNotIn(line, client.received)

    def test_upgrade(self) -> None:
        """A WebSocket goes by the user's own connection, and nothing of it is kept."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        client = gateway.client()
        log_in(client, b"anna")
        origin.connection._origin.reply = lambda asked: (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"
        )
        client.send(request(URL, b"Connection: Upgrade", b"Upgrade: websocket"))
        self.assertTrue(client.received.endswith(b"\r\n\r\nhi"))
        self.assertEqual((len(origin.connections), gateway.upstream_connections), (1, 0))
        client.close()
        self.assertEqual(origin.connection.closed, "fin")

    def test_tunnel_after(self) -> None:
        """With a CONNECT the client's requests are over, and so are its connections."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        far = gateway.origin(port=443)
        client = gateway.client()
        log_in(client, b"anna")
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        client.send(b"through")
        self.assertEqual(far.connection.received, b"through")
        self.assertEqual(origin.connection.closed, "fin")

    def test_refused_request(self) -> None:
        """Such a request is refused for the same reasons as any other."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        client = gateway.client()
        client.send(request(URL, b"Expect: x", credentials(b"hello", b"anna")))
        self.assertEqual(client.response().status, 417)
        client = gateway.client()
        client.send(request(URL, b"Via: 1.1 gateway-under-test", credentials(b"hello", b"anna")))
        self.assertEqual(client.response().status, 508)
        client = gateway.client()
        client.send(
            request(URL, b"Max-Forwards: 0", credentials(b"hello", b"anna"), method=b"TRACE")
        )
        self.assertEqual(client.response(b"TRACE").status, 200)
        self.assertNotIn(b"anna", client.received)
        self.assertEqual(origin.connections, [])

    def test_reload(self) -> None:
        """A client whose configuration changes stays bound, and nobody else gets its connections."""
        gateway = self.forward()
        origin = DoorOrigin(gateway)
        anna, ben = gateway.client(), gateway.client()
        log_in(anna, b"anna")
        self.successResultOf(gateway.reload({"limits.upload": 9000}))
        for client in (ben, anna):
            client.send(request(URL))
        self.assertEqual(said(anna)[-1], b"for anna")
        self.assertEqual(said(ben), [b"who?"])
        anna.close()
        self.assertEqual([found.closed for found in origin.connections], ["fin", ""])

    def test_plugin(self) -> None:
        """Credentials of the kind that a plugin adds make a connection that nobody gets after that request."""

        class Adds(Base):
            @hookimpl()
            def request_headers(self, txn: Transaction) -> Verdict | None:
                if txn.request.path == "/in":
                    txn.request.fields.set("Authorization", "Negotiate proof:robot")
                return None

        gateway = self.forward(plugins={"test": Adds()})
        origin = DoorOrigin(gateway, scheme=b"Negotiate")
        client = gateway.client()
        client.send(request(URL))
        # One message is enough here.
        origin.doors[0]._begun = b"robot"
        client.send(request(URL + b"in"))
        gateway.client().send(request(URL))
        self.assertEqual(said(client), [b"who?", b"for robot"])
        self.assertEqual([door.user for door in origin.doors], [b"robot", b""])
        self.assertEqual([found.closed for found in origin.connections], ["fin", ""])

    def test_not_stored(self) -> None:
        """What a server tells a user that it knows by the connection is not offered to a store."""
        copies = Copies()
        gateway = self.forward(plugins={"test": copies})
        DoorOrigin(gateway)
        client, other = gateway.client(), gateway.client()
        log_in(client, b"anna")
        client.send(request(URL + b"mine"))
        other.send(request(URL + b"open"))
        self.assertEqual(said(client)[-1], b"for anna")
        self.assertEqual(copies.asked, ["http://origin.example.com/open"])

    def test_clients_of_a_proxy(self) -> None:
        """A trusted proxy in front may mix its clients' requests on one connection; they are told apart."""
        gateway = self.forward({"network.trusted_proxies": [BALANCER]})
        origin = DoorOrigin(gateway)
        front = gateway.client(BALANCER)
        names = {who: b"X-Forwarded-For: 192.0.2.%d" % n for n, who in ((1, b"anna"), (2, b"ben"))}
        log_in(front, b"anna", URL, b"NTLM", names[b"anna"])
        for who in (b"ben", b"anna", b"ben"):
            front.send(request(URL, names[who]))
        log_in(front, b"ben", URL, b"NTLM", names[b"ben"])
        front.send(request(URL, names[b"anna"]))
        front.send(request(URL))
        self.assertEqual(
            said(front)[2:],
            [b"who?", b"for anna", b"who?", b"who?", b"for ben", b"for anna", b"who?"],
        )
        front.close()
        self.assertEqual({found.closed for found in origin.connections}, {"fin"})

    def test_nothing_left(self) -> None:
        """Its transactions are gone at their end, without waiting for the collector."""
        watcher = Watcher()
        gateway = self.forward(plugins={"watcher": watcher})
        DoorOrigin(gateway)
        gc.disable()
        self.addCleanup(gc.enable)
        client = gateway.client()
        log_in(client, b"anna")
        client.send(request(URL))
        self.assertEqual((len(watcher.seen), watcher.alive), (3, 0))

    def test_users_of_a_proxy(self) -> None:
        """So may one that is not trusted to name clients: who shows other credentials to the gateway is somebody else."""

        class Guard(Base):
            @hookimpl()
            def authenticate(self, txn: Transaction) -> Identity:
                return Identity(txn.request.fields.get("proxy-authorization") or "")

        gateway = self.forward(plugins={"test": Guard()})
        DoorOrigin(gateway)
        front = gateway.client()
        shows = {who: b"Proxy-Authorization: " + who for who in (b"anna", b"ben")}
        log_in(front, b"anna", URL, b"NTLM", shows[b"anna"])
        for who in (b"ben", b"anna"):
            front.send(request(URL, shows[who]))
        self.assertEqual(said(front), [b"who?", b"for anna", b"who?", b"for anna"])


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
