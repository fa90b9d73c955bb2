"""Builders for tests of the store: heads, and stores in a folder of the test's, without threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Event
from gateway.testing import FakeServices
from gateway_cache.contract import Writing
from gateway_cache.entry import Head
from gateway_cache.incoming import INLINE_BYTES
from gateway_cache.store import DiskStore, StoreOptions

KEY = b"http://example.com/"


def head(
    key: bytes = KEY,
    *,
    variant: bytes = b"",
    received: float = 1000.0,
    tags: tuple[str, ...] = (),
    etag: str = "1",
    length: int = 0,
) -> Head:
    """Make the head of a 200."""
    lines = (b"Content-Type: text/plain", b'ETag: "%b"' % etag.encode())
    vary = ("accept",) if variant else ()
    return Head(key, variant, vary, 200, lines, received - 1, received, length, tags)


class Bench:
    """
    A clock, services and stores on one folder.

    @ivar events: what operators were told.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.clock = Clock()
        self.events: list[Event] = []
        self.services = FakeServices(self.clock, self.events.append)

    def store(
        self,
        *,
        size: int = 64 << 20,
        memory: int = 8 << 20,
        queue: int = 32 << 20,
        max_object: int = 64 << 20,
        folder: Path | None = None,
    ) -> DiskStore:
        """Make a store, and open it."""
        services = self.services.for_plugin("cache")
        store = DiskStore(
            StoreOptions(
                self.folder if folder is None else folder,
                size,
                max_object,
                memory,
                queue,
                flush=lambda path: None,
            ),
            services,
        )
        store.start()
        self.services.start_plugin(services)
        self.settle()
        return store

    def settle(self) -> None:
        """Let everything that is to be written be written; no job comes that soon."""
        for _ in range(8):
            self.clock.advance(0.055)

    def stop(self, store: DiskStore, *, clean: bool = True) -> None:
        """Stop a store; C{clean=False} leaves everything as a killed process does."""
        stopped: list[object] = []
        store.stop(clean=clean).addBoth(stopped.append)
        self.settle()
        assert stopped == [None], stopped

    def result(self, waiting: Deferred[int]) -> int:
        """Wait for a number."""
        results: list[int] = []
        waiting.addCallback(results.append)
        self.settle()
        return results[0]


class AtOnce:
    """A L{Writing} that stores its content in one step when it is whole, as is done with short ones that came whole."""

    def __init__(self, store: DiskStore, one: Head) -> None:
        self._store = store
        self._head = one
        self._since = store.mark()
        self._alone = not store.find(one.key)
        self._content = b""

    def write(self, chunk: bytes) -> None:
        """Keep it."""
        self._content += chunk

    def finish(self, head: Head | None = None, done: Callable[[], object] | None = None) -> None:
        """Store it."""
        one = replace(head or self._head, length=len(self._content))
        assert self._store.put(one, self._content, self._since, alone=self._alone)
        if done is not None:
            done()

    def abort(self) -> None:
        """Forget it."""


def put(
    store: DiskStore,
    one: Head,
    content: bytes,
    *,
    pieces: int = 1,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Store a response, in one step if it is short and in one piece; C{before} is called before its end."""
    writing: Writing | None
    if pieces == 1 and len(content) <= INLINE_BYTES:
        writing = AtOnce(store, one)
    else:
        writing = store.begin(one, len(content))
    assert writing is not None
    step = max(1, -(-len(content) // pieces))
    for at in range(0, len(content), step):
        writing.write(content[at : at + step])
    before()
    writing.finish()


def content_of(store: DiskStore, key: bytes = KEY, variant: bytes = b"") -> bytes | None:
    """Find a response and read its content, wherever that is; C{None}: a miss."""
    for one in store.find(key):
        if one.variant == variant:
            found = store.open(one)
            if found is None or found.file is None:
                return None if found is None else found.content
            file = found.file
            content = os.pread(file.descriptor, file.length, file.offset)
            file.release()
            return content
    return None


class StoreTestCase(SynchronousTestCase):
    """A store, and sometimes a second one on the same folder."""

    def setUp(self) -> None:
        self.bench = Bench(self.mktemp())
        self.stores: list[DiskStore] = []

    def tearDown(self) -> None:
        for store in self.stores:
            self.bench.stop(store)

    def store(
        self,
        *,
        size: int = 64 << 20,
        memory: int = 8 << 20,
        queue: int = 32 << 20,
        max_object: int = 64 << 20,
    ) -> DiskStore:
        """Make one more."""
        store = self.bench.store(size=size, memory=memory, queue=queue, max_object=max_object)
        self.stores.append(store)
        return store

    def again(self, store: DiskStore, *, clean: bool = True) -> DiskStore:
        """Stop a store, or kill it, and make another one."""
        self.bench.stop(store, clean=clean)
        self.stores.remove(store)
        return self.store()


def disk_bytes(folder: Path) -> int:
    """Give what is in a folder, bytes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
