"""Logins against a directory: what is asked, of which server, and what follows when it fails."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Event, Services
from gateway.api.settings import Secret
from gateway.testing import Clock, FakeServices
from gateway_auth.bind_results import Answer
from gateway_auth.directory import Directory
from gateway_auth.directory_servers import MOST_WAITING
from gateway_auth.groups import ABOVE_SECONDS
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_settings import LdapSettings, ServerUri, server_uri
from gateway_auth.ldap_wire import Deadline, NoAnswer, ServerFailed, SocketAddress, Wire
from gateway_auth.tests.servers import (
    ACCOUNT,
    ACCOUNT_PASSWORD,
    BASE,
    FakeServer,
    FakeWire,
    group,
    person,
)
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
        values.setdefault("base", BASE)
        self.settings = LdapSettings(
            uri=tuple(server_uri(f"ldaps://192.0.2.{number}") for number in range(len(servers))),
            **values,
        )

        def connect(uri: ServerUri, at: Sequence[SocketAddress], deadline: Deadline) -> Wire:
            return servers[int(uri.host.rpartition(".")[2])].connect(uri, at, deadline)

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


class LoginTests(DirectoryCase):
    """What is asked to know a user."""

    def test_search_then_bind(self) -> None:
        """The service account finds the entry, the user binds as it, and the service account reads the groups."""
        server = FakeServer(ALICE, group("staff", ALICE.dn))
        directory = self.directory(server)
        self.assertEqual(self.login(directory, "alice"), Verified("alice", frozenset(("staff",))))
        self.assertEqual(
            [one.partition(" ")[0] for one in server.asked],
            ["bind", "search", "bind", "search", "search"],
        )
        self.assertEqual(server.binds(), [ALICE.dn])

    def test_groups_are_cached(self) -> None:
        """The second login reads no groups, until the time is over; a reload keeps them."""
        server = FakeServer(ALICE, group("staff", ALICE.dn))
        directory = self.directory(server)
        self.login(directory, "alice")
        server.asked.clear()
        for one in (directory, self.directory(server)):
            self.login(one, "alice")
            self.assertEqual(sum("member" in asked for asked in server.asked), 0)
        self.clock.advance(7200)
        self.login(directory, "alice")
        self.assertEqual(sum("member" in asked for asked in server.asked), 2)

    def test_nothing_is_sent(self) -> None:
        """An empty password, a NUL and a name that is none are refused before anybody is asked (RFC 4513 5.1.2)."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        for user, password, reason in (
            ("alice", "", "empty"),
            ("nobody", "", "empty"),
            ("alice", "\0", "wrong_password"),
            ("alice", "alice-password\0", "wrong_password"),
            ("alice", "x" * 1025, "wrong_password"),
            ("alice", "\ud800", "wrong_password"),
            ("al\0ice", "x", "bad_name"),
            ("", "x", "bad_name"),
        ):
            self.assertEqual(self.refused(directory, user, password), reason)
        self.assertEqual((server.connected, server.asked), (0, []))

    def test_unknown_user_is_as_much_work(self) -> None:
        """For a user that does not exist there are as many questions, the last one a bind as nobody."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        self.assertEqual(self.refused(directory, "alice", "x"), "wrong_password")
        known, server.asked = server.asked, []
        # Both connections are open by now, so the account does not have to bind again.
        self.assertEqual(self.refused(directory, "nobody", "x"), "unknown_user")
        shapes = [[one.partition(" ")[0] for one in asked] for asked in (known[1:], server.asked)]
        self.assertEqual(shapes, [["search", "bind"]] * 2)
        self.assertNotIn(server.binds()[0], [entry.dn for entry in server.entries])

    def test_refusals_wait(self) -> None:
        """No refusal comes before its time, whatever the reason; who gives up leaves nothing behind."""
        directory = self.directory(FakeServer(ALICE), refusal_delay=0.25)
        for user, password in (("alice", "x"), ("nobody", "x"), ("alice", ""), ("\n", "x")):
            waiting = self.begin(directory, user, password)
            self.clock.advance(0.24)
            self.assertNoResult(waiting)
            self.clock.advance(0.02)
            self.failureResultOf(waiting, Refused)
        waiting = self.begin(directory, "alice", "")
        jobs = len(self.clock.getDelayedCalls())
        waiting.cancel()
        self.failureResultOf(waiting)
        self.assertEqual(len(self.clock.getDelayedCalls()), jobs - 1)

    def test_ambiguous(self) -> None:
        """A name that two entries have is nobody's."""
        twin = Entry(f"uid=alice,ou=x,{BASE}", ALICE.attributes)
        server = FakeServer(ALICE, twin)
        self.assertEqual(
            self.refused(self.directory(server), "alice", "alice-password"), "unknown_user"
        )

    def test_canonical_name(self) -> None:
        """Of several names the one in the entry's own name counts, so that a user is one and the same always."""
        both = person("bob", uid=["al", "bob"])
        directory = self.directory(FakeServer(both))
        self.assertEqual(self.login(directory, "al", "bob-password").user, "bob")
        self.assertEqual(self.login(directory, "bob").user, "bob")

    def test_names_that_are_none(self) -> None:
        """A name out of the directory is judged like one of a client's."""
        server = FakeServer(Entry(f"cn=other,{BASE}", {"uid": (b"odd", b"\nforged line")}))
        self.assertEqual(self.refused(self.directory(server), "odd", "other-password"), "bad_name")

    def test_entry_without_a_name(self) -> None:
        """Nobody logs in as an entry that has no value for the name."""
        server = FakeServer(Entry(f"uid=alice,{BASE}", {"uid": (b"alice",)}))
        directory = self.directory(server, user_attribute="mail")
        self.assertIn("no mail", self.unavailable(directory))
        self.assertFalse(directory.is_down)

    def test_template(self) -> None:
        """With a template nobody is searched for, and what is put into it can't leave its place."""
        server = FakeServer(ALICE, group("staff", ALICE.dn))
        directory = self.directory(server, dn_template=f"uid={{user}},{BASE}")
        self.assertEqual(self.login(directory, "alice").groups, frozenset(("staff",)))
        self.assertEqual(server.binds(), [ALICE.dn])
        self.refused(directory, "alice,cn=admins", "x")
        self.assertEqual(server.binds()[-1], f"uid=alice\\2Ccn\\3Dadmins,{BASE}")

    def test_template_alone(self) -> None:
        """Without a service account users see themselves, and are called what they wrote if they do not."""
        server = FakeServer()
        server.passwords[f"uid=Alice,{BASE}"] = "alice-password"
        directory = self.directory(server, account=False, dn_template=f"uid={{user}},{BASE}")
        self.assertEqual(self.login(directory, "Alice"), Verified("alice"))

    def test_same_login_at_once(self) -> None:
        """Six connections of one browser log in once; another password is another login."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        logins = [self.begin(directory, "alice", "alice-password") for _ in range(6)]
        wrong = self.begin(directory, "alice", "x")
        self.clock.advance(0)
        for one in logins:
            self.assertEqual(self.successResultOf(one).user, "alice")
        self.failureResultOf(wrong, Refused)
        self.assertEqual(server.binds(), [ALICE.dn, ALICE.dn])

    def test_nothing_secret_is_shown(self) -> None:
        """Neither a password nor a hash of one is in a log, an event or an error."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        self.login(directory, "alice")
        self.refused(directory, "alice", "guess-1")
        server.down = True
        server.broken = True
        for _ in range(4):
            self.unavailable(directory)
        for secret in ("alice-password", "guess-1", ACCOUNT_PASSWORD):
            self.assertNotIn(secret, self.texts())
            self.assertNotIn(secret, repr(self.settings))


