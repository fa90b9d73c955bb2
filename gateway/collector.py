"""
CPython's collector of cyclic garbage, told what this process is like.

Nothing on the data path makes cycles (tests hold that), so a collection finds nothing there; yet with the usual threshold
of 700 young objects a few connections at once are enough to start one after the other. What was made until the start
lives as long as the process, and need never be looked through again.
"""

from __future__ import annotations

import gc

#: Young objects more than before at which the collector looks at them, and so on for older ones.
THRESHOLDS = (20_000, 10, 10)


def spare_the_collector() -> None:
    """
    Put aside what there is and look for cycles less often; once, when everything has started.

    Plugins that make cycles are collected all the same, in larger steps.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
