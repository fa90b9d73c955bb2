"""Methods and targets that plugins give to requests: none becomes a second request to the upstream, or one to somebody else."""

from __future__ import annotations

from collections.abc import Callable

from gateway.api import Transaction, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase

FORGED = b" HTTP/1.1\r\nHost: internal.example.com\r\n\r\nGET /forged"
TARGETS = (
    *(b"/a" + FORGED, b"/a b", b"/a\r\n", b"/a\tb", b"/\x00", b"/\x7f", "/\u00e9".encode()),
    *(b"", b"a", b"@internal.example.com/", b"http://internal.example.com/", b"*a", b" /a"),
)
METHODS = (b"GET /forged" + FORGED, b"", b"GE T", b"GET\r\n", b"G\xc9T")


class Says(Base):
    """Gives requests another method, or another target."""

    name = "says"

    def __init__(self, method: bytes | None = None, target: bytes | None = None) -> None:
        self.method = method
        self.target = target

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Set them."""
        if self.method is not None:
            txn.request.raw_method = self.method
        if self.target is not None:
            txn.request.raw_target = self.target


class RequestLineTests(ScenarioTestCase):
    """Through a forward and through a reverse proxy, to an upstream that was spoken to before, and to one that was not."""

    def ways(self) -> tuple[tuple[Callable[..., Harness], bytes], ...]:
        """Give how a gateway is made, and what is asked for."""
        return ((self.forward, URL), (self.reverse, b"/"))

    def test_none(self) -> None:
        """What is no request line is a 500, the upstream gets no byte of it, and the client's next request is answered."""
        changes = [Says(method=one) for one in METHODS] + [Says(target=one) for one in TARGETS]
        for make, asked in self.ways():
            for says in changes:
                method, target = says.method, says.target
                gateway = make(plugins={"says": says})
                origin = gateway.origin(reply=response(b"abc"))
                client = gateway.client()
                client.send(request(asked))
                says.method = says.target = None
                client.send(request(asked))
                says.method, says.target = method, target
                client.send(request(asked))
                self.assertEqual(
                    [one.status for one in client.responses()], [500, 200, 500], (method, target)
                )
                self.assertEqual([one.method for one in origin.requests], [b"GET"])
                # Of the other two not even a part was sent.
                sent = b"".join(one.received for one in origin.connections)
                self.assertEqual(sent.count(b"HTTP/1.1"), 1)

    def test_another_target(self) -> None:
        """A target that is one is what the upstream is asked for."""
        for make, asked in self.ways():
            gateway = make(plugins={"says": Says(target=b"/b%20c?d=e")})
            origin = gateway.origin(reply=response(b"abc"))
            client = gateway.client()
            client.send(request(asked))
            self.assertEqual(client.response().status, 200)
            self.assertEqual([one.target for one in origin.requests], [b"/b%20c?d=e"])
