"""
The disks that a gateway writes to: which ones, and how much room they have, looked at in a thread.

One look at a time: a file system on another machine that does not answer keeps one thread and not all of them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.alarms.thresholds import Bounds, Monitor, Reading
from gateway.api.catalogue.machine import DISK_FREE, DISK_READABLE, DISK_SHORT, DISK_UNREADABLE
from gateway.api.events import Event
from gateway.api.services import Clock, Overloaded
from gateway.config.kinds.shares import Room
from gateway.config.schema import Config
from gateway.record.disks import DiskLook, DiskUse
from gateway.watches.readings import amount, percent

#: How long a disk has to be short of room, and how long it must have some again.
STEADY_SECONDS = 60.0
#: A folder that has not answered for so long is told.
DEAF_SECONDS = 60.0


class Disks:
    """
    Looks at them.

    @ivar uses: the file systems as they were last seen.
    @ivar short: the states of those with little room.
    @ivar deaf: the states of those that fail or do not answer.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[Event], None],
        elsewhere: Callable[[Callable[[], list[DiskUse]]], Deferred[list[DiskUse]]],
        folders: Callable[[], Mapping[str, str]],
        look: Callable[[Mapping[str, str]], DiskLook] = DiskLook,
    ) -> None:
        """
        Prepare; nothing is looked at.

        @param elsewhere: runs a call that may block in a thread.
        @param folders: gives what is written to: the folder by what it is for.
        """
        self.uses: list[DiskUse] = []
        self.short = Monitor(
            DISK_SHORT,
            DISK_FREE,
            tell,
            setting="watch.disk",
            advice="make room there, or logs and scans will fail",
        )
        self.deaf = Monitor(
            DISK_UNREADABLE, DISK_READABLE, tell, advice="look at what is mounted there"
        )
        self._clock = clock
        self._elsewhere = elsewhere
        self._folders = folders
        self._look = look
        self._room = Room()
        self._more: tuple[str, ...] = ()
        self._looking: DiskLook | None = None
        self._since = 0.0
        self._stopped = False

    def follow(self, room: Room, more: tuple[str, ...]) -> None:
        """
        Hold them against this bound from now on.

        @param room: false: nothing is looked at.
        @param more: further folders.
        """
        self._room, self._more = room, more
        over = room.count or room.share
        self.short.bounds = (
            Bounds.below(over, STEADY_SECONDS, STEADY_SECONDS, str(room)) if room else None
        )
        self.deaf.bounds = Bounds(1.0, 1.0, DEAF_SECONDS) if room else None

    def look(self, now: float) -> None:
        """Look, or see how long the look before has been waiting."""
        folders = {**self._folders(), **{one: one for one in self._more}} if self._room else {}
        if not folders:
            self.uses = []
            self.short.read({}, now)
            self.deaf.read({}, now)
            return
        look = self._looking
        if look is None:
            look = self._looking = self._look(folders)
            self._since = now
            self._elsewhere(look.run).addCallbacks(self._looked, self._not_looked)
            return
        at = look.at
        if at:
            lasted = now - self._since
            self.deaf.read_some({at: _deaf(at, f"no answer for {lasted:.0f} s", lasted)}, now)

    def stop(self) -> None:
        """Take no answer any more."""
        self._stopped = True

    def _looked(self, uses: list[DiskUse]) -> None:
        self._looking = None
        if self._stopped or not self._room:
            return
        now = self._clock.seconds()
        self.uses = [use for use in uses if not use.error]
        self.deaf.read({use.folder: _answering(use) for use in uses}, now)
        by_count = bool(self._room.count)
        self.short.read_some({use.folder: _room(use, by_count) for use in self.uses}, now)
        self.short.keep({use.folder for use in uses}, now)

    def _not_looked(self, failure: Failure) -> None:
        self._looking = None
        if failure.check(Overloaded) is None:
            self._log.failure("the disks can't be looked at", failure)


def written_to(config: Config, state: str, *, holds_content: bool) -> dict[str, str]:
    """
    Give the folders that a gateway writes to, by what they are for.

    @param state: for state, as it was when the process started; empty: there is none.
    @param holds_content: whether a plugin wants content whole, for which there is a temporary folder.
    """
    found = {"state": state} if state else {}
    log = config.log.access.path
    # Devices and standard output take no room.
    if log not in ("", "-") and not log.startswith("/dev/"):
        found["log"] = os.path.dirname(os.path.abspath(log))
    if config.scan.quarantine.path:
        found["quarantine"] = config.scan.quarantine.path
    if holds_content:
        found["scan"] = config.scan.temp_dir or tempfile.gettempdir()
    return found


def _room(use: DiskUse, by_count: bool) -> Reading:
    share = percent(use.share)
    values = {
        "folders": ", ".join(use.purposes),
        "free": str(use.free),
        "size": str(use.size),
        "share": share,
    }
    room = f"{amount(use.free)} of {amount(use.size)}"
    if by_count:
        return Reading(use.free, f"{room} is free in {use.folder}", values)
    by_files = use.free_files is not None and use.size and use.share < use.free / use.size
    what = f"{use.free_files} of {use.files} inodes" if by_files else room
    return Reading(use.share, f"{share} is free in {use.folder} ({what})", values)


def _answering(use: DiskUse) -> Reading:
    purposes = ", ".join(use.purposes)
    if use.error:
        return _deaf(use.folder, use.error, purposes=purposes)
    return Reading(0.0, f"{use.folder} answers again", {"folders": purposes})


def _deaf(folder: str, why: str, lasted: float = 0.0, purposes: str = "") -> Reading:
    values = {"why": why, "folders": purposes} if purposes else {"why": why}
    return Reading(1.0, f"{folder} can't be looked at: {why}", values, lasted)
