"""
A connection to a directory server, with TLS on it: questions, several searches at a time, and their answers (RFC 4511).

What a server sends is bounded, and one that sends a byte now and then holds nobody for longer than one that sends none. An answer has
the number of its question, or the connection is given up. Referrals are not followed. What messages look like is the business of
C{ldap_messages}, what is made of answers that of C{ldap_answers}.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from gateway.api import Clock
from gateway_auth.bind_results import PASSWORD_POLICY, Answer
from gateway_auth.ldap_answers import Awaited, Binding, Searching, StartingTls
from gateway_auth.ldap_ber import SEQUENCE, BadMessage, message_size
from gateway_auth.ldap_faults import LATE, fault_of, tls_fault_of
from gateway_auth.ldap_messages import (
    MAX_NUMBER,
    Entry,
    Scope,
    bind_request,
    message,
    read_message,
    start_tls_request,
    unbind_request,
)
from gateway_auth.ldap_tls import Secured
from gateway_auth.ldap_wire import Deadline, Found, NoAnswer, Question, ServerFailed

#: What a server may send in answer to one request.
MAX_ANSWER: Final = 8 * 2**20
#: A goodbye that can't be sent within so many seconds is not said.
_GOODBYE_SECONDS: Final = 1.0
_CLOSED: Final = "the server closed the connection"
_UNASKED: Final = "no sensible answer: an answer is to something that was not asked"


class LdapWire(Protocol):
    """
    A connection (a L{Wire<gateway_auth.ldap_wire.Wire>}).

    @ivar deadline: for what is done on it from now on.
    @ivar is_open: it was not closed, by neither side.
    """

    def __init__(self, clock: Clock, deadline: Deadline) -> None:
        """Make it; it is to be connected."""
        self.deadline = deadline
        self.is_open = True
        self._clock = clock
        self._secured: Secured | None = None
        self._sends_at_once = False
        self._number = 0
        # What came and is no whole message yet, how much of that is missing at the least, and how much came since the last question.
        self._came: list[bytes] = []
        self._missing = 0
        self._taken = 0
        # What is asked, and who is told what came of it, once: that, or a Failure.
        self._awaited: Awaited[Any] | None = None
        self._told: Callable[[Any], object] | None = None
        # One call for many questions: it looks whether there is one that is too late.
        self._limit: Any = None
        self._limit_at = 0.0
        self._goodbye: Any = None

    # What is asked.

    def start_tls(self, context: ssl.SSLContext, host: str) -> Deferred[None]:
        """
        Ask for TLS and begin it (RFC 4511 section 4.14).

        @return: fails with L{ServerFailed} if the server does not want to, or the handshake fails.
        """
        number = self._next_number()

        def begin(_: object) -> Deferred[None]:
            if self._came:
                # Whoever is on the way could have put it there, to be taken for something that came by TLS.
                raise ServerFailed("the server sends more than its answer before TLS")
            return self.secure(context, host)

        asked = self._ask(message(number, start_tls_request()), StartingTls(number))
        return asked.addCallback(begin)

    def secure(self, context: ssl.SSLContext, host: str) -> Deferred[None]:
        """
        Begin TLS.

        @param host: what the certificate must be for.
        @return: fails with L{ServerFailed} if the certificate or the handshake fails.
        """
        try:
            self._secured = Secured(context, host)
            hello = self._secured.shake()
        except (OSError, ValueError) as error:
            return fail(tls_fault_of(error))
        answer: Deferred[None] = Deferred(self._given_up)
        self._wait(hello, None, answer.callback)
        return answer

    def bind(self, name: str, password: str) -> Deferred[Answer]:
        """Authenticate the connection."""
        answer: Deferred[Answer] = Deferred(self._given_up)
        self.bind_and_tell(name, password, answer.callback)
        return answer

    def bind_and_tell(
        self, name: str, password: str, told: Callable[[Answer | Failure], object]
    ) -> None:
        """Authenticate the connection, and tell a function."""
        if not name or not password:
            raise ValueError("an empty name or password is an anonymous bind (RFC 4513 5.1)")
        try:
            request = bind_request(name, password.encode("utf-8"), (PASSWORD_POLICY,))
        except ValueError as error:
            told(Failure(fault_of(error)))
            return
        number = self._next_number()
        self._tell(message(number, request), Binding(number), told)

    async def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        limit: int,
        scope: Scope = "subtree",
    ) -> list[Entry]:
        """Find entries."""
        (found,) = await self.search_all((Question(base, filter, attributes, limit, scope),))
        if isinstance(found, Exception):
            raise found
        return found

    def search_all(self, questions: Sequence[Question]) -> Deferred[list[Found]]:
        """Find entries for several questions."""
        searching = Searching(questions)
        requests: list[bytes] = []
        for place, request in searching.requests():
            number = self._next_number()
            searching.asked[number] = place
            requests.append(message(number, request))
        if not requests:
            answered: Deferred[list[Found]] = Deferred()
            answered.callback(searching.answers)
            return answered
        return self._ask(b"".join(requests), searching)

    def close(self) -> None:
        """Say goodbye, if that can be said soon, and close."""
        if not self.is_open:
            return
        self.is_open = False
        is_idle = self._told is None
        self._end()
        transport: Any = self.transport
        if transport is None:
            return
        secured = self._secured
        if not is_idle or (secured is not None and not secured.is_shaken):
            transport.abortConnection()
            return
        goodbye = message(self._next_number(), unbind_request())
        self._send(goodbye if secured is None else secured.closed(goodbye))
        self._goodbye = self._clock.callLater(_GOODBYE_SECONDS, transport.abortConnection)
        transport.loseConnection()

    # What the transport says.

    def connectionMade(self) -> None:
        """Let each question leave at once."""
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        self._sends_at_once = hasattr(transport, "writeSomeData")

    def dataReceived(self, data: bytes) -> None:
        """Take what the server sent; whatever is wrong with it ends the connection."""
        if not self.is_open:
            return
        secured = self._secured
        try:
            if secured is not None:
                if not secured.is_shaken:
                    self._shake(secured, data)
                    return
                data = secured.opened(data)
            if data:
                self._take(data)
            if secured is not None and secured.is_ended:
                raise ServerFailed(_CLOSED)
        except Exception as error:
            self._fail(error if isinstance(error, ServerFailed) else fault_of(error))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Tell whoever waits."""
        if self._goodbye is not None and self._goodbye.active():
            self._goodbye.cancel()
        if self.is_open:
            self._fail(ServerFailed(_CLOSED))

    # Its parts.

    def _ask(self, request: bytes, awaited: Awaited[Any]) -> Deferred[Any]:
        """Send a request, and wait for its answer."""
        answer: Deferred[Any] = Deferred(self._given_up)
        self._tell(request, awaited, answer.callback)
        return answer

    def _tell(self, request: bytes, awaited: Awaited[Any], told: Callable[[Any], object]) -> None:
        """Send a request, and tell its answer, or a Failure."""
        secured = self._secured
        if self._came:
            # Nothing that came before a question is an answer to it.
            self._fail(ServerFailed(_UNASKED))
            told(Failure(ServerFailed(_UNASKED)))
        elif secured is None or not self.is_open:
            self._wait(request, awaited, told)
        else:
            self._wait(secured.closed(request), awaited, told)

    def _wait(
        self, data: bytes, awaited: Awaited[Any] | None, told: Callable[[Any], object]
    ) -> None:
        """
        Send something as it is, and tell what came of it.

        @param awaited: C{None}: the end of the handshake.
        """
        end = self.deadline.end
        left = end - self._clock.seconds()
        if not self.is_open:
            told(Failure(ServerFailed(_CLOSED)))
            return
        if left <= 0:
            told(Failure(NoAnswer(LATE)))
            return
        self._taken = 0
        self._awaited = awaited
        self._told = told
        if self._limit is not None and self._limit_at > end:
            self._limit.cancel()
            self._limit = None
        if self._limit is None:
            self._limit_at = end
            self._limit = self._clock.callLater(left, self._look)
        self._send(data)

    def _send(self, data: bytes) -> None:
        """
        Send at once what can be sent at once.

        A transport by itself waits until the kernel says that there is room, which for a question is always: two more system calls, and
        the rest of the reactor's round.
        """
        transport: Any = self.transport
        if self._sends_at_once:
            sent = transport.writeSomeData(data)
            if sent == len(data):
                return
            # Behind what waits nothing may be sent past it.
            self._sends_at_once = False
            if isinstance(sent, int):
                data = data[sent:]
        transport.write(data)

    def _shake(self, secured: Secured, data: bytes) -> None:
        """Go on with the handshake."""
        try:
            more = secured.shake(data)
        except (OSError, ValueError) as error:
            self._send(secured.parting())
            raise tls_fault_of(error) from None
        if more:
            self._send(more)
        if secured.is_shaken:
            said = secured.opened()
            if said:
                # Servers say nothing before they are asked.
                self._came.append(said)
            self._answered(None)

    def _take(self, data: bytes) -> None:
        """
        Take what was said.

        @raise BadMessage: it is no answer to what was asked.
        """
        self._taken += len(data)
        if self._taken > MAX_ANSWER:
            raise BadMessage("the answer is too long")
        pieces = self._came
        if pieces:
            pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(pieces)
            self._came = []
        at, have = 0, len(data)
        missing = 1
        while have - at >= 2:
            size = data[at + 1] + 2
            if size >= 0x82 or data[at] != SEQUENCE:
                # As much as is needed to know a length.
                size = message_size(data[at : at + 6], MAX_ANSWER)
            end = at + size
            if not size or end > have:
                missing = max(1, end - have)
                break
            about, said = read_message(data if size == have else data[at:end])
            at = end
            if about == 0:
                raise BadMessage("the server ends the connection")
            awaited = self._awaited
            if awaited is None:
                raise BadMessage("an answer is to something that was not asked")
            outcome = awaited.take(about, said)
            if outcome is not None:
                # What is behind it was not asked for; see L{_ask}.
                self._keep(data[at:], 1)
                self._answered(outcome)
                return
        self._keep(data[at:], missing)

    def _keep(self, rest: bytes, missing: int) -> None:
        if rest:
            self._came = [rest]
            self._missing = missing

    def _answered(self, outcome: object) -> None:
        told = self._told
        self._awaited = self._told = None
        if told is not None:
            told(outcome)

    def _fail(self, error: Exception) -> None:
        """Give the connection up, and say why to whoever waits."""
        self.is_open = False
        told = self._told
        self._end()
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()
        if told is not None:
            told(Failure(error))

    def _given_up(self, _: Deferred[Any]) -> None:
        """Nobody waits any more; what may come would be taken for an answer to what is asked next."""
        self._told = None
        self._fail(ServerFailed(_CLOSED))

    def _end(self) -> None:
        """Nothing is waited for."""
        self._awaited = self._told = None
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.cancel()

    def _look(self) -> None:
        """See whether an answer is late."""
        self._limit = None
        if self._told is None:
            return
        self._limit_at = self.deadline.end
        left = self._limit_at - self._clock.seconds()
        if left > 0:
            self._limit = self._clock.callLater(left, self._look)
        else:
            self._fail(NoAnswer(f"no TLS: {LATE}" if self._awaited is None else LATE))

    def _next_number(self) -> int:
        self._number = self._number % MAX_NUMBER + 1
        return self._number
