"""What is remembered of a message decides nothing about the next one that only looks like it."""

from __future__ import annotations

from gateway.api import Transaction, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase

DATE = b"Date: Sat, 21 Nov 2026 22:34:58 GMT"


class Once(Base):
    """Changes every second answer."""

    name = "once"

    def __init__(self) -> None:
        self.count = 0

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Change its status, its reason or a field, in turn."""
        self.count += 1
        assert txn.response is not None
        if self.count == 2:
            txn.response.status = 404
        elif self.count == 4:
            txn.response.reason = b"Fine"
        elif self.count == 6:
            txn.response.fields.set("X-Mine", "1")


class Adds(Base):
    """Adds lines to answers, each time those that it was given next."""

    name = "adds"
    #: The same objects again and again, as who remembers them gives them.
    ONE, OTHER = b"X-Mine: 1", b"X-Mine: 2"

    def __init__(self, *lines: tuple[bytes, ...]) -> None:
        self.lines = list(lines)

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Add them behind all others, but for what begins with a minus: that is taken out."""
        assert txn.response is not None
        fields = txn.response.fields
        for line in self.lines.pop(0):
            if line[:1] == b"-":
                fields.lines = [one for one in fields.lines if one[:1] != line[1:2]]
            else:
                fields.lines = [*fields.lines, line]


