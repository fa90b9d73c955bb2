"""
The plugin C{webhook} with the gateway's own client and queue, and a server that verifies, refuses, delays and goes away.

The server shares no code with the gateway: it verifies signatures as C{docs/webhook.md} tells its readers to.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gateway.api import CATALOGUE, Event, Services
from gateway.config.load import load, load_plugin_settings
from gateway.message.via import Via
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.plugin_services import PluginServices
from gateway_webhook import Webhook, WebhookSettings
from tests.live.processes import REPOSITORY
from tests.live.tls_peers import serving, written
from tests.unit.net.certificates import issue

reactor: Any = the_reactor

#: What no wait may outlast, in seconds.
PATIENCE = 20.0
KEY = "a key of the tests that is long enough"
NEXT = "another key of the tests that follows"
PATH = "/services/verysecretpath"


@dataclass
class Received:
    """One request, as the server got it."""

    path: str
    fields: dict[str, str]
    body: bytes

    @property
    def notice(self) -> dict[str, Any]:
        """What was posted."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver:
    """
    A small HTTP server.

    @ivar port: where it listens.
    @ivar received: what came, in order.
    @ivar answers: status and fields of the next answers; 204 when there is none left, and a status of 0 hangs up.
    @ivar delay: seconds before an answer.
    """

    def __init__(self, test: TestCase, port: int = 0, secured: Path | None = None) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.delay = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Take a request and answer it."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, fields, body))
                time.sleep(receiver.delay)
                status, more = receiver.answers.pop(0) if receiver.answers else (204, {})
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Say nothing of clients that hang up: they are meant to, here."""

        self._server = Server(("127.0.0.1", port), Handler)
        if secured is not None:
            self._server.socket = serving(secured).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        test.addCleanup(self.close)

    def close(self) -> None:
        """End it; more than once is harmless."""
        self._server.shutdown()
        self._server.server_close()


class Localhost:
    """A resolver that knows one name."""

    def resolve(self, name: str) -> tuple[str, ...]:
        """Give loopback."""
        return ("127.0.0.1",)


class WebhookTests(TestCase):
    """Alarms on their whole way, from the desk by the queue on the disk to a server."""

    timeout = 90

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        for name, text in (("key", KEY), ("next", NEXT)):
            (self.folder / name).write_text(text)
        self.state = self.folder / "state"
        self.state.mkdir()
        self.events: list[Event] = []
        self.own: list[tuple[str, int]] = []
        self.receiver = Receiver(self)
        self.equips: PluginServices | None = None
        self.is_genuine = _verification()

    async def start(self, *receivers: dict[str, object]) -> Webhook:
        """Make the plugin and its services, as a process does at its start."""
        given = list(receivers or ({"url": self.url(), "limit": 0},))
        table = {"to": given}
        config = load(
            None,
            {"gateway.state": str(self.state), "plugins.webhook": table, "plugins.enabled": []},
            {},
        )
        self.equips = PluginServices(
            reactor,
            config,
            self.events.append,
            deadlines=Deadlines(reactor),
            dialer=lambda: Dialer(reactor, Localhost()),
            own=lambda: self.own,
            via=lambda: Via("gateway-1"),
        )
        own = load_plugin_settings(config, "webhook", WebhookSettings, {})
        self.services: Services = self.equips.for_plugin("webhook", own)
        made = Webhook(own, self.services)
        self.equips.start_plugin(self.services)
        self.addCleanup(self.stop)
        return made

    async def stop(self) -> None:
        """End it, as a process does."""
        equips, self.equips = self.equips, None
        if equips is not None:
            await equips.alarms.stop()
            equips.stop_plugin(self.services)
            await equips.close()
            # Closed connections tell their protocols in a later turn.
            await deferLater(reactor, 0.05)

    def tell(self, count: int = 1) -> None:
        """Let malware be found."""
        assert self.equips is not None
        for number in range(count):
            self.equips.alarms.take(
                CATALOGUE["malware_found"](f"malware {number} was found", "192.0.2.7")
            )

    def url(self, path: str = PATH) -> str:
        """Give where the server is."""
        return f"http://127.0.0.1:{self.receiver.port}{path}"

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not happen in time")
            await deferLater(reactor, 0.02)

    async def arrived(self, count: int) -> list[Received]:
        """Wait until so many requests came."""
        await self.until(lambda: len(self.receiver.received) >= count)
        return self.receiver.received

    async def test_signed(self) -> None:
        """A receiver that verifies as the documents say takes it, with either key."""
        await self.start(
            {
                "url": self.url(),
                "key": {"file": str(self.folder / "key")},
                "next_key": {"file": str(self.folder / "next")},
            }
        )
        self.tell()
        (request,) = await self.arrived(1)
        self.assertEqual(request.path, PATH)
        self.assertEqual(request.fields["content-type"], "application/json")
        field = request.fields["gateway-signature"]
        self.assertTrue(self.is_genuine(field, request.body, KEY))
        self.assertTrue(self.is_genuine(field, request.body, NEXT))
        self.assertFalse(self.is_genuine(field, request.body.replace(b"malware", b"nothing"), KEY))
        self.assertEqual(request.notice["alarms"][0]["event"], "malware_found")
        self.assertEqual(request.notice["id"], request.fields["idempotency-key"])

    async def test_exact_counts(self) -> None:
        """Of a thousand events at once the receiver hears in a few requests, and the counts are exact."""
        await self.start({"url": self.url(), "limit": "1s", "notify": {"malware_found": "always"}})
        self.tell(1000)
        await self.until(lambda: self.counted() == 1000)
        self.assertLess(len(self.receiver.received), 4)

    def counted(self) -> int:
        """Sum up what was delivered."""
        return sum(
            alarm["count"] for one in self.receiver.received for alarm in one.notice["alarms"]
        )

    async def test_tried_again(self) -> None:
        """Answers that mean later, and no answer at all: it comes again until it is taken, by the same name, once taken no more."""
        self.receiver.answers = [(503, {}), (0, {}), (429, {"Retry-After": "1"})]
        await self.start({"url": self.url(), "key": {"file": str(self.folder / "key")}})
        self.tell()
        requests = await self.arrived(4)
        await deferLater(reactor, 1.5)
        self.assertEqual(len(requests), 4)
        self.assertEqual([one.fields["gateway-attempt"] for one in requests], ["1", "2", "3", "4"])
        self.assertEqual(len({one.fields["idempotency-key"] for one in requests}), 1)
        self.assertEqual(len({one.body for one in requests}), 1)
        for one in requests:
            self.assertTrue(self.is_genuine(one.fields["gateway-signature"], one.body, KEY))

    async def test_retry_after(self) -> None:
        """A receiver that says when is not asked before."""
        self.receiver.answers = [(503, {"Retry-After": "2"})]
        await self.start()
        self.tell()
        await self.arrived(1)
        began = time.monotonic()
        await self.arrived(2)
        self.assertGreater(time.monotonic() - began, 1.8)

    async def test_refused(self) -> None:
        """What is refused for good does not keep back what follows, and is told with it."""
        self.receiver.answers = [(400, {})]
        await self.start({"url": self.url(), "limit": 0, "notify": {"malware_found": "always"}})
        self.tell()
        await self.arrived(1)
        await deferLater(reactor, 0.5)
        self.tell()
        first, second, lost = await self.arrived(3)
        self.assertNotEqual(first.fields["idempotency-key"], second.fields["idempotency-key"])
        self.assertIn(b'"event":"alarms_dropped"', lost.body)

    async def test_redirect(self) -> None:
        """A redirect is not followed: who else might get it is not up to the receiver."""
        other = Receiver(self)
        self.receiver.answers = [(302, {"Location": f"http://127.0.0.1:{other.port}/"})]
        await self.start()
        self.tell()
        await self.arrived(2)
        self.assertEqual(other.received, [])

    async def test_slow(self) -> None:
        """An answer that does not come in time is none."""
        self.receiver.delay = 3.0
        await self.start({"url": self.url(), "timeout": "1s"})
        self.tell()
        await self.arrived(1)
        self.receiver.delay = 0.0
        self.assertEqual((await self.arrived(2))[1].fields["gateway-attempt"], "2")

    async def test_restart(self) -> None:
        """A receiver that is down while the gateway stops gets its notice after the next start, once."""
        port = self.receiver.port
        self.receiver.close()
        await self.start({"url": self.url()})
        self.tell()
        await deferLater(reactor, 0.5)
        await self.stop()
        self.receiver = Receiver(self, port)
        await self.start({"url": self.url()})
        (request,) = await self.arrived(1)
        self.assertIn("malware 0", request.notice["alarms"][0]["text"])
        await deferLater(reactor, 1.0)
        self.assertEqual(len(self.receiver.received), 1)

    async def test_certificate(self) -> None:
        """A receiver whose certificate nobody vouches for gets nothing."""
        pem = written(self.folder, issue("localhost", None, ["localhost"]))
        secured = Receiver(self, secured=pem)
        await self.start({"url": f"https://localhost:{secured.port}/"})
        assert self.equips is not None
        tried = await self.equips.alarms.test(CATALOGUE["malware_found"]("a test"), ["webhook"])
        (why,) = tried.values()
        self.assertIn("certificate verify failed", why)
        self.assertEqual(secured.received, [])

    async def test_own_port(self) -> None:
        """A URL that leads to a listener of the gateway itself is refused."""
        self.own.append(("127.0.0.1", self.receiver.port))
        await self.start({"url": self.url()})
        assert self.equips is not None
        tried = await self.equips.alarms.test(CATALOGUE["malware_found"]("a test"), ["webhook"])
        (why,) = tried.values()
        self.assertIn("this gateway itself", why)
        self.assertEqual(self.receiver.received, [])

    async def test_nothing_secret_on_disk(self) -> None:
        """The queue's file has neither the URL nor the key nor fields."""
        self.receiver.close()
        await self.start(
            {
                "url": self.url(),
                "key": {"file": str(self.folder / "key")},
                "fields": {"Authorization": "Bearer 0123456789abcdef"},
            }
        )
        self.tell()
        await deferLater(reactor, 0.7)
        await self.stop()
        kept = b"".join(file.read_bytes() for file in self.state.rglob("*") if file.is_file())
        self.assertIn(b"malware 0", kept)
        for secret in (b"verysecretpath", KEY.encode(), b"0123456789abcdef"):
            self.assertNotIn(secret, kept)


def _verification() -> Callable[[str, bytes, str], bool]:
    """Give the function that the documents show."""
    page = (REPOSITORY / "docs" / "webhook.md").read_text()
    found: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if "def is_genuine" in block]
    exec(compile(code, "docs/webhook.md", "exec"), found)
    genuine: Callable[[str, bytes, str], bool] = found["is_genuine"]
    return genuine
