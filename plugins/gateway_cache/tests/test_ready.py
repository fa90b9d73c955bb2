"""Tests of answers that are given again: only as long as they are right, and only to whom they are meant for."""

from __future__ import annotations

from dataclasses import replace

from gateway.api import Fields, Response, Stored, StoredFile
from gateway_cache.entry import Head
from gateway_cache.memory import COPY, Copy
from gateway_cache.messages import Asked
from gateway_cache.policy import Policy
from gateway_cache.ready import ready_of
from gateway_cache.state import LAST
from gateway_cache.store import DiskStore
from gateway_cache.tests.rules import request
from gateway_cache.tests.stores import KEY, StoreTestCase, head, put
from gateway_cache.tests.test_plugin import URL, CacheTestCase
from gateway_cache.vary import variant_of

POLICY = Policy()
CONTROL = b"Cache-Control: max-age=60"
#: When L{kept} keeps an answer: half a second after the response came.
NOW = 1000.5


def kept(store: DiskStore, variant: bytes = b"", *, received: float = 1000.0) -> Stored:
    """Store a response that is fresh for a minute, and keep its answer."""
    one = head(variant=variant, received=received)
    # No Date and no way to go: when it came it was new.
    one = replace(one, lines=(*one.lines, CONTROL), requested=received, memo={})
    put(store, one, b"hello")
    answer = Stored(Response(200, Fields(list(one.lines)), b"hello"))
    found = next(found for found in store.find(KEY) if found.variant == variant)
    copy = found.memo[COPY]
    assert isinstance(copy, Copy)
    copy.ready = ready_of(answer, found, POLICY, 0, NOW)
    return answer


class StoreTests(StoreTestCase):
    """In a store."""

    def setUp(self) -> None:
        """Open one."""
        super().setUp()
        self.one = self.store()

    def given(
        self, asked: Asked | None = None, policy: Policy = POLICY, now: float = NOW
    ) -> Stored | None:
        """Ask for the key."""
        return self.one.ready(KEY, asked or request(), policy, now)

    def test_given_again(self) -> None:
        """Within the second of its age the same answer is given, before and after that none."""
        answer = kept(self.one)
        for now, expected in (
            (1000.49, None),
            (1000.5, answer),
            (1000.99, answer),
            (1001.0, None),
            (2000.0, None),
        ):
            self.assertIs(self.given(now=now), expected, now)

    def test_end_of_freshness(self) -> None:
        """It ends with its freshness, wherever within a second that is."""
        one = head()
        one = replace(one, lines=(*one.lines, CONTROL, b"Age: 59"), requested=999.5, memo={})
        ready = ready_of(Stored(Response(200)), one, POLICY, 59, 1000.25)
        assert ready is not None
        self.assertEqual(ready.until, 1000.5)

    def test_policy(self) -> None:
        """Under other rules it is looked for."""
        kept(self.one)
        self.assertIsNone(self.given(policy=Policy()))

    def test_unknown(self) -> None:
        """Without an answer there is none."""
        self.assertIsNone(self.given())
        put(self.one, head(), b"hello")
        self.assertIsNone(self.given())

    def test_variants(self) -> None:
        """Of several variants the newest that matches answers; where one is not known to, it is looked for."""
        old, new = kept(self.one, b"a"), kept(self.one, b"b", received=1000.25)
        for said, expected in (("a", old), ("b", new), ("c", None)):
            asked = request(f"Accept: {said}")
            self.assertIsNone(self.given(asked))
            variant_of(("accept",), asked)
            self.assertIs(self.given(asked), expected)

    def test_counts_as_use(self) -> None:
        """Each time counts for what is evicted, in memory and in the store."""
        kept(self.one)
        held = self.one._memory.entries[KEY]
        held.uses = 0
        assert self.one.folder is not None
        shared = self.one.folder.shared
        at = held.slot - shared.use
        before = shared.uses[at]
        for _ in range(2):
            self.given()
        self.assertEqual((held.uses, shared.uses[at] - before), (2, 2))
        for _ in range(30):
            self.given()
        self.assertEqual((held.uses, shared.uses[at]), (3, 15))

    def test_changed(self) -> None:
        """What this process or another one has removed, replaced or purged is not given."""
        other = self.store()
        for change in (
            lambda: self.one.remove(KEY),
            lambda: other.remove(KEY),
            lambda: put(self.one, head(etag="2", received=1001.0), b"new"),
            lambda: put(other, head(etag="2", received=1001.0), b"new"),
            lambda: self.bench.result(other.purge(prefix=KEY[:9])),
            lambda: self.bench.result(other.purge(tag="")),
        ):
            answer = kept(self.one)
            self.bench.settle()
            self.assertIs(self.given(), answer)
            change()
            self.bench.settle()
            self.assertIsNone(self.given())

    def test_renewed(self) -> None:
        """One with newer fields is another answer."""
        kept(self.one)
        (found,) = self.one.find(KEY)
        self.one.update(found, replace(found, lines=(CONTROL,), memo={}))
        self.assertIsNone(self.given())

    def test_closed(self) -> None:
        """A store that was closed has none."""
        kept(self.one)
        self.bench.stop(self.one)
        self.stores.remove(self.one)
        self.assertIsNone(self.given())


