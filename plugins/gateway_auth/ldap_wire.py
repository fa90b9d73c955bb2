"""
What is asked of one connection to a directory server, whatever it is made of: to bind and to search, in time, and how that fails.

Nothing here blocks; one deadline holds for connecting, TLS and every answer. After a L{ServerFailed} another server may be asked;
what a server refuses is no other one's to grant. The connection itself is in C{ldap_connection}, how a server is reached in
C{ldap_connect}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from twisted.python.failure import Failure

from gateway.api import Clock
from gateway_auth.bind_results import Answer
from gateway_auth.ldap_messages import Entry, Scope
from gateway_auth.ldap_settings import ServerUri

#: Where a server is, as C{socket.getaddrinfo} says it: family and address.
SocketAddress: TypeAlias = tuple[int, tuple[Any, ...]]

#: In C{supportedCapabilities} of Active Directory (MS-ADTS section 3.1.1.3.4.3.1).
ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"


class ServerFailed(Exception):
    """
    A server does not answer, or can't do its work; another one may.

    The text is for the log and has no credentials.
    """


class NoAnswer(ServerFailed):
    """A server does not answer in time."""


class AccountRefused(ServerFailed):
    """
    A server refuses the service account.

    To try again at once, or with every request, would have the account locked.
    """


class SearchRefused(Exception):
    """A server answers, and does not want to search: asking another one would not help."""


class TooMany(Exception):
    """There is more to find than was asked for."""


class Deadline:
    """
    The end of everybody's patience with one piece of work.

    @ivar end: when that is, on the plugin's clock.
    """

    __slots__ = ("_clock", "end")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self.end = clock.seconds() + seconds

    def left(self) -> float:
        """
        Give the seconds that are left, more than 0.

        @raise TimeoutError: there are none.
        """
        left = self.end - self._clock.seconds()
        if left <= 0:
            raise TimeoutError("out of time")
        return left


@dataclass(frozen=True, slots=True)
class Question:
    """
    A search.

    @ivar filter: as people write it (RFC 4515); may be empty where there is C{either}.
    @ivar attributes: those that are wanted of each entry; none are none.
    @ivar limit: more entries than these are too many.
    @ivar either: filters likewise, any of which has to find an entry besides; none: C{filter} is all.
    @ivar matched: of an entry only those values are to be given that match C{either} (RFC 3876). A server that can't do that refuses
        the search.
    """

    base: str
    filter: str
    attributes: Sequence[str]
    limit: int
    scope: Scope = "subtree"
    either: Sequence[str] = ()
    matched: bool = False


#: What came of a search: entries, or what L{Wire.search} raises that says nothing of other searches.
Found: TypeAlias = "list[Entry] | SearchRefused | TooMany"


class Wire(Protocol):
    """
    A connection; for one piece of work at a time, and one question after the other. After any exception it can only be closed.

    @ivar deadline: for what is done on it from now on.
    @ivar is_open: the server has not closed it, as far as that is known.
    """

    deadline: Deadline

    @property
    def is_open(self) -> bool: ...  # noqa: D102

    def bind(self, name: str, password: str) -> Awaitable[Answer]:
        """
        Authenticate the connection; it is nobody's if that is refused.

        @raise ServerFailed: there is no answer.
        @raise ValueError: name or password is empty, which servers would take for an anonymous bind.
        """

    def bind_and_tell(
        self, name: str, password: str, told: Callable[[Answer | Failure], object]
    ) -> None:
        """
        As L{bind}, for who binds many: what comes of it is told to a function, which costs less than a Deferred.

        @param told: is called once, with the answer or a L{ServerFailed}, perhaps before this returns; not if the connection is closed
            by L{close} meanwhile.
        @raise ValueError: as of L{bind}; then nothing is told.
        """

    def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        limit: int,
        scope: Scope = "subtree",
    ) -> Awaitable[list[Entry]]:
        """
        Find entries.

        @raise ServerFailed: there is no answer.
        @raise SearchRefused: the server does not want to; or C{filter} is none.
        @raise TooMany: there are more than C{limit}.
        """

    def search_all(self, questions: Sequence[Question]) -> Awaitable[list[Found]]:
        """
        Find what several questions ask for, all of which are asked before any answer is read.

        @return: for each question in their order.
        @raise ServerFailed: as of L{search}; then nothing is known of any of them.
        """

    def close(self) -> None:
        """Close it; never waits, more than once is harmless. Whatever was asked on it is answered no more."""


#: Connects to a server at one of its addresses.
Connects: TypeAlias = Callable[[ServerUri, Sequence[SocketAddress], Deadline], Awaitable[Wire]]
