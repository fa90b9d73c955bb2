"""Tests of the plugin in a whole gateway, beside a scanner that looks at bytes and no further."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Clean,
    Coverage,
    Fields,
    Infected,
    Need,
    Plugin,
    Response,
    ScanJob,
    ScanResult,
    Services,
    Side,
    Transaction,
    Whole,
    hookimpl,
)
from gateway.testing import FakeGateway
from gateway_archive import Archive
from gateway_archive.tests.archives import MARKER, nested, zipped

URL = "http://a.example/file"


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a plugin that has none."""


class Finder(Plugin):
    """Finds the marker in what it is given, and nothing in it that is packed."""

    name = "finder"

    def __init__(self, settings: NoSettings, services: Services) -> None:
        super().__init__(settings, services)
        self.seen: list[str] = []

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want all of it."""
        return Whole(100 << 20)

    @hookimpl()
    def scan_content(self, job: ScanJob) -> ScanResult:
        """Look for the marker."""
        self.seen.append(job.member)
        with job.open() as file:
            if MARKER in file.read():
                return Infected("marker", "finder")
        return Clean("finder", "1", Coverage(job.size, False))


class GatewayTests(SynchronousTestCase):
    """What a client gets, and what the log says."""

    def setUp(self) -> None:
        """Start a gateway."""
        self.gateway = FakeGateway(Archive, plugins=[Finder])
        self.addCleanup(self.gateway.stop)

    def get(self, content: bytes, **fields: str) -> Any:
        """Ask for some content."""
        given = Fields.of([(name.replace("_", "-"), value) for name, value in fields.items()])
        self.gateway.origin[URL] = Response(200, fields=given, content=content)
        return self.successResultOf(self.gateway.get(URL))

    def test_infected_member(self) -> None:
        """What a member is found to be is what the content is."""
        for content in (zipped({"a.txt": MARKER}), nested(10), gzip.compress(MARKER * 9)):
            seen = self.get(content)
            self.assertEqual(seen.status, 403)
            self.assertEqual(seen.log["notes"]["scan_response"], "infected:block")

    def test_clean(self) -> None:
        """Clean content arrives as it was, coded as it was."""
        page = gzip.compress(b"<html>hello</html>" * 50)
        seen = self.get(page, content_type="text/html", content_encoding="gzip")
        self.assertEqual((seen.status, seen.content), (200, page))
        self.assertEqual(seen.log["notes"]["scan_response"], "clean")
        archive = zipped({"a.txt": b"hello" * 50, "b": os.urandom(200_000)})
        seen = self.get(archive)
        self.assertEqual((seen.status, seen.content), (200, archive))
        self.assertEqual(seen.log["notes"]["scan_response"], "clean")

    def test_infected_coding(self) -> None:
        """What is coded is found, also where the coding is a lie."""
        for content in (gzip.compress(MARKER), MARKER):
            seen = self.get(content, content_type="text/html", content_encoding="gzip")
            self.assertEqual(
                (seen.status, seen.log["notes"]["scan_response"]), (403, "infected:block")
            )

    def test_limits(self) -> None:
        """What goes beyond a limit is refused, and the log says which."""
        for content, said in (
            (nested(11), "limit:depth:block"),
            (gzip.compress(bytes(5 << 20)), "limit:ratio:block"),
            (zipped({"a": b"a" * 99})[:-30], "malformed:block"),
        ):
            seen = self.get(content)
            self.assertEqual((seen.status, seen.log["notes"]["scan_response"]), (403, said))
