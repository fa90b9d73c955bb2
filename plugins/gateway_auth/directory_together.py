"""
Several logins at once: what a directory server is asked for one of them it is asked for all of them together.

On a Monday morning hundreds log in within the same second. One after another, each of the three questions of a login (find the
entry, bind as it, read the groups) is a way to the server and back. Here all entries are asked for by one search
(L{gateway_auth.joint_questions}), then the users are bound on several connections at a time, then all groups are asked for by one
search. What follows from an answer is the same as for one login alone (L{gateway_auth.directory_work}), and whoever can't be decided here is
left to that, but for those whose password a server has got without an answer: it may be a wrong one, and would count twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway_auth.bind_results import Answer, Odd, refusal
from gateway_auth.directory_work import DirectoryWork
from gateway_auth.joint_questions import groups_found, joined_users, users_found
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_pool import Link
from gateway_auth.ldap_wire import Found, Question, SearchRefused, ServerFailed, Wire
from gateway_auth.names import Login
from gateway_auth.verifier import Refused, Unavailable, Verified

#: What came of a login; C{None}: it is to be asked alone.
Outcome: TypeAlias = Verified | Refused | Unavailable | None

#: For so many seconds groups are asked for one by one where it is not clear what one search for all says.
APART_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Tried:
    """
    One login.

    @ivar entry: who it is; C{None}: nobody knows him.
    """

    login: Login
    password: str
    entry: Entry | None = None
    outcome: Outcome = None
    is_over: bool = False

    def end(self, outcome: Outcome) -> None:
        """Take what came of it."""
        self.outcome = outcome
        self.is_over = True


class Together:
    """Asks servers for several logins."""

    def __init__(self, work: DirectoryWork, now: Callable[[], float]) -> None:
        """
        Make it.

        @param work: knows what is asked for one of them.
        @param now: gives seconds.
        """
        self._work = work
        self._now = now
        self._apart_until = 0.0

    async def authenticate(
        self, link: Link, logins: Sequence[tuple[Login, str]]
    ) -> Sequence[Outcome]:
        """
        Check passwords, none of which is empty, and give their users with all groups.

        @return: for each login in their order. The server may have failed meanwhile, as C{link.fault} says.
        @raise ServerFailed: this server does not answer, and nobody's password was sent.
        """
        work = self._work
        if not await work.searches(link):
            return [None] * len(logins)
        is_ad = await link.is_ad()
        tried = [_Tried(login, password) for login, password in logins]
        await self._find(link, tried, is_ad=is_ad)
        await self._bind(link, [one for one in tried if not one.is_over])
        try:
            await self._read_groups(link, [one for one in tried if not one.is_over], is_ad=is_ad)
        except ServerFailed as failed:
            # Who was refused is not tried again; whoever was let in may be, as nobody counts that against him.
            link.fault = failed
        return [one.outcome for one in tried]

    async def _find(self, link: Link, tried: list[_Tried], *, is_ad: bool) -> None:
        """Find the users' entries."""
        work = self._work
        wanted: list[tuple[_Tried, Question]] = []
        for one in tried:
            question = work.question(one.login, is_ad=is_ad)
            if question is not None:
                wanted.append((one, question))
        if not wanted:
            return
        answers = await link.run("service", lambda wire: self._entries(wire, wanted, is_ad=is_ad))
        for (one, _), found in zip(wanted, answers, strict=True):
            if isinstance(found, SearchRefused):
                one.end(Unavailable(str(found)))
            elif not isinstance(found, Exception):
                one.entry = work.meant(found, one.login)

    async def _entries(
        self, wire: Wire, wanted: Sequence[tuple[_Tried, Question]], *, is_ad: bool
    ) -> list[Found]:
        """Give what each question finds."""
        work = self._work
        marks = [work.marks(one.login, is_ad=is_ad) for one, _ in wanted]
        questions = [question for _, question in wanted]
        answers: list[Found] = [[] for _ in wanted]
        if len(wanted) > 1 and all(marks):
            (joint,) = await wire.search_all((joined_users(questions, marks),))
            shared = None if isinstance(joint, Exception) else users_found(joint, marks)
            if shared is not None:
                answers[:] = shared
        # Nobody is unknown, or one of several, because of what a search for others found, too.
        missing = [
            place
            for place, found in enumerate(answers)
            if isinstance(found, Exception) or len(found) != 1
        ]
        if missing:
            found = await wire.search_all([questions[place] for place in missing])
            for place, one in zip(missing, found, strict=True):
                answers[place] = one
        return answers

    async def _bind(self, link: Link, tried: list[_Tried]) -> None:
        """Bind as the users; for one whom nobody knows as somebody who can't exist, for the time it takes."""
        binds = [
            (one.entry.dn, one.password) if one.entry is not None else self._work.nobody()
            for one in tried
        ]
        answers = await link.bind_all(binds) if binds else []
        for one, answer in zip(tried, answers, strict=True):
            if answer is None:
                one.end(None)
            elif isinstance(answer, ServerFailed):
                # The server may have counted a wrong password without saying so.
                one.end(Unavailable(f"no answer to a bind: {answer}"))
            elif one.entry is None:
                one.end(Refused("unknown_user"))
            else:
                _judge(one, answer)

    async def _read_groups(self, link: Link, tried: list[_Tried], *, is_ad: bool) -> None:
        """Give the users their groups, as far as these are not known already."""
        work = self._work
        unknown: list[tuple[_Tried, Entry, str]] = []
        for one in tried:
            assert one.entry is not None
            known = work.known(one.entry)
            if known is not None:
                one.end(known)
                continue
            try:
                unknown.append((one, one.entry, work.user_of(one.entry, is_ad=is_ad)))
            except (Refused, Unavailable) as error:
                one.end(error)
        if unknown:
            await link.run("service", lambda wire: self._with_groups(wire, unknown, is_ad=is_ad))

    async def _with_groups(
        self, wire: Wire, unknown: Sequence[tuple[_Tried, Entry, str]], *, is_ad: bool
    ) -> None:
        work = self._work
        members = work.members
        found = await self._direct(wire, unknown, members, is_ad=is_ad)
        for (one, entry, user), groups in zip(unknown, found, strict=True):
            if isinstance(groups, Exception):
                one.end(Unavailable(str(groups)))
                continue
            try:
                one.end(
                    await work.with_groups(wire, entry, user, members, is_ad=is_ad, direct=groups)
                )
            except Unavailable as error:
                one.end(error)

    async def _direct(
        self,
        wire: Wire,
        unknown: Sequence[tuple[_Tried, Entry, str]],
        members: Sequence[str],
        *,
        is_ad: bool,
    ) -> Sequence[Sequence[str] | Exception]:
        """Give the names of each one's direct groups, or why they can't be had."""
        work = self._work
        if not members and not is_ad:
            return [()] * len(unknown)
        if len(unknown) > 1 and not is_ad and self._now() >= self._apart_until:
            users = [(entry, user) for _, entry, user in unknown]
            (joint,) = await wire.search_all((work.joint_groups_question(users, members),))
            if not isinstance(joint, Exception):
                shared = groups_found(joint, [(entry.dn, user) for entry, user in users])
                if shared is not None:
                    return shared
            # Another server may do it, or this one when it is another version; and the user may be gone who made it unclear.
            self._apart_until = self._now() + APART_SECONDS
        questions = [
            work.groups_question(entry, user, members, is_ad=is_ad) for _, entry, user in unknown
        ]
        answers = iter(await wire.search_all([one for one in questions if one.filter]))
        return [_names(next(answers)) if one.filter else () for one in questions]


def _names(found: Found) -> Sequence[str] | Exception:
    return found if isinstance(found, Exception) else [group.dn for group in found]


def _judge(one: _Tried, answer: Answer) -> None:
    """End a login whose password is no good, or that has to be asked alone as the answer is not about it."""
    try:
        reason = refusal(answer)
    except Odd:
        one.end(None)
        return
    if reason is not None:
        one.end(Refused(reason))
