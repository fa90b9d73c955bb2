"""
One look at whole content: unpack it, scan it, and scan what is in it, a few members at a time.

What comes of it is gathered in L{Findings}; how long it may take, and what follows, is known elsewhere
(L{gateway.pipeline.judgement}). Whoever gave out members is told once that no more is asked for, however it ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import CoroutineType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from gateway.api.content import Members, NotPacked, ScanJob, ScanResult, Unpacked, Unscannable
from gateway.api.errors import PluginError
from gateway.api.services import Clock, Overloaded
from gateway.pipeline.dispatch import Soon, no_room
from gateway.pipeline.findings import Findings
from gateway.pipeline.refusal import forget_frames
from gateway.pipeline.waiting import forsake, limited

#: Members of one message that are scanned at the same time: one message must not fill a pool that others wait for.
AT_ONCE = 4

Scan = Callable[[ScanJob], "Soon[list[ScanResult]]"]
Unpack = Callable[[ScanJob], "Soon[Unpacked | NotPacked | Unscannable | None]"]


class Look:
    """
    A look at one piece of content.

    @ivar findings: what was found so far.
    """

    __slots__ = ("_closed", "_job", "_members", "_scan", "_unpack", "findings")

    _log = Logger()

    def __init__(
        self, job: ScanJob, findings: Findings, scan: Scan | None, unpack: Unpack | None
    ) -> None:
        """
        Prepare.

        @param scan: asks all plugins that scan; C{None}: there is none.
        @param unpack: asks the plugins that unpack; C{None}: there is none.
        """
        self.findings = findings
        self._job = job
        self._scan = scan
        self._unpack = unpack
        self._members: Members | None = None
        self._closed = False

    async def within(self, seconds: float, clock: Clock) -> PluginError | None:
        """
        Look for so long, and be done: what was found until then is in L{findings}.

        @return: as L{run}.
        """
        try:
            looking: Deferred[Any] = Deferred.fromCoroutine(self.run())
            answer: Any = await (looking if looking.called else limited(looking, seconds, clock))
        except TimeoutError as error:
            forget_frames(error)
            why = f"it could not be scanned within {seconds:g} s"
            self.findings.unscannable(Unscannable("engine_timeout", why))
            self.findings.unpacked()
            return None
        finally:
            self.close()
        return answer  # type: ignore[no-any-return]

    async def run(self) -> PluginError | None:
        """
        Look; L{close} is to be called when this has ended, and may be before.

        @return: what a plugin that fails closed failed with; C{None}: none did. It is a value, as a Deferred would keep
            every frame that an exception came through, and with them the content.
        """
        try:
            await self._run()
        except PluginError as error:
            forget_frames(error)
            forget_frames(error.cause)
            return error
        return None

    async def _run(self) -> None:
        findings = self.findings
        if self._scan is None:
            findings.unscannable(Unscannable("unscanned:no_engine", "no plugin scans content"))
            return
        packed = await self._unpacked()
        covers = packed is not None and packed.covers
        if not covers:
            await self._scanned([self._job])
        if packed is None or findings.decided:
            return
        is_all = await self._all_members(packed.members)
        if covers and not (is_all and findings.judged) and not (findings.decided or self._closed):
            # Who says that every byte was decoded has to give something to look at, and to get to the end.
            await self._scanned([self._job])
        if not self._closed:
            findings.unpacked()

    def close(self) -> None:
        """Ask for no more members; more than once is harmless."""
        self._closed = True
        members, self._members = self._members, None
        if members is not None:
            try:
                members.close()
            except Exception:
                self._log.failure("members of content could not be closed")

    async def _unpacked(self) -> Unpacked | None:
        if self._unpack is None:
            return None
        try:
            given: Any = self._unpack(self._job)
            if type(given) is CoroutineType:
                given = await given
        except PluginError as error:
            self.findings.unscannable(no_room(error))
            self.findings.unpacked()
            return None
        if isinstance(given, Unpacked):
            if self._closed:
                # It gave an answer to being cancelled.
                self._members = given.members
                self.close()
                raise CancelledError
            self._members = given.members
            return given
        if isinstance(given, Unscannable):
            self.findings.unscannable(given)
        if given is not None:
            self.findings.unpacked()
        return None

    async def _all_members(self, members: Members) -> bool:
        """
        Scan all that is given out.

        @return: it was given out to the end, and nothing was left out.
        """
        findings = self.findings
        is_all = True
        while not self._closed:
            try:
                batch = await _batch(members.more())
            except CancelledError:
                raise
            except Exception as error:
                findings.unscannable(self._failed(error))
                forget_frames(error)
                return False
            if self._closed:
                return False
            if not batch:
                return is_all
            jobs = []
            for member in batch:
                if isinstance(member, ScanJob):
                    jobs.append(member)
                else:
                    is_all = False
                    findings.unscannable(member)
            for start in range(0, len(jobs), AT_ONCE):
                await self._scanned(jobs[start : start + AT_ONCE])
                if findings.decided or self._closed:
                    return False
        return False

    async def _scanned(self, jobs: Sequence[ScanJob]) -> None:
        """Let all plugins look at some pieces at the same time."""
        assert self._scan is not None
        findings = self.findings
        waiting: list[tuple[ScanJob, Deferred[Any]]] = []
        try:
            for job in jobs:
                if not job.size and job.depth:
                    # An empty file: nothing can be in it, and engines say odd things of it.
                    findings.members += 1
                    continue
                given: Any = self._scan(job)
                if type(given) is CoroutineType:
                    waiting.append((job, Deferred.fromCoroutine(given)))
                else:
                    findings.scanned(job, given)
            while waiting and not findings.decided:
                job, answer = waiting[0]
                results = await answer
                del waiting[0]
                findings.scanned(job, results)
        finally:
            for _, left in waiting:
                forsake(left)

    def _failed(self, error: Exception) -> Unscannable:
        if isinstance(error, Overloaded):
            return Unscannable("capacity")
        self._log.failure("content could not be unpacked to its end")
        return Unscannable("extract_failed")


async def _batch(answer: Awaitable[Any]) -> Sequence[ScanJob | Unscannable]:
    """
    Wait for the next members.

    @raise TypeError: they are none, or pass for the content itself.
    """
    batch = await answer
    for member in batch:
        if isinstance(member, ScanJob):
            if not member.member or member.depth < 1:
                raise TypeError("a member has to say what it is: member and depth")
            if member.path is None and len(member.content) != member.size:
                raise TypeError(f"{member.size} bytes are said of {len(member.content)}")
        elif not isinstance(member, Unscannable):
            raise TypeError(f"{type(member).__name__} is no member")
    return batch  # type: ignore[no-any-return]
