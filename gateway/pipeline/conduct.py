"""
How one plugin behaves in one hook: what it answered, how long it kept the reactor, its errors, and who is told of them.

Knows nothing of how it is asked; that is L{gateway.pipeline.step}. Nothing here is called for a plugin that has no opinion, is
quick and has not failed, but for one call of thirty-two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.api.catalogue.service import PLUGIN_HEALTHY, PLUGIN_UNHEALTHY
from gateway.api.errors import PluginError
from gateway.api.events import Event, EventType
from gateway.api.marks import Fail, HookSpec
from gateway.api.services import Clock, Overloaded

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


class Conduct:
    """
    What is kept of one hook of one plugin.

    @ivar errors: how often it raised, ran out of its budget or gave a wrong answer.
    @ivar row: how many errors it had since its last good answer.
    @ivar slow: how many of the timed calls kept the reactor longer than L{SLOW_SECONDS}.
    @ivar seconds: how long it kept the reactor. Slow calls and whatever an answer needs after the call itself count
        as measured; a quick call that was timed stands for the calls since the one before.
    @ivar worst: the longest of those measured, seconds.
    @ivar waits: how many answers had to be waited for.
    @ivar wait_seconds: how long these took in all.
    @ivar worst_wait: the longest of these, seconds.
    @ivar answered: how many answers of each type it gave, C{None} left out.
    @ivar unasked: tells how many calls went without L{Step.begin<gateway.pipeline.step.Step.begin>}; for
        L{gateway.pipeline.rounds} to set, and so is C{look_closer} (L{counted_by}).
    @ivar enter: enters answers in C{answered} that were counted elsewhere; likewise.
    @ivar look_closer: called when the next calls should all go through that; likewise.
    """

    __slots__ = (
        "_begun",
        "_calm",
        "_counted",
        "_instruments",
        "_spec",
        "answered",
        "enter",
        "errors",
        "fail",
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
        spec: HookSpec,
        instruments: Instruments,
        fail: Fail | None = None,
    ) -> None:
        """
        Begin with nothing.

        @param fail: C{None}: as the specification says; it also holds where there is nothing to refuse.
        """
        self.plugin = plugin
        self.hook = hook
        self.fail: Fail = fail if fail is not None and spec.closes else spec.fail
        self.errors = 0
        self.row = 0
        self.slow = 0
        self.seconds = 0.0
        self.worst = 0.0
        self.waits = 0
        self.wait_seconds = 0.0
        self.worst_wait = 0.0
        self.unasked: Callable[[], int] = _none_unasked
        self.enter: Callable[[], None] = _nothing_to_do
        self.look_closer: Callable[[], None] = _nothing_to_do
        self._spec = spec
        self._instruments = instruments
        self.answered: dict[type, int] = {}
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
        self.enter()
        found: dict[str, int] = {}
        for kind, count in self.answered.items():
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

    def counted_by(self, unasked: Callable[[], int], look_closer: Callable[[], None]) -> None:
        """Take a round that has this step in it, beside those that have it already."""
        others, watch_others = self.unasked, self.look_closer
        if others is _none_unasked:
            self.unasked, self.look_closer = unasked, look_closer
            return

        def all_unasked() -> int:
            return others() + unasked()

        def look_at_all() -> None:
            watch_others()
            look_closer()

        self.unasked, self.look_closer = all_unasked, look_at_all

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
        if isinstance(error, Overloaded) and self._spec.threads:
            # Its pool counts it and tells of it; the plugin is as healthy as before.
            if self.fail == "closed":
                raise self._refusal(error) from error
            return
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
                PLUGIN_UNHEALTHY,
                f"plugin {self.plugin} failed {self.row} times in a row in {self.hook}; it fails {self.fail}",
            )
        if self.fail == "closed":
            raise self._refusal(error) from error

    def _refusal(self, error: BaseException) -> PluginError:
        refusal = PluginError(self.plugin, self.hook, error)
        refusal.status = self._spec.status
        return refusal

    def _recovered(self) -> None:
        if self.row >= UNHEALTHY_ERRORS:
            self._tell(
                PLUGIN_HEALTHY,
                f"plugin {self.plugin} answers again in {self.hook}",
            )
        self.row = 0

    def _tell(self, kind: EventType, text: str) -> None:
        # Each hook has errors in a row of its own, so each is well or not by itself.
        event = kind(
            text,
            f"{self.plugin} {self.hook}",
            plugin=self.plugin,
            hook=self.hook,
            errors=str(self.errors),
        )
        try:
            self._instruments.tell(event)
        except Exception:
            self._log.failure(
                "the event {name} of {plugin} could not be told", name=kind.name, plugin=self.plugin
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


def _nothing_to_do() -> None:
    """Each call is looked at, and each answer counted."""
