"""
What a source of passwords is: the contract between the plugin and local users, a directory or whatever else knows users.

The reasons of a refusal are for the operators' log alone; a client never learns more than that it was refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

#: Why a password was refused; C{too_often}: the limiter did not let it be tried at all;
#: C{bad_token}: a ticket or message of Negotiate or NTLM that proves nothing.
Reason: TypeAlias = Literal[
    "wrong_password",
    "unknown_user",
    "expired",
    "disabled",
    "locked",
    "empty",
    "bad_name",
    "bad_token",
    "too_often",
]


@dataclass(frozen=True, slots=True)
class Verified:
    """
    Who it is, as the source says.

    @ivar user: the canonical name: two spellings of one user give the same.
    @ivar groups: names of the groups, nested ones included.
    """

    user: str
    groups: frozenset[str] = frozenset()


class Refused(Exception):
    """
    The credentials are no good.

    @ivar reason: for the log; the same user may be C{unknown_user} at one source and known at the next.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Unavailable(Exception):
    """
    The source can't be asked, so nobody knows whether the credentials are good.

    @ivar detail: for the log: what is wrong, without credentials.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Verifier(Protocol):
    """Knows users and their passwords."""

    async def verify(self, user: str, password: str) -> Verified:
        """
        Check a password; never blocks the reactor.

        It takes as long for a user that does not exist as for a wrong password.

        @param user: as the client wrote it.
        @raise Refused: it is no good.
        @raise Unavailable: nobody can say.
        """
