"""
Standard cookie mode (U4): who is asking is said by a cookie of each origin, so it is known per browser and not per address.

A browser that has none is taken, by redirects that a person does not notice, to the gateway's own name and back::

    GET http://origin/page                   302 -> http://auth.gateway.local/.gateway-auth/go?WISH, and a "state" cookie
    GET http://auth.gateway.local/...go      there: a session cookie, or a login; then 302 -> http://origin/.gateway-auth?GRANT
    GET http://origin/.gateway-auth?GRANT    302 -> http://origin/page, with the origin's cookie

Neither WISH nor GRANT can be made elsewhere (L{gateway_auth.tokens}). A wish is taken from the client that it was made for
only; a grant is good for a minute, once, at its origin, and in the browser that has the state cookie which the wish was made
with. The URL is inside of both, so nobody else says where a browser is sent. What is not a person's navigation is not redirected
but asked by C{Proxy-Authorization}, and so is a browser that keeps coming back without a cookie.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final, Protocol

from gateway.api import Fields, Identity, Key, Request, Respond, Response, Services, Transaction
from gateway_auth import cookies, login_page
from gateway_auth.cookies import Origin
from gateway_auth.keys import KeyRing
from gateway_auth.sessions import Session, binding, client_hash, fresh_id, read, same, written
from gateway_auth.tokens import MAX_URL, BadToken, NoKey, Once, Tokens
from gateway_auth.verifier import Unavailable

#: What the gateway keeps for itself of every origin's paths: this and everything below it.
RESERVED: Final = "/.gateway-auth"

GO: Final = f"{RESERVED}/go"

#: How long a person may take to sign in, and a browser to come back, seconds.
WISH_SECONDS: Final = 900.0
GRANT_SECONDS: Final = 60.0

#: So often within L{LOOP_SECONDS} a browser is given a cookie, before it is believed that it does not keep them.
MAX_ROUNDS: Final = 3
LOOP_SECONDS: Final = 60.0

#: Cookies whose signature was checked before.
MAX_KNOWN: Final = 4096

#: Groups that are older are asked for anew, if there is whom to ask.
GROUPS_SECONDS: Final = 7200.0

_ANSWER: Key[Respond] = Key("auth.cookie_answer")


class Endings(Protocol):
    """Who knows what was ended before its time: L{gateway_auth.logouts.Logouts}."""

    def is_over(self, user: str, since: float) -> bool:
        """Tell whether what a user has shown then no longer counts."""


class CookieMode:
    """
    Cookies of origins, for one plugin object.

    @ivar host: the gateway's own name.
    @ivar life_seconds: how long a user is known after having shown who he is.
    @ivar own: the origin of C{host}.
    @ivar repeated: how many cookies were taken without a look since L{tell}, as nothing has changed; for who takes them so.
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
        Take the parts.

        @param once: which grants were used; one that outlives a reload, if there is one.
        @param to_address: cookies are bound to the client's address, too.
        @param groups: asks for the groups of a user anew; may raise L{Unavailable}, and is expected to remember.
        """
        self.host = host
        self.life_seconds = life_seconds
        self.own = Origin("http", host, 80)
        self.tokens = tokens
        self._services = services
        self._ended = ended
        self._once = Once() if once is None else once
        self._to_address = to_address
        self._groups = groups
        # What was opened by L{_keys}, by where and what it was, and until when it is good. Dropped as a whole when full: all
        # of it is only a minute's work.
        self._known: dict[tuple[str, str], tuple[Session, float]] = {}
        self._keys: KeyRing | None = None
        self.repeated = 0
        self._counted = services.metrics.counter(
            "cookies",
            "Cookies of cookie mode and what became of them.",
            ("result",),
        )

    # Who is asking.

    async def identify(self, txn: Transaction) -> Identity | None:
        """
        Give whom a request's cookie names; nobody's for CONNECT, which has none.

        @raise Unavailable: the user's groups can be had neither from his cookie nor from anybody.
        """
        session = self.session(txn)
        return None if session is None else await self.identity(session)

    def session(self, txn: Transaction) -> Session | None:
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

    def tell(self) -> None:
        """Bring the metric to what was counted apart, too often for a metric with labels."""
        count, self.repeated = self.repeated, 0
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

    def bound(self, txn: Transaction) -> str:
        """Hash what this client's cookies are bound to."""
        return binding(txn, to_address=self._to_address)

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
            elif is_navigation(request) and not _is_reserved(request.path):
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
        if not _is_reserved(path):
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
        return not request.scheme and not self.is_own(txn) and _is_browser(request)

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
        nonce, rounds = self._state(txn, origin) or (fresh_id(), 0)
        if rounds >= MAX_ROUNDS:
            self._counted.inc(result="loop")
            return None
        wish = self._wishing(txn, origin, self.own, nonce)
        response = redirect(f"{self.own.url}{GO}?{wish}")
        self._set_state(txn, response, nonce, rounds, WISH_SECONDS)
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
        return self._wishing(txn, origin, origin, "") if len(txn.request.url) <= MAX_URL else ""

    def onward(self, txn: Transaction, wish: str, session: Session) -> str | None:
        """
        Give the URL that takes a user on to where he wanted to go.

        @return: C{None}: this client was not sent with that wish.
        @raise NoKey: there is no key.
        """
        found = self._wish(txn, wish)
        if found is None:
            return None
        origin, url, nonce = found
        if origin == str(Origin.of(txn.request)):
            return url
        granted = self.tokens.seal(
            "grant",
            origin,
            written(fresh_id(), url, nonce, session.packed()),
            GRANT_SECONDS,
        )
        scheme, _, host = origin.partition("://")
        name, _, port = host.rpartition(":")
        back = Origin(scheme, name.strip("[]"), int(port))
        return f"{back.url}{RESERVED}?{granted}"

    def set_session(self, response: Response, origin: Origin, session: Session) -> None:
        """
        Set the cookie that names a user, for what is left of his session.

        @raise NoKey: there is no key.
        """
        left = session.since + self.life_seconds - self.tokens.now()
        text = self.tokens.seal("cookie", str(origin), written(*session.packed()), left)
        cookies.set_cookie(response.fields, origin, "", text, left)
        self._counted.inc(result="made")

    def _wishing(self, txn: Transaction, origin: Origin, place: Origin, nonce: str) -> str:
        request = txn.request
        target = request.raw_target.decode("latin-1")
        if not target.startswith("/"):
            target = "/"
        # Where he signs in at the origin itself, the browser knows better than we by which scheme it came. Two slashes
        # would begin with another host.
        url = f"/.{target}" if origin == place else f"{origin.url}{target}"
        content = written(str(origin), url, nonce, client_hash(txn))
        return self.tokens.seal("wish", str(place), content, WISH_SECONDS)

    def _wish(self, txn: Transaction, wish: str) -> tuple[str, str, str] | None:
        place = str(Origin.of(txn.request))
        try:
            origin, url, nonce, client = read(self.tokens.open("wish", place, wish))
        except (BadToken, ValueError):
            return None
        if not same(str(client), client_hash(txn)):
            return None
        return str(origin), str(url), str(nonce)

    # Back at the origin.

    def _arrived(self, txn: Transaction, identity: Identity | None) -> Response | None:
        """
        Take a browser that comes back with a grant.

        @param identity: who it is, if that was shown otherwise.
        @return: C{None}: it keeps no cookies, so it has to be asked otherwise.
        """
        request = txn.request
        origin = Origin.of(request)
        try:
            id, url, nonce, packed = read(self.tokens.open("grant", str(origin), request.query))
            session = Session.unpacked(packed)
        except (BadToken, ValueError):
            self._counted.inc(result="bad_grant")
            return login_page.gone()
        if request.method not in ("GET", "HEAD"):
            return login_page.gone()
        if identity is not None:
            return redirect(str(url))
        state = self._state(txn, origin)
        if state is None:
            self._counted.inc(result="no_cookies")
            return None
        own_nonce, rounds = state
        response = redirect(str(url))
        # The same secret, for pages that were opened at the same time; but it is counted how often.
        self._set_state(txn, response, own_nonce, rounds + 1, LOOP_SECONDS)
        bound = self.bound(txn)
        if not same(str(nonce), own_nonce) or not same(session.bound, bound):
            # Somebody else's grant, or one of a page that was opened at the same time. It says where to, no more.
            self._counted.inc(result="other_browser")
            return response
        if not self._once.use(str(id), self.tokens.now(), GRANT_SECONDS + 1.0):
            self._counted.inc(result="replayed")
            return login_page.gone()
        if self._ended.is_over(session.user, session.since):
            return response
        self.set_session(response, origin, session)
        return response

    def _state(self, txn: Transaction, origin: Origin) -> tuple[str, int] | None:
        """Give the secret that an origin's pages share with this browser, and how often it came back lately."""
        best: tuple[str, int] | None = None
        for text in cookies.copies(txn.request.fields, origin.cookie("state")):
            try:
                nonce, rounds, client = read(self.tokens.open("state", str(origin), text))
            except (BadToken, ValueError):
                continue
            # What somebody has set here from below the same domain was made for another client.
            if not isinstance(rounds, int) or not same(str(client), client_hash(txn)):
                continue
            if best is None or rounds > best[1]:
                best = str(nonce), rounds
        return best

    def _set_state(
        self, txn: Transaction, response: Response, nonce: str, rounds: int, seconds: float
    ) -> None:
        origin = Origin.of(txn.request)
        content = written(nonce, rounds, client_hash(txn))
        text = self.tokens.seal("state", str(origin), content, seconds)
        cookies.set_cookie(response.fields, origin, "state", text, seconds)


