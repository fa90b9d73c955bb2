"""
Call plans: for each hook one function that asks all plugins that implement it and makes one answer of theirs.

A plan is compiled when plugins are loaded and never changes; a hook that nobody implements has none, so it costs one
comparison. As long as every answer is in hand a plan is an ordinary call. Only when a plugin has to be waited for it
gives a coroutine, which carries on from there; whoever calls tells the two apart by C{type(answer) is
CoroutineType}. The registry behind it is pluggy's (L{gateway.pipeline.plugins}), the calling is ours: pluggy's own
would stop at a coroutine object, calls the last registered first and costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar

from twisted.internet.defer import Deferred

from gateway.api.answers import (
    AdminPage,
    Challenge,
    ClientHello,
    Intercept,
    Route,
    Server,
    Stored,
    Tunnel,
    Validator,
)
from gateway.api.content import (
    BodyFilter,
    ContentSink,
    Need,
    NotPacked,
    ScanJob,
    ScanResult,
    Side,
    Unpacked,
    Unscannable,
)
from gateway.api.errors import PluginError
from gateway.api.events import Event
from gateway.api.messages import Response
from gateway.api.services import Overloaded
from gateway.api.transaction import Client, Identity, Transaction
from gateway.api.verdicts import Block, ReadContent, Respond, Verdict
from gateway.pipeline.ledger import checked_numbers
from gateway.pipeline.needs import largest_need
from gateway.pipeline.rounds import SAMPLED, Steps, round_of
from gateway.pipeline.step import Step
from gateway.pipeline.waiting import forsake

T = TypeVar("T")
#: What a plan gives: the answer, or a coroutine that gives it.
Soon: TypeAlias = "T | CoroutineType[Any, Any, T]"


class StoredPlans:
    """
    The plans for what a stored response answers without the upstream being asked: of those plugins alone that want to know of it.

    @ivar response_headers: as of L{CallPlans}.
    @ivar transaction_complete: likewise.
    @ivar shows: some plugin may see such a response, and so change it.
    """

    __slots__ = ("response_headers", "shows", "transaction_complete")

    def __init__(
        self,
        response_headers: Callable[[Transaction], Soon[Verdict | None]] | None,
        transaction_complete: Callable[[Transaction], None] | None,
        scans: bool,
    ) -> None:
        """
        Take the plans.

        @param scans: contents are looked at.
        """
        self.response_headers = response_headers
        self.transaction_complete = transaction_complete
        self.shows = scans or response_headers is not None or transaction_complete is not None


class CallPlans:
    """
    The plans of one snapshot of the configuration; each C{None} if no plugin implements the hook.

    All of them raise L{PluginError<gateway.api.PluginError>} for a plugin that failed and fails closed, at once or from the coroutine.

    @ivar stored: those for what a stored response answers without the upstream being asked.
    @ivar bare_request_headers: as C{request_headers}, for requests without content: of those plugins alone that want to know
        of them.
    """

    __slots__ = (
        "admin_pages",
        "authenticate",
        "bare_request_headers",
        "cache_lookup",
        "cache_store",
        "client_connected",
        "client_hello",
        "content_need",
        "counters",
        "event",
        "not_ready",
        "order",
        "page",
        "request_filters",
        "request_headers",
        "response_filters",
        "response_headers",
        "scan_content",
        "scan_patterns",
        "select_upstream",
        "stored",
        "transaction_complete",
        "unpack_content",
        "upstream_connected",
    )

    def __init__(self, steps: Mapping[str, Sequence[Step]] | None = None) -> None:
        """
        Compile.

        @param steps: the implementations of each hook in the order in which they are to be asked.
        """

        def plan(hook: str, compile: Callable[[Steps], Any]) -> Any:
            return compiled((steps or {}).get(hook, ()), compile)

        def compiled(found: Sequence[Step], compile: Callable[[Steps], Any]) -> Any:
            return compile(tuple(found)) if found else None

        def of_some(hook: str, wanted: str, compile: Callable[[Steps], Any]) -> Any:
            asked = (steps or {}).get(hook, ())
            found = [step for step in asked if getattr(step, wanted)]
            return getattr(self, hook) if len(found) == len(asked) else compiled(found, compile)

        self.client_connected: Callable[[Client], Soon[Block | None]] | None
        self.client_connected = plan("client_connected", _first)
        self.client_hello: (
            Callable[[Client, ClientHello], Soon[Intercept | Tunnel | Block | None]] | None
        )
        self.client_hello = plan("client_hello", _first_of_more)
        self.authenticate: (
            Callable[[Transaction], Soon[Identity | Challenge | Block | Respond | None]] | None
        )
        self.authenticate = plan("authenticate", _identity)
        self.request_headers: Callable[[Transaction], Soon[Verdict | ReadContent | None]] | None
        self.request_headers = plan("request_headers", _first)
        self.bare_request_headers: (
            Callable[[Transaction], Soon[Verdict | ReadContent | None]] | None
        )
        self.bare_request_headers = of_some("request_headers", "without_content", _first)
        self.request_filters: Callable[[Transaction], Sequence[BodyFilter]] | None
        self.request_filters = plan("request_filters", _every)
        self.cache_lookup: Callable[[Transaction], Soon[Stored | Validator | None]] | None
        self.cache_lookup = plan("cache_lookup", _first)
        self.select_upstream: Callable[[Transaction], Soon[Route | None]] | None
        self.select_upstream = plan("select_upstream", _first)
        self.upstream_connected: Callable[[Transaction, Server], Soon[Block | None]] | None
        self.upstream_connected = plan("upstream_connected", _first_of_more)
        self.response_headers: Callable[[Transaction], Soon[Verdict | None]] | None
        self.response_headers = plan("response_headers", _first)
        self.response_filters: Callable[[Transaction], Sequence[BodyFilter]] | None
        self.response_filters = plan("response_filters", _every)
        self.content_need: Callable[[Transaction, Side], Need] | None
        self.content_need = plan("content_need", largest_need)
        self.scan_content: Callable[[ScanJob], Soon[list[ScanResult]]] | None
        self.scan_content = plan("scan_content", _together)
        self.unpack_content: (
            Callable[[ScanJob], Soon[Unpacked | NotPacked | Unscannable | None]] | None
        )
        self.unpack_content = plan("unpack_content", _first)
        # Gives C{None} while some plugin has nothing to say; there is none if what plugins say can't be remembered.
        self.scan_patterns: Callable[[], tuple[str, ...] | None] | None
        self.scan_patterns = _patterns(steps or {})
        self.cache_store: Callable[[Transaction], ContentSink | None] | None
        self.cache_store = plan("cache_store", _first)
        self.page: Callable[[Transaction, str], Soon[Response | None]] | None
        self.page = plan("page", _first_of_more)
        self.transaction_complete: Callable[[Transaction], None] | None
        self.transaction_complete = plan("transaction_complete", _told)
        self.event: Callable[[Event], None] | None
        self.event = plan("event", _told)
        self.order: Callable[[str, Mapping[str, object]], Soon[Mapping[str, object] | None]] | None
        self.order = plan("order", _first_of_more)
        self.admin_pages: Callable[[], list[tuple[str, Sequence[AdminPage]]]] | None
        self.admin_pages = plan("admin_pages", _by_plugin)
        self.counters: Callable[[], list[tuple[str, Mapping[str, float]]]] | None
        self.counters = plan("counters", _numbers)
        self.not_ready: Callable[[], list[tuple[str, str]]] | None
        self.not_ready = plan("not_ready", _by_plugin)
        self.stored = StoredPlans(
            of_some("response_headers", "stored", _first),
            of_some("transaction_complete", "stored", _told),
            self.content_need is not None,
        )


def _first(steps: Steps) -> Callable[..., Any]:
    """The first answer that is not C{None}; the rest is not asked."""
    last = len(steps) - 1

    def go_on(position: int, answer: Any, args: tuple[Any, ...]) -> Any:
        while answer is None:
            if position == last:
                return None
            position += 1
            answer = steps[position].begin(args)
        return _later(steps[position:], answer, args) if isinstance(answer, Deferred) else answer

    return round_of(steps, go_on, final=True)


def _first_of_more(steps: Steps) -> Callable[..., Any]:
    """As L{_first}, for hooks that are given more than one thing; none of them is called for each request."""

    def plan(*args: Any) -> Any:
        for position, step in enumerate(steps):
            answer = step.begin(args)
            if isinstance(answer, Deferred):
                return _later(steps[position:], answer, args)
            if answer is not None:
                return answer
        return None

    return plan


async def _later(steps: Steps, waiting: Deferred[Any], args: tuple[Any, ...]) -> Any:
    """Go on with L{_first} from the first of these steps, which has to be waited for."""
    answer = await steps[0].settled(waiting)
    for step in steps[1:]:
        if answer is not None:
            break
        answer = step.begin(args)
        if isinstance(answer, Deferred):
            answer = await step.settled(answer)
    return answer


def _identity(steps: Steps) -> Callable[..., Any]:
    """The first identity; without one, all challenges in one."""
    last = len(steps) - 1

    def go_on(position: int, answer: Any, args: tuple[Any, ...]) -> Any:
        if type(answer) is Identity:
            # What most answers are, and nothing else has to be made for.
            return answer
        challenges: list[Challenge] = []
        while True:
            if isinstance(answer, Challenge):
                challenges.append(answer)
            elif isinstance(answer, Deferred):
                return rest(position, answer, challenges, args)
            elif answer is not None:
                return answer
            if position == last:
                return Challenge.merged(challenges) if challenges else None
            position += 1
            answer = steps[position].begin(args)

    async def rest(
        position: int, waiting: Deferred[Any], challenges: list[Challenge], args: tuple[Any, ...]
    ) -> Any:
        answer = await steps[position].settled(waiting)
        later = iter(steps[position + 1 :])
        while True:
            if isinstance(answer, Challenge):
                challenges.append(answer)
            elif answer is not None:
                return answer
            step = next(later, None)
            if step is None:
                return Challenge.merged(challenges) if challenges else None
            answer = step.begin(args)
            if isinstance(answer, Deferred):
                answer = await step.settled(answer)

    return round_of(steps, go_on, final_kind=Identity)


def _every(steps: Steps) -> Callable[..., Any]:
    """All answers but C{None}, in order; none of them can wait."""

    def go_on(position: int, answer: Any, args: tuple[Any, ...]) -> Any:
        answers = [] if answer is None else [answer]
        for step in steps[position + 1 :]:
            answer = step.begin(args)
            if answer is not None:
                answers.append(answer)
        return answers

    return round_of(steps, go_on, ())


def _by_plugin(steps: Steps) -> Callable[..., Any]:
    """All answers with their plugins' names."""

    def plan() -> Any:
        return [(step.plugin, answer) for step in steps if (answer := step.begin(())) is not None]

    return plan


