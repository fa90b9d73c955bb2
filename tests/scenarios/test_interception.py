"""Decrypted tunnels: TLS with the server first, TLS with the client after what that has shown, HTTP within."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.api import Block, ClientHello, Identity, Intercept, Tunnel, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import Reply, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import ScenarioTestCase
from tests.scenarios.veils import TARGET, TlsClient, TlsOrigin, Veil, origin_files
from tests.unit.net.certificates import authority

GET = request(b"/x", b"Host: origin.example.com")
PAGE = response(b"from the origin")


class InterceptionTestCase(ScenarioTestCase):
    """Makes gateways that decrypt, and what stands around them."""

    def intercepting(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        plugins: Mapping[str, object] | None = None,
    ) -> Harness:
        """Start a forward proxy that decrypts all it can."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.pem, root = origin_files(self.folder, "origin.example.com", "*.cdn.example.com")
        said: dict[str, object] = {
            "tls.decrypt": "all",
            "tls.ca": str(self.folder / "ca"),
            "tls.trust": [str(root)],
        }
        said.update(settings or {})
        return self.forward(said, plugins=plugins)

    def ca(self, gateway: Harness) -> bytes:
        """Give the gateway's CA as DER."""
        service: Any = gateway.service
        minting = service.generations.now.minting
        published: bytes = minting.authority.published()[0].der
        return published

    def tls_origin(self, gateway: Harness, reply: Reply | None = PAGE, **more: Any) -> TlsOrigin:
        """Set up the usual origin."""
        return TlsOrigin(gateway, self.pem, reply, **more)

    def client(self, gateway: Harness, **more: Any) -> TlsClient:
        """Let a client that trusts the gateway's CA go through it."""
        return TlsClient(gateway, self.ca(gateway), **more)


