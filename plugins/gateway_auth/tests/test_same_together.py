"""Logins together come to what each comes to alone, whatever directory it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import Secret
from gateway.testing import Clock
from gateway_auth.directory_together import Together
from gateway_auth.directory_work import DirectoryWork
from gateway_auth.group_members import ALL, GroupMembers
from gateway_auth.groups import Above
from gateway_auth.joint_questions import groups_found, users_found
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_pool import Link, Pool
from gateway_auth.ldap_settings import LdapSettings, server_uri
from gateway_auth.ldap_wire import Deadline
from gateway_auth.lookups import Lookups
from gateway_auth.names import read_login
from gateway_auth.tests.servers import ACCOUNT, ACCOUNT_PASSWORD, BASE, FakeServer, group, person
from gateway_auth.verifier import Refused, Unavailable

NAMES = ("anna", "ANNA", "anna2", "stra\u00dfe", "strasse", "STRASSE", "j\u00f6rg", "jorg", "x.y-z")
FOLDS: Sequence[Callable[[str], str]] = (
    str.lower,
    str.casefold,
    lambda text: text.lower().replace("\u00f6", "o"),
)
_PEOPLE = st.lists(
    st.builds(
        lambda name, more, of, upn: person(
            name,
            uid=[name, *more],
            memberOf=[f"cn={one},{BASE}" for one in of],
            userPrincipalName=f"{upn}@example.com",
        ),
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(NAMES), max_size=1),
        st.lists(st.sampled_from("pq"), max_size=1),
        st.sampled_from(NAMES),
    ),
    max_size=5,
    unique_by=lambda entry: entry.dn,
)
_MEMBERS = st.lists(
    st.one_of(
        st.sampled_from([f"uid={name},{BASE}" for name in NAMES]),
        st.sampled_from([f"UID={name},{BASE}" for name in NAMES[:3]]),
        st.sampled_from([f"cn={name},{BASE}" for name in "abc"]),
    ),
    max_size=4,
)
_GROUPS = st.lists(
    st.builds(
        lambda name, kind, members, names: Entry(
            f"cn={name},{BASE}",
            {
                kind: tuple(one.encode() for one in members),
                "memberuid": tuple(one.encode() for one in names),
            },
        ),
        st.sampled_from("abcd"),
        st.sampled_from(("member", "uniquemember")),
        _MEMBERS,
        st.lists(st.sampled_from(NAMES), max_size=2),
    ),
    max_size=4,
    unique_by=lambda entry: entry.dn,
)
_LOGINS = st.lists(
    st.tuples(
        st.sampled_from(
            [*NAMES, "ghost", "anna@example.com", "strasse@example.com", "EXAMPLE\\anna"]
        ),
        st.sampled_from([f"{name}-password" for name in NAMES]),
    ),
    min_size=2,
    max_size=6,
)


class SameTests(SynchronousTestCase):
    """One directory, asked in both ways."""

    def asks(self, server: FakeServer) -> tuple[DirectoryWork, Link, Clock]:
        """Make what asks a server, knowing nothing."""
        clock = Clock()
        wanted = LdapSettings(
            uri=(server_uri("ldaps://192.0.2.1"),),
            base=BASE,
            bind_dn=ACCOUNT,
            password=Secret(ACCOUNT_PASSWORD),
        )
        work = DirectoryWork(
            wanted, Lookups(clock, 60.0, 100), Above(clock.seconds), GroupMembers(clock.seconds)
        )
        pool = Pool(wanted, wanted.uri[0], server.connect, clock.seconds)
        return work, pool.link((), Deadline(clock, 10.0)), clock

    def alone(self, server: FakeServer, user: str, password: str) -> object:
        """Ask for one, by what knows of no other."""
        work, link, _ = self.asks(server)
        asking = Deferred.fromCoroutine(work.authenticate(link, read_login(user), password))
        return self.shown(self.result(asking))

    def together(self, server: FakeServer, logins: Sequence[tuple[str, str]]) -> list[object]:
        """Ask for all; what is undecided is asked alone."""
        work, link, clock = self.asks(server)
        said = [(read_login(user), password) for user, password in logins]
        asking = Deferred.fromCoroutine(Together(work, clock.seconds).authenticate(link, said))
        found: Any = self.result(asking)
        self.assertIsNone(link.fault)
        return [
            self.alone(server, *login) if one is None else self.shown(one)
            for one, login in zip(found, logins, strict=True)
        ]

    def result(self, asking: Deferred[Any]) -> object:
        """Give what came of it, or the error."""
        results: list[Any] = []
        asking.addCallbacks(results.append, lambda failure: results.append(failure.value))
        return results[0]

    def shown(self, one: object) -> object:
        """Give what can be compared."""
        if isinstance(one, Refused):
            return one.reason
        return str(one) if isinstance(one, Unavailable) else one

    @settings(deadline=None, derandomize=True, max_examples=400)
    @given(_PEOPLE, _GROUPS, _LOGINS, st.sampled_from(FOLDS), st.booleans(), st.booleans())
    def test_same(
        self,
        people: list[Entry],
        groups: list[Entry],
        logins: list[tuple[str, str]],
        fold: Callable[[str], str],
        can_match: bool,
        is_ad: bool,
    ) -> None:
        """Users, reasons and groups are the same."""
        server = FakeServer(*people, *groups, is_ad=is_ad)
        server.fold = fold
        server.can_match = can_match
        expected = [self.alone(server, *login) for login in logins]
        self.assertEqual(self.together(server, logins), expected)

    def test_names_that_look_alike(self) -> None:
        """Two users whose names are one to those who fold all letters have each his own groups alone."""
        one, other = person("stra\u00dfe"), person("strasse")
        server = FakeServer(one, other, group("staff", one.dn), group("guests", other.dn))
        logins = [("stra\u00dfe", "stra\u00dfe-password"), ("strasse", "strasse-password")]
        found: list[Any] = self.together(server, logins)
        self.assertEqual([set(user.groups) for user in found], [{"staff"}, {"guests"}])

    def test_entries_that_look_alike(self) -> None:
        """Where names of entries differ in the case of letters alone it is not clear whose a group is."""
        members = [(f"uid=anna,{BASE}", "anna"), (f"uid=ANNA,{BASE}", "ANNA")]
        self.assertIsNone(groups_found([group("a", members[0][0])], members))
        self.assertEqual(groups_found([group("a", members[0][0])], members[:1]), [[f"cn=a,{BASE}"]])
        folded = [(f"uid=strasse,{BASE}", "strasse")]
        self.assertIsNone(groups_found([group("a", f"uid=stra\u00dfe,{BASE}")], folded))
        self.assertIsNone(users_found([person("stra\u00dfe")], [(("uid", "strasse"),)]))

    def test_all_kinds(self) -> None:
        """The joint search asks for members of all kinds."""
        server = FakeServer(person("anna"), person("x.y-z"))
        self.together(server, [("anna", "anna-password"), ("x.y-z", "x.y-z-password")])
        (joint,) = [one for one in server.asked if one.count("(member=") > 1]
        self.assertEqual([joint.count(f"({kind}=") for kind in ALL], [2, 2, 2])
