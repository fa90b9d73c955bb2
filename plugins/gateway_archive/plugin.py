"""
The plugin: hooks and what they are made of.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec

from gateway.api import (
    NONE,
    Need,
    NotPacked,
    Overloaded,
    Plugin,
    ScanJob,
    Services,
    Side,
    Transaction,
    Unpacked,
    Unscannable,
    Whole,
    hookimpl,
)
from gateway.api.catalogue.resource import TEMP_SPACE_FREE, TEMP_SPACE_SHORT
from gateway_archive import glance
from gateway_archive.bounds import Bounds
from gateway_archive.pool import ChildPool
from gateway_archive.process import Child
from gateway_archive.room import Room
from gateway_archive.settings import ArchiveSettings
from gateway_archive.unpacking import Means, Unpacking

#: Goes up when what is found in the same content changes.
_VERSION = "1"


class Archive(Plugin):
    """Unpack archives, codings and forms, so that everything in them is scanned."""

    name = "archive"
    Settings = ArchiveSettings

    settings: ArchiveSettings

    def __init__(self, settings: ArchiveSettings, services: Services) -> None:
        super().__init__(settings, services)
        if find_spec("libarchive") is None:
            raise RuntimeError("libarchive-c is missing: pip install gateway[archive]")
        clock = services.clock
        member = min(settings.max_member, settings.room)
        bounds = Bounds(
            depth=settings.max_depth,
            files=settings.max_files,
            ratio=settings.max_ratio,
            size=settings.max_size,
            member=member,
            room=settings.room,
            texts=settings.texts,
        )
        self.pool = ChildPool(
            settings.workers,
            lambda: Child(settings.memory, member + 1),
            clock,
            services.threads,
            services.log,
            settings.wait,
        )
        self.room = Room(settings.temp_limit, clock, self._tell)
        self._members = services.metrics.counter("members", "Members that were unpacked.")
        self._failures = services.metrics.counter(
            "failures", "Processes that failed while they unpacked.", ["how"]
        )
        self._looks = services.metrics.counter(
            "content", "Content that was looked at, by whether a process was asked.", ["asked"]
        )
        self._means = Means(
            self.pool,
            self.room,
            bounds,
            asdict(bounds),
            settings.timeout,
            settings.wait,
            self._members.inc,
            self._failed,
        )
        self._need: Need = Whole(settings.hold) if settings.hold else NONE
        self._patterns = f"archive {_VERSION}/{version('libarchive-c')}/{_limits(bounds)}"

    async def stop(self) -> None:
        """Kill all processes."""
        await self.pool.stop()

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Leave it to the scanners, unless C{hold} says more."""
        return self._need

    @hookimpl()
    def scan_patterns(self) -> str:
        """Say how content is unpacked: by the same means and within the same limits the same is found."""
        return self._patterns

    @hookimpl()
    async def unpack_content(self, job: ScanJob) -> Unpacked | NotPacked | Unscannable | None:
        """Look whether something may be packed in it, and have a process unpack it."""
        notes = job.notes
        if "content_range" in notes or notes.get("status") == "206":
            # A part of an archive is none.
            return None
        if not glance.is_declared(job, texts=self.settings.texts):
            if job.path is None and job.size <= glance.QUICK_BYTES:
                seems, head = glance.seems_packed(job.content), job.content[: glance.TYPE_BYTES]
            else:
                try:
                    seems, head = await self.pool.outside(glance.seems_packed_in_file, job)
                except Overloaded:
                    return Unscannable("capacity", "there is no thread to look at it", self.name)
            if not seems:
                self._looks.inc(asked="no")
                kind, may_have_more = glance.kind_of(head, job.media_type, "")
                return None if may_have_more else NotPacked(kind)
        self._looks.inc(asked="yes")
        return await Unpacking(job, self._means).begin()

    def _failed(self, how: str, why: str) -> None:
        self._failures.inc(how=how)
        self.services.log.warn("a process that unpacked content failed: {why}", why=why)

    def _tell(self, is_short: bool) -> None:
        used, limit = self.room.used, self.room.limit
        kind, what = TEMP_SPACE_FREE, "there is room again"
        if is_short:
            kind, what = TEMP_SPACE_SHORT, "archives may soon have to be refused"
        text = f"{used * 100 // limit} % of plugins.archive.temp_limit are in use: {what}"
        self.services.events(kind(text, self.name, used=str(used)))


def _limits(bounds: Bounds) -> str:
    """Give a short text that differs where the limits do."""
    return "-".join(
        map(
            str,
            (bounds.depth, bounds.files, bounds.ratio, bounds.size, bounds.member, bounds.texts),
        )
    )
