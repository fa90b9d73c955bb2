"""
The two marks of a hook: what the gateway specifies and what a plugin implements.

L{hookspec} stands on the methods of L{Plugin<gateway.api.Plugin>}, once for each hook, and is what the
dispatcher and the documentation are made from. L{hookimpl} stands on a plugin's own method. Marking
changes nothing about the function: it can still be called and tested as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: What follows when a plugin fails: refuse what it should have judged, or go on as if it had no opinion.
Fail: TypeAlias = Literal["closed", "open"]

#: How the answers of several plugins become one.
#: C{first}: the first that is not C{None}, the rest is not asked; C{all}: everybody is asked, in order.
#: C{identity}: the first Identity, else all Challenges as one; C{union}: the largest need;
#: C{worst}: everybody is asked and the worst answer counts.
Rule: TypeAlias = Literal["first", "all", "identity", "union", "worst"]

#: Attribute names under which the marks are kept.
SPEC_MARK = "gateway_spec"
IMPL_MARK = "gateway_impl"


@dataclass(frozen=True, slots=True)
class HookSpec:
    """
    What the gateway says about one hook.

    @ivar rule: how several answers become one.
    @ivar fail: what follows an error unless the plugin or the configuration says otherwise.
    @ivar answers: the types an answer may have; C{type(None)} among them where "no opinion" is one.
    @ivar on_error: what the client gets when it fails closed; what is done instead when it fails open.
    @ivar waits: whether the answer may be an awaitable.
    @ivar budget_seconds: how long an awaitable may take unless said otherwise; 0.0 where none is allowed.
    @ivar status: the status of the answer when it fails closed.
    @ivar threads: whether the hook may run in a thread: only where nothing it is given can change.
    @ivar closes: whether there is still something to refuse, so that failing closed means anything. Where there
        is not, an error is logged and the others go on, whatever plugin or configuration say.
    """

    rule: Rule
    fail: Fail
    answers: tuple[type, ...]
    on_error: str
    waits: bool = True
    budget_seconds: float = 5.0
    status: int = 503
    threads: bool = False
    closes: bool = True


@dataclass(frozen=True, slots=True)
class HookMark:
    """
    What a plugin says about its implementation of one hook; C{None} leaves it to the table.

    @ivar budget_seconds: how long an awaitable answer may take.
    @ivar thread: the name of the thread pool it runs in; C{None}: the reactor's thread.
    @ivar fail: what follows an error.
    @ivar stored: it is called for what a stored response answers without the upstream being asked, too.
    @ivar without_content: it is called for requests without content, too.
    """

    budget_seconds: float | None = None
    thread: str | None = None
    fail: Fail | None = None
    stored: bool = True
    without_content: bool = True


def hookspec(spec: HookSpec) -> Callable[[F], F]:
    """Mark a method of L{Plugin<gateway.api.Plugin>} as a hook. Not for plugins."""

    def mark(function: F) -> F:
        setattr(function, SPEC_MARK, spec)
        return function

    return mark


def hookimpl(
    *,
    budget_seconds: float | None = None,
    thread: str | None = None,
    fail: Fail | None = None,
    stored: bool = True,
    without_content: bool = True,
) -> Callable[[F], F]:
    """
    Mark a plugin's method as the implementation of the hook of its name: C{@hookimpl()}.

    A method of a hook's name without this mark is refused when the plugin is loaded, and so is a mark on a
    method that no hook is named like. The configuration's C{[plugins.x]} C{budget} and C{fail} win over
    what is said here.

    @param budget_seconds: how long an awaitable answer may take before it is cancelled and counts as an error.
    @param thread: the name of a thread pool, C{"scan"} usually, that a plain function runs in; only for hooks
        whose arguments can't change.
    @param fail: C{"closed"} or C{"open"}.
    @param stored: C{False}: it is not called for a request that a stored response answers without the upstream being
        asked; for C{response_headers} and C{transaction_complete}, of which it saves a call for each such request. Since 1.0.
    @param without_content: C{False}: it is not called for a request that has no content; for C{request_headers}, of which it
        saves a call for most requests. Since 1.0.
    @raise ValueError: a budget that is no positive number, or another word for C{fail}.
    """
    if budget_seconds is not None and not budget_seconds > 0:
        raise ValueError(f"budget_seconds must be more than 0, not {budget_seconds!r}")
    if fail not in (None, "closed", "open"):
        raise ValueError(f'fail must be "closed" or "open", not {fail!r}')
    made = HookMark(budget_seconds, thread, fail, stored, without_content)

    def mark(function: F) -> F:
        setattr(function, IMPL_MARK, made)
        return function

    return mark
