"""
Name and password, from wherever they came (Basic, a login page): whether they are good, by asking as few as can be.

What is remembered is answered at once; what is being asked already is waited for together; who guesses has to wait. Only
then the sources of users are asked, in their order. A wrong password takes as long as a name that nobody has, also where
the first source knows the name and the second would never have been asked.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence

from gateway.api import Identity, Overloaded, Services
from gateway_auth.flights import Flights
from gateway_auth.limiter import Limiter
from gateway_auth.remembered import Good, Remembered
from gateway_auth.verifier import Reason, Refused, Unavailable, Verified, Verifier

#: Longer names and passwords are nobody's.
MAX_LENGTH = 1024
#: Reasons whose names are in nobody's list; what stands there may be a password that was typed into the wrong box.
_NAMELESS: frozenset[Reason] = frozenset(("unknown_user", "bad_name", "empty", "too_often"))


class Passwords:
    """
    Checks names and passwords.

    @ivar verifiers: sources of users, in the order in which they are asked.
    """

    def __init__(
        self,
        verifiers: Sequence[Verifier],
        remembered: Remembered,
        limiter: Limiter,
        services: Services,
    ) -> None:
        self.verifiers = tuple(verifiers)
        self._remembered = remembered
        self._limiter = limiter
        self._services = services
        self._flights: Flights[Identity] = Flights()
        self._asked = services.metrics.counter(
            "password_checks", "Passwords that sources of users were asked about.", ("result",)
        )
        self._refused = services.metrics.counter(
            "passwords_refused", "Passwords that were refused, by reason.", ("reason",)
        )
        self._seconds = services.metrics.histogram(
            "password_seconds", "How long sources of users took for a password."
        )

    def known(self, value: bytes) -> Good | None:
        """Tell whose C{Basic} credentials these are, if they are remembered; C{value}: as in the field."""
        return self._remembered.good(self._remembered.key(value))

    async def check(
        self, user: str, password: str, address: str, source: str = "basic"
    ) -> Identity:
        """
        Check a name and a password.

        @param address: the client's, for the limiter.
        @param source: for the identity, unless it is remembered.
        @raise Refused: they are no good, or were not even looked at, as there were too many wrong ones.
        @raise Unavailable: nobody can say.
        """
        if not user or len(user) > MAX_LENGTH or len(password) > MAX_LENGTH:
            raise self.refusal("bad_name", user, address)
        if not password:
            # To a directory an empty password is no wrong one but an anonymous bind, which succeeds (RFC 4513 section 5.1.2).
            raise self.refusal("empty", user, address)
        key = self._remembered.key(basic_value(user, password))
        known = self._remembered.identity(key)
        if known is not None:
            return known
        reason = self._remembered.refused(key)
        if reason is not None:
            raise self.refusal(reason, user, address)
        # Counted as wrong until it is known, so that guesses at the same time are not free.
        if key not in self._flights and self._limiter.begin(user, address) > 0:
            raise self.refusal("too_often", user, address)
        return await self._flights.join(
            key, lambda: self._ask(key, user, password, address, source)
        )

    async def verify(self, user: str, password: str) -> Verified:
        """
        Ask the sources, past what is remembered and without counting guesses: for who does that himself.

        One that knows the user decides, and the others are asked about nobody, for the time it takes.

        @raise Refused: no source takes them.
        @raise Unavailable: one that would have to say can't.
        """
        refused: Refused | None = None
        for verifier in self.verifiers:
            try:
                if refused is not None and refused.reason != "unknown_user":
                    await verifier.verify(secrets.token_hex(8), secrets.token_hex(16))
                    continue
                return await verifier.verify(user, password)
            except Refused as error:
                if refused is None or refused.reason == "unknown_user":
                    refused = error
            except Overloaded as error:
                raise Unavailable(str(error)) from None
        if refused is None:
            raise Unavailable("there is no source of users")
        raise Refused(refused.reason)

    def evict(self, who: str) -> int:
        """Forget what is remembered of a user; tells how many passwords that were."""
        return self._remembered.forget(who)

    async def _ask(
        self, key: bytes, user: str, password: str, address: str, source: str
    ) -> Identity:
        clock = self._services.clock
        begun = clock.seconds()
        try:
            verified = await self.verify(user, password)
        except Refused as error:
            self._asked.inc(result="refused")
            self._limiter.failed_at(address)
            self._remembered.refuse(key, error.reason)
            raise self.refusal(error.reason, user, address) from None
        except Unavailable as error:
            self._asked.inc(result="unavailable")
            self._limiter.excused(user)
            self._services.log.warn("no password can be checked: {why}", why=error.detail)
            raise
        except BaseException:
            self._asked.inc(result="failed")
            raise
        finally:
            self._seconds.observe(clock.seconds() - begun)
        self._asked.inc(result="good")
        self._limiter.succeeded(user, address)
        identity = Identity(verified.user, verified.groups, source)
        self._remembered.keep(key, identity, password)
        return identity

    def changed(self, user: str) -> None:
        """Forget what a source of users has changed."""
        self._remembered.forget(user)
        self._remembered.forget_refused()

    def refusal(self, reason: Reason, user: str, address: str) -> Refused:
        """Note a refusal for the operators, and give it."""
        self._refused.inc(reason=reason)
        self._services.log.info(
            "{name} at {address} was refused: {reason}",
            name="somebody" if reason in _NAMELESS else user,
            address=address,
            reason=reason,
        )
        return Refused(reason)


def basic_value(user: str, password: str) -> bytes:
    """Write credentials as programs put them into the field, so that those of a login page are the same ones."""
    pair = f"{user}:{password}".encode("utf-8", "surrogatepass")
    return b"Basic " + base64.b64encode(pair)
