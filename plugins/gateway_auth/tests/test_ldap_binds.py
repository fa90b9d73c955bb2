"""Binds on several connections: which passwords are sent again when one of them breaks, and what stays known."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.bind_results import Answer
from gateway_auth.ldap_binds import LoginLine, bind_all
from gateway_auth.ldap_settings import ServerUri
from gateway_auth.ldap_wire import Deadline, NoAnswer, ServerFailed, Wire
from gateway_auth.tests.servers import FakeServer, FakeWire, person

USERS = [person(f"user{number}") for number in range(6)]
ASKED = [(user.dn, f"user{number}-password") for number, user in enumerate(USERS)]
URI = ServerUri("ldaps", "192.0.2.53", 636)


class Hanging(FakeWire):
    """A connection of which nothing comes in time."""

    def end_bind(self, number: int) -> Answer:
        """Wait in vain."""
        super().end_bind(number)
        raise NoAnswer("out of time")


class BindTests(SynchronousTestCase):
    """Six users."""

    def setUp(self) -> None:
        """Make the server."""
        self.server = FakeServer(*USERS)

    def made(self) -> Wire:
        """Make a connection."""
        return self.server.connect(URI, (), Deadline(10.0))

    def codes(self, *lines: LoginLine) -> list[object]:
        """Bind as all; give result codes, or what came instead."""
        found = bind_all(lines, ASKED)
        return [one.code if isinstance(one, Answer) else one and type(one) for one in found]

    def test_each_its_own(self) -> None:
        """Each answer is to the bind in its place, also of connections that take several, and of one that is not full."""
        self.server.answers[USERS[3].dn] = Answer(53)
        lines = [LoginLine(self.made()) for _ in range(4)]
        self.assertEqual(self.codes(*lines), [0, 0, 0, 53, 0, 0])
        self.assertEqual(self.server.binds(), [user.dn for user in USERS])
        self.assertTrue(all(line.is_sound for line in lines))

    def test_kept_and_closed(self) -> None:
        """What a server has closed while it was kept is made anew, and nothing is lost by it."""
        kept = [self.made() for _ in range(2)]
        self.server.connections.clear()
        lines = [LoginLine(wire, self.made) for wire in kept]
        self.assertEqual(self.codes(*lines), [0] * 6)
        self.assertEqual(sorted(self.server.binds()), [user.dn for user in USERS])
        self.assertEqual(self.server.connections, {line.wire for line in lines})

    def test_kept_and_good(self) -> None:
        """A kept connection that has answered is like a new one: what breaks it later is not tried again."""
        self.server.breaks = lambda asked: asked == f"bind {USERS[2].dn}"
        lines = [LoginLine(self.made(), self.made) for _ in range(2)]
        self.assertEqual(self.codes(*lines), [0, 0, ServerFailed, 0, None, None])
        self.assertEqual(self.server.binds(), [user.dn for user in USERS[:4]])
        self.assertEqual([line.is_sound for line in lines], [False, True])

    def test_once_more_only(self) -> None:
        """What breaks a kept connection and the next one is not tried a third time."""
        self.server.breaks = lambda asked: asked == f"bind {USERS[0].dn}"
        self.assertEqual(self.codes(LoginLine(self.made(), self.made)), [ServerFailed] + [None] * 5)
        self.assertEqual(self.server.binds(), [USERS[0].dn] * 2)

    def test_no_new_one(self) -> None:
        """Where none can be made in place of a closed one, that is what came of its bind."""
        wire = self.made()
        self.server.connections.clear()
        self.server.down = True
        self.assertEqual(self.codes(LoginLine(wire, self.made)), [ServerFailed] + [None] * 5)

    def test_no_answer_in_time(self) -> None:
        """What is not answered in time is not sent again: the server may still be about it."""
        line = LoginLine(Hanging(self.server, Deadline(10.0)), self.made)
        self.assertEqual(self.codes(line), [NoAnswer] + [None] * 5)
        self.assertEqual(self.server.binds(), [USERS[0].dn])
        self.assertFalse(line.is_sound)
