"""
Signing in and out by a form: at the gateway's own name for users of the forward proxy, at the site itself in reverse mode.

A form is taken only with a proof that this page was shown to this browser: a sealed text in it and the same secret in a
cookie, which another site can neither read nor set (login CSRF). Where somebody wanted to go is in a sealed text, too, so
nobody else says where he goes then; none of it is in a URL. Every wrong password is answered with the same page; who is told
to wait is told so for users that do not exist as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl

from gateway.api import Identity, ReadContent, Respond, Response, Services, Transaction
from gateway_auth import cookies, login_page
from gateway_auth.cookie_mode import CookieMode
from gateway_auth.cookies import Origin
from gateway_auth.redirects import GO, RESERVED, is_navigation, redirect
from gateway_auth.sessions import Session, client_hash, fresh_id, same
from gateway_auth.tokens import BadToken, NoKey
from gateway_auth.verifier import Refused, Unavailable, Verified

LOGIN: Final = f"{RESERVED}/login"
LOGOUT: Final = f"{RESERVED}/logout"

#: Bytes of a form; a wish within may hold a long URL.
MAX_FORM: Final = 32 * 1024
MAX_USER: Final = 256
MAX_PASSWORD: Final = 1024

#: How long a form may be open, seconds.
FORM_SECONDS: Final = 3600.0

#: Users who sign in at the same moment.
MAX_TRYING: Final = 1000

#: Schemes by which somebody has shown who he is just now; whom an address or a guest's rule stands for has not.
_SHOWN: Final = frozenset(("basic", "digest", "negotiate", "ntlm"))


class Tries(Protocol):
    """Who keeps passwords from being guessed: L{gateway_auth.limiter.Limiter}."""

    def wait(self, user: str, address: str) -> float:
        """Tell how many seconds are left until another password may be tried."""

    def failed(self, user: str, address: str) -> None:
        """Count a wrong password."""

    def succeeded(self, user: str, address: str) -> None:
        """Forget a user's wrong passwords."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What was sent."""

    user: str = ""
    password: str = ""
    wish: str = ""
    proof: str = ""

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "<form>"


