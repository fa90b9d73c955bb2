"""Tunnels that are to be decrypted and come to nothing: servers that are not believed, refusals of plugins, clients that go or stay silent."""

from __future__ import annotations

import ssl
from typing import Any

from gateway.api import Block, ClientHello, hookimpl
from gateway.testing.peers import request
from tests.scenarios.interception import GET, InterceptionTestCase
from tests.scenarios.plugins import Base
from tests.scenarios.veils import TARGET, TlsClient, Veil, origin_files


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
