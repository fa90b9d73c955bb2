"""
What all processes that share a store see of each other at once: numbers in a small file that each of them has mapped.

Each key has a slot, which it may share with others. C{stamps} change with every change to a key of the slot: what was read
of it before is read anew. C{floors} say what holds no more: whatever was begun before that (C{tick}) is none, even while it
is still in the index. So an invalidation costs one write to memory and is seen by all with their next look, and it survives
a killed process. C{uses} and C{ghosts} are the memory of eviction.

No number here is locked. A tick is a time, so that whoever writes last writes what is right; a count that is lost is no harm.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from time import monotonic_ns

#: Words of the file's head.
FORMAT_WORD, SLOTS, BOOTS, TURN, EPOCH, EVICTIONS, MAP_SIZE, SECRET = range(8)
_FIRST = 16
_MARK = 0x6761_7465_6361_0001

#: One slot: stamp, floor, ghost and one byte of uses.
SLOT_BYTES = 25
#: One slot for so many bytes of the store, and how many there are at least and at most.
_BYTES_A_SLOT = 4096
_FEWEST, _MOST = 1024, 1 << 21

#: Where the number of boots begins in a tick; below are microseconds, which are enough for nine years.
_BOOT_SHIFT = 48
_SINCE_BOOT = (1 << _BOOT_SHIFT) - 1


class Shared:
    """
    The mapped file.

    @ivar words: the head, then stamps, floors, ghosts.
    @ivar uses: a count for each slot.
    @ivar floor: how far from a slot's stamp its floor is, words.
    @ivar ghost: how far from a slot's stamp its ghost is, words.
    @ivar use: what to take from a slot's stamp for its place in C{uses}.
    """

    __slots__ = ("_boots", "_map", "_mask", "_secret", "floor", "ghost", "use", "uses", "words")

    def __init__(self, path: Path) -> None:
        """
        Map a file that L{make} has made.

        @raise ValueError: it is none.
        @raise OSError: it can't be read.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if size < _FIRST * 8:
                raise ValueError("too short")
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        whole = memoryview(self._map)
        head = whole[: _FIRST * 8].cast("Q")
        slots = head[SLOTS]
        if head[FORMAT_WORD] != _MARK or slots & (slots - 1) or size != _size(slots):
            head.release()
            whole.release()
            self._map.close()
            raise ValueError("it is not of this format")
        self._secret = bytes(whole[SECRET * 8 : SECRET * 8 + 16])
        self.words = whole[: (_FIRST + 3 * slots) * 8].cast("Q")
        self.uses = whole[(_FIRST + 3 * slots) * 8 :]
        self._mask = slots - 1
        self.floor = slots
        self.ghost = 2 * slots
        self.use = _FIRST
        self._boots = self.words[BOOTS] << _BOOT_SHIFT

    def booted(self) -> None:
        """Count a boot of the machine, for its clock began anew."""
        self.words[BOOTS] += 1
        self._boots = self.words[BOOTS] << _BOOT_SHIFT

    def tick(self) -> int:
        """Give the time as all processes count it: it never goes back, not by a restart of the machine either."""
        return self._boots | monotonic_ns() // 1000

    def slot(self, key: bytes) -> int:
        """Give where the stamp of a key is in C{words}; nobody outside can choose keys of one slot."""
        digest = blake2b(key, digest_size=8, key=self._secret).digest()
        return _FIRST + (int.from_bytes(digest, "little") & self._mask)

    def changed(self, slot: int) -> int:
        """
        Let everybody read anew what is in a slot.

        @return: its stamp.
        """
        # Of two processes that write at once one stamp is lost, but neither is one that somebody has seen before.
        stamp = self.words[slot] = monotonic_ns()
        return stamp

    def is_unchanged(self, slot: int, since: int) -> bool:
        """
        Tell whether surely nobody has changed a slot since then.

        @param since: a L{tick} since the last boot. A stamp from before that may look like a later one, which does no harm.
        """
        return self.words[slot] // 1000 < since & _SINCE_BOOT

    def invalidate(self, slot: int) -> int:
        """
        Let nothing of a slot hold that was begun until now.

        @return: that time.
        """
        words = self.words
        now = self.tick()
        words[slot + self.floor] = max(words[slot + self.floor], now)
        self.changed(slot)
        return now

    def turn(self) -> None:
        """Let everybody look for what has been purged, and for a new index."""
        self.words[TURN] = monotonic_ns()

    def flush(self) -> None:
        """Write it to the disk; from a thread."""
        self._map.flush()

    def close(self) -> None:
        """Let go of it; nothing of it can be used any more."""
        self.words.release()
        self.uses.release()
        # Somebody may have a view of it still: then the last reference closes it.
        with suppress(BufferError):
            self._map.close()


def make(path: Path, size: int) -> None:
    """
    Make the file for a store of this size, in place of one that was there.

    Its blocks are taken at once: to write to a mapped hole when the disk is full would be the end of the process.

    @raise OSError: there is no room for it.
    """
    slots = _FEWEST
    while slots < _MOST and slots * _BYTES_A_SLOT < size:
        slots *= 2
    made = path.with_name(path.name + ".new")
    descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _size(slots))
        head = bytearray(_FIRST * 8)
        words = memoryview(head).cast("Q")
        words[FORMAT_WORD] = _MARK
        words[SLOTS] = slots
        head[SECRET * 8 : SECRET * 8 + 16] = os.urandom(16)
        os.pwrite(descriptor, head, 0)
    except OSError:
        made.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    made.replace(path)


def _size(slots: int) -> int:
    return _FIRST * 8 + slots * SLOT_BYTES
