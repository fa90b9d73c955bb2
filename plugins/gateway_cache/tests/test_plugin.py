"""The whole plugin in a gateway in memory: what is asked of origins, and what clients get."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Clean,
    Coverage,
    Fields,
    Need,
    Plugin,
    Response,
    ScanJob,
    Side,
    Transaction,
    Whole,
    hookimpl,
)
from gateway.testing import FakeGateway, Seen
from gateway_cache import Cache
from gateway_cache.dates import write_date

URL = "http://www.example.com/a"


class Scans(Plugin):
    """
    Looks at everything.

    @ivar count: how often it did.
    """

    name = "scans"
    count = 0

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Need all."""
        return Whole(1 << 24)

    @hookimpl()
    def scan_patterns(self) -> str:
        """Say what with."""
        return "scans 1"

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Clean:
        """Find nothing."""
        self.count += 1
        return Clean("scans", "1", Coverage(job.size, nested=True))


class CacheTestCase(SynchronousTestCase):
    """
    Tests with a gateway.

    @ivar others: plugins behind the cache.
    """

    others: tuple[type[Plugin], ...] = ()

    def started(self, mode: Any = "reverse", **settings: object) -> FakeGateway:
        """Start one with an empty cache."""
        gateway = FakeGateway(
            Cache,
            {"path": self.mktemp(), "size": "64MiB", "max_object": "8MiB", **settings},
            mode=mode,
            plugins=self.others,
        )
        self.addCleanup(gateway.stop)
        self.gateway = gateway
        self._began = time.time() - gateway.clock.seconds()
        return gateway

    def page(self, content: bytes = b"hello", *lines: str, status: int = 200) -> Response:
        """Give an origin's answer of now."""
        fields = Fields.of(tuple(line.split(": ", 1)) for line in lines)  # type: ignore[misc]
        now = self._began + self.gateway.clock.seconds()
        fields.set("Date", write_date(now).decode())
        return Response(status, fields, content)

    def get(self, url: str = URL, method: str = "GET", **fields: str) -> Seen:
        """Ask for something."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        seen: Seen = self.successResultOf(self.gateway.request(method, url, named))
        return seen

    @property
    def asked(self) -> int:
        """Count what came to the origin."""
        return len(self.gateway.origin.requests)


class HitTests(CacheTestCase):
    """What is fresh is answered here."""

    def test_hit(self) -> None:
        """The second request is answered with what the first one brought, and says so."""
        for mode in ("reverse", "forward"):
            gateway = self.started(mode)
            gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60", "X-Own: 1")
            first = self.get()
            gateway.clock.advance(5)
            second = self.get()
            self.assertEqual((first.content, second.content, self.asked), (b"hello", b"hello", 1))
            self.assertEqual(
                first.fields.get("cache-status"), "gateway; fwd=uri-miss; ttl=60; stored"
            )
            self.assertEqual(second.fields.get("cache-status"), "gateway; hit; ttl=55")
            self.assertEqual((second.fields.get("age"), second.fields.get("x-own")), ("5", "1"))
            self.assertEqual(len(second.fields.get_all("via")), 1)

    def test_large(self) -> None:
        """Content in a file is sent as well as content in memory."""
        gateway = self.started()
        content = bytes(range(256)) * 4096
        gateway.origin[URL] = self.page(content, "Cache-Control: max-age=60")
        self.get()
        gateway.clock.advance(1)
        self.assertEqual([self.get().content == content for _ in range(3)], [True] * 3)
        self.assertEqual(self.asked, 1)

    def test_scanned(self) -> None:
        """What is stored is looked at once by who scans, and by what it is known again is kept with it, in memory and in files."""
        marks: list[object] = []
        for content in (b"hello", bytes(range(256)) * 4096):
            self.others = (Scans,)
            gateway = self.started()
            gateway.origin[URL] = self.page(content, "Cache-Control: max-age=60")
            self.get()
            gateway.clock.advance(1)
            self.assertEqual([self.get().content == content for _ in range(3)], [True] * 3)
            scans = gateway.plugins["scans"]
            assert isinstance(scans, Scans) and isinstance(gateway.plugin, Cache)
            self.assertEqual((self.asked, scans.count), (1, 1))
            listing = gateway.plugin.store.entries()
            gateway.clock.advance(0)
            (listed,) = self.successResultOf(listing).heads
            (head,) = gateway.plugin.store.find(listed.key)
            marks.append(head.memo.get("gateway.mark"))
        self.assertEqual([type(mark) for mark in marks], [bytes, bytes])
        self.assertNotEqual(*marks)

    def test_head(self) -> None:
        """A stored GET answers HEAD."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60")
        self.get()
        seen = self.get(method="HEAD")
        self.assertEqual((seen.content, seen.fields.get("content-length")), (b"", "5"))
        self.assertEqual(self.asked, 1)

    def test_range(self) -> None:
        """A stored whole answers a range, from memory and from a file."""
        gateway = self.started()
        for size in (100, 200_000):
            content = bytes(i % 251 for i in range(size))
            url = f"{URL}{size}"
            gateway.origin[url] = self.page(content, "Cache-Control: max-age=60")
            self.get(url)
            gateway.clock.advance(1)
            seen = self.get(url, Range="bytes=10-19")
            self.assertEqual((seen.status, seen.content), (206, content[10:20]))
            self.assertEqual(seen.fields.get("content-range"), f"bytes 10-19/{size}")
            self.assertEqual(self.get(url, Range="bytes=999999-").status, 416)

    def test_condition(self) -> None:
        """A client that has it already gets a 304."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60", 'ETag: "x"')
        self.get()
        seen = self.get(If_None_Match='"x"')
        self.assertEqual((seen.status, seen.content, self.asked), (304, b"", 1))

    def test_not_stored(self) -> None:
        """What may not be stored is not, nor what is too large, and the reason is told."""
        gateway = self.started(max_object="1KiB")
        for line, content, why in (
            ("Cache-Control: no-store", b"x", "no-store"),
            ("Cache-Control: private, max-age=60", b"x", "private"),
            ("Cache-Control: max-age=60", bytes(1025), '"too large"'),
        ):
            gateway.origin[URL] = self.page(content, line)
            before = self.asked
            for _ in range(2):
                self.assertEqual(
                    self.get().fields.get("cache-status"), f"gateway; fwd=uri-miss; detail={why}"
                )
            self.assertEqual(self.asked, before + 2)

    def test_vary(self) -> None:
        """Variants are told apart by what the origin chose by."""
        gateway = self.started()
        gateway.origin[URL] = lambda asked: self.page(
            asked.get("accept-language") or b"",
            "Cache-Control: max-age=60",
            "Vary: Accept-Language",
        )
        for language in ("de", "en", "de", "en"):
            self.assertEqual(self.get(Accept_Language=language).content, language.encode())
        self.assertEqual(self.asked, 2)

    def test_off(self) -> None:
        """A host that is not cached is not even said to be."""
        gateway = self.started("forward", hosts=["other.example.com"])
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60")
        self.get()
        self.assertIsNone(self.get().fields.get("cache-status"))
        self.assertEqual(self.asked, 2)

    def test_only_if_cached(self) -> None:
        """Who wants nothing else gets a 504."""
        gateway = self.started()
        gateway.origin[URL] = self.page()
        self.assertEqual(self.get(Cache_Control="only-if-cached").status, 504)
        self.assertEqual(self.asked, 0)


class ValidationTests(CacheTestCase):
    """What is stale is asked about."""

    def stale(self, *lines: str, **settings: object) -> FakeGateway:
        """Start a gateway that has something stale."""
        gateway = self.started(**settings)
        gateway.origin[URL] = self.page(b"old", 'ETag: "x"', "X-Count: 1", *lines)
        self.get()
        gateway.clock.advance(100)
        return gateway

    def test_confirmed(self) -> None:
        """A 304 makes it fresh again, with the newer fields."""
        gateway = self.stale("Cache-Control: max-age=60")
        gateway.origin[URL] = self.page(
            b"", 'ETag: "x"', "X-Count: 2", "Cache-Control: max-age=60", status=304
        )
        seen = self.get()
        self.assertEqual((seen.status, seen.content), (200, b"old"))
        self.assertEqual(gateway.origin.requests[-1].get("if-none-match"), b'"x"')
        self.assertEqual(seen.fields.get("x-count"), "2")
        self.assertIn("fwd=stale; fwd-status=304", seen.fields.get("cache-status") or "")
        self.assertIn("hit", self.get().fields.get("cache-status") or "")
        self.assertEqual(self.asked, 2)

    def test_replaced(self) -> None:
        """A new response takes its place."""
        gateway = self.stale("Cache-Control: max-age=60")
        gateway.origin[URL] = self.page(b"new", 'ETag: "y"', "Cache-Control: max-age=60")
        self.assertEqual([self.get().content for _ in range(3)], [b"new"] * 3)
        self.assertEqual(self.asked, 2)

    def test_client_has_it(self) -> None:
        """A client's own condition is judged by what the origin confirms."""
        gateway = self.stale("Cache-Control: max-age=60")
        gateway.origin[URL] = self.page(b"", 'ETag: "x"', status=304)
        self.assertEqual(self.get(If_None_Match='"x"').status, 304)
        gateway.clock.advance(100)
        self.assertEqual(self.get(If_None_Match='"other"').content, b"old")

    def test_stale_if_error(self) -> None:
        """An error is hidden where that is allowed, and the origin left alone for a moment."""
        gateway = self.stale("Cache-Control: max-age=60, stale-if-error=600")
        gateway.origin[URL] = self.page(b"broken", status=503)
        self.assertEqual(self.get().content, b"old")
        self.assertEqual((self.get().content, self.asked), (b"old", 2))
        gateway.clock.advance(3)
        self.assertEqual((self.get().content, self.asked), (b"old", 3))

    def test_no_origin(self) -> None:
        """So is an origin that can't be reached."""
        gateway = self.stale("Cache-Control: max-age=60", stale_if_error="10m")
        gateway.origin.down.add("www.example.com")
        self.assertEqual(self.get().content, b"old")

    def test_error_shows(self) -> None:
        """Where it is not allowed it is not hidden."""
        gateway = self.stale("Cache-Control: max-age=60, must-revalidate", stale_if_error="10m")
        gateway.origin[URL] = self.page(b"broken", status=503)
        self.assertEqual((self.get().status, self.get().content), (503, b"broken"))

    def test_while_revalidating(self) -> None:
        """What is a little stale is sent, and refreshed behind the client's back, once."""
        gateway = self.stale("Cache-Control: max-age=60, stale-while-revalidate=600")
        gateway.origin[URL] = self.page(b"new", 'ETag: "y"', "Cache-Control: max-age=60")
        self.assertEqual(self.get().content, b"old")
        self.assertEqual(gateway.origin.requests[-1].get("if-none-match"), b'"x"')
        self.assertEqual((self.get().content, self.asked), (b"new", 2))


