"""
One piece of content being unpacked: what the core sees of it (L{gateway.api.Members}).

Room is taken before anything is unpacked, and given back as soon as it is known that less is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api import NotPacked, Overloaded, ScanJob, Unpacked, Unscannable
from gateway_archive.answers import Batch, ask
from gateway_archive.bounds import Bounds
from gateway_archive.glance import TYPE_BYTES, kind_of
from gateway_archive.pool import ChildPool, NoProcess
from gateway_archive.process import Child, ChildFailed, ChildTooSlow
from gateway_archive.room import Room

#: The process should notice by itself that its time is over; if it does not, it is killed after so much more of it.
_GRACE_SECONDS = 1.0
#: The child is told of these.
_NOTES = ("content_encoding", "content_type")

_BUSY = "there is no room at present to unpack it (scan capacity)"


@dataclass(frozen=True, slots=True)
class Means:
    """
    What all that is unpacked has in common.

    @ivar told: the bounds as the child is told of them.
    @ivar seconds: to unpack one piece of content.
    @ivar wait: for room, in seconds.
    @ivar count: is told how many members there are more.
    @ivar failed: is told how a process failed, in a word and in a sentence.
    """

    pool: ChildPool
    room: Room
    bounds: Bounds
    told: Mapping[str, Any]
    seconds: float
    wait: float
    count: Callable[[int], None]
    failed: Callable[[str, str], None]


class Unpacking:
    """The members of one piece of content."""

    def __init__(self, job: ScanJob, means: Means) -> None:
        self._job: ScanJob | None = job
        self._means = means
        self._child: Child | None = None
        self._has_place = False
        self._taken = 0
        self._wanted = 0
        self._left = means.seconds
        self._first: Batch | None = None
        self._is_over = False
        self._closed = False

    async def begin(self) -> Unpacked | NotPacked | Unscannable | None:
        """Unpack the first members; answers as C{unpack_content} does."""
        job = self._job
        assert job is not None
        try:
            batch = await self._begin(job)
        except BaseException:
            self.close()
            raise
        has_members = any(isinstance(one, ScanJob) for one in batch.found)
        if not batch.is_last or batch.kind or has_members:
            self._first = batch
            return Unpacked(batch.kind or "archive", self, batch.covers)
        refusal = next((one for one in batch.found if isinstance(one, Unscannable)), None)
        self.close()
        if refusal is not None:
            return refusal
        try:
            kind, may_have_more = await self._means.pool.outside(_kind_of_job, job)
        except Overloaded:
            return Unscannable("capacity", _BUSY, "archive")
        return None if may_have_more else NotPacked(kind)

    async def more(self) -> Sequence[ScanJob | Unscannable]:
        """Give the next members; see L{gateway.api.Members}."""
        first, self._first = self._first, None
        if first is not None and (first.found or first.is_last):
            return first.found
        while not self._is_over and not self._closed:
            try:
                batch = await self._step({"more": True}, None)
            except BaseException:
                self.close()
                raise
            if batch.found:
                return batch.found
        self.close()
        return ()

    def close(self) -> None:
        """End it; see L{gateway.api.Members}."""
        self._closed = True
        self._job = None
        self._first = None
        self._let_go(is_fine=False)
        self._keep(0)

    async def _begin(self, job: ScanJob) -> Batch:
        means = self._means
        bounds = means.bounds
        wanted = min(bounds.room, 2 * (max(bounds.floor, job.size * bounds.ratio) + job.size))
        try:
            await means.pool.enter()
        except NoProcess as error:
            return self._refused("extract_failed:capacity", str(error))
        self._has_place = True
        # There is always room for one of those who have begun to go on.
        if not await means.room.take(wanted, means.wait, spare=bounds.room):
            return self._failed("extract_failed:capacity", _BUSY)
        self._taken = self._wanted = wanted
        if self._closed:
            return self._failed("extract_failed", "nobody waits for it")
        notes = {name: job.notes[name] for name in _NOTES if name in job.notes}
        if "content_type" not in notes and job.media_type:
            notes["content_type"] = job.media_type
        words = {
            "notes": notes,
            # Beside one member there is still room for the start of another.
            "bounds": {
                **means.told,
                "room": wanted,
                "member": min(bounds.member, wanted - wanted // 8),
            },
            "seconds": means.seconds,
        }
        return await self._step(words, job)

    async def _step(self, words: Mapping[str, Any], content: ScanJob | None) -> Batch:
        """Ask the process; an answer that fails is one, too."""
        job, means = self._job, self._means
        if job is None:
            self._let_go(is_fine=False)
            return self._refused("extract_failed", "nobody waits for it")
        missing = self._wanted - self._taken
        if missing > 0:
            if not await means.room.take(missing, means.wait):
                return self._failed("extract_failed:capacity", _BUSY)
            if self._closed:
                means.room.give(missing)
                return self._refused("extract_failed", "nobody waits for it")
            self._taken = self._wanted
        seconds = self._left + _GRACE_SECONDS
        try:
            self._child, batch = await means.pool.turn(
                self._child, ask, words, content, job, seconds, self._taken
            )
        except NoProcess as error:
            return self._failed("extract_failed:capacity", str(error))
        if self._closed:
            # It was ended while it was asked.
            self._let_go(is_fine=False)
            return self._refused("extract_failed", "nobody waits for it")
        match batch:
            case ChildTooSlow():
                means.failed("too_slow", f"it did not answer within {means.seconds:g} s")
                return self._failed("limit:time", "unpacking it took too long")
            case ChildFailed():
                means.failed("crashed", str(batch))
                return self._failed("extract_failed", "the process that unpacked it failed")
            case Overloaded():
                # It was not asked; if it had begun before, nobody wants to know the rest.
                self._let_go(is_fine=content is not None)
                return self._refused("capacity", _BUSY)
            case Exception():
                self._let_go(is_fine=False)
                raise batch
        self._left = max(0.0, self._left - batch.seconds)
        means.count(sum(isinstance(one, ScanJob) for one in batch.found))
        if batch.is_last:
            self._is_over = True
            # The process is free for others while these members are scanned.
            self._let_go(is_fine=True)
            self._keep(batch.size)
        else:
            # While these are scanned nothing more is unpacked.
            self._keep(batch.held)
        return batch

    def _failed(self, reason: str, why: str) -> Batch:
        self._let_go(is_fine=False)
        return self._refused(reason, why)

    def _refused(self, reason: str, why: str) -> Batch:
        self._is_over = True
        self._keep(0)
        kind = "archive" if self._left < self._means.seconds else ""
        return Batch(kind, False, True, [Unscannable(reason, why, "archive")], 0.0, 0, 0)

    def _let_go(self, *, is_fine: bool) -> None:
        child, self._child = self._child, None
        if self._has_place:
            self._has_place = False
            self._means.pool.leave(child, is_fine=is_fine)
        elif child is not None:
            self._means.pool.drop(child)

    def _keep(self, count: int) -> None:
        """Give back all room but so much."""
        if count < self._taken:
            self._means.room.give(self._taken - count)
            self._taken = count


def _kind_of_job(job: ScanJob) -> tuple[str, bool]:
    with job.open() as file:
        head = file.read(TYPE_BYTES)
    return kind_of(head, job.media_type, "")
