"""
Starting and stopping other programs: pinned to cores, output to a file, ended with certainty.

Knows processes and ports, not what a program is for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import usage

READY_SECONDS = 20.0
STOP_SECONDS = 3.0


class DidNotStart(Exception):
    """A program ended or stayed deaf; the text holds the end of what it printed."""


@dataclass(frozen=True, slots=True)
class Cores:
    """
    Which cores do what: the proxy alone on one, load and origin on the others.

    On a machine of one core both are the same and figures of time mean little.
    """

    proxy: frozenset[int]
    load: frozenset[int]

    @classmethod
    def split(cls) -> Cores:
        """Divide what this process may use; the last core becomes the proxy's."""
        allowed = sorted(os.sched_getaffinity(0))
        proxy = frozenset(allowed[-1:])
        return cls(proxy, frozenset(allowed[:-1]) or proxy)


class Program:
    """One program that runs until it is stopped; as a context manager it is killed at the end."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], output: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._output = output

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        cores: frozenset[int],
        output: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Program:
        """
        Start a program as the leader of its own process group, so that its children end with it.

        @param output: where its standard output and error go.
        """
        if taskset := shutil.which("taskset"):
            command = [taskset, "-c", ",".join(map(str, sorted(cores))), *command]
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
                cwd=folder,
            )
        return cls(name, process, output)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def tree(self) -> list[int]:
        """Give the process ids of the program and its children."""
        return usage.tree(self.pid)

    @property
    def running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._process.poll() is None

    def wait_ready(self, *ports: int) -> None:
        """
        Return when every port accepts a connection on 127.0.0.1.

        @raise DidNotStart: it ended, or L{READY_SECONDS} are over.
        """
        deadline = time.monotonic() + READY_SECONDS
        for port in ports:
            while True:
                if not self.running:
                    raise DidNotStart(
                        f"{self.name} ended with {self._process.returncode}: {self.last_words()}"
                    )
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if time.monotonic() > deadline:
                    raise DidNotStart(f"{self.name} does not listen on {port}: {self.last_words()}")
                time.sleep(0.05)

    def last_words(self, max_bytes: int = 1500) -> str:
        """Give the end of what it printed."""
        return self._output.read_bytes()[-max_bytes:].decode("utf-8", "replace").strip()

    def stop(self, seconds: float = STOP_SECONDS) -> float:
        """
        End the program and its process group: asked first, killed after a while.

        @return: the seconds it took; at least C{seconds} if it had to be killed.
        """
        begun = time.monotonic()
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"{self.name} did not end within {seconds} s and is killed\n")
        # Also when the leader is gone: its children may not be.
        self.kill()
        return time.monotonic() - begun

    def kill(self) -> None:
        """End the program and its process group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def find(name: str, *folders: Path) -> str | None:
    """Give the path of a program: first from these folders, then from PATH and the system's folders for servers."""
    search = os.pathsep.join(
        [*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    )
    return shutil.which(name, path=search)
