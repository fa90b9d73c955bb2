"""
Lines on their way to a file: gathered, written in one system call, never waited for.

The data path appends to a list. A full disk, a missing folder, a terminal or a pipe that nobody reads must not hold
up traffic: what cannot be written stays in memory up to a bound, is tried again, and over the bound new lines are
dropped and counted. A line is written whole or, if a file takes only part of it, continued, so a reader never sees
two lines run together.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gateway.record.sinks import Sink, open_sink

#: Lines wait this long at most while there is no trouble.
FLUSH_SECONDS = 0.2
#: So many bytes are written at once without waiting.
FLUSH_BYTES = 64 * 1024
#: A file that failed is tried again after so long.
RETRY_SECONDS = 1.0
#: So many bytes are kept while a file fails.
KEPT_BYTES = 4 * 1024 * 1024

#: Errors that pass when somebody makes room: the file stays open, for a line may be half in it.
_ROOM_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class LineFile:
    """
    A file of lines that are gathered before they are written.

    @ivar written: bytes the file took since the start.
    @ivar dropped: lines lost since the start.
    @ivar failures: how often the file could not be opened or written.
    """

    _log = Logger()

    def __init__(
        self,
        path: str,
        clock: IReactorTime,
        kept_bytes: int = KEPT_BYTES,
        opener: Callable[[str], Sink] = open_sink,
    ) -> None:
        """
        Prepare; nothing is opened yet.

        @param path: C{"-"} is the standard output.
        @param kept_bytes: bound of what is kept in memory while the file fails.
        @param opener: raises L{OSError} if it can't.
        """
        self._opener = opener
        self.path = path
        self.written = 0
        self.dropped = 0
        self.failures = 0
        self._clock = clock
        self._kept_bytes = kept_bytes
        self._sink: Sink | None = None
        self._call: IDelayedCall | None = None
        self._lines: list[str] = []
        self._gathered = 0
        # The block being written; what lies before the offset is in the file.
        self._block = b""
        self._offset = 0
        self._identity = (0, 0)
        self._failing = False
        self._told = False
        self._dropped_before = 0

    def start(self) -> None:
        """Open the file; if that fails, say so once and go on trying."""
        self._open()

    def write(self, line: str) -> None:
        """
        Take a line; it is written within L{FLUSH_SECONDS}.

        @param line: ASCII with its line feed at the end and no other.
        """
        size = self._gathered + len(line)
        if self._failing and size + len(self._block) > self._kept_bytes:
            self._drop()
            return
        self._lines.append(line)
        self._gathered = size
        if size >= FLUSH_BYTES and not self._failing:
            self.flush()
        elif self._call is None:
            self._call = self._clock.callLater(FLUSH_SECONDS, self._turn)

    def write_all(self, lines: list[str]) -> None:
        """Take several lines, each as of L{write}."""
        if self._failing:
            # Each may be the one too many.
            for line in lines:
                self.write(line)
            return
        self._lines += lines
        self._gathered = size = self._gathered + sum(map(len, lines))
        if size >= FLUSH_BYTES:
            self.flush()
        elif self._call is None:
            self._call = self._clock.callLater(FLUSH_SECONDS, self._turn)

    def flush(self) -> None:
        """Write what there is, as far as the file takes it."""
        sink = self._sink or self._open()
        if sink is None:
            self._again(RETRY_SECONDS)
            return
        while self._fill():
            if not self._push(sink):
                return
        self._recovered()

    def reopen(self) -> None:
        """
        Write what there is to the old file and open the path anew, after a rotation.

        If the old file took part of a line, the new one gets the whole line.
        """
        if self._sink is not None:
            self.flush()
        self._close()
        if self._open() is None:
            self._again(RETRY_SECONDS)
        elif self._lines_wait():
            self.flush()

    def stop(self) -> None:
        """Write what there is, once, and close. What the file does not take is lost and counted."""
        if self._lines_wait() or self._sink is not None:
            self.flush()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        lost = self._block[self._offset :].count(b"\n") + len(self._lines)
        if lost:
            self.dropped += lost
            self._log.error("{lost} lines of {path} are lost at the end", lost=lost, path=self.path)
        self._lines.clear()
        self._gathered = 0
        self._block = b""
        self._offset = 0
        self._close()

    def _turn(self) -> None:
        self._call = None
        self.flush()

    def _again(self, seconds: float) -> None:
        if self._call is None:
            self._call = self._clock.callLater(seconds, self._turn)

    def _lines_wait(self) -> bool:
        return bool(self._lines) or self._offset < len(self._block)

    def _fill(self) -> bool:
        """Make the next block if the last is done; tell whether there is anything to write."""
        if self._offset < len(self._block):
            return True
        if not self._lines:
            self._block = b""
            self._offset = 0
            return False
        # A format that let another character through has a fault; the file stays ASCII all the same.
        self._block = "".join(self._lines).encode("ascii", "backslashreplace")
        self._offset = 0
        self._lines.clear()
        self._gathered = 0
        return True

    def _push(self, sink: Sink) -> bool:
        """Write the block; tell whether all of it went. If not, it is tried again."""
        while self._offset < len(self._block):
            try:
                taken = sink.write(memoryview(self._block)[self._offset :])
            except OSError as error:
                if error.errno not in _ROOM_ERRORS:
                    self._close()
                self._failed(error)
                self._again(RETRY_SECONDS)
                return False
            if not taken:
                # A pipe that is full is no failure yet, but what is kept is bounded from here on.
                self._failing = True
                self._again(FLUSH_SECONDS)
                return False
            self._offset += taken
            self.written += taken
        return True

    def _open(self) -> Sink | None:
        try:
            self._sink = sink = self._opener(self.path)
        except OSError as error:
            self._failed(error)
            return None
        identity = sink.identity
        if identity != self._identity:
            # Another file than the one that has the first part of a line: it gets the whole line.
            self._offset = self._block.rfind(b"\n", 0, self._offset) + 1
            self._identity = identity
        return sink

    def _close(self) -> None:
        if self._sink is not None:
            with contextlib.suppress(OSError):
                self._sink.close()
            self._sink = None

    def _drop(self) -> None:
        if self.dropped == self._dropped_before:
            self._log.error(
                "{path} takes nothing and {kept} bytes wait: new lines are dropped",
                path=self.path,
                kept=self._kept_bytes,
            )
        self.dropped += 1

    def _failed(self, error: OSError) -> None:
        self.failures += 1
        if not self._told:
            self._told = True
            self._log.error(
                "{path} can't be written ({reason}); traffic goes on, lines are kept up to {kept} bytes",
                path=self.path,
                reason=error.strerror or str(error),
                kept=self._kept_bytes,
            )
        self._failing = True

    def _recovered(self) -> None:
        if not self._failing:
            return
        lost = self.dropped - self._dropped_before
        if self._told or lost:
            self._log.warn(
                "{path} is written again; {lost} lines were lost", path=self.path, lost=lost
            )
        self._failing = self._told = False
        self._dropped_before = self.dropped
