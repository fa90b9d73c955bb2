"""
Who is asking, by the cookie of an origin: the session that is sealed into it, and until when that is good.

A cookie counts until its seal, its key or its session ends, unless the user was logged out since or another client sends it.
What was opened once is kept for a while, as most pages bring the same cookie again. Groups that are old are asked for anew
where there is whom to ask. How a browser comes by its cookie is the business of L{gateway_auth.cookie_mode}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final, Protocol

from gateway.api import Counter, Identity, Response, Transaction
from gateway_auth import cookies
from gateway_auth.cookies import Origin
from gateway_auth.keys import KeyRing
from gateway_auth.sessions import Session, binding, read, same, written
from gateway_auth.tokens import BadToken, Tokens
from gateway_auth.verifier import Unavailable

#: Cookies whose signature was checked before.
MAX_KNOWN: Final = 4096

#: Groups that are older are asked for anew, if there is whom to ask.
GROUPS_SECONDS: Final = 7200.0


class Endings(Protocol):
    """Who knows what was ended before its time: L{gateway_auth.logouts.Logouts}."""

    def is_over(self, user: str, since: float) -> bool:
        """Tell whether what a user has shown then no longer counts."""


class CookieSessions:
    """
    Sessions in cookies, for one plugin object.

    @ivar life_seconds: how long a user is known after having shown who he is.
    """

    def __init__(
        self,
        tokens: Tokens,
        counted: Counter,
        *,
        life_seconds: float,
        ended: Endings,
        to_address: bool = False,
        groups: Callable[[str], Awaitable[frozenset[str]]] | None = None,
    ) -> None:
        """
        Take the parts.

        @param counted: by C{result}, what becomes of cookies.
        @param to_address: cookies are bound to the client's address, too.
        @param groups: asks for the groups of a user anew; may raise L{Unavailable}, and is expected to remember.
        """
        self.tokens = tokens
        self.life_seconds = life_seconds
        self._counted = counted
        self._ended = ended
        self._to_address = to_address
        self._groups = groups
        # What was opened by L{_keys}, by where and what it was, and until when it is good. Dropped as a whole when full: all
        # of it is only a minute's work.
        self._known: dict[tuple[str, str], tuple[Session, float]] = {}
        self._keys: KeyRing | None = None

    async def identify(self, txn: Transaction) -> Identity | None:
        """
        Give whom a request's cookie names; nobody's for CONNECT, which has none.

        @raise Unavailable: the user's groups can be had neither from his cookie nor from anybody.
        """
        session = self.of(txn)
        return None if session is None else await self.identity(session)

    def of(self, txn: Transaction) -> Session | None:
        """Give what a request's cookie says; two that name different users say nothing."""
        return self.shown(txn)[0]

    def shown(self, txn: Transaction) -> tuple[Session | None, float]:
        """Give what a request's cookie says, and until when it is good, in seconds since the epoch."""
        if not txn.request.scheme:
            return None, 0.0
        origin = Origin.of(txn.request)
        found: Session | None = None
        until = 0.0
        for text in cookies.copies(txn.request.fields, origin.cookie()):
            session, ends = self._opened(txn, origin, text)
            if session is None:
                continue
            if found is not None and found.user != session.user:
                # Somebody may have slipped his own in beside it, by a domain or a path.
                self._counted.inc(result="ambiguous")
                return None, 0.0
            until = ends if found is None else min(until, ends)
            found = session
        if found is not None:
            self._counted.inc(result="taken")
        return found, until

    def repeated(self, count: int) -> None:
        """Count cookies that were taken without a look, as nothing had changed."""
        if count:
            self._counted.inc(count, result="taken")

    def at_once(self, session: Session) -> tuple[Identity | None, float]:
        """
        Say who it is by what the session says alone, and until when that is recent, in seconds since the epoch.

        @return: C{None}: L{identity} has to ask.
        """
        groups = session.groups
        if groups is None:
            return None, 0.0
        if self._groups is None:
            return session.identity(groups), inf
        until = session.since + GROUPS_SECONDS
        return (session.identity(groups) if self.tokens.now() < until else None), until

    async def identity(self, session: Session) -> Identity:
        """
        Say who it is, with groups that are recent or the best there are.

        @raise Unavailable: there are none.
        """
        identity, _ = self.at_once(session)
        if identity is not None:
            return identity
        groups = session.groups
        if self._groups is None:
            raise Unavailable("the groups did not fit into the cookie, and nobody else knows them")
        try:
            return session.identity(await self._groups(session.user))
        except Unavailable:
            if groups is None:
                raise
            return session.identity(groups)

    def set_cookie(self, response: Response, origin: Origin, session: Session) -> None:
        """
        Set the cookie that names a user, for what is left of his session.

        @raise gateway_auth.tokens.NoKey: there is no key.
        """
        left = session.since + self.life_seconds - self.tokens.now()
        text = self.tokens.seal("cookie", str(origin), written(*session.packed()), left)
        cookies.set_cookie(response.fields, origin, "", text, left)
        self._counted.inc(result="made")

    def bound(self, txn: Transaction) -> str:
        """Hash what this client's cookies are bound to."""
        return binding(txn, to_address=self._to_address)

    def _opened(self, txn: Transaction, origin: Origin, text: str) -> tuple[Session | None, float]:
        tokens = self.tokens
        if self._keys is not tokens.keys:
            # What a key has opened that is none any more is opened no longer.
            self._keys = tokens.keys
            self._known.clear()
        place = str(origin), text
        known = self._known.get(place)
        now = tokens.now()
        if known is None:
            try:
                content, until = tokens.opened("cookie", place[0], text)
                session = Session.unpacked(read(content))
            except (BadToken, ValueError) as fault:
                self._counted.inc(result=getattr(fault, "reason", "malformed"))
                return None, 0.0
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            until = min(until, session.since + self.life_seconds)
            self._known[place] = session, until
        else:
            session, until = known
        if now >= until:
            self._counted.inc(result="expired")
            return None, 0.0
        if self._ended.is_over(session.user, session.since):
            self._counted.inc(result="logged_out")
            return None, 0.0
        if not same(session.bound, self.bound(txn)):
            self._counted.inc(result="other_client")
            return None, 0.0
        return session, until
