"""What tests ask a real directory by: a directory with real threads and time, and a tap on the way to its server."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gateway.api import Event, Services
from gateway.api.settings import Secret
from gateway.pipeline.threads import PoolSize, ThreadPools
from gateway.testing import FakeServices
from gateway_auth.directory import Directory
from gateway_auth.ldap_settings import LdapSettings, server_uri
from gateway_auth.ldap_wire import SocketAddress
from gateway_auth.verifier import Refused, Unavailable
from tests.live.directories import ACCOUNT, ACCOUNT_PASSWORD, BASE
from tests.live.peers import Server, Stream

_reactor: Any = reactor

#: All of alice's groups; the nested ones go round in a circle.
ALICES = frozenset(("admins", "staff", "all", "printers"))


class DirectoryCase(TestCase):
    """Has what a directory needs: threads, a clock, and an end."""

    timeout = 60

    def setUp(self) -> None:
        """Make threads as the gateway has them."""
        self.events: list[Event] = []
        self.pools = ThreadPools(_reactor, self.events.append, {"directory": PoolSize(4, 64)})
        self.addCleanup(self.pools.stop)

    def services(self, settings: LdapSettings) -> Services:
        """Give a plugin's services with real threads and real time."""
        fake = FakeServices(_reactor, self.events.append)
        self.addCleanup(fake.stop)
        return dataclasses.replace(fake.for_plugin("auth", settings), threads=self.pools)

    def directory(
        self,
        *uris: str,
        account: bool = True,
        resolve: Callable[[str, int], Sequence[SocketAddress]] | None = None,
        **values: Any,
    ) -> Directory:
        """Make a directory."""
        values.setdefault("base", BASE)
        if account:
            values.setdefault("bind_dn", ACCOUNT)
            values.setdefault("password", Secret(ACCOUNT_PASSWORD))
        values.setdefault("refusal_delay", 0.0)
        settings = LdapSettings(uri=tuple(map(server_uri, uris)), **values)
        services = self.services(settings)
        more: dict[str, Any] = {} if resolve is None else {"resolve": resolve}
        made = Directory(settings, services, **more)
        self.addCleanup(made.stop)
        return made

    async def refused(self, directory: Directory, user: str, password: str) -> str:
        """Give why a login is refused."""
        try:
            verified = await directory.verify(user, password)
        except Refused as refused:
            return refused.reason
        raise self.failureException(f"{user!r} was let in as {verified}")

    async def unavailable(self, directory: Directory, within: float) -> str:
        """Give why nobody can say, and see that it was said in time."""
        begun = time.monotonic()
        try:
            verified = await directory.verify("alice", "alicepw")
        except Unavailable as error:
            took = time.monotonic() - begun
            self.assertLess(took, within, "it was not said in time")
            return error.detail
        raise self.failureException(f"somebody answered: {verified}")

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not happen in time")
            await pause(0.02)

    def event_names(self) -> list[str]:
        """Give what operators heard."""
        return [event.name for event in self.events]


class Tap(Server):
    """
    Passes bytes on to a server, and keeps what clients sent.

    @ivar seen: it.
    @ivar pause: seconds between two bytes of the server's; 0: as they come.
    """

    def __init__(self, test: Any, to: int, *, pause: float = 0.0) -> None:
        self.seen = bytearray()
        self.pause = pause
        self._to = to
        super().__init__(test, self._carry)

    def _carry(self, near: Stream) -> None:
        with socket.create_connection(("127.0.0.1", self._to)) as far:
            threading.Thread(target=self._back, args=(far, near.socket), daemon=True).start()
            while data := near.socket.recv(65536):
                self.seen += data
                far.sendall(data)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        try:
            while data := far.recv(65536):
                for index in range(len(data)) if self.pause else ():
                    near.sendall(data[index : index + 1])
                    time.sleep(self.pause)
                if not self.pause:
                    near.sendall(data)
            near.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def pause(seconds: float) -> Deferred[None]:
    """Let time go by."""
    return deferLater(_reactor, seconds, lambda: None)