class WithinTests(InterceptionTestCase):
    """A connection that is decrypted."""

    def test_request(self) -> None:
        """A request goes through the same pipeline, and reaches the server in origin-form with the client's Host."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        self.assertEqual(origin.request.start, b"GET /x HTTP/1.1")
        self.assertEqual(origin.request.get("host"), b"origin.example.com")
        self.assertEqual(origin.request.get("via"), b"1.1 gateway-under-test")
        connect, inside = gateway.log
        self.assertEqual((connect["method"], connect["outcome"]), ("CONNECT", "intercepted"))
        self.assertEqual(connect["status"], 200)
        self.assertEqual(inside["url"], "https://origin.example.com/x")
        self.assertEqual((inside["outcome"], inside["upstream"]), ("delivered", "198.51.100.1:443"))
        for line in (connect, inside):
            tls = line["tls"]
            self.assertEqual((tls["decision"], tls["why"]), ("intercept", "decrypt_all"))
            self.assertEqual(tls["server_name"], "origin.example.com")
            self.assertEqual((tls["version"], tls["upstream_version"]), ("TLSv1.3", "TLSv1.3"))

    def test_mirrored(self) -> None:
        """The client is shown the names that the server's certificate has."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        names = [name for _, name in client.shown["subjectAltName"]]
        self.assertEqual(names, ["origin.example.com", "*.cdn.example.com"])

    def test_kept_open(self) -> None:
        """One connection carries many requests, and the server's is kept for the next client."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        for _ in range(3):
            client.send(GET)
        self.assertEqual(len(client.responses()), 3)
        other = self.client(gateway)
        other.send(GET)
        self.assertEqual(other.response().content, b"from the origin")
        self.assertEqual(len(origin.connections), 1)

    def test_hello_with_the_request(self) -> None:
        """A ClientHello that comes right behind the CONNECT is not lost."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway, shake=False)
        early = gateway.client()
        early.send(request(TARGET, method=b"CONNECT") + client.veil.hello())
        self.assertIn(b"\r\n\r\n\x16\x03\x03", early.received)

    def test_no_server_name(self) -> None:
        """Without a server name the host of the CONNECT is verified and shown."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway, name=None)
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin")

    def test_no_alpn(self) -> None:
        """Without ALPN what the client says first tells that it is HTTP."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway, alpn=())
        client.send(GET[:2])
        self.assertEqual(origin.requests, [])
        client.send(GET[2:])
        self.assertEqual(client.response().content, b"from the origin")
        self.assertEqual(gateway.log[0]["outcome"], "intercepted")

    def test_misdirected(self) -> None:
        """A request for a host that the server has no certificate for is refused with 421; for one that it has, it passes."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(request(b"/", b"Host: other.example.com"))
        client.send(request(b"/", b"Host: origin.example.com:444"))
        client.send(request(b"/", b"Host: a.cdn.example.com"))
        self.assertEqual([found.status for found in client.responses()], [421, 421, 200])
        self.assertEqual([found.get("host") for found in origin.requests], [b"a.cdn.example.com"])

    def test_targets(self) -> None:
        """The absolute form is understood, a tunnel within is not, and plain http is not what comes by TLS."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(request(b"https://origin.example.com/y", b"Host: origin.example.com"))
        client.send(request(b"http://origin.example.com/y", b"Host: origin.example.com"))
        self.assertEqual([found.status for found in client.responses()], [200, 421])
        self.assertEqual(origin.request.start, b"GET /y HTTP/1.1")
        other = self.client(gateway)
        other.send(request(TARGET, method=b"CONNECT"))
        self.assertEqual(other.response(b"CONNECT").status, 405)

    def test_upgrade(self) -> None:
        """A WebSocket within becomes a tunnel between the two sides of TLS."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None)
        client = self.client(gateway)
        client.send(
            request(
                b"/", b"Host: origin.example.com", b"Connection: Upgrade", b"Upgrade: websocket"
            )
        )
        server = origin.shaken[0]
        server.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
        )
        self.assertTrue(client.veil.plain.endswith(b"\r\n\r\nhello"), client.veil.plain)
        client.send(b"from the client")
        self.assertTrue(server.plain.endswith(b"from the client"))

    def test_identity(self) -> None:
        """Who the CONNECT was authenticated for is who sends the requests within; nobody is asked again."""

        class Door(Base):
            @hookimpl()
            def authenticate(self, txn: Any) -> Identity:
                self.asked.append(txn.request.method)
                return Identity("anna")

        door = Door()
        gateway = self.intercepting(plugins={"test": door})
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().status, 200)
        self.assertEqual([line["user"] for line in gateway.log], ["anna", "anna"])
        self.assertEqual(door.asked, ["CONNECT"])

    def test_by_parent(self) -> None:
        """A parent is asked for the tunnel, and TLS goes through it."""
        gateway = self.intercepting({"forward.parent": [{"url": "http://192.0.2.3:3128"}]})
        parent = self.tls_origin(gateway, PAGE, address="192.0.2.3", port=3128)
        granting = _Granting(parent)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin")
        self.assertTrue(
            granting.asked[0].startswith(b"CONNECT origin.example.com:443 HTTP/1.1\r\n")
        )
        self.assertEqual(gateway.log[1]["route"], "direct")


class _Granting:
    """Lets each connection of an origin begin as a parent proxy that grants the tunnel."""

    def __init__(self, origin: TlsOrigin) -> None:
        self.asked: list[bytes] = []
        accept = origin.accept

        def accepted(socket: Any) -> None:
            accept(socket)
            connection: Any = origin.connections[-1]
            came = connection._came

            def first() -> None:
                data = connection.take()
                self.asked.append(data)
                connection._came = came
                connection.send(b"HTTP/1.1 200 Granted\r\n\r\n")

            connection._came = first

        origin.accept = accepted  # type: ignore[method-assign]


class RefusedTests(InterceptionTestCase):
    """What is not let through."""

    def test_bad_server(self) -> None:
        """A server that is not believed gets the client a certificate that nobody trusts; the log has the reason."""
        gateway = self.intercepting()
        self.pem = origin_files(self.folder, "another.example.com")[0]
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        self.assertIn("unable to get local issuer", client.veil.failed)
        self.assertEqual(origin.requests, [])
        self.assertLine(gateway, outcome="failed", reason="tls_wrong_host", status=200)

    def test_bad_server_page(self) -> None:
        """Who looks all the same sees a page with the reason, for every request."""
        gateway = self.intercepting()
        self.pem = origin_files(self.folder, "another.example.com")[0]
        self.tls_origin(gateway)
        client = self.client(gateway, shake=False)
        careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        careless.check_hostname = False
        careless.verify_mode = ssl.CERT_NONE
        careless.set_alpn_protocols(["http/1.1"])
        client.veil = Veil(client.raw, careless, server=False, name="origin.example.com")
        client.send(GET + GET)
        pages = client.responses()
        self.assertEqual([page.status for page in pages], [502, 502])
        self.assertIn(b"origin.example.com", pages[0].content)
        reasons = [line["reason"] for line in gateway.log]
        self.assertEqual(reasons, ["tls_wrong_host"] * 3)

    def test_unreachable(self) -> None:
        """A server that can't be reached at all is told in the answer to the CONNECT, for browsers that try http then."""
        gateway = self.intercepting()
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        self.assertEqual(client.response(b"CONNECT").status, 502)
        self.assertLine(gateway, reason="refused", tls=None)

    def test_blocked_by_plugin(self) -> None:
        """A plugin that refuses at the ClientHello closes with the alert access_denied."""
        seen: list[ClientHello] = []

        class No(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: ClientHello) -> Block:
                seen.append(hello)
                return Block("not this one")

        gateway = self.intercepting(plugins={"test": No()})
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        self.assertIn("ACCESS_DENIED", client.veil.failed.upper())
        self.assertEqual(client.raw.closed, "fin")
        self.assertEqual(origin.connection.received, b"")
        self.assertEqual(seen[0].server_name, "origin.example.com")
        line = self.assertLine(gateway, outcome="refused", detail="not this one")
        self.assertEqual(line["tls"]["decision"], "block")

    def test_page_over_tls(self) -> None:
        """With block_page_over_tls the page of a refusal is shown within TLS, over a certificate of the CA."""

        class No(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: ClientHello) -> Block:
                return Block("not this one")

        gateway = self.intercepting(
            {"tls.decrypt": "none", "tls.block_page_over_tls": True}, plugins={"test": No()}
        )
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        page = client.response()
        self.assertEqual(page.status, 403)
        self.assertIn(b"not this one", page.content)

    def test_page_of_a_refused_connect(self) -> None:
        """So is that of a CONNECT that is refused; without the setting it is a plain 403."""

        class No(Base):
            @hookimpl()
            def request_headers(self, txn: Any) -> Block | None:
                return Block("not there") if txn.request.method == "CONNECT" else None

        gateway = self.intercepting({"tls.block_page_over_tls": True}, plugins={"test": No()})
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().status, 403)
        self.assertIn(b"not there", client.response().content)
        self.assertEqual(origin.connections, [])
        plain = self.intercepting(plugins={"test": No()})
        asking = plain.client()
        asking.send(request(TARGET, method=b"CONNECT"))
        self.assertEqual(asking.response(b"CONNECT").status, 403)

    def test_bad_hello(self) -> None:
        """What begins as TLS and is none is answered with decode_error, and never passed on."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.take()
        client.send(b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00")
        self.assertEqual(client.take(), b"\x15\x03\x03\x00\x02\x02\x32")
        self.assertEqual(client.closed, "fin")
        self.assertEqual(origin.connection.received, b"")
        line = self.assertLine(gateway, outcome="failed")
        self.assertEqual(line["tls"]["why"], "bad_hello")

    def test_silence(self) -> None:
        """Who says nothing is waited for as long as for a request head."""
        gateway = self.intercepting({"timeouts.request_head": "10s"})
        self.tls_origin(gateway)
        client = self.client(gateway, shake=False)
        client.raw.send(client.veil.hello()[:20])
        gateway.advance(11)
        self.assertEqual(client.raw.closed, "fin")
        self.assertLine(gateway, outcome="failed", reason="request_timeout")

    def test_no_handshake_in_time(self) -> None:
        """A client that does not finish its handshake is let go, and the server's connection is kept."""
        gateway = self.intercepting({"timeouts.request_head": "10s"})
        self.tls_origin(gateway)
        client = self.client(gateway, shake=False)
        client.raw.stop_reading()
        client.raw.send(client.veil.hello())
        gateway.advance(11)
        self.assertEqual(gateway.connections, 0)
        line = self.assertLine(gateway, outcome="failed")
        self.assertIn("too long", line["detail"])

    def test_client_refuses(self) -> None:
        """A client that does not trust the CA is in the log as one."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = TlsClient(gateway, b"")
        self.assertIn("unable to get local issuer", client.veil.failed)
        line = self.assertLine(gateway, outcome="failed")
        self.assertIn("unknown ca", line["detail"])

    def test_client_gone(self) -> None:
        """A client that goes at any moment ends its transaction, once, and nothing else."""
        for moment in ("granted", "half", "hello", "shaken"):
            gateway = self.intercepting()
            self.tls_origin(gateway)
            client = self.client(gateway, shake=False, alpn=())
            if moment == "half":
                client.raw.send(client.veil.hello()[:30])
            elif moment == "hello":
                client.raw.send(client.veil.hello())
            elif moment == "shaken":
                client.veil.go_on()
                self.assertEqual(client.veil.failed, "")
            client.raw.reset()
            self.assertEqual(gateway.connections, 0, moment)
            self.assertLine(gateway, outcome="aborted")


class UnreadTests(InterceptionTestCase):
    """What passes without being read."""

    def test_never(self) -> None:
        """A host of never_decrypt is tunnelled, without a look at it."""
        gateway = self.intercepting({"tls.never_decrypt": ["origin.example.com"]})
        origin = self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        client.raw.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(line["tls"]["why"], "never_decrypt")
        self.assertEqual(len(origin.connections), 1)

    def test_never_by_claim(self) -> None:
        """Whoever claims a name of never_decrypt for an address gets to that name, unread, and not to the address."""
        gateway = self.intercepting({"tls.never_decrypt": ["origin.example.com"]})
        origin = self.tls_origin(gateway)
        other = gateway.origin("203.0.113.9", 443)
        client = TlsClient(gateway, authority_der(), target=b"203.0.113.9:443")
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        self.assertEqual(other.connection.received, b"")
        self.assertEqual(len(origin.connections), 1)

    def test_never_by_claim_of_another(self) -> None:
        """To claim such a name for another one is of no use."""
        gateway = self.intercepting({"tls.never_decrypt": ["bank.example.com"]})
        self.tls_origin(gateway)
        client = self.client(gateway, name="bank.example.com")
        self.assertIn("unable to get local issuer", client.veil.failed)
        self.assertLine(gateway, reason="tls_wrong_host")

    def test_rules(self) -> None:
        """With "rules" only what is listed is decrypted, or what a plugin wants."""

        class Wants(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: ClientHello) -> Intercept | None:
                return Intercept("curious") if hello.alpn == ("http/1.1",) else None

        gateway = self.intercepting({"tls.decrypt": "rules"}, plugins={"test": Wants()})
        self.tls_origin(gateway)
        unread = TlsClient(gateway, authority_der(), alpn=())
        unread.send(GET)
        self.assertEqual(unread.response().status, 200, unread.veil.failed)
        read = self.client(gateway)
        read.send(GET)
        self.assertEqual(read.response().status, 200, read.veil.failed)
        self.assertEqual(read.shown["issuer"][0][0][1][:10], "Gateway CA")

    def test_plugin_tunnels(self) -> None:
        """A plugin may have a connection passed on."""

        class Leaves(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: ClientHello) -> Tunnel:
                return Tunnel("private")

        gateway = self.intercepting(plugins={"test": Leaves()})
        self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().status, 200, client.veil.failed)

    def test_http_2_only(self) -> None:
        """A client that wants nothing but HTTP/2 is passed on, or closed where unknown protocols are not let through."""
        gateway = self.intercepting()
        self.tls_origin(gateway, alpn=("h2",))
        client = TlsClient(gateway, authority_der(), alpn=("h2",))
        self.assertTrue(client.veil.shaken, client.veil.failed)
        closed = self.intercepting({"tls.on_unknown_protocol": "block"})
        self.tls_origin(closed, alpn=("h2",))
        other = TlsClient(closed, authority_der(), alpn=("h2",))
        self.assertIn("ACCESS_DENIED", other.veil.failed.upper())

    def test_no_tls(self) -> None:
        """What is no TLS is passed on, with all that was looked at."""
        gateway = self.intercepting()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.take()
        client.send(b"SSH-2.0-a\r\n")
        self.assertEqual(origin.connection.received, b"SSH-2.0-a\r\n")
        origin.send(b"SSH-2.0-b\r\n")
        self.assertEqual(client.take(), b"SSH-2.0-b\r\n")
        client.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(line["tls"]["why"], "unknown_protocol")

    def test_no_tls_closed(self) -> None:
        """Or closed."""
        gateway = self.intercepting({"tls.on_unknown_protocol": "block"})
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.send(b"SSH-2.0-a\r\n")
        self.assertEqual(origin.connection.received, b"")
        self.assertEqual(client.closed, "fin")
        self.assertLine(gateway, outcome="refused")

    def test_server_speaks_first(self) -> None:
        """A server that speaks first is heard, for then it is no TLS."""
        gateway = self.intercepting()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.take()
        origin.send(b"220 ready\r\n")
        self.assertEqual(client.take(), b"220 ready\r\n")
        client.send(b"EHLO a\r\n")
        self.assertEqual(origin.connection.received, b"EHLO a\r\n")

    def test_other_within(self) -> None:
        """What is no HTTP within TLS is passed on between the two, and the log says so."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        client.send(b"\x00\x01binary")
        self.assertEqual(origin.shaken[0].plain, b"\x00\x01binary")
        origin.shaken[0].send(b"answer")
        self.assertEqual(client.veil.plain, b"answer")
        client.raw.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(
            (line["tls"]["decision"], line["tls"]["why"]), ("tunnel", "unknown_protocol")
        )

    def test_other_within_closed(self) -> None:
        """Or closed."""
        gateway = self.intercepting({"tls.on_unknown_protocol": "block"})
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        client.send(b"\x00\x01binary")
        self.assertEqual(origin.shaken[0].plain, b"")
        self.assertTrue(client.veil.ended or client.raw.closed)
        self.assertLine(gateway, outcome="refused")

    def test_server_first_within(self) -> None:
        """A server that speaks first within TLS is heard."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        origin.shaken[0].send(b"* OK ready\r\n")
        self.assertEqual(client.veil.plain, b"* OK ready\r\n", client.veil.failed)

    def test_other_within_after_a_kept_one(self) -> None:
        """It gets a connection of its own to the server, also while one is kept for requests."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        first = self.client(gateway)
        first.send(GET)
        self.assertEqual(first.response().status, 200)
        origin.reply = None
        other = self.client(gateway, alpn=())
        other.send(b"\x00\x01binary")
        self.assertEqual([veil.plain for veil in origin.shaken][1:], [b"\x00\x01binary"])


