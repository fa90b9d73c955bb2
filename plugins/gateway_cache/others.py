"""
What other processes have done that is in no slot's stamp: purges, and that a broken index was replaced.

Each of it makes a turn (L{gateway_cache.shared.TURN}); whoever finds that there was one looks here, before he answers from
memory.
"""

from __future__ import annotations

from collections.abc import Callable

import lmdb

from gateway_cache.memory import Memory
from gateway_cache.opening import Folder
from gateway_cache.purging import PurgeLog, read_log
from gateway_cache.shared import EPOCH, TURN


class Others:
    """
    What is known of it.

    @ivar purges: the log, as it was last read.
    @ivar under_purge: those of it that are not carried out: what they mean may still be in the index.
    """

    def __init__(self, memory: Memory, broken: Callable[[lmdb.Error], None]) -> None:
        """
        Make it.

        @param memory: what does not hold any longer is dropped from it.
        @param broken: called when the index can't be read, or is not the one that counts.
        """
        self.purges = PurgeLog()
        self.under_purge = PurgeLog()
        self._memory = memory
        self._broken = broken
        self._epoch = 0

    def look(self, folder: Folder) -> int | None:
        """Learn what has been purged, and whether there is another index; give the turn this was, C{None}: it can't be read."""
        words = folder.shared.words
        # Before the log is read, so that what comes meanwhile is looked for again.
        turn = words[TURN]
        if words[EPOCH] != folder.epoch:
            self._broken(lmdb.InvalidError("another process has put it aside"))
            return None
        try:
            log = read_log(folder.index.purges())
        except lmdb.Error as error:
            self._broken(error)
            return None
        # The times of a log grow.
        new = log.later(self.purges.purges[-1].since) if self.purges.purges else log
        self.purges = log
        self.under_purge = log.under_way
        if folder.epoch != self._epoch:
            # What is in memory is of another index.
            self._epoch = folder.epoch
            self._memory.clear()
        if new.purges:
            for held in list(self._memory.entries.values()):
                if any(new.means(copy.head, copy.since) for copy in held.copies):
                    self._memory.drop(held)
        return turn
