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
from typing import Any, TypeAlias, TypeVar, assert_never

from twisted.internet.defer import CancelledError, Deferred

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
    NONE,
    BodyFilter,
    Clean,
    ContentSink,
    Infected,
    Need,
    ScanJob,
    ScanResult,
    Side,
    Unscannable,
    Whole,
)
from gateway.api.events import Event
from gateway.api.transaction import Client, Identity, Response, Transaction
from gateway.api.verdicts import Block, Verdict
from gateway.pipeline.step import Step
from gateway.pipeline.waiting import forsake

T = TypeVar("T")
Steps: TypeAlias = tuple[Step, ...]
#: What a plan gives: the answer, or a coroutine that gives it.
Soon: TypeAlias = "T | CoroutineType[Any, Any, T]"


class CallPlans:
    """
    The plans of one snapshot of the configuration; each C{None} if no plugin implements the hook.

    All of them raise L{PluginError<gateway.api.PluginError>} for a plugin that failed and fails closed, at once or from the coroutine.
    """

    __slots__ = (
        "admin_pages",
        "authenticate",
        "cache_lookup",
        "cache_store",
        "client_connected",
        "client_hello",
        "content_need",
        "counters",
        "event",
        "page",
        "request_filters",
        "request_headers",
        "response_filters",
        "response_headers",
        "scan_content",
        "select_upstream",
        "transaction_complete",
        "upstream_connected",
    )

    def __init__(self, steps: Mapping[str, Sequence[Step]] | None = None) -> None:
        """
        Compile.

        @param steps: the implementations of each hook in the order in which they are to be asked.
        """

        def plan(hook: str, compile: Callable[[Steps], Any]) -> Any:
            found = tuple((steps or {}).get(hook, ()))
            return compile(found) if found else None

        self.client_connected: Callable[[Client], Soon[Block | None]] | None
        self.client_connected = plan("client_connected", _first)
        self.client_hello: (
            Callable[[Client, ClientHello], Soon[Intercept | Tunnel | Block | None]] | None
        )
        self.client_hello = plan("client_hello", _first)
        self.authenticate: Callable[[Transaction], Soon[Identity | Challenge | None]] | None
        self.authenticate = plan("authenticate", _identity)
        self.request_headers: Callable[[Transaction], Soon[Verdict | None]] | None
        self.request_headers = plan("request_headers", _first)
        self.request_filters: Callable[[Transaction], list[BodyFilter]] | None
        self.request_filters = plan("request_filters", _every)
        self.cache_lookup: Callable[[Transaction], Soon[Stored | Validator | None]] | None
        self.cache_lookup = plan("cache_lookup", _first)
        self.select_upstream: Callable[[Transaction], Soon[Route | None]] | None
        self.select_upstream = plan("select_upstream", _first)
        self.upstream_connected: Callable[[Transaction, Server], Soon[Block | None]] | None
        self.upstream_connected = plan("upstream_connected", _first)
        self.response_headers: Callable[[Transaction], Soon[Verdict | None]] | None
        self.response_headers = plan("response_headers", _first)
        self.response_filters: Callable[[Transaction], list[BodyFilter]] | None
        self.response_filters = plan("response_filters", _every)
        self.content_need: Callable[[Transaction, Side], Need] | None
        self.content_need = plan("content_need", _union)
        self.scan_content: Callable[[ScanJob], Soon[ScanResult | None]] | None
        self.scan_content = plan("scan_content", _worst)
        self.cache_store: Callable[[Transaction], ContentSink | None] | None
        self.cache_store = plan("cache_store", _first)
        self.page: Callable[[Transaction, str], Soon[Response | None]] | None
        self.page = plan("page", _first)
        self.transaction_complete: Callable[[Transaction], None] | None
        self.transaction_complete = plan("transaction_complete", _told)
        self.event: Callable[[Event], None] | None
        self.event = plan("event", _told)
        self.admin_pages: Callable[[], list[tuple[str, Sequence[AdminPage]]]] | None
        self.admin_pages = plan("admin_pages", _by_plugin)
        self.counters: Callable[[], list[tuple[str, Mapping[str, float]]]] | None
        self.counters = plan("counters", _by_plugin)


