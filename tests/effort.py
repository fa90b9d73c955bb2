"""
How much random testing there is: all of it in CI, a part of it in the inner loop, which has to be quick.

C{GATEWAY_EXAMPLES} says how many examples each property gets, whatever it would have else.
"""

from __future__ import annotations

import os


def examples(full: int) -> int:
    """
    Give the number of examples of a property.

    @param full: how many it gets in CI.
    """
    said = os.environ.get("GATEWAY_EXAMPLES")
    if said:
        return int(said)
    return full if os.environ.get("CI") else max(20, full // 5)
