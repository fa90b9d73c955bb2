"""A CONNECT whose head came before is judged as the first one: by who asks, by what plugins say, by the configuration of now."""

from __future__ import annotations

from gateway.api import Block, Transaction, hookimpl
from gateway.testing.harness import CLIENT, Harness
from gateway.testing.peers import request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import ScenarioTestCase

ASK = request(b"origin.example.com:443", method=b"CONNECT")


class Once(Base):
    """Lets each client ask once."""

    name = "once"

    def __init__(self) -> None:
        self.seen: set[str] = set()

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        """Count, and change a line of what was let through."""
        if txn.client.address in self.seen:
            return Block("again")
        self.seen.add(txn.client.address)
        txn.request.fields.set("X-Seen", "yes")
        return None


class AgainTests(ScenarioTestCase):
    """Several connections that say the same."""

    def status(self, gateway: Harness, address: str = CLIENT, ask: bytes = ASK) -> int:
        """Ask, and give what is answered."""
        client = gateway.client(address)
        client.send(ask)
        status = client.response(b"CONNECT").status
        client.reset()
        return status

    def test_who_asks(self) -> None:
        """Another client that may not use the proxy is refused, before and after."""
        gateway = self.forward({"forward.allow_from": ["192.0.2.0/24"]})
        gateway.origin(port=443)
        found = [
            self.status(gateway, address)
            for address in ("192.0.2.7", "203.0.113.9", "192.0.2.8", "203.0.113.9", "192.0.2.7")
        ]
        self.assertEqual(found, [200, 403, 200, 403, 200])

    def test_refused_first(self) -> None:
        """What was refused first is let through to whom it may be."""
        gateway = self.forward({"forward.allow_from": ["192.0.2.0/24"]})
        gateway.origin(port=443)
        found = [self.status(gateway, address) for address in ("203.0.113.9", "192.0.2.7")]
        self.assertEqual(found, [403, 200])

    def test_plugins(self) -> None:
        """Plugins are asked each time, and what they change is one request's."""
        once = Once()
        gateway = self.forward(plugins={"once": once})
        gateway.origin(port=443)
        addresses = ("192.0.2.7", "192.0.2.8", "192.0.2.7")
        self.assertEqual([self.status(gateway, address) for address in addresses], [200, 200, 403])
        self.assertEqual(once.seen, {"192.0.2.7", "192.0.2.8"})

    def test_reload(self) -> None:
        """After a reload the configuration of now says where it leads, on new connections and on old ones."""
        gateway = self.forward()
        gateway.origin(port=443)
        kept = gateway.client()
        kept.send(request(b"http://origin.example.com/", b"Max-Forwards: 0", method=b"OPTIONS"))
        self.assertEqual([self.status(gateway) for _ in range(2)], [200, 200])
        self.successResultOf(gateway.reload({"forward.connect_ports": [8443]}))
        self.assertEqual(self.status(gateway), 403)
        kept.send(ASK)
        self.assertEqual(kept.responses(b"OPTIONS", b"CONNECT")[1].status, 403)
        self.successResultOf(gateway.reload({"forward.connect_ports": [443]}))
        self.assertEqual([self.status(gateway) for _ in range(2)], [200, 200])

    def test_other_targets(self) -> None:
        """What is known of a CONNECT is nothing that holds for another target or method with the same fields."""
        fields = b" HTTP/1.1\r\nHost: origin.example.com\r\n\r\n"
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        ask = b"CONNECT origin.example.com:443" + fields
        refused = b"CONNECT origin.example.com:22" + fields
        # Nobody listens there, so the connection goes on.
        for asked in (ask, refused) * 2:
            client = gateway.client()
            for data in (asked, b"GET http://origin.example.com/a" + fields, asked, refused):
                client.send(data)
            first = 502 if asked is ask else 403
            found = client.responses(b"CONNECT", b"GET", b"CONNECT", b"CONNECT")
            self.assertEqual([each.status for each in found], [first, 200, first, 403])

    def test_loop(self) -> None:
        """What came back to this gateway is refused each time."""
        gateway = self.forward()
        gateway.origin(port=443)
        ask = request(b"origin.example.com:443", b"Via: 1.1 gateway-under-test", method=b"CONNECT")
        self.assertEqual([self.status(gateway, ask=ask) for _ in range(3)], [508] * 3)

    def test_ports(self) -> None:
        """A port that is not allowed is not allowed the second time either."""
        gateway = self.forward({"forward.connect_ports": [443]})
        ask = request(b"origin.example.com:25", method=b"CONNECT")
        self.assertEqual([self.status(gateway, ask=ask) for _ in range(3)], [403] * 3)

    def test_lines(self) -> None:
        """Each has its own line in the log, with its own client."""
        gateway = self.forward()
        gateway.origin(port=443)
        for address in ("192.0.2.7", "192.0.2.8"):
            self.status(gateway, address)
        gateway.advance(1)
        self.assertEqual(
            [(line["client"], line["url"]) for line in gateway.log],
            [("192.0.2.7", "origin.example.com:443"), ("192.0.2.8", "origin.example.com:443")],
        )
