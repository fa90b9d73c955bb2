"""Groups of a directory's users that are within groups: how far and how often they are followed."""

from __future__ import annotations

from typing import Any

from gateway_auth.groups import ABOVE_SECONDS
from gateway_auth.ldap_messages import Entry
from gateway_auth.tests.directories import ALICE, DirectoryCase
from gateway_auth.tests.servers import BASE, FakeServer, group, person


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
