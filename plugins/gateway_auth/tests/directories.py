"""A directory whose servers are in memory, and what is asked of it in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Event, Services
from gateway.api.settings import Secret
from gateway.testing import Clock, FakeServices
from gateway_auth.directory import Directory
from gateway_auth.ldap_settings import LdapSettings, ServerUri, server_uri
from gateway_auth.ldap_wire import Deadline, SocketAddress, Wire
from gateway_auth.tests.servers import ACCOUNT, ACCOUNT_PASSWORD, BASE, FakeServer, person
from gateway_auth.verifier import Refused, Unavailable, Verified

ALICE = person("alice")


class DirectoryCase(SynchronousTestCase):
    """A directory whose servers are in memory."""

    def setUp(self) -> None:
        """Make time, threads and ears."""
        self.clock = Clock()
        self.events: list[Event] = []
        self.fake = FakeServices(self.clock, self.events.append)
        self.addCleanup(self.fake.stop)

    def directory(self, *servers: FakeServer, account: bool = True, **values: Any) -> Directory:
        """Make one over these servers, C{dc0}, C{dc1}, ..."""
        if account:
            values.setdefault("bind_dn", ACCOUNT)
            values.setdefault("password", Secret(ACCOUNT_PASSWORD))
        values.setdefault("refusal_delay", 0.0)
        # What is connected here is connected for a login, unless a test says otherwise.
        values.setdefault("ready", 0)
        values.setdefault("base", BASE)
        self.settings = LdapSettings(
            uri=tuple(server_uri(f"ldaps://192.0.2.{number}") for number in range(len(servers))),
            **values,
        )

        async def connect(uri: ServerUri, at: Sequence[SocketAddress], deadline: Deadline) -> Wire:
            return await servers[int(uri.host.rpartition(".")[2])].connect(uri, at, deadline)

        self.services: Services = self.fake.for_plugin("auth", self.settings)
        return Directory(self.settings, self.services, connect=connect)

    def begin(self, directory: Directory, user: str, password: str) -> Deferred[Verified]:
        """Begin a login."""
        return Deferred.fromCoroutine(directory.verify(user, password))

    def login(self, directory: Directory, user: str, password: str = "") -> Verified:
        """Log in; the password is the usual one unless said otherwise."""
        waiting = self.begin(directory, user, password or f"{user.lower()}-password")
        self.clock.advance(0)
        return self.successResultOf(waiting)

    def refused(self, directory: Directory, user: str, password: str) -> str:
        """Give the reason of a refusal."""
        waiting = self.begin(directory, user, password)
        self.clock.advance(0)
        return cast(Refused, self.failureResultOf(waiting, Refused).value).reason

    def unavailable(self, directory: Directory, user: str = "alice") -> str:
        """Give why nobody can say."""
        waiting = self.begin(directory, user, "alice-password")
        self.clock.advance(0)
        return cast(Unavailable, self.failureResultOf(waiting, Unavailable).value).detail

    def texts(self) -> str:
        """Give all that operators can read."""
        return f"{self.services.log.texts} {self.events}"  # type: ignore[attr-defined]
