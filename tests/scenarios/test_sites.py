"""Which site a request belongs to, and what is told to whom nobody expects (S21)."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, request, response
from tests.scenarios.support import ScenarioTestCase

SITES: list[dict[str, object]] = [
    {"host": ["www.example.com"], "origins": ["http://198.51.100.1"]},
    {"host": ["www.example.com"], "path": "/app", "origins": ["http://198.51.100.2"]},
    {"host": ["*.shop.example.com"], "origins": ["http://198.51.100.3"]},
]


class SiteTests(ScenarioTestCase):
    """Several sites on one listener."""

    def _started(self) -> tuple[Harness, ScriptedClient]:
        gateway = self.reverse(sites=list(SITES))
        for number in (1, 2, 3):
            gateway.origin(f"198.51.100.{number}", reply=response(b"%d" % number))
        return gateway, gateway.client()

    def test_by_host_and_path(self) -> None:
        """The host chooses, then the longest path, on whole segments."""
        gateway, client = self._started()
        for host, path in (
            (b"www.example.com", b"/"),
            (b"WWW.Example.com:80", b"/app"),
            (b"www.example.com", b"/app/x?y"),
            (b"www.example.com", b"/apple"),
            (b"a.b.shop.example.com", b"/"),
        ):
            client.send(request(path, b"Host: " + host))
        self.assertEqual(
            [found.content for found in client.responses()], [b"1", b"2", b"2", b"1", b"3"]
        )
        self.assertEqual(
            [line["site"] for line in gateway.log], ["www.example.com"] * 4 + ["*.shop.example.com"]
        )

    def test_unknown_host(self) -> None:
        """A host that no site has is misdirected: 421."""
        gateway, client = self._started()
        for host in (b"other.example.com", b"shop.example.com", b"198.51.100.1"):
            client.send(request(b"/", b"Host: " + host))
        self.assertEqual([found.status for found in client.responses()], [421] * 3)
        self.assertEqual({line["reason"] for line in gateway.log}, {"misdirected"})

    def test_unknown_path(self) -> None:
        """A path that no site of the host has is not found: 404."""
        gateway = self.reverse({"host": ["www.example.com"], "path": "/app"})
        client = gateway.client()
        client.send(request(b"/", b"Host: www.example.com"))
        self.assertEqual(client.response().status, 404)
        self.assertLine(gateway, status=404, reason="no_site")

    def test_absolute_form(self) -> None:
        """The authority of an absolute-form target wins over Host (RFC 9112 section 3.2.2)."""
        _, client = self._started()
        client.send(request(b"http://www.example.com/app", b"Host: a.shop.example.com"))
        self.assertEqual(client.response().content, b"2")

    def test_ambiguous_path(self) -> None:
        """A path that an origin could read as leading to another site is refused."""
        _, client = self._started()
        for path in (b"/x/../app", b"/%61pp", b"//app/x", b"/app/..;/x"):
            client.send(request(path, b"Host: www.example.com"))
        self.assertEqual({found.status for found in client.responses()}, {400})

    def test_own_listeners(self) -> None:
        """A site answers on its own listeners only."""
        gateway = self.reverse(
            sites=[
                {"host": ["a.example.com"], "listen": ["192.0.2.1:80"]},
                {
                    "host": ["b.example.com"],
                    "listen": ["192.0.2.1:8000"],
                    "origins": ["http://198.51.100.2"],
                },
            ]
        )
        gateway.origin(reply=response(b"a"))
        gateway.origin("198.51.100.2", reply=response(b"b"))
        for listener, host, status in (
            (0, b"a", 200),
            (0, b"b", 421),
            (1, b"a", 421),
            (1, b"b", 200),
        ):
            client = gateway.client(listener=listener)
            client.send(request(b"/", b"Host: %b.example.com" % host))
            self.assertEqual(client.response().status, status)

    def test_malformed(self) -> None:
        """Targets and hosts that mean nothing are malformed."""
        for target, host in (
            (b"/a#b", b"www.example.com"),
            (b"a", b"www.example.com"),
            (b"/", b"a b"),
            (b"/", b"a/b"),
            (b"/", b"u@a"),
        ):
            gateway, client = self._started()
            client.send(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            self.assertEqual(client.response().status, 400, (target, host))
            self.assertLine(gateway, status=400, url="error:invalid-request")


class HostTests(ScenarioTestCase):
    """What an origin is told of the host."""

    def test_preserved(self) -> None:
        """The origin gets the Host that the client sent."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", b"Host: www.Example.com:8000"))
        self.assertEqual(origin.request.all("host"), [b"www.Example.com:8000"])

    def test_absolute_form(self) -> None:
        """Of an absolute-form target it gets that one's authority (RFC 9112 section 3.2.2)."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"http://www.example.com/a", b"Host: other.example.com"))
        self.assertEqual(origin.request.all("host"), [b"www.example.com"])
        self.assertEqual(origin.request.start, b"GET /a HTTP/1.1")

    def test_not_preserved(self) -> None:
        """With preserve_host off it gets its own."""
        gateway = self.reverse(
            {"preserve_host": False, "origins": ["http://origin.example.com:8000"]}
        )
        origin = gateway.origin(port=8000, reply=response())
        gateway.client().send(request(b"/", b"Host: www.example.com"))
        self.assertEqual(origin.request.all("host"), [b"origin.example.com:8000"])
