"""
How old a response is and how long it is fresh (RFC 9111 sections 4.2.1 to 4.2.3).

What is worked out of a stored head is a L{Plan}, made once for each object in memory and policy. The clock is the
caller's; all times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gateway_cache.dates import read_date
from gateway_cache.directives import (
    MOST_SECONDS,
    ResponseControl,
    read_response_control,
    read_targeted_control,
)
from gateway_cache.entry import Head
from gateway_cache.messages import Message
from gateway_cache.policy import Policy

#: Statuses that may be stored, and taken for fresh, though nothing says so (RFC 9110 section 15.1). A 206 is not
#: guessed about: only parts that say how long they last are worth their room.
HEURISTIC = frozenset((200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501))

Source = Literal["s-maxage", "max-age", "expires", "heuristic", "default", "negative", "none"]


def control_of(message: Message, policy: Policy) -> tuple[ResponseControl, bool]:
    """
    Find what the origin says to this cache.

    @return: with it, whether a targeted field says it; then C{Cache-Control} and C{Expires} say nothing
        (RFC 9213 section 2.2).
    """
    for name in policy.targeted:
        found = message.values(name.encode("latin-1"))
        if found is not None:
            control = read_targeted_control(name, found)
            if control is not None:
                return control, True
    return read_response_control(message.wanted.get(b"cache-control")), False


def lifetime_of(
    status: int,
    message: Message,
    control: ResponseControl,
    received: float,
    policy: Policy,
    *,
    targeted: bool = False,
) -> tuple[float, Source]:
    """
    Tell how long a response is fresh, from its birth on (RFC 9111 section 4.2.1).

    @param received: when its head came; it takes the place of a C{Date} that is not there, or is none.
    @return: seconds, not below 0, and what says so.
    """
    if control.s_maxage is not None:
        return max(control.s_maxage, 0), "s-maxage"
    if control.max_age is not None:
        return max(control.max_age, 0), "max-age"
    expires = None if targeted else message.wanted.get(b"expires")
    if expires is not None:
        end = read_date(expires[0], received)
        # Two different ends are no end that anybody could rely on.
        if end is None or any(other != expires[0] for other in expires):
            return 0, "expires"
        born = _date(message, received)
        return max(end - (int(received) if born is None else born), 0), "expires"
    return _unsaid(status, message, control, received, policy)


def initial_age(message: Message, requested: float, received: float) -> float:
    """
    Tell how old a response was when it came (RFC 9111 section 4.2.3, C{corrected_initial_age}).

    @param requested: when the request for it was begun.
    """
    wanted = message.wanted
    dates = wanted.get(b"date")
    born = None if dates is None else read_date(dates[0], received)
    # Dates have no fractions: a response of this second is not to be up to a second old.
    apparent = 0 if born is None else int(received) - born
    delay = received - requested
    if delay < 0.0:
        delay = 0.0
    if b"age" in wanted:
        delay += _said_age(wanted[b"age"])
    return apparent if apparent > delay else delay


def explicit(source: Source) -> bool:
    """Tell whether the origin itself says how long a response is fresh."""
    return source in ("s-maxage", "max-age", "expires")


class Plan:
    """
    What the rules need to know of a stored response.

    @ivar policy: the one that it was made under.
    @ivar control: what the origin wants.
    @ivar lifetime: how long it is fresh.
    @ivar source: what says so.
    @ivar initial: how old it was when it came.
    @ivar received: when that was.
    @ivar fresh_below: at this age it can't be used without more thought.
    @ivar never_stale: it may not be used past its freshness whatever happens.
    @ivar answer: the answer of a moment ago, to be given again within the same second; L{reuse<gateway_cache.reuse>}
        keeps it here.
    """

    __slots__ = (
        "_fields",
        "_lines",
        "answer",
        "control",
        "fresh_below",
        "initial",
        "lifetime",
        "never_stale",
        "policy",
        "received",
        "source",
    )

    def __init__(self, head: Head, policy: Policy) -> None:
        message = Message(head.lines)
        control, targeted = control_of(message, policy)
        self.policy = policy
        self.control = control
        self.received = head.received
        self.initial = initial_age(message, head.requested, head.received)
        self.lifetime, self.source = lifetime_of(
            head.status, message, control, head.received, policy, targeted=targeted
        )
        self.fresh_below = 0.0 if control.no_cache else float(self.lifetime)
        self.never_stale: bool = (
            control.no_cache
            or control.must_revalidate
            or control.proxy_revalidate
            or (control.s_maxage is not None and not policy.stale_with_s_maxage)
        )
        self.answer: object = None
        self._lines = head.lines
        self._fields: dict[str, str | None] | None = None

    @property
    def fields(self) -> dict[str, str | None]:
        """What validates it; may be empty. Made when it is first asked for, as most responses are never validated."""
        if self._fields is None:
            self._fields = _validators(Message(self._lines))
        return self._fields

    def age(self, now: float) -> float:
        """Tell how old it is now; a clock that was set back doesn't make it younger than it came."""
        resident = now - self.received
        return self.initial + resident if resident > 0.0 else self.initial

    def holds_until(self, age: int) -> float:
        """Tell from when on it is older than so many whole seconds, or has to be thought about."""
        return self.received + min(age + 1, self.fresh_below) - self.initial


