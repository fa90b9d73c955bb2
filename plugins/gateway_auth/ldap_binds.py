"""
Several users bound at the same time, on several connections for logins, so that nobody's password is tried more often than alone.

One connection takes one bind after the other (RFC 4511 section 4.2.1). Directories count wrong passwords and lock accounts. So a
password that was sent is sent again in one case alone: a connection that was kept breaks at its first bind, as the server has
closed it meanwhile. When anything else breaks, what is known of the others stays known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, cast

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

    __slots__ = ("_asked", "_renew", "_renewing", "_told", "is_sound", "wire")

    def __init__(self, wire: Wire, renew: Callable[[], Awaitable[Wire]] | None = None) -> None:
        """
        Take a connection.

        @param renew: makes another one, where this one was kept; C{None}: it is new.
        """
        self.wire = wire
        self.is_sound = True
        self._renew = renew
        self._renewing: Errand[Answer] | None = None
        self._asked = "", ""
        self._told: Callable[[LoginLine, Answer | Failure], object]

    def bind(
        self, asked: tuple[str, str], told: Callable[[LoginLine, Answer | Failure], object]
    ) -> None:
        """
        Bind as a user.

        @param asked: name and password.
        @param told: is called with this line and what came of it, perhaps before this returns.
        """
        self.is_sound = False
        self._asked = asked
        self._told = told
        name, password = asked
        self.wire.bind_and_tell(name, password, self._bound)

    def give_up(self) -> None:
        """Make no other connection any more; the one that there is has to be closed."""
        if self._renewing is not None:
            self._renewing.cancel()

    def _bound(self, answer: Answer | Failure) -> None:
        renew, self._renew = self._renew, None
        if not isinstance(answer, Failure):
            self.is_sound = True
        elif renew is not None and answer.check(ServerFailed) and not answer.check(NoAnswer):
            self.wire.close()
            self._renewing = Errand(self._bound_anew(renew), self._bound)
            return
        self._told(self, answer)

    async def _bound_anew(self, renew: Callable[[], Awaitable[Wire]]) -> Answer:
        self.wire = await renew()
        return await self.wire.bind(*self._asked)


class _Binding:
    """Several binds: each line takes the next one when it is free."""

    def __init__(self, lines: Sequence[LoginLine], asked: Sequence[tuple[str, str]]) -> None:
        self.done: Deferred[list[Bound]] = Deferred(self._give_up)
        self._lines = lines
        self._asked = asked
        self._found: list[Bound] = [None] * len(asked)
        # Who is bound as on which line, and how many were begun.
        self._places: dict[LoginLine, int] = {}
        self._begun = 0

    def go_on(self, line: LoginLine) -> None:
        """Let a line that is free take the next one; when nothing is left, and nothing under way, all is done."""
        place = self._begun
        if place < len(self._asked):
            self._begun += 1
            self._places[line] = place
            try:
                line.bind(self._asked[place], self._take)
            except Exception:
                self._fail(Failure())
        elif not self._places and not self.done.called:
            self.done.callback(self._found)

    def _take(self, line: LoginLine, answer: Answer | Failure) -> None:
        place = self._places.pop(line)
        if isinstance(answer, Failure):
            if not answer.check(ServerFailed):
                self._fail(answer)
                return
            # Nothing more is sent.
            self._begun = len(self._asked)
            self._found[place] = cast(ServerFailed, answer.value)
        else:
            self._found[place] = answer
        self.go_on(line)

    def _fail(self, why: Failure) -> None:
        self._begun = len(self._asked)
        if not self.done.called:
            self.done.errback(why)

    def _give_up(self, _: object) -> None:
        self._begun = len(self._asked)
        for line in self._lines:
            line.give_up()


def bind_all(lines: Sequence[LoginLine], asked: Sequence[tuple[str, str]]) -> Deferred[list[Bound]]:
    """
    Bind as users, each by name and password; each connection takes the next one when it is free. Nothing more is sent after a failure.

    @param lines: at least one.
    @return: for each in their order.
    """
    binding = _Binding(lines, asked)
    for line in lines:
        binding.go_on(line)
    return binding.done
