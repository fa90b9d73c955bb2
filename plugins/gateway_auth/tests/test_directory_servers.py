"""Servers of a directory that fail, hang or refuse: which one is asked, what follows, and what operators hear."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import Secret
from gateway.testing import Clock
from gateway_auth.bind_results import Answer
from gateway_auth.directory import AT_ONCE, Directory
from gateway_auth.directory_servers import MOST_WAITING, Resolves
from gateway_auth.ldap_settings import LdapSettings, ServerUri, server_uri
from gateway_auth.ldap_wire import Deadline, NoAnswer, ServerFailed, SocketAddress, Wire
from gateway_auth.tests.directories import ALICE, DirectoryCase
from gateway_auth.tests.servers import ACCOUNT, ACCOUNT_PASSWORD, BASE, FakeServer, FakeWire
from gateway_auth.verifier import Unavailable


class ServerTests(DirectoryCase):
    """Fail-over, breakers and what operators hear."""

    def names(self) -> list[str]:
        """Give the names of the events."""
        return [event.name for event in self.events]

    def test_fail_over_and_back(self) -> None:
        """The next server is asked for the same login; the first one again when a probe found it well."""
        first, second = FakeServer(ALICE), FakeServer(ALICE)
        directory = self.directory(first, second, retry=5.0)
        first.down = True
        for _ in range(4):
            self.login(directory, "alice")
        self.assertEqual((first.connected, len(second.binds())), (0, 4))
        self.assertEqual(self.events, [])
        first.down = False
        self.login(directory, "alice")
        self.assertEqual(first.connected, 0)
        self.clock.pump([5.0, 0.0])
        self.login(directory, "alice")
        self.assertEqual(len(first.binds()), 1)

    def test_down_and_up(self) -> None:
        """Operators hear once that nobody answers, and once that somebody does; meanwhile nobody waits."""
        server = FakeServer(ALICE)
        directory = self.directory(server, retry=5.0, failures=3)
        server.down = True
        for _ in range(10):
            self.unavailable(directory)
        self.assertTrue(directory.is_down)
        self.assertEqual(self.names(), ["directory_down"])
        # Nobody is asked while the breaker is open.
        tried = server.tried
        self.unavailable(directory)
        self.assertEqual(server.tried, tried)
        self.clock.pump([5.0, 0.0, 5.0, 0.0])
        server.down = False
        self.clock.pump([5.0, 0.0])
        self.assertEqual(self.login(directory, "alice").user, "alice")
        self.assertEqual(self.names(), ["directory_down", "directory_up"])

    def test_stale_connection(self) -> None:
        """A kept connection that the server has closed is replaced, and nobody hears of it."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        self.login(directory, "alice")
        server.connections.clear()
        self.login(directory, "alice")
        self.assertEqual(server.connected, 4)
        self.assertEqual(self.texts(), "[] []")

    def test_bounded_and_idle(self) -> None:
        """No more connections are kept than are wanted, and none for longer; stopping closes all."""
        server = FakeServer(ALICE)
        directory = self.directory(server, connections=1)
        for _ in range(5):
            self.login(directory, "alice")
        self.assertEqual((server.connected, len(server.connections)), (2, 2))
        directory.stop()
        self.assertEqual(len(server.connections), 0)
        directory = self.directory(server, connections=0)
        self.login(directory, "alice")
        self.assertEqual(len(server.connections), 0)

    def test_ready(self) -> None:
        """Connections for logins are there before anybody logs in, and unused ones are made anew before they are too old."""
        server = FakeServer(ALICE)
        directory = self.directory(server, ready=3, idle=60.0, retry=5.0)
        self.clock.advance(0)
        self.assertEqual((server.connected, server.asked), (3, []))
        # The look-up's alone is new.
        self.login(directory, "alice")
        self.assertEqual(server.connected, 4)
        self.clock.pump([5.0] * 5)
        self.assertEqual((server.connected, len(server.connections)), (4, 4))
        self.clock.pump([5.0] * 13)
        self.assertEqual((server.connected, len(server.connections)), (7, 3))
        directory.stop()
        self.clock.pump([5.0] * 15)
        self.assertEqual((server.connected, len(server.connections)), (7, 0))

    def test_no_more_ready_than_kept(self) -> None:
        """Where fewer connections are kept, no more are made ready."""
        server = FakeServer(ALICE)
        self.directory(server, ready=3, connections=2)
        self.clock.pump([0.0] + [5.0] * 3)
        self.assertEqual(server.connected, 2)

    def test_down_before_anybody_comes(self) -> None:
        """Who has connections ready hears of a server that is down without a login; the next one's are ready then."""
        first, second = FakeServer(ALICE), FakeServer(ALICE)
        first.down = True
        directory = self.directory(first, second, ready=2, retry=5.0, failures=3)
        self.clock.pump([0.0, 5.0, 5.0, 5.0])
        # Three times, and once to see whether it is back.
        self.assertEqual((first.tried, second.connected), (4, 2))
        self.assertEqual(self.names(), [])
        second.down = True
        second.connections.clear()
        self.unavailable(directory)
        self.clock.pump([5.0] * 4)
        self.assertEqual(self.names(), ["directory_down"])
        first.down = False
        self.clock.pump([5.0] * 2)
        self.assertEqual((self.names()[1:], first.connected), (["directory_up"], 3))

    def test_account_refused(self) -> None:
        """A refused service account is tried once, not with each login, so that it is not locked."""
        server = FakeServer(ALICE)
        directory = self.directory(server, password=Secret("old"), retry=5.0)
        for _ in range(5):
            self.assertIn("service account is refused: wrong_password", self.unavailable(directory))
        self.clock.pump([5.0] * 50)
        self.assertEqual(server.asked, [f"bind {ACCOUNT}"])
        server.passwords[ACCOUNT] = "old"
        self.clock.pump([5.0] * 12 + [0.0])
        self.assertEqual(self.login(directory, "alice").user, "alice")

    def test_odd_answers_are_the_servers_fault(self) -> None:
        """A server that answers "busy" to a bind has failed; the user was neither let in nor refused."""
        first, second = FakeServer(ALICE), FakeServer(ALICE)
        directory = self.directory(first, second)
        first.answers[ALICE.dn] = Answer(51)
        self.assertEqual(self.login(directory, "alice").user, "alice")
        self.assertEqual(len(second.binds()), 1)

    def test_no_thread(self) -> None:
        """That no thread is free to look a server's name up is no fault of the server's."""
        server = FakeServer(ALICE)
        directory = self.named(server, lambda host, port: [(socket.AF_INET, ("192.0.2.1", port))])
        self.fake.threads.full.add("directory")
        for _ in range(5):
            self.unavailable(directory)
        self.fake.threads.full.clear()
        self.assertEqual(self.login(directory, "alice").user, "alice")

    def test_hangs(self) -> None:
        """A server that says nothing has failed when its time is over; who waited hears it then, and its connections are gone."""
        server = FakeServer(ALICE)
        directory = self.directory(server, timeout=3.0, failures=1)
        server.hold()
        waiting = self.begin(directory, "alice", "alice-password")
        self.clock.advance(2.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        self.failureResultOf(waiting, Unavailable)
        self.assertTrue(directory.is_down)
        self.assertEqual(len(server.connections), 0)

    def test_no_thread_in_time(self) -> None:
        """Who waits for a name hears in time that it can't be looked up; an old address is taken instead, if there is one."""
        server = FakeServer(ALICE)
        directory = self.named(server, lambda host, port: [(socket.AF_INET, ("192.0.2.1", port))])
        self.fake.threads.hold()
        waiting = self.begin(directory, "alice", "alice-password")
        self.clock.advance(1.4)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        self.failureResultOf(waiting, Unavailable)
        self.assertEqual(server.tried, 0)
        self.fake.threads.release()
        self.clock.pump([0.0, 0.0])
        self.login(directory, "alice")
        self.clock.advance(61.0)
        for is_full in (False, True):
            if is_full:
                self.fake.threads.full.add("directory")
            else:
                self.fake.threads.hold()
            waiting = self.begin(directory, "alice", "alice-password")
            self.clock.advance(1.6)
            self.assertEqual(self.successResultOf(waiting).user, "alice")
            self.fake.threads.release()

    def test_overload_is_no_failure(self) -> None:
        """A server that was left too little time by a long queue is not blamed; one that had enough is."""
        server = FakeServer(ALICE)
        directory = self.directory(server, timeout=3.0, failures=1)

        async def late(uri: ServerUri, at: Sequence[SocketAddress], deadline: Deadline) -> Wire:
            self.clock.rightNow += self.took
            raise NoAnswer("no answer in time")

        directory._servers.servers[0].pool._connect = late
        self.took = 1.0
        self.unavailable(directory)
        self.assertFalse(directory.is_down)
        self.took = 2.0
        self.unavailable(directory)
        self.assertTrue(directory.is_down)

    def test_bounded_queue(self) -> None:
        """No more logins wait than the bound, and all of them hear in time."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        server.hold()
        logins = [self.begin(directory, f"user{n}", "x") for n in range(MOST_WAITING + 40)]
        refused = [one for one in logins if one.called]
        self.assertEqual(len(refused), 40 - AT_ONCE)
        for one in refused:
            self.failureResultOf(one, Unavailable)
        self.clock.pump([3.1] + [0.0] * 40)
        for one in logins:
            if one not in refused:
                self.failureResultOf(one, Unavailable)

    def test_names_of_servers(self) -> None:
        """An address is good for a minute, and an old one better than none."""
        server = FakeServer(ALICE)
        asked: list[str] = []
        works = True

        def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            asked.append(host)
            if not works:
                raise OSError("Temporary failure in name resolution")
            return [(socket.AF_INET, ("192.0.2.1", port))]

        directory = self.named(server, resolve)
        logins = [self.begin(directory, "alice", "alice-password") for _ in range(3)]
        self.clock.pump([0.0, 0.0])
        for one in logins:
            self.successResultOf(one)
        self.assertEqual(asked, ["dc1.example.com"])
        self.clock.advance(61.0)
        works = False
        waiting = self.begin(directory, "alice", "alice-password")
        self.clock.pump([0.0, 0.0])
        self.successResultOf(waiting)
        self.assertEqual(len(asked), 2)

    def named(self, server: FakeServer, resolve: Resolves) -> Directory:
        """Make a directory whose server has a name."""
        settings = LdapSettings(
            uri=(server_uri("ldaps://dc1.example.com"),),
            base=BASE,
            bind_dn=ACCOUNT,
            password=Secret(ACCOUNT_PASSWORD),
        )
        self.services = self.fake.for_plugin("auth", settings)
        return Directory(settings, self.services, connect=server.connect, resolve=resolve)

    def test_metrics(self) -> None:
        """Requests are counted by outcome, and servers show whether they are asked."""
        server = FakeServer(ALICE)
        directory = self.directory(server, failures=1)
        self.login(directory, "alice")
        self.refused(directory, "alice", "x")
        server.down = server.broken = True
        self.unavailable(directory)
        metrics: Any = self.services.metrics
        count = metrics.value
        name = "directory_requests_total"
        self.assertEqual(count(name, what="verify", outcome="good"), 1)
        self.assertEqual(count(name, what="verify", outcome="wrong_password"), 1)
        self.assertEqual(count(name, what="verify", outcome="unavailable"), 1)
        self.assertEqual(count("directory_server_up", server="ldaps://192.0.2.0"), 0)


class FakeWireTests(SynchronousTestCase):
    """The fake keeps to what it stands for."""

    def test_closed(self) -> None:
        """What was closed does not answer."""
        wire = FakeWire(FakeServer(), Deadline(Clock(), 1.0))
        wire.close()
        self.failureResultOf(Deferred.fromCoroutine(wire.bind("x", "y")), ServerFailed)
