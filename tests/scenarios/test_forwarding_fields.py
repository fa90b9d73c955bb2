"""Who is told whom a request is for: X-Forwarded-* and Forwarded, by rule and by trust (S21, L3)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase

CLAIMS = (
    b"X-Forwarded-For: 203.0.113.99",
    b"X-Forwarded-Proto: https",
    b"X-Real-IP: 203.0.113.99",
    b"Forwarded: for=203.0.113.99",
)


class ReverseTests(ScenarioTestCase):
    """Sites: append, unless they say otherwise."""

    def test_append(self) -> None:
        """The origin learns the client's address, the scheme and the host."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", b"Host: www.example.com"))
        self.assertEqual(origin.request.all("x-forwarded-for"), [b"192.0.2.7"])
        self.assertEqual(origin.request.all("x-forwarded-proto"), [b"http"])
        self.assertEqual(origin.request.all("x-forwarded-host"), [b"www.example.com"])

    def test_forwarded(self) -> None:
        """Forwarded is written too where C{network.forwarded} says so, and not by default."""
        for said, found in (
            (False, []),
            (True, [b"for=192.0.2.7;host=www.example.com;proto=http"]),
        ):
            gateway = self.reverse(settings={"network.forwarded": said})
            origin = gateway.origin(reply=response())
            gateway.client().send(request(b"/", b"Host: www.example.com"))
            self.assertEqual(origin.request.all("forwarded"), found)

    def test_untrusted_claims(self) -> None:
        """What a client that is not trusted says of itself is dropped."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", *CLAIMS))
        self.assertNotIn(b"203.0.113.99", origin.request.raw)
        self.assertNotIn(b"https", origin.request.raw)
        self.assertLine(gateway, client="192.0.2.7")

    def test_trusted_chain(self) -> None:
        """A trusted proxy's chain is continued, and its client is ours for the log."""
        gateway = self.reverse(settings={"network.trusted_proxies": ["192.0.2.7"]})
        origin = gateway.origin(reply=response())
        gateway.client().send(
            request(b"/", b"X-Forwarded-For: 10.0.0.9, 203.0.113.50", b"X-Forwarded-Proto: https")
        )
        self.assertEqual(
            origin.request.all("x-forwarded-for"), [b"10.0.0.9, 203.0.113.50, 192.0.2.7"]
        )
        self.assertEqual(origin.request.all("x-forwarded-proto"), [b"https"])
        self.assertLine(gateway, client="203.0.113.50")

    def test_trusted_chain_in_forwarded(self) -> None:
        """So it is with Forwarded."""
        gateway = self.reverse(settings={"network.trusted_proxies": ["192.0.2.7"]})
        origin = gateway.origin(reply=response())
        gateway.client().send(
            request(b"/", b"Host: a.example.com", b'Forwarded: for="[2001:db8::9]:4711"')
        )
        self.assertEqual(
            origin.request.all("forwarded"),
            [b'for="[2001:db8::9]:4711", for=192.0.2.7;host=a.example.com;proto=http'],
        )
        self.assertLine(gateway, client="2001:db8::9")

    def test_each_request_anew(self) -> None:
        """Each request of a trusted proxy's connection has its own client."""
        gateway = self.reverse(settings={"network.trusted_proxies": ["192.0.2.7"]})
        gateway.origin(reply=response())
        client = gateway.client()
        for lines in ((b"X-Forwarded-For: 203.0.113.1",), (b"X-Forwarded-For: 203.0.113.2",), ()):
            client.send(request(b"/", *lines))
        self.assertEqual(
            [line["client"] for line in gateway.log], ["203.0.113.1", "203.0.113.2", "192.0.2.7"]
        )

    def test_delete(self) -> None:
        """With delete the origin learns nothing."""
        gateway = self.reverse({"xff": "delete"})
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", *CLAIMS))
        self.assertEqual(
            [name for name in origin.request.names if b"forward" in name or b"real" in name], []
        )

    def test_keep(self) -> None:
        """With keep it learns what the client says, and no more."""
        gateway = self.reverse({"xff": "keep"})
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", *CLAIMS))
        self.assertIn(b"\r\n".join(CLAIMS), origin.request.raw)
        self.assertNotIn(b"192.0.2.7", origin.request.raw)

    def test_by_site(self) -> None:
        """Two sites on one connection keep their own rules."""
        gateway = self.reverse(
            sites=[
                {"host": ["a.example.com"], "xff": "delete"},
                {"host": ["b.example.com"], "xff": "append"},
            ]
        )
        origin = gateway.origin(reply=response())
        client = gateway.client()
        for host in (b"a", b"b", b"a"):
            client.send(request(b"/", b"Host: %b.example.com" % host))
        self.assertEqual(
            [found.all("x-forwarded-for") for found in origin.requests], [[], [b"192.0.2.7"], []]
        )

    def test_request_id(self) -> None:
        """The origin gets the transaction's id, whatever the client calls its request."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(b"/", b"X-Request-Id: forged"))
        self.assertEqual(origin.request.all("x-request-id"), [gateway.line["id"].encode()])


class ForwardTests(ScenarioTestCase):
    """The forward proxy: delete, unless C{network.xff} says otherwise."""

    def test_delete(self) -> None:
        """No server learns who is behind the proxy."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, *CLAIMS))
        self.assertEqual(origin.request.names, [b"host", b"via"])

    def test_append(self) -> None:
        """With append the server learns the client's address, and nothing the client made up."""
        gateway = self.forward({"network.xff": "append"})
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, *CLAIMS))
        self.assertEqual(origin.request.all("x-forwarded-for"), [b"192.0.2.7"])
        self.assertEqual(origin.request.all("x-real-ip"), [])

    def test_keep(self) -> None:
        """With keep it stays as it was."""
        gateway = self.forward({"network.xff": "keep"})
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, *CLAIMS))
        self.assertEqual(origin.request.all("x-forwarded-for"), [b"203.0.113.99"])

    def test_downstream_proxy(self) -> None:
        """A trusted proxy in front names the client for our log, though nothing of it goes on (S01)."""
        gateway = self.forward({"network.trusted_proxies": ["192.0.2.7"]})
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, b"X-Forwarded-For: 192.0.2.50"))
        self.assertEqual(origin.request.all("x-forwarded-for"), [])
        self.assertLine(gateway, client="192.0.2.50")
