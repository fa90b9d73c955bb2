"""
The store: what the plugin asks for stored responses and gives new ones to, on a folder that is opened and closed here.

Three layers: memory, the index, files. To find and to open is done at once, in the reactor's thread, from mapped memory; all
writing is done elsewhere. Whatever is broken, full or gone is a miss, and what can't be stored is not: no request ever fails
by the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.python.failure import Failure

from gateway.api import Services
from gateway_cache.aside import Aside
from gateway_cache.calls import Calls, in_thread
from gateway_cache.contract import Entries, Writing
from gateway_cache.entry import Head
from gateway_cache.finding import Finding
from gateway_cache.index import CORRUPT, Index
from gateway_cache.limits import Limits
from gateway_cache.listing import list_entries
from gateway_cache.memory import Memory
from gateway_cache.opening import Folder, acquire, release, sync_file_system
from gateway_cache.operations import RemoveTorn
from gateway_cache.purging import Purge, carry_out, log_purge
from gateway_cache.storing import Storing
from gateway_cache.sweeping import SWEEP_SECONDS, Sweeping
from gateway_cache.tables import NEW, PROVEN
from gateway_cache.write_queue import WriteQueue


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """
    What a store is made with; bytes.

    @ivar folder: of its own, on a local file system.
    @ivar size: hard bound of all that is in it.
    @ivar max_object: longest content.
    @ivar memory: what is kept in memory to answer with.
    @ivar queue: content in memory that is not written yet; beyond it nothing new is stored.
    @ivar gather_seconds: how long changes are collected before they are written.
    @ivar flush: brings a file system to the disk when the folder is closed.
    """

    folder: Path
    size: int
    max_object: int = 64 << 20
    memory: int = 64 << 20
    queue: int = 32 << 20
    gather_seconds: float = 0.05
    flush: Callable[[Path], None] = sync_file_system


class DiskStore(Finding):
    """
    A L{Store<gateway_cache.contract.Store>} in a folder; all processes of a machine may have one on it.

    Before L{start} and after L{stop} it finds nothing and stores nothing.
    """

    def __init__(self, options: StoreOptions, services: Services) -> None:
        counts = dict.fromkeys(
            (
                "hits_index",
                "hits_file",
                "stored",
                "not_stored",
                "evicted",
                "torn",
                "swept",
            ),
            0,
        )
        memory = Memory(options.memory)
        self._calls = Calls(services.threads)
        super().__init__(memory, counts, self._broken, self._torn, self._calls.run)
        self._options = options
        self._services = services
        self._limits = Limits(options.size)
        self._aside = Aside(services, options.folder, memory, self._limits)
        self._storing = Storing(
            self,
            memory,
            self._aside,
            self._calls,
            counts,
            self._not_written,
            max_object=options.max_object,
            max_queue=options.queue,
        )
        self._sweeping = Sweeping(services, self._calls, counts)
        self._purging = DeferredLock()
        self._is_opening = False
        self._is_reopening = False
        self._jobs: list[Any] = []

    def start(self) -> Deferred[None]:
        """
        Open the folder, in a thread.

        It never fails: with a disk that is full or broken the store steps aside, and tries again later.
        """
        self._jobs.append(self._services.every(SWEEP_SECONDS, self._tend, name="cache_tend"))
        return self._open_folder()

    def stop(self, *, clean: bool = True) -> Deferred[None]:
        """
        Write what waits, and close the folder.

        @param clean: C{False}: leave it as a killed process does.
        """
        self._calls.stopping = True
        for job in self._jobs:
            job.cancel()
        if self._storing.queue is None or not clean:
            return self._closed(None, clean)
        return self._settled(None).addCallback(self._closed, clean)

    def begin(self, head: Head, expected: int | None, since: int | None = None) -> Writing | None:
        """Begin to store a response; C{None}: it can't be."""
        return self._storing.begin(head, expected, since)

    def put(self, head: Head, content: bytes, since: int, *, alone: bool = False) -> bool:
        """Store a response whose content is short and all here."""
        return self._storing.put(head, content, since, alone)

    def update(self, head: Head, newer: Head) -> None:
        """Give a response that was found other fields and times; its content stays."""
        self._storing.update(head, newer)

    def remove(self, key: bytes) -> None:
        """Remove all variants of a key: from now on no process finds them."""
        self._storing.remove(key)

    def purge(self, *, prefix: bytes = b"", tag: str = "") -> Deferred[int]:
        """Remove what fits both; one after another."""
        return self._purging.run(self._purge, prefix, tag)

    def entries(
        self, *, prefix: bytes = b"", after: bytes = b"", most: int = 100
    ) -> Deferred[Entries]:
        """List what is stored, in the order of keys."""
        folder = self.folder
        if folder is None or self._calls.stopping:
            return succeed(Entries((), b""))
        return self._calls.run(list_entries, folder, prefix, after, most)

    def stats(self) -> Mapping[str, int]:
        """Give numbers for people and metrics."""
        numbers = {
            **self._counts,
            "memory_objects": len(self._memory.entries),
            "memory_bytes": self._memory.size,
            "queue_bytes": self._storing.waiting_bytes,
            "aside": int(self._aside.until is not None),
            "objects": 0,
            "bytes": 0,
            "index_bytes": 0,
        }
        folder = self.folder
        if folder is not None:
            try:
                totals = folder.index.totals()
            except lmdb.Error as error:
                self._broken(error)
            else:
                numbers["objects"] = sum(totals.count)
                numbers["bytes"] = sum(totals.bytes)
                numbers["proven"] = totals.count[PROVEN] + totals.count[2 + PROVEN]
                numbers["new"] = totals.count[NEW] + totals.count[2 + NEW]
                numbers["index_bytes"] = folder.index.used_bytes
        return numbers

    # Opening and closing.

    def _open_folder(self) -> Deferred[None]:
        self._is_opening = True
        options = self._options
        opening = self._calls.run(acquire, options.folder, options.size, None, options.flush)

        def ended(result: Any) -> Any:
            self._is_opening = False
            return result

        return opening.addBoth(ended).addCallbacks(self._opened, self._aside.failed)

    def _opened(self, folder: Folder) -> None:
        if self._calls.stopping:
            release(folder)
            return
        self._storing.queue = WriteQueue(
            folder,
            self._limits,
            self._services.threads,
            self._services.clock,
            self._storing.written,
            self._options.gather_seconds,
        )
        self.attach(folder)
        self._sweeping.sweep(folder, everything=True)
        self._aside.back()

    def _settled(self, _: object) -> Deferred[None]:
        """Wait until everything is written and no thread is at it: nothing may be closed under one."""
        queue = self._storing.queue
        if self._calls.are_under_way:
            return self._calls.quiet().addCallback(self._settled)
        if queue is not None and (queue.size or queue.is_busy):
            return queue.idle().addCallback(self._settled)
        return succeed(None)

    def _closed(self, _: object, clean: bool) -> Deferred[None]:
        folder, self.folder = self.folder, None
        self._storing.closed()
        self.detach()
        if folder is None:
            return succeed(None)
        if not clean:
            release(folder, clean=False)
            return succeed(None)
        # Not by a pool of threads, which may be stopping too, and refuse: the folder must be closed.
        closing = in_thread(self._services.threads, release, folder)
        return closing.addErrback(lambda failure: release(folder))

    def _tend(self) -> None:
        """Sweep, and try again what could not be done."""
        folder = self.folder
        if folder is None:
            if not (self._calls.stopping or self._is_opening) and self._aside.may_try():
                self._open_folder()
            return
        folder.files.forget_removed()
        self._aside.tend(folder, self._storing.queue)
        self._sweeping.sweep(folder, everything=False)

    # What is full or broken.

    def _not_written(self, error: OSError | lmdb.Error) -> None:
        if isinstance(error, CORRUPT):
            self._broken(error)
        else:
            self._aside.step(str(error))

    def _torn(self, torn: RemoveTorn) -> None:
        self._storing.add(torn)

    def _broken(self, error: lmdb.Error) -> None:
        """Let a broken index be replaced by an empty one; any other error is a miss and no more."""
        folder = self.folder
        if folder is None or self._is_reopening or not isinstance(error, CORRUPT):
            return
        self._is_reopening = True
        self._memory.clear()
        self._services.log.warn("the index of the cache is broken: {why}", why=str(error))
        reopening = self._calls.run(folder.replace_index, folder.epoch)
        reopening.addCallbacks(self._reopened, self._aside.failed)

        def ended(_: object) -> None:
            self._is_reopening = False

        reopening.addBoth(ended)

    def _reopened(self, index: Index) -> None:
        folder = self.folder
        if folder is None:
            index.close()
            return
        folder.use(index)
        self.look_around()
        self._sweeping.sweep(folder, everything=True)

    def _purge(self, prefix: bytes, tag: str) -> Deferred[int]:
        folder = self.folder
        if folder is None or self._calls.stopping:
            return fail(OSError("the cache is not open"))
        purging = self._calls.run(log_purge, folder, prefix, tag)

        def logged(purge: Purge) -> Deferred[int]:
            if self._calls.stopping:
                return fail(OSError("the cache was stopped"))
            self.look_around()
            return self._calls.run(carry_out, folder, purge, self._calls.is_stopping)

        def ended(result: int | Failure) -> int | Failure:
            if isinstance(result, Failure) and result.check(lmdb.Error):
                return Failure(OSError(str(result.value)))
            return result

        return purging.addCallback(logged).addBoth(ended)