class ReloadTests(InterceptionTestCase):
    """A configuration that changes under decrypted connections."""

    def test_goes_on(self) -> None:
        """One that may still be decrypted goes on, with the same certificate."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        gateway.reload({"limits.fields": 150})
        client.send(GET)
        self.assertEqual([found.status for found in client.responses()], [200, 200])
        other = self.client(gateway)
        other.send(GET)
        self.assertEqual(other.response().status, 200, other.veil.failed)

    def test_off(self) -> None:
        """With decryption switched off, or for this host, it ends when nothing runs."""
        for change in ({"tls.decrypt": "none"}, {"tls.never_decrypt": ["origin.example.com"]}):
            gateway = self.intercepting()
            self.tls_origin(gateway)
            client = self.client(gateway)
            client.send(GET)
            gateway.reload(change)
            self.assertTrue(client.veil.ended)
            self.assertEqual(client.raw.closed, "fin")

    def test_off_before_the_first_request(self) -> None:
        """A client that has only just shaken hands gets its one answer."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        gateway.reload({"tls.never_decrypt": ["origin.example.com"]})
        self.assertEqual(client.raw.closed, "")
        client.send(GET)
        self.assertEqual(client.response().status, 200)
        self.assertEqual(client.response().get("connection"), b"close")
        self.assertEqual(client.raw.closed, "fin")

    def test_drain(self) -> None:
        """The end of the gateway ends idle ones at once."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        gateway.begin_stop()
        self.assertTrue(client.veil.ended)

    def test_off_makes_nothing(self) -> None:
        """Without decryption no CA is made and nothing is looked at."""
        gateway = self.intercepting({"tls.decrypt": "none"})
        self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().status, 200)
        self.assertFalse((self.folder / "ca").exists())
        client.raw.reset()
        self.assertEqual(gateway.line["tls"]["why"], "off")


def authority_der() -> bytes:
    """Give the root of the origins as DER."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return authority().certificate.public_bytes(Encoding.DER)
