"""Tests of the memory of infected URLs (S15)."""

from __future__ import annotations

import sys

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import Side
from gateway.api.messages import Response
from gateway.message.fields import Fields
from gateway.pipeline.infected import (
    UNSURE_SECONDS,
    InfectedUrls,
    address_of,
    canonical,
    validator_of,
)
from gateway.pipeline.judged import Judged
from tests.effort import is_full
from tests.unit.pipeline.builders import transaction

URL = "http://www.example.com/setup.exe"
ETAG = 'etag:"a" 5'
HOUR = 3600.0
BAD = Judged(Side.RESPONSE, "infected", "block", "malware was found: EICAR", "EICAR", "clamd")


def answer(*pairs: tuple[str, str], status: int = 200, length: int | None = 5) -> Response:
    """Make a response with these fields."""
    return Response(status, Fields.of(pairs), length=length)


class InfectedUrlsTests(SynchronousTestCase):
    """The memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.urls = self.made()

    def made(self, max: int = 3, ttl: float = 4 * HOUR) -> InfectedUrls:
        """Make one."""
        return InfectedUrls(self.clock, max, ttl, wall=lambda: 1_800_000_000.0)

    def test_known(self) -> None:
        """What was found is known while the content is the same, and so is when it was found."""
        self.urls.remember(URL, ETAG, BAD)
        known = self.urls.known(URL, ETAG)
        assert known is not None
        self.assertEqual((known.name, known.found), ("EICAR", 1_800_000_000.0))
        self.assertIsNone(self.urls.known(URL, 'etag:"b" 5'))
        self.assertIsNone(self.urls.known(URL + "?a", ETAG))

    def test_spelling(self) -> None:
        """Spellings of a URL that mean the same to every origin are one; others are not."""
        self.urls.remember("http://a.example.com/%7Eb/%2f", ETAG, BAD)
        self.assertIsNotNone(self.urls.known("http://a.example.com/~b/%2F", ETAG))
        self.assertIsNone(self.urls.known("http://a.example.com/~b//", ETAG))
        self.assertIsNone(self.urls.known("http://a.example.com/~B/%2F", ETAG))
        self.assertEqual(canonical("/%zz%4"), "/%zz%4")

    def test_least_recently_used_goes(self) -> None:
        """There are never more than configured; the one that nobody asked for longest goes."""
        for name in "abc":
            self.urls.remember(URL + name, ETAG, BAD)
        self.urls.known(URL + "a", ETAG)
        self.urls.remember(URL + "d", ETAG, BAD)
        self.assertEqual(len(self.urls), 3)
        self.assertIsNone(self.urls.known(URL + "b", ETAG))
        self.assertIsNotNone(self.urls.known(URL + "a", ETAG))

    def test_time_to_live(self) -> None:
        """It is forgotten after its time, counted from when it was found last, whoever asked in between."""
        self.urls.remember(URL, ETAG, BAD)
        self.clock.advance(3 * HOUR)
        self.assertIsNotNone(self.urls.known(URL, ETAG))
        self.urls.remember(URL, ETAG, BAD)
        self.clock.advance(4 * HOUR - 1)
        self.assertIsNotNone(self.urls.known(URL, ETAG))
        self.clock.advance(1)
        self.assertIsNone(self.urls.known(URL, ETAG))
        self.assertEqual(len(self.urls), 0)

    def test_unsure(self) -> None:
        """A URL whose content has nothing to be known by is remembered for ten minutes at the most."""
        for validator in ("length:5", ""):
            self.urls.remember(URL, validator, BAD)
        self.clock.advance(UNSURE_SECONDS - 1)
        self.assertIsNotNone(self.urls.known(URL, "length:5"))
        self.assertIsNotNone(self.urls.known(URL, ""))
        self.clock.advance(1)
        self.assertIsNone(self.urls.known(URL, "length:5"))
        self.assertEqual(self.urls.list(), [])

    def test_off(self) -> None:
        """With room for none nothing is remembered, nor known of what was before."""
        self.urls.remember(URL, ETAG, BAD)
        off = InfectedUrls(self.clock, 0, before=self.urls)
        self.assertIsNone(off.known(URL, ETAG))
        off.remember(URL + "2", ETAG, BAD)
        self.assertEqual(len(off), 1)

    def test_reload(self) -> None:
        """Another configuration goes on with what is remembered, by its own bounds, and the one before sees it too."""
        self.urls.remember(URL, ETAG, BAD)
        after = InfectedUrls(self.clock, 1, HOUR, before=self.urls)
        self.assertIsNotNone(after.known(URL, ETAG))
        self.urls.remember(URL + "2", ETAG, BAD)
        after.remember(URL + "3", ETAG, BAD)
        self.assertEqual(len(self.urls), 1)
        self.assertIsNotNone(self.urls.known(URL + "3", ETAG))
        self.clock.advance(HOUR)
        self.assertIsNotNone(self.urls.known(URL + "3", ETAG))
        self.assertIsNone(after.known(URL + "3", ETAG))

    def test_list(self) -> None:
        """The list has the last asked for first, how often it was refused and no query."""
        self.urls.remember(URL + "?token=secret", ETAG, BAD)
        self.urls.remember(URL, "modified:x 5", BAD)
        self.urls.known(URL, "modified:x 5")
        self.urls.known(URL + "?token=secret", ETAG)
        self.urls.known(URL + "?token=secret", ETAG)
        self.clock.advance(HOUR)
        first, second = self.urls.list()
        self.assertEqual((first.url, first.known_by, first.refused), (URL + "?…", "etag", 2))
        self.assertEqual((second.url, second.known_by, second.refused), (URL, "modified", 1))
        self.assertEqual(first.left_seconds, 3 * HOUR)

    def test_purge(self) -> None:
        """One URL is forgotten whatever its content is known by; as it is listed, with every query; or all are."""
        urls = self.made(10)
        for url in (URL, URL + "?a", URL + "?b", URL + "2"):
            urls.remember(url, ETAG, BAD)
        urls.remember(URL, "", BAD)
        self.assertEqual(urls.purge(URL + "?a"), 1)
        self.assertEqual(urls.purge(URL + "3"), 0)
        self.assertEqual(urls.purge(URL + "?…"), 3)
        self.assertEqual([one.url for one in urls.list()], [URL + "2"])
        self.assertEqual(urls.purge(), 1)
        self.assertEqual(len(urls), 0)

    def test_never_grows(self) -> None:
        """After a million URLs there are as many entries as configured, and what the peer sends makes none large."""
        most = 10_000 if is_full() else 300
        urls = InfectedUrls(self.clock, most)
        for number in range(99 * most if is_full() else 4 * most):
            urls.remember(f"{URL}?{number}", ETAG, BAD)
        self.assertEqual(len(urls), most)
        # The last ones are as long as a peer can make them, in the widest characters.
        long = "\N{PILE OF POO}" * 20_000
        for number in range(most):
            bad = Judged(Side.RESPONSE, "infected", "block", f"{number} {long}", "E", "x", "", long)
            urls.remember(f"{URL}{number}{'a' * 20_000}?{number}", f"etag:{long}", bad)
        self.assertEqual(len(urls), most)
        entries = urls.entries
        self.assertLess(sys.getsizeof(entries) + _size(entries), (30 << 20) * most // 10_000)


def _size(entries: object) -> int:
    """Add up what the entries have of their own."""
    total = 0
    for key, entry in entries.items():  # type: ignore[attr-defined]
        total += sys.getsizeof(key) + sys.getsizeof(entry) + sys.getsizeof(entry.judged)
        own = (entry.base, entry.url, entry.since, entry.judged.why, entry.judged.member)
        total += sum(map(sys.getsizeof, own))
    return total


class AddressTests(SynchronousTestCase):
    """What a response is known by."""

    def test_validator(self) -> None:
        """ETag goes before Last-Modified, and that before the length, which a whole in chunks has not and its parts have."""
        both = (("ETag", '"a"'), ("Last-Modified", "yesterday"))
        for length in (5, None):
            self.assertEqual(validator_of(answer(*both, length=length)), 'etag:"a"')
            self.assertEqual(validator_of(answer(both[1], length=length)), "modified:yesterday")
        self.assertEqual(validator_of(answer()), "length:5")
        self.assertEqual(validator_of(answer(length=None)), "")

    def test_part(self) -> None:
        """A part is known by what the whole is, unless that can't be told."""
        for extent, known in (
            ("bytes 3-4/5", "length:5"),
            ("bytes 3-4/*", "length:bytes 3-4/*"),
            ("lines 3-4/5", "length:lines 3-4/5"),
        ):
            part = answer(("Content-Range", extent), status=206, length=2)
            self.assertEqual(validator_of(part), known)
        self.assertEqual(validator_of(answer(status=206)), "length:several")
        etag = answer(("ETag", '"a"'), ("Content-Range", "bytes 3-4/5"), status=206, length=2)
        self.assertEqual(validator_of(etag), 'etag:"a"')

    def test_what_is_remembered(self) -> None:
        """Only what a URL stands for is: the answer to a GET, and no error."""
        txn = transaction(target=b"/a?b")
        self.assertIsNone(address_of(txn))
        txn.response = answer()
        self.assertEqual(address_of(txn), ("http://www.example.com/a?b", "length:5"))
        txn.response = answer(status=404)
        self.assertIsNone(address_of(txn))
        txn = transaction(method=b"POST")
        txn.response = answer()
        self.assertIsNone(address_of(txn))
