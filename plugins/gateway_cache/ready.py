"""
Answers that are ready: what a stored response is answered with within one second of its age.

They are for requests that wish for nothing of their own (L{Asked.plain<gateway_cache.messages.Asked>}). Whatever could make
another answer of the same stored response is compared each time: the rules of the site, the fields that it varies by, and
the time. That nobody has changed or purged it, the store tells.
"""

from __future__ import annotations

from gateway.api import Stored
from gateway_cache.entry import Head
from gateway_cache.freshness import plan_of
from gateway_cache.policy import Policy


class Ready:
    """
    One answer.

    @ivar stored: the same for everybody, so never changed.
    @ivar policy: the rules it was made under.
    @ivar names: of the selecting fields.
    @ivar variant: their values; a request with others means another stored response.
    @ivar since: before, it is not known to hold: the clock was set back.
    @ivar until: from then on it is older than it says, or not fresh.
    """

    __slots__ = ("names", "policy", "since", "stored", "until", "variant")

    def __init__(self, stored: Stored, head: Head, policy: Policy, now: float, until: float):
        self.stored = stored
        self.policy = policy
        self.names = head.vary
        self.variant = head.variant
        self.since = now
        self.until = until


def ready_of(stored: Stored, head: Head, policy: Policy, age: int, now: float) -> Ready | None:
    """
    Keep an answer for who asks next.

    @param stored: what was made of a fresh response for a request that wishes for nothing.
    @param age: that it tells.
    @return: C{None}: its content is in a file, or there is more to compare than a L{Ready} has.
    """
    if stored.file is not None or (policy.select_language and "accept-language" in head.vary):
        return None
    return Ready(stored, head, policy, now, plan_of(head, policy).holds_until(age))
