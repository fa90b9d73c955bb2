"""
What each plugin cost and got wrong, hook by hook; and the numbers that plugins tell of themselves.

Read when somebody asks: for metrics, the console and C{gateway plugin}. Nothing is counted here, that is the steps'
(L{gateway.pipeline.step}). All of it begins anew when a plugin is loaded again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.pipeline.step import Step

#: How many numbers one plugin may tell.
MOST_NUMBERS = 100

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: Names under which the gateway itself tells what a plugin does.
_TAKEN = frozenset(
    (
        "calls_total",
        "errors_total",
        "seconds_total",
        "slow_total",
        "unhealthy",
        "verdicts_total",
        "wait_seconds_total",
        "waits_total",
    )
)


@dataclass(frozen=True, slots=True)
class HookLedger:
    """
    What one plugin did in one hook since it was loaded.

    @ivar calls: all of them.
    @ivar errors: exceptions, time-outs and wrong answers.
    @ivar slow: calls that kept the reactor too long; a lower bound, as one of thirty-two is timed while none is slow.
    @ivar seconds: how long it kept the reactor; an estimate by the same sample (L{Step.seconds<Step>}).
    @ivar worst_seconds: the longest call that was timed.
    @ivar waits: answers that had to be waited for.
    @ivar wait_seconds: how long these took; measured, each of them.
    @ivar worst_wait_seconds: the longest of these.
    @ivar verdicts: answers but C{None} by their kind.
    @ivar unhealthy: it does nothing but fail at present.
    """

    plugin: str
    hook: str
    calls: int
    errors: int
    slow: int
    seconds: float
    worst_seconds: float
    waits: int
    wait_seconds: float
    worst_wait_seconds: float
    verdicts: Mapping[str, int]
    unhealthy: bool


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    The same for all hooks of one plugin together.

    @ivar unhealthy: hooks in which it does nothing but fail at present.
    """

    plugin: str
    calls: int
    errors: int
    slow: int
    seconds: float
    worst_seconds: float
    waits: int
    wait_seconds: float
    worst_wait_seconds: float
    verdicts: Mapping[str, int]
    unhealthy: tuple[str, ...]


def ledger_of(step: Step) -> HookLedger:
    """Take down what stands at a step now."""
    return HookLedger(
        step.plugin,
        step.hook,
        step.calls,
        step.errors,
        step.slow,
        step.seconds,
        step.worst,
        step.waits,
        step.wait_seconds,
        step.worst_wait,
        step.verdicts,
        step.unhealthy,
    )


def summed(plugin: str, steps: Iterable[Step]) -> Ledger:
    """Sum up what stands at the steps of one plugin; those of others are left out."""
    mine = [step for step in steps if step.plugin == plugin]
    verdicts: Counter[str] = Counter()
    for step in mine:
        verdicts.update(step.verdicts)
    return Ledger(
        plugin,
        sum(step.calls for step in mine),
        sum(step.errors for step in mine),
        sum(step.slow for step in mine),
        sum(step.seconds for step in mine),
        max((step.worst for step in mine), default=0.0),
        sum(step.waits for step in mine),
        sum(step.wait_seconds for step in mine),
        max((step.worst_wait for step in mine), default=0.0),
        dict(verdicts),
        tuple(step.hook for step in mine if step.unhealthy),
    )


def checked_numbers(numbers: Mapping[object, object]) -> dict[str, float]:
    """
    Check what a plugin answered to C{counters}.

    @return: a copy: what the plugin does to its own later does not matter.
    @raise ValueError: there are more than L{MOST_NUMBERS}, or a name can't be one of a metric.
    @raise TypeError: a name is no text, or a number none.
    """
    if len(numbers) > MOST_NUMBERS:
        raise ValueError(f"{len(numbers)} numbers, and no more than {MOST_NUMBERS} are taken")
    found: dict[str, float] = {}
    for name, number in numbers.items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a number is {type(name).__name__}, not str")
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise ValueError(f"{name!r} can't be the name of a number")
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise TypeError(f"{name} is {type(number).__name__}, not a number")
        found[name] = float(number)
    return found