class KeepTests(StoreTestCase):
    """What is kept."""

    def of(self, stored: Stored, one: Head, policy: Policy = POLICY) -> bool:
        """Tell whether it is."""
        return ready_of(stored, one, policy, 0, NOW) is not None

    def test_not_kept(self) -> None:
        """What is in a file is opened each time, and in which language it is chosen is not told by comparing."""
        answer = Stored(Response(200))
        file = StoredFile(0, 0, 0, lambda: None)
        self.assertTrue(self.of(answer, head()))
        self.assertFalse(self.of(replace(answer, file=file), head()))
        spoken = replace(head(), vary=("accept-language",))
        self.assertFalse(self.of(answer, spoken, Policy(select_language=True)))
        self.assertTrue(self.of(answer, spoken, Policy(select_language=False)))


class PluginTests(CacheTestCase):
    """With a client's wishes."""

    def test_wishes(self) -> None:
        """Who wishes for something gets that, also when the plain answer is ready."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60", 'ETag: "x"')
        for _ in range(3):
            self.get()
        self.assertEqual(self.get(If_None_Match='"x"').status, 304)
        self.assertEqual(self.get(Range="bytes=1-2").content, b"el")
        self.assertEqual(self.get(method="HEAD").content, b"")
        self.assertEqual(self.asked, 1)
        self.get(X_Forwarded_Proto="https")
        self.get(Cache_Control="no-cache")
        self.get(Pragma="no-cache")
        self.assertEqual(self.get(If_Match='"y"').content, b"hello")
        self.assertEqual(self.asked, 5)

    def test_same_head(self) -> None:
        """An equal head is not read again on its connection, unless it is asked for otherwise."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60")
        client = gateway.client()
        kept = []
        for method, content in (
            ("GET", b"hello"),
            ("GET", b"hello"),
            ("HEAD", b""),
            ("GET", b"hello"),
        ):
            seen = self.successResultOf(gateway.request(method, URL, on=client))
            self.assertEqual(seen.content, content)
            assert seen.transaction is not None
            kept.append(seen.transaction.client.store[LAST])
        self.assertIs(kept[1], kept[0])
        self.assertEqual([one.method for one in kept[1:]], [b"GET", b"HEAD", b"GET"])
        self.assertEqual(self.asked, 1)

    def test_ages(self) -> None:
        """It says how old it is now, each second, until it is not fresh."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=3")
        self.get()
        ages = []
        for _ in range(6):
            gateway.clock.advance(0.5)
            ages.append(self.get().fields.get("age"))
        self.assertEqual(ages, ["0", "1", "1", "2", "2", None])
        self.assertEqual(self.asked, 2)

    def test_purged(self) -> None:
        """An order takes effect at once."""
        gateway = self.started()
        gateway.origin[URL] = self.page(b"hello", "Cache-Control: max-age=60")
        for _ in range(3):
            self.get()
        self.successResultOf(gateway.order("cache.purge", {"url": URL}))
        self.get()
        self.assertEqual(self.asked, 2)
