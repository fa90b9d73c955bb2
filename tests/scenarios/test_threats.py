"""Threats of docs/threat-model.md that no other test holds: who may use the gateway, what it may reach, and what is remembered."""

from __future__ import annotations

from base64 import b64encode

from gateway.testing.peers import chunked, request, response
from gateway.wire.lines import KNOWN_LINES
from tests.scenarios.support import URL, ScenarioTestCase

OPEN = {"forward.listen": ["192.0.2.1:8080"]}


class OpenProxyTests(ScenarioTestCase):
    """Who may use the forward proxy."""

    def test_strangers(self) -> None:
        """A client that is not in C{allow_from} gets 403, nobody is asked for the name, and the log says so."""
        gateway = self.forward()
        client = gateway.client("198.51.100.66")
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)
        self.assertEqual(gateway.names.asked, [])
        self.assertLine(gateway, status=403, reason="not_allowed", upstream=None)

    def test_tunnels_of_strangers(self) -> None:
        """CONNECT is no way round."""
        gateway = self.forward()
        client = gateway.client("198.51.100.66")
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        self.assertEqual(client.response(b"CONNECT").status, 403)

    def test_the_default_serves_this_machine_alone(self) -> None:
        """Without C{allow_from} a listener that others reach is of no use to them."""
        gateway = self.forward({**OPEN, "forward.allow_from": ["127.0.0.0/8", "::1/128"]})
        client = gateway.client("192.0.2.7")
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)

    def test_a_claimed_address_grants_nothing(self) -> None:
        """X-Forwarded-For counts from a trusted proxy alone, and then the client that it names is judged, not the proxy."""
        gateway = self.forward({"network.trusted_proxies": ["198.51.100.66"]})
        for peer, claimed in (("198.51.100.67", b"192.0.2.7"), ("198.51.100.66", b"203.0.113.9")):
            client = gateway.client(peer)
            client.send(request(URL, b"X-Forwarded-For: " + claimed))
            self.assertEqual(client.response().status, 403)


