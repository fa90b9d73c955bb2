"""Threats of docs/threat-model.md that no other test holds: claimed addresses, heads that look alike, secrets in memory."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from gateway.wire.lines import KNOWN_LINES
from tests.scenarios.support import URL, ScenarioTestCase


class OpenProxyTests(ScenarioTestCase):
    """Who may use the forward proxy."""

    def test_a_claimed_address_grants_nothing(self) -> None:
        """X-Forwarded-For counts from a trusted proxy alone, and then the client that it names is judged, not the proxy."""
        gateway = self.forward({"network.trusted_proxies": ["198.51.100.66"]})
        for peer, claimed in (("198.51.100.67", b"192.0.2.7"), ("198.51.100.66", b"203.0.113.9")):
            client = gateway.client(peer)
            client.send(request(URL, b"X-Forwarded-For: " + claimed))
            self.assertEqual(client.response().status, 403)


class SecondLookTests(ScenarioTestCase):
    """What holds for the first request of a connection holds for the next ones that look the same."""

    def test_upgrades(self) -> None:
        """An upgrade that is not passed on is passed on at no later time either."""
        asks = (
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAAQ",
        )
        for start, target in ((self.forward, URL), (self.reverse, b"/")):
            for content in (None, b"x"):
                gateway = start()
                origin = gateway.origin(reply=response(b"one"))
                client = gateway.client()
                for _ in range(3):
                    client.send(
                        request(
                            target,
                            *asks,
                            method=b"GET" if content is None else b"POST",
                            content=content,
                        )
                    )
                self.assertEqual(len(origin.requests), 3)
                for found in origin.requests:
                    self.assertEqual(
                        (found.get("upgrade"), found.get("http2-settings")), (None, None)
                    )

    def test_a_switch_that_nobody_asked_for(self) -> None:
        """A 101 to a request whose upgrade was not passed on is a fault of the origin, the second time too."""
        asks = (b"Connection: Upgrade", b"Upgrade: h2c")
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(URL, *asks))
        client.take()
        origin.reply = (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        )
        client.send(request(URL, *asks))
        self.assertEqual([found.status for found in client.responses()], [200, 502])

    def test_dropped_fields(self) -> None:
        """Lookalikes, what Connection names and credentials for us are dropped each time."""
        lines = (
            b"Transfer_Encoding: chunked",
            b"Connection: X-Mine",
            b"X-Mine: 1",
            b"Proxy-Authorization: Basic eDp5",
            b"X-Kept: 1",
        )
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        for _ in range(3):
            client.send(request(URL, *lines))
        self.assertEqual(len(origin.requests), 3)
        for found in origin.requests:
            self.assertEqual(found.get("x-kept"), b"1")
            for name in ("transfer_encoding", "x-mine", "proxy-authorization"):
                self.assertIsNone(found.get(name), name)

    def test_another_target(self) -> None:
        """The next hop is told the host of this request, not of the one that looked the same."""
        gateway = self.forward()
        gateway.names.known["other.example.com"] = ("198.51.100.2",)
        first = gateway.origin(reply=response(b"one"))
        second = gateway.origin("198.51.100.2", reply=response(b"two"))
        client = gateway.client()
        for target in (URL, b"http://other.example.com/", URL):
            client.send(request(target, b"Host: origin.example.com"))
        self.assertEqual(
            [found.get("host") for found in first.requests], [b"origin.example.com"] * 2
        )
        self.assertEqual(second.request.get("host"), b"other.example.com")


class TunnelTests(ScenarioTestCase):
    """Who leads where no tunnel is."""

    def test_no_tunnel_in_front_of_a_site(self) -> None:
        """A site's origin hears of no CONNECT, whatever its target looks like, nor behind a request that looks the same."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response(b"one"))
        for before in (False, True):
            for target in (b"/", b"/path", b"*", b"origin.example.com:443", URL):
                client = gateway.client()
                if before:
                    client.send(request(b"/"))
                client.send(request(target, b"Host: site.example.com", method=b"CONNECT"))
                self.assertEqual(client.responses()[-1].status, 405, target)
        self.assertEqual({found.method for found in origin.requests}, {b"GET"})


class SecretTests(ScenarioTestCase):
    """Credentials."""

    def test_credentials_are_not_remembered(self) -> None:
        """No line with credentials is kept for the process, in either direction and in trailers."""
        lines = (
            b"Authorization: Basic c2VjcmV0LTE=",
            b"Proxy-Authorization: Basic c2VjcmV0LTI=",
            b"Cookie: session=c2VjcmV0LTM=",
            b"X-Authorization: c2VjcmV0LTQ=",
            b"Proxy_Authorization: c2VjcmV0LTU=",
        )
        gateway = self.forward()
        gateway.origin(reply=response(b"one", b"Set-Cookie: session=c2VjcmV0LTY="))
        client = gateway.client()
        client.send(request(URL, *lines))
        client.send(
            request(URL, b"Transfer-Encoding: chunked", method=b"POST")
            + chunked(b"x", trailers=(b"Authorization: Basic c2VjcmV0LTc=",))
        )
        self.assertEqual(len(client.responses(b"GET", b"POST")), 2)
        kept = [line for line in KNOWN_LINES if b"c2VjcmV0L" in line and not line.startswith(b"X-")]
        self.assertEqual(kept, [])
