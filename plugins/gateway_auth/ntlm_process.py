"""
One process that checks NTLM messages: lines to it and lines from it, each within a time.

It blocks, and is used in threads, by one at a time. It knows nothing of NTLM, nor of other processes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from collections.abc import Sequence
from time import monotonic
from typing import Any, Protocol

#: Longest answer of a process, in bytes.
MAX_ANSWER = 131072

_KEPT_ENVIRONMENT = ("PATH", "SMB_CONF_PATH", "TZ")
_SHOWN = 300


class HelperFailed(Exception):
    """A process gives no answer, and is of no use any more."""


class Speaks(Protocol):
    """One process; all of it blocks, but for C{kill}."""

    def start(self) -> None:
        """
        Start it.

        @raise HelperFailed: it can't be started.
        """

    def ask(self, line: bytes, seconds: float) -> bytes:
        """
        Send a line, give the line that answers it.

        @raise HelperFailed: there is none within the time.
        """

    def kill(self) -> None:
        """End it now, whoever waits for its answer; harmless twice, and from any thread."""

    def close(self) -> None:
        """End it and see that it is gone."""


class Process:
    """A process of the system."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._complaint = b""
        self._killed = False

    def start(self) -> None:
        """Start it; see L{Speaks.start}."""
        kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        try:
            # The command is the operator's own.
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**kept, "LC_ALL": "C"},
            )
        except OSError as error:
            raise HelperFailed(f"cannot start {self._command[0]}: {error.strerror}") from None
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        if self._killed:
            # While it was not there yet.
            self.kill()
            raise HelperFailed("nobody waits for it any more")

    def ask(self, line: bytes, seconds: float) -> bytes:
        """Ask it; see L{Speaks.ask}."""
        process = self._process
        if process is None:
            raise HelperFailed("it was not started")
        deadline = monotonic() + seconds
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # What nobody has asked for belongs to no question.
        self._unread = b""
        unsent = line + b"\n"
        try:
            with selectors.DefaultSelector() as waiting:
                waiting.register(process.stdin, selectors.EVENT_WRITE)
                waiting.register(process.stdout, selectors.EVENT_READ)
                waiting.register(process.stderr, selectors.EVENT_READ)
                while b"\n" not in self._unread:
                    left = deadline - monotonic()
                    ready = waiting.select(left) if left > 0 else []
                    if not ready:
                        raise HelperFailed(
                            f"{self._command[0]} does not answer within {seconds:g} s"
                        )
                    for key, _ in ready:
                        stream: Any = key.fileobj
                        if stream is process.stdin:
                            unsent = unsent[os.write(stream.fileno(), unsent) :]
                            if not unsent:
                                waiting.unregister(stream)
                        elif stream is process.stderr:
                            if not self._complain(stream):
                                waiting.unregister(stream)
                        else:
                            self._read(stream)
        except (OSError, ValueError) as error:
            raise HelperFailed(self._ended(str(error))) from None
        answer, _, self._unread = self._unread.partition(b"\n")
        return answer.rstrip(b"\r")

    def kill(self) -> None:
        """End it; see L{Speaks.kill}."""
        self._killed = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()

    def close(self) -> None:
        """End it and wait; see L{Speaks.close}."""
        process = self._process
        if process is None:
            return
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _read(self, stream: Any) -> None:
        data = os.read(stream.fileno(), 65536)
        if not data:
            raise HelperFailed(self._ended("it ended"))
        self._unread += data
        if len(self._unread) > MAX_ANSWER:
            raise HelperFailed(f"{self._command[0]} answers with too much")

    def _complain(self, stream: Any) -> bytes:
        """Take what it says to people, and keep the end of it."""
        data = os.read(stream.fileno(), 65536)
        self._complaint = (self._complaint + data)[-_SHOWN:]
        return data

    def _ended(self, why: str) -> str:
        """Say how it ended, with its own words if there are any."""
        process = self._process
        if process is not None and process.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                self._complain(process.stderr)
        words = self._complaint.decode("ascii", "replace").strip().rpartition("\n")[2]
        said = "".join(c if c.isprintable() else "?" for c in words)
        return f"{self._command[0]}: {why}" + (f"; it said: {said}" if said else "")