class Login:
    """Answers the requests of people who sign in and out."""

    def __init__(
        self,
        services: Services,
        mode: CookieMode,
        verify: Callable[[str, str], Awaitable[Verified]],
        limiter: Tries,
        log_out: Callable[[str], Awaitable[object]],
        *,
        shows_form: bool = True,
        signed_in: Callable[[Transaction, Identity], None] | None = None,
    ) -> None:
        """
        Take the parts.

        @param verify: checks a name and a password; raises L{Refused} or L{Unavailable}.
        @param log_out: lets nothing count any more that a user has shown so far.
        @param shows_form: at the gateway's own name; otherwise users are asked there by C{Proxy-Authorization}.
        @param signed_in: told of everybody who has signed in by the form.
        """
        self._services = services
        self._mode = mode
        self._verify = verify
        self._limiter = limiter
        self._log_out = log_out
        self._shows_form = shows_form
        self._signed_in = signed_in
        self._trying: set[str] = set()
        self._counted = services.metrics.counter(
            "logins", "Forms for signing in, by what became of them.", ("result",)
        )

    def is_login(self, txn: Transaction) -> bool:
        """Tell whether L{answer} has the last word on a request: it needs no identity, and is never sent on."""
        request = txn.request
        if not request.scheme:
            return False
        if txn.client.mode == "reverse":
            return request.path in (LOGIN, LOGOUT)
        return self._mode.is_own(txn)

    def asks_by_form(self, txn: Transaction) -> bool:
        """Tell whether a request without an identity is for L{answer} or L{ask}, and not for a challenge."""
        if self.is_login(txn):
            return self._shows_form or txn.client.mode == "reverse"
        return txn.client.mode == "reverse" and is_navigation(txn.request)

    def ask(self, txn: Transaction) -> Respond:
        """Show the form in the place of a page of a site (reverse mode)."""
        try:
            return Respond(self._form(txn, wish=self._mode.wish(txn), status=403))
        except NoKey:
            return Respond(self._no_key())

    def answer(self, txn: Transaction) -> Respond | ReadContent:
        """Answer a request that L{is_login} says is one."""
        request = txn.request
        method, path = request.method, request.path
        try:
            if method == "POST" and path in (LOGIN, LOGOUT):
                if not _is_same_origin(txn):
                    return Respond(self._form(txn, fault=login_page.STALE, status=403))
                return ReadContent(
                    MAX_FORM, lambda content: self._posted(txn, path, _read_form(content))
                )
            if method not in ("GET", "HEAD"):
                return Respond(_not_allowed())
            if path == GO and txn.client.mode != "reverse":
                return Respond(self._go(txn))
            if path in ("/", LOGIN, LOGOUT):
                return Respond(self._status(txn))
        except NoKey:
            return Respond(self._no_key())
        return Respond(login_page.gone())

    # Pages.

    def _go(self, txn: Transaction) -> Response:
        """Send back at once who is signed in, and ask who is not."""
        wish = txn.request.query
        session = self._mode.sessions.of(txn)
        made = None
        if session is None:
            identity = txn.identity
            if identity is None or identity.source not in _SHOWN:
                return self._form(txn, wish=wish)
            made = session = self._begun(txn, identity)
        url = self._mode.onward(txn, wish, session)
        if url is None:
            return login_page.gone()
        response = redirect(url)
        if made is not None:
            self._mode.sessions.set_cookie(response, Origin.of(txn.request), made)
        return response

    def _status(self, txn: Transaction) -> Response:
        session = self._mode.sessions.of(txn)
        identity = txn.identity
        if session is not None:
            user = session.user
        elif identity is not None and identity.source in _SHOWN:
            user = identity.user
        else:
            return self._form(txn)
        nonce = self._nonce(txn) or fresh_id()
        response = login_page.signed_in(user, LOGOUT, self._proof(txn, nonce))
        self._set_nonce(txn, response, nonce)
        return response

    def _form(
        self,
        txn: Transaction,
        *,
        wish: str = "",
        user: str = "",
        fault: str = "",
        status: int = 200,
        retry_after: int = 0,
    ) -> Response:
        nonce = self._nonce(txn) or fresh_id()
        response = login_page.form(
            LOGIN,
            proof=self._proof(txn, nonce),
            wish=wish,
            user=user,
            fault=fault,
            host=txn.request.host if txn.client.mode == "reverse" else "",
            status=status,
            retry_after=retry_after,
        )
        self._set_nonce(txn, response, nonce)
        return response

    def _no_key(self) -> Response:
        self._services.log.error("all keys of cookies have ended: nobody can sign in")
        return login_page.unavailable()

    # Forms.

    async def _posted(self, txn: Transaction, path: str, form: _Form) -> Respond:
        try:
            if not self._is_proven(txn, form.proof):
                self._counted.inc(result="not_proven")
                return Respond(
                    self._form(
                        txn, wish=form.wish, user=form.user, fault=login_page.STALE, status=403
                    )
                )
            if path == LOGOUT:
                return Respond(await self._ended(txn))
            return Respond(await self._tried(txn, form))
        except NoKey:
            return Respond(self._no_key())

    async def _tried(self, txn: Transaction, form: _Form) -> Response:
        user, address = form.user, txn.client.address
        if not user.strip() or not form.password or len(form.password) > MAX_PASSWORD:
            return self._refused(txn, form)
        wait = self._limiter.wait(user, address)
        trying = user.strip().casefold()
        if wait > 0 or trying in self._trying or len(self._trying) >= MAX_TRYING:
            # One at a time: else a hundred could be tried before the first was counted.
            return self._too_often(txn, form, wait)
        self._trying.add(trying)
        try:
            verified = await self._verify(user, form.password)
        except Refused as refused:
            if refused.reason == "too_often":
                return self._too_often(txn, form, 1.0)
            self._limiter.failed(user, address)
            # What is typed into the wrong field is often the password: a name that nobody has stays out of the log.
            known = refused.reason not in ("unknown_user", "bad_name", "empty")
            self._services.log.info(
                "the form of {user} from {address} was refused: {reason}",
                user=user if known else "somebody",
                address=address,
                reason=refused.reason,
            )
            return self._refused(txn, form)
        except Unavailable as fault:
            self._counted.inc(result="unavailable")
            self._services.log.warn("nobody can check a password: {why}", why=fault.detail)
            return self._form(
                txn, wish=form.wish, user=user, fault=login_page.UNAVAILABLE, status=503
            )
        finally:
            self._trying.discard(trying)
        self._limiter.succeeded(user, address)
        identity = Identity(verified.user, verified.groups, "form")
        session = self._begun(txn, identity)
        url = self._mode.onward(txn, form.wish, session) if form.wish else None
        # A wish that is no good is dropped: he is signed in, and stays here.
        response = login_page.onward(url or ("/" if txn.client.mode == "reverse" else LOGIN))
        self._mode.sessions.set_cookie(response, Origin.of(txn.request), session)
        self._counted.inc(result="signed_in")
        if self._signed_in is not None:
            self._signed_in(txn, identity)
        return response

    def _refused(self, txn: Transaction, form: _Form) -> Response:
        self._counted.inc(result="refused")
        return self._form(txn, wish=form.wish, user=form.user, fault=login_page.REFUSED, status=403)

    def _too_often(self, txn: Transaction, form: _Form, wait: float) -> Response:
        self._counted.inc(result="too_often")
        return self._form(
            txn,
            wish=form.wish,
            user=form.user,
            fault=login_page.TOO_OFTEN,
            status=429,
            retry_after=max(1, int(wait + 0.999)),
        )

    async def _ended(self, txn: Transaction) -> Response:
        session = self._mode.sessions.of(txn)
        if session is not None:
            await self._log_out(session.user)
        response = login_page.signed_out()
        cookies.set_cookie(response.fields, Origin.of(txn.request), "", "", 0)
        self._counted.inc(result="signed_out")
        return response

    def _begun(self, txn: Transaction, identity: Identity) -> Session:
        return Session.begin(identity, self._mode.tokens.now(), self._mode.sessions.bound(txn))

    # That it is our form.

    def _proof(self, txn: Transaction, nonce: str) -> str:
        place = str(Origin.of(txn.request))
        content = f"{nonce} {client_hash(txn)}".encode()
        return self._mode.tokens.seal("form", place, content, FORM_SECONDS)

    def _set_nonce(self, txn: Transaction, response: Response, nonce: str) -> None:
        origin = Origin.of(txn.request)
        text = self._mode.tokens.seal("form cookie", str(origin), nonce.encode(), FORM_SECONDS)
        cookies.set_cookie(response.fields, origin, "form", text, FORM_SECONDS, same_site="Strict")

    def _nonce(self, txn: Transaction) -> str | None:
        """Give the secret of the forms that this browser has open already, so that none of them goes stale by another."""
        found = self._nonces(txn)
        return found[0] if len(found) == 1 else None

    def _nonces(self, txn: Transaction) -> list[str]:
        origin = Origin.of(txn.request)
        found = []
        for text in cookies.copies(txn.request.fields, origin.cookie("form")):
            try:
                found.append(self._mode.tokens.open("form cookie", str(origin), text).decode())
            except BadToken:
                continue
        return found

    def _is_proven(self, txn: Transaction, proof: str) -> bool:
        try:
            place = str(Origin.of(txn.request))
            nonce, _, client = self._mode.tokens.open("form", place, proof).decode().partition(" ")
        except BadToken:
            return False
        if not same(client, client_hash(txn)):
            return False
        # Two secrets mean that somebody has slipped one in.
        found = self._nonces(txn)
        return len(found) == 1 and same(nonce, found[0])


def _read_form(content: bytes) -> _Form:
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=10,
        )
    except ValueError:
        return _Form()
    known = dict(pairs)
    # Sent twice is sent by no browser.
    if len(known) != len(pairs):
        return _Form()
    return _Form(
        known.get("user", "")[:MAX_USER],
        known.get("password", ""),
        known.get("wish", ""),
        known.get("proof", ""),
    )


def _is_same_origin(txn: Transaction) -> bool:
    """Tell whether nothing speaks against a form's coming from a page of ours; the proof has the last word."""
    fields = txn.request.fields
    if (fields.get("sec-fetch-site") or "same-origin") != "same-origin":
        return False
    origin = fields.get("origin")
    if origin is None:
        return True
    # Whoever ends TLS in front of us has another scheme; the host is the same.
    host = origin.partition("://")[2]
    return host == Origin.of(txn.request).url.partition("://")[2]


def _not_allowed() -> Response:
    response = login_page.gone()
    response.status = 405
    response.fields.set("Allow", "GET, HEAD, POST")
    return response