def _numbers(steps: Steps) -> Callable[..., Any]:
    """All numbers with their plugins' names; one that is none spoils its plugin's answer."""

    def checked(function: Callable[[], Any]) -> Callable[[], Any]:
        def ask() -> Any:
            answer = function()
            return checked_numbers(answer) if isinstance(answer, Mapping) else answer

        return ask

    for step in steps:
        # Within the step, so that what is wrong with a number is an error as any.
        step.function = checked(step.function)
    return _by_plugin(steps)


def _together(steps: Steps) -> Callable[..., Any]:
    """
    All answers but C{None}; all are asked before the first is waited for.

    Which one is the worst depends on what is configured to follow from each, so that is not decided here.
    """

    def plan(*args: Any) -> Any:
        results: list[ScanResult] = []
        waiting: list[tuple[Step, Deferred[Any]]] = []
        try:
            for step in steps:
                try:
                    answer = step.begin(args)
                except PluginError as error:
                    answer = no_room(error)
                if isinstance(answer, Deferred):
                    waiting.append((step, answer))
                elif answer is not None:
                    results.append(answer)
        except BaseException:
            for _, left in waiting:
                forsake(left)
            raise
        return rest(results, waiting) if waiting else results

    async def rest(results: list[ScanResult], waiting: list[tuple[Step, Deferred[Any]]]) -> Any:
        try:
            for step, answer in waiting:
                try:
                    result = await step.settled(answer)
                except PluginError as error:
                    result = no_room(error)
                if result is not None:
                    results.append(result)
        finally:
            # Those that were not waited for, because another one failed closed or the client hung up.
            for _, left in waiting:
                forsake(left)
        return results

    return plan