class UnsafeTests(CacheTestCase):
    """What changes something makes void what is stored."""

    def test_invalidated(self) -> None:
        """A POST that went well."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60")
        self.get()
        self.get(method="POST")
        self.get()
        self.assertEqual(self.asked, 3)

    def test_failed(self) -> None:
        """One that failed has changed nothing."""
        gateway = self.started()
        gateway.origin[URL] = lambda asked: self.page(
            b"hello", "Cache-Control: max-age=60", status=500 if asked.method == b"POST" else 200
        )
        self.get()
        self.get(method="POST")
        self.get()
        self.assertEqual(self.asked, 2)


class UserTests(CacheTestCase):
    """What is one user's stays his."""

    def test_authorization(self) -> None:
        """An answer to a request with credentials is not stored, unless it says that it may be."""
        gateway = self.started()
        for control, asked in (("max-age=60", 2), ("max-age=60, public", 1)):
            gateway.origin[URL] = self.page(b"hello", f"Cache-Control: {control}")
            before = self.asked
            for _ in range(2):
                self.get(Authorization="Basic eDp5")
            self.assertEqual(self.asked - before, asked, control)


class PartTests(CacheTestCase):
    """Parts of what is not stored."""

    def test_part(self) -> None:
        """A part answers for what lies within it, and two that touch become one."""
        gateway = self.started()
        content = bytes(range(100))

        def served(asked: Any) -> Response:
            first, last = (asked.get("range") or b"bytes=0-99")[6:].split(b"-")
            part = content[int(first) : int(last) + 1]
            return self.page(
                part,
                'ETag: "x"',
                "Cache-Control: max-age=60",
                f"Content-Range: bytes {int(first)}-{int(last)}/100",
                status=206,
            )

        gateway.origin[URL] = served
        self.assertEqual(self.get(Range="bytes=0-49").content, content[:50])
        self.assertEqual(self.get(Range="bytes=10-19").content, content[10:20])
        self.assertEqual(self.asked, 1)
        self.assertEqual(self.get(Range="bytes=50-99").content, content[50:])
        seen = self.get()
        self.assertEqual((seen.status, seen.content, self.asked), (200, content, 2))