class ActiveDirectoryTests(DirectoryCase):
    """The forms of names there."""

    def test_forms(self) -> None:
        """What is searched for hangs on the form, and on whether the domain is this one."""
        server = FakeServer(person("alice", userPrincipalName="alice@example.com"), is_ad=True)
        directory = self.directory(server)
        for name in ("alice", "alice@EXAMPLE.com", "EXAMPLE\\alice", "example.com\\alice"):
            self.assertEqual(self.login(directory, name, "alice-password").user, "alice")
        for name in ("OTHER\\alice", "alice@other.example.com"):
            self.assertEqual(self.refused(directory, name, "alice-password"), "unknown_user")
        directory = self.directory(server, domain="CORP")
        self.assertEqual(self.login(directory, "corp\\alice", "alice-password").user, "alice")
        self.assertEqual(
            self.refused(directory, "EXAMPLE\\alice", "alice-password"), "unknown_user"
        )

    def test_name_of_one_is_short_for_another(self) -> None:
        """The whole name as it was written goes before what it is short for, as in the bind itself."""
        bob = person("bob", userPrincipalName="alice@example.com")
        server = FakeServer(ALICE, bob, is_ad=True)
        directory = self.directory(server)
        self.assertEqual(self.login(directory, "alice@example.com", "bob-password").user, "bob")

    def test_own_name(self) -> None:
        """Without a service account users bind by their own names, those of other domains not at all."""
        server = FakeServer(person("alice", userPrincipalName="alice@example.com"), is_ad=True)
        server.passwords["EXAMPLE\\alice"] = "alice-password"
        server.passwords["alice@example.com"] = "alice-password"
        server.passwords["OTHER\\alice"] = "alice-password"
        directory = self.directory(server, account=False)
        for name in ("alice", "example\\alice", "alice@example.com"):
            self.assertEqual(self.login(directory, name, "alice-password").user, "alice")
        self.assertEqual(self.refused(directory, "OTHER\\alice", "alice-password"), "unknown_user")
        self.assertNotIn("OTHER\\alice", server.binds())

    def test_groups(self) -> None:
        """Nested groups are the server's to find, with the primary group by its number."""
        sid = b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0" + b"\1\2\3\4" * 3 + b"\x51\x04\0\0"
        alice = Entry(
            ALICE.dn, {**ALICE.attributes, "objectsid": (sid,), "primarygroupid": (b"513",)}
        )
        server = FakeServer(alice, group("staff", ALICE.dn), is_ad=True)
        self.assertEqual(self.login(self.directory(server), "alice").groups, frozenset(("staff",)))
        asked = server.asked[-1]
        self.assertIn("(member:1.2.840.113556.1.4.1941:=uid\\3dalice", asked)
        # The user's own identifier with 513 in the place of its last number.
        self.assertIn("(objectSid=\\01\\05", asked)
        self.assertIn("\\01\\02\\03\\04\\01\\02\\00\\00)", asked)

    def test_disabled(self) -> None:
        """A user with a ticket whose account was disabled since is refused."""
        server = FakeServer(person("alice", userAccountControl="514"), is_ad=True)
        directory = self.directory(server)
        waiting = Deferred.fromCoroutine(directory.groups("alice@EXAMPLE.COM"))
        self.clock.advance(0)
        refused = self.failureResultOf(waiting, Refused).value
        self.assertEqual(cast(Refused, refused).reason, "disabled")


