"""Tests of L{gateway.pipeline.navigation}."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.api.messages import Request, Response
from gateway.config.hosts import HostSet
from gateway.config.sections.large_file import AGENTS, HOSTS, LargeFile
from gateway.message.fields import Fields
from gateway.pipeline.navigation import Navigations, is_file

CHROME = ("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/150.0.0.0 Safari/537.36")
ACCEPT = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")


def request(
    *pairs: tuple[str, str], method: bytes = b"GET", minor: int = 1, host: str = "a"
) -> Request:
    """Make a request."""
    return Request(method, "http", host, 80, b"/a.bin", minor, Fields.of(pairs), 0)


class NavigationTests(SynchronousTestCase):
    """Who is a person at a window."""

    def is_one(
        self, *pairs: tuple[str, str], settings: LargeFile | None = None, **more: object
    ) -> bool:
        """Judge a request."""
        return Navigations(settings or LargeFile()).is_one(request(*pairs, **more))  # type: ignore[arg-type]

    def test_browser(self) -> None:
        """A browser that wants HTML is, unless it says what else it wants."""
        self.assertTrue(self.is_one(CHROME, ACCEPT))
        self.assertTrue(self.is_one(CHROME, ("Accept", "TEXT/HTML")))
        self.assertTrue(self.is_one(CHROME, ("Sec-Fetch-Dest", "document")))
        for other in (
            "empty",
            "iframe",
            "frame",
            "embed",
            "object",
            "image",
            "script",
            "video",
            "",
        ):
            self.assertFalse(self.is_one(CHROME, ACCEPT, ("Sec-Fetch-Dest", other)), other)

    def test_shipped_lists(self) -> None:
        """Programs that say they want HTML are not, nor who fetches updates."""
        for agent in (
            "curl/8.14.1",
            "Wget/1.25.0",
            "Debian APT-HTTP/1.3 (3.0.3)",
            "libdnf (Fedora Linux 42; server; Linux.x86_64)",
            "Java/17.0.12",
            "Python-urllib/3.11",
            "python-requests/2.32.3",
            "Microsoft-Delivery-Optimization/10.0",
            "Microsoft BITS/7.8",
            "Adobe Update Manager 6.0",
            "Google Update/1.3.36.372;winhttp",
            "com.apple.trustd/3.0 CFNetwork/1568.100.1 Darwin/24.0.0",
            "clamav-freshclam/1.4",
        ):
            self.assertFalse(self.is_one(("User-Agent", agent), ACCEPT), agent)
        for host in ("download.windowsupdate.com", "ardownload2.adobe.com", "edgedl.me.gvt1.com"):
            self.assertFalse(self.is_one(CHROME, ACCEPT, host=host), host)
        self.assertTrue(self.is_one(CHROME, ACCEPT, host="windowsupdate.com.example.com"))

    def test_own_lists(self) -> None:
        """The lists can be others; what is in them is no pattern."""
        settings = LargeFile(bypass_agents=("Chr.me", ""), bypass_hosts=HostSet(["b"]))
        self.assertTrue(self.is_one(CHROME, ACCEPT, settings=settings))
        self.assertFalse(self.is_one(CHROME, ACCEPT, settings=settings, host="b"))
        self.assertTrue(self.is_one(("User-Agent", "curl/8"), ACCEPT, settings=settings))

    def test_more(self) -> None:
        """C{default} stands for what is shipped, with more beside it."""
        settings = LargeFile(
            bypass_agents=("default", "InHouse/"), bypass_hosts=HostSet(["default", "b"])
        )
        for agent, host, expected in (
            ("Mozilla/5.0", "a", True),
            ("Mozilla/5.0", "b", False),
            ("Mozilla/5.0", "dl.delivery.mp.microsoft.com", False),
            ("curl/8", "a", False),
            ("InHouse/1", "a", False),
            ("Defaulting/1", "a", True),
        ):
            said = self.is_one(("User-Agent", agent), ACCEPT, settings=settings, host=host)
            self.assertEqual(said, expected, agent)

    def test_documented(self) -> None:
        """The page about scanning lists what is shipped."""
        page = (Path(gateway.__file__).parent.parent / "docs" / "scanning.md").read_text()
        for name in (*AGENTS, *HOSTS):
            self.assertIn(f"`{name}`", page)

    def test_other_requests(self) -> None:
        """Other methods and versions are not."""
        for method in (b"POST", b"HEAD", b"OPTIONS", b"get"):
            self.assertFalse(self.is_one(CHROME, ACCEPT, method=method))
        self.assertFalse(self.is_one(CHROME, ACCEPT, minor=0))


class FileTests(SynchronousTestCase):
    """What is a file."""

    def test_types(self) -> None:
        """Whatever leads on from its own address is none, unless it is to be saved."""
        for kind, expected in (
            ("application/zip", True),
            ("application/pdf", True),
            ("", True),
            ("text/html", False),
            ("Text/HTML; charset=utf-8", False),
            ("application/xml", False),
            ("text/event-stream", False),
        ):
            fields = Fields.of([("Content-Type", kind)] if kind else [])
            self.assertEqual(is_file(Response(200, fields)), expected, kind)
            self.assertFalse(is_file(Response(206, fields)))
            fields.add("Content-Disposition", "attachment")
            self.assertTrue(is_file(Response(200, fields)))
