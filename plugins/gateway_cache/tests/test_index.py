"""Tests of L{gateway_cache.index} and L{gateway_cache.change}: heads, small contents, queues and sums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import lmdb
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.change import MOST_VARIANTS, Change
from gateway_cache.encoding import Place, name_of
from gateway_cache.entry import Head
from gateway_cache.index import Index
from gateway_cache.tables import FILES, INLINE, NEW, PIECE_BYTES, PROVEN
from gateway_cache.tests.stores import KEY, head


class IndexTests(SynchronousTestCase):
    """One index, without anything else of a store."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.index = Index(folder, 16 << 20)
        self.addCleanup(self.index.close)

    def put(
        self, one: Head, content: bytes | int = b"", since: int = 1, queue: int = INLINE + NEW
    ) -> Place:
        """Store one."""
        checksum = 0 if isinstance(content, int) else crc32(content)
        with Change(self.index) as change:
            return change.put(one, since, 16, content, checksum, queue)

    def variants(self, key: bytes = KEY) -> list[bytes]:
        """Give the variants that are stored."""
        return [found.variant for _, found in self.index.variants(key, [])]

    def test_content(self) -> None:
        """Content of any length comes back, whatever number of pieces it is cut into."""
        for length in (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 65_536):
            content = bytes(range(256)) * 256
            place = self.put(head(length=length), content[:length])
            self.assertEqual(self.index.content(place), content[:length])
            self.assertEqual(self.index.variants(KEY, []), [(place, head(length=length))])

    def test_torn_content(self) -> None:
        """Content of which a piece is changed, cut or missing is none."""

        def without(data: bytes) -> bytes | None:
            return None

        def cut(data: bytes) -> bytes | None:
            return data[:-1]

        def changed(data: bytes) -> bytes | None:
            return data[:-1] + b"!"

        tear: Callable[[bytes], bytes | None]
        for length in (1000, 40_000):
            for tear in (without, cut, changed):
                place = self.put(head(length=length), b"x" * length)
                key = place.number.to_bytes(8, "big") + b"\0"
                with self.index.env.begin(write=True, db=self.index.contents) as txn:
                    data = txn.pop(key)
                    assert data is not None
                    torn = tear(data)
                    if torn is not None:
                        txn.put(key, torn)
                self.assertIsNone(self.index.content(place))

    def test_torn_record(self) -> None:
        """A record that is none is named, and the others of its key are given."""
        self.put(head(variant=b"a"))
        self.put(head(variant=b"b"))
        name = name_of(KEY, b"a")
        with self.index.env.begin(write=True, db=self.index.heads) as txn:
            value = txn.get(name)
            assert value is not None
            txn.put(name, value[:-1] + b"!")
        torn: list[bytes] = []
        self.assertEqual([one.variant for _, one in self.index.variants(KEY, torn)], [b"b"])
        self.assertEqual(torn, [name])
        with self.assertRaises(lmdb.CorruptedError), Change(self.index) as change:
            change.remove(name)

    def test_few_variants(self) -> None:
        """A key has a bounded number of variants: the oldest go."""
        for number in range(MOST_VARIANTS + 5):
            self.put(head(variant=b"%d" % number), since=number + 1)
        there = set(self.variants())
        self.assertEqual(there, {b"%d" % n for n in range(5, MOST_VARIANTS + 5)})
        self.index.check()

    def test_replaced(self) -> None:
        """An object takes the place of the one before of its variant, and nothing is left of that."""
        for length in (10, 40_000, 20):
            self.put(head(length=length), b"x" * length)
        with Change(self.index) as change:
            self.assertTrue(change.remove(name_of(KEY, b"")))
            self.assertFalse(change.remove(name_of(KEY, b"")))
        with self.index.env.begin() as txn:
            for db in (self.index.heads, self.index.contents, self.index.queues):
                self.assertEqual(txn.stat(db)["entries"], 0)
        totals = self.index.totals()
        self.assertEqual((totals.bytes, totals.count), ([0] * 4, [0] * 4))

    def test_nothing_after_an_exception(self) -> None:
        """A change that fails leaves everything as it was."""
        self.put(head(length=3), b"abc")
        before = self.index.totals().packed()
        with self.assertRaises(KeyError), Change(self.index) as change:
            change.put(head(b"k", length=1), 1, 16, b"x", 0, 0)
            change.remove(name_of(KEY, b""))
            raise KeyError
        self.assertEqual(self.index.totals().packed(), before)
        self.assertEqual((self.variants(), self.variants(b"k")), ([b""], []))

    def test_files(self) -> None:
        """The number of a file is known as long as there is its object, and given back when it goes."""
        self.put(head(length=100_000), 77, queue=FILES + NEW)
        self.assertEqual(self.index.unknown_files([76, 77]), [76])
        with Change(self.index) as change:
            change.remove(name_of(KEY, b""))
        self.assertEqual(change.gone, [77])
        self.assertEqual(self.index.unknown_files([76, 77]), [76, 77])

    def test_renewed(self) -> None:
        """A new head keeps the content, also under another variant, and only that of the very object."""
        place = self.put(head(length=3), b"abc", since=5)
        newer = head(variant=b"v", etag="2", length=3)
        with Change(self.index) as change:
            self.assertIsNone(change.renew(name_of(KEY, b""), place.number + 1, newer, 9, 16))
            renewed = change.renew(name_of(KEY, b""), place.number, newer, 9, 16)
        assert renewed is not None
        self.assertEqual(self.index.variants(KEY, []), [(renewed, newer)])
        self.assertEqual((renewed.since, self.index.content(renewed)), (9, b"abc"))
        self.index.check()

    def test_removed_until(self) -> None:
        """Variants that were begun later stay."""
        for since in (1, 2, 3):
            self.put(head(variant=b"%d" % since), since=since)
        with Change(self.index) as change:
            self.assertEqual(change.remove_key(KEY, 2), 2)
        self.assertEqual(self.variants(), [b"3"])

    def test_queue_order(self) -> None:
        """A queue gives what came first; what is moved is last in its new one."""
        for name in (b"a", b"b"):
            self.put(head(name))
        with Change(self.index) as change:
            self.assertEqual(change.first(NEW), (name_of(b"a", b""), 16))
            change.move(name_of(b"a", b""), 16, NEW)
            self.assertEqual(change.first(NEW), (name_of(b"b", b""), 16))
            change.move(name_of(b"b", b""), 16, PROVEN)
            self.assertEqual(change.first(PROVEN), (name_of(b"b", b""), 16))
            self.assertIsNone(change.first(FILES))
        self.assertEqual(self.index.totals().count, [1, 1, 0, 0])
        self.index.check()

    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(st.lists(st.binary(min_size=1, max_size=4), unique=True), st.binary(max_size=2))
    def test_keys_that_begin_alike(self, keys: list[bytes], prefix: bytes) -> None:
        """Each key has its own variants, also with zeros in it, and a walk meets each of a prefix once, in order."""
        with Change(self.index) as change:
            for one in keys:
                change.put(head(one), 1, 16, b"", 0, 0)
                change.put(head(one, variant=b"v"), 1, 16, b"", 0, 0)
        for one in keys:
            self.assertEqual(set(self.variants(one)), {b"", b"v"})
        met: list[bytes] = []
        after = b""
        while True:
            some, after = self.index.walk(prefix, after, 3)
            met += [name for name, _ in some]
            if not after:
                break
        names = [name_of(one, variant) for one in keys for variant in (b"", b"v")]
        self.assertEqual(met, sorted(name for name in names if name.startswith(prefix)))
        with Change(self.index) as change:
            for one in keys:
                self.assertEqual(change.remove_key(one, 1), 2)

    def test_too_short(self) -> None:
        """A file that is shorter than it says is broken: to read it would end the process."""
        self.put(head(length=60_000), b"x" * 60_000)
        path = Path(self.index.env.path())
        self.index.close()
        data = path / "data.mdb"
        with data.open("r+b") as file:
            file.truncate(data.stat().st_size - 4096 * 8)
        self.assertRaises(lmdb.CorruptedError, Index, path, 16 << 20)