class GroupTests(DirectoryCase):
    """Groups within groups, where the server does not follow them."""

    def groups(self, *entries: Entry, **values: Any) -> frozenset[str]:
        """Log in, and give the groups."""
        return self.login(self.directory(FakeServer(ALICE, *entries), **values), "alice").groups

    def test_nested_in_a_circle(self) -> None:
        """Each group is asked for once, so a circle ends."""
        a, b, c = f"cn=a,{BASE}", f"cn=b,{BASE}", f"cn=c,{BASE}"
        circle = (group("a", ALICE.dn, c), group("b", a), group("c", b, c))
        self.assertEqual(self.groups(*circle), frozenset("abc"))
        self.assertEqual(self.groups(*circle, nested=False), frozenset("a"))
        self.assertEqual(
            self.groups(*circle, group_name="dn", nested=False), frozenset((f"cn=a,{BASE}",))
        )

    def test_above_is_known_for_a_minute(self) -> None:
        """Which groups a group is in is asked once for all who are in it, for a short time and until a user is forgotten."""
        bob = person("bob")
        staff, every = group("staff", ALICE.dn, bob.dn), group("all", f"cn=staff,{BASE}")
        server = FakeServer(ALICE, bob, staff, every)
        directory = self.directory(server, group_cache=1.0)

        def login(name: str) -> int:
            """Give how many searches of groups it took."""
            server.asked.clear()
            groups = self.login(directory, name).groups
            self.assertEqual(groups, frozenset(("staff", "all")))
            return sum("(member=" in asked for asked in server.asked)

        self.assertEqual([login("alice"), login("bob")], [3, 1])
        self.clock.advance(ABOVE_SECONDS - 1)
        self.assertEqual(login("alice"), 1)
        self.clock.advance(2)
        self.assertEqual([login("bob"), login("alice")], [3, 1])
        self.clock.advance(1)
        directory.forget("somebody else")
        self.assertEqual(login("alice"), 3)

    def test_above_is_not_shared_by_users_who_look_themselves(self) -> None:
        """Where users search for themselves, what one may see of groups is not taken for what another one sees."""
        bob = person("bob")
        server = FakeServer(ALICE, bob, group("staff", ALICE.dn, bob.dn))
        directory = self.directory(server, account=False, dn_template=f"uid={{user}},{BASE}")
        for name in ("alice", "bob"):
            server.asked.clear()
            self.login(directory, name)
            self.assertEqual(sum("(member=" in asked for asked in server.asked), 2)

    def test_too_deep(self) -> None:
        """Deeper than the bound nobody knows, so nobody is let in; it is no fault of the server's."""
        chain = [group("g0", ALICE.dn)]
        chain += [group(f"g{n}", f"cn=g{n - 1},{BASE}") for n in range(1, 5)]
        self.assertEqual(len(self.groups(*chain, group_depth=5)), 5)
        directory = self.directory(FakeServer(ALICE, *chain), group_depth=3)
        self.assertIn("deep", self.unavailable(directory))
        self.assertFalse(directory.is_down)

    def test_too_many(self) -> None:
        """Likewise for more groups than the bound."""
        many = [group(f"g{n}", ALICE.dn) for n in range(6)]
        self.assertEqual(len(self.groups(*many, groups=6)), 6)
        self.unavailable(self.directory(FakeServer(ALICE, *many), groups=5))

    def test_member_of(self) -> None:
        """What the user's entry names counts, too, and what that is in."""
        alice = person("alice", memberOf=f"cn=far,{BASE}")
        server = FakeServer(alice, group("above", f"cn=far,{BASE}"))
        self.assertEqual(
            self.login(self.directory(server), "alice").groups, frozenset(("far", "above"))
        )

    def test_may_not_search(self) -> None:
        """A service account that may not look is no user's fault, and says what is wrong."""
        server = FakeServer(ALICE)
        server.searches_refused = True
        directory = self.directory(server)
        self.assertIn("insufficientAccessRights", self.unavailable(directory))
        self.assertFalse(directory.is_down)


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
        threads = len(self.fake.threads.ran)
        self.unavailable(directory)
        self.assertEqual(len(self.fake.threads.ran), threads)
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
        """A full pool is no fault of the servers'."""
        server = FakeServer(ALICE)
        directory = self.directory(server)
        self.fake.threads.full.add("directory")
        for _ in range(5):
            self.unavailable(directory)
        self.fake.threads.full.clear()
        self.assertEqual(self.login(directory, "alice").user, "alice")

    def test_no_thread_in_time(self) -> None:
        """Nor is one whose threads are all busy until the time-out; who waited hears it then."""
        server = FakeServer(ALICE)
        directory = self.directory(server, timeout=3.0, failures=1)
        self.fake.threads.hold()
        waiting = self.begin(directory, "alice", "alice-password")
        self.clock.advance(2.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        self.failureResultOf(waiting, Unavailable)
        self.assertFalse(directory.is_down)
        self.assertEqual(server.connected, 0)

    def test_overload_is_no_failure(self) -> None:
        """A server that was left too little time by a long queue is not blamed; one that had enough is."""
        server = FakeServer(ALICE)
        directory = self.directory(server, timeout=3.0, failures=1)

        def late(uri: ServerUri, at: Sequence[SocketAddress], deadline: Deadline) -> Wire:
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
        directory = self.directory(FakeServer(ALICE))
        self.fake.threads.hold()
        logins = [self.begin(directory, f"user{n}", "x") for n in range(MOST_WAITING + 40)]
        refused = [one for one in logins if one.called]
        self.assertEqual(len(refused), 8)
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

        settings = LdapSettings(
            uri=(server_uri("ldaps://dc1.example.com"),),
            base=BASE,
            bind_dn=ACCOUNT,
            password=Secret(ACCOUNT_PASSWORD),
        )
        self.services = self.fake.for_plugin("auth", settings)
        directory = Directory(settings, self.services, connect=server.connect, resolve=resolve)
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
        wire = FakeWire(FakeServer(), Deadline(1.0))
        wire.close()
        with self.assertRaises(ServerFailed):
            wire.bind("x", "y")
