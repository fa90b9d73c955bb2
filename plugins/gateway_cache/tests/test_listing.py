"""Tests of L{gateway_cache.listing}: what is stored can be looked through."""

from __future__ import annotations

from gateway_cache.tests.stores import StoreTestCase, head, put


class ListingTests(StoreTestCase):
    """The list of a store."""

    def test_entries(self) -> None:
        """All that is stored can be listed, a part at a time."""
        store = self.store()
        for number in range(7):
            put(store, head(b"http://a/%d" % number), b"x")
        put(store, head(b"http://b/"), b"x")
        self.bench.settle()
        store.remove(b"http://a/3")
        met: list[bytes] = []
        after = b""
        while True:
            parts: list[object] = []
            listing = store.entries(prefix=b"http://a/", after=after, most=2)
            listing.addCallback(parts.append)
            self.bench.settle()
            part = listing.result if not parts else parts[0]
            heads, after = part.heads, part.after  # type: ignore[attr-defined]
            met += [one.key for one in heads]
            if not after:
                break
        self.assertEqual(met, [b"http://a/%d" % number for number in (0, 1, 2, 4, 5, 6)])
