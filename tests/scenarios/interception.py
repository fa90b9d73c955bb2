"""What stands around a gateway that decrypts: an origin with a certificate, and clients that trust the gateway's CA or the origin's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.testing.harness import Harness
from gateway.testing.peers import Reply, request, response
from tests.scenarios.support import ScenarioTestCase
from tests.scenarios.veils import TlsClient, TlsOrigin, origin_files
from tests.unit.net.certificates import authority

GET = request(b"/x", b"Host: origin.example.com")
PAGE = response(b"from the origin")


class InterceptionTestCase(ScenarioTestCase):
    """Makes gateways that decrypt, and what stands around them."""

    def intercepting(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        plugins: Mapping[str, object] | None = None,
    ) -> Harness:
        """Start a forward proxy that decrypts all it can."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.pem, root = origin_files(self.folder, "origin.example.com", "*.cdn.example.com")
        said: dict[str, object] = {
            "tls.decrypt": "all",
            "tls.ca": str(self.folder / "ca"),
            "tls.trust": [str(root)],
        }
        said.update(settings or {})
        return self.forward(said, plugins=plugins)

    def ca(self, gateway: Harness) -> bytes:
        """Give the gateway's CA as DER."""
        service: Any = gateway.service
        minting = service.generations.now.minting
        published: bytes = minting.authority.published()[0].der
        return published

    def tls_origin(self, gateway: Harness, reply: Reply | None = PAGE, **more: Any) -> TlsOrigin:
        """Set up the usual origin."""
        return TlsOrigin(gateway, self.pem, reply, **more)

    def client(self, gateway: Harness, **more: Any) -> TlsClient:
        """Let a client that trusts the gateway's CA go through it."""
        return TlsClient(gateway, self.ca(gateway), **more)


def authority_der() -> bytes:
    """Give the root of the origins as DER."""
    return authority().certificate.public_bytes(Encoding.DER)
