"""What tests make steps and call plans with: a clock, a stopwatch and a list of events, and nothing of services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from gateway.api.events import Event
from gateway.api.hooks import HOOKS
from gateway.pipeline.conduct import Instruments
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.step import Step


class StepBench:
    """
    What steps are made with, and what they did with it.

    @ivar clock: advance it.
    @ivar events: what was told.
    @ivar ticks: how far the stopwatch goes on at each reading, seconds.
    @ivar readings: how often the stopwatch was read.
    @ivar steps: those of the plan made last.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.ticks = 0.0
        self.readings = 0
        self.steps: list[Step] = []
        self._now = 0.0
        self.instruments = Instruments(self.clock, self.events.append, self._stopwatch)

    def step(
        self, hook: str, function: Callable[..., Any], plugin: str = "p", **options: Any
    ) -> Step:
        """Make a step."""
        return Step(plugin, hook, function, HOOKS[hook], self.instruments, **options)

    def plan(self, hook: str, *functions: Callable[..., Any], **options: Any) -> Any:
        """Make a hook's plan of plugins p0, p1, ..., each with one function."""
        self.steps = [
            self.step(hook, function, f"p{index}", **options)
            for index, function in enumerate(functions)
        ]
        return getattr(CallPlans({hook: self.steps}), hook)

    def _stopwatch(self) -> float:
        self.readings += 1
        self._now += self.ticks
        return self._now
