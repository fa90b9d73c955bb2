"""What is remembered of where requests led, and as what they went on, holds for none that differs in what counts."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import Route, Transaction, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.messages import Message
from gateway.testing.peers import ScriptedOrigin, request, response
from tests.effort import examples
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase

DATE = b"Date: Sat, 21 Nov 2026 22:34:58 GMT"
WHOLE = response(b"abc", DATE)
TWO_ORIGINS = {"origins": ["http://198.51.100.1", "http://198.51.100.2:8080"]}
CHAINS = (b"192.0.2.31", b"192.0.2.31", b"192.0.2.32", b"192.0.2.31")


class Uniform(Base):
    """Lets all requests go on with the same fields."""

    name = "uniform"

    def __init__(self) -> None:
        self.lines = [b"Host: site.example.com", b"X-Uniform: 1"]

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Give them the same list."""
        txn.request.fields.lines = self.lines


class Looks(Base):
    """Looks at the client's own id of each request when it is answered."""

    name = "looks"

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Note it."""
        self.seen.append(txn.request.fields.get("x-request-id"))


class Whims(Base):
    """Does with a request and its answer what the request says."""

    name = "whims"

    def __init__(self) -> None:
        self.lines = [b"Host: site.example.com", b"X-Uniform: 1"]

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Change its fields."""
        fields = txn.request.fields
        whim = fields.get("x-whim")
        if whim == "set":
            fields.set("X-Set", "1")
        elif whim == "remove":
            fields.remove("cookie")
        elif whim == "uniform":
            fields.lines = self.lines

    @hookimpl()
    def select_upstream(self, txn: Transaction) -> Route | None:
        """Send it elsewhere."""
        if txn.client.mode == "forward" and txn.request.fields.get("x-whim") == "route":
            return Route("parent", "198.51.100.2", 8080)
        return None

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Change the fields of its answer."""
        if txn.request.fields.get("x-whim") == "answer":
            assert txn.response is not None
            txn.response.fields.set("X-Answer", "1")


class SiteTests(ScenarioTestCase):
    """Requests to sites."""

    def test_without_a_host(self) -> None:
        """Who names no host, or an empty one, asks each origin for the host that it is."""
        for asked in (
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        ):
            gateway = self.reverse(TWO_ORIGINS)
            one = gateway.origin(reply=WHOLE)
            two = gateway.origin("198.51.100.2", 8080, reply=WHOLE)
            client = gateway.client()
            for _ in range(6):
                client.send(asked)
            self.assertEqual(
                [{found.get("host") for found in origin.requests} for origin in (one, two)],
                [{b"198.51.100.1"}, {b"198.51.100.2:8080"}],
            )

    def test_request_ids(self) -> None:
        """A client's own id of a request goes no further, and plugins see the same of it each time."""
        looks = Looks()
        gateway = self.reverse(plugins={"looks": looks})
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client()
        for _ in range(3):
            client.send(request(b"/", b"X-Request-Id: mine"))
        ids = {found.get("x-request-id") for found in origin.requests}
        self.assertEqual((len(ids), b"mine" in ids), (3, False))
        self.assertEqual(looks.seen, [None] * 3)

    def test_versions(self) -> None:
        """The same fields mean something else in HTTP/1.0 and in HTTP/1.1."""
        gateway = self.reverse()
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client()
        versions = (1, 0, 0, 1, 1, 0)
        fields = b"Host: site.example.com\r\nConnection: keep-alive\r\n\r\n"
        for minor in versions:
            client.send(b"GET / HTTP/1.%d\r\n%b" % (minor, fields))
        self.assertEqual(
            [found.get("via") for found in origin.requests],
            [b"1.%d gateway-under-test" % minor for minor in versions],
        )
        self.assertEqual(
            [found.get("connection") for found in client.responses()],
            [None if minor else b"keep-alive" for minor in versions],
        )

    def test_chains_behind_the_same_fields(self) -> None:
        """What a trusted proxy says of its clients goes on with their own requests, though plugins make their fields alike."""
        gateway = self.reverse(
            settings={"network.trusted_proxies": ["192.0.2.66"]}, plugins={"uniform": Uniform()}
        )
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client("192.0.2.66")
        for chain in CHAINS:
            client.send(request(b"/", b"X-Forwarded-For: " + chain))
        self.assertEqual(
            [found.get("x-forwarded-for") for found in origin.requests],
            [chain + b", 192.0.2.66" for chain in CHAINS],
        )

    def test_reload(self) -> None:
        """After a reload a kept connection's next request goes where, and as what, the newer configuration says."""
        gateway = self.reverse()
        one = gateway.origin(reply=WHOLE)
        two = gateway.origin("198.51.100.2", reply=WHOLE)
        client = gateway.client()
        for _ in range(3):
            client.send(request(b"/"))
        site = {
            "host": ["*"],
            "listen": ["192.0.2.1:80"],
            "origins": ["http://198.51.100.2"],
            "xff": "delete",
            "preserve_host": False,
        }
        self.successResultOf(gateway.reload({"site": [site], "gateway.name": "other"}))
        for _ in range(3):
            client.send(request(b"/"))
        self.assertEqual((len(one.requests), len(two.requests)), (3, 3))
        for found in two.requests:
            self.assertEqual(
                [found.get(name) for name in ("host", "x-forwarded-for", "via")],
                [b"198.51.100.2", None, b"1.1 other"],
            )
        self.assertEqual(client.responses()[-1].get("via"), b"1.1 other")

    def test_contents(self) -> None:
        """Of equal heads each has its own content, and where that ends the next request begins."""
        gateway = self.reverse()
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client()
        contents = (b"abc", b"def", b"GET", b"xyz")
        *first, last = (request(b"/", method=b"POST", content=content) for content in contents)
        for whole in first:
            client.send(whole)
        client.send(last[:-2])
        client.send(last[-2:] + request(b"/"))
        self.assertEqual([found.content for found in origin.requests], [*contents, b""])