class OrderTests(CacheTestCase):
    """Orders of operators."""

    def order(self, name: str, **said: object) -> Mapping[str, Any]:
        """Give one."""
        answer = self.successResultOf(self.gateway.order(name, said))
        assert answer is not None
        return answer

    def test_all(self) -> None:
        """They show, list, count and purge."""
        gateway = self.started()
        gateway.origin[URL] = self.page(
            b"hello", "Cache-Control: max-age=60", "Cache-Tag: one, two"
        )
        self.get()
        gateway.clock.advance(1)
        self.assertIn("why", self.order("cache.show", url="http://www.example.com/b"))
        shown = self.order("cache.show", url=URL)["stored"]
        self.assertEqual((shown[0]["bytes"], shown[0]["tags"]), (5, ["one", "two"]))
        listed = self.order("cache.list", prefix="http://www.example.com:80/")["keys"]
        self.assertEqual([key["bytes"] for key in listed], [5])
        self.assertEqual(self.order("cache.stats")["counts"]["stored_total"], 1)
        self.assertEqual(self.order("cache.purge", tag="two")["purged"], 1)
        self.get()
        self.assertEqual(self.asked, 2)
        self.assertEqual(self.order("cache.purge", url=URL)["purged"], 1)
        self.get()
        gateway.clock.advance(1)
        self.assertEqual(self.order("cache.purge", prefix="http://www.")["purged"], 1)
        self.get()
        self.assertEqual(self.asked, 4)

    def test_bad(self) -> None:
        """What can't be carried out says why."""
        self.started()
        self.assertIn("why", self.order("cache.purge"))
        self.assertIn("why", self.order("cache.purge", url="nonsense"))
        self.assertIn("why", self.order("cache.show", url=7))
