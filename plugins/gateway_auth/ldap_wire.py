"""
One connection to a directory server: its socket, TLS, deadline, and one question at a time with its answer.

Everything here blocks and runs in a thread of the pool C{directory}. One deadline holds for connecting, TLS and every read, so a server
that sends a byte now and then holds nobody for longer than one that sends none; what a server sends is bounded. An answer has the
number of its question, or the connection is given up. Referrals are not followed. Certificates are verified by the standard library,
addresses in certificates included. What messages look like is the business of C{ldap_messages}.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from gateway_auth.bind_results import PASSWORD_POLICY, Answer
from gateway_auth.ldap_ber import BadMessage, message_size
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
from gateway_auth.ldap_settings import ServerUri

#: Where a server is, as C{socket.getaddrinfo} says it: family and address.
SocketAddress: TypeAlias = tuple[int, tuple[Any, ...]]

#: What a server may send in answer to one request.
MAX_ANSWER = 8 * 2**20
#: In C{supportedCapabilities} of Active Directory (MS-ADTS section 3.1.1.3.4.3.1).
ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"

_LATE = "no answer in time"
_READ_SIZE = 65536
#: A socket's time-out is set again when it would end so much too late.
_SLACK_SECONDS = 0.01
#: noSuchObject and referral: there is nothing of it here.
_NOTHING = (10, 32)
_SIZE_LIMIT = 4
#: Of the server, not of the question: timeLimitExceeded, adminLimitExceeded, busy, unavailable, other.
_SERVERS_FAULT = (3, 11, 51, 52, 80)
#: What operators read of result codes that servers give to searches and StartTLS (RFC 4511 appendix A).
_CODES: Mapping[int, str] = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    16: "noSuchAttribute",
    17: "undefinedAttributeType",
    18: "inappropriateMatching",
    21: "invalidAttributeSyntax",
    33: "aliasProblem",
    34: "invalidDNSyntax",
    36: "aliasDereferencingProblem",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    54: "loopDetect",
    80: "other",
}


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

    def close(self) -> None:
        """Close it; never blocks, more than once is harmless."""


#: Connects to a server at one of its addresses.
Connects: TypeAlias = Callable[[ServerUri, Sequence[SocketAddress], Deadline], Wire]


def tls_context(ca: str) -> ssl.SSLContext:
    """
    Make what verifies servers' certificates and their names.

    @param ca: PEM file; empty: the system's store.
    @raise OSError: it can't be read, or holds no certificates.
    """
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connects(context: ssl.SSLContext, *, plaintext: Callable[[ServerUri], bool]) -> Connects:
    """
    Give what connects to servers.

    @param plaintext: whether a server is asked without TLS.
    """

    def connect(uri: ServerUri, addresses: Sequence[SocketAddress], deadline: Deadline) -> Wire:
        """
        Connect.

        @raise ServerFailed: no address answers, or TLS fails.
        """
        stream = _opened(addresses, deadline)
        wire = LdapWire(stream, deadline)
        try:
            if uri.scheme == "ldaps":
                wire.secure(context, uri.host)
            elif not plaintext(uri):
                wire.start_tls(context, uri.host)
        except BaseException:
            wire.close()
            raise
        return wire

    return connect


class LdapWire:
    """
    A connection over a socket.

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
        with _faults():
            number = self._send(start_tls_request())
            result = self._result(number, EXTENDED_ANSWER)
        if result.code != 0:
            raise ServerFailed(f"StartTLS is refused: {_described(result)}")
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
            raise NoAnswer(f"no TLS: {_LATE}") from None
        except (OSError, ValueError) as error:
            raise ServerFailed(f"no TLS: {_said(error)}") from None

    def bind(self, name: str, password: str) -> Answer:
        """Authenticate the connection."""
        if not name or not password:
            raise ValueError("an empty name or password is an anonymous bind (RFC 4513 5.1)")
        with _faults():
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
        with _faults():
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
            raise ServerFailed(f"a search fails: {_described(said)}")
        if said.code != 0:
            raise SearchRefused(f"a search is refused: {_described(said)}")
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


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """
    Say what goes wrong with what a server sends, or does not.

    @raise ServerFailed: it went wrong.
    """
    try:
        yield
    except TimeoutError:
        raise NoAnswer(_LATE) from None
    except BadMessage as error:
        raise ServerFailed(f"no sensible answer: {error}") from None
    except OSError as error:
        raise ServerFailed(_said(error)) from None
    except ValueError as error:
        # Its text may have a part of what was to be sent.
        raise ServerFailed(f"nothing can be asked ({type(error).__name__})") from None


def _check_kind(result: Result, kind: int) -> None:
    """
    See that a result is the one of a question.

    @raise BadMessage: it is that of another one.
    """
    if result.kind != kind:
        raise BadMessage("an answer is of another kind than its question")


def _opened(addresses: Sequence[SocketAddress], deadline: Deadline) -> socket.socket:
    """Connect to the first address that answers; each has its share of the time that is left."""
    failed = ServerFailed("its name has no address")
    for index, (family, address) in enumerate(addresses):
        stream = socket.socket(family, socket.SOCK_STREAM)
        try:
            stream.settimeout(deadline.left() / (len(addresses) - index))
            stream.connect(address)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            stream.close()
            kind = NoAnswer if isinstance(error, TimeoutError) else ServerFailed
            failed = kind(f"can't connect to {address[0]}: {_said(error)}")
            continue
        return stream
    raise failed


def _described(result: Result) -> str:
    return f"{_CODES.get(result.code, 'result')} ({result.code})"


def _said(error: BaseException) -> str:
    """Say what is wrong with a connection; such errors know of no credentials."""
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
