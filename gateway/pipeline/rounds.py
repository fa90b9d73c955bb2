"""
One round: all plugins of one hook are asked in order, as quickly as can be as long as none has anything to say.

Most calls of most plugins end in "no opinion", so this is where the price of a plugin is made. In a quick round the
plugins' own functions are called and nothing else is done for each: one number counts the calls of all of them, no clock
is read, and an iterator knows by itself how far it came when somebody answers or raises. Every thirty-second round, and
every one while a plugin fails or is slow, goes through L{Step.begin}, which looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import length_hint
from typing import Any, TypeAlias

from gateway.pipeline.step import Step

Steps: TypeAlias = tuple[Step, ...]
#: What a plan does from a position on whose step gave an answer, checked already, to these arguments.
GoOn: TypeAlias = Callable[[int, Any, tuple[Any, ...]], Any]

#: One round of so many is timed.
SAMPLED = 32


def round_of(
    steps: Steps,
    go_on: GoOn,
    silence: object = None,
    *,
    final: bool = False,
    final_kind: type | None = None,
) -> Callable[..., Any]:
    """
    Compile a round for a hook of one argument for which C{None} is no opinion.

    @param go_on: called when somebody has one, or a Deferred, and at the first step in the rounds that are looked at.
    @param silence: what the round gives if nobody has.
    @param final: an answer that need not be waited for is what the round gives.
    @param final_kind: so is one of this type in any case.
    @return: raises what L{Step.begin} and C{go_on} raise.
    """
    functions = tuple(step.function for step in steps)
    only = functions[0]
    answered = steps[0].answered
    # How many quick rounds ended at each step, so that those after it were not called.
    ends = [0] * len(steps)
    granted = left = done = 0

    def ask(subject: Any) -> Any:
        nonlocal left
        if not left:
            return look(subject)
        left -= 1
        line = iter(functions)
        try:
            for function in line:
                answer = function(subject)
                if answer is not None:
                    break
            else:
                return silence
        except BaseException as error:
            position = len(functions) - length_hint(line) - 1
            ends[position] += 1
            steps[position].raised(error)
            answer = None
        else:
            position = len(functions) - length_hint(line) - 1
            ends[position] += 1
            answer = steps[position].judged(answer)
        return go_on(position, answer, (subject,))

    def ask_one(subject: Any) -> Any:
        nonlocal left
        if not left:
            return look(subject)
        left -= 1
        try:
            answer = only(subject)
        except BaseException as error:
            steps[0].raised(error)
            return go_on(0, None, (subject,))
        if answer is None:
            return silence
        kind = type(answer)
        if (final or kind is final_kind) and kind in answered:
            # It gave the like before, so this is no mistake, and nothing to be waited for.
            answered[kind] += 1
            return answer
        return go_on(0, steps[0].judged(answer), (subject,))

    def look(subject: Any) -> Any:
        nonlocal granted, left, done
        # Counted first: what the steps find may take back what is granted here.
        done += granted
        granted = left = SAMPLED - 1
        if any(step.watched for step in steps):
            granted = left = 0
        return go_on(0, steps[0].begin((subject,)), (subject,))

    def look_closer() -> None:
        nonlocal granted, left, done
        done += granted - left
        granted = left = 0

    def called(position: int) -> int:
        return done + granted - left - sum(ends[:position])

    for position, step in enumerate(steps):
        step.counted_by(partial(called, position), look_closer)
    return ask if len(steps) > 1 else ask_one
