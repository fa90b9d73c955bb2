"""
Finding and opening what is stored, at once, in the reactor's thread: in memory, else in the index and in files.

Whatever is broken or gone is a miss. A hit in memory costs two comparisons with memory that all processes share: nobody has
changed the key since it was read, and nobody has purged anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lmdb
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api import Stored
from gateway_cache.encoding import Place, name_of
from gateway_cache.entry import Found, Head
from gateway_cache.files import CHECKED_AT_ONCE, read_at_once
from gateway_cache.memory import COPY, MOST_USES, Copy, Held, Memory, when_received
from gateway_cache.messages import Asked
from gateway_cache.opening import Folder
from gateway_cache.operations import RemoveTorn
from gateway_cache.others import Others
from gateway_cache.policy import Policy
from gateway_cache.shared import TURN

#: Uses that are counted for eviction.
_MOST_USES = 15


class Finding:
    """
    The half of a store that finds, while its folder is open; nothing before and after.

    The store extends it instead of having one, so that a hit takes no call on the way.

    @ivar folder: the open one.
    @ivar words: what all processes share of it.
    @ivar turn: what C{words} said when it was last looked for what others have done; another one: they have done more.
    @ivar mark: gives the time of what is begun; an attribute, for each miss asks for it.
    """

    def __init__(
        self,
        memory: Memory,
        counts: dict[str, int],
        broken: Callable[[lmdb.Error], None],
        remove: Callable[[RemoveTorn], None],
        in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        """
        Make it.

        @param counts: of the store; C{hits_index}, C{hits_file} and C{torn} are counted.
        @param broken: called when the index can't be read.
        @param remove: called with what turns out to be torn.
        @param in_thread: calls what takes its time.
        """
        self.others = Others(memory, broken)
        self.folder: Folder | None = None
        self.words: memoryview = memoryview(bytes(64)).cast("Q")
        self.mark: Callable[[], int] = int
        self._uses: memoryview = memoryview(bytearray(64))
        self._use = 0
        self.turn = 0
        self._memory = memory
        self._entries = memory.entries
        self._counts = counts
        self._tell_broken = broken
        self._remove_torn = remove
        self._in_thread = in_thread
        # Files that are being checked.
        self._proving: set[int] = set()

    def attach(self, folder: Folder) -> None:
        """Find from now on what is in a folder."""
        self.folder = folder
        self.look_around()
        shared = folder.shared
        self._uses = shared.uses
        self._use = shared.use
        self.words = shared.words
        self.mark = shared.tick

    def detach(self) -> None:
        """Find nothing any more, not even in memory; L{folder} was taken away."""
        self._memory.clear()
        self.mark = int
        self.words = memoryview(bytes(64)).cast("Q")
        self._uses = memoryview(bytearray(64))

    def look_around(self) -> None:
        """Learn what others have done that is in no slot's stamp."""
        folder = self.folder
        if folder is None:
            return
        turn = self.others.look(folder)
        if turn is not None:
            self.turn = turn

    def find(self, key: bytes) -> tuple[Head, ...]:
        """Give all variants of a key, newest first."""
        held = self._entries.get(key)
        words = self.words
        if held is not None and words[TURN] == self.turn and words[held.slot] == held.stamp:
            return held.heads
        return self._look(key, held)

    def lacks(self, key: bytes) -> bool:
        """
        Tell quickly whether nothing is stored of a key, which is so of most of which nothing is in memory.

        @return: C{False}: it has to be looked for (L{find}).
        """
        return key not in self._entries and self.words[TURN] == self.turn and not self._has(key)

    def ready(self, key: bytes, asked: Asked, policy: Policy, now: float) -> Stored | None:
        """
        Give an answer that was given a moment ago, if it holds and nobody has changed the key; counts as a use.

        @param asked: a plain one.
        @return: C{None}: it has to be looked for.
        """
        held = self._entries.get(key)
        words = self.words
        if held is None or words[held.slot] != held.stamp or words[TURN] != self.turn:
            return None
        for copy in held.copies:
            ready = copy.ready
            if ready is None or ready.policy is not policy:
                return None
            if ready.names:
                variant = asked.variants.get(ready.names)
                if variant is None:
                    return None
                if variant != ready.variant:
                    continue
            if not ready.since <= now < ready.until:
                return None
            if held.uses < MOST_USES:
                held.uses += 1
            at = held.slot - self._use
            uses = self._uses
            if uses[at] < _MOST_USES:
                uses[at] += 1
            return ready.stored
        return None

    def open(self, head: Head) -> Found | None:
        """Give a response that was found, with its content; C{None}: it is torn or gone."""
        copy = head.memo.get(COPY)
        if not isinstance(copy, Copy):
            return self._open_other(head)
        held = copy.held
        if held is not None and held.uses < MOST_USES:
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
        """Open what was found in another way, such as by a listing."""
        for one in self.find(head.key):
            if one == head:
                return self.open(one)
        return None

    def is_indexed(self, key: bytes) -> bool:
        """Tell whether there may be something of a key in the index."""
        if self.words[TURN] != self.turn:
            # There may be another index by now.
            self.look_around()
        return self._has(key)

    def _has(self, key: bytes) -> bool:
        folder = self.folder
        if folder is None:
            return False
        try:
            return folder.index.has(key)
        except lmdb.Error as error:
            self._tell_broken(error)
            return False

    def _look(self, key: bytes, held: Held | None) -> tuple[Head, ...]:
        """Find a key in the index, with what of it is still to be written."""
        folder = self.folder
        if folder is None:
            return ()
        words = self.words
        if words[TURN] != self.turn:
            self.look_around()
            held = self._entries.get(key)
        shared = folder.shared
        torn: list[bytes] = []
        slot = shared.slot(key) if held is None else held.slot
        # Before the look, so that a change meanwhile is not taken for one that was seen.
        stamp = words[slot]
        floor = words[slot + shared.floor]
        under_purge = self.others.under_purge
        try:
            stored = folder.index.variants(key, torn)
        except lmdb.Error as error:
            self._tell_broken(error)
            return ()
        for name in torn:
            self._counts["torn"] += 1
            self._remove_torn(RemoveTorn(name, None))
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
            copies.sort(key=when_received, reverse=True)
        held = Held(key, slot, stamp, copies)
        self._memory.put(held)
        return held.heads

    def _fetch(self, copy: Copy) -> Found | None:
        """Bring content from the index or from a file."""
        content = copy.content
        if content is not None:
            # It was stored a moment ago, and is asked for for the first time.
            found = copy.found = Found(copy.head, content)
            return found
        folder = self.folder
        place = copy.place
        if folder is None or place is None:
            return None
        if place.in_file:
            if place.number not in folder.files.proven and not self._is_whole(copy, place, folder):
                return None
            file = folder.files.open(place.number, place.length)
            if file is not None:
                self._counts["hits_file"] += 1
                held = copy.held
                if place.length <= self._memory.most_bytes and held is not None and held.uses > 1:
                    # It is asked for again and again: from memory it takes half of the time.
                    content = read_at_once(file)
                    if content is not None:
                        file.release()
                        return self._fill(copy, content)
                return Found(copy.head, b"", file)
        else:
            try:
                content = folder.index.content(place)
            except lmdb.Error as error:
                self._tell_broken(error)
                return None
            if content is not None:
                self._counts["hits_index"] += 1
                return self._fill(copy, content)
        self._lost(copy, place.number)
        return None

    def _fill(self, copy: Copy, content: bytes) -> Found:
        found = copy.fill(content)
        if copy.held is not None:
            self._memory.grown(copy.held)
        return found

    def _is_whole(self, copy: Copy, place: Place, folder: Folder) -> bool:
        """
        Check content in a file that this process has not seen so far.

        Long content is checked in a thread, and is a miss until that is done.
        """
        number = place.number
        proof = (number, place.length, place.checksum)
        if place.length <= CHECKED_AT_ONCE:
            whole = folder.files.prove(*proof)
            if not whole:
                self._lost(copy, number)
            return whole
        if number not in self._proving:
            self._proving.add(number)

            def proved(result: bool | Failure) -> None:
                self._proving.discard(number)
                if result is False:
                    self._lost(copy, number)

            self._in_thread(folder.files.prove, *proof).addBoth(proved)
        return False

    def _lost(self, copy: Copy, number: int) -> None:
        """Forget what has no content, or a torn one, unless it is only that somebody has removed it since."""
        key = copy.head.key
        if copy.held is not None:
            self._memory.drop(copy.held)
        folder = self.folder
        try:
            stored = [] if folder is None else folder.index.variants(key, [])
        except lmdb.Error as error:
            self._tell_broken(error)
            return
        if any(place.number == number for place, _ in stored):
            self._counts["torn"] += 1
            self._remove_torn(RemoveTorn(name_of(key, copy.head.variant), number))
