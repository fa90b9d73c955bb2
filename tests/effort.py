"""
How much random testing there is: all of it in CI, a part of it in the inner loop, which has to be quick.

C{GATEWAY_EXAMPLES} says how many examples each property gets, whatever it would have else.
"""

from __future__ import annotations

import gc
import os
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import settings
from twisted.trial import _synctest

from gateway.collector import THRESHOLDS

_ROOT = Path(__file__).resolve().parent.parent

# How many full collections there were when something was last taken out of their sight.
_collected = -1


def is_full() -> bool:
    """Tell whether everything is tested at its full length, as it is in CI."""
    return bool(os.environ.get("CI"))


def examples(full: int) -> int:
    """
    Give the number of examples of a property.

    @param full: how many it gets in CI.
    """
    said = os.environ.get("GATEWAY_EXAMPLES")
    if said:
        return int(said)
    return full if is_full() else max(20, full // 5)


@cache
def spare_what_lasts() -> None:
    """
    Take everything that is there out of the collector's sight, once; to be called when all tests are imported.

    It lasts as long as the process, and each collection of garbage would go through it. What a test makes is collected
    as ever.
    """
    gc.collect()
    gc.freeze()


def prepare() -> None:
    """
    Let the inner loop be quick; to be called before modules of tests are imported.

    The number of examples holds for properties that do not say how many they get, too. What Hypothesis has found out is
    kept beside the tree: the tables of Unicode, which take it seconds, and examples that failed. Where trial runs is
    cleared away each time. Cycles are looked for as seldom as in a gateway that has started.
    """
    gc.set_threshold(*THRESHOLDS)
    _synctest._setWarningRegistryToNone = _begin_test
    os.fsync = _sync
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(_ROOT / ".hypothesis"))
    settings.register_profile("gateway", settings(), max_examples=examples(100))
    settings.load_profile("gateway")


def _begin_test(_: object) -> None:
    """
    Do what is to be done before each test, in place of what trial does: it goes through all modules, some 2,000, and
    lets each forget which warnings it has given.

    That takes longer than most tests, and Python does it by itself: a module's list of warnings no longer counts after
    any change of the filters, and the next that trial does is such a change.
    """
    global _collected
    # Modules last, and so does what earlier tests have left, for trial keeps each with all it has set to the end of its
    # package. Of garbage there is little just after a collection.
    collected = gc.get_stats()[-1]["collections"]
    if collected != _collected:
        _collected = collected
        gc.freeze()


def _sync(fd: Any) -> None:
    """
    Take a file for written: no test's files have to outlast a power cut, and a disk takes milliseconds to promise that.

    @raise OSError: there is no such file.
    """
    os.fstat(fd if isinstance(fd, int) else fd.fileno())
