"""
The way of what waits for receivers to the file: in one thread, one write at a time, all changes meanwhile in the next.

Memory is what counts, the file only follows. While it can't be written (a full disk, a folder that went away) changes
are not remembered at all: once it can be again, it is made anew from memory. The reactor never waits for the disk, and
who waits for a write does not wait for a disk that hangs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.alarms.file import AlarmFile, Change, FileFailed, Loaded
from gateway.api.services import Clock

T = TypeVar("T")

#: Seconds until a file that failed is tried again.
RETRY_SECONDS = 60.0
#: Seconds after which nobody waits for a write any more.
SLOW_SECONDS = 5.0
#: Bytes of changes that wait for a disk that hangs, about.
MOST_BYTES = 64 << 20


class Run(Protocol):
    """Runs calls in a thread, one after the other."""

    def __call__(self, function: Callable[..., T], /, *args: object) -> Deferred[T]:
        """Run one; the Deferred fires in the reactor's thread, with C{Overloaded} if there is no room."""


class Keeping(Protocol):
    """What follows memory: a L{Journal}, or L{Nowhere}."""

    def add(self, change: Change) -> None:
        """Note a change."""

    def written(self) -> Deferred[None]:
        """Fire when all changes so far are in the file, or will not be in time; never fails."""

    def load(self, channel: str) -> Deferred[Loaded]:
        """Read what there is of a channel; fails with L{FileFailed}."""

    def close(self) -> Deferred[None]:
        """Write what is left and close; never fails."""


class Nowhere:
    """Keeps nothing."""

    def add(self, change: Change) -> None:
        """Forget it."""

    def written(self) -> Deferred[None]:
        """Fire at once."""
        return succeed(None)

    def load(self, channel: str) -> Deferred[Loaded]:
        """Give nothing, at once."""
        return succeed(Loaded())

    def close(self) -> Deferred[None]:
        """Do nothing."""
        return succeed(None)


