"""
One plugin's implementation of one hook, made callable: checked, timed, counted and held to its error rule.

Everything that a call plan does more than once is here. What a call costs when the answer is at hand decides what
the whole dispatcher costs, so L{Step.begin} counts with one integer and reads no clock: one call of sixteen is timed,
and after a slow one each call until 256 in a row were quick.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.api.errors import PluginError
from gateway.api.events import Event, Severity
from gateway.api.marks import Fail, HookSpec
from gateway.api.services import Clock
from gateway.pipeline.waiting import begin, forsake, limited

#: A hook that keeps the reactor longer than this is counted and named.
SLOW_SECONDS = 0.005

#: So many errors in a row in one hook make a plugin unhealthy.
UNHEALTHY_ERRORS = 5

_SAMPLED = 15  # one call of 16
_ALWAYS = 0
_CALM_CALLS = 256
_LOGGED_EVERY = 100


@dataclass(frozen=True, slots=True)
class Instruments:
    """
    What all steps share.

    @ivar clock: for budgets and for how long was waited.
    @ivar tell: where events go.
    @ivar stopwatch: seconds with a fine resolution, for how long the reactor was kept.
    """

    clock: Clock
    tell: Callable[[Event], None]
    stopwatch: Callable[[], float] = time.perf_counter


class _Raised:
    """What a Deferred failed with, as a value."""

    __slots__ = ("error",)

    def __init__(self, failure: Failure) -> None:
        self.error = cast(BaseException, failure.value)


class Step:
    """
    One hook of one plugin.

    @ivar calls: how often it was called.
    @ivar errors: how often it raised, ran out of its budget or gave a wrong answer.
    @ivar row: how many errors it had since its last good answer.
    @ivar slow: how many of the timed calls kept the reactor longer than L{SLOW_SECONDS}.
    @ivar worst: the longest timed call, seconds.
    @ivar waits: how many answers had to be waited for.
    @ivar worst_wait: the longest of these, seconds.
    """

    __slots__ = (
        "_answers",
        "_calm",
        "_function",
        "_instruments",
        "_kinds",
        "_mask",
        "_spec",
        "budget_seconds",
        "calls",
        "errors",
        "fail",
        "hook",
        "plugin",
        "row",
        "slow",
        "waits",
        "worst",
        "worst_wait",
    )

    _log = Logger()

    def __init__(
        self,
        plugin: str,
        hook: str,
        function: Callable[..., Any],
        spec: HookSpec,
        instruments: Instruments,
        *,
        fail: Fail | None = None,
        budget_seconds: float | None = None,
    ) -> None:
        """
        Make a step.

        @param fail: C{None}: as the specification says; it also holds where there is nothing to refuse.
        @param budget_seconds: C{None}: as the specification says.
        """
        self.plugin = plugin
        self.hook = hook
        self.fail: Fail = fail if fail is not None and spec.closes else spec.fail
        self.budget_seconds = spec.budget_seconds if budget_seconds is None else budget_seconds
        self.calls = 0
        self.errors = 0
        self.row = 0
        self.slow = 0
        self.worst = 0.0
        self.waits = 0
        self.worst_wait = 0.0
        self._function = function
        self._spec = spec
        self._instruments = instruments
        self._kinds = spec.answers
        self._answers: set[type] = set(spec.answers)
        self._mask = _SAMPLED
        self._calm = 0

    def begin(self, args: tuple[Any, ...]) -> Any:
        """
        Ask the plugin.

        @return: the answer, checked; or a Deferred to give to L{settled}. C{None} also after an error, if the rule is
            to go on.
        @raise PluginError: it failed, and the rule is to refuse.
        """
        calls = self.calls
        self.calls = calls + 1
        try:
            answer = self._function(*args) if calls & self._mask else self._timed(args)
        except CancelledError:
            raise
        except Exception as error:
            self._failed(error)
            return None
        if type(answer) in self._answers:
            if self.row:
                self._recovered()
            return answer
        return self._unusual(answer)

    async def settled(self, waiting: Deferred[Any]) -> Any:
        """
        Wait for what L{begin} gave.

        @return: as L{begin}, but never a Deferred.
        @raise PluginError: as in L{begin}.
        """
        clock = self._instruments.clock
        began = clock.seconds()
        # An error of the plugin comes as a value, so what is raised here comes from whoever drives this coroutine.
        waiting.addErrback(_Raised)
        try:
            answer = await waiting
        except BaseException:
            forsake(waiting)
            raise
        finally:
            self.waits += 1
            self.worst_wait = max(self.worst_wait, clock.seconds() - began)
        if isinstance(answer, _Raised):
            if isinstance(answer.error, CancelledError):
                raise answer.error
            self._failed(answer.error)
            return None
        return self._checked(answer)

    def _unusual(self, answer: object) -> object:
        """Deal with what is neither of an expected type nor C{None}: a subclass, an awaitable or a mistake."""
        if isinstance(answer, CoroutineType | Deferred) or (
            isinstance(answer, Awaitable) and not isinstance(answer, self._kinds)
        ):
            if not self._spec.waits:
                if isinstance(answer, CoroutineType):
                    answer.close()
                self._failed(TypeError("an awaitable, but this hook's answer can't wait"))
                return None
            began = self._instruments.stopwatch()
            try:
                answer = begin(answer)
            except CancelledError:
                raise
            except Exception as error:
                self._failed(error)
                return None
            finally:
                self._note(self._instruments.stopwatch() - began)
            if isinstance(answer, Deferred):
                return limited(answer, self.budget_seconds, self._instruments.clock)
        return self._checked(answer)

    def _checked(self, answer: object) -> object:
        if not isinstance(answer, self._kinds):
            allowed = " | ".join(
                "None" if kind is type(None) else kind.__name__ for kind in self._kinds
            )
            self._failed(TypeError(f"answered {type(answer).__name__}, not {allowed}"))
            return None
        self._answers.add(type(answer))
        if self.row:
            self._recovered()
        return answer

    def _timed(self, args: tuple[Any, ...]) -> object:
        stopwatch = self._instruments.stopwatch
        began = stopwatch()
        try:
            return self._function(*args)
        finally:
            self._note(stopwatch() - began)

    def _note(self, seconds: float) -> None:
        """Note how long the reactor was kept; look closer for a while after it was too long."""
        if seconds > self.worst:
            self.worst = seconds
        if seconds > SLOW_SECONDS:
            self.slow += 1
            self._mask = _ALWAYS
            self._calm = 0
            # The first, second, fourth, ... time: a plugin that is always slow must not flood the log.
            if not self.slow & (self.slow - 1):
                self._log.warn(
                    "{plugin} kept the reactor for {milliseconds:.1f} ms in {hook}, for the {times}. time",
                    plugin=self.plugin,
                    hook=self.hook,
                    milliseconds=seconds * 1000,
                    times=self.slow,
                )
        elif self._mask == _ALWAYS:
            self._calm += 1
            if self._calm == _CALM_CALLS:
                self._mask = _SAMPLED

    def _failed(self, error: BaseException) -> None:
        """
        Count an error and apply the rule.

        @raise PluginError: the rule is to refuse.
        """
        self.errors += 1
        self.row += 1
        if self.row <= UNHEALTHY_ERRORS or self.row % _LOGGED_EVERY == 0:
            self._log.failure(
                "{plugin} failed in {hook}, {row} times in a row; it fails {rule}",
                failure=Failure(error),
                plugin=self.plugin,
                hook=self.hook,
                row=self.row,
                rule=self.fail,
            )
        if self.row == UNHEALTHY_ERRORS:
            self._tell(
                "plugin_unhealthy",
                Severity.ERROR,
                f"plugin {self.plugin} failed {self.row} times in a row in {self.hook}; it fails {self.fail}",
            )
        if self.fail == "closed":
            refusal = PluginError(self.plugin, self.hook, error)
            refusal.status = self._spec.status
            raise refusal from error

    def _recovered(self) -> None:
        if self.row >= UNHEALTHY_ERRORS:
            self._tell(
                "plugin_healthy",
                Severity.INFO,
                f"plugin {self.plugin} answers again in {self.hook}",
            )
        self.row = 0

    def _tell(self, name: str, severity: Severity, text: str) -> None:
        values = {"hook": self.hook, "errors": str(self.errors)}
        try:
            self._instruments.tell(Event(name, severity, text, self.plugin, values))
        except Exception:
            self._log.failure(
                "the event {name} of {plugin} could not be told", name=name, plugin=self.plugin
            )
