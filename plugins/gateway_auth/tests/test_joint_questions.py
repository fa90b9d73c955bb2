"""One search for many: whose each entry and each group is, and what becomes of it where that is not clear."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.directory import AT_ONCE, TOGETHER, Directory
from gateway_auth.directory_together import APART_SECONDS
from gateway_auth.joint_questions import groups_found, joined_users, users_found
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_wire import Question
from gateway_auth.tests.directories import DirectoryCase
from gateway_auth.tests.servers import BASE, FakeServer, group, person
from gateway_auth.verifier import Refused, Verified

ANNA, BERT = person("anna"), person("bert", mail="b@example.com")


class UsersTests(SynchronousTestCase):
    """Entries of users."""

    def test_question(self) -> None:
        """One search has all filters, asks for what entries are known by, and lets as many be found as each would alone."""
        questions = [Question("dc=x", f"(uid={name})", ("mail", "memberOf"), 5) for name in "ab"]
        joint = joined_users(questions, [(("uid", "a"),), (("UID", "b"), ("mail", "b"))])
        self.assertEqual((joint.base, joint.filter, joint.limit), ("dc=x", "", 10))
        self.assertEqual(joint.either, ["(uid=a)", "(uid=b)"])
        self.assertEqual([one.lower() for one in joint.attributes], ["mail", "memberof", "uid"])

    def test_each_has_his_own(self) -> None:
        """An entry is whose mark it has, in any case of letters; two of one name are told, and nobody has none of another's."""
        marks = [(("uid", "BERT"),), (("uid", "anna"),), (("uid", "carl"),), (("uid", "anna"),)]
        self.assertEqual(users_found([ANNA, BERT], marks), [[BERT], [ANNA], [], [ANNA]])
        twin = person("anna", mail="x")
        self.assertEqual(users_found([ANNA, twin], marks[1:2]), [[ANNA, twin]])

    def test_either_mark(self) -> None:
        """Who may be known by two marks is found by each, and an entry that has both is one."""
        marks = [(("mail", "b@example.com"), ("uid", "bert"))]
        self.assertEqual(users_found([BERT], marks), [[BERT]])

    def test_nobodys(self) -> None:
        """An entry that the server has matched by other rules than ours leaves open whose it is."""
        self.assertIsNone(users_found([ANNA, person("bérT")], [(("uid", "anna"),)]))
        self.assertIsNone(users_found([Entry("cn=x")], [(("uid", "anna"),)]))


class GroupsTests(SynchronousTestCase):
    """Groups with those members that were asked for."""

    MEMBERS = ((ANNA.dn, "anna"), (BERT.dn, "bert"))

    def test_each_has_his_own(self) -> None:
        """A group is that of its members, by distinguished name or by name."""
        both = Entry(f"cn=both,{BASE}", {"member": (BERT.dn.upper().encode(), ANNA.dn.encode())})
        posix = Entry(f"cn=posix,{BASE}", {"memberuid": (b"bert",)})
        found = groups_found([both, posix], self.MEMBERS)
        self.assertEqual(found, [[both.dn], [both.dn, posix.dn]])
        self.assertEqual(groups_found([], self.MEMBERS), [[], []])
        twice = ((ANNA.dn, "anna"), (ANNA.dn, "anna"))
        self.assertEqual(groups_found([group("a", ANNA.dn)], twice), [[f"cn=a,{BASE}"]] * 2)

    def test_nobodys(self) -> None:
        """It is not clear who is in a group with a member that is nobody here, none, or one in another form."""
        spelled = ANNA.dn.replace(",", ", ").encode()
        for attributes in (
            {},
            {"member": (ANNA.dn.encode(), b"uid=carl,dc=example,dc=com")},
            {"member": (spelled,)},
            {"member": (b"\xff",)},
            {"member": (b"anna",)},
            {"uniquemember": (ANNA.dn.encode() + b"#'0101'B",)},
            {"memberuid": (b"Anna",)},
            {"memberuid": (ANNA.dn.encode(),)},
        ):
            self.assertIsNone(groups_found([Entry("cn=x", attributes)], self.MEMBERS), attributes)


