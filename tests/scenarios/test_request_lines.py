"""Methods and targets that plugins give to requests: none becomes a second request to the upstream, or one to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from gateway.api import Transaction, hookimpl
from gateway.net.transport import ImmediateConnection
from gateway.pipeline.paged import LEAST_BYTES, SENT
from gateway.testing.harness import Harness
from gateway.testing.peers import chunked, request, response
from tests.scenarios.caches import CachedTestCase
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase

FORGED = b" HTTP/1.1\r\nHost: internal.example.com\r\n\r\nGET /forged"
TARGETS = (
    *(b"/a" + FORGED, b"/a b", b"/a\r\n", b"/a\tb", b"/\x00", b"/\x7f", "/\u00e9".encode()),
    *(b"", b"a", b"@internal.example.com/", b"http://internal.example.com/", b"*a", b" /a"),
)
METHODS = (b"GET /forged" + FORGED, b"", b"GE T", b"GET\r\n", b"G\xc9T")
FRESH = (b"Cache-Control: max-age=3600", b"Date: " + formatdate(usegmt=True).encode("ascii"))


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

    def test_to_and_from_head(self) -> None:
        """Whatever a plugin makes of a method, the client gets as much of the answer as it waits for: so on the next request."""
        content = b"abc" * 50_000
        framed: tuple[tuple[bytes, ...], ...] = (
            (response(b"abc"),),
            (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(b"abc")),
        )
        for make, asked in self.ways():
            for pieces in framed:
                gateway = make(plugins={"says": Says(method=b"GET")})
                origin = gateway.origin()
                client = gateway.client()
                for _ in range(2):
                    client.send(request(asked, method=b"HEAD"))
                    for piece in pieces:
                        origin.send(piece)
                found = client.responses(b"HEAD", b"HEAD")
                self.assertEqual([(one.status, one.content) for one in found], [(200, b"")] * 2)
                self.assertEqual([one.method for one in origin.requests], [b"GET"] * 2)
            gateway = make(plugins={"says": Says(method=b"HEAD")})
            gateway.origin(reply=b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
            client = gateway.client()
            for _ in range(2):
                client.send(request(asked))
            found = client.responses()
            self.assertEqual([(one.status, one.content) for one in found], [(200, b"")] * 2)


class CachedTests(CachedTestCase):
    """Out of the cache."""

    def test_to_get(self) -> None:
        """Nor does what is stored have content for a client that asked for its head, be it short, or long and sent often."""
        self.patch(ImmediateConnection, "sends_pages", True)
        for size in (3, LEAST_BYTES):
            gateway = self.cached(plugins={"says": Says(method=b"GET")})
            origin = gateway.origin(reply=response(b"a" * size, *FRESH))
            client = gateway.client()
            for _ in range(SENT + 3):
                client.send(request(b"/", method=b"HEAD"))
            found = client.responses(*[b"HEAD"] * (SENT + 3))
            self.assertEqual(
                [(one.status, one.content, one.get("content-length")) for one in found],
                [(200, b"", b"%d" % size)] * (SENT + 3),
            )
            self.assertEqual(len(origin.requests), 1)
