"""Tests of finding out by which attributes groups name their members."""

from __future__ import annotations

from typing import Any

from gateway_auth.directory import Directory
from gateway_auth.group_members import ALL, MEMBERS_SECONDS
from gateway_auth.ldap_messages import Entry
from gateway_auth.tests.directories import ALICE, DirectoryCase
from gateway_auth.tests.servers import ACCOUNT, BASE, FakeServer, group, person

UNIQUE = Entry(f"cn=unique,{BASE}", {"uniquemember": (ALICE.dn.encode(),)})


class GroupMembersTests(DirectoryCase):
    """A directory with groups of one kind, and what a login asks it."""

    def setUp(self) -> None:
        super().setUp()
        self.server = FakeServer(ALICE, person("bob"), group("staff", ALICE.dn))

    def started(self, **values: Any) -> Directory:
        """Make a directory, and let it find out."""
        directory = self.directory(self.server, **values)
        directory.start()
        self.clock.advance(0)
        return directory

    def asked(self, directory: Directory, user: str = "alice") -> str:
        """Log in, and give all filters that were asked for."""
        del self.server.asked[:]
        self.login(directory, user)
        return " ".join(one for one in self.server.asked if one.startswith("search"))

    def test_one_kind(self) -> None:
        """Logins ask for members as there are some, and for nothing else; before that is known, for all."""
        directory = self.directory(self.server)
        self.assertIn("(uniqueMember=", self.asked(directory, "bob"))
        directory.start()
        self.clock.advance(0)
        asked = self.asked(directory)
        self.assertIn("(member=", asked)
        self.assertNotIn("uniqueMember", asked)
        self.assertNotIn("memberUid", asked)
        self.assertEqual(self.login(directory, "alice").groups, {"staff"})

    def test_no_groups(self) -> None:
        """Where nobody is in any group nothing is asked for but the user."""
        self.server.entries = [ALICE]
        self.assertEqual(self.asked(self.started()), "search (uid=alice)")

    def test_new_kind(self) -> None:
        """A kind of which there is the first group is found after ten minutes; at once when somebody is evicted."""
        directory = self.started(group_cache=1.0)
        self.server.entries.append(UNIQUE)
        self.assertEqual(self.login(directory, "alice").groups, {"staff"})
        self.clock.advance(MEMBERS_SECONDS)
        self.assertEqual(self.login(directory, "alice").groups, {"staff", "unique"})
        self.server.entries.remove(UNIQUE)
        directory = self.started(group_cache=2.0)
        self.server.entries.append(UNIQUE)
        self.assertEqual(self.login(directory, "alice").groups, {"staff"})
        directory.forget("alice")
        self.assertEqual(self.login(directory, "alice").groups, {"staff", "unique"})

    def test_evicted_meanwhile(self) -> None:
        """What was being found out while somebody was evicted does not count: there may be a new kind since."""

        server = self.server

        class Asked(list[str]):
            def append(self, what: str) -> None:
                super().append(what)
                if what == f"search ({ALL[-1]}=*)":
                    server.entries.append(UNIQUE)
                    directory.forget("alice")

        server.asked = Asked()
        directory = self.directory(server)
        directory.start()
        self.clock.advance(0)
        self.assertEqual(self.login(directory, "alice").groups, {"staff", "unique"})

    def test_not_told(self) -> None:
        """A server that does not say is asked for all kinds, and has not failed."""
        self.server.broken = True
        directory = self.started(failures=1)
        self.assertFalse(directory.is_down)
        self.server.broken = False
        self.assertIn("(uniqueMember=", self.asked(directory))

    def test_old_answer(self) -> None:
        """What was found out long ago is not relied on when the server does not say it again."""
        directory = self.started(group_cache=1.0)
        self.assertNotIn("uniqueMember", self.asked(directory))
        self.server.broken = True
        self.clock.pump([MEMBERS_SECONDS] * 3)
        self.server.broken = False
        self.assertIn("(uniqueMember=", self.asked(directory))

    def test_account_refused(self) -> None:
        """A refused service account is tried once, whoever asks."""
        self.server.passwords[ACCOUNT] = "another"
        self.assertTrue(self.started().is_down)
        self.assertEqual(self.server.asked, [f"bind {ACCOUNT}"])

    def test_users_look_themselves(self) -> None:
        """Where users look for their groups themselves all kinds are asked for, as one may see what others do not."""
        template = f"uid={{user}},{BASE}"
        directory = self.directory(self.server, account=False, kind="ldap", dn_template=template)
        directory.start()
        self.clock.advance(0)
        self.assertIn("(uniqueMember=", self.asked(directory))
