"""
One connection to a directory server: the socket with its TLS and its deadline is ours, the protocol is ldap3's.

Everything here blocks and runs in a thread of the pool C{directory}. ldap3's own time-outs hold for each read, so a server
that sends a byte now and then could hold a thread for ever; here one deadline holds for connecting, TLS and every read, and what
a server sends is bounded. ldap3 would also look names up, follow referrals with the credentials and check certificates in a
way of its own; none of it is used. Certificates are verified by the standard library, addresses in certificates included.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

from ldap3 import ANONYMOUS, BASE, NONE, SAFE_SYNC, SIMPLE, SUBTREE, Connection, Server

from gateway_auth.bind_results import PASSWORD_POLICY, Answer
from gateway_auth.ldap_settings import ServerUri

#: Where a server is, as C{socket.getaddrinfo} says it: family and address.
SocketAddress: TypeAlias = tuple[int, tuple[Any, ...]]

#: What a server may send in answer to one request.
MAX_ANSWER = 8 * 2**20
#: In C{supportedCapabilities} of Active Directory (MS-ADTS section 3.1.1.3.4.3.1).
ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"

_LATE = "no answer in time"
_START_TLS = "1.3.6.1.4.1.1466.20037"
#: UnbindRequest with the largest message number of one byte (RFC 4511 section 4.3).
_UNBIND = b"\x30\x05\x02\x01\x7f\x42\x00"
#: noSuchObject and referral: there is nothing of it here.
_NOTHING = (10, 32)
_SIZE_LIMIT = 4
#: Of the server, not of the question: timeLimitExceeded, adminLimitExceeded, busy, unavailable, other.
_SERVERS_FAULT = (3, 11, 51, 52, 80)


#: Held by the thread that writes or reads messages, which is all Python and takes a millisecond for each; let go while it waits
#: for a server. Several such threads at once are no faster, but the reactor's thread would have to wait for each of them.
_computing = threading.Lock()


@contextlib.contextmanager
def _waiting() -> Iterator[None]:
    """Let another thread compute."""
    _computing.release()
    try:
        yield
    finally:
        _computing.acquire()


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
class Entry:
    """
    What was found.

    @ivar dn: its distinguished name.
    @ivar attributes: values by name in lower case.
    """

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def texts(self, attribute: str) -> list[str]:
        """Give the values of an attribute that are text."""
        found = []
        for value in self.attributes.get(attribute.lower(), ()):
            with contextlib.suppress(UnicodeDecodeError):
                found.append(value.decode("utf-8"))
        return found


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
        scope: Literal["base", "subtree"] = "subtree",
    ) -> list[Entry]:
        """
        Find entries.

        @raise ServerFailed: there is no answer.
        @raise SearchRefused: the server does not want to.
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
    A connection by ldap3.

    @ivar deadline: for what is done on it from now on.
    """

    def __init__(self, stream: socket.socket, deadline: Deadline) -> None:
        """Take over a connected socket."""
        self.deadline = deadline
        self._stream = _Stream(stream, self)
        self._connection = _protocol(self._stream)

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """
        Ask for TLS and begin it (RFC 4511 section 4.14).

        @raise ServerFailed: the server does not want to, or the handshake fails.
        """
        _, result, _, _ = self._ask(lambda ldap: ldap.extended(_START_TLS))
        if result["result"] != 0:
            raise ServerFailed(f"StartTLS is refused: {_described(result)}")
        self.secure(context, host)
        self._connection.tls_started = True

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """
        Begin TLS.

        @param host: what the certificate must be for.
        @raise ServerFailed: the handshake or the certificate fails.
        """
        try:
            self._stream.secure(context, host)
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

        def ask(ldap: Any) -> Any:
            ldap.user, ldap.authentication = name, SIMPLE
            # As bytes it is sent as it is: ldap3 would map some characters to others.
            ldap.password = password.encode("utf-8")
            try:
                return ldap.bind(read_server_info=False, controls=[(PASSWORD_POLICY, False, None)])
            finally:
                ldap.user = ldap.password = None
                ldap.authentication = ANONYMOUS

        _, result, _, _ = self._ask(ask)
        controls = {
            oid: control["value"]
            for oid, control in (result.get("controls") or {}).items()
            if isinstance(control.get("value"), bytes)
        }
        return Answer(int(result["result"]), str(result.get("message") or ""), controls)

    def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        limit: int,
        scope: Literal["base", "subtree"] = "subtree",
    ) -> list[Entry]:
        """Find entries."""
        _, result, found, _ = self._ask(
            lambda ldap: ldap.search(
                base,
                filter,
                BASE if scope == "base" else SUBTREE,
                attributes=list(attributes) or ["1.1"],
                size_limit=limit,
            )
        )
        code = result["result"]
        if code == _SIZE_LIMIT:
            raise TooMany(f"more than {limit} entries")
        if code in _NOTHING:
            return []
        if code in _SERVERS_FAULT:
            raise ServerFailed(f"a search fails: {_described(result)}")
        if code != 0:
            raise SearchRefused(f"a search is refused: {_described(result)}")
        entries = [_entry(one) for one in found or () if one["type"] == "searchResEntry"]
        if len(entries) > limit:
            raise TooMany(f"more than {limit} entries")
        return entries

    def close(self) -> None:
        """Say goodbye, if that can be said at once, and close."""
        self._stream.end()

    def _ask(self, ask: Callable[[Any], Any]) -> Any:
        """
        Let ldap3 do one thing.

        @raise ServerFailed: whatever goes wrong with what a server sends, or does not.
        """
        self._stream.taken = 0
        try:
            self.deadline.left()
            with _computing:
                return ask(self._connection)
        except TimeoutError:
            raise NoAnswer(_LATE) from None
        except Exception as error:
            # What a server sends can make ldap3 raise anything. Its texts are not passed on: no one knows what is in them.
            if isinstance(self._stream.fault, TimeoutError):
                raise NoAnswer(_LATE) from None
            if self._stream.fault is not None:
                raise ServerFailed(_said(self._stream.fault)) from None
            raise ServerFailed(f"no sensible answer ({type(error).__name__})") from None


class _Stream:
    """
    A socket that keeps to the deadline of its connection, with as much of a socket as ldap3 uses.

    @ivar taken: bytes received since a request was sent.
    @ivar fault: what went wrong.
    """

    def __init__(self, stream: socket.socket, wire: LdapWire) -> None:
        self.taken = 0
        self.fault: OSError | None = None
        self._stream = stream
        self._wire = wire
        self._is_closed = False

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS."""
        self._stream.settimeout(self._wire.deadline.left())
        # Closes the socket itself if it fails.
        self._stream = context.wrap_socket(self._stream, server_hostname=host)

    def recv(self, size: int) -> bytes:
        """Give some of what came."""
        try:
            self._stream.settimeout(self._wire.deadline.left())
            with _waiting():
                data = self._stream.recv(size)
        except OSError as error:
            self.fault = error
            raise
        self.taken += len(data)
        if self.taken > MAX_ANSWER:
            self.fault = OSError("the answer is too long")
            raise self.fault
        if not data:
            self.fault = OSError("the server closed the connection")
        return data

    def sendall(self, data: bytes) -> None:
        """Send."""
        try:
            self._stream.settimeout(self._wire.deadline.left())
            with _waiting():
                self._stream.sendall(data)
        except OSError as error:
            self.fault = error
            raise

    def shutdown(self, how: int) -> None:
        """Nothing: closing is enough."""

    def close(self) -> None:
        """Close."""
        self._is_closed = True
        self._stream.close()

    def end(self) -> None:
        """Send an unbind request if it goes out at once, and close."""
        if not self._is_closed:
            with contextlib.suppress(OSError, ValueError):
                self._stream.settimeout(0.0)
                self._stream.sendall(_UNBIND)
            self.close()


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


def _protocol(stream: _Stream) -> Any:
    """
    Make ldap3's side of a connection that is open already.

    It neither opens nor secures anything itself, so of its server object nothing is used but the name.
    """
    made = Connection(
        Server("directory", get_info=NONE),
        client_strategy=SAFE_SYNC,
        auto_referrals=False,
        check_names=False,
        auto_escape=False,
        auto_encode=False,
        return_empty_attributes=False,
    )
    made.socket = stream
    made.closed = False
    made.listening = True
    made.strategy._outstanding = {}
    return made


def _entry(found: Mapping[str, Any]) -> Entry:
    attributes = found.get("raw_attributes") or {}
    return Entry(
        str(found["dn"]), {name.lower(): tuple(values) for name, values in attributes.items()}
    )


def _described(result: Mapping[str, Any]) -> str:
    return f"{result.get('description')} ({result.get('result')})"


def _said(error: BaseException) -> str:
    """Say what is wrong with a connection; such errors know of no credentials."""
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
