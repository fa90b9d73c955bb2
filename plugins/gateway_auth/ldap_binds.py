"""
Several users bound at the same time, on several connections for logins, so that nobody's password is tried more often than alone.

One connection takes one bind after the other (RFC 4511 section 4.2.1). Directories count wrong passwords and lock accounts. So a
password that was sent is sent again in one case alone: a connection that was kept breaks at its first bind, as the server has
closed it meanwhile. When anything else breaks, what is known of the others stays known. Used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from gateway_auth.bind_results import Answer
from gateway_auth.ldap_wire import NoAnswer, ServerFailed, Wire

#: What came of a bind: its answer; why there is none, though it was sent; C{None}: it was not sent.
Bound: TypeAlias = Answer | ServerFailed | None


class LoginLine:
    """
    A connection for logins, for one piece of work.

    @ivar wire: the connection; another one when the first was closed.
    @ivar is_sound: it has broken nowhere, and nothing is under way on it.
    """

    def __init__(self, wire: Wire, renew: Callable[[], Wire] | None = None) -> None:
        """
        Take a connection.

        @param renew: makes another one, where this one was kept; C{None}: it is new.
        """
        self.wire = wire
        self.is_sound = True
        self._renew = renew
        self._begun: int | ServerFailed = 0

    def begin(self, name: str, password: str) -> None:
        """Send a bind."""
        self.is_sound = False
        try:
            self._begun = self.wire.begin_bind(name, password)
        except ServerFailed as failed:
            self._begun = failed

    def end(self, name: str, password: str) -> Answer | ServerFailed:
        """Give what came of the bind that was begun, with the same arguments."""
        try:
            if isinstance(self._begun, ServerFailed):
                raise self._begun
            answer = self.wire.end_bind(self._begun)
        except ServerFailed as failed:
            renew, self._renew = self._renew, None
            if renew is None or isinstance(failed, NoAnswer):
                return failed
            self.wire.close()
            try:
                self.wire = renew()
                answer = self.wire.bind(name, password)
            except ServerFailed as again:
                return again
        self._renew = None
        self.is_sound = True
        return answer


def bind_all(lines: Sequence[LoginLine], asked: Sequence[tuple[str, str]]) -> list[Bound]:
    """
    Bind as users, each by name and password; nothing more is sent after a failure.

    @return: for each in their order.
    """
    found: list[Bound] = []
    for first in range(0, len(asked), len(lines)):
        some = list(zip(lines, asked[first:], strict=False))
        for line, one in some:
            line.begin(*one)
        found += [line.end(*one) for line, one in some]
        if not all(line.is_sound for line in lines):
            break
    return found + [None] * (len(asked) - len(found))
