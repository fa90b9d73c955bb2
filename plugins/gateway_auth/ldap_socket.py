"""
A connection to a directory server over a socket, with TLS on it: questions, several searches at a time, and their answers (RFC 4511).

What a server sends is bounded, and one that sends a byte now and then holds nobody for longer than one that sends none. An answer has
the number of its question, or the connection is given up. Referrals are not followed. Certificates are verified by the standard
library, addresses in certificates included. What messages look like is the business of C{ldap_messages}.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence

from gateway_auth.bind_results import PASSWORD_POLICY, Answer
from gateway_auth.ldap_ber import BadMessage, message_size
from gateway_auth.ldap_faults import LATE, described, faults, said_of
from gateway_auth.ldap_filters import BadFilter, encode_filter
from gateway_auth.ldap_messages import (
    BIND_ANSWER,
    EXTENDED_ANSWER,
    MAX_NUMBER,
    SEARCH_DONE,
    Entry,
    Reference,
    Result,
    Scope,
    bind_request,
    message,
    read_message,
    search_request,
    start_tls_request,
    unbind_request,
)
from gateway_auth.ldap_wire import (
    Deadline,
    Found,
    NoAnswer,
    Question,
    SearchRefused,
    ServerFailed,
    TooMany,
)

#: What a server may send in answer to one request.
MAX_ANSWER = 8 * 2**20

_READ_SIZE = 65536
#: A socket's time-out is set again when it would end so much too late.
_SLACK_SECONDS = 0.01
#: noSuchObject and referral: there is nothing of it here.
_NOTHING = (10, 32)
_SIZE_LIMIT = 4
#: Of the server, not of the question: timeLimitExceeded, adminLimitExceeded, busy, unavailable, other.
_SERVERS_FAULT = (3, 11, 51, 52, 80)


class LdapWire:
    """
    A connection over a socket (a L{Wire<gateway_auth.ldap_wire.Wire>}).

    @ivar deadline: for what is done on it from now on.
    """

    def __init__(self, stream: socket.socket, deadline: Deadline) -> None:
        """Take over a connected socket."""
        self.deadline = deadline
        self._stream = stream
        self._timeout = -1.0
        self._is_closed = False
        self._number = 0
        # What came, and how much of it was read; C{taken}: bytes since the last request.
        self._came = bytearray()
        self._taken = 0

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """
        Ask for TLS and begin it (RFC 4511 section 4.14).

        @raise ServerFailed: the server does not want to, or the handshake fails.
        """
        with faults():
            number = self._send(start_tls_request())
            result = self._result(number, EXTENDED_ANSWER)
        if result.code != 0:
            raise ServerFailed(f"StartTLS is refused: {described(result)}")
        if self._came:
            # Whoever is on the way could have put it there, to be taken for something that came by TLS.
            raise ServerFailed("the server sends more than its answer before TLS")
        self.secure(context, host)

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """
        Begin TLS.

        @param host: what the certificate must be for.
        @raise ServerFailed: the handshake or the certificate fails.
        """
        try:
            self._timeout = self.deadline.left()
            self._stream.settimeout(self._timeout)
            # Closes the socket itself if it fails.
            self._stream = context.wrap_socket(self._stream, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise ServerFailed(f"the certificate is not trusted: {error.verify_message}") from None
        except TimeoutError:
            raise NoAnswer(f"no TLS: {LATE}") from None
        except (OSError, ValueError) as error:
            raise ServerFailed(f"no TLS: {said_of(error)}") from None

    def bind(self, name: str, password: str) -> Answer:
        """Authenticate the connection."""
        return self.end_bind(self.begin_bind(name, password))

    def begin_bind(self, name: str, password: str) -> int:
        """Ask for it."""
        if not name or not password:
            raise ValueError("an empty name or password is an anonymous bind (RFC 4513 5.1)")
        with faults():
            return self._send(bind_request(name, password.encode("utf-8"), (PASSWORD_POLICY,)))

    def end_bind(self, number: int) -> Answer:
        """Read what it came to."""
        with faults():
            result = self._result(number, BIND_ANSWER)
        return Answer(result.code, result.message, result.controls)

    def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        limit: int,
        scope: Scope = "subtree",
    ) -> list[Entry]:
        """Find entries."""
        (found,) = self.search_all((Question(base, filter, attributes, limit, scope),))
        if isinstance(found, Exception):
            raise found
        return found

    def search_all(self, questions: Sequence[Question]) -> list[Found]:
        """Find entries for several questions."""
        answers: list[Found] = [[] for _ in questions]
        asked: dict[int, int] = {}
        requests: list[bytes] = []
        for index, question in enumerate(questions):
            try:
                wanted = encode_filter(question.filter)
            except BadFilter as error:
                answers[index] = SearchRefused(f"a filter is none: {error}")
                continue
            number = self._next_number()
            asked[number] = index
            request = search_request(
                question.base, question.scope, wanted, question.attributes, question.limit
            )
            requests.append(message(number, request))
        if requests:
            with faults():
                self._send_all(b"".join(requests))
                self._read_all(questions, asked, answers)
        return answers

    def _read_all(
        self, questions: Sequence[Question], asked: dict[int, int], answers: list[Found]
    ) -> None:
        """
        Read until each question is answered, in whatever order.

        @param asked: places of questions by the numbers of their messages; empty in the end.
        @param answers: by place; empty lists, to be filled or replaced.
        @raise BadMessage: something else comes; else as L{_message}.
        """
        while asked:
            number, said = self._message()
            index = asked.get(number)
            if index is None:
                raise BadMessage("an answer is to something that was not asked")
            entries, limit = answers[index], questions[index].limit
            assert isinstance(entries, list)
            if isinstance(said, Result):
                _check_kind(said, SEARCH_DONE)
                del asked[number]
                answers[index] = _outcome(said, entries, limit)
            elif isinstance(said, Entry) and len(entries) <= limit:
                # The connection is kept, so all has to be read; what is too much is not kept.
                entries.append(said)

    def close(self) -> None:
        """Say goodbye, if that can be said at once, and close."""
        if not self._is_closed:
            self._is_closed = True
            with contextlib.suppress(OSError, ValueError):
                self._stream.settimeout(0.0)
                self._stream.sendall(message(self._next_number(), unbind_request()))
            self._stream.close()

    def _next_number(self) -> int:
        self._number = self._number % MAX_NUMBER + 1
        return self._number

    def _send(self, request: bytes) -> int:
        """
        Send a request; gives its number.

        @raise OSError: it can't be sent, or not in time.
        """
        number = self._next_number()
        self._send_all(message(number, request))
        return number

    def _send_all(self, messages: bytes) -> None:
        """
        Send messages.

        @raise OSError: they can't be sent, or not in time.
        """
        self._taken = len(self._came)
        self._keep_to_deadline()
        self._stream.sendall(messages)

    def _result(self, number: int, kind: int) -> Result:
        """
        Read the one message that answers a request.

        @raise BadMessage: it is another one; else as L{_message}.
        """
        about, said = self._message()
        if about != number:
            raise BadMessage("an answer is to something that was not asked")
        if not isinstance(said, Result):
            raise BadMessage("an answer is of another kind than its question")
        _check_kind(said, kind)
        return said

    def _message(self) -> tuple[int, Entry | Reference | Result]:
        """
        Read the next message: the number of what it answers, and what it says.

        @raise BadMessage: it is none.
        @raise OSError: none comes, or not in time.
        """
        came = self._came
        if not came:
            self._receive()
        while not (size := message_size(came, MAX_ANSWER)) or len(came) < size:
            self._receive()
        about, said = read_message(bytes(came[:size]))
        del came[:size]
        if about == 0:
            raise BadMessage("the server ends the connection")
        return about, said

    def _receive(self) -> None:
        self._keep_to_deadline()
        data = self._stream.recv(_READ_SIZE)
        if not data:
            raise OSError("the server closed the connection")
        self._taken += len(data)
        if self._taken > MAX_ANSWER:
            raise BadMessage("the answer is too long")
        self._came += data

    def _keep_to_deadline(self) -> None:
        """
        Let what is done next on the socket end with the deadline.

        @raise TimeoutError: it is over.
        """
        left = self.deadline.left()
        # Each time it is set it costs a system call.
        if not left <= self._timeout <= left + _SLACK_SECONDS:
            self._timeout = left
            self._stream.settimeout(left)


def _outcome(result: Result, entries: list[Entry], limit: int) -> Found:
    """
    Say what came of a search.

    @raise ServerFailed: the server does not do its work.
    """
    if result.code == _SIZE_LIMIT or len(entries) > limit:
        return TooMany(f"more than {limit} entries")
    if result.code in _NOTHING:
        return []
    if result.code in _SERVERS_FAULT:
        raise ServerFailed(f"a search fails: {described(result)}")
    if result.code != 0:
        return SearchRefused(f"a search is refused: {described(result)}")
    return entries


def _check_kind(result: Result, kind: int) -> None:
    """
    See that a result is the one of a question.

    @raise BadMessage: it is that of another one.
    """
    if result.kind != kind:
        raise BadMessage("an answer is of another kind than its question")
