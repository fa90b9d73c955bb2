"""
The plugin with services in memory and real child processes, and what it makes of content.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.api import Event, ScanJob, Unpacked, Unscannable
from gateway.testing import FakeServices
from gateway_archive import Archive, ArchiveSettings


class Desk:
    """
    One plugin object.

    @ivar told: the events that it told.
    """

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.told: list[Event] = []
        self.services = FakeServices(self.clock, self.told.append)
        self.plugin = Archive(ArchiveSettings(**settings), self.services.for_plugin("archive"))

    def done(self, waiting: Any) -> Any:
        """Let everything go on until this has an answer, and give it."""
        answer: list[Any] = []
        if isinstance(waiting, Coroutine):
            waiting = Deferred.fromCoroutine(waiting)
        waiting.addBoth(answer.append)
        for _ in range(100):
            if answer:
                break
            self.clock.advance(0)
        if not answer:
            raise AssertionError("it has no answer")
        if hasattr(answer[0], "raiseException"):
            answer[0].raiseException()
        return answer[0]

    def begun(self, job: ScanJob) -> Deferred[Any]:
        """Begin to unpack."""
        return Deferred.fromCoroutine(self.plugin.unpack_content(job))

    def unpacked(self, job: ScanJob) -> Any:
        """Give the plugin's answer."""
        return self.done(self.plugin.unpack_content(job))

    def members(self, job: ScanJob) -> list[ScanJob | Unscannable]:
        """Give everything that is unpacked, one batch after the other."""
        answer = self.unpacked(job)
        if not isinstance(answer, Unpacked):
            raise AssertionError(answer)
        found: list[ScanJob | Unscannable] = []
        while batch := self.done(answer.members.more()):
            found += batch
        answer.members.close()
        return found

    def stop(self) -> None:
        """Stop the plugin."""
        self.done(self.plugin.stop())


def job(content: bytes, *, media_type: str = "application/octet-stream", **notes: str) -> ScanJob:
    """Make a job as the core does."""
    return replace(ScanJob.of(content, media_type=media_type), notes=notes)
