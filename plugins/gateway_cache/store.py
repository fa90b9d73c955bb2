"""
The store: what the plugin asks for stored responses and gives new ones to.

Three layers: memory, the index, files. To find and to open is done at once, in the reactor's thread, from mapped memory; all
writing is done elsewhere. Whatever is broken, full or gone is a miss, and what can't be stored is not: no request ever fails
by the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lmdb
from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.python.failure import Failure

from gateway.api import Event, Overloaded, Services, Severity
from gateway_cache.contract import Entries, Store, Writing
from gateway_cache.encoding import Torn, name_of, read
from gateway_cache.entry import Found, Head
from gateway_cache.incoming import INLINE_BYTES, Incoming
from gateway_cache.index import NEW, PROVEN
from gateway_cache.memory import COPY, Copy, Held, Memory
from gateway_cache.opening import Folder, acquire, release, sync_file_system
from gateway_cache.purging import (
    Purge,
    PurgeLog,
    carry_out,
    carry_out_rest,
    log_purge,
    read_log,
)
from gateway_cache.shared import EPOCH, TURN
from gateway_cache.writing import (
    Append,
    Discard,
    Limits,
    Put,
    Remove,
    RemoveTorn,
    Renew,
    Spill,
    WriteQueue,
    Written,
    in_thread,
    relieve,
)

__all__ = ["DiskStore", "Entries", "Store", "StoreOptions", "Writing"]

#: How long to do without writing when the disk is full or broken, seconds.
ASIDE_SECONDS = 30.0
#: How long to keep to what was found out about the room on the disk, seconds.
_CAPS_SECONDS = 600.0
#: How often to look for what killed processes left, seconds.
SWEEP_SECONDS = 5.0
#: Uses that are counted for eviction.
_MOST_USES = 15
_CORRUPT = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)


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


class DiskStore:
    """
    A L{Store} in a folder; all processes of a machine may have one on it.

    Before L{start} and after L{stop} it finds nothing and stores nothing.
    """

    def __init__(self, options: StoreOptions, services: Services) -> None:
        self._options = options
        self._services = services
        self._memory = Memory(options.memory)
        self._entries = self._memory.entries
        self._folder: Folder | None = None
        self._queue: WriteQueue | None = None
        self._words: memoryview = memoryview(bytes(64)).cast("Q")
        self._uses: memoryview = memoryview(bytearray(64))
        self._use = 0
        self._turn = 0
        self._purges = PurgeLog()
        self._under_purge = PurgeLog()
        self._purging = DeferredLock()
        self._epoch = 0
        self._limits = Limits(options.size)
        self._under_way = 0
        self._aside_until: float | None = None
        # Copies that are found once they are in the index, and who waits for that.
        self._awaited: dict[Copy, Callable[[], object]] = {}
        self._caps_until = 0.0
        self._is_opening = False
        self._is_reopening = False
        self._stopping = False
        self._calls: set[Deferred[Any]] = set()
        self._quiet: Deferred[None] | None = None
        self.max_object = options.max_object
        self._sweeping: Deferred[Any] | None = None
        self._jobs: list[Any] = []
        self._counts = dict.fromkeys(
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

    # Opening and closing.

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
        self._stopping = True
        for job in self._jobs:
            job.cancel()
        if self._queue is None or not clean:
            return self._closed(None, clean)
        return self._settled(None).addCallback(self._closed, clean)

    def _settled(self, _: object) -> Deferred[None]:
        """Wait until everything is written and no thread is at it: nothing may be closed under one."""
        queue = self._queue
        if self._calls:
            self._quiet = Deferred()
            return self._quiet.addCallback(self._settled)
        if queue is not None and (queue.size or queue.is_busy):
            return queue.idle().addCallback(self._settled)
        return succeed(None)

    def _open_folder(self) -> Deferred[None]:
        self._is_opening = True
        options = self._options
        opening = self._run(acquire, options.folder, options.size, None, options.flush)

        def ended(result: Any) -> Any:
            self._is_opening = False
            return result

        return opening.addBoth(ended).addCallbacks(self._opened, self._not_opened)

    def _opened(self, folder: Folder) -> None:
        if self._stopping:
            release(folder)
            return
        self._folder = folder
        options = self._options
        self._queue = WriteQueue(
            folder,
            self._limits,
            self._services.threads,
            self._services.clock,
            self._written,
            options.gather_seconds,
        )
        self._read_turn()
        shared = folder.shared
        self._uses = shared.uses
        self._use = shared.use
        self._words = shared.words
        self._sweep(everything=True)
        if self._aside_until is not None:
            self._back()

    def _not_opened(self, failure: Failure) -> None:
        self._step_aside(failure.getErrorMessage())

    def _closed(self, _: object, clean: bool) -> Deferred[None]:
        folder, self._folder = self._folder, None
        self._queue = None
        self._await_no_more()
        self._memory.clear()
        self._words = memoryview(bytes(64)).cast("Q")
        self._uses = memoryview(bytearray(64))
        if folder is None:
            return succeed(None)
        if not clean:
            release(folder, clean=False)
            return succeed(None)
        # Not by a pool of threads, which may be stopping too, and refuse: the folder must be closed.
        closing = in_thread(self._services.threads, _release, folder)
        return closing.addErrback(lambda failure: _release(folder))

    # Finding.

    def find(self, key: bytes) -> tuple[Head, ...]:
        """Give all variants of a key, newest first."""
        held = self._entries.get(key)
        words = self._words
        if held is not None and words[held.slot] == held.stamp and words[TURN] == self._turn:
            return held.heads
        return self._look(key, held)

    def open(self, head: Head) -> Found | None:
        """Give a response that was found, with its content; C{None}: it is torn or gone."""
        copy = head.memo.get(COPY)
        if not isinstance(copy, Copy):
            return self._open_other(head)
        held = copy.held
        if held is not None and held.uses < 3:
            held.uses += 1
        at = copy.slot - self._use
        uses = self._uses
        try:
            if uses[at] < _MOST_USES:
                uses[at] += 1
        except IndexError:
            # It is from before the store was closed.
            return None
        found = copy.found
        if found is None:
            found = self._fetch(copy)
            if found is None:
                return None
        if found.head is not head:
            # The head was renewed, and this one is the caller's own.
            return replace(found, head=head)
        return found

    def _open_other(self, head: Head) -> Found | None:
        """Open what was found in another way, such as by L{entries}."""
        for one in self.find(head.key):
            if one == head:
                return self.open(one)
        return None

    def _look(self, key: bytes, held: Held | None) -> tuple[Head, ...]:
        """Find a key in the index, with what of it is still to be written."""
        folder = self._folder
        if folder is None:
            return ()
        shared = folder.shared
        words = self._words
        if words[TURN] != self._turn:
            self._read_turn()
            held = self._entries.get(key)
        slot = shared.slot(key) if held is None else held.slot
        # Before the look, so that a change meanwhile is not taken for one that was seen.
        stamp = words[slot]
        floor = words[slot + shared.floor]
        under_purge = self._under_purge
        torn: list[bytes] = []
        try:
            stored = folder.index.variants(key, torn)
        except lmdb.Error as error:
            self._broken(error)
            return ()
        for name in torn:
            self._counts["torn"] += 1
            self._add(RemoveTorn(name, None))
        known = {} if held is None else {copy.place: copy for copy in held.copies}
        copies = []
        for place, head in stored:
            if place.since <= floor or under_purge.means(head, place.since):
                continue
            copy = known.get(place)
            copies.append(Copy(head, place, place.since, slot) if copy is None else copy)
        if held is not None:
            for copy in held.copies:
                if copy.place is None and copy.since > floor:
                    # It is still to be written, unless it has been just now.
                    same = [one for one in copies if one.head.variant == copy.head.variant]
                    if not same or same[0].since < copy.since:
                        copies = [one for one in copies if one not in same]
                        copies.append(copy)
        if not copies:
            if held is not None:
                self._memory.drop(held)
            return ()
        if len(copies) > 1:
            copies.sort(key=_received, reverse=True)
        held = Held(key, slot, stamp, copies)
        self._memory.put(held)
        return held.heads

    def _fetch(self, copy: Copy) -> Found | None:
        """Bring content from the index or from a file."""
        folder = self._folder
        place = copy.place
        if folder is None or place is None:
            return None
        if place.in_file:
            file = folder.files.open(place.number, place.length)
            if file is not None:
                self._counts["hits_file"] += 1
                return Found(copy.head, b"", file)
        else:
            try:
                content = folder.index.content(place)
            except lmdb.Error as error:
                self._broken(error)
                return None
            if content is not None:
                self._counts["hits_index"] += 1
                found = copy.fill(content)
                if copy.held is not None:
                    self._memory.grown(copy.held)
                return found
        self._lost(copy, place.number)
        return None

    def _lost(self, copy: Copy, number: int) -> None:
        """Forget what has no content, or a torn one, unless it is only that somebody has removed it since."""
        key = copy.head.key
        if copy.held is not None:
            self._memory.drop(copy.held)
        folder = self._folder
        try:
            stored = [] if folder is None else folder.index.variants(key, [])
        except lmdb.Error as error:
            self._broken(error)
            return
        if any(place.number == number for place, _ in stored):
            self._counts["torn"] += 1
            self._add(RemoveTorn(name_of(key, copy.head.variant), number))

    # Storing.

    def mark(self) -> int:
        """Give the time for L{begin}."""
        return 0 if self._folder is None else self._folder.shared.tick()

    def begin(self, head: Head, expected: int | None, since: int | None = None) -> Writing | None:
        """Begin to store a response; C{None}: it can't be."""
        folder, queue = self._folder, self._queue
        if folder is None or queue is None or not self._may_write():
            return None
        options = self._options
        if expected is not None and expected > options.max_object:
            return None
        first = INLINE_BYTES if expected is None else min(expected, INLINE_BYTES)
        if queue.size + self._under_way + first > options.queue:
            self._counts["not_stored"] += 1
            return None
        return Incoming(self, head, folder.shared.tick() if since is None else since)

    def update(self, head: Head, newer: Head) -> None:
        """Give a response that was found other fields and times; its content stays."""
        before = head.memo.get(COPY)
        folder = self._folder
        if not isinstance(before, Copy) or folder is None:
            return
        slot = before.slot
        # From before the look: what others change meanwhile is still to be read.
        stamp = self._words[slot]
        self.find(head.key)
        held = self._entries.get(head.key)
        if held is None or not any(_same(one, before) for one in held.copies):
            # It was removed since, or replaced.
            return
        if newer.memo is head.memo or newer.length != head.length or newer.key != head.key:
            newer = replace(newer, key=head.key, length=head.length, memo={})
        after = Copy(newer, before.place, folder.shared.tick(), slot)
        if before.content is not None:
            after.fill(before.content)
        others = [one for one in held.copies if not _same(one, before)]
        others = [one for one in others if one.head.variant != newer.variant]
        copies = sorted([after, *others], key=_received, reverse=True)
        self._memory.put(Held(head.key, slot, stamp, copies))
        self._add(Renew(before, after))

    def remove(self, key: bytes) -> None:
        """Remove all variants of a key: from now on no process finds them."""
        folder = self._folder
        if folder is None:
            return
        held = self._entries.get(key)
        slot = folder.shared.slot(key) if held is None else held.slot
        until = folder.shared.invalidate(slot)
        if held is not None:
            self._memory.drop(held)
        self._add(Remove(key, slot, until))

    def taken(self, size: int) -> bool:
        """Count content that is taken in; C{False}: there is no room for it. For L{Incoming} only."""
        if self._queue is None or self._queue.size + self._under_way + size > self._options.queue:
            return False
        self._under_way += size
        return True

    def given_back(self, size: int) -> None:
        """Count content that is no longer there, or is in the queue. For L{Incoming} only."""
        self._under_way -= size

    def spilled(self, spill: Spill, chunks: list[bytes], size: int) -> None:
        """Write content to a file. For L{Incoming} only."""
        self._add(Append(spill, chunks, size))

    def discarded(self, spill: Spill) -> None:
        """Throw a file away. For L{Incoming} only."""
        self._add(Discard(spill))

    def finished(
        self,
        head: Head,
        since: int,
        content: bytes,
        spill: Spill | None,
        done: Callable[[], object],
    ) -> None:
        """Store what is complete. For L{Incoming} only."""
        folder = self._folder
        if folder is None:
            done()
            return
        held = self._entries.get(head.key)
        slot = folder.shared.slot(head.key) if held is None else held.slot
        if self._words[TURN] != self._turn:
            self._read_turn()
        floor = max(self._purges.floor, self._words[slot + folder.shared.floor])
        if since <= floor or self._purges.means(head, since):
            self._counts["not_stored"] += 1
            if spill is not None:
                self._add(Discard(spill))
            done()
            return
        copy = Copy(head, None, since, slot)
        if spill is None:
            copy.fill(content)
            # What else there is of the key must be known: an entry in memory stands for all of it.
            stamp = self._words[slot]
            self.find(head.key)
            held = self._entries.get(head.key)
            others = [] if held is None else held.copies
            copies = [copy, *(one for one in others if one.head.variant != head.variant)]
            copies.sort(key=_received, reverse=True)
            self._memory.put(Held(head.key, slot, stamp, copies))
            self._add(Put(copy, content, spill, len(content) + 1000))
            done()
            return
        # It is found when it is in the index.
        self._awaited[copy] = done
        self._add(Put(copy, content, spill, len(content) + 1000))

    def _add(self, operation: Append | Put | Renew | Remove | RemoveTorn | Discard) -> None:
        queue = self._queue
        if queue is None:
            return
        if isinstance(operation, Remove | Renew | RemoveTorn) and queue.size > self._options.queue:
            # What is invalidated is not found even if it stays in the index; the rest is no loss.
            return
        queue.add(operation)

    def _written(self, written: Written) -> None:
        """Hear what became of what was written."""
        counts = self._counts
        counts["stored"] += len(written.placed)
        counts["not_stored"] += len(written.refused)
        counts["evicted"] += written.evicted
        folder = self._folder
        if folder is None:
            return
        for number in written.gone:
            folder.files.forget(number)
        for copy in written.refused:
            if copy.held is not None:
                self._memory.drop(copy.held)
        for copy, _ in written.placed:
            held = copy.held
            if held is None or held.gone:
                continue
            stamps = written.stamps.get(copy.slot)
            # What this process has changed itself it need not read anew.
            if stamps is not None and held.stamp == stamps[0]:
                held.stamp = stamps[1]
        if self._awaited:
            for copy in (*(copy for copy, _ in written.placed), *written.refused):
                done = self._awaited.pop(copy, None)
                if done is not None:
                    done()
        if written.error is None:
            return
        self._await_no_more()
        if isinstance(written.error, _CORRUPT):
            self._broken(written.error)
        else:
            self._step_aside(str(written.error))

    def _await_no_more(self) -> None:
        """What is on its way to the index may never get there."""
        awaited, self._awaited = self._awaited, {}
        for done in awaited.values():
            done()

    # A full, broken or unreadable disk.

    def _may_write(self) -> bool:
        return self._aside_until is None and not self._stopping

    def _may_try(self) -> bool:
        """Tell whether it is time to try what could not be done."""
        return self._aside_until is None or self._services.clock.seconds() >= self._aside_until

    def _step_aside(self, why: str) -> None:
        first = self._aside_until is None
        self._aside_until = self._services.clock.seconds() + ASIDE_SECONDS
        # What is in memory and can't be written must not stand for what is stored.
        for held in list(self._entries.values()):
            if any(copy.place is None for copy in held.copies):
                self._memory.drop(held)
        if first:
            self._services.events(
                Event(
                    "cache_aside",
                    Severity.WARNING,
                    f"the cache stores nothing for now: {why}",
                    str(self._options.folder),
                )
            )

    def _back(self) -> None:
        self._aside_until = None
        self._services.events(
            Event(
                "cache_back",
                Severity.INFO,
                "the cache stores again",
                str(self._options.folder),
            )
        )

    def _broken(self, error: lmdb.Error) -> None:
        """Let a broken index be replaced by an empty one; any other error is a miss and no more."""
        folder = self._folder
        if folder is None or self._is_reopening or not isinstance(error, _CORRUPT):
            return
        self._is_reopening = True
        self._memory.clear()
        self._services.log.warn("the index of the cache is broken: {why}", why=str(error))
        reopening = self._run(folder.replace_index, folder.epoch)
        reopening.addCallbacks(self._reopened, self._not_opened)

        def ended(_: object) -> None:
            self._is_reopening = False

        reopening.addBoth(ended)

    def _reopened(self, index: Any) -> None:
        folder = self._folder
        if folder is None:
            index.close()
            return
        folder.use(index)
        self._read_turn()
        self._sweep(everything=True)

    # What others have done.

    def _read_turn(self) -> None:
        """Learn what has been purged, and whether there is another index."""
        folder = self._folder
        if folder is None:
            return
        words = folder.shared.words
        # Before the log is read, so that what comes meanwhile is looked for again.
        turn = words[TURN]
        if words[EPOCH] != folder.epoch:
            self._broken(lmdb.InvalidError("another process has put it aside"))
            return
        try:
            log = read_log(folder.index.purges())
        except lmdb.Error as error:
            self._broken(error)
            return
        self._turn = turn
        # The times of a log grow.
        new = log.later(self._purges.purges[-1].since) if self._purges.purges else log
        self._purges = log
        self._under_purge = log.under_way
        if folder.epoch != self._epoch:
            # What is in memory is of another index.
            self._epoch = folder.epoch
            self._memory.clear()
        if not new.purges:
            return
        for held in list(self._entries.values()):
            if any(new.means(copy.head, copy.since) for copy in held.copies):
                self._memory.drop(held)

    def purge(self, *, prefix: bytes = b"", tag: str = "") -> Deferred[int]:
        """Remove what fits both; one after another."""
        return self._purging.run(self._purge, prefix, tag)

    def _purge(self, prefix: bytes, tag: str) -> Deferred[int]:
        folder = self._folder
        if folder is None or self._stopping:
            return fail(OSError("the cache is not open"))
        purging = self._run(log_purge, folder, prefix, tag)

        def logged(purge: Purge) -> Deferred[int]:
            if self._stopping:
                return fail(OSError("the cache was stopped"))
            self._read_turn()
            return self._run(carry_out, folder, purge, self._is_stopping)

        def ended(result: int | Failure) -> int | Failure:
            if isinstance(result, Failure) and result.check(lmdb.Error):
                return Failure(OSError(str(result.value)))
            return result

        return purging.addCallback(logged).addBoth(ended)

    def entries(
        self, *, prefix: bytes = b"", after: bytes = b"", most: int = 100
    ) -> Deferred[Entries]:
        """List what is stored, in the order of keys."""
        folder = self._folder
        if folder is None or self._stopping:
            return succeed(Entries((), b""))
        return self._run(_list, folder, prefix, after, most)

    def stats(self) -> Mapping[str, int]:
        """Give numbers for people and metrics."""
        numbers = {
            **self._counts,
            "memory_objects": len(self._entries),
            "memory_bytes": self._memory.size,
            "queue_bytes": self._under_way + (self._queue.size if self._queue is not None else 0),
            "aside": int(self._aside_until is not None),
            "objects": 0,
            "bytes": 0,
            "index_bytes": 0,
        }
        folder = self._folder
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

    # Jobs.

    def _tend(self) -> None:
        """Sweep, and try again what could not be done."""
        if self._folder is None:
            if not (self._stopping or self._is_opening) and self._may_try():
                self._open_folder()
            return
        self._folder.files.forget_removed()
        queue = self._queue
        if (
            self._aside_until is not None
            and queue is not None
            and not queue.is_busy
            and self._may_try()
        ):
            self._aside_until = self._services.clock.seconds() + ASIDE_SECONDS
            trying = queue.alone(relieve, self._folder, self._limits)
            trying.addCallbacks(self._relieved, self._not_opened)
        elif self._limits.caps and self._services.clock.seconds() > self._caps_until:
            self._limits.caps = {}
        self._sweep(everything=False)

    def _relieved(self, _: object) -> None:
        self._caps_until = self._services.clock.seconds() + _CAPS_SECONDS
        self._back()

    def _sweep(self, *, everything: bool) -> None:
        if self._folder is None or self._sweeping is not None or self._stopping:
            return
        self._sweeping = self._run(_sweep, self._folder, everything, self._is_stopping)

        def swept(result: int | Failure) -> None:
            self._sweeping = None
            if isinstance(result, int):
                self._counts["swept"] += result
            elif not result.check(Overloaded, OSError, lmdb.Error):
                self._services.log.warn(
                    "the cache could not be swept: {why}", why=result.getErrorMessage()
                )

        self._sweeping.addBoth(swept)

    def _run(self, function: Callable[..., Any], *args: object) -> Deferred[Any]:
        """Call a function in a thread; nothing is closed before it has ended."""
        call = in_thread(self._services.threads, function, *args)
        self._calls.add(call)

        def ended(result: Any) -> Any:
            self._calls.discard(call)
            quiet = self._quiet
            if quiet is not None and not self._calls:
                self._quiet = None
                quiet.callback(None)
            return result

        return call.addBoth(ended)

    def _is_stopping(self) -> bool:
        return self._stopping


def _received(copy: Copy) -> tuple[float, int]:
    return copy.head.received, copy.since


def _release(folder: Folder) -> None:
    release(folder)


def _same(one: Copy, other: Copy) -> bool:
    """Tell whether both are of one object."""
    if one is other:
        return True
    there, here = one.place, other.place
    return there is not None and here is not None and there.number == here.number


def _sweep(folder: Folder, everything: bool, is_stopping: Callable[[], bool]) -> int:
    if everything:
        carry_out_rest(folder, is_stopping)
    return folder.sweep(everything=everything)


def _list(folder: Folder, prefix: bytes, after: bytes, most: int) -> Entries:
    heads: list[Head] = []
    while len(heads) < most:
        some, after = folder.index.walk(prefix, after, most - len(heads))
        for _, value in some:
            try:
                place, head = read(value)
            except Torn:
                continue
            slot = folder.shared.slot(head.key)
            if (
                head.key.startswith(prefix)
                and place.since > folder.shared.words[slot + folder.shared.floor]
            ):
                heads.append(head)
        if not after:
            break
    return Entries(tuple(heads), after)
