"""The health listener's pages, asked over HTTP in memory."""

from __future__ import annotations

import json

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from gateway.admin.health import Readiness
from gateway.admin.site import IDLE_SECONDS, admin_site


class Numbers:
    """Metrics that are quickly made."""

    def text(self) -> bytes:
        """Give a text."""
        return b"gateway_up 1\n"


class SiteTests(SynchronousTestCase):
    """What a client of the listener sees."""

    def setUp(self) -> None:
        """Make a site with nothing amiss."""
        self.clock = Clock()
        self.readiness = Readiness()
        self.site = admin_site(self.readiness, Numbers(), self.clock)
        self.site.doStart()
        self.addCleanup(self.site.doStop)

    def connect(self) -> StringTransport:
        """Open a connection."""
        protocol = self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40001))
        transport = StringTransport()
        protocol.makeConnection(transport)
        self.receive = protocol.dataReceived
        return transport

    def ask(
        self, path: str, method: str = "GET", fields: str = "", content: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request and give status, fields and content."""
        transport = self.connect()
        self.receive(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode() + content)
        head, _, answer = transport.value().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, value in pairs}, answer

    def test_health(self) -> None:
        """The process is alive, ready or not."""
        self.readiness.draining = True
        status, fields, content = self.ask("/healthz")
        self.assertEqual((status, content), (200, b"ok\n"))
        self.assertEqual(fields["cache-control"], "no-store")
        self.assertNotIn("server", fields)

    def test_ready(self) -> None:
        """With every check well it is ready, and says so line by line."""
        self.readiness.add("listeners", lambda: None)
        status, fields, content = self.ask("/readyz")
        self.assertEqual(status, 200)
        self.assertEqual(fields["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(
            content.decode().split("\n"), ["ready", "ok     draining", "ok     listeners", ""]
        )

    def test_not_ready(self) -> None:
        """One check that fails is enough, and is named with its reason."""
        self.readiness.add("listeners", lambda: None)
        self.readiness.add("disk", lambda: "5 % left")
        status, _, content = self.ask("/readyz")
        self.assertEqual(status, 503)
        self.assertIn(b"not ready\n", content)
        self.assertIn(b"failed disk: 5 % left\n", content)

    def test_draining(self) -> None:
        """A gateway that drains is not ready from that moment on."""
        self.assertEqual(self.ask("/readyz")[0], 200)
        self.readiness.draining = True
        status, _, content = self.ask("/readyz")
        self.assertEqual(status, 503)
        self.assertIn(b"failed draining: ", content)

    def test_as_json(self) -> None:
        """Who asks for JSON gets the same as JSON."""
        self.readiness.add("disk", lambda: "5 % left")
        status, fields, content = self.ask("/readyz", fields="Accept: application/json\r\n")
        self.assertEqual((status, fields["content-type"]), (503, "application/json"))
        self.assertEqual(
            json.loads(content),
            {
                "ready": False,
                "checks": {
                    "draining": {"ok": True, "why": ""},
                    "disk": {"ok": False, "why": "5 % left"},
                },
            },
        )

    def test_check_that_fails(self) -> None:
        """A check that raises is a check that fails; the others are asked all the same."""

        def broken() -> str | None:
            raise ZeroDivisionError

        self.readiness.add("broken", broken)
        self.readiness.add("disk", lambda: "full")
        status, _, content = self.ask("/readyz")
        self.assertEqual(status, 503)
        self.assertIn(b"failed broken: the check itself failed\n", content)
        self.assertIn(b"failed disk: full\n", content)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_check_taken_away(self) -> None:
        """A check that was removed is not asked any more."""
        self.readiness.add("disk", lambda: "full")
        self.assertFalse(self.readiness.is_ready)
        self.readiness.remove("disk")
        self.readiness.remove("disk")
        self.assertTrue(self.readiness.is_ready)

    def test_metrics(self) -> None:
        """The numbers come as they are made, under the name of their format."""
        status, fields, content = self.ask("/metrics")
        self.assertEqual((status, content), (200, b"gateway_up 1\n"))
        self.assertEqual(fields["content-type"], "text/plain; version=0.0.4; charset=utf-8")

    def test_head(self) -> None:
        """HEAD has the length of the content and none of it."""
        status, fields, content = self.ask("/metrics", "HEAD")
        self.assertEqual((status, fields["content-length"], content), (200, "13", b""))

    def test_other_methods(self) -> None:
        """Nothing here can be changed, so nothing but reading is allowed (RFC 9110 section 15.5.6)."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            status, fields, _ = self.ask("/healthz", method, "Content-Length: 0\r\n")
            self.assertEqual((status, fields["allow"]), (405, "GET, HEAD"), method)

    def test_content_is_dropped(self) -> None:
        """Content that a request brings is not kept anywhere."""
        kept: list[bytes] = []
        factory: type[Request] = self.site.requestFactory

        class Spy(factory):  # type: ignore[valid-type, misc]
            def process(self) -> None:
                kept.append(self.content.read())
                super().process()

        self.site.requestFactory = Spy
        content = b"x" * 200_000
        status, _, _ = self.ask("/healthz", "POST", f"Content-Length: {len(content)}\r\n", content)
        self.assertEqual((status, kept), (405, [b""]))

    def test_elsewhere(self) -> None:
        """What is no page is not found, and the pages are named."""
        for path in ("/readyz/x", "/metrics/", "/", "/nothing", "/../etc/passwd"):
            status, fields, content = self.ask(path)
            self.assertEqual(status, 404, path)
            self.assertNotIn("server", fields)
        self.assertIn(b"/metrics", content)

    def test_silence(self) -> None:
        """A connection that says nothing is closed."""
        transport = self.connect()
        self.receive(b"GET /healthz HTTP/1.1\r\n")
        self.clock.advance(IDLE_SECONDS)
        self.assertTrue(transport.disconnecting or transport.disconnected)

    def test_kept_connection(self) -> None:
        """One connection serves many questions."""
        transport = self.connect()
        for _ in range(3):
            self.receive(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(transport.value().count(b"\r\n\r\nok\n"), 3)