def plan_of(head: Head, policy: Policy) -> Plan:
    """Give the plan of a stored response, made if there is none of this policy."""
    plan = head.memo.get("rules")
    if isinstance(plan, Plan) and plan.policy is policy:
        return plan
    plan = head.memo["rules"] = Plan(head, policy)
    return plan


def remaining(head: Head, now: float, policy: Policy) -> float:
    """Tell for how many seconds a stored response is fresh yet; below 0: for how long it isn't."""
    plan = plan_of(head, policy)
    return plan.lifetime - plan.age(now)


def _date(message: Message, received: float) -> int | None:
    found = message.wanted.get(b"date")
    return None if found is None else read_date(found[0], received)


def _said_age(lines: Sequence[bytes]) -> int:
    """Read C{Age}: its first member; what is no number counts as if it were not there (RFC 9111 section 5.1)."""
    digits = lines[0].partition(b",")[0].strip(b" \t")
    if not digits.isdigit():
        return 0
    digits = digits.lstrip(b"0")
    return min(int(digits or b"0"), MOST_SECONDS) if len(digits) <= 10 else MOST_SECONDS


def _unsaid(
    status: int, message: Message, control: ResponseControl, received: float, policy: Policy
) -> tuple[float, Source]:
    """Find a lifetime where the origin gives none (RFC 9111 section 4.2.2)."""
    allowed = status in HEURISTIC or control.public
    pragma = message.wanted.get(b"pragma")
    if not allowed or (pragma is not None and any(b"no-cache" in v.lower() for v in pragma)):
        return 0, "none"
    if status >= 400 and policy.negative_ttl > 0:
        return policy.negative_ttl, "negative"
    modified = message.wanted.get(b"last-modified")
    if policy.heuristic and modified is not None:
        since = read_date(modified[0], received)
        if since is not None:
            born = _date(message, received)
            apart = (received if born is None else born) - since
            return min(max(apart * policy.heuristic_fraction, 0), policy.heuristic_most), (
                "heuristic"
            )
    if status < 400 and policy.default_ttl > 0:
        return policy.default_ttl, "default"
    return 0, "none"


def _validators(message: Message) -> dict[str, str | None]:
    """Give the fields that ask whether a response still holds (RFC 9111 section 4.3.1)."""
    fields: dict[str, str | None] = {}
    tag = message.wanted.get(b"etag")
    if tag is not None and len(tag) == 1 and tag[0][-1:] == b'"' and tag[0][:1] in b'W"':
        fields["If-None-Match"] = tag[0].decode("latin-1")
    modified = message.wanted.get(b"last-modified")
    if modified is not None and read_date(modified[0], 0) is not None:
        fields["If-Modified-Since"] = modified[0].decode("latin-1")
    return fields
