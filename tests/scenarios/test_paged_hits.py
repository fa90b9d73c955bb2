"""Long answers out of the cache that are asked for again and again: sent from files in memory, and the same as before."""

from __future__ import annotations

import os
import re
from email.utils import formatdate
from typing import Any

from gateway.net.transport import ImmediateConnection
from gateway.pipeline.paged import LEAST_BYTES, SENT
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.caches import CachedTestCase

LONG = bytes(range(256)) * (LEAST_BYTES // 256)
_PASSING = re.compile(rb"(ttl=|Age: )[0-9]+")
HEAD = (b"Cache-Control: max-age=3600", b"Date: " + formatdate(usegmt=True).encode("ascii"))


class PagedHitTests(CachedTestCase):
    """With sockets that are none of the kernel's, so what they would send from a file is read from it."""

    def answers(self, *, paged: bool) -> tuple[list[bytes], list[dict[str, Any]], list[int]]:
        """Ask for a long and a short answer by turns; give what came, the log's lines and the lengths sent from files."""
        from_files: list[int] = []

        def write_paged(transport: Any, head: bytes, content: bytes, descriptor: int) -> None:
            found = os.pread(descriptor, len(content) + 1, 0)
            from_files.append(len(found))
            transport.writeSequence([head, found])

        self.patch(ImmediateConnection, "sends_pages", paged)
        self.patch(ImmediateConnection, "write_paged", write_paged)
        gateway: Harness = self.cached()
        gateway.origin(reply=response(LONG, *HEAD))
        client = gateway.client()
        came = []
        for _ in range(SENT + 3):
            client.send(request(b"/long"))
            gateway.advance(0)
            # Seconds may pass between the two clients.
            came.append(_PASSING.sub(rb"\1...", client.take()))
        lines = gateway.log
        for line in lines:
            for name in ("id", "time", "duration", "timings", "client_port"):
                del line[name]
        return came, lines, from_files

    def test_the_same(self) -> None:
        """Answers and the lines of the log are those of a client for whom nothing is sent from a file."""
        came, lines, from_files = self.answers(paged=True)
        self.assertEqual(from_files, [len(LONG)] * 3)
        self.assertTrue(came[-1].endswith(LONG))
        others, other_lines, none = self.answers(paged=False)
        self.assertEqual(none, [])
        self.assertEqual(came, others)
        self.assertEqual(lines, other_lines)
