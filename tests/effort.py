"""
How much random testing there is: all of it in CI, a part of it in the inner loop, which has to be quick.

C{GATEWAY_EXAMPLES} says how many examples each property gets, whatever it would have else.
"""

from __future__ import annotations

import gc
import os
from functools import cache
from pathlib import Path

from hypothesis import settings

_ROOT = Path(__file__).resolve().parent.parent


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
    Let that hold for properties that do not say how many examples they get, too; to be called before their modules are imported.

    What Hypothesis has found out is kept beside the tree: the tables of Unicode, which take it seconds, and examples that
    failed. Where trial runs is cleared away each time.
    """
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(_ROOT / ".hypothesis"))
    settings.register_profile("gateway", settings(), max_examples=examples(100))
    settings.load_profile("gateway")
