"""
Several users bound at the same time, on several connections for logins, so that nobody's password is tried more often than alone.

One connection takes one bind after the other (RFC 4511 section 4.2.1). Directories count wrong passwords and lock accounts. So a
password that was sent is sent again in one case alone: a connection that was kept breaks at its first bind, as the server has
closed it meanwhile. When anything else breaks, what is known of the others stays known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway_auth.bind_results import Answer
from gateway_auth.errand import Errand
from gateway_auth.ldap_wire import NoAnswer, ServerFailed, Wire

#: What came of a bind: its answer; why there is none, though it was sent; C{None}: it was not sent.
Bound: TypeAlias = Answer | ServerFailed | None


class LoginLine:
    """
    A connection for logins, for one piece of work.

    @ivar wire: the connection; another one when the first was closed.
    @ivar is_sound: it has broken nowhere, and nothing is under way on it.
    """

    def __init__(self, wire: Wire, renew: Callable[[], Awaitable[Wire]] | None = None) -> None:
        """
        Take a connection.

        @param renew: makes another one, where this one was kept; C{None}: it is new.
        """
        self.wire = wire
        self.is_sound = True
        self._renew = renew

    async def bind(self, name: str, password: str) -> Answer | ServerFailed:
        """Bind as a user; gives why there is no answer, where there is none."""
        self.is_sound = False
        try:
            answer = await self.wire.bind(name, password)
        except ServerFailed as failed:
            renew, self._renew = self._renew, None
            if renew is None or isinstance(failed, NoAnswer):
                return failed
            self.wire.close()
            try:
                self.wire = await renew()
                answer = await self.wire.bind(name, password)
            except ServerFailed as again:
                return again
        self._renew = None
        self.is_sound = True
        return answer


async def bind_all(lines: Sequence[LoginLine], asked: Sequence[tuple[str, str]]) -> list[Bound]:
    """
    Bind as users, each by name and password; each connection takes the next one when it is free. Nothing more is sent after a failure.

    @return: for each in their order.
    """
    found: list[Bound] = [None] * len(asked)
    waiting = deque(enumerate(asked))

    async def work(line: LoginLine) -> None:
        while waiting:
            place, (name, password) = waiting.popleft()
            found[place] = await line.bind(name, password)
            if not line.is_sound:
                waiting.clear()

    left = len(lines)
    working: list[Errand[None]] = []

    def give_up(_: object) -> None:
        for errand in working:
            errand.cancel()

    done: Deferred[None] = Deferred(give_up)

    def over(result: Failure | None) -> None:
        nonlocal left
        left -= 1
        if done.called:
            return
        if result is not None:
            # Such as that nobody waits any more.
            done.errback(result)
        elif not left:
            done.callback(None)

    for line in lines:
        working.append(Errand(work(line), over))
    if lines:
        await done
    return found
