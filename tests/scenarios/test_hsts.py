"""Strict-Transport-Security on answers that the gateway makes itself (RFC 6797 sections 7.1 and 7.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Block, Fields, Respond, Response, hookimpl
from gateway.service import GatewayService
from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.messages import Message, read_responses
from gateway.testing.peers import request
from tests.scenarios.plugins import Base
from tests.scenarios.test_terminated_tls import HOST, Browser
from tests.unit.net.certificates import client_context, leaf

FIELD = "Strict-Transport-Security"
SAID = b"max-age=86400; includeSubDomains"


class Judge(Base):
    """Refuses C{/blocked}, and answers C{/made} and C{/own} by one response each that it has at hand."""

    made = Response(200, Fields([b"Content-Type: text/plain"]), b"made")
    own = Response(200, Fields([b"strict-transport-security: max-age=7"]), b"own")

    @hookimpl()
    def request_headers(self, txn: Any) -> Block | Respond | None:
        """Judge by the path."""
        match txn.request.path:
            case "/blocked":
                return Block("not here")
            case "/made":
                return Respond(self.made)
            case "/own":
                return Respond(self.own)
        return None


class OwnAnswersTests(SynchronousTestCase):
    """A site that wants to be reached by TLS alone, whose origin is down, on two listeners."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        pem = folder / "www.pem"
        pem.write_bytes(leaf(HOST).pem)
        pem.chmod(0o600)
        secure = {"address": "192.0.2.1:443", "tls": {"certificate": str(pem)}}
        self.gateway = Harness(
            GatewayService,
            {
                "site": [
                    {
                        "host": [HOST],
                        "origins": [f"http://{ORIGIN}"],
                        "listen": [secure, "192.0.2.1:80"],
                        "hsts": {"max_age": "1d", "subdomains": True},
                    }
                ]
            },
            folder=str(folder / "gateway"),
            plugins={"test": Judge()},
        )
        self.addCleanup(self.gateway.stop)
        names = [listening.name for listening in self.gateway.service.listenings]
        self.secure = next(at for at, name in enumerate(names) if name.endswith(":443"))

    def secured(self, *targets: bytes, method: bytes = b"GET", host: str = HOST) -> list[Message]:
        """Ask by TLS."""
        browser = Browser(self.gateway.client(listener=self.secure), client_context())
        browser.shake()
        for target in targets:
            browser.send(
                request(target, b"Host: " + host.encode(), b"Max-Forwards: 0", method=method)
            )
        return read_responses(browser.got, [method] * len(targets))

    def plain(self, target: bytes) -> Message:
        """Ask without TLS."""
        client = self.gateway.client(listener=1 - self.secure)
        client.send(request(target, b"Host: " + HOST.encode()))
        return client.response()

    def test_pages(self) -> None:
        """Pages about failures and refusals have it, and answers of plugins; once each."""
        found = self.secured(b"/", b"/blocked", b"/made", b"/made")
        self.assertEqual([one.status for one in found], [502, 403, 200, 200])
        for one in found:
            said = [value for name, value in one.fields if name.lower() == FIELD.lower().encode()]
            self.assertEqual(said, [SAID], one.status)

    def test_own(self) -> None:
        """What a plugin says itself goes before it, as an origin's does."""
        (found,) = self.secured(b"/own")
        self.assertEqual(found.get(FIELD), b"max-age=7")

    def test_final_recipient(self) -> None:
        """So does what is answered here for other reasons."""
        (found,) = self.secured(b"/", method=b"OPTIONS")
        self.assertEqual((found.status, found.get(FIELD)), (200, SAID))

    def test_never_without_tls(self) -> None:
        """Without TLS there is none, though the same response of a plugin went out by TLS before."""
        self.secured(b"/made")
        for target in (b"/", b"/blocked", b"/made"):
            self.assertIsNone(self.plain(target).get(FIELD), target)

    def test_another_host(self) -> None:
        """A host that is no site's is not spoken for."""
        (found,) = self.secured(b"/", host="other.example.com")
        self.assertEqual((found.status, found.get(FIELD)), (421, None))
