"""What the scenarios of progress pages share: a gateway that shows them for everything, and a browser that asks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.testing.harness import CLIENT, Harness
from gateway.testing.messages import Message
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, request, response
from tests.scenarios.scanners import ContentTestCase
from tests.scenarios.support import URL
from tests.scenarios.trickle import Slow, content_of

FILE = URL + b"files/a%20file.bin"
AGENT = b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0"
ACCEPT = b"Accept: text/html,application/xhtml+xml,*/*;q=0.8"
BROWSER = (AGENT, ACCEPT)
#: As browsers add to it over TLS.
DOCUMENT = (
    *BROWSER,
    b"Sec-Fetch-Dest: document",
    b"Sec-Fetch-Mode: navigate",
    b"Sec-Fetch-Site: none",
)
CONTENT = content_of(300_000)
SETTINGS = {"scan.large_file": {"over": 0, "after": "5s", "mode": "progress"}}


def path_of(page: Message) -> str:
    """Give the path that a progress page names."""
    found = re.search(rb'const at = "(/\.gateway-scan-[^"]+/)"', page.content)
    assert found is not None, page.content
    return found[1].decode()


class ProgressTestCase(ContentTestCase):
    """Gateways that show pages."""

    def showing(
        self, more: dict[str, Any] | None = None, settings: Mapping[str, object] | None = None
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient, Slow]:
        """Start one for which everything is large."""
        scanner = Slow()
        said = {**SETTINGS, **(settings or {})}
        gateway, origin, client = self.started(scanner, more, settings=said)
        return gateway, origin, client, scanner

    def begun(
        self, gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient, *lines: bytes
    ) -> str:
        """Go to a file; gives the path of its page."""
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(CONTENT, b"Content-Type: application/octet-stream", *lines))
        gateway.advance(0.6)
        (page,) = client.responses()
        self.assertTrue(page.complete)
        return path_of(page)

    def asked(self, gateway: Harness, path: str, *lines: bytes, address: str = CLIENT) -> Message:
        """Ask for something of it on a connection of its own."""
        client = gateway.client(address)
        client.send(request(URL[:-1] + path.encode(), *lines))
        gateway.advance(1.1)
        return client.response()

    def status(self, gateway: Harness, path: str) -> dict[str, Any]:
        """Ask how it goes."""
        found: dict[str, Any] = json.loads(self.asked(gateway, path + "status").content)
        return found
