"""
Storing: what is taken in is found at once, and on its way to the index by way of the write queue; so are updates and removals.

No more of it waits than there is memory set aside for, and nothing is stored that was begun before it was invalidated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import lmdb

from gateway_cache.aside import Aside
from gateway_cache.calls import Calls
from gateway_cache.contract import Writing
from gateway_cache.entry import Head
from gateway_cache.finding import Finding
from gateway_cache.incoming import INLINE_BYTES, Incoming
from gateway_cache.memory import COPY, Copy, Held, Memory, same_object, when_received
from gateway_cache.opening import Folder
from gateway_cache.operations import (
    Append,
    Discard,
    Operation,
    Put,
    Remove,
    RemoveTorn,
    Renew,
    Spill,
    Written,
)
from gateway_cache.shared import TURN
from gateway_cache.write_queue import WriteQueue


class Storing:
    """
    What a store takes in (L{gateway_cache.incoming.Takes}), while its folder is open; nothing before and after.

    @ivar queue: of the open folder.
    @ivar max_object: longest content, bytes.
    """

    def __init__(
        self,
        finding: Finding,
        memory: Memory,
        aside: Aside,
        calls: Calls,
        counts: dict[str, int],
        failed: Callable[[OSError | lmdb.Error], None],
        *,
        max_object: int,
        max_queue: int,
    ) -> None:
        """
        Make it.

        @param counts: of the store; C{stored}, C{not_stored} and C{evicted} are counted.
        @param failed: called when something could not be written.
        @param max_queue: content in memory that is not written yet, bytes.
        """
        self.queue: WriteQueue | None = None
        self.max_object = max_object
        self._finding = finding
        self._memory = memory
        self._entries = memory.entries
        self._aside = aside
        self._calls = calls
        self._counts = counts
        self._failed = failed
        self._max_queue = max_queue
        self._under_way = 0
        # Copies that are found once they are in the index, and who waits for that.
        self._awaited: dict[Copy, Callable[[], object]] = {}

    def closed(self) -> None:
        """Take nothing any more."""
        self.queue = None
        self._await_no_more()

    @property
    def waiting_bytes(self) -> int:
        """What is in memory and not written yet."""
        return self._under_way + (self.queue.size if self.queue is not None else 0)

    def begin(self, head: Head, expected: int | None, since: int | None = None) -> Writing | None:
        """Begin to store a response; C{None}: it can't be."""
        if expected is not None and expected > self.max_object:
            return None
        first = INLINE_BYTES if expected is None else min(expected, INLINE_BYTES)
        folder = self._folder_for(first)
        if folder is None:
            return None
        return Incoming(self, head, folder.shared.tick() if since is None else since)

    def put(self, head: Head, content: bytes, since: int, alone: bool) -> bool:
        """Store a response whose content is short and all here; C{False}: it can't be."""
        size = len(content)
        folder = None if size > self.max_object else self._folder_for(size)
        if folder is None:
            return False
        self._keep(folder, head, since, content, alone)
        return True

    def update(self, head: Head, newer: Head) -> None:
        """Give a response that was found other fields and times; its content stays."""
        before = head.memo.get(COPY)
        folder = self._finding.folder
        if not isinstance(before, Copy) or folder is None:
            return
        slot = before.slot
        # From before the look: what others change meanwhile is still to be read.
        stamp = self._finding.words[slot]
        self._finding.find(head.key)
        held = self._entries.get(head.key)
        if held is None or not any(same_object(one, before) for one in held.copies):
            # It was removed since, or replaced.
            return
        if newer.memo is head.memo or newer.length != head.length or newer.key != head.key:
            newer = replace(newer, key=head.key, length=head.length, memo={})
        after = Copy(newer, before.place, folder.shared.tick(), slot)
        if before.content is not None:
            after.fill(before.content)
        others = [one for one in held.copies if not same_object(one, before)]
        others = [one for one in others if one.head.variant != newer.variant]
        copies = sorted([after, *others], key=when_received, reverse=True)
        self._memory.put(Held(head.key, slot, stamp, copies))
        self.add(Renew(before, after))

    def remove(self, key: bytes) -> None:
        """Remove all variants of a key: from now on no process finds them."""
        folder = self._finding.folder
        if folder is None:
            return
        held = self._entries.get(key)
        slot = folder.shared.slot(key) if held is None else held.slot
        until = folder.shared.invalidate(slot)
        if held is not None:
            self._memory.drop(held)
        elif not self._finding.is_indexed(key):
            # What comes into the index from now on was begun later, or is not found.
            return
        self.add(Remove(key, slot, until))

    def taken(self, size: int) -> bool:
        """Count content that is taken in; C{False}: there is no room for it. For L{Incoming} only."""
        if self.queue is None or self.queue.size + self._under_way + size > self._max_queue:
            return False
        self._under_way += size
        return True

    def given_back(self, size: int) -> None:
        """Count content that is no longer there, or is in the queue. For L{Incoming} only."""
        self._under_way -= size

    def spilled(self, spill: Spill, chunks: list[bytes], size: int) -> None:
        """Write content to a file. For L{Incoming} only."""
        self.add(Append(spill, chunks, size))

    def discarded(self, spill: Spill) -> None:
        """Throw a file away. For L{Incoming} only."""
        self.add(Discard(spill))

    def finished(
        self,
        head: Head,
        since: int,
        content: bytes,
        spill: Spill | None,
        done: Callable[[], object],
    ) -> None:
        """Store what is complete. For L{Incoming} only."""
        folder = self._finding.folder
        if folder is None:
            done()
        elif spill is None:
            self._keep(folder, head, since, content, False)
            done()
        else:
            slot = folder.shared.slot(head.key)
            if self._is_void(folder, head, since, slot):
                self.add(Discard(spill))
                done()
                return
            copy = Copy(head, None, since, slot)
            # It is found when it is in the index.
            self._awaited[copy] = done
            self.add(Put(copy, content, spill))

    def add(self, operation: Operation) -> None:
        """Let something be written, unless it may as well be left."""
        queue = self.queue
        if queue is None:
            return
        if isinstance(operation, Remove | Renew | RemoveTorn) and queue.size > self._max_queue:
            # What is invalidated is not found even if it stays in the index; the rest is no loss.
            return
        queue.add(operation)

    def written(self, written: Written) -> None:
        """Hear what became of what was written."""
        counts = self._counts
        counts["stored"] += len(written.placed)
        counts["not_stored"] += len(written.refused)
        counts["evicted"] += written.evicted
        folder = self._finding.folder
        if folder is None:
            return
        for number in written.gone:
            folder.files.forget(number)
        for copy in written.refused:
            if copy.held is not None:
                self._memory.drop(copy.held)
        words, to_floor = folder.shared.words, folder.shared.floor
        stamps = written.stamps
        for copy, _ in written.placed:
            held = copy.held
            if held is None or held.gone:
                continue
            slot = copy.slot
            if slot not in stamps:
                continue
            before, after = stamps[slot]
            # What this process has changed itself it need not read anew, unless somebody has removed it just then.
            if held.stamp == before and copy.since > words[slot + to_floor]:
                held.stamp = after
        if self._awaited:
            for copy in (*(copy for copy, _ in written.placed), *written.refused):
                done = self._awaited.pop(copy, None)
                if done is not None:
                    done()
        if written.error is None:
            return
        self._await_no_more()
        self._failed(written.error)

    def _folder_for(self, size: int) -> Folder | None:
        """Give the folder, if it is open and there is room for so much more on the way to it."""
        queue = self.queue
        if queue is None or self._aside.until is not None or self._calls.stopping:
            return None
        if queue.size + self._under_way + size > self._max_queue:
            self._counts["not_stored"] += 1
            return None
        return self._finding.folder

    def _is_void(self, folder: Folder, head: Head, since: int, slot: int) -> bool:
        """Tell whether it has been invalidated since it was begun, and count it if so."""
        finding = self._finding
        words = finding.words
        if words[TURN] != finding.turn:
            finding.look_around()
        purges = finding.others.purges
        if since > words[slot + folder.shared.floor] and not (
            since <= purges.floor or (purges.purges and purges.means(head, since))
        ):
            return False
        self._counts["not_stored"] += 1
        return True

    def _keep(self, folder: Folder, head: Head, since: int, content: bytes, alone: bool) -> None:
        """Let what is complete be found in memory from now on, and be written to the index."""
        key = head.key
        held = self._entries.get(key)
        slot = folder.shared.slot(key) if held is None else held.slot
        if self._is_void(folder, head, since, slot):
            return
        copy = Copy(head, None, since, slot)
        copy.content = content
        copies = [copy]
        finding = self._finding
        stamp = finding.words[slot]
        # What else there is of the key must be known: an entry in memory stands for all of it.
        alone = alone and held is None and folder.shared.is_unchanged(slot, since)
        if not alone and finding.find(key):
            held = self._entries.get(key)
            others = [] if held is None else held.copies
            copies += [one for one in others if one.head.variant != head.variant]
            copies.sort(key=when_received, reverse=True)
        self._memory.put(Held(key, slot, stamp, copies))
        if self.queue is not None:
            self.queue.add(Put(copy, content))

    def _await_no_more(self) -> None:
        """What is on its way to the index may never get there."""
        awaited, self._awaited = self._awaited, {}
        for done in awaited.values():
            done()
