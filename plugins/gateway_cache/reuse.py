"""
Whether a stored response may be sent as it is, has to be validated, or can't be had (RFC 9111 section 4).

A hit whose client wants nothing special costs a comparison: the answer of the same second is given again, lines and all,
so that whoever writes them out can know the list by its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway_cache.cache_status import hit_line
from gateway_cache.directives import NO_WISHES, RequestControl
from gateway_cache.entry import Head
from gateway_cache.freshness import Plan, plan_of
from gateway_cache.messages import Asked
from gateway_cache.policy import Policy

#: Answers of an origin, or of the gateway for it, that a stale response may take the place of (RFC 5861 section 4).
ERRORS = frozenset((500, 502, 503, 504))


@dataclass(slots=True)
class Fresh:
    """
    Send it.

    @ivar age: seconds.
    @ivar lines: of the response, with C{Age} and C{Cache-Status}; shared with other answers, so never changed.
    """

    age: int
    lines: list[bytes]


@dataclass(slots=True)
class Stale:
    """
    Send it, though it is past its freshness.

    @ivar refresh: ask the origin as well, by the fields of L{validators}.
    """

    age: int
    lines: list[bytes]
    refresh: bool = False


@dataclass(slots=True)
class Validate:
    """
    Ask the origin first.

    @ivar fields: to set in the request; empty: nothing validates it, so the request goes on as it is.
    @ivar why: C{"stale"}: it is; C{"request"}: the client demands it; both are words of RFC 9211.
    """

    fields: Mapping[str, str | None]
    why: Literal["stale", "request"]


@dataclass(slots=True)
class Refused:
    """
    Answer with an error: the client wants nothing that has to be asked for (RFC 9111 section 5.2.1.7).
    """

    status: int = 504
    why: str = "only-if-cached"


def reuse(
    asked: Asked, head: Head, now: float, policy: Policy
) -> Fresh | Stale | Validate | Refused:
    """
    Judge a stored response that was selected for a request.

    @param head: of a complete response or a part; what conditions and ranges of the request make of it comes after.
    """
    plan = head.memo.get("rules")
    if not isinstance(plan, Plan) or plan.policy is not policy:
        plan = plan_of(head, policy)
    resident = now - plan.received
    age = plan.initial + resident if resident > 0.0 else plan.initial
    control = asked.control
    if age < plan.fresh_below and control is NO_WISHES:
        answer = plan.answer
        whole = int(age)
        if isinstance(answer, Fresh) and answer.age == whole:
            return answer
        answer = plan.answer = _fresh(head, plan, whole)
        return answer
    verdict = _considered(control, head, plan, age)
    if control.only_if_cached and isinstance(verdict, Validate):
        return Refused()
    return verdict


def missing(asked: Asked) -> Refused | None:
    """Judge a request that nothing stored answers; C{None}: it goes on to the origin."""
    return Refused() if asked.control.only_if_cached else None


def on_error(asked: Asked, head: Head, now: float, policy: Policy) -> Stale | None:
    """
    Tell whether a stored response takes the place of an error (RFC 9111 section 4.2.4, RFC 5861 section 4).

    @param head: the one that was to be validated, or that L{reuse} would not have sent.
    @return: C{None}: the error goes to the client.
    """
    plan = plan_of(head, policy)
    control = asked.control
    if plan.never_stale or control.no_cache:
        return None
    past = plan.age(now) - plan.lifetime
    said = plan.control.stale_if_error
    window = policy.stale_if_error if said is None else max(said, 0)
    if control.stale_if_error is not None:
        window = max(window, control.stale_if_error)
    if past >= min(window, policy.stale_most):
        return None
    return _stale(head, plan, plan.age(now), detail="error")


def validators(head: Head, policy: Policy) -> Mapping[str, str | None]:
    """Give the fields that ask the origin whether a stored response still holds; may be empty."""
    return plan_of(head, policy).fields


def _considered(
    control: RequestControl, head: Head, plan: Plan, age: float
) -> Fresh | Stale | Validate:
    policy = plan.policy
    left = plan.lifetime - age
    fresh = age < plan.fresh_below
    if plan.control.no_cache:
        return Validate(plan.fields, "stale")
    if policy.obey_reload and _too_old(control, plan, age, fresh=fresh):
        return Validate(plan.fields, "request")
    if fresh:
        return _fresh(head, plan, int(age))
    if not plan.never_stale and -left < policy.stale_most:
        if control.max_stale is not None and -left <= control.max_stale:
            return _stale(head, plan, age, detail="max-stale")
        window = plan.control.stale_while_revalidate
        if window is not None and -left < window:
            return _stale(head, plan, age, refresh=True)
    return Validate(plan.fields, "stale")


def _too_old(control: RequestControl, plan: Plan, age: float, *, fresh: bool) -> bool:
    """Tell whether the client says that this is not new enough (RFC 9111 section 5.2.1)."""
    if control.no_cache:
        return True
    if control.min_fresh is not None and plan.lifetime - age < control.min_fresh:
        return True
    # A reload asks with max-age=0; that is no doubt in what never changes (RFC 8246 section 2).
    if control.max_age is None or (fresh and plan.control.immutable):
        return False
    return age > control.max_age + (control.max_stale or 0)


def _fresh(head: Head, plan: Plan, age: int) -> Fresh:
    lines = [*head.lines, b"Age: %d" % age]
    if plan.policy.name:
        lines.append(hit_line(plan.policy.name, plan.lifetime - age))
    return Fresh(age, lines)


def _stale(head: Head, plan: Plan, age: float, *, refresh: bool = False, detail: str = "") -> Stale:
    lines = [*head.lines, b"Age: %d" % age]
    if plan.policy.name:
        lines.append(hit_line(plan.policy.name, plan.lifetime - age, detail))
    return Stale(int(age), lines, refresh)