def redirect(url: str, status: int = 302) -> Response:
    """Send a browser elsewhere; nothing of where it comes from goes with it."""
    fields = Fields.of(
        [
            ("Location", _in_a_field(url)),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
        ]
    )
    return Response(status, fields)


def is_navigation(request: Request) -> bool:
    """Tell whether a person goes to a page: what is redirected then is not noticed by any program."""
    if request.raw_method not in (b"GET", b"HEAD") or not _is_browser(request):
        return False
    fields = request.fields
    if "text/html" not in (fields.combined("accept") or "").lower():
        return False
    # Sent to https and loopback only; who does not send them is taken for what he looks like.
    if (fields.get("sec-fetch-mode") or "navigate") != "navigate":
        return False
    if (fields.get("sec-fetch-dest") or "document") != "document":
        return False
    early = fields.get("sec-purpose") or fields.get("purpose") or ""
    return "prefetch" not in early and "x-requested-with" not in fields


def _is_browser(request: Request) -> bool:
    return (request.fields.get("user-agent") or "").startswith("Mozilla/")


def _is_reserved(path: str) -> bool:
    return path == RESERVED or path.startswith(f"{RESERVED}/")


def _in_a_field(url: str) -> str:
    """Write a URL so that no browser reads another one: bytes beyond ASCII, and the backslash that some take for a slash."""
    return "".join(
        c if "!" <= c <= "~" and c != "\\" else "".join(f"%{b:02X}" for b in c.encode("latin-1"))
        for c in url
    )
