"""
Cookie mode and login page, as the plugin asks them: what is done with a request, in which order.

Made for one plugin object. Keys come from the settings, or are made here, kept in the plugin's store and renewed each week, so
that a restart signs nobody out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.api import (
    DECRYPTED_ONLY,
    Block,
    Identity,
    Key,
    ReadContent,
    Respond,
    Services,
    StoreFailed,
    Transaction,
)
from gateway_auth.cookie_mode import CookieMode
from gateway_auth.cookie_sessions import Endings
from gateway_auth.cookie_settings import CookieSettings
from gateway_auth.keys import KeyRing, read_keys, renewed
from gateway_auth.lasting import lasting
from gateway_auth.login import Login, Tries
from gateway_auth.redirects import is_reserved
from gateway_auth.tokens import Once, Tokens
from gateway_auth.verifier import Verified
from gateway_auth.wall import wall_time

#: How long a key of our own seals, and how often it is looked whether it is time for the next one, seconds.
KEY_SECONDS = 7 * 86400.0
LOOK_SECONDS = 3600.0

_STORED = "cookie keys"
_ASKED: Key[Respond] = Key("auth.login_form")


class Browsers:
    """
    What is done for browsers.

    @ivar mode: the cookies.
    @ivar login: the forms.
    """

    def __init__(
        self,
        services: Services,
        settings: CookieSettings,
        *,
        life_seconds: float,
        verify: Callable[[str, str], Awaitable[Verified]],
        limiter: Tries,
        ended: Endings,
        log_out: Callable[[str], Awaitable[object]],
        groups: Callable[[str], Awaitable[frozenset[str]]] | None = None,
        signed_in: Callable[[Transaction, Identity], None] | None = None,
        now: Callable[[], float] | None = None,
        keys_changed: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Take the parts; see L{CookieMode} and L{Login}.

        @param now: seconds since the epoch.
        @param keys_changed: called when cookies are sealed by other keys from now on.
        @raise gateway.api.settings.BadValue: the keys of the settings are none.
        """
        self._services = services
        self._settings = settings
        self._life = life_seconds
        self._now = wall_time(services.clock) if now is None else now
        ring: KeyRing | None = None
        if settings.keys is not None:
            ring = read_keys(settings.keys.reveal())
        self._tokens = Tokens(ring, self._now, keys_changed)
        self.mode = CookieMode(
            services,
            self._tokens,
            host=settings.host,
            life_seconds=life_seconds,
            ended=ended,
            once=lasting(services.clock, "grants", None, Once),
            to_address=settings.bind == "address",
            groups=groups,
        )
        self.login = Login(
            services,
            self.mode,
            verify,
            limiter,
            log_out,
            shows_form=settings.login == "form",
            signed_in=signed_in,
        )
        if ring is None:
            services.every(LOOK_SECONDS, self.renew_keys, name="cookie keys")

    async def start(self) -> None:
        """Have keys."""
        if self._tokens.keys is None:
            await self.renew_keys()

    async def renew_keys(self) -> None:
        """Read the keys that are kept, or make the next one if it is time; without a store they are kept in memory."""
        store = self._services.store
        try:
            kept = (await store.get(_STORED) or b"").decode()
        except (StoreFailed, UnicodeDecodeError) as error:
            if self._tokens.keys is not None:
                return
            self._services.log.error("the keys of cookies can't be read: {why}", why=error)
            kept = ""
        text = renewed(kept, self._now(), every_seconds=KEY_SECONDS, life_seconds=self._life)
        if text != kept:
            try:
                await store.set(_STORED, text.encode())
            except StoreFailed as error:
                self._services.log.error("the keys of cookies can't be kept: {why}", why=error)
                if self._tokens.keys is not None:
                    # They last for a while yet; new ones would not survive a restart.
                    return
        self._tokens.keys = read_keys(text)

    # What the plugin asks, in this order.

    def is_open(self, txn: Transaction) -> bool:
        """Tell whether a request is for a page where one signs in, so that a form and no challenge asks who it is."""
        return self.login.is_login(txn) and self.login.asks_by_form(txn)

    async def identify(self, txn: Transaction) -> Identity | None:
        """
        Give whom a cookie names.

        @raise gateway_auth.verifier.Unavailable: his groups are known to nobody.
        """
        return await self.mode.sessions.identify(txn)

    def seed(self, txn: Transaction) -> bool:
        """
        Deal with a request whose sender has to be known and is not.

        @return: C{False}: he has to be challenged. Else L{answer} has what he gets; or it is a CONNECT, within which he
            will be asked.
        """
        if self.is_open(txn):
            return True
        if not txn.request.scheme:
            if self.mode.is_own(txn):
                return True
            if txn.request.host in self._settings.tunnels and self.mode.lets_through(txn):
                # Whoever would only have to look like a browser else gets a tunnel for whatever he likes.
                txn.store[DECRYPTED_ONLY] = True
                return True
            return False
        if txn.client.mode != "reverse":
            return self.mode.seed(txn) is not None
        if self.login.asks_by_form(txn):
            txn.store[_ASKED] = self.login.ask(txn)
            return True
        return False

    def answer(self, txn: Transaction) -> Block | Respond | ReadContent | None:
        """
        Give what a request is answered with in the origin's place, for C{request_headers}; all other requests lose our
        cookies here, and have to come by here for that.
        """
        request = txn.request
        if not request.scheme:
            if self.mode.is_own(txn):
                return Block("This name is reached by http only.", "auth", 403)
            return None
        if self.login.is_login(txn):
            return self.login.answer(txn)
        said = txn.store.get(_ASKED) or self.mode.answer(txn)
        if said is None:
            self.mode.strip(txn)
        return said

    def strip(self, txn: Transaction) -> None:
        """Take our cookies out of a request that is not for ourselves, once they have told who it is: a plugin may end the phase before L{answer}."""
        if not self.login.is_login(txn) and not is_reserved(txn.request.path):
            self.mode.strip(txn)

    def judge(self, txn: Transaction) -> None:
        """Keep an origin from setting our cookies, for C{response_headers}."""
        self.mode.strip_set(txn)
