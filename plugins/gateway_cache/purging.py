"""
Purges by prefix and by tag: a log in the index that says what holds no more, until everybody has seen it.

A purge counts from the moment it is in the log: what was begun before and fits it is no answer and is not stored either, long
before it is removed. One whose process was killed stays in the log until somebody has carried it out. Of the others the log
keeps the last ones; what was begun before one that it has not kept is not stored at all.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gateway_cache.change import Change
from gateway_cache.encoding import Torn, read
from gateway_cache.entry import Head
from gateway_cache.opening import Folder

#: How many the log keeps, unless more are still to be carried out.
MOST = 64
#: Objects that are looked at, and removed, at a time.
_STEP = 500


class Purge(NamedTuple):
    """
    One purge; what fits both prefix and tag is meant.

    @ivar since: when, as L{gateway_cache.shared.Shared.tick} counts.
    @ivar prefix: of keys; empty: all.
    @ivar tag: empty: with any tags, or none.
    @ivar done: it is carried out: what it means is removed.
    """

    since: int
    prefix: bytes
    tag: str
    done: bool = False

    def fits(self, head: Head) -> bool:
        """Tell whether a response is meant, whenever it was begun."""
        return head.key.startswith(self.prefix) and (not self.tag or self.tag in head.tags)


class PurgeLog(NamedTuple):
    """
    The last purges.

    @ivar floor: what was begun until then is not stored: it may have been meant by a purge that is not in the log any more.
    @ivar purges: in their order.
    """

    floor: int = 0
    purges: tuple[Purge, ...] = ()

    def added(self, purge: Purge) -> PurgeLog:
        """Give the log with one more."""
        purges = [*self.purges, purge]
        floor = self.floor
        for one in self.purges:
            if len(purges) <= MOST:
                break
            if one.done:
                purges.remove(one)
                floor = max(floor, one.since)
        return PurgeLog(floor, tuple(purges))

    def carried_out(self, purge: Purge) -> PurgeLog:
        """Give the log in which this one is done."""
        return PurgeLog(
            self.floor,
            tuple(one._replace(done=True) if one == purge else one for one in self.purges),
        )

    @property
    def under_way(self) -> PurgeLog:
        """Give the log without those that are done: what they mean is there no more."""
        return PurgeLog(self.floor, tuple(one for one in self.purges if not one.done))

    def later(self, since: int) -> PurgeLog:
        """Give the log without those until then."""
        return PurgeLog(self.floor, tuple(one for one in self.purges if one.since > since))

    def means(self, head: Head, since: int) -> bool:
        """Tell whether a response that was begun then has been purged."""
        # Nearly always there is none.
        return bool(self.purges) and any(
            since <= purge.since and purge.fits(head) for purge in self.purges
        )

    def forbids(self, head: Head, since: int) -> bool:
        """Tell whether a response that was begun then is not to be stored: it has been purged, or perhaps it has."""
        return since <= self.floor or self.means(head, since)

    def packed(self) -> bytes:
        """Give it as it is stored."""
        return _encode(self)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PurgeLog).decode


def read_log(log: bytes) -> PurgeLog:
    """Read a log; what is none is empty."""
    try:
        return _decode(log) if log else PurgeLog()
    except msgspec.MsgspecError:
        return PurgeLog()


def log_purge(folder: Folder, prefix: bytes, tag: str) -> Purge:
    """Put a purge into the log, and let everybody look; in a thread."""
    with Change(folder.index) as change:
        # Nothing is committed between this time and the end of the change: what comes later looks at the log.
        purge = Purge(folder.shared.tick(), prefix, tag)
        change.set_purges(read_log(change.purges()).added(purge).packed())
    folder.shared.turn()
    return purge


def carry_out(folder: Folder, purge: Purge, is_stopping: Callable[[], bool] = bool) -> int:
    """
    Remove what a purge in the log means, in a thread: some at a time, so that other writers have their turn.

    @param is_stopping: asked again and again; once it is so the rest is left to whoever opens the store next.
    @return: how many there were.
    @raise OSError: the store is stopping.
    """
    after = b""
    removed = 0
    tag = purge.tag.encode()
    while True:
        if is_stopping():
            raise OSError(errno.ECANCELED, "the cache was stopped")
        some, after = folder.index.walk(purge.prefix, after, _STEP)
        meant = []
        for name, value in some:
            # Most have nothing of the tag in them and need not be decoded.
            if tag and tag not in value:
                continue
            try:
                place, head = read(value)
            except Torn:
                continue
            if place.since <= purge.since and purge.fits(head):
                meant.append((name, place.number))
        if meant:
            with Change(folder.index) as change:
                for name, number in meant:
                    place_now = change.place(name)
                    if place_now is not None and place_now.number == number:
                        removed += change.remove(name)
            for number in change.gone:
                folder.files.remove(number)
        if not after:
            break
    with Change(folder.index) as change:
        change.set_purges(read_log(change.purges()).carried_out(purge).packed())
    # So nobody need look for it any longer.
    folder.shared.turn()
    return removed


def carry_out_rest(folder: Folder, is_stopping: Callable[[], bool]) -> None:
    """Carry out what is in the log and not done, as by processes that were killed at it; in a thread."""
    for purge in read_log(folder.index.purges()).under_way.purges:
        carry_out(folder, purge, is_stopping)
