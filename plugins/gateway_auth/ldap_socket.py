"""
A connection to a directory server over a socket, with TLS on it, and one question at a time with its answer (RFC 4511).

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
from gateway_auth.ldap_wire import Deadline, NoAnswer, SearchRefused, ServerFailed, TooMany

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
        if not name or not password:
            raise ValueError("an empty name or password is an anonymous bind (RFC 4513 5.1)")
        with faults():
            number = self._send(bind_request(name, password.encode("utf-8"), (PASSWORD_POLICY,)))
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
        try:
            wanted = encode_filter(filter)
        except BadFilter as error:
            raise SearchRefused(f"a filter is none: {error}") from None
        request = search_request(base, scope, wanted, attributes, limit)
        entries: list[Entry] = []
        with faults():
            number = self._send(request)
            while not isinstance(said := self._answer(number), Result):
                # The connection is kept, so all has to be read; what is too much is not kept.
                if isinstance(said, Entry) and len(entries) <= limit:
                    entries.append(said)
            _check_kind(said, SEARCH_DONE)
        if said.code == _SIZE_LIMIT or len(entries) > limit:
            raise TooMany(f"more than {limit} entries")
        if said.code in _NOTHING:
            return []
        if said.code in _SERVERS_FAULT:
            raise ServerFailed(f"a search fails: {described(said)}")
        if said.code != 0:
            raise SearchRefused(f"a search is refused: {described(said)}")
        return entries

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
        self._taken = len(self._came)
        self._keep_to_deadline()
        self._stream.sendall(message(number, request))
        return number

    def _result(self, number: int, kind: int) -> Result:
        """
        Read the one message that answers a request.

        @raise BadMessage: it is another one; else as L{_answer}.
        """
        said = self._answer(number)
        if not isinstance(said, Result):
            raise BadMessage("an answer is of another kind than its question")
        _check_kind(said, kind)
        return said

    def _answer(self, number: int) -> Entry | Reference | Result:
        """
        Read the next message, which has to answer the request of this number.

        @raise BadMessage: it does not.
        @raise OSError: none comes, or not in time.
        """
        while not (size := message_size(self._came, MAX_ANSWER)) or len(self._came) < size:
            self._receive()
        about, said = read_message(bytes(self._came[:size]))
        del self._came[:size]
        if about == 0:
            raise BadMessage("the server ends the connection")
        if about != number:
            raise BadMessage("an answer is to something that was not asked")
        return said

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


def _check_kind(result: Result, kind: int) -> None:
    """
    See that a result is the one of a question.

    @raise BadMessage: it is that of another one.
    """
    if result.kind != kind:
        raise BadMessage("an answer is of another kind than its question")
