"""
The ways to find out who is asking, in their order: credentials in the request, the connection's own identity, a cookie, the address.

Whoever is known by none of them is asked (L{gateway_auth.challenges}). What was found out is kept for the connection's next
requests where these need not be judged anew (L{gateway_auth.repeats}); to look there first is up to the plugin.
"""

from __future__ import annotations

from collections.abc import Awaitable

from gateway.api import Challenge, Clock, Maybe, Transaction
from gateway_auth.address_book import Signs
from gateway_auth.by_cookie import ByCookie
from gateway_auth.challenges import Answer, Challenges
from gateway_auth.credentials import BadCredentials, parse, user_password
from gateway_auth.digest import Stale
from gateway_auth.known import Known
from gateway_auth.parts import Parts
from gateway_auth.policy import Policy
from gateway_auth.redirects import is_navigation
from gateway_auth.repeats import Repeat, Repeats
from gateway_auth.schemes import Schemes
from gateway_auth.settings import CONNECTION_BOUND
from gateway_auth.verifier import Refused, Unavailable


class Identification:
    """
    Finds out who is asking.

    @ivar cookies: C{None} unless cookie mode is switched on.
    """

    def __init__(
        self, parts: Parts, known: Known, challenges: Challenges, repeats: Repeats, clock: Clock
    ) -> None:
        self.cookies: ByCookie | None = None
        if parts.browsers is not None:
            self.cookies = ByCookie(
                parts.browsers.mode.sessions,
                known,
                challenges,
                repeats,
                clock,
                binds=parts.binds,
                without=self._without_cookie,
                strip=parts.browsers.strip,
            )
        self._parts = parts
        self._known = known
        self._challenges = challenges
        self._repeats = repeats
        self._schemes = Schemes(parts)

    async def by_credentials(
        self, txn: Transaction, policy: Policy, value: bytes, received: list[bytes]
    ) -> Answer:
        """
        Judge a request by its credentials; with those that are nothing to us, as one that has none.

        @param value: of the field that has them.
        @param received: the request's lines as they were received.
        """
        try:
            credentials = parse(value)
        except BadCredentials:
            return self._challenges.ask(txn, policy)
        scheme = credentials.scheme
        if scheme not in policy.order or scheme == "cookie":
            answer = self.without(txn, policy, received)
            return await answer if isinstance(answer, Awaitable) else answer
        if txn.client.mode == "reverse":
            # Whatever becomes of them: a password that is wrong here is none of the origin's business.
            self._parts.sites.consumed(txn)
        try:
            if scheme == "basic":
                said = user_password(credentials.rest)
                identity = await self._parts.passwords.check(
                    said.user, said.password, txn.client.address
                )
            elif scheme == "digest":
                identity = self._schemes.digest(txn, credentials.rest)
            else:
                found = await self._schemes.step(txn, scheme, credentials.rest)
                if isinstance(found, Challenge):
                    return found
                self._parts.addresses.saw(txn, found)
                return self._known.count(found)
        except (BadCredentials, Refused):
            return self._challenges.ask(txn, policy)
        except Stale:
            return self._challenges.ask(txn, policy, stale=True)
        except Unavailable as error:
            return self._challenges.unavailable(txn, error)
        self._known.note(txn, policy, identity)
        return self._known.count(identity)

    def without(self, txn: Transaction, policy: Policy, received: list[bytes]) -> Maybe[Answer]:
        """Find out by what is known of the connection, the browser or the address."""
        parts = self._parts
        if parts.binds and not CONNECTION_BOUND.isdisjoint(policy.order):
            shown = parts.connections.shown(txn)
            if shown is not None:
                self._repeats.keep(txn, received, shown)
                return self._known.count(shown.identity)
        cookies = self.cookies
        if cookies is not None and cookies.has(txn, policy):
            return cookies.identify(txn, policy, received)
        if not policy.believes_address:
            return self._challenges.ask(txn, policy)
        if policy.redirects:
            # What is done depends on more than the lines.
            return self._unless_sent_away(txn, policy)
        return self._by_address(txn, policy, self._repeats.keep(txn, received))

    def unshown(self, txn: Transaction, policy: Policy, last: Repeat) -> Maybe[Answer]:
        """Find out by connection or address alone, as nothing in the request's lines says who it is."""
        parts = self._parts
        if parts.binds and not CONNECTION_BOUND.isdisjoint(policy.order):
            shown = parts.connections.shown(txn)
            if shown is not None:
                self._repeats.keep(txn, last.lines, shown)
                return self._known.count(shown.identity)
        return self._by_address(txn, policy, last)

    def _without_cookie(
        self, txn: Transaction, policy: Policy, received: list[bytes], credentials: bytes
    ) -> Maybe[Answer]:
        """Find out by the rest, as there is a cookie and it says nothing."""
        if credentials:
            return self.by_credentials(txn, policy, credentials, received)
        return self._unless_sent_away(txn, policy)

    def _unless_sent_away(self, txn: Transaction, policy: Policy) -> Answer:
        # A browser that can be sent to get its cookie shows its own user, whoever else is behind the address.
        if not policy.believes_address or (policy.redirects and is_navigation(txn.request)):
            return self._challenges.ask(txn, policy)
        return self._by_address(txn, policy)

    def _by_address(self, txn: Transaction, policy: Policy, last: Repeat | None = None) -> Answer:
        addresses = self._parts.addresses
        can_be_asked = policy.order != ("cookie",)
        if last is None or self._parts.binds:
            # A connection may come to have an identity of its own, which goes first.
            signs = None if last is None else self._signs(txn, last)
            identity = addresses.get(txn, can_be_asked=can_be_asked, signs=signs)
        else:
            identity = addresses.kept(txn, last, self._signs(txn, last), can_be_asked=can_be_asked)
        if identity is not None:
            return self._known.count(identity)
        return self._challenges.ask(txn, policy)

    def _signs(self, txn: Transaction, last: Repeat) -> Signs:
        """Give what the address cache looks at in a request, which is found out once for a connection."""
        signs = last.signs
        if signs is None:
            signs = last.signs = self._parts.addresses.signs(txn)
        return signs
