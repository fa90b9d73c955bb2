"""
What outlives a reload: a reload makes a new plugin object, and nobody shall have to sign in again, or be free to guess, for that.

It is kept beside the gateway's clock, which is one object as long as the gateway runs and another one in each test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.api import Clock

T = TypeVar("T")

# An attribute of the clock, so that it goes with it. Most of what is kept knows the clock: a table here would hold both.
_PLACE = "_gateway_auth_lasting"


def lasting(clock: Clock, name: str, made_for: object, make: Callable[[], T]) -> T:
    """
    Give what an earlier plugin object of this gateway made, or make it.

    @param clock: C{services.clock}.
    @param name: what it is; the same name has to mean the same type.
    @param made_for: the settings that it depends on; if they are others now, it is made anew and the old one forgotten.
    """
    beside: dict[str, tuple[object, Any]] = vars(clock).setdefault(_PLACE, {})
    found = beside.get(name)
    if found is not None and found[0] == made_for:
        kept: T = found[1]
        return kept
    made = make()
    beside[name] = (made_for, made)
    return made
