"""
The store against a model: a dictionary that says for each variant what may be found.

Two stores on one folder; whatever is done in whatever order, killed and opened again, nothing is ever found that was removed
or purged or that never was, and what has been written is found by both.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from zlib import crc32

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.contract import Writing
from gateway_cache.incoming import INLINE_BYTES
from gateway_cache.store import DiskStore
from gateway_cache.tests.stores import AtOnce, Bench, content_of, head

KEYS = st.sampled_from(
    [b"http://a/", b"http://a/1", b"http://a/2", b"http://b/", b"http://b/" + b"x" * 600]
)
VARIANTS = st.sampled_from([b"", b"v"])
TAGS = st.sampled_from([(), ("s",), ("s", "t")])
LENGTHS = st.sampled_from([0, 1, 1000, 20_000, 65_537])
WHICH = st.sampled_from([0, 1])


def digest(content: bytes) -> str:
    """Give what tells contents apart in a message."""
    return f"{len(content)} {content[:8]!r} {crc32(content):x}"


#: What may be found of a variant: the content's digest, the head's ETag and its tags; C{None}: nothing.
Seen = tuple[str, str, tuple[str, ...]]


class Stores(RuleBasedStateMachine):
    """
    Two stores on one folder, and what they may give.

    C{may} has for each variant the last state that is written, and all states after it that are not yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.bench = Bench(self.folder)
        self.stores: list[DiskStore] = []
        self.may: dict[tuple[bytes, bytes], list[Seen | None]] = {}
        self.begun: list[tuple[Writing, tuple[bytes, bytes], Seen, list[bool]]] = []
        self.count = 0

    @initialize()
    def open(self) -> None:
        """Open both."""
        self.stores = [
            self.bench.store(size=32 << 20),
            self.bench.store(size=32 << 20, memory=20_000),
        ]

    def states(self, variant: tuple[bytes, bytes]) -> list[Seen | None]:
        """Give what may be found of a variant."""
        return self.may.setdefault(variant, [None])

    def seen(self, which: int, variant: tuple[bytes, bytes]) -> Seen | None:
        """Give what a store finds."""
        store = self.stores[which]
        content = content_of(store, *variant)
        heads = [one for one in store.find(variant[0]) if one.variant == variant[1]]
        assert len(heads) <= 1
        if content is None:
            return None
        return digest(content), heads[0].lines[1].decode()[7:-1], heads[0].tags

    @rule(which=WHICH, key=KEYS, variant=VARIANTS, tags=TAGS, length=LENGTHS)
    def begin(
        self, which: int, key: bytes, variant: bytes, tags: tuple[str, ...], length: int
    ) -> None:
        """Begin to store a response."""
        self.count += 1
        etag = str(self.count)
        content = etag.encode().ljust(8, b"#")[:8] * (length // 8 + 1)
        content = content[:length]
        one = head(key, variant=variant, tags=tags, etag=etag, received=float(self.count))
        store = self.stores[which]
        writing: Writing | None
        if self.count % 2 and length <= INLINE_BYTES:
            writing = AtOnce(store, one)
        else:
            writing = store.begin(one, length)
        assert writing is not None
        writing.write(content[: length // 2])
        writing.write(content[length // 2 :])
        self.begun.append((writing, (key, variant), (digest(content), etag, tags), [False]))

    @precondition(lambda self: self.begun)
    @rule(at=st.integers(0, 1000), whole=st.sampled_from([True, True, True, False]))
    def end(self, at: int, whole: bool) -> None:
        """Let one be complete, or break off."""
        writing, variant, seen, void = self.begun.pop(at % len(self.begun))
        if not whole:
            writing.abort()
            return
        writing.finish()
        if not void[0]:
            self.states(variant).append(seen)

    @rule(which=WHICH, key=KEYS, length=LENGTHS, settles=st.booleans())
    def store(self, which: int, key: bytes, length: int, settles: bool) -> None:
        """Store a response, and perhaps let it be written."""
        self.begin(which, key, b"", ("s",), length)
        self.end(len(self.begun) - 1, True)
        if settles:
            self.settle()

    @rule(which=WHICH, key=KEYS, variant=VARIANTS, settles=st.booleans())
    def update(self, which: int, key: bytes, variant: bytes, settles: bool) -> None:
        """Give what is found another ETag."""
        for one in self.stores[which].find(key):
            found = self.seen(which, (key, variant))
            if one.variant == variant and found is not None:
                self.count += 1
                etag = str(self.count)
                lines = (one.lines[0], b'ETag: "%b"' % etag.encode())
                self.stores[which].update(one, replace(one, lines=lines))
                self.states((key, variant)).append((found[0], etag, found[2]))
                if which == 0:
                    # The other one has too little memory to keep everything until it is written.
                    now = self.seen(which, (key, variant))
                    assert now == (found[0], etag, found[2]), (now, found, etag)
                if settles:
                    self.settle()

    @rule(which=WHICH, key=KEYS)
    def remove(self, which: int, key: bytes) -> None:
        """Remove a key: at once, everywhere."""
        self.stores[which].remove(key)
        self.void(lambda variant, seen: variant[0] == key)

    @rule(
        which=WHICH,
        prefix=st.sampled_from([b"", b"http://a/", b"http://b/x"]),
        tag=st.sampled_from(["", "s", "t"]),
    )
    def purge(self, which: int, prefix: bytes, tag: str) -> None:
        """Purge; all that waits is written meanwhile."""
        purging = self.stores[which].purge(prefix=prefix, tag=tag)
        self.void(
            lambda variant, seen: variant[0].startswith(prefix) and (not tag or tag in seen[2])
        )
        self.bench.result(purging)
        self.written()

    def void(self, means: object) -> None:
        """Let nothing be found that is meant, nor stored if it was begun before."""
        assert callable(means)
        for variant, states in self.may.items():
            self.may[variant] = [
                None if seen is not None and means(variant, seen) else seen for seen in states
            ]
        for _, variant, seen, void in self.begun:
            void[0] = void[0] or means(variant, seen)

    @rule()
    def settle(self) -> None:
        """Let all be written."""
        self.bench.settle()
        self.written()

    def written(self) -> None:
        """Both find the same now, and something that may be."""
        for variant, states in self.may.items():
            one, other = self.seen(0, variant), self.seen(1, variant)
            assert one == other, (variant, one, other, states)
            assert one in states, (variant, one, states)
            if len(states) == 1 or None not in states:
                assert one is not None or states == [None], (variant, states)
            self.may[variant] = [one]

    @rule(clean=st.booleans())
    def stop_and_open(self, clean: bool) -> None:
        """Stop both, or kill them, and open the folder again."""
        for writing, *_ in self.begun:
            writing.abort()
        self.begun.clear()
        for store in self.stores:
            self.bench.stop(store, clean=clean)
        self.open()
        self.written()
        totals = self.stores[0].stats()
        assert totals["torn"] == 0
        unfinished = list((self.folder / "unfinished").glob("*/*"))
        assert [one.name for one in unfinished] == ["lock"]

    @invariant()
    def nothing_else(self) -> None:
        """What is found was stored, and has not been removed."""
        for which in range(len(self.stores)):
            for variant, states in self.may.items():
                seen = self.seen(which, variant)
                assert seen is None or seen in states, (which, variant, seen, states)

    def teardown(self) -> None:
        """Close all."""
        for store in self.stores:
            self.bench.stop(store)
        assert not self.bench.events
        shutil.rmtree(self.folder)


class StoreModelTests(SynchronousTestCase):
    """The machine, as a test."""

    def test_model(self) -> None:
        """Whatever is done in whatever order, both stores find what the model says."""
        run_state_machine_as_test(
            Stores,
            settings=settings(
                derandomize=True, deadline=None, max_examples=50, stateful_step_count=25
            ),
        )
