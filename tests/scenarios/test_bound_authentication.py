"""Authentication of a connection (NTLM, Negotiate; RFC 4559): it works through the gateway, and is nobody else's."""

from __future__ import annotations

import gc

from gateway.api import Identity, Transaction, Verdict, hookimpl
from gateway.testing.peers import request, response
from tests.scenarios.doors import DoorOrigin, credentials, log_in, said
from tests.scenarios.plugins import Base, Watcher
from tests.scenarios.scanners import Copies
from tests.scenarios.support import URL, ScenarioTestCase

BALANCER = "192.0.2.7"


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
