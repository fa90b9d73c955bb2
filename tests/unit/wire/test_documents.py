"""docs/http1.md says what the parsers do."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.wire import chunked, http1_request, http1_response, lines
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.http1_request import RequestParser
from gateway.wire.limits import DEFAULT_LIMITS

PAGE = (Path(gateway.__file__).resolve().parent.parent / "docs/http1.md").read_text()


class PageTests(SynchronousTestCase):
    def test_refused_lines(self) -> None:
        """Each line of the table is refused with its status, by its rule."""
        rows = re.findall(r"^\| `([^`]+)` \| (\d{3}) \| (RFC .*) \|$", PAGE, re.MULTILINE)
        self.assertGreater(len(rows), 10)
        for line, status, section in rows:
            request = f"POST / HTTP/1.1\r\nHost: example.com\r\n{line}\r\n\r\nhello".encode("ascii")
            error = self.assertRaises(RemoteProtocolError, RequestParser().receive, request)
            self.assertEqual((error.status, error.section), (int(status), section), line)

    def test_limits(self) -> None:
        """Each limit of the table has its real default."""
        rows = re.findall(
            r"^\| (\w[^|]*) \| (\d+)( KiB)? \| (?:`limits\.\w+` )?\| \d{3} \|$", PAGE, re.M
        )
        found = {what: int(number) * (1024 if unit else 1) for what, number, unit in rows}
        self.assertEqual(
            list(found.values()),
            [
                DEFAULT_LIMITS.head,
                DEFAULT_LIMITS.target,
                DEFAULT_LIMITS.fields,
                DEFAULT_LIMITS.trailers,
                chunked.LINE_BYTES,
                chunked.EXTENSION_BYTES,
                DEFAULT_LIMITS.interim,
            ],
        )

    def test_what_is_remembered(self) -> None:
        """The sizes of what is remembered are the real ones."""
        self.assertIn(f"({lines.KEPT_LINES} lines of up to {lines.KEPT_LENGTH} bytes", PAGE)
        kept = {http1_request.KEPT_SECTION, http1_response.KEPT_BLOCK}
        self.assertEqual(kept, {2048})
        self.assertIn("its last header section of up to 2 KiB", PAGE)
