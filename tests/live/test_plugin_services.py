"""What plugins are given, on real disks, threads, sockets and TLS, and inside a gateway that runs."""

from __future__ import annotations

import contextlib
import datetime
import io
import ipaddress
import os
import threading
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from gateway.api import (
    Block,
    Event,
    HttpFailed,
    HttpReason,
    Plugin,
    Services,
    Transaction,
    hookimpl,
)
from gateway.config.load import load
from gateway.message.via import Via
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.net.http_client import HttpClient
from gateway.plugin_services import PluginServices
from gateway.record.keyvalue import FILE
from gateway.service import GatewayService

_reactor: Any = reactor

#: The ports of this module.
PROXY, SITE, RELAY, ADMIN = 28101, 28102, 28103, 28104


class Localhost:
    """A resolver that knows one name."""

    def resolve(self, name: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        """Give loopback."""
        return ("127.0.0.1",)


class Pages(Resource):
    """A small server: C{/echo}, C{/large}, C{/slow}."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def render(self, request: Any) -> Any:
        """Answer."""
        self.asked.append(request.path)
        if request.path == b"/slow":
            return NOT_DONE_YET
        if request.path == b"/large":
            return bytes(300_000)
        request.setHeader(b"x-via", request.getHeader(b"via") or b"")
        return b"%b %b" % (request.method, request.content.read())


def serve(test: TestCase, site: Site, context: Any = None) -> int:
    """Listen on loopback until the test is over."""
    if context is None:
        port = _reactor.listenTCP(0, site, interface="127.0.0.1")
    else:
        port = _reactor.listenSSL(0, site, context, interface="127.0.0.1")
    test.addCleanup(port.stopListening)
    return int(port.getHost().port)


class StoreTests(TestCase):
    """The store on a disk, used from its own thread."""

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.events: list[Event] = []

    def start(self) -> PluginServices:
        """Begin as a process does."""
        return PluginServices(
            _reactor,
            load(None, {"gateway.state": os.path.abspath(self.folder)}, {}),
            self.events.append,
            deadlines=Deadlines(_reactor),
            dialer=lambda: Dialer(_reactor, Localhost()),
            own=list,
            via=lambda: Via("gateway-1"),
        )

    def spoil(self) -> None:
        """Put something else in place of the file."""
        Path(self.folder, FILE).write_bytes(b"\x00garbage" * 1000)

    def vanish(self) -> None:
        """Put something else in place of the folder."""
        os.rmdir(self.folder)
        Path(self.folder).touch()

    async def test_restart(self) -> None:
        """What two plugins kept is there after a restart, and the end waits for what was asked before it."""
        first = self.start()
        a, b = first.for_plugin("a").store, first.for_plugin("b").store
        self.assertEqual(os.listdir(self.folder), [])
        writes: list[Any] = [a.set(f"key {number}", b"a") for number in range(200)]
        writes.append(b.set("key 0", b"b"))
        await first.close()
        await gatherResults(writes)
        second = self.start()
        self.addCleanup(second.close)
        a, b = second.for_plugin("a").store, second.for_plugin("b").store
        self.assertEqual(len(await a.keys("key 1")), 111)
        self.assertEqual((await a.get("key 0"), await b.get("key 0")), (b"a", b"b"))
        self.assertEqual((await b.keys(), self.events), (["key 0"], []))

    async def test_not_in_the_reactor(self) -> None:
        """The file is opened, read and closed in one thread that is not the reactor's."""
        services = self.start()
        seen: set[int] = set()
        table = services.store.table
        opened = table._opened

        def open_it() -> Any:
            seen.add(threading.get_ident())
            return opened()

        table._opened = open_it  # type: ignore[method-assign]
        await services.for_plugin("a").store.set("x", b"1")
        await services.close()
        self.assertEqual(len(seen), 1)
        self.assertNotIn(threading.get_ident(), seen)

    async def test_damaged(self) -> None:
        """A damaged file does not keep the gateway from starting."""
        self.spoil()
        services = self.start()
        self.addCleanup(services.close)
        store = services.for_plugin("a").store
        await store.set("x", b"1")
        self.assertEqual(await store.get("x"), b"1")
        self.assertEqual([event.name for event in self.events], ["store_damaged"])

    async def test_not_ours(self) -> None:
        """A folder that can't be written to means memory, said once."""
        self.vanish()
        services = self.start()
        self.addCleanup(services.close)
        store = services.for_plugin("a").store
        await store.set("x", b"1")
        self.assertEqual(await store.get("x"), b"1")
        self.assertEqual([event.name for event in self.events], ["store_in_memory"])


class HttpTests(TestCase):
    """The client against a server that shares no code with it."""

    def setUp(self) -> None:
        """Serve."""
        self.pages = Pages()
        self.port = serve(self, Site(self.pages))

    def client(self, trust: Any = None) -> Any:
        """Make a client; it is closed after the test."""
        client = HttpClient(
            _reactor,
            Deadlines(_reactor),
            dialer=lambda: Dialer(_reactor, Localhost()),
            own=list,
            via=lambda: Via("gateway-1"),
            looped=lambda: None,
            trust=trust,
        )
        self.addCleanup(self._closed, client)
        return client.for_plugin()

    def _closed(self, client: HttpClient) -> Deferred[None]:
        client.close()
        return quiet()

    async def reason(self, answer: Any) -> HttpReason:
        """Say why there is no answer."""
        try:
            await answer
        except HttpFailed as error:
            return error.reason
        raise AssertionError("there was an answer")

    async def test_plain(self) -> None:
        """Methods, content, our name in Via, and large answers up to the bound."""
        http = self.client()
        base = f"http://localhost:{self.port}"
        answer = await http.request("POST", f"{base}/echo", content=b"abc" * 50_000)
        self.assertEqual(answer.content, b"POST " + b"abc" * 50_000)
        self.assertEqual(answer.fields.get("x-via"), "1.1 gateway-1")
        self.assertEqual(len((await http.request("GET", f"{base}/large")).content), 300_000)
        large = http.request("GET", f"{base}/large", max_bytes=299_999)
        self.assertEqual(await self.reason(large), "too_large")
        slow = http.request("GET", f"{base}/slow", timeout_seconds=0.3)
        self.assertEqual(await self.reason(slow), "timeout")

    async def test_no_proxy_of_the_environment(self) -> None:
        """What the environment says of proxies is of no interest."""
        self.patch(
            os, "environ", {**os.environ, "http_proxy": "http://127.0.0.1:9", "all_proxy": "x"}
        )
        answer = await self.client().request("GET", f"http://localhost:{self.port}/echo")
        self.assertEqual(answer.status, 200)

    async def test_tls(self) -> None:
        """A certificate must be of the host and of somebody who is trusted; several requests share a connection."""
        authority, context = certificate("localhost")
        site = Site(self.pages)
        port = serve(self, site, context)
        http = self.client(ssl.trustRootFromCertificates([authority]))
        for _ in range(3):
            answer = await http.request("GET", f"https://localhost:{port}/large")
            self.assertEqual(len(answer.content), 300_000)
        unknown = self.client().request("GET", f"https://localhost:{port}/echo")
        self.assertEqual(await self.reason(unknown), "tls")
        other = http.request("GET", f"https://other.example.com:{port}/echo")
        self.assertEqual(await self.reason(other), "tls")
        numbered = http.request("GET", f"https://127.0.0.1:{port}/echo")
        self.assertEqual(await self.reason(numbered), "tls")
        self.assertEqual(self.pages.asked, [b"/large"] * 3)

    async def test_tls_to_an_address(self) -> None:
        """A certificate may name an address."""
        authority, context = certificate("127.0.0.1")
        port = serve(self, Site(self.pages), context)
        http = self.client(ssl.trustRootFromCertificates([authority]))
        answer = await http.request(
            "POST", f"https://127.0.0.1:{port}/echo", content=b"x" * 100_000
        )
        self.assertEqual(len(answer.content), 100_005)


class Asks(Plugin):
    """Asks for a URL before each request, and keeps how that ended."""

    name = "asks"
    url = ""
    ended: list[str]

    def __init__(self, settings: object, services: Services) -> None:
        super().__init__(settings, services)
        self.ended = []
        self.asked = services.metrics.counter("asked", "Look-ups.", ("result",))

    @hookimpl()
    async def request_headers(self, txn: Transaction) -> Block | None:
        """Ask, with a time-out in which a loop would be seen by its depth."""
        try:
            answer = await self.services.http.request("GET", self.url, timeout_seconds=5.0)
            result = str(answer.status)
        except HttpFailed as error:
            result = error.reason
        self.ended.append(result)
        self.asked.inc(result=result)
        return None


class LoopTests(TestCase):
    """S20: a look-up never comes back as a request that makes another look-up."""

    def start(self, url: str) -> tuple[GatewayService, Pages]:
        """Start a forward proxy and a site with a plugin that asks for a URL, before the same origin."""
        pages = Pages()
        origin = serve(self, Site(pages))
        settings: dict[str, object] = {
            "forward.listen": [f"127.0.0.1:{PROXY}"],
            "site": [{"listen": [f"127.0.0.1:{SITE}"], "origins": [f"http://127.0.0.1:{origin}"]}],
            "admin.health": f"127.0.0.1:{ADMIN}",
            "log.access": {"path": ""},
            "plugins.enabled": ["asks"],
        }
        asks = type("AsksThat", (Asks,), {"url": url})
        service = GatewayService(load(None, settings, {}), reactor, extra_plugins={"asks": asks})
        with contextlib.redirect_stdout(io.StringIO()):
            service.startService()
        self.addCleanup(quiet)
        self.addCleanup(service.stopService)
        return service, pages

    async def looked_up(self, url: str) -> tuple[list[str], int, str]:
        """Send one request to the site; give how look-ups ended, what reached the origin, and the metrics."""
        service, pages = self.start(url)
        asks: Any = service.plugins.plugins["asks"]
        status = await deferToThread(fetch, f"http://127.0.0.1:{SITE}/echo")
        self.assertEqual(status, b"GET ")
        metrics = await deferToThread(fetch, f"http://127.0.0.1:{ADMIN}/metrics")
        return asks.ended, len(pages.asked), metrics.decode()

    async def test_own_listener(self) -> None:
        """Whatever name or spelling leads to a listener of ours: nothing is sent."""
        ended, reached, metrics = await self.looked_up(f"http://localhost:{SITE}/lists")
        self.assertEqual((ended, reached), (["loop"], 1))
        self.assertIn("gateway_self_lookup_loops_total 1.0", metrics)
        self.assertIn('gateway_plugin_asks_asked_total{result="loop"} 1.0', metrics)

    async def test_on_a_detour(self) -> None:
        """Behind somebody else our name in Via ends it: the site refuses, so there is no second look-up."""
        relay = _reactor.listenTCP(RELAY, ProxyFactory("127.0.0.1", SITE), interface="127.0.0.1")
        self.addCleanup(relay.stopListening)
        ended, reached, metrics = await self.looked_up(f"http://127.0.0.1:{RELAY}/lists")
        self.assertEqual((ended, reached), (["loop"], 1))
        self.assertIn("gateway_self_lookup_loops_total 1.0", metrics)

    async def test_somebody_else(self) -> None:
        """Another port of this machine may be asked."""
        pages = Pages()
        port = serve(self, Site(pages))
        ended, reached, metrics = await self.looked_up(f"http://127.0.0.1:{port}/lists")
        self.assertEqual((ended, reached, pages.asked), (["200"], 1, [b"/lists"]))
        self.assertIn("gateway_self_lookup_loops_total 0.0", metrics)


def quiet() -> Deferred[None]:
    """Let closed connections go, and take the timer of time limits off the clock: it turns on for a while."""
    done: Deferred[None] = Deferred()

    def over() -> None:
        for call in _reactor.getDelayedCalls():
            if isinstance(getattr(call.func, "__self__", None), Deadlines):
                call.cancel()
        done.callback(None)

    _reactor.callLater(0.05, over)
    return done


def fetch(url: str) -> bytes:
    """Get a URL, in a thread."""
    with urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


def certificate(host: str) -> tuple[Any, Any]:
    """Make a certificate for a host that signs itself, and what a server needs of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    try:
        named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        named = x509.DNSName(host)
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    own = ssl.PrivateCertificate.loadPEM((private + pem).decode())
    return ssl.Certificate.loadPEM(pem), own.options()
