"""
One plugin's implementation of one hook, made callable: asked, waited for, checked and held to its error rule.

Everything that a call plan does more than once is here; what is kept of it is in L{gateway.pipeline.conduct}. As long as
a plugin has no opinion its step is not even asked: L{gateway.pipeline.rounds} calls the plugin's function itself, counts
for all of them at once and comes here for one call of thirty-two, for every answer that is not C{None} and for every error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from types import CoroutineType, NoneType
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.api.marks import Fail, HookSpec
from gateway.api.verdicts import ReadContent
from gateway.pipeline.conduct import Conduct, Instruments
from gateway.pipeline.waiting import Limits, begin_limited, forsake


class _ReadOn(ReadContent):
    """A plugin's wish to see the content, with its own function held to the rules of its step."""

    __slots__ = ()


class _Raised:
    """What a Deferred failed with, as a value."""

    __slots__ = ("error",)

    def __init__(self, failure: Failure) -> None:
        self.error = cast(BaseException, failure.value)


class Step(Conduct):
    """
    One hook of one plugin.

    @ivar function: the plugin's own, for who asks it without L{begin}; what it gives then goes to L{judged}, what it
        raises to L{raised}.
    @ivar stored: it is to be asked about what a stored response answers at once, too.
    @ivar without_content: it is to be asked about requests without content, too.
    """

    __slots__ = (
        "_kinds",
        "_limits",
        "_none",
        "_only_told",
        "budget_seconds",
        "function",
        "stored",
        "without_content",
    )

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
        stored: bool = True,
        without_content: bool = True,
    ) -> None:
        """
        Make a step.

        @param fail: C{None}: as the specification says; it also holds where there is nothing to refuse.
        @param budget_seconds: C{None}: as the specification says.
        """
        super().__init__(plugin, hook, spec, instruments, fail)
        self.function = function
        self.stored = stored
        self.without_content = without_content
        self.budget_seconds = spec.budget_seconds if budget_seconds is None else budget_seconds
        self._limits = Limits(self.budget_seconds, instruments.clock)
        self._kinds = spec.answers
        self._none = NoneType in spec.answers
        self._only_told = not spec.closes and (not spec.waits or spec.answers == (NoneType,))

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
        verdicts = self.answered
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
                answer = begin_limited(answer, self._limits, self._stepped)
            except BaseException as error:
                self._noted(stopwatch() - began)
                self.raised(error)
                return None
            self._noted(stopwatch() - began)
            if isinstance(answer, Deferred):
                return answer
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
            self.answered[kind] = self.answered.get(kind, 0) + 1
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