class Journal:
    """
    Brings changes to a file.

    @ivar keep_seconds: how long rows stay of channels that nobody asked for.
    @ivar has_failed: the file lacks what memory has.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        file: AlarmFile,
        run: Run,
        *,
        keep_seconds: float,
        anew: Callable[[], None],
        tell: Callable[[str, str], None],
    ) -> None:
        """
        Prepare; nothing is opened.

        @param anew: called some time after the file failed: to load what could not be, and to give L{begin_anew} all
            that there is.
        @param tell: is told of findings: C{damaged} or C{in_memory}, and what to say.
        """
        self.keep_seconds = keep_seconds
        self._clock = clock
        self._file = file
        self._run = run
        self._anew = anew
        self._tell = tell
        self._changes: list[Change] = []
        self._bytes = 0
        self._waiting: list[Deferred[None]] = []
        self._writing: list[Deferred[None]] | None = None
        self._call: Any = None
        self._slow_call: Any = None
        self._is_slow = False
        self._retry_call: Any = None
        self.has_failed = False
        self._is_told = False
        self._was_used = False
        self._closing: Deferred[None] | None = None

    def add(self, change: Change) -> None:
        """Note a change; all of one turn of the reactor are written together."""
        if self.has_failed or self._closing is not None:
            return
        self._changes.append(change)
        self._bytes += 100 + sum(len(value) for value in change[1] if isinstance(value, bytes))
        if self._is_slow and self._bytes > MOST_BYTES:
            self._fail("the disk does not answer")
        elif self._call is None and self._writing is None:
            self._call = self._clock.callLater(0, self._write)

    def written(self) -> Deferred[None]:
        """Fire when all changes so far are in the file, or will not be in time; never fails."""
        if self.has_failed or self._is_slow:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        if self._changes:
            self._waiting.append(waiting)
        elif self._writing is not None:
            self._writing.append(waiting)
        else:
            return succeed(None)
        return waiting

    def load(self, channel: str) -> Deferred[Loaded]:
        """Read what there is of a channel, before the changes that are noted now; fails with L{FileFailed}."""
        self._was_used = True

        def came(loaded: Loaded) -> Loaded:
            self._report()
            return loaded

        def failed(failure: Failure) -> Failure | Loaded:
            self._report()
            if _is_new(failure):
                self._make_anew()
                return Loaded()
            why = _why(failure)
            self._fail(why)
            return failure if failure.check(FileFailed) else Failure(FileFailed(why))

        return self._run(self._file.load, channel).addCallbacks(came, failed)

    def begin_anew(self, changes: list[Change]) -> None:
        """Write all that there is to a file that failed before."""
        if self._closing is None:
            self.has_failed = False
            self._changes = []
            self._bytes = 0
            for change in changes:
                self.add(change)

    def close(self) -> Deferred[None]:
        """Write what is left and close; never fails. Twice is no fault."""
        if self._closing is not None:
            return succeed(None)
        closing = self._closing = Deferred()
        for call in (self._retry_call, self._call):
            if call is not None and call.active():
                call.cancel()
        self._retry_call = self._call = None
        if self._writing is None:
            self._write()
        return closing

    def _write(self) -> None:
        """Begin to write what there is; with nothing to write and the end near, close."""
        self._call = None
        if not self._changes:
            if self._closing is not None:
                self._close(self._closing)
            return
        changes, self._changes, self._bytes = self._changes, [], 0
        self._writing, self._waiting = self._waiting, []
        self._was_used = True
        self._slow_call = self._clock.callLater(SLOW_SECONDS, self._slow)
        self._run(self._file.write, changes, self.keep_seconds).addCallbacks(
            self._wrote, self._did_not_write
        ).addErrback(lambda failure: self._log.failure("writing alarms", failure))

    def _wrote(self, _: object) -> None:
        self._report()
        if self._is_told and not self.has_failed:
            self._is_told = False
            self._log.info("alarms that wait are kept in {path} again", path=self._file.path)
        self._go_on()

    def _did_not_write(self, failure: Failure) -> None:
        self._report()
        if _is_new(failure):
            self._make_anew()
        else:
            self._fail(_why(failure))
        self._go_on()

    def _go_on(self) -> None:
        """The thread is free again."""
        if self._slow_call.active():
            self._slow_call.cancel()
        self._is_slow = False
        written, self._writing = self._writing or [], None
        if not self._changes:
            # What they waited for was given up.
            written, self._waiting = [*written, *self._waiting], []
        if self._changes or self._closing is not None:
            self._write()
        for waiting in written:
            waiting.callback(None)

    def _make_anew(self) -> None:
        """A new file begins; what was in the old one is in memory still."""
        if self._closing is None and not self.has_failed:
            self.has_failed = True
            self._changes, self._bytes = [], 0
            self._clock.callLater(0, self._begin_anew)
            self._release()

    def _begin_anew(self) -> None:
        # At the end that is done by who closes.
        if self._closing is None:
            self._anew()

    def _slow(self) -> None:
        self._is_slow = True
        self._release()

    def _release(self) -> None:
        """Let nobody wait any more."""
        waiting, self._waiting = self._waiting, []
        if self._writing is not None:
            waiting, self._writing = [*self._writing, *waiting], []
        for one in waiting:
            one.callback(None)

    def _fail(self, why: str) -> None:
        """Go on in memory, and try again later."""
        if self._closing is not None:
            return
        self._changes, self._bytes = [], 0
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._retry_call is None:
            self._retry_call = self._clock.callLater(RETRY_SECONDS, self._retry)
        self.has_failed = True
        if not self._is_told:
            # Once for each time, not for each attempt.
            self._is_told = True
            self._tell(
                "in_memory",
                f"{self._file.path} can't be used, so alarms that wait are lost if the process ends: {why}",
            )
        self._release()

    def _retry(self) -> None:
        self._retry_call = None
        if self._writing is not None:
            # The disk has not answered yet.
            self._retry_call = self._clock.callLater(RETRY_SECONDS, self._retry)
        else:
            self._anew()

    def _report(self) -> None:
        """Tell what the thread has found since."""
        while self._file.findings:
            self._tell("damaged", self._file.findings.pop(0))

    def _close(self, closing: Deferred[None]) -> None:
        if self._was_used:
            self._run(self._file.close).addBoth(lambda _: closing.callback(None))
        else:
            closing.callback(None)


def _is_new(failure: Failure) -> bool:
    return isinstance(failure.value, FileFailed) and failure.value.is_new


def _why(failure: Failure) -> str:
    return failure.getErrorMessage() or type(failure.value).__name__
