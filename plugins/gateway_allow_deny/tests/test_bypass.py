"""No spelling of what is denied reaches a server: a table of spellings through a whole gateway, whose origin is the witness."""

from __future__ import annotations

from typing import Any, Literal

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway.testing.peers import request
from gateway_allow_deny import AllowDeny

DENIED: dict[str, Any] = {
    "deny": [
        "denied.example",
        "bücher.example",
        "203.0.113.0/24",
        "2001:db8:bad::/48",
        "files.example/secret",
    ]
}

#: Ways to write hosts that are denied, as they stand in a request.
HOSTS = (
    "denied.example",
    "DENIED.example",
    "sub.denied.example",
    "a.b.c.Denied.Example",
    "denied.example.",
    "denied.example..",
    "sub.denied.example.",
    "denied.example:80",
    "denied.example:0080",
    "denied.example:8080",
    "denied.example.:80",
    "%64enied.example",
    "%64%65%6e%69%65%64%2e%65%78%61%6d%70%6c%65",
    "denied%2eexample",
    "denied.example%00.allowed.example",
    "denied.example%2f.allowed.example",
    "denied\u3002example",
    "\uff44enied.example",
    "denied.ex\u00adample",
    "user@denied.example",
    "allowed.example@denied.example",
    "allowed.example:80@denied.example",
    "allowed.example%40denied.example",
    "denied.example#allowed.example",
    "denied.example\\allowed.example",
    "denied.example\tallowed.example",
    "xn--bcher-kva.example",
    "XN--BCHER-KVA.example",
    "b\u00fccher.example",
    "www.xn--bcher-kva.example",
    "203.0.113.7",
    "203.0.113.7.",
    "3405803783",
    "0xcb007107",
    "0xCB.0x00.0x71.0x07",
    "0313.0.0161.07",
    "031300070407",
    "203.0.28935",
    "203.28935",
    "203.0.113.007",
    "%32%30%33.0.113.7",
    "\uff12\uff10\uff13.0.113.7",
    "[::ffff:203.0.113.7]",
    "[::ffff:cb00:7107]",
    "[0:0:0:0:0:FFFF:CB00:7107]",
    "[64:ff9b::203.0.113.7]",
    "[2002:cb00:7107::1]",
    "[::203.0.113.7]",
    "[2001:db8:bad::1]",
    "[2001:0DB8:0BAD:0:0:0:0:1]",
    "[2001:db8:bad::1%25eth0]",
)

#: Ways to write the path that is denied.
PATHS = (
    "/secret",
    "/secret/",
    "/secret/x",
    "/secret?x",
    "/secret/?x=/public",
    "/%73ecret",
    "/%73%65%63%72%65%74",
    "/SECRET",
    "/%53ECRET",
    "//secret",
    "///secret//x",
    "/./secret",
    "/%2e/secret",
    "/x/../secret",
    "/x/%2e%2e/secret",
    "/x/.%2E/secret",
    "/x/..%2fsecret",
    "/x/..%2Fsecret/y",
    "/../../secret",
    "/%2fsecret",
    "/%2f/secret",
    "/secret%2fx",
    "/\\secret",
    "/x\\..\\secret",
    "/x/..%5csecret",
    "/%5csecret",
    "/x/..%2fsecret/%252e%252e/y",
    "/secret;v=1",
    "/;v=1/secret",
    "/x/..;/secret",
    "/x/..;v=1/secret;w",
    "/%2573ecret",
    "/%252e/secret",
    "/x/%252e%252e%252fsecret",
    "/%25252525252525252573ecret",
    "/secret/../public",
    "/secret/.",
    "/secret/./x",
)

#: What is like the above and must pass, so that the table proves something.
PASSING = (
    "http://allowed.example/",
    "http://testdenied.example/",
    "http://denied.example.com/",
    "http://denied-example/",
    "http://203.0.112.7/",
    "http://files.example/",
    "http://files.example/secretary",
    "http://files.example/x/secret",
    "http://files.example/?/secret",
    "http://files.example/x%2fsecret",
    "http://other.example/secret",
)


def lines(target: str, host: str, method: bytes = b"GET") -> bytes:
    """Write a request with these bytes, whatever they are."""
    return request(target.encode(), b"Host: " + host.encode(), method=method)