def _first(steps: Steps) -> Callable[..., Any]:
    """The first answer that is not C{None}; the rest is not asked."""

    def plan(*args: Any) -> Any:
        for step in steps:
            answer = step.begin(args)
            if answer is not None:
                return (
                    rest(steps.index(step), answer, args)
                    if isinstance(answer, Deferred)
                    else answer
                )
        return None

    async def rest(position: int, waiting: Deferred[Any], args: tuple[Any, ...]) -> Any:
        answer = await steps[position].settled(waiting)
        for step in steps[position + 1 :]:
            if answer is not None:
                break
            answer = step.begin(args)
            if isinstance(answer, Deferred):
                answer = await step.settled(answer)
        return answer

    return plan


def _identity(steps: Steps) -> Callable[..., Any]:
    """The first identity; without one, all challenges in one."""

    def plan(*args: Any) -> Any:
        challenges: list[Challenge] = []
        for step in steps:
            answer = step.begin(args)
            if answer is None:
                continue
            if isinstance(answer, Challenge):
                challenges.append(answer)
            elif isinstance(answer, Deferred):
                return rest(steps.index(step), answer, challenges, args)
            else:
                return answer
        return Challenge.merged(challenges) if challenges else None

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

    return plan


def _every(steps: Steps) -> Callable[..., Any]:
    """All answers but C{None}, in order; none of them can wait."""

    def plan(*args: Any) -> Any:
        return [answer for step in steps if (answer := step.begin(args)) is not None]

    return plan


def _by_plugin(steps: Steps) -> Callable[..., Any]:
    """All answers with their plugins' names."""

    def plan() -> Any:
        return [(step.plugin, answer) for step in steps if (answer := step.begin(())) is not None]

    return plan


def _union(steps: Steps) -> Callable[..., Any]:
    """The largest need."""

    def plan(*args: Any) -> Any:
        needs = [need for step in steps if isinstance(need := step.begin(args), Whole)]
        return max(needs, key=lambda need: need.max_bytes, default=NONE)

    return plan


def _worst(steps: Steps) -> Callable[..., Any]:
    """The worst answer; all are asked before the first is waited for."""

    def plan(*args: Any) -> Any:
        worst: ScanResult | None = None
        waiting: list[tuple[Step, Deferred[Any]]] = []
        try:
            for step in steps:
                answer = step.begin(args)
                if isinstance(answer, Deferred):
                    waiting.append((step, answer))
                else:
                    worst = _worse(worst, answer)
        except BaseException:
            for _, left in waiting:
                forsake(left)
            raise
        return rest(worst, waiting) if waiting else worst

    async def rest(worst: ScanResult | None, waiting: list[tuple[Step, Deferred[Any]]]) -> Any:
        try:
            for step, answer in waiting:
                worst = _worse(worst, await step.settled(answer))
        finally:
            # Those that were not waited for, because another one failed closed or the client hung up.
            for _, left in waiting:
                forsake(left)
        return worst

    return plan


def _told(steps: Steps) -> Callable[..., Any]:
    """Everybody is told; nobody's failure or wait keeps the others or the caller."""

    def plan(*args: Any) -> None:
        for step in steps:
            try:
                answer = step.begin(args)
            except CancelledError:
                continue
            if isinstance(answer, Deferred):
                # What can fail here is counted and logged by the step; it is only told.
                Deferred.fromCoroutine(step.settled(answer)).addErrback(lambda _: None)

    return plan


def _worse(one: ScanResult | None, other: ScanResult | None) -> ScanResult | None:
    return other if _badness(other) > _badness(one) else one


def _badness(result: ScanResult | None) -> int:
    match result:
        case Infected():
            return 3
        case Unscannable():
            return 2
        case Clean():
            return 1
        case None:
            return 0
    assert_never(result)
