"""Binds on several connections: which passwords are sent again when one of them breaks, and what stays known."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import Clock
from gateway_auth.bind_results import Answer
from gateway_auth.ldap_binds import Bound, LoginLine, bind_all
from gateway_auth.ldap_settings import ServerUri
from gateway_auth.ldap_wire import Deadline, NoAnswer, ServerFailed, Wire
from gateway_auth.tests.servers import FakeServer, FakeWire, person

USERS = [person(f"user{number}") for number in range(6)]
ASKED = [(user.dn, f"user{number}-password") for number, user in enumerate(USERS)]
URI = ServerUri("ldaps", "192.0.2.53", 636)


class Hanging(FakeWire):
    """A connection of which nothing comes in time."""

    async def bind(self, name: str, password: str) -> Answer:
        """Wait in vain."""
        await super().bind(name, password)
        raise NoAnswer("out of time")


class Slow(FakeWire):
    """
    A connection whose answers come when the test says so.

    @ivar waiting: for each bind that is under way: its name, and what lets it be answered.
    """

    def __init__(self, server: FakeServer, deadline: Deadline) -> None:
        super().__init__(server, deadline)
        self.waiting: list[tuple[str, Deferred[None]]] = []

    async def bind(self, name: str, password: str) -> Answer:
        """Wait, and then look at the password."""
        told: Deferred[None] = Deferred()
        self.waiting.append((name, told))
        await told
        return await super().bind(name, password)

    def answer(self) -> None:
        """Answer the one bind that waits."""
        ((_, told),) = self.waiting
        del self.waiting[:]
        told.callback(None)


class BindTests(SynchronousTestCase):
    """Six users."""

    def setUp(self) -> None:
        """Make the server."""
        self.server = FakeServer(*USERS)
        self.deadline = Deadline(Clock(), 10.0)

    def made(self) -> Wire:
        """Make a connection."""
        connecting = Deferred.fromCoroutine(self.renew())
        return self.successResultOf(connecting)

    async def renew(self) -> Wire:
        """Make one in place of another."""
        return await self.server.connect(URI, (), self.deadline)

    def begin(self, *lines: LoginLine) -> Deferred[list[Bound]]:
        """Begin to bind as all."""
        return bind_all(lines, ASKED)

    def codes(self, *lines: LoginLine) -> list[object]:
        """Bind as all; give result codes, or what came instead."""
        return self.read(self.successResultOf(self.begin(*lines)))

    def read(self, found: list[Bound]) -> list[object]:
        """Give result codes, or what came instead."""
        return [one.code if isinstance(one, Answer) else one and type(one) for one in found]

    def slow(self, count: int) -> list[Slow]:
        """Make connections whose answers come when they are told."""
        return [Slow(self.server, self.deadline) for _ in range(count)]

    def test_each_its_own(self) -> None:
        """Each answer is to the bind in its place, also of connections that take several."""
        self.server.answers[USERS[3].dn] = Answer(53)
        lines = [LoginLine(self.made()) for _ in range(4)]
        self.assertEqual(self.codes(*lines), [0, 0, 0, 53, 0, 0])
        self.assertEqual(self.server.binds(), [user.dn for user in USERS])
        self.assertTrue(all(line.is_sound for line in lines))

    def test_next_when_free(self) -> None:
        """One bind is under way on each connection; whichever is answered takes the next, and the slow one holds up its own alone."""
        a, b = self.slow(2)
        binding = self.begin(LoginLine(a), LoginLine(b))
        self.assertEqual([a.waiting[0][0], b.waiting[0][0]], [USERS[0].dn, USERS[1].dn])
        for place in (2, 3, 4, 5):
            b.answer()
            self.assertEqual([name for name, _ in b.waiting], [USERS[place].dn])
            self.assertEqual([name for name, _ in a.waiting], [USERS[0].dn])
        b.answer()
        self.assertEqual(b.waiting, [])
        self.assertNoResult(binding)
        a.answer()
        self.assertEqual(self.read(self.successResultOf(binding)), [0] * 6)
        self.assertEqual(self.server.binds(), [user.dn for user in (*USERS[1:], USERS[0])])

    def test_nothing_begins_after_a_failure(self) -> None:
        """What was under way on another connection when one broke is answered; nothing else is begun."""
        self.server.breaks = lambda asked: asked == f"bind {USERS[1].dn}"
        a, b, c = self.slow(3)
        lines = [LoginLine(one) for one in (a, b, c)]
        binding = self.begin(*lines)
        b.answer()
        a.answer()
        self.assertNoResult(binding)
        self.assertEqual(a.waiting, [])
        c.answer()
        codes = self.read(self.successResultOf(binding))
        self.assertEqual(codes, [0, ServerFailed, 0, None, None, None])
        self.assertEqual([line.is_sound for line in lines], [True, False, True])
        self.assertEqual(sorted(self.server.binds()), [user.dn for user in USERS[:3]])

    def test_something_else_goes_wrong(self) -> None:
        """What is no failure of a server is nobody's outcome: all of it fails with that."""

        class Odd(FakeWire):
            async def bind(self, name: str, password: str) -> Answer:
                raise KeyError("odd")

        self.failureResultOf(
            self.begin(LoginLine(Odd(self.server, self.deadline)), LoginLine(self.slow(1)[0])),
            KeyError,
        )

    def test_kept_and_closed(self) -> None:
        """What a server has closed while it was kept is made anew, and nothing is lost by it."""
        kept = [self.made() for _ in range(2)]
        self.server.connections.clear()
        lines = [LoginLine(wire, self.renew) for wire in kept]
        self.assertEqual(self.codes(*lines), [0] * 6)
        self.assertEqual(sorted(self.server.binds()), [user.dn for user in USERS])
        # The answers of this server are there at once, so the first connection has taken all.
        self.assertIn(lines[0].wire, self.server.connections)
        self.assertNotIn(kept[0], self.server.connections)

    def test_all_kept_are_closed(self) -> None:
        """Each connection that was closed while it was kept has another go, whichever finds it first."""
        a, b = self.slow(2)
        self.server.connections.clear()
        lines = [LoginLine(wire, self.renew) for wire in (a, b)]
        binding = self.begin(*lines)
        b.answer()
        a.answer()
        self.assertEqual(self.read(self.successResultOf(binding)), [0] * 6)
        self.assertEqual(sorted(self.server.binds()), [user.dn for user in USERS])
        self.assertEqual(self.server.connections, {line.wire for line in lines})

    def test_kept_and_good(self) -> None:
        """A kept connection that has answered is like a new one: what breaks it later is not tried again."""
        self.server.breaks = lambda asked: asked == f"bind {USERS[2].dn}"
        a, b = self.slow(2)
        lines = [LoginLine(one, self.renew) for one in (a, b)]
        binding = self.begin(*lines)
        a.answer()
        b.answer()
        a.answer()
        b.answer()
        self.assertEqual(
            self.read(self.successResultOf(binding)), [0, 0, ServerFailed, 0, None, None]
        )
        self.assertEqual(self.server.binds(), [user.dn for user in USERS[:4]])
        self.assertEqual([line.is_sound for line in lines], [False, True])

    def test_once_more_only(self) -> None:
        """What breaks a kept connection and the next one is not tried a third time."""
        self.server.breaks = lambda asked: asked == f"bind {USERS[0].dn}"
        codes = self.codes(LoginLine(self.made(), self.renew))
        self.assertEqual(codes, [ServerFailed] + [None] * 5)
        self.assertEqual(self.server.binds(), [USERS[0].dn] * 2)

    def test_given_up(self) -> None:
        """Who gives up while another connection is made has none made, and nothing more is sent."""
        connecting: Deferred[Wire] = Deferred()

        async def connect() -> Wire:
            return await connecting

        (wire,) = self.slow(1)
        self.server.connections.clear()
        binding = self.begin(LoginLine(wire, connect))
        wire.answer()
        self.assertNoResult(binding)
        binding.cancel()
        self.failureResultOf(binding, CancelledError)
        self.assertTrue(connecting.called)
        self.assertEqual(self.server.binds(), [])

    def test_no_new_one(self) -> None:
        """Where none can be made in place of a closed one, that is what came of its bind."""
        wire = self.made()
        self.server.connections.clear()
        self.server.down = True
        self.assertEqual(self.codes(LoginLine(wire, self.renew)), [ServerFailed] + [None] * 5)

    def test_no_answer_in_time(self) -> None:
        """What is not answered in time is not sent again: the server may still be about it."""
        line = LoginLine(Hanging(self.server, self.deadline), self.renew)
        self.assertEqual(self.codes(line), [NoAnswer] + [None] * 5)
        self.assertEqual(self.server.binds(), [USERS[0].dn])
        self.assertFalse(line.is_sound)
