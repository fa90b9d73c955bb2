"""Requests go through a parent proxy where a rule says so."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedOrigin, request, response
from tests.scenarios.support import URL, ScenarioTestCase

PARENT = "203.0.113.8"


class ParentTests(ScenarioTestCase):
    """One parent."""

    def _with_parent(
        self, url: str = f"http://{PARENT}:3128", **rule: object
    ) -> tuple[Harness, ScriptedOrigin]:
        gateway = self.forward({"forward.parent": [{"url": url, **rule}]})
        return gateway, gateway.origin(PARENT, 3128)

    def test_absolute_form(self) -> None:
        """The parent gets the whole URL, and the origin's name is its business."""
        gateway, parent = self._with_parent()
        parent.reply = response(b"abc")
        client = gateway.client()
        client.send(request(URL + b"a?b"))
        self.assertEqual(parent.request.start, b"GET http://origin.example.com/a?b HTTP/1.1")
        self.assertEqual(parent.request.get("host"), b"origin.example.com")
        self.assertEqual(parent.request.get("proxy-authorization"), None)
        self.assertEqual(client.response().content, b"abc")
        self.assertEqual(gateway.names.asked, [])
        self.assertLine(gateway, route="parent", upstream=f"{PARENT}:3128")

    def test_connection_is_shared(self) -> None:
        """One connection to the parent serves all destinations."""
        gateway, parent = self._with_parent()
        parent.reply = response(b"abc")
        client = gateway.client()
        client.send(request(URL) + request(b"http://other.example.com/"))
        self.assertEqual(len(parent.connections), 1)

    def test_for(self) -> None:
        """Only hosts that the rule names go there."""
        gateway, parent = self._with_parent(
            **{"for": ["*.example.com"], "no_proxy": ["origin.example.com"]}  # type: ignore[arg-type]
        )
        parent.reply = response(b"parent")
        gateway.origin(reply=response(b"direct"))
        gateway.names.known["example.org"] = ("198.51.100.1",)
        client = gateway.client()
        for host in (b"www.example.com", b"origin.example.com", b"example.org"):
            client.send(request(b"http://%b/" % host))
        self.assertEqual(
            [found.content for found in client.responses()], [b"parent", b"direct", b"direct"]
        )
        self.assertEqual([line["route"] for line in gateway.log], ["parent", "direct", "direct"])

    def test_first_rule_wins(self) -> None:
        """Of several parents the first that takes the host is asked."""
        gateway = self.forward(
            {
                "forward.parent": [
                    {"url": f"http://{PARENT}:1", "for": ["origin.example.com"]},
                    {"url": f"http://{PARENT}:2", "for": ["*"]},
                ]
            }
        )
        first, second = (
            gateway.origin(PARENT, 1, reply=response()),
            gateway.origin(PARENT, 2, reply=response()),
        )
        client = gateway.client()
        client.send(request(URL) + request(b"http://other.example.com/"))
        self.assertEqual([len(first.requests), len(second.requests)], [1, 1])

    def test_credentials(self) -> None:
        """Our credentials go to the parent; the client's own never do."""
        gateway, parent = self._with_parent(f"http://gw:secret@{PARENT}:3128")
        parent.reply = response()
        gateway.client().send(request(URL, b"Proxy-Authorization: Basic Zm9v"))
        self.assertEqual(parent.request.all("proxy-authorization"), [b"Basic Z3c6c2VjcmV0"])

    def test_refused_credentials(self) -> None:
        """A parent's 407 is our fault, not the client's, who couldn't answer it: 502."""
        gateway, parent = self._with_parent(f"http://gw:secret@{PARENT}:3128")
        parent.reply = response(
            b"no", b"Proxy-Authenticate: Basic realm=x", status=b"407 Proxy Authentication Required"
        )
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().status, 502)
        self.assertEqual(client.response().all("proxy-authenticate"), [])
        self.assertLine(gateway, status=502, outcome="failed", reason="parent_refused")

    def test_guard(self) -> None:
        """The parent itself is not judged by the destination guard: the configuration names it."""
        gateway = self.forward({"forward.parent": [{"url": "http://127.0.0.1:3128"}]})
        parent = gateway.origin("127.0.0.1", 3128, reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(len(parent.requests), 1)

    def test_options(self) -> None:
        """OPTIONS of a URL without a path keeps that form (RFC 9112 section 3.2.4)."""
        gateway, parent = self._with_parent()
        parent.reply = response()
        gateway.client().send(request(b"http://origin.example.com", method=b"OPTIONS"))
        self.assertEqual(parent.request.start, b"OPTIONS http://origin.example.com HTTP/1.1")

    def test_unreachable(self) -> None:
        """A parent that does not answer is a 502; there is no way round it."""
        gateway, parent = self._with_parent()
        parent.admitting = False
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual((client.response().status, origin.connections), (502, []))


class ConnectTests(ScenarioTestCase):
    """CONNECT through a parent."""

    def _asked(self, url: str = f"http://{PARENT}:3128") -> tuple[Harness, ScriptedOrigin]:
        gateway = self.forward({"forward.parent": [{"url": url}]})
        return gateway, gateway.origin(PARENT, 3128)

    def test_tunnel(self) -> None:
        """The parent is asked for the tunnel first; then bytes go both ways."""
        gateway, parent = self._asked(f"http://gw:secret@{PARENT}:3128")
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT") + b"early")
        asked = parent.connection.requests[0]
        self.assertEqual(asked.start, b"CONNECT origin.example.com:443 HTTP/1.1")
        self.assertEqual(asked.get("host"), b"origin.example.com:443")
        self.assertEqual(asked.get("proxy-authorization"), b"Basic Z3c6c2VjcmV0")
        self.assertEqual(asked.get("via"), b"1.1 gateway-under-test")
        self.assertEqual(client.received, b"")
        parent.send(b"HTTP/1.1 200 Fine\r\nVia: 1.1 parent\r\n\r\nhello")
        self.assertEqual(client.received, b"HTTP/1.1 200 Connection established\r\n\r\nhello")
        self.assertTrue(parent.connection.received.endswith(b"\r\n\r\nearly"))
        client.end()
        parent.connection.end()
        self.assertLine(gateway, outcome="tunnelled", route="parent", bytes_in=5)

    def test_interim(self) -> None:
        """Interim responses of the parent are waited through."""
        gateway, parent = self._asked()
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        parent.send(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(client.response(b"CONNECT").status, 200)

    def test_refused(self) -> None:
        """A refusal of the parent is a 502, its time-out a 504; what it said is not shown."""
        for said, status in (
            (b"403 Forbidden", 502),
            (b"504 Gateway Timeout", 504),
            (b"407 Proxy Authentication Required", 502),
        ):
            gateway, parent = self._asked()
            parent.reply = None
            client = gateway.client()
            client.send(request(b"origin.example.com:443", method=b"CONNECT"))
            parent.send(response(b"the parent's own words", status=said))
            self.assertEqual(client.response().status, status)
            self.assertNotIn(b"own words", client.received)
            self.assertEqual(parent.connection.closed, "reset")
            self.assertLine(gateway, status=status, outcome="failed", reason="parent_refused")

    def test_broken_off(self) -> None:
        """A parent that closes without an answer is a 502."""
        gateway, parent = self._asked()
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        parent.connection.close()
        self.assertEqual(client.response().status, 502)
        self.assertLine(gateway, status=502, reason="upstream_closed")

    def test_nonsense(self) -> None:
        """A parent that answers no HTTP is a 502."""
        gateway, parent = self._asked()
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        parent.send(b"\x15\x03\x01\x00\x02\x02\x46")
        self.assertEqual(client.response().status, 502)

    def test_client_that_leaves_meanwhile(self) -> None:
        """A client that leaves takes the request to the parent with it."""
        gateway, parent = self._asked()
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        client.reset()
        self.assertEqual(parent.connection.closed, "reset")
        self.assertLine(gateway, outcome="aborted", reason="client")

    def test_silent(self) -> None:
        """A parent that does not answer in time is a 504."""
        gateway, parent = self._asked()
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        gateway.advance(182.0)
        self.assertEqual((client.response().status, parent.connection.closed), (504, "reset"))
