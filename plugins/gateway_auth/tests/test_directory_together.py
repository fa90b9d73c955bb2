"""Many logins at once: that each comes to what it would have come to alone, with fewer ways to the server."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway_auth.bind_results import Answer
from gateway_auth.directory import AT_ONCE, TOGETHER, Directory
from gateway_auth.tests.directories import DirectoryCase
from gateway_auth.tests.servers import BASE, FakeServer, group, person
from gateway_auth.verifier import Refused, Unavailable, Verified

#: The first user who is not asked alone.
FIRST = 4
USERS = [person(f"user{number}") for number in range(FIRST + 3 * TOGETHER)]


class TogetherTests(DirectoryCase):
    """The server says nothing until all have come."""

    def logins(
        self, server: FakeServer, directory: Directory, *logins: tuple[str, str]
    ) -> list[str | Verified]:
        """Log in at once, behind so many others that none of these is asked alone; gives users or what is wrong."""
        server.hold()
        for user in range(AT_ONCE):
            self.begin(directory, f"user{user}", f"user{user}-password").addErrback(lambda _: None)
        waiting = [self.begin(directory, *login) for login in logins]
        server.release()
        self.clock.pump([0.0] * 50)
        return [self.outcome(one) for one in waiting]

    def outcome(self, waiting: Deferred[Verified]) -> str | Verified:
        """Give whom a login has let in, or why nobody."""
        results: list[Verified | Failure] = []
        waiting.addBoth(results.append)
        (found,) = results
        if isinstance(found, Verified):
            return found
        error = found.value
        return error.reason if isinstance(error, Refused) else type(error).__name__

    def good(self, count: int) -> list[tuple[str, str]]:
        """Give logins that are good, of users that are not those in front."""
        return [(f"user{n}", f"user{n}-password") for n in range(FIRST, FIRST + count)]

    def test_all_are_let_in(self) -> None:
        """Each is let in with the groups of his own, by one bind each and few ways for all else."""
        staff = [user.dn for user in USERS[::2]]
        server = FakeServer(
            *USERS, group("staff", *staff), group("all", f"cn=staff,{BASE}", USERS[5].dn)
        )
        found = self.logins(server, self.directory(server), *self.good(2 * TOGETHER))
        self.assertEqual(
            found,
            [
                Verified(
                    f"user{n}",
                    frozenset(("staff", "all") if not n % 2 else ("all",) if n == 5 else ()),
                )
                for n in range(FIRST, FIRST + 2 * TOGETHER)
            ],
        )
        self.assertEqual(server.binds().count(USERS[FIRST].dn), 1)
        self.assertEqual(len(server.binds()), AT_ONCE + 2 * TOGETHER)
        ways = [one for one in server.asked if one.endswith(" searches")]
        # For each lot one for its entries and one for its groups.
        self.assertEqual(ways[-4:], ["1 searches"] * 4)

    def test_each_for_himself(self) -> None:
        """Who is refused, and why, hangs on nobody else among those who come with him."""
        twins = [person("twin"), person("twin", mail="x")]
        server = FakeServer(*USERS, *twins, group("staff", *(user.dn for user in USERS)))
        server.answers[USERS[9].dn] = Answer(53)
        found = self.logins(
            server,
            self.directory(server),
            ("user4", "user4-password"),
            ("user5", "user6-password"),
            ("ghost", "x"),
            ("twin", "twin-password"),
            ("user9", "user9-password"),
            ("*", "x"),
            ("user6", "user6-password"),
        )
        staff = frozenset(("staff",))
        self.assertEqual(
            found,
            [
                Verified("user4", staff),
                "wrong_password",
                "unknown_user",
                "unknown_user",
                "disabled",
                "unknown_user",
                Verified("user6", staff),
            ],
        )
        # As much work for those whom nobody knows: three were bound as nobody.
        names = [name for name in server.binds() if name not in [user.dn for user in USERS]]
        self.assertEqual(len(names), 3)
        self.assertEqual(len(set(names)), 3)

    def test_server_breaks(self) -> None:
        """When what is asked together fails, each is asked alone, on a new connection."""
        server = FakeServer(*USERS)
        directory = self.directory(server)
        self.logins(server, directory, *self.good(2))
        server.connections.clear()
        found = self.logins(server, directory, ("user5", "user5-password"), ("user6", "wrong"))
        self.assertEqual(found, [Verified("user5"), "wrong_password"])
        self.assertFalse(directory.is_down)

    def test_bind_breaks(self) -> None:
        """When a connection breaks at a bind all others hear their own, and no password is sent again, not even the one it broke at."""
        server = FakeServer(*USERS)
        server.breaks = lambda asked: asked == f"bind {USERS[11].dn}"
        logins = self.good(TOGETHER)
        logins[1] = ("user5", "wrong")
        found = self.logins(server, self.directory(server), *logins)
        self.assertEqual(found[1], "wrong_password")
        self.assertEqual(found[7], Unavailable.__name__)
        self.assertEqual(
            [one for place, one in enumerate(found) if place not in (1, 7)],
            [Verified(user) for place, (user, _) in enumerate(logins) if place not in (1, 7)],
        )
        self.assertEqual(
            sorted(server.binds()),
            sorted(user.dn for user in USERS[:AT_ONCE] + USERS[FIRST : FIRST + TOGETHER]),
        )

    def test_groups_break(self) -> None:
        """When all have been bound and their groups can't be had, who was refused stays refused and is not bound again."""
        server = FakeServer(*USERS)
        directory = self.directory(server, failures=100)
        server.breaks = lambda asked: asked.startswith("search") and "member" in asked
        found = self.logins(server, directory, *self.good(2), ("user6", "wrong"), ("ghost", "x"))
        self.assertEqual(found, [Unavailable.__name__] * 2 + ["wrong_password", "unknown_user"])
        self.assertEqual(server.binds().count(USERS[6].dn), 1)

    def test_failures_count(self) -> None:
        """A server that breaks in the middle of several logins has failed, as with one."""
        server = FakeServer(*USERS)
        server.breaks = lambda asked: asked.startswith(f"bind {USERS[4].dn}")
        directory = self.directory(server, failures=1)
        self.assertEqual(self.logins(server, directory, *self.good(2))[0], Unavailable.__name__)
        # Somebody who was asked for alone meanwhile has it back at once.
        self.assertEqual([event.name for event in self.events], ["directory_down", "directory_up"])

    def test_nobody_answers(self) -> None:
        """Of a server that is down all hear so."""
        server = FakeServer(*USERS)
        server.down = True
        found = self.logins(server, self.directory(server), *self.good(5))
        self.assertEqual(found, [Unavailable.__name__] * 5)

    def test_odd_answer(self) -> None:
        """An answer to a bind that is about the server harms only whom it was for."""
        server = FakeServer(*USERS)
        server.answers[USERS[5].dn] = Answer(51)
        found = self.logins(server, self.directory(server), *self.good(3))
        self.assertEqual(found, [Verified("user4"), Unavailable.__name__, Verified("user6")])

    def test_searches_refused(self) -> None:
        """Where nobody may search, that is said, and nobody is bound as."""
        server = FakeServer(*USERS)
        server.searches_refused = True
        found = self.logins(server, self.directory(server), *self.good(3))
        self.assertEqual(found, [Unavailable.__name__] * 3)
        self.assertEqual(server.binds(), [])

    def test_active_directory(self) -> None:
        """Users of Active Directory are found, bound as and given their groups likewise."""
        users = [person(f"user{n}", userPrincipalName=f"user{n}@example.com") for n in range(8)]
        server = FakeServer(*users, group("staff", users[5].dn), is_ad=True)
        found = self.logins(
            server,
            self.directory(server),
            ("user5@example.com", "user5-password"),
            ("EXAMPLE\\user6", "user6-password"),
            ("OTHER\\user6", "user6-password"),
        )
        self.assertEqual(
            found, [Verified("user5", frozenset(("staff",))), Verified("user6"), "unknown_user"]
        )

    def test_by_template(self) -> None:
        """Who is bound as without a search is asked alone."""
        server = FakeServer(*USERS)
        directory = self.directory(server, account=False, dn_template=f"uid={{user}},{BASE}")
        found = self.logins(server, directory, ("user5", "user5-password"), ("user6", "wrong"))
        self.assertEqual(found, [Verified("user5"), "wrong_password"])
