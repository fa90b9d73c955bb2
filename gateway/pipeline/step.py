"""
One plugin's implementation of one hook, made callable: checked, timed, counted and held to its error rule.

Everything that a call plan does more than once is here. As long as a plugin has no opinion its step is not even asked:
L{gateway.pipeline.rounds} calls the plugin's function itself, counts for all of them at once and comes here for one
call of sixteen, for every answer that is not C{None} and for every error.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import CoroutineType, NoneType
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.api.errors import PluginError
from gateway.api.events import Event, Severity
from gateway.api.marks import Fail, HookSpec
from gateway.api.services import Clock
from gateway.api.verdicts import ReadContent
from gateway.pipeline.waiting import begin, forsake, limited

#: A hook that keeps the reactor longer than this is counted and named.
SLOW_SECONDS = 0.005

#: So many errors in a row in one hook make a plugin unhealthy.
UNHEALTHY_ERRORS = 5

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


class _ReadOn(ReadContent):
    """A plugin's wish to see the content, with its own function held to the rules of its step."""

    __slots__ = ()


class _Raised:
    """What a Deferred failed with, as a value."""

    __slots__ = ("error",)

    def __init__(self, failure: Failure) -> None:
        self.error = cast(BaseException, failure.value)


class Step:
    """
    One hook of one plugin.

    @ivar function: the plugin's own, for who asks it without L{begin}; what it gives then goes to L{judged}, what it
        raises to L{raised}.
    @ivar errors: how often it raised, ran out of its budget or gave a wrong answer.
    @ivar row: how many errors it had since its last good answer.
    @ivar slow: how many of the timed calls kept the reactor longer than L{SLOW_SECONDS}.
    @ivar seconds: how long it kept the reactor. Slow calls and whatever an answer needs after the call itself count
        as measured; a quick call that was timed stands for the calls since the one before.
    @ivar worst: the longest of those measured, seconds.
    @ivar waits: how many answers had to be waited for.
    @ivar wait_seconds: how long these took in all.
    @ivar worst_wait: the longest of these, seconds.
    @ivar unasked: tells how many calls went without L{begin}; for L{gateway.pipeline.rounds} to set.
    @ivar look_closer: called when the next calls should all go through L{begin}; likewise.
    """

    __slots__ = (
        "_begun",
        "_calm",
        "_counted",
        "_instruments",
        "_kinds",
        "_none",
        "_only_told",
        "_spec",
        "_verdicts",
        "budget_seconds",
        "errors",
        "fail",
        "function",
        "hook",
        "look_closer",
        "plugin",
        "row",
        "seconds",
        "slow",
        "unasked",
        "wait_seconds",
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
        self.function = function
        self.fail: Fail = fail if fail is not None and spec.closes else spec.fail
        self.budget_seconds = spec.budget_seconds if budget_seconds is None else budget_seconds
        self.errors = 0
        self.row = 0
        self.slow = 0
        self.seconds = 0.0
        self.worst = 0.0
        self.waits = 0
        self.wait_seconds = 0.0
        self.worst_wait = 0.0
        self.unasked: Callable[[], int] = _none_unasked
        self.look_closer: Callable[[], None] = _nothing_to_change
        self._spec = spec
        self._instruments = instruments
        self._kinds = spec.answers
        self._none = NoneType in spec.answers
        self._only_told = not spec.closes and (not spec.waits or spec.answers == (NoneType,))
        self._verdicts: dict[type, int] = {}
        self._begun = 0
        self._counted = 0
        self._calm = _CALM_CALLS

    @property
    def calls(self) -> int:
        """Tell how often it was called."""
        return self._begun + self.unasked()

    @property
    def verdicts(self) -> dict[str, int]:
        """Tell how often it gave each kind of answer but C{None}, by L{verdict_name}."""
        found: dict[str, int] = {}
        for kind, count in self._verdicts.items():
            name = verdict_name(kind)
            if name:
                found[name] = found.get(name, 0) + count
        return found

    @property
    def unhealthy(self) -> bool:
        """Tell whether it does nothing but fail at present."""
        return self.row >= UNHEALTHY_ERRORS

    @property
    def watched(self) -> bool:
        """Tell whether each call has to be looked at, as it failed or was slow lately."""
        return self.row > 0 or self._calm < _CALM_CALLS

    def begin(self, args: tuple[Any, ...]) -> Any:
        """
        Ask the plugin.

        @return: the answer, checked; or a Deferred to give to L{settled}. C{None} also after an error, if the rule is
            to go on.
        @raise PluginError: it failed, and the rule is to refuse.
        """
        self._begun += 1
        stopwatch = self._instruments.stopwatch
        began = stopwatch()
        try:
            answer = self.function(*args)
        except BaseException as error:
            self._timed(stopwatch() - began)
            return self.raised(error)
        self._timed(stopwatch() - began)
        return self.judged(answer)

    def judged(self, answer: Any) -> Any:
        """
        Check what the plugin gave.

        @return: as L{begin}.
        @raise PluginError: as L{begin}.
        """
        kind = type(answer)
        verdicts = self._verdicts
        if kind in verdicts:
            verdicts[kind] += 1
        elif answer is not None or not self._none:
            return self._unusual(answer)
        if self.row:
            self._recovered()
        return answer

    def raised(self, error: BaseException) -> None:
        """
        Deal with what the plugin raised; to be called while it is being handled.

        Whatever it is: a plugin that calls C{sys.exit()} does not end the gateway, and what it should have judged does
        not pass.

        @raise PluginError: the rule is to refuse.
        @raise CancelledError: that is what it raised, and it is no error. Where nobody waits and nothing is refused
            there is nothing to cancel, so there it means nothing.
        """
        if isinstance(error, CancelledError):
            if self._only_told:
                return
            raise error
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            raise error
        self._failed(error)

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
            waited = clock.seconds() - began
            self.waits += 1
            self.wait_seconds += waited
            self.worst_wait = max(self.worst_wait, waited)
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
                elif isinstance(answer, Deferred):
                    forsake(answer)
                self._failed(TypeError("an awaitable, but this hook's answer can't wait"))
                return None
            stopwatch = self._instruments.stopwatch
            began = stopwatch()
            try:
                answer = begin(answer, self._stepped)
            except BaseException as error:
                self._noted(stopwatch() - began)
                self.raised(error)
                return None
            self._noted(stopwatch() - began)
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
        if isinstance(answer, ReadContent):
            answer = _ReadOn(answer.limit, partial(self._go_on, answer.then))
        if answer is not None:
            kind = type(answer)
            self._verdicts[kind] = self._verdicts.get(kind, 0) + 1
        if self.row:
            self._recovered()
        return answer

    async def _go_on(self, then: Callable[[bytes], Any], content: bytes) -> Any:
        """
        Let the plugin judge the content that it has asked for; it is held to the same rules as in the hook.

        @return: as L{settled}.
        @raise PluginError: as L{begin}.
        """
        try:
            answer = then(content)
        except BaseException as error:
            self.raised(error)
            return None
        answer = self.judged(answer)
        if isinstance(answer, Deferred):
            answer = await self.settled(answer)
        if isinstance(answer, ReadContent):
            self._failed(TypeError("answered ReadContent with the content in hand"))
            return None
        return answer

    def _stepped(self, resume: Callable[[Any], Any], value: Any) -> Any:
        """Take a coroutine from one wait to the next: between them it keeps the reactor as a plain function does."""
        stopwatch = self._instruments.stopwatch
        began = stopwatch()
        try:
            return resume(value)
        finally:
            self._noted(stopwatch() - began)

    def _timed(self, seconds: float) -> None:
        """Note how long a call took, for itself and for those before it that were not timed."""
        if seconds > SLOW_SECONDS:
            # It speaks for itself only; the next quick one stands for the others.
            self._counted += 1
        else:
            calls = self.calls
            self.seconds += seconds * (calls - self._counted - 1)
            self._counted = calls
        self._noted(seconds)

    def _noted(self, seconds: float) -> None:
        """Note how long the reactor was kept; look closer for a while after it was too long."""
        self.seconds += seconds
        if seconds > self.worst:
            self.worst = seconds
        if seconds > SLOW_SECONDS:
            self.slow += 1
            self._calm = 0
            self.look_closer()
            # The first, second, fourth, ... time: a plugin that is always slow must not flood the log.
            if not self.slow & (self.slow - 1):
                self._log.warn(
                    "{plugin} kept the reactor for {milliseconds:.1f} ms in {hook}, for the {times}. time",
                    plugin=self.plugin,
                    hook=self.hook,
                    milliseconds=seconds * 1000,
                    times=self.slow,
                )
        elif self._calm < _CALM_CALLS:
            self._calm += 1

    def _failed(self, error: BaseException) -> None:
        """
        Count an error and apply the rule.

        @raise PluginError: the rule is to refuse.
        """
        self.errors += 1
        self.row += 1
        self.look_closer()
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


def verdict_name(kind: type) -> str:
    """
    Name a kind of answer for people and metrics: C{block}, C{challenge}, C{body_filter}.

    @return: of the class in L{gateway.api} that it is, or is derived from; C{""} if there is none, as of a mapping, or
        if it says nothing, as C{NONE} does. So there are only as many names as the API has answers.
    """
    for base in kind.__mro__:
        if base.__module__.startswith("gateway.api."):
            name = base.__name__
            return "" if name == "Need" else _words(name)
    return ""


def _words(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _none_unasked() -> int:
    return 0


def _nothing_to_change() -> None:
    """It is looked at as closely as can be."""
