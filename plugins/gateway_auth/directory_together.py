"""
Several logins at once: what a directory server is asked for one of them it is asked for all of them together.

On a Monday morning hundreds log in within the same second. One after another, each of the three questions of a login (find the
entry, bind as it, read the groups) is a way to the server and back, with a thread that waits meanwhile. Here all entries are asked
for by one message's way, then the users are bound on several connections at a time, then all groups are asked for. What is asked, and what follows
from an answer, is the same as for one login alone (L{gateway_auth.directory_work}), and whoever can't be decided here is left to that,
but for those whose password a server has got without an answer: it may be a wrong one, and would count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway_auth.bind_results import Answer, Odd, refusal
from gateway_auth.directory_work import DirectoryWork
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_pool import Link
from gateway_auth.ldap_wire import Found, SearchRefused, ServerFailed, Wire
from gateway_auth.names import Login
from gateway_auth.verifier import Refused, Unavailable, Verified

#: What came of a login; C{None}: it is to be asked alone.
Outcome: TypeAlias = Verified | Refused | Unavailable | None


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
    """Asks servers for several logins; its methods block."""

    def __init__(self, work: DirectoryWork) -> None:
        """
        Make it.

        @param work: knows what is asked for one of them.
        """
        self._work = work

    def authenticate(self, link: Link, logins: Sequence[tuple[Login, str]]) -> Sequence[Outcome]:
        """
        Check passwords, none of which is empty, and give their users with all groups.

        @return: for each login in their order. The server may have failed meanwhile, as C{link.fault} says.
        @raise ServerFailed: this server does not answer, and nobody's password was sent.
        """
        work = self._work
        if not work.searches(link):
            return [None] * len(logins)
        is_ad = link.is_ad()
        tried = [_Tried(login, password) for login, password in logins]
        self._find(link, tried, is_ad=is_ad)
        self._bind(link, [one for one in tried if not one.is_over])
        try:
            self._read_groups(link, [one for one in tried if not one.is_over], is_ad=is_ad)
        except ServerFailed as failed:
            # Who was refused is not tried again; whoever was let in may be, as nobody counts that against him.
            link.fault = failed
        return [one.outcome for one in tried]

    def _find(self, link: Link, tried: list[_Tried], *, is_ad: bool) -> None:
        """Find the users' entries."""
        work = self._work
        asked = [(one, work.question(one.login, is_ad=is_ad)) for one in tried]
        wanted = [(one, question) for one, question in asked if question is not None]
        questions = [question for _, question in wanted]
        answers = link.run("service", lambda wire: wire.search_all(questions)) if questions else []
        for (one, _), found in zip(wanted, answers, strict=True):
            if isinstance(found, SearchRefused):
                one.end(Unavailable(str(found)))
            elif not isinstance(found, Exception):
                one.entry = work.meant(found, one.login)

    def _bind(self, link: Link, tried: list[_Tried]) -> None:
        """Bind as the users; for one whom nobody knows as somebody who can't exist, for the time it takes."""
        binds = [
            (one.entry.dn, one.password) if one.entry is not None else self._work.nobody()
            for one in tried
        ]
        answers = link.bind_all(binds) if binds else []
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

    def _read_groups(self, link: Link, tried: list[_Tried], *, is_ad: bool) -> None:
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
            link.run("service", lambda wire: self._with_groups(wire, unknown, is_ad=is_ad))

    def _with_groups(
        self, wire: Wire, unknown: Sequence[tuple[_Tried, Entry, str]], *, is_ad: bool
    ) -> None:
        work = self._work
        members = work.members
        questions = [
            work.groups_question(entry, user, members, is_ad=is_ad) for _, entry, user in unknown
        ]
        answers = iter(wire.search_all([one for one in questions if one.filter]))
        for (one, entry, user), question in zip(unknown, questions, strict=True):
            found: Found = next(answers) if question.filter else []
            if isinstance(found, Exception):
                one.end(Unavailable(str(found)))
                continue
            direct = [group.dn for group in found]
            try:
                one.end(work.with_groups(wire, entry, user, members, is_ad=is_ad, direct=direct))
            except Unavailable as error:
                one.end(error)


def _judge(one: _Tried, answer: Answer) -> None:
    """End a login whose password is no good, or that has to be asked alone as the answer is not about it."""
    try:
        reason = refusal(answer)
    except Odd:
        one.end(None)
        return
    if reason is not None:
        one.end(Refused(reason))
