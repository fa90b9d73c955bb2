r"""
What is asked of a directory server to know a user; each call is one piece of work.

Whose password it is never hangs on how a name was written: the entry that was bound as is the entry whose name and groups are
given. Where users bind by C{user@domain} or C{DOMAIN\user} itself, for want of a service account, only names of this very domain
are taken, since a trusted domain may have another user of the same name.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence

from gateway_auth.bind_results import Odd, refusal
from gateway_auth.group_members import ALL, GroupMembers, find_members
from gateway_auth.groups import ATTRIBUTES, Above, joint_question, question, read_groups
from gateway_auth.joint_questions import Marks
from gateway_auth.ldap_messages import Entry, Scope
from gateway_auth.ldap_pool import Link
from gateway_auth.ldap_settings import LdapSettings
from gateway_auth.ldap_wire import Question, SearchRefused, ServerFailed, TooMany, Wire
from gateway_auth.lookups import Lookups
from gateway_auth.names import (
    MAX_NAME,
    Login,
    escape_dn,
    escape_filter,
    first_rdn,
    is_clean,
)
from gateway_auth.verifier import Refused, Unavailable, Verified

#: C{ACCOUNTDISABLE} in C{userAccountControl} of Active Directory (MS-ADTS section 2.2.16).
_DISABLED = 0x2
#: So many entries may be found for one name, of which one may be meant.
_AMBIGUOUS = 5


class DirectoryWork:
    """Asks servers."""

    def __init__(
        self, settings: LdapSettings, lookups: Lookups, above: Above, members: GroupMembers
    ) -> None:
        """
        Make it.

        @param lookups: the groups that are known already, by the entries' names.
        @param above: the groups that groups are in.
        @param members: how groups name their members.
        """
        self._settings = settings
        self._lookups = lookups
        self._members = members
        # Who can't search as the service account, or as nobody, searches as the user.
        self._above = above if settings.bind_dn or not settings.dn_template else None

    async def authenticate(self, link: Link, login: Login, password: str) -> Verified:
        """
        Check a password, which is not empty, and give its user with all groups.

        @raise Refused: it is no good.
        @raise Unavailable: the directory answers, but nothing that helps.
        @raise ServerFailed: this server does not answer.
        """
        if self._settings.dn_template:
            return await self._by_template(link, login, password)
        if await self._can_search(link):
            return await self._by_search(link, login, password)
        return await self._by_own_name(link, login, password)

    async def look_up(self, link: Link, login: Login) -> Verified:
        """
        Give the user of a name that was verified elsewhere, with all groups.

        @raise Refused: there is no such user, or the account is disabled.
        @raise Unavailable: as of L{authenticate}; or nobody may look.
        @raise ServerFailed: likewise.
        """
        if not await self._can_search(link):
            raise Unavailable("looking users up in Active Directory needs ldap.bind_dn")
        is_ad = await link.is_ad()
        entry = await link.run("service", lambda wire: self._found(wire, login, is_ad=is_ad))
        if entry is None:
            raise Refused("unknown_user")
        control = next(iter(entry.texts("userAccountControl")), "0")
        if control.isdigit() and int(control) & _DISABLED:
            raise Refused("disabled")
        return await self._verified(link, entry, is_ad=is_ad)

    async def probe(self, link: Link) -> None:
        """
        See whether a server does its work: a connection as the service account, and one look at what it is.

        @raise ServerFailed: it does not.
        """
        # Whether it wants to be looked at is another question: it answers.
        with contextlib.suppress(SearchRefused, TooMany):
            await link.run("service", _looked_at)

    # For those who ask for several logins at once (L{gateway_auth.directory_together}).

    async def searches(self, link: Link) -> bool:
        """Tell whether users are found by a search of the service account, or of nobody."""
        return not self._settings.dn_template and await self._can_search(link)

    def question(self, login: Login, *, is_ad: bool) -> Question | None:
        """Give what finds the entry of a user, C{None} if nobody can be meant."""
        filter = self._filter(login, is_ad=is_ad)
        if not filter:
            return None
        return self._question(self._settings.base, filter, "subtree", is_ad=is_ad)

    def marks(self, login: Login, *, is_ad: bool) -> Marks:
        """Give how the entries are known that L{question} finds; nothing where the operator's own filter says who is found."""
        if self._settings.user_filter:
            return ()
        is_ours = self._is_ours(login)
        if not is_ad:
            return (("uid", login.user if is_ours else login.text),)
        name = ("sAMAccountName", login.user)
        if login.form != "upn":
            return (name,)
        by_whole = ("userPrincipalName", login.text)
        return (by_whole, name) if is_ours else (by_whole,)

    def meant(self, entries: list[Entry], login: Login) -> Entry | None:
        """Give the one of some entries that a name means, C{None} if there is none, or more than one that it could be."""
        if len(entries) > 1:
            # The name as it was written goes before what it is short for, as where users bind by it.
            name = login.text.casefold()
            entries = [
                one
                for one in entries
                if name in (text.casefold() for text in one.texts("userPrincipalName"))
            ]
        # An entry without a name is the root, and a bind without a name is anonymous.
        return entries[0] if len(entries) == 1 and entries[0].dn else None

    def nobody(self) -> tuple[str, str]:
        """Make up name and password of somebody who can't exist: to bind as him takes as long as with a wrong password."""
        return f"cn={secrets.token_hex(16)},{self._settings.base}", secrets.token_urlsafe(12)

    def known(self, entry: Entry) -> Verified | None:
        """Give a user whose groups were read lately."""
        return self._lookups.get(entry.dn)

    @property
    def members(self) -> Sequence[str]:
        """The attributes to look for members by; what the service account does not see, the user may."""
        return ALL if self._above is None else self._members.get()

    def groups_question(
        self, entry: Entry, user: str, members: Sequence[str], *, is_ad: bool
    ) -> Question:
        """Give what L{with_groups} asks first."""
        return question(self._settings, entry, user, members, is_ad=is_ad)

    def joint_groups_question(
        self, users: Sequence[tuple[Entry, str]], members: Sequence[str]
    ) -> Question:
        """Give what asks it for several users, each an entry and a name, with who of them is in a group; not of Active Directory."""
        return joint_question(self._settings, users, members)

    async def find_members(self, link: Link) -> tuple[str, ...] | None:
        """Find out how groups name their members; C{None} if that can't be said, or is of no use."""
        if self._above is None or not await self._can_search(link):
            return None
        return await find_members(link, self._settings)

    async def _by_search(self, link: Link, login: Login, password: str) -> Verified:
        is_ad = await link.is_ad()
        entry = await link.run("service", lambda wire: self._found(wire, login, is_ad=is_ad))
        if entry is None:
            await self._bind_as_nobody(link)
            raise Refused("unknown_user")
        await link.run("login", lambda wire: _bind(wire, entry.dn, password))
        return await self._verified(link, entry, is_ad=is_ad)

    async def _by_template(self, link: Link, login: Login, password: str) -> Verified:
        if not self._is_ours(login):
            await self._bind_as_nobody(link)
            raise Refused("unknown_user")
        dn = self._settings.dn_template.replace("{user}", escape_dn(login.user))
        is_ad = await link.is_ad()

        async def read(wire: Wire) -> Verified:
            known = self._lookups.get(dn)
            if known is not None:
                return known
            asked = self._question(dn, "(objectClass=*)", "base", is_ad=is_ad)
            seen = await _searched(wire, asked)
            if not seen:
                # Who may not read the own entry is called what he wrote, in one spelling.
                entry, user = Entry(dn), login.user.lower()
            else:
                entry = Entry(dn, seen[0].attributes)
                user = self.user_of(entry, is_ad=is_ad)
            return await self.with_groups(wire, entry, user, self.members, is_ad=is_ad)

        async def bound(wire: Wire) -> Verified | None:
            await _bind(wire, dn, password)
            return None if self._settings.bind_dn else await read(wire)

        found = await link.run("login", bound)
        return found if found is not None else await link.run("service", read)

    async def _by_own_name(self, link: Link, login: Login, password: str) -> Verified:
        if not self._is_ours(login):
            await self._bind_as_nobody(link)
            raise Refused("unknown_user")
        name = login.text if login.form == "upn" else f"{self._settings.netbios}\\{login.user}"

        async def work(wire: Wire) -> Verified:
            await _bind(wire, name, password)
            entry = await self._found(wire, login, is_ad=True)
            if entry is None:
                raise Unavailable("a user who was let in does not see the own entry")
            known = self._lookups.get(entry.dn)
            if known is not None:
                return known
            user = self.user_of(entry, is_ad=True)
            return await self.with_groups(wire, entry, user, self.members, is_ad=True)

        return await link.run("login", work)

    async def _bind_as_nobody(self, link: Link) -> None:
        """Take as long as for a wrong password: bind as somebody who can't exist."""
        name, password = self.nobody()
        with contextlib.suppress(Refused):
            await link.run("login", lambda wire: _bind(wire, name, password))

    async def _can_search(self, link: Link) -> bool:
        return bool(self._settings.bind_dn) or not await link.is_ad()

    def _is_ours(self, login: Login) -> bool:
        """Tell whether a name says no domain, or the directory's own."""
        domain = login.domain.casefold()
        if login.form == "plain" or domain == self._settings.dns_domain:
            return True
        return login.form == "down_level" and domain == self._settings.netbios.casefold()

    async def _found(self, wire: Wire, login: Login, *, is_ad: bool) -> Entry | None:
        """Find the one entry of a user, C{None} if there is none, or more than one that it could be."""
        question = self.question(login, is_ad=is_ad)
        return None if question is None else self.meant(await _searched(wire, question), login)

    def _filter(self, login: Login, *, is_ad: bool) -> str:
        """Give the filter that finds a user; empty if nobody can be meant."""
        is_ours = self._is_ours(login)
        if login.form == "down_level" and not is_ours:
            return ""
        if self._settings.user_filter:
            user, name = login.user if is_ours else login.text, login.text
            return self._settings.user_filter.replace("{user}", escape_filter(user)).replace(
                "{name}", escape_filter(name)
            )
        marks = self.marks(login, is_ad=is_ad)
        found = "".join([f"({attribute}={escape_filter(value)})" for attribute, value in marks])
        if not is_ad:
            return found
        if login.form == "upn":
            found = f"(|{found})"
        return f"(&(objectCategory=person)(objectClass=user){found})"

    def _question(self, base: str, filter: str, scope: Scope, *, is_ad: bool) -> Question:
        attributes = [self._user_attribute(is_ad=is_ad), *ATTRIBUTES]
        if is_ad:
            attributes += ("userPrincipalName", "userAccountControl")
        return Question(base, filter, attributes, _AMBIGUOUS, scope)

    def _user_attribute(self, *, is_ad: bool) -> str:
        return self._settings.user_attribute or ("sAMAccountName" if is_ad else "uid")

    def user_of(self, entry: Entry, *, is_ad: bool) -> str:
        """
        Give the canonical name, which is the same however the user wrote it.

        @raise Unavailable: the entry has none.
        @raise Refused: it is none.
        """
        attribute = self._user_attribute(is_ad=is_ad)
        names = sorted(entry.texts(attribute))
        if not names:
            raise Unavailable(f"the users' entries have no {attribute}: see ldap.user_attribute")
        first = first_rdn(entry.dn)
        name = first if first in names else names[0]
        if not name or len(name) > MAX_NAME or not is_clean(name):
            raise Refused("bad_name")
        return name

    async def _verified(self, link: Link, entry: Entry, *, is_ad: bool) -> Verified:
        known = self._lookups.get(entry.dn)
        if known is not None:
            return known
        user = self.user_of(entry, is_ad=is_ad)
        return await link.run(
            "service", lambda wire: self.with_groups(wire, entry, user, self.members, is_ad=is_ad)
        )

    async def with_groups(
        self,
        wire: Wire,
        entry: Entry,
        user: str,
        members: Sequence[str],
        *,
        is_ad: bool,
        direct: Sequence[str] | None = None,
    ) -> Verified:
        """
        Read the groups of a user, and keep them.

        @param direct: as of L{read_groups}.
        @raise Unavailable: they can't be read.
        """
        try:
            groups = await read_groups(
                wire, self._settings, entry, user, self._above, members, is_ad=is_ad, direct=direct
            )
        except (SearchRefused, TooMany) as error:
            raise Unavailable(str(error)) from None
        verified = Verified(user, groups)
        self._lookups.put(entry.dn, verified)
        return verified


async def _searched(wire: Wire, asked: Question) -> list[Entry]:
    """
    Find the entries of users; too many are none.

    @raise Unavailable: the server does not want to search.
    """
    try:
        return await wire.search(
            asked.base, asked.filter, asked.attributes, limit=asked.limit, scope=asked.scope
        )
    except TooMany:
        return []
    except SearchRefused as refused:
        raise Unavailable(str(refused)) from None


async def _bind(wire: Wire, name: str, password: str) -> None:
    """
    Authenticate a connection as a user.

    @raise Refused: he is refused.
    @raise ServerFailed: the answer is not about him.
    """
    try:
        reason = refusal(await wire.bind(name, password))
    except Odd as odd:
        raise ServerFailed(f"a bind fails: {odd}") from None
    if reason is not None:
        raise Refused(reason)


async def _looked_at(wire: Wire) -> object:
    return await wire.search("", "(objectClass=*)", (), limit=1, scope="base")
