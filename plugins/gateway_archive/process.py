"""
One child process, from the gateway's side: started, asked, killed.

Asking blocks, and is done in threads, by one at a time. Starting and killing don't block; the process is started by the
reactor's thread, as the system ends it when the thread that started it ends.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from gateway_archive.messages import BadMessage, Message, TooLate, receive, send

#: The package without its `__init__`, so that nothing of the gateway is imported there.
_BOOT = """
import json, sys, types
path, folder, *numbers = json.loads(sys.argv[1])
sys.path[:] = path
package = types.ModuleType("gateway_archive")
package.__path__ = [folder]
sys.modules["gateway_archive"] = package
from gateway_archive.child import main
main(*numbers)
"""
_START_SECONDS = 15.0


class ChildFailed(Exception):
    """The process is of no use any more: it crashed, was killed, or says what it must not."""


class ChildTooSlow(ChildFailed):
    """It did not answer in time."""


class Child:
    """
    One process.

    @ivar pid: its process id.
    @ivar jobs: how many pieces of content it was given.
    """

    def __init__(self, memory: int, file_size: int) -> None:
        """
        Start it.

        @param memory: bytes of address space.
        @param file_size: bytes of the longest file it may write.
        @raise OSError: it can't be started.
        """
        self.jobs = 0
        self._is_ready = False
        self._killed = False
        self._in_use = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            means = [
                [one for one in sys.path if one],
                str(Path(__file__).parent),
                theirs.fileno(),
                os.getpid(),
                memory,
                file_size,
            ]
            try:
                # Our own code, with our own numbers.
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(means)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
                )
            except OSError:
                self._socket.close()
                raise
        self.pid = self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs, as far as the system says."""
        return not self._killed and self._process.poll() is None

    def ask(
        self,
        words: Mapping[str, Any],
        data: Sequence[bytes] = (),
        files: Sequence[int] = (),
        *,
        seconds: float,
    ) -> Message:
        """
        Send a message and wait for the answer.

        @raise ChildFailed: there is none; kill it then.
        """
        with self._in_use:
            return self._ask(words, data, files, seconds)

    def kill(self) -> None:
        """End it now, whoever waits for its answer; harmless twice."""
        if self._killed:
            return
        self._killed = True
        with suppress(OSError):
            self._process.kill()
        # Whoever waits in a thread is told by that.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def is_gone(self) -> bool:
        """See whether a killed process has ended and nobody waits for it any more; there is nothing left of it then."""
        if self._process.poll() is None or not self._in_use.acquire(blocking=False):
            return False
        self._socket.close()
        self._in_use.release()
        return True

    def wait(self, seconds: float) -> None:
        """Wait for the end of a killed process; blocks."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.is_gone()

    def _ask(
        self, words: Mapping[str, Any], data: Sequence[bytes], files: Sequence[int], seconds: float
    ) -> Message:
        try:
            if not self._is_ready:
                self._wait_until_ready()
            deadline = monotonic() + seconds
            send(self._socket, words, data, files, deadline)
            return receive(self._socket, deadline)
        except TooLate:
            raise ChildTooSlow from None
        except BadMessage as error:
            raise ChildFailed(str(error)) from None

    def _wait_until_ready(self) -> None:
        try:
            receive(self._socket, monotonic() + _START_SECONDS).close()
        except BadMessage:
            # It says no more: it has nobody to say it to.
            raise ChildFailed("it ended before it had begun; is libarchive installed?") from None
        self._is_ready = True
