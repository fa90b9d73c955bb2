"""Logins against a directory: what is asked to know a user, and the forms of names."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred

from gateway_auth.ldap_messages import Entry
from gateway_auth.tests.directories import ALICE, DirectoryCase
from gateway_auth.tests.servers import ACCOUNT_PASSWORD, BASE, FakeServer, group, person
from gateway_auth.verifier import Refused, Verified


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

    def test_names_that_fold_to_one(self) -> None:
        """Nobody is taken for another one, or given his groups, because a name of both folds to the same letters."""
        server = FakeServer()
        server.passwords[f"uid=straße,{BASE}"] = "secret"
        directory = self.directory(server, account=False, dn_template=f"uid={{user}},{BASE}")
        self.assertEqual(self.login(directory, "straße", "secret"), Verified("straße"))
        one, other = person("strasse"), person("straße")
        staff = Entry(f"cn=straße,{BASE}", {"member": (one.dn.encode(),)})
        server = FakeServer(one, other, group("strasse", one.dn), staff)
        directory = self.directory(server)
        both = frozenset(("strasse", "straße"))
        self.assertEqual(self.login(directory, "strasse"), Verified("strasse", both))
        self.assertEqual(self.login(directory, "straße", "straße-password"), Verified("straße"))

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
