"""
Counts what Python executes: a measure of work that is the same on every machine and at every load.

What C code does within one opcode, such as a search, does not show. Where calls of plugins are counted, they must be taken to
be quick whatever the machine is doing meanwhile: L{Unhurried}.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from types import FrameType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline import conduct
from gateway.wire.lines import KNOWN_LINES


class Unhurried(SynchronousTestCase):
    """
    No call of a plugin counts as slow, which would have those after it looked at, for some 190 opcodes a request; and the process
    remembers no lines of tests before, or there might be so many that it forgets all of them while it is counted.
    """

    def setUp(self) -> None:
        """Let plugins take any time, and forget."""
        KNOWN_LINES.clear()
        super().setUp()
        self.patch(conduct, "SLOW_SECONDS", inf)


def opcodes(call: Callable[[], object], *, without: str = "") -> int:
    """
    Call a function, and count the opcodes of all that it calls; whoever traced before, as coverage does, goes on after it.

    @param without: code whose file has this in its path does not count; empty: all does.
    """
    count = 0

    def step(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
        return step

    def begin(frame: FrameType, event: str, _: object) -> Any:
        if without and without in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return step

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
