"""
Loads that work in turn, each for a moment: what slows the machine for longer than that slows all of them alike.

So their costs can be compared to a few hundredths where a window after the other's would differ by as much as the machine does in
the meantime. A load that waits for its turn keeps its connections; what it had asked for before is answered, and is counted when its
turn has come again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks.load import LoadFailed, Requests, Work

#: Long enough for caches of the processor to be warm most of the time.
TURN_SECONDS = 0.1


def in_turns(begin: Sequence[Callable[[], Requests]], first: int = 0) -> list[Work | LoadFailed]:
    """
    Let loads work until the last is over.

    @param begin: starts each; the time it is given runs on while others have their turn.
    @param first: whose turn is the first.
    @return: what each did, or why it did not.
    """
    loads: list[Requests | LoadFailed] = []
    with ExitStack() as stack:
        for start in begin:
            try:
                load = stack.enter_context(start())
            except LoadFailed as error:
                loads.append(error)
            else:
                load.pause()
                loads.append(load)
        turn = first
        while waiting := [each for each in loads if isinstance(each, Requests) and not each.over]:
            one = waiting[turn % len(waiting)]
            turn += 1
            one.resume()
            time.sleep(TURN_SECONDS)
            one.pause()
        return [_work(each) if isinstance(each, Requests) else each for each in loads]


def _work(load: Requests) -> Work | LoadFailed:
    try:
        return load.work()
    except LoadFailed as error:
        return error