class ProxyTests(ScenarioTestCase):
    """Requests through the forward proxy."""

    def test_tunnels(self) -> None:
        """A CONNECT with the fields of the requests before is judged as one."""
        fields = b" HTTP/1.1\r\nHost: origin.example.com\r\n\r\n"
        for port, status in ((22, 403), (443, 200)):
            gateway = self.forward()
            gateway.origin(reply=WHOLE)
            gateway.origin(port=443)
            client = gateway.client()
            for _ in range(3):
                client.send(b"GET " + URL + fields)
            client.send(b"CONNECT origin.example.com:%d" % port + fields)
            found = client.responses(*[b"GET"] * 3, b"CONNECT")
            self.assertEqual([each.status for each in found], [200, 200, 200, status])

    def test_reload(self) -> None:
        """After a reload a kept connection's client may do what the newer configuration says, and is told of as that says."""
        gateway = self.forward({"network.xff": "append"})
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client()
        for _ in range(3):
            client.send(request(URL))
        self.successResultOf(gateway.reload({"network.xff": "delete", "gateway.name": "other"}))
        for _ in range(2):
            client.send(request(URL))
        self.assertEqual(
            [(found.get("x-forwarded-for"), found.get("via")) for found in origin.requests],
            [(b"192.0.2.7", b"1.1 gateway-under-test")] * 3 + [(None, b"1.1 other")] * 2,
        )
        self.successResultOf(gateway.reload({"forward.allow_from": ["203.0.113.0/24"]}))
        client.send(request(URL))
        self.assertEqual(client.responses()[-1].status, 403)
        self.assertEqual(len(origin.requests), 5)

    def test_chains_behind_the_same_fields(self) -> None:
        """What a trusted proxy says of its clients goes on with their own requests, though plugins make their fields alike."""
        gateway = self.forward(
            {"network.xff": "append", "network.trusted_proxies": ["192.0.2.66"]},
            plugins={"uniform": Uniform()},
        )
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client("192.0.2.66")
        client.send(request(URL))
        for chain in CHAINS:
            client.send(request(URL, b"X-Forwarded-For: " + chain))
        self.assertEqual(
            [found.get("x-forwarded-for") for found in origin.requests],
            [b"192.0.2.66", *(chain + b", 192.0.2.66" for chain in CHAINS)],
        )

    def test_more_than_was_asked_for(self) -> None:
        """A second answer behind one like those before goes to nobody."""
        gateway = self.forward()
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client()
        for reply in (WHOLE, WHOLE, WHOLE + response(b"evil", DATE), WHOLE):
            origin.reply = reply
            client.send(request(URL))
        self.assertEqual([found.content for found in client.responses()], [b"abc"] * 4)
        self.assertEqual(len(origin.connections), 2)

    def test_kinds_of_answers(self) -> None:
        """An answer without content, or behind an interim one, is told from the one before, however alike they begin."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        for reply in (
            WHOLE,
            WHOLE,
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE,
            WHOLE,
            *[b"HTTP/1.1 304 Not Modified\r\n%b\r\nContent-Length: 3\r\n\r\n" % DATE] * 2,
            WHOLE,
            *[b"HTTP/1.1 204 No Content\r\n%b\r\n\r\n" % DATE] * 2,
            WHOLE,
        ):
            origin.reply = reply
            client.send(request(URL))
        self.assertEqual(
            [found.status for found in client.responses()],
            [200, 200, 103, 200, 200, 304, 304, 200, 204, 204, 200],
        )
        self.assertEqual(len(origin.connections), 1)

    def test_drain(self) -> None:
        """When the gateway ends, the client is told with the next answer, however often it got the same one."""
        gateway = self.forward()
        origin = gateway.origin(reply=WHOLE)
        client = gateway.client()
        for _ in range(2):
            client.send(request(URL))
        origin.reply = None
        client.send(request(URL))
        gateway.begin_stop()
        origin.send(WHOLE)
        self.assertEqual(
            [found.get("connection") for found in client.responses()], [None, None, b"close"]
        )
        self.assertEqual(client.closed, "fin")


#: Lines that requests have, or have not. None of them is of a client that authenticates its connection: that one matters.
LINES = (
    b"Authorization: Basic abc",
    b"Connection: X-Own, TE",
    b"Content-Length: 0",
    b"Cookie: a=b",
    b"Expect: 100-continue",
    b"Forwarded: for=203.0.113.9",
    b"Max-Forwards: 3",
    b"TE: trailers",
    b"Via: 1.0 other",
    b"X-Forwarded-For: 192.0.2.31",
    b"X-Forwarded-For: 192.0.2.32",
    b"X-Own: 1",
    b"X-Request-Id: mine",
    *(b"X-Whim: " + whim for whim in (b"set", b"remove", b"uniform", b"route", b"answer")),
)
METHODS = (b"GET", b"GET", b"HEAD", b"OPTIONS", b"POST", b"TRACE")
HOSTS = (
    b"Host: site.example.com",
    b"Host: other.example.com",
    b"Host: origin.example.com",
    b"Host:",
)
PATHS = (b"/", b"/a", b"/app/b", b"/a#b", b"*", b"http://other.example.com/c")
URLS = (
    URL,
    URL + b"a",
    b"http://ORIGIN.example.com/",
    b"http://origin.example.com?b",
    b"/",
    URL + b"#",
)
USUAL_SITE: dict[str, object] = {
    "host": ["*"],
    "listen": ["192.0.2.1:80"],
    "origins": ["http://198.51.100.1"],
}
OTHER_SITE = {**USUAL_SITE, "origins": ["http://198.51.100.2:8080"]}
TRUSTING = {"network.trusted_proxies": ["192.0.2.7"]}
#: What gateways there are: settings of sites, or of proxies.
SITES: tuple[tuple[list[Mapping[str, object]], Mapping[str, object]], ...] = (
    ([{**USUAL_SITE, **TWO_ORIGINS}], {}),
    ([USUAL_SITE, {**OTHER_SITE, "path": "/app"}], TRUSTING),
    ([USUAL_SITE, {**OTHER_SITE, "host": ["other.example.com"], "xff": "keep"}], {}),
    ([{**USUAL_SITE, "preserve_host": False, "sticky": "cookie"}], TRUSTING),
)
PROXIES: tuple[Mapping[str, object], ...] = (
    {},
    {"network.xff": "append", **TRUSTING},
    {"network.xff": "keep"},
)


def varied(chosen: random.Random, targets: tuple[bytes, ...]) -> list[bytes]:
    """Make requests of which each differs in one thing from the one before, or in nothing."""
    method, target, host, minor = b"GET", chosen.choice(targets), chosen.choice(HOSTS), 1
    lines = set(chosen.sample(LINES, 2))
    made = []
    for _ in range(8):
        fields = b"".join(line + b"\r\n" for line in (host, *sorted(lines)))
        made.append(b"%b %b HTTP/1.%d\r\n%b\r\n" % (method, target, minor, fields))
        match chosen.randrange(8):
            case 0:
                method = chosen.choice(METHODS)
            case 1:
                target = chosen.choice(targets)
            case 2:
                host = chosen.choice(HOSTS)
            case 3:
                minor = 1 - minor
            case 4 | 5:
                lines ^= {chosen.choice(LINES)}
    return made


def answered(asked: Message) -> bytes:
    """Answer a request, whose method may want no content."""
    head = b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 3\r\n\r\n" % DATE
    return head if asked.start.startswith(b"HEAD") else WHOLE


class AnyRequestsTests(ScenarioTestCase):
    """Requests that differ in a little."""

    def exchanged(
        self, gateway: Harness, requests: list[bytes], *, together: bool
    ) -> list[tuple[list[bytes], bytes]]:
        """
        Send requests; give what origins got of each and what the client got.

        @param together: on one connection, as long as that lasts; else each on its own.
        """
        origins = [
            gateway.origin(reply=answered),
            gateway.origin("198.51.100.2", 8080, reply=answered),
        ]
        found = []
        client = gateway.client()
        for each in requests:
            if not together or client.closed:
                client = gateway.client()
            taken(origins)
            client.take()
            client.send(each)
            found.append((taken(origins), without_chance(client.take())))
        return found

    @given(seed=st.integers(0, 1 << 30))
    @settings(max_examples=examples(60))
    def test_sites(self, seed: int) -> None:
        """A site's origins and clients get of each request what they get if it comes alone."""
        chosen = random.Random(seed)
        sites, said = chosen.choice(SITES)
        requests = varied(chosen, PATHS)
        alone, together = (
            self.exchanged(
                self.reverse(sites=[*sites], settings=said, plugins={"whims": Whims()}),
                requests,
                together=kept,
            )
            for kept in (False, True)
        )
        self.assertEqual(alone, together, requests)

    @given(seed=st.integers(0, 1 << 30))
    @settings(max_examples=examples(60))
    def test_proxies(self, seed: int) -> None:
        """So it is with the forward proxy."""
        chosen = random.Random(seed)
        said = chosen.choice(PROXIES)
        requests = varied(chosen, URLS)
        alone, together = (
            self.exchanged(self.forward(said, plugins={"whims": Whims()}), requests, together=kept)
            for kept in (False, True)
        )
        self.assertEqual(alone, together, requests)


def taken(origins: list[ScriptedOrigin]) -> list[bytes]:
    """Give what each connection of some origins got since the last call, if it got something."""
    got = (connection.take() for origin in origins for connection in origin.connections)
    return [without_chance(each) for each in got if each]


def without_chance(said: bytes) -> bytes:
    """Leave out what no two requests have in common."""
    return re.sub(rb"(X-Request-Id:|Date:|[Ii]d:?) [^\r<]*|[0-9a-f]{8,}", b"", said)