def no_room(error: PluginError) -> Unscannable:
    """
    Make a result of a plugin that was not asked as a pool was full: C{scan.on.capacity} says what follows.

    @raise PluginError: it failed in another way.
    """
    if not isinstance(error.cause, Overloaded):
        raise error
    # Dealt with: the frames that they came through must not wait for the collector of garbage.
    for one in (error, error.cause):
        one.__traceback__ = one.__context__ = one.__cause__ = None
    why = "too much is being scanned at present (scan capacity)"
    return Unscannable("capacity", why, error.plugin)


def _patterns(steps: Mapping[str, Sequence[Step]]) -> Callable[[], tuple[str, ...] | None] | None:
    """
    What all plugins scan with.

    Answers can be remembered only if everyone who scans or unpacks says so, and fails closed: one that fails open says
    nothing of what it could not look at, and that must not last.
    """
    asked = [*steps.get("scan_content", ()), *steps.get("unpack_content", ())]
    found = {step.plugin: step for step in steps.get("scan_patterns", ())}
    if not found or any(step.plugin not in found or step.fail != "closed" for step in asked):
        return None
    named = {step.plugin for step in asked} or set(found)
    tellers = [step for step in found.values() if step.plugin in named]
    # What each is asked by, and what it said last; and all of that, if they all have said something.
    usual: list[tuple[Callable[[], Any], Any]] = [(step.function, None) for step in tellers]
    known: tuple[str, ...] | None = None
    granted = left = 0

    def plan() -> tuple[str, ...] | None:
        nonlocal left
        if not left:
            return look()
        left -= 1
        try:
            for function, said in usual:
                if function() != said:
                    break
            else:
                return known
        except BaseException:  # noqa: S110 - it does so again when it is asked by its step, which knows what to do about it
            pass
        return ask()

    def look() -> tuple[str, ...] | None:
        nonlocal granted, left
        granted += SAMPLED - 1
        left = SAMPLED - 1
        return ask()

    def ask() -> tuple[str, ...] | None:
        """Ask all of them by their steps."""
        nonlocal usual, known
        answers = tuple([step.begin(()) for step in tellers])
        if answers != known:
            is_all = all(answer.__class__ is str and answer for answer in answers)
            known = answers if is_all else None
            usual = [(step.function, one) for step, one in zip(tellers, answers, strict=True)]
        return known

    for step in tellers:
        step.unasked = lambda: granted - left
    return plan


def _told(steps: Steps) -> Callable[..., Any]:
    """Everybody is told; nobody's failure or wait keeps the others or the caller."""

    def go_on(position: int, answer: Any, args: tuple[Any, ...]) -> None:
        settle(steps[position], answer)
        for step in steps[position + 1 :]:
            settle(step, step.begin(args))

    def settle(step: Step, answer: Any) -> None:
        if isinstance(answer, Deferred):
            # What can fail here is counted and logged by the step; it is only told.
            Deferred.fromCoroutine(step.settled(answer)).addErrback(lambda _: None)

    return round_of(steps, go_on)
