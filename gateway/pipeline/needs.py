"""
One round of the hook C{content_need}: how much of some content all plugins together want.

Asked about all content, and nearly always answered with the very objects of the time before. So it is done as
L{gateway.pipeline.rounds} does it for hooks of one argument: one call of thirty-two is looked at, and every one while a plugin
fails or is slow. In between an answer that is the same object as in the last round that was looked at is known to be a good
one, and if all are, so is what follows from them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import length_hint
from typing import Any

from gateway.api.content import NONE, FirstBytes, Need, Side, Whole
from gateway.api.transaction import Transaction
from gateway.pipeline.rounds import SAMPLED, Steps

#: In the place of what was no answer: nothing is the same as that.
_NEVER = object()


def largest_need(steps: Steps) -> Callable[[Transaction, Side], Need]:
    """Compile a round that gives the largest need; raises what L{Step.begin} raises."""
    # What each is asked by, and what it said in the last round that was looked at; and what these are together.
    usual: list[tuple[Callable[..., Any], Any]] = [(step.function, _NEVER) for step in steps]
    largest: Need = NONE
    # How many quick rounds ended in an error before each step, so that it was not called.
    missed = [0] * len(steps)
    # Of the quick rounds that were granted last: how many were not as usual, and how many are entered with the steps.
    strayed = entered = 0
    granted = left = done = 0

    def plan(txn: Transaction, side: Side) -> Need:
        nonlocal left
        if not left:
            return look(txn, side)
        left -= 1
        line = iter(usual)
        try:
            for function, same in line:
                need = function(txn, side)
                if need is not same:
                    break
            else:
                return largest
        except BaseException as error:
            position = len(steps) - length_hint(line) - 1
            stray(position)
            failed(position, error)
            return go_on(position, NONE, txn, side)
        position = len(steps) - length_hint(line) - 1
        stray(position)
        return go_on(position, need, txn, side)

    def stray(position: int) -> None:
        """Count one by one the answers before the first that was not as usual."""
        nonlocal strayed
        strayed += 1
        for step, (_, need) in zip(steps[:position], usual, strict=False):
            if need is not NONE:
                step.answered[type(need)] += 1

    def go_on(position: int, need: Any, txn: Transaction, side: Side) -> Need:
        """Go on from a step that gave another answer than usual."""
        needs = [same for _, same in usual[:position]]
        while True:
            if need is not NONE:
                try:
                    needs.append(steps[position].judged(need))
                except BaseException:
                    skip(position)
                    raise
            position += 1
            if position == len(steps):
                return _largest(needs)
            try:
                need = steps[position].function(txn, side)
            except BaseException as error:
                failed(position, error)
                need = NONE

    def failed(position: int, error: BaseException) -> None:
        """Let a step deal with an error, which may end the round."""
        try:
            steps[position].raised(error)
        except BaseException:
            skip(position)
            raise

    def skip(position: int) -> None:
        for later in range(position + 1, len(steps)):
            missed[later] += 1

    def look(txn: Transaction, side: Side) -> Need:
        nonlocal granted, left, usual, largest
        look_closer()
        if not any(step.watched for step in steps):
            # Before anybody is asked: what the steps find may take it back.
            granted = left = SAMPLED - 1
        needs = [step.begin((txn, side)) for step in steps]
        usual = [
            (step.function, _NEVER if need is None else need)
            for step, need in zip(steps, needs, strict=True)
        ]
        largest = _largest(needs)
        return largest

    def enter() -> None:
        """Count the answers that were as usual."""
        nonlocal entered
        more = granted - left - strayed - entered
        if more:
            entered += more
            for step, (_, need) in zip(steps, usual, strict=True):
                if need is not NONE:
                    step.answered[type(need)] += more

    def look_closer() -> None:
        nonlocal granted, left, done, strayed, entered
        enter()
        done += granted - left
        granted = left = strayed = entered = 0

    def called(position: int) -> int:
        return done + granted - left - missed[position]

    for position, step in enumerate(steps):
        step.unasked = partial(called, position)
        step.enter = enter
        step.look_closer = look_closer
    return plan


def _largest(needs: Sequence[Any]) -> Need:
    whole = [need for need in needs if isinstance(need, Whole)]
    if whole:
        return max(whole, key=lambda need: need.max_bytes)
    return next((need for need in needs if isinstance(need, FirstBytes)), NONE)
