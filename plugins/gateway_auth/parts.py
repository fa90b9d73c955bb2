"""
The parts of the plugin, as the settings want them: made, started and stopped here, and joined where one needs another.

What shall outlive a reload is kept by L{gateway_auth.lasting} for as long as the settings that it depends on are the same.
"""

from __future__ import annotations

from gateway.api import Identity, Services, Transaction
from gateway_auth.addresses import AddressCache
from gateway_auth.browsers import Browsers
from gateway_auth.connections import Connections
from gateway_auth.digest import Digest, Nonces
from gateway_auth.directory import Directory
from gateway_auth.lasting import lasting
from gateway_auth.limiter import Limiter
from gateway_auth.logouts import Logouts
from gateway_auth.negotiate import Negotiate
from gateway_auth.ntlm import Ntlm
from gateway_auth.passwords import Passwords
from gateway_auth.remembered import Remembered
from gateway_auth.repeats import Epoch
from gateway_auth.settings import AuthSettings
from gateway_auth.sites import Sites
from gateway_auth.user_orders import UserOrders
from gateway_auth.users import LocalUsers
from gateway_auth.verifier import Verifier
from gateway_auth.wall import wall_time


class Parts:
    """
    All parts.

    @ivar epoch: ends with whatever a user may have lost.
    @ivar local: local users, C{None} without a file of them.
    @ivar directory: C{None} without one.
    @ivar digest: C{None} without local users who have a hash for it.
    @ivar negotiate: C{None} without a keytab.
    @ivar ntlm: C{None} unless it is switched on.
    @ivar binds: a connection may have an identity of its own.
    @ivar browsers: cookie mode and login page, C{None} unless it is switched on.
    """

    def __init__(self, settings: AuthSettings, services: Services) -> None:
        clock = services.clock
        limits = settings.limiter
        self.limiter = lasting(
            clock,
            "limiter",
            limits,
            lambda: Limiter(
                clock,
                tries=limits.tries,
                address_tries=limits.address_tries,
                wait_seconds=limits.wait,
                longest_seconds=limits.longest_wait,
                forget_seconds=limits.forget,
            ),
        )
        self.epoch = lasting(clock, "epoch", None, Epoch)
        self.remembered = lasting(
            clock,
            "remembered",
            (
                settings.users,
                settings.groups,
                settings.ldap,
                settings.remember,
                settings.remember_refused,
                settings.remembered,
            ),
            lambda: Remembered(
                clock,
                seconds=settings.remember,
                refused_seconds=settings.remember_refused,
                most=settings.remembered,
            ),
        )
        self.directory = None if settings.ldap is None else Directory(settings.ldap, services)
        self.local = (
            None
            if settings.users is None
            else LocalUsers(settings.users, settings.groups, services, self._changed)
        )
        verifiers: list[Verifier] = [
            source for source in (self.local, self.directory) if source is not None
        ]
        self.passwords = Passwords(verifiers, self.remembered, self.limiter, services)
        self.digest = None
        if self.local is not None and self.local.file.digests:
            nonces = lasting(clock, "nonces", None, lambda: Nonces(clock))
            self.digest = Digest(settings.realm, nonces, self.local.digest)
        self.connections = Connections(settings.connections, clock)
        look_up = None if self.directory is None else self.directory.look_up
        self.ntlm = (
            Ntlm(settings.ntlm, services, self.connections, look_up)
            if settings.ntlm.enabled
            else None
        )
        self.negotiate = (
            Negotiate(settings.negotiate, services, self.connections, look_up, self.ntlm)
            if settings.negotiate.keytab
            else None
        )
        self.binds = self.negotiate is not None or self.ntlm is not None
        self.addresses = AddressCache(settings, services)
        self.sites = Sites(settings.sites)
        now = wall_time(clock)
        self.logouts = Logouts(services, now)
        self.orders = UserOrders(self.addresses, self.logouts, clock, (self.connections, self))
        self.browsers = None
        if settings.cookie > 0:
            self.browsers = Browsers(
                services,
                settings.cookies,
                life_seconds=settings.cookie,
                verify=self.passwords.verify,
                limiter=self.limiter,
                ended=self.logouts,
                log_out=self.orders.log_out,
                groups=self.groups,
                signed_in=self._signed_in,
                now=now,
                keys_changed=self.epoch.end,
            )

    async def start(self) -> None:
        """
        Open what has to be.

        @raise Exception: a part can't work with its settings; the text says why.
        """
        if self.directory is not None:
            self.directory.start()
        if self.negotiate is not None:
            await self.negotiate.start()
        if self.ntlm is not None:
            await self.ntlm.start()
        if self.browsers is not None:
            # Cookies alone outlive a restart.
            await self.logouts.load()
            await self.browsers.start()

    async def stop(self) -> None:
        """Close all; also what was never opened."""
        if self.negotiate is not None:
            self.negotiate.stop()
        if self.ntlm is not None:
            await self.ntlm.stop()
        if self.directory is not None:
            self.directory.stop()

    async def groups(self, user: str) -> frozenset[str]:
        """
        Give the groups of a user who is known already.

        @raise Refused: there is no such user any more.
        @raise Unavailable: nobody can say.
        """
        if self.local is not None and (self.directory is None or self.local.knows(user)):
            return self.local.groups(user)
        if self.directory is None:
            return frozenset()
        return await self.directory.groups(user)

    def evict(self, who: str) -> int:
        """Forget what is known of a user without asking; tells how many passwords that were."""
        self.epoch.end()
        if self.directory is not None:
            self.directory.forget(who)
        return self.passwords.evict(who)

    def _changed(self, user: str) -> None:
        self.epoch.end()
        self.passwords.changed(user)

    def _signed_in(self, txn: Transaction, identity: Identity) -> None:
        self.addresses.put(txn, identity)
