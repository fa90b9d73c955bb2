"""
Standard cookie mode (U4): who is asking is said by a cookie of each origin, so it is known per browser and not per address.

A browser that has none is taken, by redirects that a person does not notice, to the gateway's own name and back::

    GET http://origin/page                   302 -> http://auth.gateway.local/.gateway-auth/go?WISH, and a "state" cookie
    GET http://auth.gateway.local/...go      there: a session cookie, or a login; then 302 -> http://origin/.gateway-auth?GRANT
    GET http://origin/.gateway-auth?GRANT    302 -> http://origin/page, with the origin's cookie

Neither WISH nor GRANT can be made elsewhere (L{gateway_auth.wishes}). A wish is taken from the client that it was made for
only; a grant is good for a minute, once, at its origin, and in the browser that has the state cookie which the wish was made
with. The URL is inside of both, so nobody else says where a browser is sent. What is not a person's navigation is not redirected
but asked by C{Proxy-Authorization}, and so is a browser that keeps coming back without a cookie.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.api import Identity, Key, Respond, Response, Services, Transaction
from gateway_auth import cookies, login_page
from gateway_auth.cookie_sessions import CookieSessions, Endings
from gateway_auth.cookies import Origin
from gateway_auth.redirects import GO, RESERVED, is_browser, is_navigation, is_reserved, redirect
from gateway_auth.sessions import Session, fresh_id, same
from gateway_auth.tokens import MAX_URL, NoKey, Once, Tokens
from gateway_auth.wishes import GRANT_SECONDS, WISH_SECONDS, Wishes

#: So often within L{LOOP_SECONDS} a browser is given a cookie, before it is believed that it does not keep them.
MAX_ROUNDS: Final = 3
LOOP_SECONDS: Final = 60.0

_ANSWER: Key[Respond] = Key("auth.cookie_answer")


class CookieMode:
    """
    Cookies of origins, for one plugin object.

    @ivar host: the gateway's own name.
    @ivar own: the origin of C{host}.
    @ivar sessions: who is asking, by the cookie of a request.
    """

    def __init__(
        self,
        services: Services,
        tokens: Tokens,
        *,
        host: str,
        life_seconds: float,
        ended: Endings,
        once: Once | None = None,
        to_address: bool = False,
        groups: Callable[[str], Awaitable[frozenset[str]]] | None = None,
    ) -> None:
        """
        Take the parts; see L{CookieSessions}.

        @param once: which grants were used; one that outlives a reload, if there is one.
        """
        self.host = host
        self.own = Origin("http", host, 80)
        self.tokens = tokens
        self._services = services
        self._ended = ended
        self._once = Once() if once is None else once
        self._wishes = Wishes(tokens)
        self._counted = services.metrics.counter(
            "cookies",
            "Cookies of cookie mode and what became of them.",
            ("result",),
        )
        self.sessions = CookieSessions(
            tokens,
            self._counted,
            life_seconds=life_seconds,
            ended=ended,
            to_address=to_address,
            groups=groups,
        )

    # Asking a browser.

    def seed(self, txn: Transaction) -> Respond | None:
        """
        Give what a request without an identity is answered with, so that it gets a cookie; also kept for L{answer}.

        @return: C{None}: it is none that can be redirected, or one too many; ask by C{Proxy-Authorization}.
        """
        request = txn.request
        if not request.scheme or self.is_own(txn):
            return None
        response = None
        try:
            if request.path == RESERVED:
                response = self._arrived(txn, None)
            elif is_navigation(request) and not is_reserved(request.path):
                response = self._sent_away(txn)
        except NoKey:
            self._services.log.error("all keys of cookies have ended: no cookie can be made")
        if response is None:
            return None
        said = Respond(response)
        txn.store[_ANSWER] = said
        return said

    def answer(self, txn: Transaction) -> Respond | None:
        """Give what a request must be answered with and not sent on: what L{seed} said, or as it is for a reserved path."""
        said = txn.store.get(_ANSWER)
        if said is not None or not txn.request.scheme or self.is_own(txn):
            return said
        path = txn.request.path
        if not is_reserved(path):
            return None
        response = None
        if path == RESERVED:
            # Who it is was shown otherwise, so the detour is over.
            with contextlib.suppress(NoKey):
                response = self._arrived(txn, txn.identity)
        return Respond(response or login_page.gone())

    def is_own(self, txn: Transaction) -> bool:
        """Tell whether a request is for the gateway's own name, on whatever port."""
        return txn.request.host.removesuffix(".") == self.host

    def lets_through(self, txn: Transaction) -> bool:
        """Tell whether a CONNECT may pass without an identity, as who it is is asked within."""
        request = txn.request
        return not request.scheme and not self.is_own(txn) and is_browser(request)

    @staticmethod
    def strip(txn: Transaction) -> None:
        """Take our cookies out of a request."""
        cookies.strip(txn.request.fields)

    def strip_set(self, txn: Transaction) -> None:
        """Keep an origin from setting cookies of ours."""
        if txn.response is not None and cookies.strip_set(txn.response.fields):
            self._counted.inc(result="set_by_origin")

    def _sent_away(self, txn: Transaction) -> Response | None:
        """Send a browser to the gateway's own name."""
        origin = Origin.of(txn.request)
        if len(txn.request.url) > MAX_URL:
            return None
        # A browser that opens several pages at once has one state for all.
        nonce, rounds = self._wishes.state(txn, origin) or (fresh_id(), 0)
        if rounds >= MAX_ROUNDS:
            self._counted.inc(result="loop")
            return None
        wish = self._wishes.wish(txn, origin, self.own, nonce)
        response = redirect(f"{self.own.url}{GO}?{wish}")
        self._wishes.set_state(txn, response, nonce, rounds, WISH_SECONDS)
        self._counted.inc(result="asked")
        return response

    # At the gateway's own name.

    def wish(self, txn: Transaction) -> str:
        """
        Write down what somebody wanted who is asked to sign in at that very origin (reverse mode).

        @return: empty if it is too long; then he is taken to the origin's first page.
        @raise NoKey: there is no key.
        """
        origin = Origin.of(txn.request)
        return self._wishes.wish(txn, origin, origin, "") if len(txn.request.url) <= MAX_URL else ""

    def onward(self, txn: Transaction, wish: str, session: Session) -> str | None:
        """
        Give the URL that takes a user on to where he wanted to go.

        @return: C{None}: this client was not sent with that wish.
        @raise NoKey: there is no key.
        """
        found = self._wishes.wanted(txn, wish)
        if found is None:
            return None
        origin, url, nonce = found
        if origin == str(Origin.of(txn.request)):
            return url
        granted = self._wishes.grant(origin, url, nonce, session)
        scheme, _, host = origin.partition("://")
        name, _, port = host.rpartition(":")
        back = Origin(scheme, name.strip("[]"), int(port))
        return f"{back.url}{RESERVED}?{granted}"

    # Back at the origin.

    def _arrived(self, txn: Transaction, identity: Identity | None) -> Response | None:
        """
        Take a browser that comes back with a grant.

        @param identity: who it is, if that was shown otherwise.
        @return: C{None}: it keeps no cookies, so it has to be asked otherwise.
        """
        request = txn.request
        origin = Origin.of(request)
        granted = self._wishes.granted(origin, request.query)
        if granted is None:
            self._counted.inc(result="bad_grant")
            return login_page.gone()
        if request.method not in ("GET", "HEAD"):
            return login_page.gone()
        id, url, nonce, session = granted
        if identity is not None:
            return redirect(url)
        state = self._wishes.state(txn, origin)
        if state is None:
            self._counted.inc(result="no_cookies")
            return None
        own_nonce, rounds = state
        response = redirect(url)
        # The same secret, for pages that were opened at the same time; but it is counted how often.
        self._wishes.set_state(txn, response, own_nonce, rounds + 1, LOOP_SECONDS)
        bound = self.sessions.bound(txn)
        if not same(nonce, own_nonce) or not same(session.bound, bound):
            # Somebody else's grant, or one of a page that was opened at the same time. It says where to, no more.
            self._counted.inc(result="other_browser")
            return response
        if not self._once.use(id, self.tokens.now(), GRANT_SECONDS + 1.0):
            self._counted.inc(result="replayed")
            return login_page.gone()
        if self._ended.is_over(session.user, session.since):
            return response
        self.sessions.set_cookie(response, origin, session)
        return response
