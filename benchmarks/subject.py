"""
The gateway alone, for the checks that compare it with nobody: started once, watched for memory.
"""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from types import TracebackType

from benchmarks import usage
from benchmarks.peers import GATEWAY, Ports, Role
from benchmarks.programs import Cores, Program

SAMPLE_SECONDS = 0.05


def ports_from(base: int) -> Ports:
    """Give the gateway's ports, with the odd origin as its origin."""
    return dataclasses.replace(Ports.numbered(base, 0), web_origin=base + 901)


def start_gateway(
    ports: Ports,
    cores: Cores,
    state: Path,
    *,
    upload_limit: str = "2GiB",
    client_idle: str = "30s",
) -> Program:
    """
    Start the gateway and wait until both listeners are up.

    The time limits are the gateway's own defaults unless something else is said.

    @raise DidNotStart: with the end of its output.
    """
    program = GATEWAY.start(
        Role.FORWARD,
        ports,
        cores,
        state,
        {"UPLOAD_LIMIT": upload_limit, "CLIENT_IDLE": client_idle},
    )
    try:
        program.wait_ready(ports.forward, ports.reverse)
    except BaseException:
        program.kill()
        raise
    return program


class PeakMemory:
    """Samples a program's resident memory from a thread while a block runs; C{growth} is the peak above the beginning."""

    def __init__(self, program: Program) -> None:
        self._pids = program.tree
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.start_bytes = self.peak_bytes = usage.rss_bytes(self._pids)

    @property
    def growth(self) -> int:
        """Give the bytes between the beginning and the highest sample so far."""
        return self.peak_bytes - self.start_bytes

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, usage.rss_bytes(self._pids))