class Declares(Base):
    """Says how long the first content is."""

    name = "declares"

    def __init__(self) -> None:
        self.length: int | None = 3

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Say it once."""
        assert txn.response is not None
        txn.response.length, self.length = self.length, None


class ResponseTests(ScenarioTestCase):
    """Heads of answers, which an upstream connection remembers."""

    def test_what_a_plugin_changed(self) -> None:
        """Of answers with the same head each goes on as plugins have left it."""
        gateway = self.forward(plugins={"once": Once()})
        gateway.origin(reply=response(b"abc", DATE))
        client = gateway.client()
        for _ in range(7):
            client.send(request(URL))
        found = client.responses()
        self.assertEqual(
            [message.start for message in found],
            [
                b"HTTP/1.1 200 OK",
                b"HTTP/1.1 404 OK",
                b"HTTP/1.1 200 OK",
                b"HTTP/1.1 200 Fine",
                *[b"HTTP/1.1 200 OK"] * 3,
            ],
        )
        self.assertEqual([message.get("x-mine") for message in found], [*[None] * 5, b"1", None])

    def test_what_a_plugin_added(self) -> None:
        """What it adds to one of them is not in another, and what it adds to several is in each."""
        one, other = Adds.ONE, Adds.OTHER
        turns = ((one,), (one,), (other,), (), (one,), (one, other), (one,), (b"-X", one), (one,))
        gateway = self.forward(plugins={"adds": Adds(*turns)})
        gateway.origin(reply=response(b"abc", DATE, b"X-Theirs: 0"))
        client = gateway.client()
        for _ in turns:
            client.send(request(URL))
        found = client.responses()
        self.assertEqual(
            [b"".join(message.all("x-mine")) for message in found],
            [b"1", b"1", b"2", b"", b"1", b"12", b"1", b"1", b"1"],
        )
        self.assertEqual(
            [message.get("x-theirs") for message in found],
            [b"0"] * 7 + [None, b"0"],
        )
        self.assertEqual([message.content for message in found], [b"abc"] * len(turns))

    def test_different_clients(self) -> None:
        """An HTTP/1.0 client, and one whose connection ends, are told so though the answer before was another's."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc", DATE))
        for _ in range(2):
            gateway.client().send(request(URL))
        old = gateway.client()
        old.send(b"GET %b HTTP/1.0\r\n\r\n" % URL)
        last = gateway.client()
        last.send(request(URL, b"Connection: close"))
        for client in (old, last):
            self.assertEqual(client.response().get("connection"), b"close")
            self.assertEqual(client.closed, "fin")

    def test_lengths(self) -> None:
        """A length that a plugin has given to one answer in chunks is not that of the next."""
        gateway = self.forward(plugins={"declares": Declares()})
        origin = gateway.origin()
        client = gateway.client()
        for content in (b"abc", b"abcdef"):
            client.send(request(URL))
            origin.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n\r\n" % DATE
                + chunked(content)
            )
        self.assertEqual(
            [(found.framing, found.content) for found in client.responses()],
            [("length", b"abc"), ("chunked", b"abcdef")],
        )

    def test_dates(self) -> None:
        """An answer without a date gets that of its own moment."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        for _ in range(3):
            client.send(request(URL))
        for found in client.responses():
            self.assertIsNotNone(found.get("date"))


class RequestTests(ScenarioTestCase):
    """Header sections of requests, and where they led."""

    def asked(self, gateway: Harness, *requests: bytes) -> list[int]:
        """Send requests on one connection; give the statuses of their answers."""
        client = gateway.client()
        for each in requests:
            client.send(each)
        return [found.status for found in client.responses()]

    def two_sites(self) -> tuple[Harness, ScriptedOrigin, ScriptedOrigin]:
        """Start a gateway in front of site.example.com and other.example.com; give it and their origins."""
        gateway = self.reverse(
            sites=[
                {"host": ["site.example.com"], "origins": ["http://198.51.100.1"]},
                {"host": ["other.example.com"], "origins": ["http://198.51.100.2"]},
            ]
        )
        one = gateway.origin(reply=response(b"one"))
        return gateway, one, gateway.origin("198.51.100.2", reply=response(b"two"))

    def test_forms_of_targets(self) -> None:
        """An absolute-form goes to the host that it names, a path to the one in Host, whatever came before."""
        gateway, one, other = self.two_sites()
        fields = b"Host: site.example.com"
        self.asked(
            gateway,
            *(
                request(target, fields)
                for target in (b"/a", b"http://other.example.com/b", b"/c", b"/d?e")
            ),
        )
        self.assertEqual(
            [found.start.split()[1] for found in one.requests], [b"/a", b"/c", b"/d?e"]
        )
        self.assertEqual(other.request.start.split()[1], b"/b")

    def test_other_hosts(self) -> None:
        """Another Host leads to another site; the same one with other fields does not."""
        gateway, one, other = self.two_sites()
        statuses = self.asked(
            gateway,
            request(b"/1"),
            request(b"/2", b"X: 2"),
            request(b"/3", b"Host: other.example.com"),
            request(b"/4", b"X: 4"),
            request(b"/5", b"Host: nobody.example.com"),
            request(b"/6", b"X: 6"),
        )
        self.assertEqual(statuses, [200, 200, 200, 200, 421, 200])
        self.assertEqual(
            [(found.start.split()[1], found.get("x")) for found in one.requests],
            [(b"/1", None), (b"/2", b"2"), (b"/4", b"4"), (b"/6", b"6")],
        )
        self.assertEqual(other.request.start.split()[1], b"/3")

    def test_sites_by_path(self) -> None:
        """Where sites share a host each path is looked at."""
        gateway = self.reverse(
            sites=[
                {"origins": ["http://198.51.100.1"]},
                {"path": "/app", "origins": ["http://198.51.100.2"]},
            ]
        )
        one = gateway.origin(reply=response(b"one"))
        other = gateway.origin("198.51.100.2", reply=response(b"two"))
        self.asked(gateway, *(request(target) for target in (b"/a", b"/app/b", b"/c", b"/app")))
        self.assertEqual((len(one.requests), len(other.requests)), (2, 2))

    def test_what_is_refused(self) -> None:
        """A target that is refused is refused after others as well, and a loop, and an expectation that can't be met."""
        refused = (
            (request(b"/a#b"), 400),
            (request(b"/", b"Via: 1.1 gateway-under-test"), 508),
            (request(b"/", b"Expect: the-worst"), 417),
        )
        for bad, status in refused:
            gateway = self.reverse()
            gateway.origin(reply=response(b"one"))
            client = gateway.client()
            for _ in range(2):
                client.send(request(b"/"))
            client.send(bad)
            self.assertEqual([found.status for found in client.responses()], [200, 200, status])

    def test_urls_of_a_proxy(self) -> None:
        """A URL goes to the host and the path that it names, however like the one before it begins."""
        gateway = self.forward()
        for name in ("origin.example.com.net", "other.example.com"):
            gateway.names.known[name] = ("198.51.100.2",)
        one = gateway.origin(reply=response(b"one"))
        other = gateway.origin("198.51.100.2", reply=response(b"two"))
        fields = b"Host: origin.example.com"
        statuses = self.asked(
            gateway,
            *(
                request(target, fields)
                for target in (
                    URL + b"a",
                    b"http://origin.example.com?b/c",
                    b"http://origin.example.com",
                    b"http://origin.example.com.net/d",
                    URL + b"e",
                    b"http://other.example.com/f",
                    URL + b"g/http://other.example.com/",
                    URL + b"h#i",
                )
            ),
        )
        self.assertEqual(statuses, [*[200] * 7, 400])
        self.assertEqual(
            [found.start.split()[1] for found in one.requests],
            [b"/a", b"/?b/c", b"/", b"/e", b"/g/http://other.example.com/"],
        )
        self.assertEqual([found.start.split()[1] for found in other.requests], [b"/d", b"/f"])

    def test_a_host_that_is_none(self) -> None:
        """A Host that no host has is refused, though the URL is that of a request before."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"one"))
        statuses = self.asked(
            gateway, request(URL), request(URL, b"X: 1"), request(URL, b"Host: a b", b"X: 2")
        )
        self.assertEqual(statuses, [200, 200, 400])
        self.assertEqual(len(origin.requests), 2)

    def test_clients_of_a_proxy(self) -> None:
        """Whom a trusted proxy speaks for is judged in each request, whoever was let through before him."""
        gateway = self.forward({"network.trusted_proxies": ["198.51.100.66"]})
        gateway.origin(reply=response(b"one"))
        client = gateway.client("198.51.100.66")
        for address in (b"192.0.2.7", b"203.0.113.9", b"192.0.2.7", b"192.0.2.8"):
            client.send(request(URL, b"X-Forwarded-For: " + address))
        self.assertEqual([found.status for found in client.responses()], [200, 403, 200, 200])