class DestinationTests(ScenarioTestCase):
    """What the forward proxy may reach."""

    def refused(self, target: bytes, method: bytes = b"GET", **settings: object) -> None:
        gateway = self.forward({key.replace("__", "."): value for key, value in settings.items()})
        gateway.names.known["rebound.example.com"] = ("127.0.0.1",)
        client = gateway.client()
        client.send(request(target, method=method))
        self.assertEqual(client.response(method).status, 403, target)
        self.assertLine(gateway, reason="forbidden_destination")

    def test_addresses(self) -> None:
        """Loopback, link-local and metadata addresses are refused, and IPv4 hidden in IPv6 as what it is."""
        for host in (b"127.0.0.1", b"169.254.169.254", b"0.0.0.0", b"100.100.100.200", b"[::1]", b"[fe80::1]"):
            self.refused(b"http://%b/" % host)
        for host in (b"[::ffff:127.0.0.1]", b"[64:ff9b::7f00:1]", b"[2002:7f00:1::]"):
            self.refused(b"http://%b/" % host)

    def test_a_name_that_leads_there(self) -> None:
        """The address that would be dialled counts, whatever the name is."""
        self.refused(b"http://rebound.example.com/")
        self.refused(b"rebound.example.com:443", b"CONNECT")

    def test_denied_by_the_configuration(self) -> None:
        """C{deny_destinations} wins over C{allow_destinations}."""
        self.refused(
            URL,
            forward__deny_destinations=["198.51.100.0/24"],
            forward__allow_destinations=["198.51.100.1/32"],
        )

    def test_one_address_of_several(self) -> None:
        """A name with a forbidden and an allowed address is reached at the allowed one only."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"outer"))
        inner = gateway.origin("127.0.0.1", reply=response(b"inner"))
        gateway.names.known["both.example.com"] = ("127.0.0.1", "198.51.100.1")
        client = gateway.client()
        client.send(request(b"http://both.example.com/"))
        gateway.advance(1.0)
        self.assertEqual(client.response().content, b"outer")
        self.assertEqual((len(origin.connections), len(inner.connections)), (1, 0))

    def test_own_listeners(self) -> None:
        """A listener of our own is refused although its address is allowed: that would be a loop."""
        self.refused(
            b"http://192.0.2.1:8080/",
            forward__listen=["192.0.2.1:8080"],
            forward__allow_destinations=["192.0.2.0/24"],
        )


class MisdirectedTests(ScenarioTestCase):
    """Hosts that are not ours."""

    def test_unknown_host(self) -> None:
        """A host that no site has gets 421, and the authority of an absolute-form target wins over Host."""
        gateway = self.reverse({"host": ["www.example.com"]})
        origin = gateway.origin(reply=response(b"ours"))
        for target, host in ((b"/", b"evil.example.com"), (b"http://evil.example.com/", b"www.example.com")):
            client = gateway.client()
            client.send(request(target, b"Host: " + host))
            self.assertEqual(client.response().status, 421, target)
        self.assertEqual(origin.connections, [])

    def test_the_origin_is_told_the_host_that_counted(self) -> None:
        """Host is written anew from the target, so that both sides speak of one host."""
        gateway = self.reverse({"host": ["www.example.com"]})
        origin = gateway.origin(reply=response(b"ours"))
        client = gateway.client()
        client.send(request(b"http://www.example.com/", b"Host: evil.example.com"))
        self.assertEqual(origin.request.get("host"), b"www.example.com")


class ConnectionTests(ScenarioTestCase):
    """Connections without number."""

    def test_limit(self) -> None:
        """One over C{limits.connections} is closed at once; when one leaves there is room again."""
        gateway = self.forward({"limits.connections": 2})
        first, second = gateway.client(), gateway.client()
        third = gateway.client()
        self.assertTrue(third.closed)
        self.assertEqual((first.closed, second.closed), ("", ""))
        first.close()
        fourth = gateway.client()
        self.assertEqual(fourth.closed, "")

    def test_limit_of_a_listener(self) -> None:
        """So it is with C{max_connections} of a listener."""
        gateway = self.forward({"forward.listen": [{"address": "192.0.2.1:8080", "max_connections": 1}]})
        gateway.client()
        self.assertTrue(gateway.client().closed)


class RepeatedTests(ScenarioTestCase):
    """A request is sent again only where nothing can come of it."""

    def again(self, message: bytes, method: bytes = b"GET", part: bytes = b"") -> tuple[int, int]:
        """
        Send a message on a kept upstream connection that dies when it gets it.

        @param part: what the origin says before it dies.
        @return: the status, and how many connections were made.
        """
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"first"))
        client = gateway.client()
        client.send(request(URL))
        client.take()
        origin.reply = None
        client.send(message)
        dying = origin.connection
        origin.reply = response(b"again")
        if part:
            dying.send(part)
        dying.reset()
        gateway.advance(1.0)
        return client.responses(b"GET", method)[-1].status, len(origin.connections)

    def test_kept_connection_that_died(self) -> None:
        """A GET on a kept connection that died before any byte of an answer is sent again on a fresh one."""
        self.assertEqual(self.again(request(URL)), (200, 2))

    def test_what_may_not_be_repeated(self) -> None:
        """A POST is not, nor is anything with content, nor anything of which an answer has begun."""
        self.assertEqual(self.again(request(URL, method=b"POST", content=b""), b"POST"), (502, 1))
        self.assertEqual(self.again(request(URL, method=b"PUT", content=b"x"), b"PUT"), (502, 1))
        self.assertEqual(self.again(request(URL), part=b"HTTP/1.1 2"), (502, 1))


class SecondLookTests(ScenarioTestCase):
    """What holds for the first request of a connection holds for the next ones that look the same."""

    def test_upgrades(self) -> None:
        """An upgrade that is not passed on is passed on at no later time either."""
        asks = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ")
        for start, target in ((self.forward, URL), (self.reverse, b"/")):
            for content in (None, b"x"):
                gateway = start()
                origin = gateway.origin(reply=response(b"one"))
                client = gateway.client()
                for _ in range(3):
                    client.send(request(target, *asks, method=b"GET" if content is None else b"POST", content=content))
                self.assertEqual(len(origin.requests), 3)
                for found in origin.requests:
                    self.assertEqual((found.get("upgrade"), found.get("http2-settings")), (None, None))

    def test_a_switch_that_nobody_asked_for(self) -> None:
        """A 101 to a request whose upgrade was not passed on is a fault of the origin, the second time too."""
        asks = (b"Connection: Upgrade", b"Upgrade: h2c")
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(URL, *asks))
        client.take()
        origin.reply = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
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
        self.assertEqual([found.get("host") for found in first.requests], [b"origin.example.com"] * 2)
        self.assertEqual(second.request.get("host"), b"other.example.com")


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

    def test_parent(self) -> None:
        """A parent gets our credentials and never the client's; an origin gets neither."""
        pair = b64encode(b"gw:pw")
        parent = {"url": "http://gw:pw@198.51.100.9:3128", "no_proxy": ["origin.example.com"]}
        gateway = self.forward({"forward.parent": [parent]})
        above = gateway.origin("198.51.100.9", 3128, reply=response(b"by the parent"))
        origin = gateway.origin(reply=response(b"direct"))
        client = gateway.client()
        for target in (b"http://far.example.com/", URL):
            client.send(request(target, b"Proxy-Authorization: Basic Y2xpZW50OnB3"))
        self.assertEqual(above.request.get("proxy-authorization"), b"Basic " + pair)
        self.assertIsNone(origin.request.get("proxy-authorization"))

    def test_a_parent_s_challenge(self) -> None:
        """A parent that wants other credentials is our affair: the client gets 502 and no challenge."""
        gateway = self.forward({"forward.parent": [{"url": "http://198.51.100.9:3128"}]})
        refusal = response(b"who?", b'Proxy-Authenticate: Basic realm="inner"', status=b"407 Proxy Authentication Required")
        gateway.origin("198.51.100.9", 3128, reply=refusal)
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().status, 502)
        self.assertNotIn(b"inner", client.received)
        self.assertLine(gateway, reason="parent_refused")