class FallbackTests(DirectoryCase):
    """Logins together where one search for all is not enough."""

    def logins(self, server: FakeServer, directory: Directory, *names: str) -> list[object]:
        """Log in behind two others; gives users or reasons, and leaves what was asked since in C{asked}."""
        server.hold()
        for number in range(AT_ONCE):
            self.begin(directory, f"front{number}", "x").addErrback(lambda _: None)
        waiting = [self.begin(directory, name, f"{name.lower()}-password") for name in names]
        server.release()
        self.clock.pump([0.0] * 5)
        self.asked, server.asked = server.asked, []
        return [self.outcome(one) for one in waiting]

    def outcome(self, waiting: Deferred[Verified]) -> object:
        """Give what came of a login."""
        found: list[object] = []
        waiting.addCallbacks(
            found.append,
            lambda failure: found.append(
                failure.value.reason if isinstance(failure.value, Refused) else failure.value
            ),
        )
        return found[0]

    def many(self, filter: str) -> int:
        """Count the searches whose filter has this more than once."""
        return sum(one.count(filter) > 1 for one in self.asked if one.startswith("search"))

    def test_all_at_once(self) -> None:
        """One search has the entries, one the groups."""
        server = FakeServer(ANNA, BERT, group("staff", ANNA.dn, "uid=else,dc=example,dc=com"))
        found = self.logins(server, self.directory(server), "anna", "bert")
        self.assertEqual(found, [Verified("anna", frozenset(("staff",))), Verified("bert")])
        self.assertEqual((self.many("(uid="), self.many("(member=")), (1, 1))

    def test_not_seen(self) -> None:
        """Who was not among those found for all is asked for alone before nobody knows him."""
        server = FakeServer(ANNA, BERT)
        self.assertEqual(
            self.logins(server, self.directory(server), "anna", "ghost", "bert"),
            [Verified("anna"), "unknown_user", Verified("bert")],
        )
        self.assertEqual(self.asked.count("search (uid=ghost)"), 1)

    def test_by_rules_of_its_own(self) -> None:
        """Where the server takes two spellings for one name, each is asked for alone and is who the server says."""
        bert = Entry(f"uid=bert,{BASE}", {"uid": ("bért".encode(),)})
        server = FakeServer(ANNA, bert)
        server.fold = lambda text: text.lower().replace("é", "e")
        found = self.logins(server, self.directory(server), "anna", "bert")
        self.assertEqual(found, [Verified("anna"), Verified("bért")])
        self.assertEqual(self.many("(uid="), 1)
        self.assertIn("2 searches", self.asked)

    def test_no_matched_values(self) -> None:
        """A server that can't leave out members is asked group by group, and not tried again for a while."""
        server = FakeServer(ANNA, BERT, group("staff", ANNA.dn, BERT.dn))
        server.can_match = False
        directory = self.directory(server, group_cache=1.0)
        staff = frozenset(("staff",))
        expected = [Verified("anna", staff), Verified("bert", staff)]
        for seconds, tries in ((2.0, 1), (APART_SECONDS, 0), (0.0, 1)):
            # A refused try leaves no search at the fake server: the two that follow it do.
            self.assertEqual(self.logins(server, directory, "anna", "bert"), expected)
            ways = self.asked.count("2 searches")
            self.assertEqual(ways, 1)
            self.assertEqual(self.asked.count("1 searches") > 1, bool(tries), seconds)
            self.clock.advance(seconds)

    def test_unclear_member(self) -> None:
        """A group that names a member in another form is not taken for nobody's."""
        spelled = f"UID=anna,{BASE}"
        server = FakeServer(ANNA, BERT, group("staff", spelled), group("all", BERT.dn))
        self.assertEqual(
            self.logins(server, self.directory(server), "anna", "bert"),
            [Verified("anna", frozenset(("staff",))), Verified("bert", frozenset(("all",)))],
        )

    def test_own_filter(self) -> None:
        """Whom an operator's filter finds only the server knows: each is asked for alone, and in one go."""
        server = FakeServer(ANNA, BERT)
        directory = self.directory(server, user_filter="(|(uid={user})(mail={name}))")
        self.assertEqual(
            self.logins(server, directory, "anna", "bert"), [Verified("anna"), Verified("bert")]
        )
        self.assertEqual(self.many("(uid="), 0)
        self.assertIn("2 searches", self.asked)

    def test_active_directory(self) -> None:
        """There entries are found by whole names or short ones, and groups one by one, by its own rule."""
        users = [person(f"u{n}", userPrincipalName=f"n{n}@example.com") for n in range(TOGETHER)]
        server = FakeServer(*users, group("staff", users[3].dn), is_ad=True)
        server.passwords.update(
            {user.dn: f"n{n}@example.com-password" for n, user in enumerate(users)}
        )
        found = self.logins(server, self.directory(server), "n3@example.com", "N4@example.com")
        self.assertEqual(found, [Verified("u3", frozenset(("staff",))), Verified("u4")])
        self.assertEqual(self.many("(userPrincipalName="), 1)
        self.assertEqual(self.many("(member:1.2.840.113556.1.4.1941:="), 0)
