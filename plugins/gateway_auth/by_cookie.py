"""
Who is asking, by a cookie of ours among the lines of a request; if that says nothing, the other ways are tried.

What a cookie has shown is kept for the connection's next requests (L{gateway_auth.repeats}). What cookies say, and how a browser
comes by one, are the business of L{gateway_auth.cookie_sessions} and L{gateway_auth.cookie_mode}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.api import Clock, Identity, Maybe, Transaction
from gateway_auth import cookies
from gateway_auth.challenges import Answer, Challenges
from gateway_auth.cookie_sessions import CookieSessions
from gateway_auth.known import Known
from gateway_auth.policy import Policy
from gateway_auth.repeats import Repeats
from gateway_auth.sessions import Session
from gateway_auth.verifier import Refused, Unavailable

#: What is in each cookie of ours, whatever it is called.
COOKIE: Final = cookies.NAME.encode("ascii")

#: So long groups count that a session did not bring and that were asked for, seconds. Who was asked remembers for longer.
GROUPS_SECONDS: Final = 30.0

#: Finds out by the rest: by credentials that were received, if there are any, or by the address.
Without: TypeAlias = Callable[[Transaction, Policy, list[bytes], bytes], Maybe[Answer]]


@dataclass(slots=True, eq=False)
class _Opened:
    """What a cookie has shown (a L{Proof<gateway_auth.repeats.Proof>})."""

    identity: Identity
    until: float


class ByCookie:
    """Finds out who is asking, where cookie mode is switched on."""

    def __init__(
        self,
        sessions: CookieSessions,
        known: Known,
        challenges: Challenges,
        repeats: Repeats,
        clock: Clock,
        *,
        binds: bool,
        without: Without,
        strip: Callable[[Transaction], None],
    ) -> None:
        """
        Take the parts.

        @param binds: a connection may have an identity of its own.
        @param without: finds out by the rest, when a cookie says nothing.
        @param strip: takes cookies of ours out of a request, unless that is for ourselves.
        """
        self._sessions = sessions
        self._known = known
        self._challenges = challenges
        self._repeats = repeats
        self._epoch = repeats.epoch
        self._seconds = clock.seconds
        self._binds = binds
        self._without = without
        self._strip = strip
        # Requests that were known by a cookie, as far as they were judged here or are in the metric.
        self._told = 0

    @staticmethod
    def has(txn: Transaction, policy: Policy) -> bool:
        """Tell whether a request may have a cookie that counts for its client's network."""
        return "cookie" in policy.order and COOKIE in b"\n".join(txn.request.fields.lines)

    def identify(
        self, txn: Transaction, policy: Policy, received: list[bytes], credentials: bytes = b""
    ) -> Maybe[Answer]:
        """
        Find out by a cookie; if it says nothing, by the rest.

        @param received: the request's lines as they were received.
        @param credentials: that are judged then; empty: there are none.
        """
        sessions = self._sessions
        session, until = sessions.shown(txn)
        if session is None:
            return self._without(txn, policy, received, credentials)
        identity, recent = sessions.at_once(session)
        if identity is None:
            return self._with_groups(txn, policy, received, credentials, session, until)
        return self._by_session(txn, policy, received, identity, min(until, recent))

    def tell(self, requests: int) -> None:
        """
        Bring the metric of cookies to what is counted apart, too often for a metric with labels.

        @param requests: how many were known by a cookie, those included that were not judged here but are like the one before.
        """
        self._sessions.repeated(requests - self._told)
        self._told = requests

    async def _with_groups(
        self,
        txn: Transaction,
        policy: Policy,
        received: list[bytes],
        credentials: bytes,
        session: Session,
        until: float,
    ) -> Answer:
        """Find out by a session whose groups have to be asked for."""
        epoch = self._epoch.now
        try:
            identity = await self._sessions.identity(session)
        except Refused:
            answer = self._without(txn, policy, received, credentials)
            return await answer if isinstance(answer, Awaitable) else answer
        except Unavailable as error:
            return self._challenges.unavailable(txn, error)
        if epoch is not self._epoch.now:
            # Something has changed while it was asked: good for this request alone.
            until = 0.0
        now = self._sessions.tokens.now()
        return self._by_session(txn, policy, received, identity, min(until, now + GROUPS_SECONDS))

    def _by_session(
        self,
        txn: Transaction,
        policy: Policy,
        received: list[bytes],
        identity: Identity,
        until: float,
    ) -> Identity:
        """
        Take whom a cookie names.

        @param until: when it has to be looked again, in seconds since the epoch.
        """
        self._told += 1
        self._strip(txn)
        ends = self._seconds() + until - self._sessions.tokens.now()
        noted = self._known.note(txn, policy, identity)
        # Where a connection has an identity of its own, that comes before its cookies.
        self._repeats.keep(
            txn,
            received,
            _Opened(identity, ends),
            noted,
            by_telling=not self._binds,
        )
        return self._known.count(identity)
