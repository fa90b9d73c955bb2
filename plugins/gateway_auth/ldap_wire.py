"""
What is asked of one connection to a directory server, whatever it is made of: to bind and to search, in time, and how that fails.

Everything here blocks and runs in a thread of the pool C{directory}; one deadline holds for connecting, TLS and every read. After a
L{ServerFailed} another server may be asked; what a server refuses is no other one's to grant. The connection itself is in
C{ldap_socket}, how a server is reached in C{ldap_connect}.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

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

    The plugin's clock is the reactor's; threads have the monotonic clock of the system.
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """
        Give the seconds that are left, more than 0.

        @raise TimeoutError: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left


@dataclass(frozen=True, slots=True)
class Question:
    """
    A search.

    @ivar filter: as people write it (RFC 4515).
    @ivar attributes: those that are wanted of each entry; none are none.
    @ivar limit: more entries than these are too many.
    """

    base: str
    filter: str
    attributes: Sequence[str]
    limit: int
    scope: Scope = "subtree"


#: What came of a search: entries, or what L{Wire.search} raises that says nothing of other searches.
Found: TypeAlias = "list[Entry] | SearchRefused | TooMany"


class Wire(Protocol):
    """
    A connection; for one thread at a time. After any exception it can only be closed.

    @ivar deadline: for what is done on it from now on.
    """

    deadline: Deadline

    def bind(self, name: str, password: str) -> Answer:
        """
        Authenticate the connection; it is nobody's if that is refused.

        @raise ServerFailed: there is no answer.
        @raise ValueError: name or password is empty, which servers would take for an anonymous bind.
        """

    def begin_bind(self, name: str, password: str) -> int:
        """
        Do the first half of L{bind}; nothing else is to be asked until L{end_bind}.

        @return: the number of what was asked.
        """

    def end_bind(self, number: int) -> Answer:
        """Do the second half; the server had its time for it meanwhile."""

    def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        limit: int,
        scope: Scope = "subtree",
    ) -> list[Entry]:
        """
        Find entries.

        @raise ServerFailed: there is no answer.
        @raise SearchRefused: the server does not want to; or C{filter} is none.
        @raise TooMany: there are more than C{limit}.
        """

    def search_all(self, questions: Sequence[Question]) -> list[Found]:
        """
        Find what several questions ask for, all of which are asked before any answer is read.

        @return: for each question in their order.
        @raise ServerFailed: as of L{search}; then nothing is known of any of them.
        """

    def close(self) -> None:
        """Close it; never blocks, more than once is harmless."""


#: Connects to a server at one of its addresses.
Connects: TypeAlias = Callable[[ServerUri, Sequence[SocketAddress], Deadline], Wire]
