"""
Users of an LDAP directory or Active Directory: their passwords and their groups.

Puts the parts together: names (C{names}), what is asked (C{directory_work}), of which server (C{directory_servers}), what is
known already (C{lookups}). Nothing here blocks, and no password is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Services
from gateway_auth.directory_servers import MOST_WAITING, Resolves, Servers, resolved
from gateway_auth.directory_together import Outcome, Together
from gateway_auth.directory_work import DirectoryWork
from gateway_auth.flights import Flights
from gateway_auth.gathering import Gathering
from gateway_auth.group_members import MEMBERS_SECONDS, GroupMembers
from gateway_auth.groups import Above
from gateway_auth.lasting import lasting
from gateway_auth.ldap_connect import connects, tls_context
from gateway_auth.ldap_settings import LdapSettings
from gateway_auth.ldap_wire import Connects
from gateway_auth.lookups import Lookups
from gateway_auth.names import Login, read_login
from gateway_auth.verifier import Refused, Unavailable, Verified

#: Users whose groups are known.
MOST_USERS = 20_000
#: So many logins go on at once, each of them alone or with others, and so many together.
AT_ONCE, TOGETHER = 3, 20
#: A longer password is none.
MAX_PASSWORD = 1024
#: How long logins take, seconds.
_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)


class Directory:
    """A directory as a source of users."""

    def __init__(
        self,
        settings: LdapSettings,
        services: Services,
        *,
        connect: Connects | None = None,
        resolve: Resolves = resolved,
    ) -> None:
        """
        Make it; nothing is asked yet.

        @param connect: connects to servers; by TCP and TLS unless said otherwise.
        @param resolve: looks their names up.
        @raise OSError: C{ca} can't be read.
        """
        self._settings = settings
        self._services = services
        self._users: Lookups
        self._names: Lookups
        # A reload shall not make everybody's groups be read again.
        self._users, self._names = lasting(
            services.clock, "directory", settings, lambda: (self._lookups(), self._lookups())
        )
        self._above = Above(services.clock.seconds)
        self._members = lasting(
            services.clock,
            "directory members",
            settings,
            lambda: GroupMembers(services.clock.seconds),
        )
        self._work = DirectoryWork(settings, self._users, self._above, self._members)
        if connect is None:
            connect = connects(
                services.clock, tls_context(settings.ca), plaintext=lambda uri: settings.plaintext
            )
        self._servers = Servers(settings, services, connect, self._work.probe, resolve)
        self._together = Together(self._work, services.clock.seconds)
        self._gathering: Gathering[tuple[Login, str], Verified] = Gathering(
            services.clock,
            settings.timeout,
            self._authenticated,
            self._authenticated_together,
            lambda: Unavailable("too many logins wait for the directory"),
            at_once=AT_ONCE,
            together=TOGETHER,
            most=MOST_WAITING,
        )
        self._flights: Flights[Verified] = Flights()
        metrics = services.metrics
        self._asked = metrics.counter(
            "directory_requests_total",
            "What the directory was asked, by the outcome.",
            ("what", "outcome"),
        )
        self._seconds = metrics.histogram(
            "directory_seconds", "How long the directory took.", _BOUNDS, ("what",)
        )

    @property
    def is_down(self) -> bool:
        """Tell whether no server is left to ask."""
        return self._servers.is_down

    def start(self) -> None:
        """Begin to find out what is the same for all users; nobody waits for it."""
        self._services.every(
            MEMBERS_SECONDS, self.find_members, name="directory_members", at_once=True
        )

    def stop(self) -> None:
        """Close connections."""
        self._servers.close()

    async def verify(self, user: str, password: str) -> Verified:
        """
        Check a password.

        What is refused is refused no sooner than C{refusal_delay}, whatever the reason. Equal questions at the same time are asked as
        often as they come: who asks knows better which are equal.

        @raise Refused: it is no good.
        @raise Unavailable: nobody can say.
        """
        begun = self._services.clock.seconds()
        try:
            login = read_login(user)
            _check_password(password)
            return await self._measured("verify", self._gathering.ask((login, password)))
        except Refused:
            await self._until(begun + self._settings.refusal_delay)
            raise

    async def look_up(self, user: str) -> Verified:
        """
        Give the user of a name that was verified by other means, such as a Kerberos ticket.

        @param user: C{name}, C{name@REALM} or C{DOMAIN\\name}.
        @raise Refused: the directory knows no such user, or has the account disabled.
        @raise Unavailable: nobody can say.
        """
        login = read_login(user)
        known = self._names.get(login.text)
        if known is not None:
            return known
        return await self._flights.join(("look up", login.text), lambda: self._looked_up(login))

    async def groups(self, user: str) -> frozenset[str]:
        """Give the groups of a user who was verified by other means; as L{look_up}."""
        return (await self.look_up(user)).groups

    async def canonical(self, user: str) -> str:
        """Give the name of a user who was verified by other means; as L{look_up}."""
        return (await self.look_up(user)).user

    async def find_members(self) -> None:
        """Find out how groups name their members, so that they are not asked for by all there is."""
        if not self.is_down:
            turn = self._members.turn
            with contextlib.suppress(Unavailable):
                found = await self._servers.ask(self._work.find_members)
                if found is not None:
                    self._members.put(found, turn)

    def forget(self, user: str) -> None:
        """Forget the groups of a user, by the canonical name, and what is known of groups within groups."""
        self._above.clear()
        self._members.clear()
        self._users.forget(user)
        self._names.forget(user)

    async def _authenticated(self, said: tuple[Login, str], seconds: float) -> Verified:
        return await self._servers.ask(lambda link: self._work.authenticate(link, *said), seconds)

    async def _authenticated_together(
        self, said: Sequence[tuple[Login, str]], seconds: float
    ) -> Sequence[Outcome]:
        return await self._servers.ask(
            lambda link: self._together.authenticate(link, said), seconds
        )

    async def _looked_up(self, login: Login) -> Verified:
        found = await self._measured(
            "look_up", self._servers.ask(lambda link: self._work.look_up(link, login))
        )
        self._names.put(login.text, found)
        return found

    async def _measured(self, what: str, asked: Awaitable[Verified]) -> Verified:
        begun = self._services.clock.seconds()
        outcome = "error"
        try:
            found = await asked
            outcome = "good"
        except Refused as refused:
            outcome = refused.reason
            raise
        except Unavailable:
            outcome = "unavailable"
            raise
        finally:
            self._asked.inc(what=what, outcome=outcome)
            self._seconds.observe(self._services.clock.seconds() - begun, what=what)
        return found

    async def _until(self, moment: float) -> None:
        wait = moment - self._services.clock.seconds()
        if wait > 0:
            await _later(self._services.clock.callLater, wait)

    def _lookups(self) -> Lookups:
        return Lookups(self._services.clock, self._settings.group_cache, MOST_USERS)


def _check_password(password: str) -> None:
    """
    Refuse what must not be sent.

    @raise Refused: it is empty, which servers take for an anonymous bind and answer with success (RFC 4513 section
        5.1.2), or has what no password has.
    """
    if not password:
        raise Refused("empty")
    if "\0" in password:
        # Some servers end it there, and then it may be empty after all.
        raise Refused("wrong_password")
    if len(password) > MAX_PASSWORD:
        raise Refused("wrong_password")
    try:
        password.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("wrong_password") from None


def _later(call_later: Callable[..., object], seconds: float) -> Deferred[None]:
    """Wait; cancelling it takes the call back."""
    waiting: Deferred[None] = Deferred(lambda _: call.cancel())
    call: Any = call_later(seconds, waiting.callback, None)
    return waiting
