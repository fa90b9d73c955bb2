"""
One child process, from the gateway's side: started, asked, killed; asking blocks, and is done in threads, by one at a time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway_yara.child import receive, send

_SCRIPT = str(Path(__file__).with_name("child.py"))
_END_SECONDS = 5.0


class ChildFailed(Exception):
    """The process is of no use any more: it can't be started, crashed, or says what it must not."""


class ChildTooSlow(ChildFailed):
    """It did not answer in time."""


class Process:
    """
    A child process.

    @ivar pid: its process id.
    """

    def __init__(self, memory: int, folder: str) -> None:
        """
        Start it.

        @param memory: bytes of data it may have.
        @param folder: where YARA-X is installed.
        @raise ChildFailed: it can't be started.
        """
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                # Our own script, with our own numbers.
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-I", _SCRIPT, str(theirs.fileno()), str(memory), folder],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
                )
            except OSError as error:
                self._socket.close()
                raise ChildFailed(f"no process can be started: {error.strerror}") from None
        self.pid = self._process.pid

    def ask(
        self, words: Mapping[str, Any], data: bytes = b"", file: int = -1, *, seconds: float
    ) -> tuple[dict[str, Any], int]:
        """
        Send a message and wait for the answer: its words, and a descriptor that is the caller's, or -1.

        @raise ChildFailed: there is none; close it then.
        """
        try:
            self._socket.settimeout(seconds)
            send(self._socket, words, data, file)
            answer, _, given = receive(self._socket)
        except TimeoutError:
            raise ChildTooSlow(f"no answer within {seconds:g} s") from None
        except (OSError, EOFError, ValueError) as error:
            raise ChildFailed(f"it ended: {error}") from None
        return answer, given

    def kill(self) -> None:
        """End it now, whoever waits for its answer; harmless twice, from any thread, and never waits."""
        with suppress(OSError):
            self._process.kill()
        # Whoever waits is told by that.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it and see that it is gone; for whoever asks it, and blocks for a moment."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._socket.close()