class BypassTests(SynchronousTestCase):
    """The tables in each mode."""

    def started(
        self, mode: Literal["forward", "reverse"] = "forward", **more: object
    ) -> FakeGateway:
        """Start a gateway with the denying plugin."""
        gateway = FakeGateway(
            AllowDeny,
            {**DENIED, **more},
            mode=mode,
            config={"forward.connect_ports": ["1-65535"]} if mode == "forward" else {},
        )
        self.addCleanup(gateway.stop)
        return gateway

    def assertUnseen(self, gateway: FakeGateway, sent: bytes, what: object) -> int:
        """What is sent is answered with an error, and no server gets to know of it; gives the status."""
        client = gateway.client()
        client.send(sent)
        gateway.settle()
        self.assertEqual(gateway.origin.connections, [], what)
        status = int(client.received.split(b" ", 2)[1]) if client.received else 0
        self.assertNotIn(status, range(200, 400), what)
        client.close()
        return status

    def test_forward(self) -> None:
        """As absolute targets, with the true Host and with a harmless one."""
        gateway = self.started()
        for host in HOSTS:
            for field in (host, "allowed.example"):
                self.assertUnseen(gateway, lines(f"http://{host}/", field), host)
                self.assertUnseen(gateway, lines(f"HTTP://{host}/", field), host)

    def test_forward_paths(self) -> None:
        """Paths of a host, in every spelling."""
        gateway = self.started()
        for path in PATHS:
            for authority in ("files.example", "FILES.example.:80", "www.files.example"):
                status = self.assertUnseen(
                    gateway, lines(f"http://{authority}{path}", authority), path
                )
                self.assertIn(status, (400, 403), path)

    def test_connect(self) -> None:
        """As targets of tunnels, on every port."""
        gateway = self.started()
        for host in HOSTS:
            bare = host.removesuffix(":80").removesuffix(":0080").removesuffix(":8080")
            for port in ("443", "80", "0443", ""):
                self.assertUnseen(
                    gateway, lines(f"{bare}:{port}", "allowed.example", b"CONNECT"), host
                )

    def test_reverse(self) -> None:
        """As Host fields of a site, or as absolute targets with any Host."""
        gateway = self.started("reverse")
        for host in HOSTS:
            self.assertUnseen(gateway, lines("/", host), host)
            self.assertUnseen(gateway, lines(f"http://{host}/", "allowed.example"), host)
        for path in PATHS:
            self.assertUnseen(gateway, lines(path, "files.example"), path)
        self.assertUnseen(gateway, b"GET / HTTP/1.0\r\n\r\n", "no host at all")

    def test_canonical_403(self) -> None:
        """What is well-formed is refused by the list, not by accident."""
        gateway = self.started()
        for host in (
            "denied.example",
            "A.Denied.Example.",
            "xn--bcher-kva.example",
            "203.0.113.7",
            "[2001:db8:bad::1]",
            "[64:ff9b::cb00:7107]",
        ):
            self.assertEqual(self.assertUnseen(gateway, lines(f"http://{host}/", host), host), 403)

    def test_passing(self) -> None:
        """What only looks alike passes, in every mode."""
        for mode in ("forward", "reverse"):
            gateway = self.started(mode)
            for url in PASSING:
                seen = self.successResultOf(gateway.get(url))
                self.assertTrue(seen.reached_origin, (mode, url, seen.status))
        gateway = self.started()
        for authority in ("allowed.example:443", "testdenied.example:443", "203.0.112.7:443"):
            self.assertEqual(self.successResultOf(gateway.connect(authority)).status, 200)

    def test_allow_only(self) -> None:
        """Where only what is listed passes, no spelling makes something else of it; nor is a spelling of it lost."""
        gateway = FakeGateway(
            AllowDeny, {"allow": ["allowed.example", "files.example/public"], "default": "deny"}
        )
        self.addCleanup(gateway.stop)
        for host in HOSTS:
            self.assertUnseen(gateway, lines(f"http://{host}/", "allowed.example"), host)
        for path in (
            "/",
            "/x",
            "/publicity",
            "/public/../x",
            "/public/%2e%2e/x",
            "/public/..%2fx",
            "/public/..;/x",
            "/public\\..\\x",
        ):
            self.assertUnseen(gateway, lines(f"http://files.example{path}", "files.example"), path)
        for url in (
            "http://ALLOWED.example.:80/",
            "http://a.allowed.example/x",
            "http://files.example//%70ublic/x",
        ):
            client = gateway.client()
            client.send(lines(url, url.split("/")[2]))
            gateway.settle()
            self.assertEqual(client.received.split(b" ", 2)[1], b"404", url)
            client.close()
        self.assertEqual(len(gateway.origin.requests), 3)


class RebindingTests(SynchronousTestCase):
    """Names that turn out to mean what is denied."""

    def test_forward(self) -> None:
        """The connection is closed unused, and the client is not told where it went."""
        gateway = FakeGateway(AllowDeny, {"deny": ["203.0.113.0/24"], "allow": ["good.example"]})
        self.addCleanup(gateway.stop)
        gateway.origin.addresses["good.example"] = "203.0.113.9"
        seen = self.successResultOf(gateway.get("http://good.example/"))
        self.assertEqual((seen.status, seen.reached_origin), (403, False))
        self.assertEqual(gateway.origin.requests, [])
        self.assertNotIn("203.0.113", seen.text)
        self.assertEqual(seen.notes["allow_deny"], "203.0.113.0/24")

    def test_connect(self) -> None:
        """So it is with tunnels: no byte goes through."""
        gateway = FakeGateway(AllowDeny, {"deny": ["203.0.113.0/24"]})
        self.addCleanup(gateway.stop)
        gateway.origin.addresses["good.example"] = "203.0.113.9"
        seen = self.successResultOf(gateway.connect("good.example:443", content=b"hello"))
        self.assertEqual(
            (seen.status, seen.reached_origin, gateway.origin.tunnels), (403, False, [])
        )

    def test_reverse(self) -> None:
        """And with the origins of a site: what is denied is denied."""
        gateway = FakeGateway(AllowDeny, {"deny": ["198.51.100.0/24"]}, mode="reverse")
        self.addCleanup(gateway.stop)
        seen = self.successResultOf(gateway.get("http://good.example/"))
        self.assertEqual((seen.status, seen.reached_origin), (403, False))

    def test_allowed_network(self) -> None:
        """An allowed network is an exception to a denied one."""
        gateway = FakeGateway(AllowDeny, {"deny": ["203.0.113.0/24"], "allow": ["203.0.113.9"]})
        self.addCleanup(gateway.stop)
        gateway.origin.addresses.update(
            {"good.example": "203.0.113.9", "bad.example": "203.0.113.10"}
        )
        self.assertEqual(self.successResultOf(gateway.get("http://good.example/")).status, 404)
        self.assertEqual(self.successResultOf(gateway.get("http://bad.example/")).status, 403)
